"""Tables in JSON: an object a line, or one value, in the shapes that programs write."""

import json
import re
from decimal import Decimal
from typing import Any

from search.corpus.columns import TEXT_COLUMNS, usual_among
from search.corpus.headers import clear_columns, names_something
from search.corpus.table import Source, Table, numbered_columns
from search.errors import DataError

MOST_NESTED = 5  # objects in objects whose fields are columns


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of a JSON text; one that has a key twice says nothing clearly."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"an object has the key {twice!r} twice")
    return found


DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_float=Decimal)  # as it is written


def json_file(source: Source) -> Table:
    """A .json file: an object a line, or one value, in the shapes that programs write."""
    text, encoding = source.text()
    try:
        value = DECODER.decode(text)
    except RecursionError as error:
        raise DataError(f"{source.name}: this is not JSON: it is nested too deeply") from error
    except ValueError as error:
        first = text.lstrip().splitlines()[0]
        if first.startswith("["):
            raise DataError(f"{source.name}: this is not JSON: {error}") from error
        if not first.rstrip().endswith("}") and (objects := _one_after_another(text)):
            return table_of_objects(objects, f"{encoding}, objects one after another")
        return json_lines(source)
    if isinstance(value, dict):
        rows, description = _rows_of(value)
        if rows is not None:
            return table_of_objects(rows, f"{encoding}, {description}")
        names = fields(value)
        if not usual_among(names, TEXT_COLUMNS, last=True) and not names.keys() & {*source.wanted}:
            raise DataError(
                f"{source.name}: expected rows, such as an array of objects, found one object "
                f"without a text ({text.strip()[:40]!r}); save its rows as a file of their own"
            )
        return json_lines(source)
    if not isinstance(value, list) or not value:
        raise DataError(f"{source.name}: expected an array of objects, found {text[:40]!r}")
    if all(isinstance(row, list) and len(row) == len(value[0]) for row in value):
        return _arrays(value, f"{encoding}, an array of arrays")
    for number, row in enumerate(value, start=1):
        if not isinstance(row, dict):
            raise DataError(
                f"{source.name}: element {number}: expected an object such as "
                f'{{"text": "…", "label": "…"}}, found {json.dumps(row)[:40]}'
            )
    return table_of_objects(value, f"{encoding}, an array of objects")


def _one_after_another(text: str) -> list[dict[str, Any]]:
    """The objects of a text that may go on over several lines each; none where it is not such."""
    place, found = 0, list[dict[str, Any]]()
    try:
        while place < len(text):
            value, place = DECODER.raw_decode(text, place + _blank(text, place))
            if not isinstance(value, dict):
                return []
            found.append(value)
            place += _blank(text, place)
    except (ValueError, RecursionError):
        return []
    return found


def _blank(text: str, place: int) -> int:
    match = re.compile(r"\s*").match(text, place)
    return 0 if match is None else match.end() - place


def _rows_of(whole: dict[str, Any]) -> tuple[list[dict[str, Any]] | None, str]:
    """The rows of a file that is one object, and what was recognised; None where it is one row."""
    if isinstance(whole.get("columns"), list) and isinstance(whole.get("data"), list):
        names = list(map(str, whole["columns"]))  # as pandas' orient="split"
        if all(isinstance(row, list) and len(row) == len(names) for row in whole["data"]):
            rows = [dict(zip(names, row, strict=True)) for row in whole["data"]]
            return rows, "an array of rows and one of names"
    inside = {
        key: value
        for key, value in whole.items()
        if isinstance(value, list) and value and all(isinstance(one, dict) for one in value)
    }
    if len(inside) > 1:  # of rows and descriptions of columns
        inside = {
            key: rows
            for key, rows in inside.items()
            if usual_among(fields(rows[0]), TEXT_COLUMNS, last=True)
        }
    if len(inside) == 1:
        [(key, rows)] = inside.items()
        return rows, f"an array of objects in {key!r}"
    cells = list(whole.values())
    if len(cells) > 1 and all(
        isinstance(one, dict) and one.keys() == cells[0].keys() for one in cells
    ):
        if not usual_among(whole, TEXT_COLUMNS) and len(cells[0]) <= len(cells):
            return cells, "an object of objects"
        rows = [{key: whole[key][place] for key in whole} for place in cells[0]]
        return rows, "an object of columns"  # as pandas' default
    if len(cells) > 1 and all(isinstance(one, list) and len(one) == len(cells[0]) for one in cells):
        rows = [dict(zip(whole, row, strict=True)) for row in zip(*cells, strict=True)]
        return rows, "an array for each column"
    return None, ""


def _arrays(rows: list[list[Any]], description: str) -> Table:
    """Rows whose cells have no names, unless the first row has them."""
    if all(isinstance(cell, str) for cell in rows[0]) and names_something(rows[0], ()):
        named = [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]
        return table_of_objects(named, f"{description}, names in the first")
    columns = [list(column) for column in zip(*rows, strict=True)]
    texts = [["" if cell is None else str(cell) for cell in column] for column in columns]
    names = [str(number) for number in range(1, len(columns) + 1)]
    advice = numbered_columns(None, "its columns have no names")
    return Table(names, len(rows), columns.__getitem__, description, clear_columns(texts), advice)


def json_lines(source: Source) -> Table:
    """One JSON object a line."""
    text, encoding = source.text()
    if re.match(r"\s*\[\s*\{", text):
        raise DataError(
            f"{source.name}: expected an object on each line, found an array of them; give the "
            "file the ending .json"
        )
    rows = []
    for number, line in enumerate(re.split("\r\n|\n|\r", text), start=1):
        if not line.strip():
            continue
        rows.append(json_object(source.name, number, line))
    return table_of_objects(rows, f"{encoding}, an object a line")


def json_object(name: str, number: int, line: str) -> dict[str, Any]:
    """The object on one line.

    Raises:
        DataError: there is something else.
    """
    try:
        row = DECODER.decode(line)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise DataError(f"{name}: line {number} is not JSON: {reason}") from error
    if not isinstance(row, dict):
        raise DataError(
            f"{name}: line {number}: expected an object such as "
            f'{{"text": "…", "label": "…"}}, found {line.strip()[:40]!r}'
        )
    return row


def fields(row: dict[str, Any], depth: int = 0) -> dict[str, Any]:
    """An object with those in it as fields of its own: {"review": {"text": …}} has review.text."""
    if depth == MOST_NESTED or not any(isinstance(value, dict) for value in row.values()):
        return row
    found = dict[str, Any]()
    for key, value in row.items():
        inner = fields(value, depth + 1) if isinstance(value, dict) else None
        found |= {f"{key}.{name}": cell for name, cell in inner.items()} if inner else {key: value}
    return found


def table_of_objects(rows: list[dict[str, Any]], description: str) -> Table:
    """A table with a row for each object."""
    rows = list(map(fields, rows))
    names = list(dict.fromkeys(key for row in rows for key in row))

    def column(place: int) -> list[object]:
        return [row.get(names[place]) for row in rows]

    return Table(names, len(rows), column, description)
