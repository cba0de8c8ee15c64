"""Detects how a delimited text file is written, in its head, and checks that on all rows.

What cannot be determined is refused, never guessed.
"""

import contextlib
import csv
import itertools
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from search.corpus.columns import NoLabels
from search.corpus.dialect import DELIMITERS, MARKS, SHOWN, Dialect, Form, Lines, fits_in
from search.corpus.headers import (
    MOST_ABOVE,
    clear_columns,
    header_place,
    likely_columns,
    looks_like_data,
    names_something,
)
from search.corpus.wrong_rows import check_rows
from search.errors import DataError

USUAL = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
MOST_COLUMNS = 50_000
HEAD = 1_000_000  # characters that are looked at before one way of reading is chosen


class Head(NamedTuple):
    """The first lines of a file, and whether they are all there are."""

    lines: list[str]
    whole: bool


def recognised(
    name: str,
    lines: Lines,
    ending: str,
    form: Form,
    wanted: Sequence[str] = (),
    *,
    labelled: bool = False,
) -> Dialect:
    """How a table is written; all of its rows are in that form.

    Args:
        name: the file, for messages.
        lines: of the file.
        ending: of the file's name.
        form: what the user said.
        wanted: columns that the user named.
        labelled: whether it must have labels.

    Raises:
        NoLabels: it has one column; of a large file this is told by its head.
        DataError: it cannot be determined, or a row differs from the others.
    """
    above, separator = (0, None) if form.no_header else _above(lines(), wanted)
    if separator is not None and form.delimiter is None:
        form = replace(form, delimiter=separator)
    head = _head(itertools.islice(lines(), above, None))
    if not head.lines:
        raise DataError(f"{name}: the file is empty")
    found = _json(head.lines[0])
    if isinstance(found, dict):
        raise DataError(f"{name}: line {above + 1} is an object of JSON; give it the ending .jsonl")
    if isinstance(found, list):
        raise DataError(f"{name}: line {above + 1} is an array of JSON, and no row of a table")
    dialect = replace(_delimited(name, head, ending, form, wanted), above=above)
    first, *rest = _tried(replace(dialect, above=0), head)
    if len(first) > MOST_COLUMNS:
        raise DataError(
            f"{name}: line {above + 1} has {len(first):,} fields, more than {MOST_COLUMNS:,}; is "
            "another separator meant? It is named with --delimiter"
        )
    if labelled and not head.whole and all(len(row) == 1 for row in (first, *rest)):
        raise NoLabels(
            f"{name}: expected a text and a label, found one column ({first[0][:SHOWN]!r}); "
            "another separator is named with --delimiter, labels in another file with --labels"
        )
    reason = ""
    unnamed = form.no_header or not names_something(first, wanted)
    if unnamed and not form.no_header:
        reason = looks_like_data(first, rest)
    if unnamed and not form.no_header and not reason:
        guess = clear_columns(list(zip(*(row[: len(first)] for row in rest), strict=False)))
        dialect = replace(dialect, guess=guess, clear=guess is not None)
    elif unnamed:
        columns = list(
            zip(*(row for row in (first, *rest) if len(row) >= len(first)), strict=False)
        )
        guess = likely_columns(columns)
        clear = clear_columns(columns) is not None
        dialect = replace(dialect, header=False, reason=reason, guess=guess, clear=clear)
    if dialect.delimiter == "\t" and dialect.quote is not None and form.quote is None:
        try:
            check_rows(name, dialect, lines, rest)
        except DataError:
            # Tab-separated files need no quotation marks, and mostly have none.
            dialect = replace(dialect, quote=None, escape=None)
            check_rows(name, dialect, lines, rest)
    else:
        check_rows(name, dialect, lines, rest)
    return dialect


def _above(lines: Iterable[str], wanted: Sequence[str]) -> tuple[int, str | None]:
    """How many lines stand above the header, and what they say the separator is.

    They may say it as `sep=;`, which Excel understands.
    """
    head = list(itertools.islice(lines, MOST_ABOVE))
    said = re.fullmatch(r"sep=([^\r\n])[\r\n]*", head[0]) if head else None
    settings = 0 if said is None else 1
    cells = (
        max((line.split(one) for one in DELIMITERS), key=len)  # as far as they are told apart
        for line in head[settings:]
    )
    above = header_place([[cell.strip(" \r\n\"'") for cell in row] for row in cells], wanted)
    return settings + above, None if said is None else said[1]


def _head(lines: Iterable[str]) -> Head:
    """The first lines from one that is not blank on, and whether they are all there are."""
    found, characters = list[str](), 0
    for line in itertools.dropwhile(lambda line: not line.strip(), lines):
        if characters >= HEAD:
            return Head(found, whole=False)
        found.append(line)
        characters += len(line)
    return Head(found, whole=True)


def _json(line: str) -> object:
    """A line's value as JSON, which may have as many commas as all others; None if it is none."""
    with contextlib.suppress(ValueError, RecursionError):
        return json.loads(line)
    return None


def _tried(dialect: Dialect, head: Head) -> list[list[str]]:
    """The rows of the head as far as they can be read."""
    rows = list[list[str]]()
    with contextlib.suppress(csv.Error):
        rows.extend(row for _, row in dialect.rows(head.lines))
    return rows or [[line.rstrip("\r\n")] for line in head.lines]


def _delimited(name: str, head: Head, ending: str, form: Form, wanted: Sequence[str]) -> Dialect:
    """Chooses delimiter and quotation marks by the rows of the head."""
    usual, asked = USUAL.get(ending, ","), form.separator()
    delimiters = [asked] if asked else [usual, *(d for d in DELIMITERS if d != usual)]
    fitting = [d for one in delimiters if (d := _quoted(one, head, form)) is not None]
    if len(fitting) > 1:
        named = [d for d in fitting if names_something(_tried(d, head)[0], wanted)]
        if len(named) == 1 or usual in [d.delimiter for d in named]:
            fitting = named[:1]
        elif ending in (".tsv", ".tab") and fitting[0].delimiter == usual:
            fitting = fitting[:1]
        elif len(marked := [d for d in fitting if d.quote and _is_certain(d, head)]) == 1:
            fitting = marked
    if len(fitting) > 1:
        could = " or ".join(DELIMITERS[d.delimiter] for d in fitting)
        raise DataError(
            f"{name}: cannot tell what separates its columns: {could}. Say it with --delimiter"
        )
    if fitting:
        return fitting[0]
    # None gives all rows one width: the most usual one, whose first wrong row will be named.
    plain = [Dialect(one, MARKS[form.quote or "double"]) for one in delimiters]
    return next((d for d in plain if len(_tried(d, head)[0]) > 1), plain[0])


def _quoted(delimiter: str, head: Head, form: Form) -> Dialect | None:
    """The way to read the head with a delimiter that gives all rows one width of 2 or more."""
    if delimiter not in head.lines[0]:
        return None
    if form.quote is not None:
        asked = Dialect(delimiter, MARKS[form.quote])
        return asked if _fits(asked, head) else None
    double, single = Dialect(delimiter, '"'), Dialect(delimiter, "'")
    escaped, plain = Dialect(delimiter, '"', "\\"), Dialect(delimiter, None)
    spaced = Dialect(delimiter, '"', spaced=True)
    certain = _fits(double, head) and _is_certain(double, head)
    if not certain and _fits(single, head) and _is_certain(single, head):
        return single
    if delimiter == "\t" and not certain and _fits(plain, head):
        return double if not _quoted_cells(double, head) and _fits(double, head) else plain
    return next((d for d in (double, escaped, spaced) if _fits(d, head)), None)


def _fits(dialect: Dialect, head: Head) -> bool:
    """Whether all rows have as many cells, two or more."""
    rows = list[list[str]]()
    try:
        rows.extend(row for _, row in dialect.rows(head.lines))
    except csv.Error as error:
        # A head that is not all may end within a cell.
        if head.whole or "unexpected end" not in str(error):
            return False
    return len(rows) > 0 and len(rows[0]) > 1 and all(fits_in(row, len(rows[0])) for row in rows)


def _quoted_cells(dialect: Dialect, head: Head) -> list[str]:
    """What is between the marks of the cells that begin and end with one."""
    mark, delimiter = dialect.quote or "", re.escape(dialect.delimiter)
    begin, end = f"(?:^|(?<=[\r{delimiter}]))", rf"(?={delimiter}|[\r\n]|\Z)"
    return re.findall(
        f"{begin}{mark}((?:[^{mark}]|{mark}{mark})*+){mark}{end}", "".join(head.lines), re.MULTILINE
    )


def _is_certain(dialect: Dialect, head: Head) -> bool:
    """Whether cells are quoted, and not texts that begin and end with a quotation mark.

    They are where there is one in every row, or where each has something in it that needs it.
    """
    cells = _quoted_cells(dialect, head)
    rows = len(_tried(dialect, head)) - 1  # the header may have none
    need = re.compile(f"[\r\n{re.escape(dialect.delimiter)}{dialect.quote}]")
    return bool(cells) and (len(cells) >= rows or all(need.search(cell) for cell in cells))
