"""Data in memory, which `Settings` take in place of a path."""

from collections.abc import Sequence
from typing import Any, Literal

from search.display import counted

Kind = Literal["frame", "dataset", "stream", "pair", "texts"]

EXPECTED = (
    "a path, a DataFrame, a pair (texts, labels), a Hugging Face Dataset or a tf.data.Dataset of "
    "pairs"
)


class InMemory:
    """Texts in memory, with or without labels. They are read when the corpus is loaded.

    Args:
        content: a pandas DataFrame ("frame"); a Hugging Face Dataset ("dataset"); a
            tf.data.Dataset of pairs ("stream"); two sequences of texts and labels, or three with
            groups ("pair"); or one sequence of str ("texts").
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
        what = {
            "frame": "DataFrame",
            "dataset": "Dataset",
            "stream": "tf.data.Dataset",
            "pair": "texts and labels",
            "texts": "texts",
        }[self.kind]
        if self.kind == "stream":  # whose end is not known before it is read
            return f"<{what}>"
        return f"<{what}, {counted(len(self.content[0] if self.kind == 'pair' else self), 'row')}>"

    def __len__(self) -> int:
        return len(self.content)

    __repr__ = __str__


def is_name_of_memory(name: str) -> bool:
    """Whether the name of the data in a record is that of data in memory."""
    return name.startswith("<") and name.endswith(">")


def in_memory(value: Any) -> InMemory | None:
    """Wraps labelled data in memory, recognised by its attributes; None for anything else.

    Raises:
        ValueError: it is a pair, but not of texts and as many labels, or several data sets.
    """
    if isinstance(value, InMemory):
        return value
    if hasattr(value, "iloc") and hasattr(value, "columns"):
        return InMemory(value, "frame")
    if isinstance(value, dict) and hasattr(value, "column_names"):
        raise ValueError(
            f"expected one data set, found several ({', '.join(map(str, value))}); take one of "
            f"them, such as data[{next(iter(value), 'train')!r}]"
        )
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
    if isinstance(value, tuple | list) and len(value) == 2 and all(map(_is_column, value)):
        texts, labels = (len(part) for part in value)
        if texts != labels:
            raise ValueError(f"expected a label for each of {texts} texts, found {labels} labels")
        return InMemory(tuple(value), "pair")
    return None


def texts_in_memory(value: Any) -> InMemory | None:
    """Wraps texts without labels; None for anything else. A list of str means several sources."""
    if isinstance(value, tuple | list | str):
        return None
    return in_memory(value) or (InMemory(value, "texts") if _is_column(value) else None)


def _is_column(value: Any) -> bool:
    """Whether something is a column: a list, an array, a Series, a column of a Dataset."""
    if isinstance(value, str | bytes | dict) or getattr(value, "ndim", 1) != 1:
        return False
    return isinstance(value, Sequence) or (
        hasattr(value, "__len__") and hasattr(value, "__getitem__")
    )
