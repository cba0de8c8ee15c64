"""Adds predictions to a file of texts, in constant memory.

The content of the file is copied, with three more columns: `label`, `probability` (of that label)
and `abstain`. If one of these names is taken, all three begin with `predicted_`.
"""

import codecs
import lzma
import os
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

from search import untrusted
from search.corpus.compression import ending, kind, member_kind, opened
from search.corpus.dialect import Form
from search.corpus.encodings import not_decoded
from search.corpus.readers import ENDINGS
from search.corpus.source_files import check_kind
from search.corpus.sources import ANY_FORM
from search.errors import DataError
from search.files import write_atomically
from search.packaging.classifier import Answers, Classifier
from search.packaging.copies import COPIED, Job, as_csv
from search.progress import Say, silent

PIECE = 1 << 20  # bytes


def target_of(source: Path) -> Path:
    """The default path of the predictions for a file: reviews.csv → reviews.predicted.csv."""
    stem = (
        source.name.removesuffix("".join(source.suffixes[-2:]))
        if ending(source) != kind(source) and kind(source)
        else source.stem
    )
    return source.with_name(f"{stem}.predicted{written_ending(source)}")


def written_ending(source: Path) -> str:
    """The ending of a file with answers: its source's, or .csv where we do not write that."""
    return ending(source) if _is_copied(source) else ".csv"


def _is_copied(source: Path) -> bool:
    """Whether answers are added to a copy of a file as it is read, row by row."""
    return kind(source) in COPIED and source.suffix.lower() != ".zip"


def check_files(source: Path, target: Path) -> None:
    """Looks, before anything heavy is loaded, whether a file can be read and another written.

    Raises:
        DataError: one cannot.
    """
    try:
        with untrusted.opened(source) as file:
            check_kind(source, member_kind(file, source))
    except OSError as error:
        raise DataError(
            f"{source}: {error.strerror}; expected a file ending in {ENDINGS}"
        ) from error
    if ending(target) != written_ending(source):
        raise DataError(
            f"{target}: the answers for {source} are written in another format; its name must end "
            f"in {written_ending(source)}"
        )
    if target.is_dir() or not target.absolute().parent.is_dir():
        what = "is a folder" if target.is_dir() else f"there is no folder {target.parent}"
        raise DataError(f"{target}: cannot be written: {what}")
    if not os.access(target.absolute().parent, os.W_OK):
        raise DataError(
            f"{target}: cannot be written: nothing may be written to that folder; name another "
            "file with --output FILE"
        )
    if target.exists() and target.samefile(source):
        raise DataError(f"{target}: is what is read; name another file with --output FILE")


def score_file(
    source: Path,
    target: Path,
    classifier: Classifier,
    text_column: str | None = None,
    progress: Callable[[int], None] = lambda rows: None,
    form: Form = ANY_FORM,
    tell: Say = silent,
) -> dict[str, Any]:
    """Classifies every row of a file; a missing text counts as an empty one.

    Args:
        source: any file that can be trained on.
        target: is written in the same format where that is one of `COPIED`, and as CSV otherwise;
            in UTF-8, whole or not at all.
        classifier: the model.
        text_column: the column with the text, its number, or several to be joined; by default the
            one with a usual name.
        progress: called with the number of rows that are done, after every chunk.
        form: what is known of how the file is written.
        tell: gets a sentence for what was recognised.

    Returns:
        rows, empty (how many rows have no text), abstained (or None), labels (rows of each), and
        columns (the names of what was added).

    Raises:
        DataError: the file cannot be read as what its name says; the message says where.
    """
    counts: dict[str, Any] = {"rows": 0, "empty": 0, "abstained": None, "labels": Counter()}

    def score(texts: Sequence[str]) -> Answers:
        answers = classifier.classify(texts)
        counts["rows"] += len(texts)
        counts["empty"] += sum(not text.strip() for text in texts)
        counts["labels"].update(answers.labels)
        if answers.abstain is not None:
            counts["abstained"] = (counts["abstained"] or 0) + int(answers.abstain.sum())
        progress(counts["rows"])
        return answers

    write = COPIED[kind(source)] if _is_copied(source) else as_csv
    job = Job(source, score, text_column, form, tell)

    def whole(file: IO[bytes]) -> None:
        counts["columns"] = write(job, file)

    try:
        write_atomically(target, whole)
    except UnicodeDecodeError as error:
        raise _not_decoded(source, error.encoding, form) from error
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # of the system, not of a reader
            raise
        raise DataError(f"{source}: cannot be decompressed: {error}") from error
    return {**counts, "labels": dict(counts["labels"])}


def _not_decoded(path: Path, encoding: str, form: Form) -> DataError:
    """Where in a file the first byte is that is not in its encoding."""
    decoder = codecs.getincrementaldecoder(encoding)()
    lines = 0
    with opened(path) as file:
        while True:
            part = file.read(PIECE)
            try:
                decoder.decode(part, final=not part)
            except UnicodeDecodeError as error:
                found = bytes(error.object)
                return not_decoded(str(path), found, error.start, encoding, form.encoding, lines)
            if not part:
                return DataError(f"{path}: is not {encoding.upper()}")
            lines += part.count(b"\n")
