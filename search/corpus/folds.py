"""Cross-validation folds of training and validation rows.

The folds are stratified and about equal in size; near-duplicates are in the same fold. A network
that is trained on all folds but one predicts that one, so that every row gets a prediction from a
network that was not trained on it (out of fold).

Of very many rows, those of validation and some others are enough for that: the rest is in no fold,
and every network is trained on it.
"""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from search.corpus.split import kept_together
from search.corpus.store import Split

if TYPE_CHECKING:  # it brings pandas, which no worker needs
    from search.corpus.labels import Reviews

FOLDS = 5
FEWER_FOLDS = 3  # where training takes long:
MUCH_TEXT = 8_000_000  # tokens
MOST_HELD_OUT = 50_000  # rows; the answers out of fold then have an error of 0.2 points
NOT_HELD_OUT = -1  # in the place of a fold


def usual_folds(train: Split) -> int:
    """The default number of folds."""
    return FOLDS if len(train.ids) < MUCH_TEXT else FEWER_FOLDS


def drawn_folds(
    train: "Reviews", validation: "Reviews", seed: int, most: int
) -> npt.NDArray[np.int8]:
    """Draws the fold of each row, of training and then of validation.

    Args:
        train, validation: the rows.
        seed: any integer.
        most: number of folds, if every class has as many groups of near-duplicates.

    Returns:
        Shape (rows,), fold numbers from 0; at least two folds. `NOT_HELD_OUT` for rows that none
        holds out: there are such where rows are more than `MOST_HELD_OUT` and no group is whole.
    """
    texts = np.concatenate([train.texts, validation.texts])
    labels = np.concatenate([train.labels, validation.labels])
    known = train.groups is not None and validation.groups is not None
    near = np.concatenate([train.groups, validation.groups]) if known else None
    if train.bound is not None and validation.bound is not None:
        bound = np.unique(np.concatenate([train.bound, validation.bound]), return_inverse=True)[1]
        return _dealt_whole(bound, labels, seed, most)
    groups = kept_together(texts, near)
    first = np.unique(groups, return_index=True)[1]
    classes = labels[first]  # a group has the class of its first row
    fewest = int(np.bincount(classes, minlength=int(labels.max()) + 1).min())
    count = max(2, min(most, fewest))
    folds = np.empty(len(first), np.int8)
    generator = np.random.default_rng([seed % 2**64, count])
    dealt = 0
    for number in np.unique(classes):
        rows = generator.permutation(np.flatnonzero(classes == number))
        # The next class is dealt on from where this one ended, so that the parts are of one size.
        folds[rows] = (dealt + np.arange(len(rows))) % count
        dealt += len(rows)
    if len(groups) > MOST_HELD_OUT:
        folds[~_some(groups, len(train.texts), generator)] = NOT_HELD_OUT
    return folds[groups]


def _some(
    groups: npt.NDArray[np.int64], train: int, generator: np.random.Generator
) -> npt.NDArray[np.bool_]:
    """Which groups are held out: those with validation rows, then others up to `MOST_HELD_OUT`."""
    sizes = np.bincount(groups)
    chosen = np.zeros(len(sizes), np.bool_)
    chosen[groups[train:]] = True
    order = generator.permutation(np.flatnonzero(~chosen))
    room = MOST_HELD_OUT - sizes[chosen].sum()
    chosen[order[np.cumsum(sizes[order]) <= room]] = True
    return chosen


def _dealt_whole(
    bound: npt.NDArray[np.int64], labels: npt.NDArray[np.int32], seed: int, most: int
) -> npt.NDArray[np.int8]:
    """The fold of each row if groups stay whole: largest first, each into the smallest fold."""
    classes = int(labels.max()) + 1
    groups = min(len(np.unique(bound[labels == number])) for number in range(classes))
    count = max(2, min(most, groups))
    sizes = np.bincount(bound)
    order = np.random.default_rng([seed % 2**64, count]).permutation(len(sizes))
    folds, rows = np.empty(len(sizes), np.int8), np.zeros(count)
    for group in order[np.argsort(-sizes[order], kind="stable")]:
        folds[group] = rows.argmin()
        rows[folds[group]] += sizes[group]
    return folds[bound]


def joined(first: Split, second: Split) -> Split:
    """Concatenates two splits."""
    return Split(
        np.concatenate([first.ids, second.ids]),
        np.concatenate([first.offsets, first.offsets[-1] + second.offsets[1:]]),
        np.concatenate([first.labels, second.labels]),
        np.concatenate([first.rows, second.rows]),
        np.concatenate([first.texts, second.texts]),
    )


def taken(split: Split, rows: npt.NDArray[np.integer]) -> Split:
    """Selects rows of a split, in the given order."""
    lengths = split.lengths[rows]
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    # Where each token comes from: its row's begin, and how far it is from that.
    places = np.arange(offsets[-1]) + np.repeat(split.offsets[rows] - offsets[:-1], lengths)
    texts = split.texts[rows] if len(split.texts) else split.texts
    return Split(split.ids[places], offsets, split.labels[rows], split.rows[rows], texts)
