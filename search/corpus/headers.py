"""The names of a table's columns: where they stand, and which columns are meant without them."""

from collections.abc import Callable, Sequence

from search.corpus.columns import LABEL_COLUMNS, TEXT_COLUMNS, usual_among
from search.corpus.dialect import SHOWN

MOST_ABOVE = 20  # lines, of a title, comments or settings above the header
FEW_VALUES = 0.25  # of the rows: a column with fewer different values than that has labels


def header_place(rows: Sequence[Sequence[str]], wanted: Sequence[str]) -> int:
    """Which of the first rows names the columns; 0 where that is not clear.

    It is the first that names both a text and a label, where all above it have less in them, as
    titles and comments have.
    """
    fullest = 0
    for place, row in enumerate(rows[:MOST_ABOVE]):
        filled = sum(map(bool, row))
        texts, labels = (usual_among(row, usual) for usual in (TEXT_COLUMNS, LABEL_COLUMNS))
        known = len({*texts, *labels, *(set(row) & set(wanted))})
        if (texts and labels) or known > 1 or (known and fullest <= 1 < filled):
            return place if fullest < filled else 0
        is_comment = bool(row) and row[0].startswith("#")  # may have commas, as any sentence
        fullest = max(fullest, 1 if is_comment else filled)
    return 0


def names_something(first: Sequence[str], wanted: Sequence[str]) -> bool:
    """Whether a row has the name of a column in it: one the user named, or a usual one."""
    usual = usual_among(first, (*TEXT_COLUMNS, *LABEL_COLUMNS))
    return bool(usual) or any(cell in wanted for cell in first)


def looks_like_data(first: Sequence[str], rest: Sequence[Sequence[str]]) -> str:
    """What in the first row stands in other rows, too, and therefore is no name; or nothing."""
    for place, cell in enumerate(first):
        column = [row[place] for row in rest if len(row) > place]
        if cell and cell in column and has_labels(column):
            again = column.count(cell)
            return f"line 1 looks like data: {cell[:SHOWN]!r} is in {again} other rows, too"
    return ""


def has_labels(column: Sequence[str]) -> bool:
    """Whether few values stand in a column, again and again."""
    return 1 < len(set(column)) <= max(2, FEW_VALUES * len(column))


def _has_texts(column: Sequence[str]) -> bool:
    """Whether most values of a column stand there once."""
    return 2 * len(set(column)) > len(column)


def clear_columns(columns: Sequence[Sequence[str]]) -> tuple[int, int] | None:
    """The columns of (text, label) where they can be no others: of two, one has texts."""
    guess = likely_columns(columns) if len(columns) == 2 else None
    return guess if guess is not None and _has_texts(columns[guess[0]]) else None


def columns_by_content(
    names: Sequence[str], column: Callable[[int], Sequence[object]]
) -> tuple[int, int] | None:
    """As `clear_columns`, of a table of two columns whose names say nothing."""
    if len(names) != 2 or usual_among(names, (*TEXT_COLUMNS, *LABEL_COLUMNS)):
        return None
    return clear_columns([list(map(str, column(place))) for place in range(2)])


def likely_columns(columns: Sequence[Sequence[str]]) -> tuple[int, int] | None:
    """The likeliest columns of (text, label): the longest, and the first with few values."""
    labels = [place for place, column in enumerate(columns) if has_labels(column)]
    text = max(range(len(columns)), key=lambda place: sum(map(len, columns[place])))
    label = next((place for place in labels if place != text), None)
    return None if label is None else (text, label)
