"""The stratified, seeded split into training, validation and test rows.

Near-duplicates, including equal texts, form a group that stays in one split, so that no text is
both trained on and tested on.
"""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from search.corpus.duplicates import as_they_occur, near_duplicates
from search.display import counted
from search.errors import DataError

VALIDATION_SHARE = 0.1
TEST_SHARE = 0.1
MOST_SCORED = 20_000  # rows; with them, an accuracy of 0.8 has a standard error of 0.3 points
TRAIN, VALIDATION, TEST = range(3)
LARGEST_GROUP = 0.01  # of all rows; more near-duplicates than that are texts of one template
DRAWS = 200  # of groups
LARGEST_SMALL_GROUP = 10  # rows, where that is more

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Parts:
    """Row numbers (0-based, ascending) of each split."""

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
    groups: Rows | None = None,
    bound: Rows | None = None,
) -> Parts:
    """Splits rows 80/10/10; a split that the user gave as a file stays empty.

    Of more than 200,000 rows, validation and test get `MOST_SCORED` each.

    Equal texts are drawn as one, and near-duplicates follow the first row of their group, so that
    few rows move compared with a split without groups.

    Args:
        texts: str, shape (rows,).
        labels: class indices, shape (rows,).
        seed: any integer.
        validation: whether to take validation rows.
        test: whether to take test rows.
        groups: what `near_duplicates` returns for the texts, if it was computed already.
        bound: group numbers of rows that must stay in one split, whatever that does to the shares.

    Raises:
        DataError: a class has fewer different texts than there are splits, or the groups leave it
            in too few of them.
    """
    most = MOST_SCORED / len(texts)
    shares = {TEST: min(TEST_SHARE, most)} if test else {}
    shares |= {VALIDATION: min(VALIDATION_SHARE, most)} if validation else {}
    if bound is not None:
        splits = _divided(bound, labels, seed, shares)
        return Parts(*(np.flatnonzero(splits == part) for part in (TRAIN, VALIDATION, TEST)))
    groups = near_duplicates(texts) if groups is None else groups
    equal = equal_texts(texts, groups)
    if (fewest := _fewest(equal, labels)) <= len(shares):
        raise DataError(
            f"a class has only {fewest} different texts of its own; {len(shares) + 1} are needed "
            "to have it in each of train, validation and test"
        )
    splits = _drawn(equal, labels, seed, shares)
    splits = _followed(splits, kept_together(texts, groups), labels)
    return Parts(*(np.flatnonzero(splits == part) for part in (TRAIN, VALIDATION, TEST)))


def folded(text: str) -> str:
    """The folded form of texts; equal ones count as the same text."""
    return " ".join(text.casefold().split())


def equal_texts(texts: npt.NDArray[np.object_], groups: Rows) -> Rows:
    """Groups equal texts.

    Args:
        texts: str, shape (rows,).
        groups: what `near_duplicates` returns for them; equal texts are among near-duplicates.

    Returns:
        Group numbers, shape (rows,), from 0 in the order in which the groups first occur.
    """
    return _regrouped(texts, groups, np.bincount(groups)[groups] > 1)


def kept_together(texts: npt.NDArray[np.object_], groups: Rows | None = None) -> Rows:
    """Groups near-duplicates, which must stay in one split.

    In a group that is too large for one split, only equal texts stay together.

    Args:
        texts: str, shape (rows,).
        groups: what `near_duplicates` returns for the texts, where that is known already.

    Returns:
        Group numbers, shape (rows,), from 0 in the order in which the groups first occur.
    """
    groups = near_duplicates(texts) if groups is None else groups
    rows = np.bincount(groups)[groups]
    large = rows > max(LARGEST_GROUP * len(texts), LARGEST_SMALL_GROUP)
    return _regrouped(texts, groups, large)


def _regrouped(texts: npt.NDArray[np.object_], groups: Rows, chosen: npt.NDArray[np.bool_]) -> Rows:
    """The groups, but of the chosen rows, which are whole groups, only equal texts together."""
    keys = groups.copy()
    keys[chosen] = groups.max(initial=0) + 1 + _numbered(map(folded, texts[chosen]))
    return as_they_occur(keys)


def tied(near: Rows, shared: npt.NDArray[np.object_]) -> Rows:
    """Merges near-duplicates and shared groups into groups that must stay together.

    Args:
        near: group numbers, shape (rows,).
        shared: the value of the group column in each row, or None, shape (rows,).
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    there = np.array([one is not None for one in shared], dtype=bool)
    names = _numbered(shared[there])
    size = int(near.max()) + 1
    edges = (np.ones(len(names)), (near[there], size + names))
    nodes = size + len(np.unique(names))
    graph = coo_array(edges, shape=(nodes, nodes))
    return as_they_occur(connected_components(graph, directed=False)[1][near])


def _divided(
    bound: Rows, labels: npt.NDArray[np.int32], seed: int, shares: dict[int, float]
) -> Rows:
    """The split of each row if groups stay whole: of many draws, the one nearest to the shares."""
    counts = np.zeros((int(bound.max()) + 1, int(labels.max()) + 1))
    np.add.at(counts, (bound, labels), 1)
    everything = counts.sum(axis=0)
    wanted = np.array([1 - sum(shares.values()), *(shares.get(n, 0) for n in (VALIDATION, TEST))])
    generator = np.random.default_rng([seed % 2**64, len(counts)])
    best: tuple[float, Rows] | None = None
    for _ in range(DRAWS):
        splits = np.full(len(counts), TRAIN)
        order = generator.permutation(len(counts))
        rows = np.cumsum(counts[order].sum(axis=1))
        begin = 0
        for part, share in shares.items():
            before = rows[begin - 1] if begin else 0
            end = max(begin + 1, int(np.searchsorted(rows, before + share * rows[-1], "right")))
            splits[order[begin:end]] = part
            begin = end
        found = np.array([counts[splits == part].sum(axis=0) for part in (TRAIN, VALIDATION, TEST)])
        if (found[[TRAIN, *shares]] == 0).any():
            continue
        distance = float(np.abs(found / everything - wanted[:, None]).sum())
        if best is None or distance < best[0]:
            best = distance, splits
    if best is None:
        raise DataError(
            f"{counted(len(counts), 'group')} cannot be divided so that every class is in each of "
            f"{len(shares) + 1} splits; give --validation or --test, or name a --group-column with "
            "more different values"
        )
    return best[1][bound]


def _numbered(keys: Iterable[Hashable]) -> Rows:
    """Numbers distinct keys from 0, in the order of their first occurrence."""
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)


def _first_rows(groups: Rows) -> Rows:
    return np.unique(groups, return_index=True)[1]


def _fewest(groups: Rows, labels: npt.NDArray[np.int32]) -> int:
    """The number of groups of the smallest class; a group has the class of its first row."""
    return int(np.bincount(labels[_first_rows(groups)], minlength=int(labels.max()) + 1).min())


def _drawn(
    groups: Rows, labels: npt.NDArray[np.int32], seed: int, shares: dict[int, float]
) -> Rows:
    """The split of each row: of the groups, each split has its share, the classes in proportion."""
    from sklearn.model_selection import train_test_split

    labels = labels[_first_rows(groups)]
    splits = np.full(len(labels), TRAIN)
    for part, share in shares.items():
        size = max(round(share * len(labels)), int(labels.max()) + 1)
        rest = np.flatnonzero(splits == TRAIN)
        taken = train_test_split(
            rest, test_size=size, stratify=labels[rest], random_state=seed % 2**32
        )[1]
        splits[taken] = part
    return splits[groups]


def _followed(drawn: Rows, near: Rows, labels: npt.NDArray[np.int32]) -> Rows:
    """The split of each row when near-duplicates follow their first row.

    If a class would vanish from a split by that, its rows there keep their place and their
    near-duplicates follow them. If it is missing in another split then, it stays as drawn.
    """
    splits = drawn[_first_rows(near)][near]
    places = labels * 3 + drawn
    for place in np.setdiff1d(places, labels * 3 + splits):
        splits[np.isin(near, near[places == place])] = place % 3
    missing = np.setdiff1d(places, labels * 3 + splits) // 3
    too_small = np.isin(near, near[np.isin(labels, missing)])
    return np.where(too_small, drawn, splits)
