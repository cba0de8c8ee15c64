"""Workbooks of some kB whose cells reach further than memory does."""

import time
import zipfile

import pandas as pd
import pytest

from search.corpus.sources import read
from search.errors import DataError

FRAME = pd.DataFrame({"text": [f"film {i}" for i in range(30)], "label": list("ab" * 15)})
LAUGHS = (
    "<!DOCTYPE worksheet [<!ENTITY a0 'ha'>"
    + "".join(f"<!ENTITY a{n} '{f'&a{n - 1};' * 10}'>" for n in range(1, 10))
    + "]><worksheet "
)
CELL = "<table:table-cell "
ROW = "<table:table-row"

CHANGES = {
    "the last cell of all": (
        ".xlsx",
        '<row r="31"><c r="A31"',
        '<row r="1048576"><c r="XFD1048576"',
        "reach to row 1,048,576 and column 16,384",
    ),
    "a row beyond all": (".xlsx", '<row r="31"', '<row r="9999999999"', "row 9,999,999,999"),
    "a column beyond all": (".xlsx", 'r="B31"', 'r="ZZZZZZZ31"', "reach to row 31 and column 47"),
    "entities": (".xlsx", "<worksheet ", LAUGHS, "defines entities of XML"),
    "a cell over and over": (
        ".ods",
        f"{ROW}>{CELL}",
        f'{ROW} table:number-rows-repeated="1048576">{CELL}table:number-columns-repeated="16384" ',
        "reach to row 1,048,606 and column 16,385",
    ),
}


def changed(path, old, new):
    """A workbook with one part of its sheet, the last of its kind, exchanged."""
    member = {".xlsx": "xl/worksheets/sheet1.xml", ".ods": "content.xml"}[path.suffix]
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    before, found, after = contents[member].decode().rpartition(old)
    assert found
    contents[member] = f"{before}{new}{after}".encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)


@pytest.mark.parametrize("name", CHANGES)
def test_what_reaches_too_far_is_refused_at_once(tmp_path, name):
    ending, old, new, message = CHANGES[name]
    path = tmp_path / f"r{ending}"
    FRAME.to_excel(str(path), index=False)  # of another kind of path it is .xlsx
    changed(path, old, new)
    began = time.process_time()
    with pytest.raises(DataError, match=message):
        read(str(path))
    assert time.process_time() - began < 2


def test_empty_cells_far_away_do_not_matter(tmp_path):
    """As programs write them that format whole rows and columns."""
    FRAME.to_excel(tmp_path / "r.xlsx", index=False)
    changed(tmp_path / "r.xlsx", "</row>", '<c r="XFD31" s="1"/></row>')
    FRAME.to_excel(str(tmp_path / "r.ods"), index=False)
    empty = '<table:table-row table:number-rows-repeated="1048545"><table:table-cell '
    empty += 'table:number-columns-repeated="16384"/></table:table-row></table:table>'
    changed(tmp_path / "r.ods", "</table:table>", empty)
    for name in ("r.xlsx", "r.ods"):
        assert read(str(tmp_path / name))["text"].tolist() == FRAME["text"].tolist()
