"""Reads Parquet files, whose content may be far larger than the file.

A value that occurs in a million rows is stored once. So texts are read dictionary-encoded, and
their decoded size is checked before memory is allocated for it.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO, Any

from search.corpus.objects import MOST_NESTED
from search.errors import DataError
from search.untrusted import most_unpacked

POINTER = 8  # bytes of a row in a list


@contextmanager
def parquet(content: IO[bytes], name: str, rows: int) -> Iterator[tuple[Any, Iterator[Any]]]:
    """Reads an open Parquet file.

    Args:
        content: the file.
        name: what to call it in messages.
        rows: of a batch, at most.

    Yields:
        Its pyarrow.Schema, and its rows as pyarrow.RecordBatches.

    Raises:
        DataError: it is something else, damaged, or much larger than its own size allows; also
            from taking batches, inside of the context.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        most = most_unpacked(content.seek(0, os.SEEK_END))
        schema = pq.read_schema(content)
        with pq.ParquetFile(content, read_dictionary=list(_texts(schema))) as file:
            yield schema, _batches(file, schema, rows, most)
    except (pa.ArrowException, ValueError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # of the system
            raise
        raise DataError(f"{name}: this is not a Parquet file, or a damaged one: {error}") from error


def flattened(table: Any) -> Any:
    """A pyarrow.Table with the fields of structs as columns, such as review.text."""
    import pyarrow.types as types

    for _ in range(MOST_NESTED):
        if any(types.is_struct(field.type) for field in table.schema):
            table = table.flatten()
    return table


def _texts(fields: Iterable[Any], inside: str = "") -> Iterator[str]:
    """The columns with texts, those in structs by their paths, such as review.text."""
    import pyarrow.types as types

    for field in fields:
        if types.is_struct(field.type):
            yield from _texts(field.type, f"{inside}{field.name}.")
        elif _is_text(field.type):
            yield inside + field.name


def _is_text(kind: Any) -> bool:
    import pyarrow.types as types

    kind = kind.value_type if types.is_dictionary(kind) else kind
    return any(check(kind) for check in (types.is_string, types.is_large_string, types.is_binary))


def _batches(file: Any, schema: Any, rows: int, most: int) -> Iterator[Any]:
    import pyarrow as pa

    groups = map(file.metadata.row_group, range(file.num_row_groups))
    left = most - sum(group.total_byte_size for group in groups)
    for batch in file.iter_batches(rows) if left >= 0 else ():
        left -= decoded_size(batch)
        if left < 0:
            break
        pairs = zip(batch.columns, schema, strict=True)
        columns = [column.cast(field.type) for column, field in pairs]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)
    if left < 0:
        raise ValueError(f"it holds more than {most:,} bytes, which no texts of its size do")


def decoded_size(batch: Any) -> int:
    """Bytes of a pyarrow.RecordBatch as plain values, with a pointer for each of its rows."""
    return POINTER * len(batch) + sum(map(_decoded_size, batch.columns))


def _decoded_size(column: Any) -> int:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.types as types

    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    if types.is_struct(column.type):
        return sum(map(_decoded_size, column.flatten()))
    # Of the texts; other values have all one size.
    if types.is_run_end_encoded(column.type):
        return len(column) * (_decoded_size(column.values) + POINTER)
    if types.is_nested(column.type):  # lists, which are not read
        return POINTER * len(column)
    if types.is_dictionary(column.type):
        return pc.sum(_lengths(column.dictionary).take(column.indices)).as_py() or 0
    if _is_view(column.type):  # a value is stored once
        return pc.sum(_lengths(column)).as_py() or 0
    return int(column.nbytes)


def _is_view(kind: Any) -> bool:
    import pyarrow.types as types

    return bool(types.is_string_view(kind) or types.is_binary_view(kind))


def _lengths(column: Any) -> Any:
    """Bytes of each value."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.types as types

    if _is_view(column.type):
        return pa.array([len(one.as_buffer()) if one.is_valid else 0 for one in column])
    if _is_text(column.type) or types.is_large_binary(column.type):
        return pc.binary_length(column)
    return pa.array([POINTER] * len(column))
