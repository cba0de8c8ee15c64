"""Reads Arrow files, whose content may be far larger than the file.

Its buffers may be compressed, a value that occurs in a million rows is stored once, and a column
without values takes no space for its rows. So sizes are checked before memory is allocated.
"""

import json
import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from search.corpus.cells import shortest
from search.corpus.parquet import decoded_size, flattened
from search.corpus.table import Source, Table
from search.errors import DataError
from search.untrusted import most_unpacked

MAGIC = b"ARROW1\0\0"  # of a file, which is a stream between this and an index
SHOWN = 2  # elements of a list that is no text
HEADER, DATA, BUFFERS, COMPRESSION = 2, 1, 2, 3
"""Fields of Message, DictionaryBatch, RecordBatch and again RecordBatch, in Arrow's format."""


def arrow(source: Source) -> Table:
    """An Arrow file: Feather, or a stream, as Hugging Face's datasets are on a disk.

    Raises:
        DataError: it is something else, damaged, or much larger than its own size allows.
    """
    import pyarrow as pa

    content = pa.py_buffer(source.content)
    if source.content.startswith(MAGIC):
        content = content.slice(len(MAGIC))
    left = most_unpacked(len(source.content))
    try:
        for message in pa.ipc.MessageReader.open_stream(pa.BufferReader(content)):
            left -= sum(_unpacked_sizes(message))
            _refuse_beyond(left, source)
        table = pa.ipc.open_stream(pa.BufferReader(content)).read_all()
        table.validate(full=True)
        for batch in table.to_batches():
            left -= decoded_size(batch)
            _refuse_beyond(left, source)
    except (pa.ArrowException, ValueError, OSError, struct.error) as error:
        raise DataError(f"{source.name}: this is not an Arrow file: {error}") from error
    return arrow_table(table, "Arrow")


def arrow_table(table: Any, description: str) -> Table:
    """The content of a pyarrow.Table; fields of structs are columns, such as review.text."""
    classes, table = class_labels(table.schema), flattened(table)
    names = list(table.column_names)

    def column(place: int) -> Sequence[object]:
        cells, known = cells_of(table.column(place)), classes.get(names[place])
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


def cells_of(column: Any) -> list[object]:
    """The cells of a column: of lists, which are no texts, only their beginning.

    Those of a column of texts of which one is not UTF-8 are bytes.
    """
    import pyarrow as pa
    import pyarrow.types as types

    if types.is_nested(column.type):
        return [_begin(cell) if cell.is_valid else None for cell in column]
    if types.is_float32(column.type):
        return shortest(column.to_pylist())
    cells: list[object]
    try:
        cells = column.to_pylist()
    except UnicodeDecodeError:
        if types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        cells = column.cast(pa.large_binary()).to_pylist()
    return cells


def _begin(cell: Any) -> object:
    values = getattr(cell, "values", None)
    return {} if values is None or callable(values) else values[:SHOWN].to_pylist()


def _refuse_beyond(left: int, source: Source) -> None:
    if left < 0:
        most = most_unpacked(len(source.content))
        raise ValueError(f"it holds more than {most:,} bytes, which no texts of its size do")


def _unpacked_sizes(message: Any) -> Iterator[int]:
    """The sizes that the compressed buffers of a pyarrow.ipc.Message unpack to.

    pyarrow does not tell them, so this reads the message's header, which is a FlatBuffers table.
    """
    if message.type not in ("record batch", "dictionary"):
        return
    data, body = message.metadata.to_pybytes(), memoryview(message.body or b"")
    batch = _inside(data, _field(data, _inside(data, 0), HEADER))
    if message.type == "dictionary":
        batch = _inside(data, _field(data, batch, DATA))
    if not _field(data, batch, COMPRESSION):
        return
    buffers = _inside(data, _field(data, batch, BUFFERS))
    (count,) = struct.unpack_from("<I", data, buffers)
    for place, size in struct.iter_unpack("<qq", data[buffers + 4 : buffers + 4 + 16 * count]):
        if size:
            (unpacked,) = struct.unpack_from("<q", body, place)
            yield size if unpacked < 0 else unpacked  # -1: it is as it is


def _field(data: bytes, table: int, number: int) -> int:
    """The place of a field of a FlatBuffers table; 0 where it has none."""
    places = table - struct.unpack_from("<i", data, table)[0]
    (size,) = struct.unpack_from("<H", data, places)
    entry = 4 + 2 * number
    (offset,) = struct.unpack_from("<H", data, places + entry) if entry < size else (0,)
    return table + offset if offset else 0


def _inside(data: bytes, place: int) -> int:
    """The place that an offset at a place leads to."""
    return place + int(struct.unpack_from("<I", data, place)[0])
