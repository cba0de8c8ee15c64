"""Data in memory, which `Settings` take in place of a path."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from search.display import counted
from search.splits import UNLABELLED, splits_among

Kind = Literal["frame", "dataset", "arrow", "columns", "rows", "stream", "pair", "texts", "splits"]

EXPECTED = (
    "a path, a DataFrame, a pair (texts, labels), a list of pairs or of dicts, a dict of columns, "
    "a Hugging Face Dataset or DatasetDict, an Arrow table or a tf.data.Dataset of pairs"
)
SHOWN = 40  # characters of what was found


class InMemory:
    """Texts in memory, with or without labels. They are read when the corpus is loaded.

    Args:
        content: a pandas DataFrame ("frame"); a Hugging Face Dataset ("dataset"); a pyarrow.Table
            ("arrow"); columns by their names ("columns"); a list of dicts ("rows"); a
            tf.data.Dataset of pairs ("stream"); two sequences of texts and labels, or three with
            groups ("pair"); one sequence of str ("texts"); or others of these by what they are:
            train, validation, test and unlabelled ("splits").
        kind: which of these it is.
        classes: names of the classes, if the labels of a pair are indices into them. Then all rows
            and classes are used as they are.
    """

    def __init__(self, content: Any, kind: Kind, classes: tuple[str, ...] | None = None) -> None:
        self.content = content
        self.kind = kind
        self.classes = classes

    def __str__(self) -> str:
        """A name for messages and records, in angle brackets."""
        if self.kind == "stream":  # whose end is not known before it is read
            return "<tf.data.Dataset>"
        if self.kind == "splits":
            return f"<{', '.join(self.content)}>"
        what = {
            "frame": "DataFrame",
            "dataset": "Dataset",
            "arrow": "Table",
            "rows": "dicts",
            "pair": "texts and labels",
        }.get(self.kind, self.kind)
        return f"<{what}, {counted(len(self), 'row')}>"

    def __len__(self) -> int:
        if self.kind == "pair":
            return len(self.content[0])
        if self.kind == "columns":
            return len(next(iter(self.content.values())))
        return len(self.content)

    __repr__ = __str__


def is_name_of_memory(name: str) -> bool:
    """Whether the name of the data in a record is that of data in memory."""
    return name.startswith("<") and name.endswith(">")


def in_memory(value: Any) -> InMemory | None:
    """Wraps labelled data in memory, recognised by its attributes; None for anything else.

    An iterator is read to its end.

    Raises:
        ValueError: it is nearly such data; the message says what is wrong.
    """
    if isinstance(value, InMemory):
        return value
    if hasattr(value, "iloc") and hasattr(value, "columns"):
        return InMemory(value, "frame")
    if isinstance(value, Mapping):
        return _splits(value) or _of_scikit_learn(value) or _columns(value)
    if hasattr(value, "column_names") and hasattr(value, "features"):
        if not hasattr(value, "__len__"):
            raise ValueError(
                f"expected a Dataset, found an {type(value).__name__}, which can be read only "
                "once; load it without streaming, or make a Dataset of it: "
                "Dataset.from_generator(lambda: (yield from data))"
            )
        return InMemory(value, "dataset")
    if hasattr(value, "element_spec") and hasattr(value, "as_numpy_iterator"):
        return InMemory(value, "stream")
    if hasattr(value, "__arrow_c_stream__") and hasattr(value, "columns"):  # and not one column
        import pyarrow as pa

        return InMemory(pa.table(value), "arrow")
    if names := getattr(getattr(value, "dtype", None), "names", None):  # of a structured array
        return InMemory({name: value[name] for name in names}, "columns")
    if hasattr(value, "tolist") and getattr(value, "ndim", 1) == 2:
        value = value.tolist()
    elif isinstance(value, Iterator) and not hasattr(value, "read"):
        value = list(value)
    if not isinstance(value, tuple | list):
        return None
    if len(value) == 2 and all(map(_is_column, value)):
        texts, labels = map(_flat, value)
        if len(texts) != len(labels):
            raise ValueError(
                f"expected a label for each of {counted(len(texts), 'text')}, found "
                f"{counted(len(labels), 'label')}"
            )
        return InMemory((texts, labels), "pair")
    return _rows(value)


def texts_in_memory(value: Any) -> InMemory | None:
    """Wraps texts without labels; None for anything else. A list of str means several sources."""
    if isinstance(value, tuple | list | str):
        return None
    if isinstance(value, Iterator) and not hasattr(value, "read"):
        value = list(value)
        if all(isinstance(text, str) for text in value):
            return InMemory(value, "texts")
    return in_memory(value) or (InMemory(value, "texts") if _is_column(value) else None)


def _splits(value: Mapping[Any, Any]) -> InMemory | None:
    """Several data sets, each with the name of a split, as a Hugging Face DatasetDict has them."""
    names = [name for name in value if isinstance(name, str)]
    found = splits_among(names)
    several = hasattr(value, "column_names")
    if not several and (not found or any(map(_is_column, value.values()))):
        return None
    if "train" not in found:
        raise ValueError(
            f"expected one data set, found several ({', '.join(map(str, value))}); take one of "
            f"them, such as data[{next(iter(value), 'train')!r}]"
        )
    splits = {split: in_memory(value[name]) for split, name in found.items()}
    for name in names:
        if name.lower() in UNLABELLED:
            splits["unlabelled"] = texts_in_memory(value[name])
    if wrong := [split for split, part in splits.items() if part is None or part.kind == "splits"]:
        raise ValueError(f"expected a table for each split, found something else as {wrong[0]}")
    return InMemory(splits, "splits")


def _of_scikit_learn(value: Mapping[Any, Any]) -> InMemory | None:
    """What functions such as fetch_20newsgroups and load_files return: a Bunch."""
    if not {"data", "target"} <= value.keys():
        return None
    texts, labels, names = value["data"], value["target"], value.get("target_names")
    if names is not None:
        labels = [names[label] for label in labels]
    return in_memory((texts, labels))


def _columns(value: Mapping[Any, Any]) -> InMemory | None:
    """Columns by their names."""
    parts = list(value.values())
    if parts and all(
        isinstance(part, Mapping) and part.keys() == parts[0].keys() for part in parts
    ):
        parts = [list(part.values()) for part in parts]  # by the names of rows, as of to_dict()
    if not parts or not all(map(_is_column, parts)):
        return None
    columns = {str(name): _flat(part) for name, part in zip(value, parts, strict=True)}
    rows = {name: len(column) for name, column in columns.items()}
    if len(set(rows.values())) > 1:
        counts = ", ".join(f"{count} in {name}" for name, count in rows.items())
        raise ValueError(f"expected columns with as many rows, found {counts}")
    return InMemory(columns, "columns")


def _rows(value: Sequence[Any]) -> InMemory | None:
    """Rows, each a dict or a pair of a text and a label."""
    if not value:
        return None
    if isinstance(value[0], str | Path):
        raise ValueError(
            "expected labels with the texts, such as (texts, labels), found a list of str; several "
            "files are one str with commas between them: 'a.csv,b.csv'"
        )
    if isinstance(value[0], Mapping):
        what, fits = "a dict", [isinstance(row, Mapping) for row in value]
    elif isinstance(value[0], tuple | list):
        what = "a pair of a text and a label"
        fits = [isinstance(row, tuple | list) and len(row) == 2 for row in value]
    else:
        return None
    if not all(fits):
        place = fits.index(False)
        raise ValueError(
            f"expected {what} in each place, found in place {place} {str(value[place])[:SHOWN]}"
        )
    if isinstance(value[0], Mapping):
        return InMemory([dict(row) for row in value], "rows")
    return InMemory(tuple(map(list, zip(*value, strict=True))), "pair")


def _is_column(value: Any) -> bool:
    """Whether something is a column: a list, an array, a Series, a column of a Dataset."""
    if isinstance(value, str | bytes | Mapping):
        return False
    if getattr(value, "ndim", 1) == 2:  # of a table with one column
        return bool(value.shape[1] == 1) and (hasattr(value, "iloc") or hasattr(value, "tolist"))
    if getattr(value, "ndim", 1) != 1:
        return False
    return isinstance(value, Sequence) or (
        hasattr(value, "__len__") and hasattr(value, "__getitem__")
    )


def _flat(column: Any) -> Any:
    """A column; the only one of a table."""
    if getattr(column, "ndim", 1) == 1:
        return column
    return column.iloc[:, 0] if hasattr(column, "iloc") else column.reshape(-1)
