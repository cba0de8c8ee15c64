"""Reads workbooks: .xlsx and .ods.

A workbook of some kB may say that a cell is in the last row and the last column, or that a cell is
repeated a million times. So how far its cells reach is checked before it is read.
"""

import io
import re
import zipfile
from collections.abc import Mapping
from xml.parsers import expat

import pandas as pd

from search.corpus.headers import MOST_ABOVE, columns_by_content, header_place
from search.corpus.parquet import POINTER
from search.corpus.table import Source, Table, numbered_columns
from search.display import counted
from search.errors import DataError, one_line
from search.startup import check_modules
from search.untrusted import most_unpacked

MOST_ROWS, MOST_COLUMNS = 1_048_576, 16_384  # of Excel and LibreOffice


def spreadsheet(source: Source) -> Table:
    """The one sheet of a workbook that has rows in it."""
    module = {".xlsx": "openpyxl", ".ods": "odf"}[source.ending]
    check_modules(f"{source.name}: a {source.ending} file", [module], "excel")
    _check_size(source)
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

    guess = columns_by_content(names, column)
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


def _check_size(source: Source) -> None:
    """Checks a workbook, which is a zip archive of XML files, before it is read.

    Raises:
        DataError: it is no archive, or unpacks beyond measure.
    """
    most = most_unpacked(len(source.content))
    try:
        with zipfile.ZipFile(io.BytesIO(source.content)) as archive:
            members = archive.infolist()
            fits = sum(member.file_size for member in members) <= most
            sheets = [_Sheet(archive.read(member)) for member in members if fits]
    except Exception as error:  # a damaged archive raises what zipfile, zlib and others have
        raise DataError(f"{source.name}: this is not a {source.ending} file: {error}") from error
    if not fits:
        raise DataError(f"{source.name}: it unpacks to more than {most:,} bytes; save it as .csv")
    for sheet in sheets:
        if sheet.has_entities:
            raise DataError(f"{source.name}: defines entities of XML, as no program does")
        if sheet.rows * sheet.columns * POINTER > most or sheet.is_odd:
            raise DataError(
                f"{source.name}: its cells reach to row {sheet.rows:,} and column "
                f"{sheet.columns:,}, far beyond what its size holds; save it as .csv"
            )


class _Sheet:
    """How far the cells with something in them reach in a sheet of a workbook.

    Args:
        content: a member of a workbook; of those that are no sheets, nothing is found.

    Attributes:
        rows, columns: of the cells.
        is_odd: whether it has a row or column that no program has.
        has_entities: whether it defines entities of XML, which make gigabytes of a few bytes.
    """

    def __init__(self, content: bytes) -> None:
        self.rows = self.columns = self._row = self._column = 0
        self._next_row = 1
        self.is_odd = self.has_entities = False
        self._parser = expat.ParserCreate()
        self._parser.StartElementHandler = self._first
        self._parser.EntityDeclHandler = self._entity
        try:
            self._parser.Parse(content, True)
        except (expat.ExpatError, ValueError):
            return  # whoever reads it says what is wrong

    def _entity(self, *declared: object) -> None:
        self.has_entities = True
        raise ValueError

    def _first(self, name: str, attributes: Mapping[str, str]) -> None:
        handlers = {"worksheet": self._of_excel, "document-content": self._of_libreoffice}
        self._parser.StartElementHandler = handlers.get(_local(name))

    def _of_excel(self, name: str, attributes: Mapping[str, str]) -> None:
        match _local(name):
            case "row":
                self._row = int(attributes.get("r", self._row + 1))
                self._column = 0
            case "c":
                letters = re.match("[A-Za-z]*", attributes.get("r", ""))
                place = _number_of(letters[0]) if letters else 0
                self._column = place or self._column + 1
            case "v" | "is" | "f":
                self._fill()
        if self._row > MOST_ROWS or self._column > MOST_COLUMNS:
            self.is_odd = True
            self._fill()

    def _of_libreoffice(self, name: str, attributes: Mapping[str, str]) -> None:
        local = {_local(key): value for key, value in attributes.items()}
        match _local(name):
            case "table":
                self._row, self._next_row = 0, 1
            case "table-row":
                self._row = self._next_row + int(local.get("number-rows-repeated", 1)) - 1
                self._next_row, self._column = self._row + 1, 0
            case "table-cell" | "covered-table-cell":
                self._column += int(local.get("number-columns-repeated", 1))
                if "value-type" in local:
                    self._fill()
            case "p":
                self._fill()

    def _fill(self) -> None:
        self.rows, self.columns = max(self.rows, self._row), max(self.columns, self._column)


def _local(name: str) -> str:
    """The name of an element without its namespace."""
    return name.rpartition(":")[2]


def _number_of(letters: str) -> int:
    """The number of a column: of A it is 1, of AA 27."""
    number = 0
    for letter in letters[: len("XFD") + 1].upper():
        number = 26 * number + ord(letter) - ord("A") + 1
    return number
