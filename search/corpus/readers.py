"""The formats of files: each one's reader gives the same, a table whose cells are as written.

To add a format, add one reader to `READERS`.
"""

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import replace

from search.corpus.arrow import arrow, arrow_table
from search.corpus.columns import TEXT_COLUMNS, usual_among
from search.corpus.detection import recognised
from search.corpus.dialect import DELIMITERS
from search.corpus.objects import json_file, json_lines
from search.corpus.parquet import parquet
from search.corpus.table import Source, Table, numbered_columns
from search.corpus.workbooks import spreadsheet
from search.errors import DataError

FASTTEXT = "__label__"
PIECE = 1_000_000  # characters of a text file that are cut into lines at a time
BATCH_ROWS = 10_000  # of a Parquet file, that are unpacked at a time


def delimited(source: Source) -> Table:
    """A table in a text file: .csv, .tsv, or with whatever else between its columns."""
    text, encoding = source.text()

    def lines() -> Iterator[str]:
        begin = 0
        while begin < len(text):  # in pieces, because a StringIO has four bytes a character
            end = text.find("\n", begin + PIECE) + 1 or len(text)
            yield from io.StringIO(text[begin:end], newline="")
            begin = end

    dialect = recognised(
        source.name, lines, source.ending, source.form, source.wanted, labelled=source.labelled
    )
    rows = [row for _, row in dialect.rows(lines())]
    names = rows.pop(0) if dialect.header else [str(n) for n in range(1, len(rows[0]) + 1)]
    rows = [row for row in rows if len(row) >= len(names)]  # not a line of white space
    while rows and not any(rows[-1]):  # spreadsheets write rows down to the last that ever was one
        rows.pop()

    def column(place: int) -> list[str | None]:
        return [row[place] or None for row in rows]

    description = f"{encoding}, {dialect.described()}"
    guess = dialect.guess if dialect.clear else None
    advice = numbered_columns(dialect.guess, dialect.reason) if not dialect.header else ""
    return Table(names, len(rows), column, description, guess, advice)


def plain_text(source: Source) -> Table:
    """A .txt file with labels in it: fastText's format, or a table."""
    text, encoding = source.text()
    lines = [line for line in re.split("\r\n|\n|\r", text) if line.strip()]
    if not lines[0].startswith(FASTTEXT):
        table = delimited(source)
        if len(table.names) == 1:
            raise DataError(
                f"{source.name}: expected labelled texts, as a table or with {FASTTEXT}… before "
                f"each, found line 1: {lines[0][:40]!r}; labels in another file, one a line, are "
                "named with --labels FILE"
            )
        return table
    labels, texts = list[str | None](), list[str | None]()
    for number, line in enumerate(lines, start=1):
        label, rest = (*line.split(maxsplit=1), "")[:2]
        if not label.startswith(FASTTEXT) or rest.lstrip().startswith(FASTTEXT):
            found = "two labels" if label.startswith(FASTTEXT) else f"{line[:40]!r}"
            raise DataError(
                f"{source.name}: row {number}: expected one label, such as {FASTTEXT}good, and a "
                f"text, found {found}"
            )
        labels.append(label.removeprefix(FASTTEXT) or None)
        texts.append(rest.strip() or None)
    columns = (texts, labels)
    return Table(
        ["text", "label"], len(texts), columns.__getitem__, f"{encoding}, fastText's format"
    )


def text_lines(source: Source) -> Table:
    """A .txt file without labels: one text a line."""
    text, encoding = source.text()
    lines = re.split("\r\n|\n|\r", text)
    return Table(["text"], len(lines), lambda place: lines, f"{encoding}, one text a line")


def lines_or_table(source: Source) -> Table:
    """A .txt file whose labels do not matter: one text a line, unless it is clearly a table."""
    table = text_lines(source)
    lines = [str(line) for line in table.column(0)]
    first = lines[0]
    cells = ([cell.strip(" \"'") for cell in first.split(mark)] for mark in DELIMITERS)
    has_names = any(len(row) > 1 and usual_among(row, TEXT_COLUMNS) for row in cells)
    if source.form.delimiter or source.wanted or first.startswith(FASTTEXT) or has_names:
        return plain_text(source)
    if not lines[-1]:
        lines.pop()
    return replace(table, rows=len(lines), column=lambda place: lines)


def parquet_file(source: Source) -> Table:
    """A Parquet file."""
    import pyarrow as pa

    with parquet(io.BytesIO(source.content), source.name, BATCH_ROWS) as (schema, batches):
        return arrow_table(pa.Table.from_batches(batches, schema=schema), "Parquet")


Reader = Callable[[Source], Table]

READERS: dict[str, Reader] = {
    ".csv": delimited,
    ".tsv": delimited,
    ".jsonl": json_lines,
    ".parquet": parquet_file,
    ".json": json_file,
    ".ndjson": json_lines,
    ".txt": plain_text,
    ".tab": delimited,
    ".xlsx": spreadsheet,
    ".ods": spreadsheet,
    ".arrow": arrow,
    ".feather": arrow,
    "": plain_text,
}
"""By the ending of a file's name, without that of a compression."""

ENDINGS = ", ".join(ending for ending in READERS if ending)
READERS |= dict.fromkeys((".train", ".valid", ".dev", ".test", ".data", ".dat", ".ft"), plain_text)
