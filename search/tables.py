"""Reads and writes tables as CSV files, safe to open in a spreadsheet.

A cell that begins with one of = + - @ (full-width ones, too), a tab or a new line is a formula for
a spreadsheet, and a formula can send data away (OWASP, "CSV injection"). Such a text gets an
apostrophe before it, which spreadsheets do not show; `read_table` takes it away again. Numbers stay
what they are.
"""

import re
from pathlib import Path
from typing import Any

import pandas as pd

from search.files import write_text

_FORMULA = re.compile(r"[=+\-@＝＋－＠\t\n]")
_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?")


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Writes a table as CSV, atomically: a reader sees the old file or the new one."""
    write_text(path, table.map(defused).to_csv(index=False))


def read_table(path: Path) -> pd.DataFrame:
    """Reads what `write_table` wrote of texts: "NA" and the empty text are texts, too.

    Raises:
        OSError, ValueError: there is no such file, or it is something else.
    """
    # Absolute, because pandas takes a folder called ~ for the user's home.
    return pd.read_csv(path.absolute(), na_filter=False).map(as_it_was)


def defused(cell: Any) -> Any:
    """Defuses a cell that a spreadsheet would run as a formula; numbers stay as they are."""
    if not isinstance(cell, str):
        return cell
    cell = cell.replace("\r\n", "\n").replace("\r", "\n")  # which pandas would write unquoted
    if _FORMULA.match(cell) and not _NUMBER.fullmatch(cell):
        return "'" + cell
    return cell


def as_it_was(cell: Any) -> Any:
    """Removes the apostrophe that `write_table` put before a cell."""
    if isinstance(cell, str) and cell[:1] == "'" and defused(cell[1:]) == cell:
        return cell[1:]
    return cell
