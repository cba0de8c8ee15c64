"""Copies of a file of texts with the answers of a model, in constant memory.

A function for each format reads the file, has its texts classified chunk by chunk, and writes each
row with three more columns.
"""

import csv
import io
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from search import untrusted
from search.corpus.arrow import cells_of
from search.corpus.cells import LONGEST_TEXT, text_of, texts_of
from search.corpus.columns import JOINED, TEXT_COLUMNS, chosen_columns
from search.corpus.compression import content, kind, member_kind, opened, packed
from search.corpus.detection import recognised
from search.corpus.dialect import Form
from search.corpus.encodings import chosen_encoding, refuse_binary, shown
from search.corpus.objects import fields, json_object
from search.corpus.parquet import flattened, parquet
from search.corpus.readers import READERS, lines_or_table
from search.corpus.table import Source, numbered_columns
from search.errors import DataError
from search.packaging.classifier import Answers
from search.progress import Say
from search.tables import defused

COLUMNS = ("label", "probability", "abstain")
PREFIX = "predicted_"
MOST_ROWS = 2_000  # rows that are in memory at a time,
MOST_CHARACTERS = 4_000_000  # and about how many characters
DIGITS = 6  # of a probability in text

Score = Callable[[Sequence[str]], Answers]
Row = tuple[str, Any]
"""A row's text, and the row itself."""


@dataclass(frozen=True)
class Job:
    """The classification of one file.

    Attributes:
        path: the file.
        score: classifies a chunk of texts.
        wanted: the column with the text, or several joined by commas; None to recognise it.
        form: what is known of how the file is written.
        tell: gets a sentence for what was recognised.
    """

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


def _delimited(job: Job, file: IO[bytes]) -> list[str]:
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
        name = shown(encoding)
    job.tell(f"{path}: {name}, {dialect.described()}; text: {', '.join(header[n] for n in places)}")

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


def _json_lines(job: Job, file: IO[bytes]) -> list[str]:
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


def _objects(job: Job) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """Number, text and value of each line that is not blank."""
    for number, line in enumerate(job.lines(), start=1):
        if text := line.strip():
            yield number, text, json_object(str(job.path), number, text)


def _parquet(job: Job, file: IO[bytes]) -> list[str]:
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
                values = zip(*(cells_of(table.column(place)) for place in places), strict=True)
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


def as_csv(job: Job, file: IO[bytes]) -> list[str]:
    """Any other file, in memory as a whole; its rows and the answers are written as CSV."""
    path = job.path
    with untrusted.opened(path) as packed_file:
        member = member_kind(packed_file, path)
    wanted = () if job.wanted is None else (job.wanted, *job.wanted.split(","))
    read = lines_or_table if member in (".txt", "") else READERS[member]
    table = read(Source(str(path), content(path), member, job.form, wanted))
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


COPIED: dict[str, Callable[[Job, IO[bytes]], list[str]]] = {
    ".csv": _delimited,
    ".tsv": _delimited,
    ".tab": _delimited,
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".parquet": _parquet,
}
"""Formats to whose copies answers are added, in memory of constant size, by a file's ending."""
