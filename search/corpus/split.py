"""Train, validation, test: stratified, seeded, and no text on two sides.

Reviews with the same text (after folding case and white space) form a group that goes to one
side as a whole, so that no text is trained on and tested on.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from search.errors import DataError

VALIDATION_SHARE = 0.1
TEST_SHARE = 0.1

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Parts:
    """Row numbers (0-based, ascending) of each side."""

    train: Rows
    validation: Rows
    test: Rows


def split(
    texts: npt.NDArray[np.object_],
    labels: npt.NDArray[np.int32],
    seed: int,
    *,
    validation: bool = True,
    test: bool = True,
) -> Parts:
    """Splits rows 80/10/10; a side that the user gave as a file stays empty.

    Args:
        texts: str, shape (rows,).
        labels: class indices, shape (rows,).
        seed: any integer.
        validation: whether to take a validation side.
        test: whether to take a test side.

    Raises:
        DataError: a class has fewer different texts than there are sides.
    """
    groups, first, representative = _groups(texts)
    group_labels = labels[first]
    sides = 1 + validation + test
    counts = np.bincount(group_labels, minlength=int(labels.max()) + 1)
    if counts.min() < sides:
        raise DataError(
            f"a class has only {counts.min()} different texts; {sides} are needed to have it in "
            "each of train, validation and test"
        )
    remaining = np.arange(len(first))
    empty = np.empty(0, dtype=np.int64)
    taken = {"validation": empty, "test": empty}
    for name, wanted, share in (
        ("test", test, TEST_SHARE),
        ("validation", validation, VALIDATION_SHARE),
    ):
        if wanted:
            size = max(round(share * len(first)), len(counts))
            remaining, taken[name] = _stratified(remaining, group_labels, size, seed)
    rows = {
        "train": np.isin(representative, groups[remaining]),
        **{name: np.isin(representative, groups[chosen]) for name, chosen in taken.items()},
    }
    return Parts(**{name: np.flatnonzero(inside).astype(np.int64) for name, inside in rows.items()})


def folded(text: str) -> str:
    """What texts that count as the same share."""
    return " ".join(text.casefold().split())


def _groups(texts: npt.NDArray[np.object_]) -> tuple[Rows, Rows, Rows]:
    """Groups rows with the same text: (group ids, first row of each group, group of each row)."""
    ids: dict[str, int] = {}
    representative = np.fromiter(
        (ids.setdefault(folded(text), len(ids)) for text in texts),
        dtype=np.int64,
        count=len(texts),
    )
    groups, first = np.unique(representative, return_index=True)
    return groups, first, representative


def _stratified(
    rows: Rows, labels: npt.NDArray[np.int32], size: int, seed: int
) -> tuple[Rows, Rows]:
    """Takes `size` of `rows` with the classes in proportion: (the rest, the taken)."""
    from sklearn.model_selection import train_test_split

    rest, taken = train_test_split(
        rows, test_size=size, stratify=labels[rows], random_state=seed % 2**32
    )
    return np.sort(rest), np.sort(taken)
