"""The formats of files: each one's reader gives the same, a table whose cells are as written.

To add a format, add one reader to `READERS`.
"""

import io
import json
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from search.corpus.columns import LABEL_COLUMNS, TEXT_COLUMNS, usual_among
from search.corpus.detection import recognised
from search.corpus.dialect import DELIMITERS
from search.corpus.headers import MOST_ABOVE, clear_columns, header_place
from search.corpus.objects import json_file, json_lines
from search.corpus.parquet import flattened, parquet
from search.corpus.table import Source, Table, numbered_columns
from search.display import counted
from search.errors import DataError, one_line
from search.startup import check_modules
from search.untrusted import most_unpacked

FASTTEXT = "__label__"
BATCH_ROWS = 10_000  # of a Parquet file, that are unpacked at a time


def delimited(source: Source) -> Table:
    """A table in a text file: .csv, .tsv, or with whatever else between its columns."""
    text, encoding = source.text()

    def lines() -> io.StringIO:
        return io.StringIO(text, newline="")

    dialect = recognised(
        source.name, lines, source.ending, source.form, source.wanted, labelled=source.labelled
    )
    rows = [row for _, row in dialect.rows(lines())]
    names = rows.pop(0) if dialect.header else [str(n) for n in range(1, len(rows[0]) + 1)]
    rows = [row for row in rows if len(row) >= len(names)]  # not a line of white space

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


def arrow(source: Source) -> Table:
    """An Arrow file: Feather, or a stream, as Hugging Face's datasets are on a disk."""
    import pyarrow as pa

    try:
        try:
            table = pa.ipc.open_file(pa.BufferReader(source.content)).read_all()
        except pa.ArrowInvalid:
            table = pa.ipc.open_stream(pa.BufferReader(source.content)).read_all()
    except (pa.ArrowException, ValueError, OSError) as error:
        raise DataError(f"{source.name}: this is not an Arrow file: {error}") from error
    return arrow_table(table, "Arrow")


def arrow_table(table: Any, description: str) -> Table:
    """The content of a pyarrow.Table; fields of structs are columns, such as review.text."""
    classes, table = class_labels(table.schema), flattened(table)
    names = list(table.column_names)

    def column(place: int) -> list[object]:
        cells: list[object] = table.column(place).to_pylist()
        known = classes.get(names[place])
        return cells if known is None else with_classes(cells, known)

    if classes:
        description += f", with the names of the classes in {', '.join(classes)}"
    return Table(names, len(table), column, description)


def class_labels(schema: Any) -> dict[str, list[str]]:
    """The classes of columns of numbers, by column, where Hugging Face's datasets wrote the file.

    Args:
        schema: a pyarrow.Schema; its metadata is what a file says of itself, and may be anything.
    """
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return dict(_class_labels(features))
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        return {}


def _class_labels(features: dict[str, Any], inside: str = "") -> Iterator[tuple[str, list[str]]]:
    for column, feature in features.items():
        if not isinstance(feature, dict):
            continue
        if feature.get("_type") == "ClassLabel" and isinstance(feature.get("names"), list):
            yield f"{inside}{column}", list(map(str, feature["names"]))
        elif "_type" not in feature:
            yield from _class_labels(feature, f"{inside}{column}.")


def with_classes(cells: Iterable[object], classes: Sequence[str]) -> list[object]:
    """The names of classes for their numbers; -1, as in test splits of competitions, is none."""
    known: dict[object, str | None] = {-1: None, **dict(enumerate(classes))}
    return [known.get(cell, cell) if type(cell) is int else cell for cell in cells]


def spreadsheet(source: Source) -> Table:
    """The one sheet of a workbook that has rows in it."""
    module = {".xlsx": "openpyxl", ".ods": "odf"}[source.ending]
    check_modules(f"{source.name}: a {source.ending} file", [module], "excel")
    _refuse_bomb(source)
    try:
        sheets = pd.read_excel(
            io.BytesIO(source.content), sheet_name=None, header=None, dtype=object, na_values=[""],
            keep_default_na=False,
        )  # fmt: skip
    except Exception as error:  # each library has exceptions of its own for a damaged file
        raise DataError(
            f"{source.name}: this is not a {source.ending} file: {one_line(error)}"
        ) from error
    filled = {sheet: frame for sheet, frame in sheets.items() if len(frame)}
    if len(filled) != 1:
        listed = f" ({', '.join(map(str, filled))})" if filled else ""
        raise DataError(
            f"{source.name}: expected one sheet with rows, found {len(filled)}{listed}; save the "
            "one that you mean as a file of its own"
        )
    [(sheet, frame)] = filled.items()
    cells = frame.astype(object).where(frame.notna(), None)
    if source.form.no_header:
        names = [str(n) for n in range(1, cells.shape[1] + 1)]
        how, advice, body = "no header", numbered_columns(None, ""), cells
    else:
        rows = cells.head(MOST_ABOVE).to_numpy()
        head = [["" if cell is None else str(cell) for cell in row] for row in rows]
        above = header_place(head, source.wanted)
        names, how, advice = head[above], "a header", ""
        how += f", {counted(above, 'row')} above it passed over" if above else ""
        body = cells.iloc[above + 1 :]
    description = f"the sheet {sheet}, {how}{_notes(source.content)}"

    def column(place: int) -> list[object]:
        cells: list[object] = body.iloc[:, place].tolist()
        return cells

    guess = None
    if len(names) == 2 and not usual_among(names, (*TEXT_COLUMNS, *LABEL_COLUMNS)):
        guess = clear_columns([list(map(str, column(place))) for place in range(2)])
    return Table(names, len(body), column, description, guess, advice)


def _notes(content: bytes) -> str:
    """What of a workbook's cells looks other than it reads, where it is one of Excel."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        sheets = [
            archive.read(name)
            for name in archive.namelist()
            if re.fullmatch(r"xl/worksheets/[^/]+\.xml", name)
        ]
    merged = sum(sheet.count(b"<mergeCell ") for sheet in sheets)
    formulas = sum(len(re.findall(rb"</f>\s*(?:<v ?/>|<v></v>|</c>)", one)) for one in sheets)
    notes = ""
    if merged:
        areas = counted(merged, "area")
        notes += f", {areas} of merged cells, of which only the first has the value"
    if formulas:
        notes += f", {counted(formulas, 'formula')} without their values: open and save it once"
    return notes


def _refuse_bomb(source: Source) -> None:
    """Refuses a workbook, which is a zip archive, that unpacks beyond measure."""
    try:
        with zipfile.ZipFile(io.BytesIO(source.content)) as archive:
            size = sum(member.file_size for member in archive.infolist())
    except zipfile.BadZipFile as error:
        raise DataError(f"{source.name}: this is not a {source.ending} file: {error}") from error
    if size > (most := most_unpacked(len(source.content))):
        raise DataError(f"{source.name}: it unpacks to more than {most:,} bytes; save it as .csv")


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
