"""Converts data in memory to a table, as readers of files return it: see `search.memory`."""

from collections.abc import Sequence
from typing import Any

from search.corpus.arrow import arrow_table, with_classes
from search.corpus.cells import shortest
from search.corpus.headers import columns_by_content
from search.corpus.objects import table_of_objects
from search.corpus.table import Table
from search.errors import DataError
from search.memory import InMemory

PAIR = ["text", "label"]
COLUMNS = [*PAIR, "group"]  # of a pair, or of three sequences
TOLD = "in memory"


def table_of(memory: InMemory) -> Table:
    """What is in it; nothing is changed in place.

    Raises:
        DataError: its type is not supported.
    """
    content = memory.content
    if memory.kind == "frame":
        return _frame(content)
    if memory.kind == "dataset":
        return _dataset(content)
    if memory.kind == "stream":
        return _stream(memory)
    if memory.kind == "arrow":
        return arrow_table(content, TOLD)
    if memory.kind == "rows":
        return table_of_objects(content, TOLD)
    if memory.kind == "columns":
        names, columns = list(content), list(content.values())
    else:
        columns = list(content) if memory.kind == "pair" else [content]
        names = COLUMNS[: len(columns)]
    return Table(names, len(columns[0]), lambda place: _plain(columns[place]), TOLD)


def _frame(content: Any) -> Table:
    """A pandas DataFrame; what its index is called is the name of a column, too."""
    levels = {
        _name(name): content.index.get_level_values(level)
        for level, name in enumerate(content.index.names)
        if name is not None and name not in content.columns
    }
    names = [*map(_name, content.columns), *levels]
    columns = [content.iloc[:, place] for place in range(content.shape[1])]
    columns += levels.values()

    def column(place: int) -> Sequence[object]:
        return _plain(columns[place])

    return Table(names, len(content), column, TOLD, columns_by_content(names, column))


def _name(name: object) -> str:
    """The name of a column; of several levels those that are not empty."""
    return ".".join(str(part) for part in name if part) if isinstance(name, tuple) else str(name)


def _plain(column: Any) -> Sequence[object]:
    """The cells of a column; None where one is missing, numbers as Python's own."""
    cells = column.tolist() if hasattr(column, "tolist") else list(column)
    if hasattr(column, "isna"):  # of pandas
        cells = [None if gone else cell for cell, gone in zip(cells, column.isna(), strict=True)]
    if str(getattr(column, "dtype", None)).lower() == "float32":  # of NumPy or pandas
        return shortest(cells)
    return [cell.item() if hasattr(cell, "item") else cell for cell in cells]


def _dataset(content: Any) -> Table:
    """A Hugging Face Dataset; labels of a ClassLabel have their names."""
    content = content.flatten()  # fields of structs are columns, such as review.text
    names = list(content.column_names)

    def column(place: int) -> Sequence[object]:
        cells = list(content[names[place]])
        classes = getattr(content.features[names[place]], "names", None)
        return cells if classes is None else with_classes(cells, classes)

    return Table(names, len(content), column, TOLD)


def _stream(memory: InMemory) -> Table:
    """A tf.data.Dataset of pairs, in batches or not; it is read once, to its end."""
    content, spec = memory.content, memory.content.element_spec
    if not isinstance(spec, tuple) or len(spec) != len(PAIR):
        raise DataError(f"{memory}: expected pairs of a text and a label, found {spec}")
    if int(content.cardinality()) == -1:  # tf.data.INFINITE_CARDINALITY
        raise DataError(f"{memory}: it never ends; take a part of it, or leave repeat() out")
    texts, labels = spec
    batched = texts.shape.rank == 1
    if batched != (labels.shape.rank == 1) or texts.shape.rank not in (0, 1):
        raise DataError(
            f"{memory}: expected one text and one label at a time, or batches of them, found "
            f"shapes {texts.shape} and {labels.shape}; a label is a number or a text"
        )
    columns: tuple[list[object], list[object]] = ([], [])
    for pair in content.as_numpy_iterator():
        for column, part in zip(columns, pair, strict=True):
            column.extend(_plain(part) if batched else _plain([part]))
    return Table(PAIR, len(columns[0]), columns.__getitem__, TOLD)
