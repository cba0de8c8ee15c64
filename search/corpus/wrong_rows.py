"""Refuses tables with rows that cannot be right, rather than losing texts.

Every row must have the same number of cells, and no quoted text may have swallowed rows.
"""

import csv
from collections import Counter
from collections.abc import Sequence

from search.corpus.dialect import SHOWN, Dialect, Lines, fits_in
from search.corpus.headers import has_labels
from search.errors import DataError


def check_rows(name: str, dialect: Dialect, lines: Lines, head: Sequence[Sequence[str]]) -> None:
    """Reads all rows once, and refuses the first that cannot be right."""
    width, before = 0, 0
    labels: list[set[str]] | None = None
    where = {",": "a comma", ";": "a semicolon"}.get(dialect.delimiter, "a separator")
    try:
        for line, row in dialect.rows(lines()):
            if not width:
                width = len(row)
                labels = _label_values(head, width)
            elif len(row) != width and not fits_in(row, width):
                if width == 1:
                    raise DataError(
                        f"{name}: line {line} has {len(row)} fields, and the first has one: remove "
                        "what stands above the names of the columns, or name another separator "
                        "with --delimiter"
                    )
                if _has_row_names(head, width):
                    raise DataError(
                        f"{name}: line {line} has {len(row)} fields, and the header {width}: the "
                        "rows begin with their numbers, as R writes them; write the file with "
                        "row.names=FALSE, or a name for that column at the beginning of its header"
                    )
                raise DataError(
                    f"{name}: line {line}: expected {width} fields, found {len(row)} "
                    f"({dialect.delimiter.join(row)[:SHOWN]!r}); is a text with {where} in it "
                    "missing its quotation marks? Another separator is named with --delimiter"
                )
            elif labels is not None and line > before + 1 and dialect.quote is not None:
                _refuse_swallowed(name, dialect, row, (before + 1, line), labels)
            before = line
    except csv.Error as error:
        raise DataError(
            f"{name}: {error}; is a quotation mark missing, or one inside of a text not doubled? "
            "If such marks are part of the texts: --quote none"
        ) from error


def _has_row_names(head: Sequence[Sequence[str]], width: int) -> bool:
    """Whether all rows have a number more than the header has names."""
    rows = [row for row in head if row]
    return bool(rows) and all(len(row) == width + 1 and row[0].isdigit() for row in rows)


def _label_values(head: Sequence[Sequence[str]], width: int) -> list[set[str]]:
    """Of each column with few values, these; of others nothing."""
    found = []
    for place in range(width):
        column = [row[place] for row in head if len(row) > place]
        values = {value for value, rows in Counter(column).items() if rows > 1 and value}
        found.append(values if has_labels(column) else set())
    return found


def _refuse_swallowed(
    name: str, dialect: Dialect, row: list[str], lines: tuple[int, int], labels: list[set[str]]
) -> None:
    """Refuses a quoted cell over several lines, if these are rows as all the others."""
    width, begin = len(labels), lines[0]
    for place, cell in enumerate(row[:width]):
        pieces = cell.splitlines()
        if len(pieces) < 2:
            continue
        first = [*row[:place], *pieces[0].split(dialect.delimiter)]
        second = pieces[1].split(dialect.delimiter)
        one = _is_row(first, labels, place) or (place == width - 1 and _is_row(second, labels, -1))
        if one:
            raise DataError(
                f"{name}: line {begin}: the quoted text that begins here goes on to line "
                f"{lines[1]}, and what is in it looks like rows ({pieces[1][:SHOWN]!r}); is its "
                "closing quotation mark missing? If such marks are part of the texts: --quote none"
            )


def _is_row(cells: list[str], labels: list[set[str]], behind: int) -> bool:
    """Whether cells are as many as in a row, with values of the columns with few ones."""
    if len(cells) != len(labels):
        return False
    known = [(cell, values) for cell, values in zip(cells, labels, strict=True) if values]
    seen = [values for values in labels[behind + 1 :] if values]
    return bool(seen) and all(cell in values for cell, values in known)
