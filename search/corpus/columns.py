"""Finds the text and label columns of a table: by name, by number, or by usual names."""

from collections.abc import Iterable, Sequence

from search.errors import DataError

TEXT_COLUMNS = (
    *("text", "review", "review text", "reviews", "sentence", "comment", "content", "body"),
    *("document", "message", "phrase", "tweet"),
    *("review body", "review content", "reviews text", "comment text", "tweet text", "feedback"),
)
LABEL_COLUMNS = (
    *("label", "labels", "sentiment", "class", "target", "category", "polarity"),
    *("rating", "stars", "score"),
    *("star rating", "review rating", "reviews rating", "overall", "sentiment label"),
    *("airline sentiment", "intent", "emotion"),
)
"""Usual names, however they are written: review_text, Review Text, reviewText, review.text."""

LONGEST_NAME, MOST_NAMES = 60, 50  # of columns, in messages
ONE_COLUMN = (
    "; another separator, with --delimiter; a first line that is a text, with --no-header "
    "--text-column 1"
)
JOINED = " "  # between the texts of several columns


class NoLabels(DataError):
    """There are texts, and no labels with them."""


def usual_among(columns: Iterable[str], usual: Iterable[str], *, last: bool = False) -> list[str]:
    """The columns that have a usual name, or behind their last dot, as fields of objects."""
    names, longest = set(map(_letters, usual)), 2 * max(map(len, usual))
    short = ((one, one.rpartition(".")[2] if last else one) for one in columns)
    return [column for column, name in short if len(name) <= longest and _letters(name) in names]


def _letters(name: str) -> str:
    return "".join(filter(str.isalnum, name.casefold()))


def chosen_columns(
    name: str,
    columns: Sequence[str],
    wanted: str | None,
    usual: tuple[str, ...],
    what: str,
    advice: str = "",
) -> tuple[int, ...]:
    """Picks the column, or for a text the columns, or says what there is to pick from.

    Args:
        name: the file, for messages.
        columns: their names.
        wanted: what the user asked for: a name, a number from 1, or several, separated by commas.
        usual: names that are looked for otherwise.
        what: "text" or "label".
        advice: what to say in place of the columns' names, where they have none.

    Returns:
        0-based places.

    Raises:
        NoLabels: there is no column for the label.
        DataError: there is no such column, or it is ambiguous.
    """
    if wanted is not None:
        if wanted in columns:
            return (_place(name, columns, wanted, what),)
        parts = [part.strip() for part in wanted.split(",")]
        if len(parts) > 1 and what != "text":
            raise DataError(f"{name}: --{what}-column: expected one column, found {wanted!r}")
        return tuple(_place(name, columns, part, what) for part in parts)
    found = usual_among(columns, usual) or usual_among(columns, usual, last=True)
    if len(found) > 1 and what == "label":  # beside it, a score is how sure somebody was of it
        found = usual_among(found, usual[:1]) or found
    if len(found) == 1:
        return (columns.index(found[0]),)
    if len(set(found)) == 1:
        return (_place(name, columns, found[0], what),)
    if advice:
        raise DataError(f"{name}: {advice}")
    several = f"several could be it ({', '.join(found)})" if found else "none has a usual name"
    raise (NoLabels if what == "label" and not found else DataError)(
        f"{name}: cannot tell which column is the {what}: {several}. Its columns are: "
        f"{_listed(columns)}. Name it with --{what}-column"
        + (ONE_COLUMN if len(columns) == 1 and what == "text" else "")
    )


def _place(name: str, columns: Sequence[str], wanted: str, what: str) -> int:
    """The place of one column that the user named."""
    times = list(columns).count(wanted)
    if times == 1:
        return list(columns).index(wanted)
    if times > 1:
        numbers = [str(n) for n, column in enumerate(columns, start=1) if column == wanted]
        raise DataError(
            f"{name}: has the column {wanted!r} {times} times; say which one by its "
            f"number: --{what}-column {' or '.join(numbers)}"
        )
    if wanted.isascii() and wanted.isdigit() and 1 <= int(wanted) <= len(columns):
        return int(wanted) - 1
    raise (NoLabels if what == "label" else DataError)(
        f"{name}: there is no column {wanted!r}; its columns are: {_listed(columns)}"
    )


def _listed(columns: Sequence[str]) -> str:
    shown = [
        f"{column[:LONGEST_NAME]}…" if len(column) > LONGEST_NAME else column or "(no name)"
        for column in columns[:MOST_NAMES]
    ]
    return ", ".join([*shown, *["…"][: len(columns) - len(shown)]])
