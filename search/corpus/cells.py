"""Converts cells to texts, in the spelling of the file; never by Python's `str`."""

import decimal
import math
import re
from collections.abc import Sequence

import numpy as np

from search.errors import DataError

LONGEST_TEXT = 2_000_000  # characters; beyond it a quotation mark is missing, not a review long
SHOWN = 40  # characters of what was found
_NUMBERS = re.compile(r"[\d\s.,+%-]*", re.ASCII)
HALF_PAIRS = dict.fromkeys(range(55296, 57344), "�")


def whole(text: str) -> str:
    """Replaces halves of surrogate pairs, which are not characters, by "�"."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.translate(HALF_PAIRS)
    return text


def texts_of(
    cells: Sequence[object], name: str, column: str, *, numbers: bool = True
) -> list[str | None]:
    """Converts cells to texts; missing ones to None.

    Args:
        cells: of one column.
        name: the file, for messages.
        column: its name, for messages.
        numbers: whether numbers alone will do, as for labels.

    Raises:
        DataError: a cell is not a text; the message says which.
    """
    found = [
        cell
        if isinstance(cell, str)
        else text_of(_only(cell) if numbers else cell, name, column, row)
        for row, cell in enumerate(cells, start=1)
    ]
    if not numbers and any(text is not None for text in found):
        there = [cell for cell, text in zip(cells, found, strict=True) if text is not None]
        if not any(isinstance(cell, (str, bytes)) for cell in there):
            raise DataError(
                f"{name}: the column {column!r} has numbers only ({there[0]}), and no text; "
                "name another with --text-column"
            )
    return found


def refuse_numbers(texts: Sequence[str | None], name: str, column: str) -> None:
    """Refuses what only its name says is the text: the column Reviews may be how many there are.

    Raises:
        DataError: there are numbers only.
    """
    first = next(filter(None, texts), None)
    if first is not None and all(text is None or _NUMBERS.fullmatch(text) for text in texts):
        raise DataError(
            f"{name}: the column {column!r} has numbers only ({first[:SHOWN]}); name the one with "
            "the texts, or this one if it is meant, with --text-column"
        )


def _only(cell: object) -> object:
    """What is alone in a list, as annotation tools write a label; of an empty list nothing."""
    if isinstance(cell, list) and len(cell) < 2:
        return cell[0] if cell else None
    return cell


def text_of(cell: object, name: str, column: str, row: int) -> str | None:
    """The same of one cell."""
    if cell is None or isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, int):
        return str(cell)
    if isinstance(cell, float):
        if math.isnan(cell):
            return None
        # Whole numbers become such ones wherever one in their column is missing.
        return str(int(cell)) if cell.is_integer() and abs(cell) < 2**53 else repr(cell)
    if isinstance(cell, decimal.Decimal):
        return None if cell.is_nan() else str(cell)
    if isinstance(cell, bytes):
        try:
            return cell.decode()
        except UnicodeDecodeError:
            found = "bytes that are not UTF-8"
    else:
        named = {"list": "a list", "dict": "an object"}
        found = named.get(type(cell).__name__, f"a {type(cell).__name__}")
    raise DataError(
        f"{name}: row {row}: expected a text in column {column!r}, found {found} "
        f"({str(cell)[:SHOWN]}); name another column"
    )


def shortest(numbers: Sequence[float | None]) -> list[object]:
    """Numbers of 32 bits as the shortest ones that they may be: 0.1, not 0.10000000149."""
    return [number if number is None else float(str(np.float32(number))) for number in numbers]


def refuse_impossible(texts: Sequence[str | None], where: Sequence[object], name: str) -> None:
    """Checks that texts are plausible.

    Raises:
        DataError: one is endless, or contains a NUL character.
    """
    for row, text in zip(where, texts, strict=True):
        if text is not None and len(text) > LONGEST_TEXT:
            raise DataError(
                f"{name}: the text at row {row} has {len(text):,} characters, more than "
                f"{LONGEST_TEXT:,}; is a closing quotation mark missing?"
            )
        if text is not None and "\0" in text:
            raise DataError(f"{name}: the text at row {row} contains a NUL character")
