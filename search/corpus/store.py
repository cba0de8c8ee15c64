"""The encoded corpus, and its files, which every worker maps into memory.

On disk a corpus is a folder of plain .npy files and one corpus.json. The arrays are memory-mapped,
so that all workers share one copy in the operating system's page cache.
"""

import errno
import hashlib
import json
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from search.files import TEMPORARY, flush_folder, npy, write_json


@dataclass(frozen=True)
class Split:
    """One split of the corpus: training, validation, test or unlabelled rows.

    Attributes:
        ids: int32, shape (tokens,), the token ids of all texts, concatenated.
        offsets: int64, shape (rows + 1,); row i is ids[offsets[i]:offsets[i + 1]].
        labels: int32, shape (rows,), class indices; empty for unlabelled rows.
        rows: int64, shape (rows,), each row's number in its source, from 1.
        texts: str, shape (rows,), the original texts; only in the process that read them, and not
            for unlabelled rows.
    """

    ids: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int32]
    rows: npt.NDArray[np.int64]
    texts: npt.NDArray[np.object_] = field(default_factory=lambda: np.empty(0, object))

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """The number of tokens in each row, shape (rows,)."""
        return np.diff(self.offsets)


SPLITS = ("train", "validation", "test", "unlabelled")
AT_A_TIME = 10_000  # texts, for a hash of them
ARRAYS = ("ids", "offsets", "labels", "rows")
PLAIN = ("class_names", "vocabulary", "fingerprint", "facts")


@dataclass(frozen=True)
class Corpus:
    """The encoded data of a run.

    Attributes:
        train, validation, test: the labelled splits.
        unlabelled: further texts, to learn word features from.
        class_names: the classes in order; with two, the model predicts the probability of the
            second.
        vocabulary: tokens by falling frequency, those of the training texts before those that
            occur in unlabelled texts only; token i has the id i + 2.
        folds: int8, shape (training + validation rows,), the cross-validation fold of each row, or
            -1; see `search.corpus.folds`.
        fingerprint: SHA-256 of texts, labels and split.
        facts: metadata for run.json: number of rows, dropped rows, rows by class and split, audit.

    Examples:
        >>> import search
        >>> corpus = search.load_corpus("reviews.csv")
        >>> corpus.class_names, len(corpus.train)
        (('negative', 'positive'), 240)
        >>> begin, end = corpus.train.offsets[:2]  # the first training row
        >>> [corpus.vocabulary[i - 2] for i in corpus.train.ids[begin:end] if i > 1]
        ['i', 'was', 'in', ..., 'happy', 'ending']
    """

    train: Split
    validation: Split
    test: Split
    unlabelled: Split
    class_names: tuple[str, ...]
    vocabulary: tuple[str, ...]
    folds: npt.NDArray[np.int8]
    fingerprint: str
    facts: dict[str, Any]

    @property
    def held_out(self) -> npt.NDArray[np.int64]:
        """Indices, in training and then validation rows, of those that are in a fold: among them
        are all of validation."""
        return np.flatnonzero(np.asarray(self.folds) >= 0)

    @property
    def fold_labels(self) -> npt.NDArray[np.int32]:
        """Class indices of training and then validation rows, as `folds` has them."""
        return np.concatenate([self.train.labels, self.validation.labels])

    @property
    def fold_texts(self) -> npt.NDArray[np.object_]:
        """The texts of the same rows."""
        return np.concatenate([self.train.texts, self.validation.texts])

    def save(self, folder: Path) -> None:
        """Writes the corpus as `folder`, atomically; does nothing if the folder exists."""
        if folder.exists():
            return
        partial = folder.with_name(folder.name + TEMPORARY)
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        for split in SPLITS:
            for array in ARRAYS:
                _save(getattr(getattr(self, split), array), partial / f"{split}_{array}.npy")
        _save(self.folds, partial / "folds.npy")
        plain = {name: getattr(self, name) for name in PLAIN}
        write_json(partial / "corpus.json", plain)
        partial.rename(folder)
        flush_folder(folder.parent)

    def is_saved(self, folder: Path) -> bool:
        """Whether `folder` has this corpus, complete."""
        try:
            saved = Corpus.open(folder)
            if not np.array_equal(saved.folds, self.folds):
                return False
            return saved.vocabulary == self.vocabulary and all(
                np.array_equal(getattr(getattr(saved, s), a), getattr(getattr(self, s), a))
                for s in SPLITS
                for a in ARRAYS
            )
        except Exception:  # its arrays and texts may be anything
            return False

    @classmethod
    def open(cls, folder: Path) -> "Corpus":
        """Maps a saved corpus into memory, read-only."""
        plain = json.loads((folder / "corpus.json").read_text(encoding="utf-8"))
        for name in ("class_names", "vocabulary"):
            plain[name] = tuple(plain[name])
        for split in SPLITS:
            plain[split] = Split(**{a: mapped(folder / f"{split}_{a}.npy") for a in ARRAYS})
        return cls(**plain, folds=mapped(folder / "folds.npy"))


def without_texts(corpus: Corpus) -> Corpus:
    """Returns the corpus without its texts, for processes that only train."""
    splits = {name: replace(getattr(corpus, name), texts=np.empty(0, object)) for name in SPLITS}
    return replace(corpus, **splits)


def _save(array: npt.NDArray[Any], path: Path) -> None:
    with path.open("wb") as file:
        npy(array)(file)


def mapped(path: Path) -> npt.NDArray[Any]:
    """Returns the array of an .npy file, memory-mapped if the file system supports it.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is damaged.
    """
    array: npt.NDArray[Any]
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError as error:
        if error.errno not in (errno.ENODEV, errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
            raise
        array = np.load(path, allow_pickle=False)
    except Exception as error:  # the header is Python's syntax: tokenize's errors are among them
        raise ValueError(f"{path}: is damaged: {error}") from error
    return array


def fingerprint(*parts: object) -> str:
    """The SHA-256 of arrays of str or numbers, and of anything with a stable repr."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray) and part.dtype == object:
            for begin in range(0, len(part), AT_A_TIME):
                texts = "\0".join(map(str, part[begin : begin + AT_A_TIME]))
                digest.update(texts.encode("utf-8", "surrogatepass") + b"\0")
        elif isinstance(part, np.ndarray):
            digest.update(np.ascontiguousarray(part).tobytes())
        else:
            digest.update(repr(part).encode())
        digest.update(b"\1")
    return digest.hexdigest()
