"""The encoded corpus: what it is, and how it lies on the disk for every worker to map.

On the disk a corpus is a folder of plain .npy files and one corpus.json. The arrays are mapped,
not read: N workers share one copy in the operating system's page cache.
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
    """One side of the corpus.

    Attributes:
        ids: int32, shape (tokens,), all texts' token ids one after another.
        offsets: int64, shape (rows + 1,); row i is ids[offsets[i]:offsets[i + 1]].
        labels: int32, shape (rows,), class indices; empty where there are none.
        rows: int64, shape (rows,): each row's number in its source, from 1.
        texts: str, shape (rows,), as they were written; of the process that read them only, and
            not of unlabelled ones.
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
        """Tokens in each row, shape (rows,)."""
        return np.diff(self.offsets)


SPLITS = ("train", "validation", "test", "unlabelled")
ARRAYS = ("ids", "offsets", "labels", "rows")
PLAIN = ("class_names", "vocabulary", "fingerprint", "facts")


@dataclass(frozen=True)
class Corpus:
    """Everything training needs to know of the data.

    Attributes:
        unlabelled: further texts, to learn words from.
        class_names: in order; with two, the model gives the probability of the second.
        vocabulary: tokens by falling frequency, those of the training texts before those that
            only stand in unlabelled ones; token i has the id i + 2.
        folds: int8, shape (training + validation rows,): which part of them each row is in, for
            cross-validation; see `search.corpus.folds`.
        fingerprint: SHA-256 of texts, labels and split; equal data and split, equal fingerprint.
        facts: what was read, for run.json: rows, dropped rows, rows of each class and side.
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

    def save(self, folder: Path) -> None:
        """Writes the corpus as `folder`, whole or not at all; does nothing if it is there."""
        if folder.exists():
            return
        partial = folder.with_name(folder.name + TEMPORARY)
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        for split in SPLITS:
            for array in ARRAYS:
                content = npy(getattr(getattr(self, split), array))
                (partial / f"{split}_{array}.npy").write_bytes(content)
        (partial / "folds.npy").write_bytes(npy(self.folds))
        plain = {name: getattr(self, name) for name in PLAIN}
        write_json(partial / "corpus.json", plain)
        partial.rename(folder)
        flush_folder(folder.parent)

    def is_saved(self, folder: Path) -> bool:
        """Whether `folder` holds this corpus, whole."""
        try:
            saved = Corpus.open(folder)
            if not np.array_equal(saved.folds, self.folds):
                return False
            return saved.vocabulary == self.vocabulary and all(
                np.array_equal(getattr(getattr(saved, s), a), getattr(getattr(self, s), a))
                for s in SPLITS
                for a in ARRAYS
            )
        except Exception:  # a damaged header raises what tokenize, struct or mmap have
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
    """The corpus without what its rows look like: for processes that only train."""
    sides = {name: replace(getattr(corpus, name), texts=np.empty(0, object)) for name in SPLITS}
    return replace(corpus, **sides)


def mapped(path: Path) -> npt.NDArray[Any]:
    """An array of a file, mapped; or read, where the file system cannot map."""
    array: npt.NDArray[Any]
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError as error:
        if error.errno not in (errno.ENODEV, errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
            raise
        array = np.load(path, allow_pickle=False)
    return array


def fingerprint(*parts: object) -> str:
    """SHA-256 over arrays of str or numbers, and over anything with a stable repr."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray) and part.dtype == object:
            for text in part:
                digest.update(str(text).encode("utf-8", "surrogatepass") + b"\0")
        elif isinstance(part, np.ndarray):
            digest.update(np.ascontiguousarray(part).tobytes())
        else:
            digest.update(repr(part).encode())
        digest.update(b"\1")
    return digest.hexdigest()
