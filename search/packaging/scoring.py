"""Adds predictions to a file of texts, in constant memory.

The content of the file is copied, with three more columns: `label`, `probability` (of that label)
and `abstain`. If one of these names is taken, all three begin with `predicted_`.
"""

import codecs
import csv
import io
import itertools
import json
import lzma
import os
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from search import untrusted
from search.corpus.cells import LONGEST_TEXT, text_of, texts_of
from search.corpus.columns import JOINED, TEXT_COLUMNS, chosen_columns
from search.corpus.compression import content, ending, kind, member_kind, opened, packed
from search.corpus.dialect import Form, recognised
from search.corpus.encodings import chosen_encoding, not_decoded, refuse_binary
from search.corpus.objects import fields, json_object
from search.corpus.parquet import flattened, parquet
from search.corpus.readers import ENDINGS, READERS
from search.corpus.sources import ANY_FORM, Say, check_kind, silent
from search.corpus.table import Source, numbered_columns
from search.errors import DataError
from search.files import write_atomically
from search.packaging.classifier import Answers, Classifier
from search.tables import defused

COLUMNS = ("label", "probability", "abstain")
PREFIX = "predicted_"
MOST_ROWS = 2_000  # rows that are in memory at a time,
MOST_CHARACTERS = 4_000_000  # and about how many characters
DIGITS = 6  # of a probability in text
PIECE = 1 << 20  # bytes

Score = Callable[[Sequence[str]], Answers]
Row = tuple[str, Any]
"""A row's text, and the row itself."""


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

    write = COPIED[kind(source)] if _is_copied(source) else _table
    job = _Job(source, score, text_column, form, tell)

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


@dataclass(frozen=True)
class _Job:
    """The classification of one file: see `score_file`."""

    path: Path
    score: Score
    wanted: str | None
    form: Form
    tell: Say

    def columns(self, names: Sequence[str], advice: str = "") -> tuple[int, ...]:
        """The places of the columns with the text."""
        return chosen_columns(str(self.path), names, self.wanted, TEXT_COLUMNS, "text", advice)

    @contextmanager
    def opened(self) -> Iterator[tuple[IO[str], str]]:
        """The file's text with its line ends, and how it is encoded."""
        with opened(self.path) as file:
            head = file.read(16)
        refuse_binary(str(self.path), head)
        encoding = chosen_encoding(head[:4], self.form.encoding)
        with opened(self.path) as file, io.TextIOWrapper(file, encoding, newline="") as text:
            yield text, encoding

    def lines(self) -> Iterator[str]:
        """The file's lines, with their ends."""
        with self.opened() as (text, _):
            yield from text


def _new_columns(path: Path, there: Sequence[str]) -> list[str]:
    """The names of the added columns."""
    for names in (list(COLUMNS), [PREFIX + name for name in COLUMNS]):
        if not set(names) & set(there):
            return names
    raise DataError(
        f"{path}: has some of the columns {', '.join(COLUMNS)} already, and some of "
        f"{PREFIX}{COLUMNS[0]}, …, too; rename those"
    )


def _chunks(path: Path, rows: Iterator[Row], first: int = 1) -> Iterator[list[Row]]:
    """Rows in lists that are neither long nor large; refuses texts that cannot be texts."""
    chunk: list[Row] = []
    characters = 0
    for number, (text, row) in enumerate(rows, start=first):
        if len(text) > LONGEST_TEXT or "\0" in text:
            what = "a NUL character" if "\0" in text else f"more than {LONGEST_TEXT:,} characters"
            raise DataError(f"{path}: the text at row {number} has {what}")
        chunk.append((text, row))
        characters += len(text)
        if len(chunk) == MOST_ROWS or characters >= MOST_CHARACTERS:
            yield chunk
            chunk, characters = [], 0
    if chunk:
        yield chunk


def _cells(answers: Answers) -> Iterator[tuple[str, float, bool | None]]:
    """Label, probability and abstain of each row."""
    abstain = itertools.repeat(None) if answers.abstain is None else answers.abstain.tolist()
    rounded = answers.probability.round(DIGITS).tolist()
    return zip(answers.labels, rounded, abstain, strict=False)  # one may be endless


def _delimited(job: _Job, file: IO[bytes]) -> list[str]:
    path = job.path
    named = tuple(name for name in (job.wanted or "").split(",") if name)
    dialect = recognised(str(path), job.lines, kind(path), job.form, (*named, job.wanted or ""))
    rows = (row for _, row in dialect.rows(job.lines()))
    first = next(rows)
    header = first if dialect.header else [str(n) for n in range(1, len(first) + 1)]
    if dialect.guess is not None and dialect.clear and job.wanted is None:
        places: tuple[int, ...] = dialect.guess[:1]
    else:
        advice = "" if dialect.header else numbered_columns(dialect.guess, dialect.reason)
        places = job.columns(header, advice)
    names = _new_columns(path, header)
    with job.opened() as (_, encoding):
        told = encoding.removesuffix("-sig").upper()
    job.tell(f"{path}: {told}, {dialect.described()}; text: {', '.join(header[n] for n in places)}")

    def texts() -> Iterator[Row]:
        for row in rows if dialect.header else itertools.chain([first], rows):
            if len(row) >= len(header):  # not a line of white space
                yield _joined(row[place] for place in places), row[: len(header)]

    with packed(file, path) as out:

        def write_rows(written: list[list[Any]]) -> None:
            text = io.StringIO()
            try:
                dialect.writer(text).writerows(written)
            except csv.Error as error:
                raise DataError(
                    f"{path}: its answers cannot be written without quotation marks: {error}"
                ) from error
            out.write(text.getvalue().encode(errors="surrogatepass"))

        if dialect.header:
            write_rows([[*header, *names]])
        for chunk in _chunks(path, texts()):
            answers = job.score([text for text, _ in chunk])
            pairs = zip(chunk, _cells(answers), strict=True)
            write_rows([[*row, *map(defused, cells)] for (_, row), cells in pairs])
    return names


def _joined(texts: Iterable[str | None]) -> str:
    return JOINED.join(filter(None, texts))


def _json_lines(job: _Job, file: IO[bytes]) -> list[str]:
    path = job.path
    objects = _objects(job)
    head = list(itertools.islice(objects, MOST_ROWS))
    if not head:
        raise DataError(f"{path}: there are no rows in it")
    keys = list(dict.fromkeys(key for _, _, row in head for key in fields(row)))
    columns = [keys[place] for place in job.columns(keys)]
    names = _new_columns(path, keys)
    job.tell(f"{path}: an object a line; text: {', '.join(columns)}")

    def rows() -> Iterator[Row]:
        for number, line, row in itertools.chain(head, objects):
            if taken := set(names) & set(row):
                raise DataError(
                    f"{path}: line {number} has {sorted(taken)[0]!r}, which the first lines have "
                    "not, and which is the name of an answer; give it another name"
                )
            flat = fields(row)
            cells = (text_of(flat.get(column), str(path), column, number) for column in columns)
            yield _joined(cells), (line, bool(row))

    with packed(file, path) as out:
        for chunk in _chunks(path, rows()):
            answers = job.score([text for text, _ in chunk])
            for (_, (line, filled)), cells in zip(chunk, _cells(answers), strict=True):
                added = json.dumps(dict(zip(names, cells, strict=True)), ensure_ascii=False)
                # What was there stays as it was, to the letter.
                joined = f"{line[:-1].rstrip()}{', ' if filled else ''}{added[1:]}\n"
                out.write(joined.encode())
    return names


def _objects(job: _Job) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """Number, text and value of each line that is not blank."""
    for number, line in enumerate(job.lines(), start=1):
        if text := line.strip():
            yield number, text, json_object(str(job.path), number, text)


def _parquet(job: _Job, file: IO[bytes]) -> list[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = job.path
    with (
        untrusted.opened(path) as packed_file,
        parquet(packed_file, str(path), MOST_ROWS) as (schema, batches),
    ):
        flat = flattened(schema.empty_table()).column_names
        places = job.columns(flat)
        columns = [flat[place] for place in places]
        names = _new_columns(path, schema.names)
        job.tell(f"{path}: Parquet; text: {', '.join(columns)}")
        for name, kind_of in zip(names, (pa.string(), pa.float64(), pa.bool_()), strict=True):
            schema = schema.append(pa.field(name, kind_of))
        first = 1
        with pq.ParquetWriter(file, schema) as writer:
            for batch in batches:
                table = flattened(pa.Table.from_batches([batch]))
                values = zip(*(table.column(place).to_pylist() for place in places), strict=True)
                texts = (
                    _joined(
                        text_of(cell, str(path), column, number)
                        for cell, column in zip(row, columns, strict=True)
                    )
                    for number, row in enumerate(values, start=first)
                )
                cells = [
                    cell
                    for chunk in _chunks(path, ((text, None) for text in texts), first)
                    for cell in _cells(job.score([text for text, _ in chunk]))
                ]
                first += len(cells)
                added = [
                    pa.array([cell[place] for cell in cells], schema.field(name).type)
                    for place, name in enumerate(names)
                ]
                writer.write_batch(pa.record_batch([*batch.columns, *added], schema=schema))
    return names


def _table(job: _Job, file: IO[bytes]) -> list[str]:
    """Any other file, in memory as a whole; its rows and the answers are written as CSV."""
    path = job.path
    with untrusted.opened(path) as packed_file:
        member = member_kind(packed_file, path)
    wanted = () if job.wanted is None else (job.wanted, *job.wanted.split(","))
    table = READERS[member](Source(str(path), content(path), member, job.form, wanted))
    if table.guess is not None and job.wanted is None:
        places: tuple[int, ...] = table.guess[:1]
    else:
        places = job.columns(table.names, table.advice)
    names = _new_columns(path, table.names)
    job.tell(f"{path}: {table.description}; text: {', '.join(table.names[n] for n in places)}")
    texts = zip(
        *(texts_of(table.column(n), str(path), table.names[n], numbers=False) for n in places),
        strict=True,
    )
    cells = zip(*(table.column(n) for n in range(len(table.names))), strict=True)
    rows = ((_joined(text), row) for text, row in zip(texts, cells, strict=True))
    out = io.TextIOWrapper(file, "utf-8", newline="", errors="replace")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*table.names, *names])
    for chunk in _chunks(path, rows):
        answers = job.score([text for text, _ in chunk])
        for (_, row), added in zip(chunk, _cells(answers), strict=True):
            writer.writerow([*map(_spelled, row), *added])
    out.detach()
    return names


def _spelled(cell: object) -> object:
    """A cell for a CSV file; lists and objects as JSON."""
    return json.dumps(cell, ensure_ascii=False) if isinstance(cell, (list, dict)) else cell


COPIED: dict[str, Callable[[_Job, IO[bytes]], list[str]]] = {
    ".csv": _delimited,
    ".tsv": _delimited,
    ".tab": _delimited,
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".parquet": _parquet,
}
"""Formats to whose copies answers are added, in memory of constant size, by a file's ending."""


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
