"""Turning whatever people write as labels into class indices, and refusing what cannot be learned.

A label is compared after trimming and case folding; when every label is a number, "1", "1.0" and
1 are one class. The name kept for a class is its most frequent spelling. Classes are ordered by
number when all are numbers and alphabetically otherwise, so that of two classes the second, whose
probability the model gives, is 1, True, pos, positive, yes, good.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from search.errors import DataError

FEWEST_ROWS = 10  # of a class: 8 to train on, 1 to validate, 1 to test
MOST_CLASSES = 100
MOST_DROPPED = 0.2  # of all rows


@dataclass(frozen=True)
class Reviews:
    """Clean reviews.

    Attributes:
        texts: object array of str, shape (rows,); none is empty.
        labels: int32 array, shape (rows,), indices into class_names.
        class_names: the classes in order.
        where: object array, shape (rows,): row number or file of each review in its source.
        dropped: how many rows of the source had no text or no label.
        groups: int64 array, shape (rows,): equal numbers are near-duplicates, in all sides of a
            run; None where nobody has looked.
    """

    texts: npt.NDArray[np.object_]
    labels: npt.NDArray[np.int32]
    class_names: tuple[str, ...]
    where: npt.NDArray[np.object_]
    dropped: int
    groups: npt.NDArray[np.int64] | None = None


def clean(table: pd.DataFrame, source: str, class_names: tuple[str, ...] | None = None) -> Reviews:
    """Drops rows without text or label and numbers the classes.

    Args:
        table: columns `text` and `label`, as `sources.read` returns them.
        source: what to call it in messages.
        class_names: the classes that there are, when they come from other data.

    Raises:
        DataError: more than a fifth of the rows dropped, one class, too many, too small ones, or
            a label that is not among `class_names`.
    """
    text = table["text"].fillna("").astype(str).str.strip()
    label = table["label"].fillna("").astype(str).str.strip()
    kept = (text != "") & (label != "")
    dropped = int((~kept).sum())
    if dropped > MOST_DROPPED * len(table):
        first = table.index[~kept][0]
        raise DataError(
            f"{source}: {dropped} of {len(table)} rows have no text or no label, more than a "
            f"fifth; the first is at {_place(first)}. Remove them, or name other columns"
        )
    keys = _keys(label[kept])
    if class_names is None:
        class_names = _names(label[kept], keys)
        _check(class_names, keys, source)
        order = list(dict.fromkeys(_keys(pd.Series(class_names, dtype=object))))
    else:
        # Both sides must be read alike: "1.0" here and "1" there are one class.
        together = _keys(pd.concat([pd.Series(class_names, dtype=object), label[kept]]))
        order = list(together[: len(class_names)])
        keys = together[len(class_names) :]
        unknown = keys[~keys.isin(order)]
        if len(unknown):
            raise DataError(
                f"{source}: the label {label[kept][unknown.index[0]]!r} at "
                f"{_place(unknown.index[0])} is not one of the classes: {', '.join(class_names)}"
            )
        if not len(keys):
            raise DataError(f"{source}: there are no rows in it")
    position = {key: index for index, key in enumerate(order)}
    return Reviews(
        texts=text[kept].to_numpy(dtype=object),
        labels=keys.map(position).to_numpy(dtype=np.int32),
        class_names=class_names,
        where=table.index[kept].to_numpy(dtype=object),
        dropped=dropped,
    )


def _place(index: object) -> str:
    return f"row {index}" if isinstance(index, (int, np.integer)) else str(index)


def _keys(labels: pd.Series) -> pd.Series:
    """What decides whether two labels are the same class."""
    numbers = pd.to_numeric(labels, errors="coerce")
    if numbers.notna().all() and np.isfinite(numbers.to_numpy(dtype=float)).all():
        return numbers.astype(float).map(lambda number: f"{number:g}")
    return labels.astype(str).str.casefold()


def _names(labels: pd.Series, keys: pd.Series) -> tuple[str, ...]:
    """The classes in order, each under its most frequent spelling."""
    spelling = labels.groupby(keys.to_numpy()).agg(lambda group: group.value_counts().index[0])
    try:
        return tuple(key for key in sorted(spelling.index, key=float))  # numbers: 1, not 1.0
    except ValueError:
        return tuple(str(spelling[key]) for key in sorted(spelling.index))


def _check(class_names: tuple[str, ...], keys: pd.Series, source: str) -> None:
    if len(class_names) == 1:
        raise DataError(
            f"{source}: every label is {class_names[0]!r}; a classifier needs two classes"
        )
    if len(class_names) > MOST_CLASSES:
        examples = ", ".join(class_names[:5])
        raise DataError(
            f"{source}: {len(class_names)} different labels ({examples}, …), more than "
            f"{MOST_CLASSES}; is another column the label?"
        )
    counts = keys.value_counts()
    small = counts[counts < FEWEST_ROWS]
    if len(small):
        raise DataError(
            f"{source}: the class {small.index[-1]!r} has {small.iloc[-1]} rows; at least "
            f"{FEWEST_ROWS} are needed for each class"
        )
