"""Near-duplicates and equal texts, within a split and across splits."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from search.corpus.duplicates import near_duplicates
from search.corpus.labels import Reviews
from search.corpus.split import Rows, equal_texts, kept_together

EXAMPLES, SHOWN_CHARACTERS = 5, 80


@dataclass(frozen=True)
class Pair:
    """Two similar rows, numbered as in `Reviews.where`, and the beginning of the first."""

    first: str
    first_row: int | str
    second: str
    second_row: int | str
    text: str

    def __str__(self) -> str:
        rows = f"{self.first} row {self.first_row} and {self.second} row {self.second_row}"
        return f"{rows}: {self.text!r}"


@dataclass(frozen=True)
class Overlap:
    """Near-duplicates between two splits or, if both are the same, within one.

    Attributes:
        first, second: the splits.
        rows: of `first`, with a near-duplicate in `second`, or earlier in the same split.
        second_rows: of `second`, with a near-duplicate in `first`.
        equal: those of `rows` with the same text except for case and white space.
        examples: some of them.
    """

    first: str
    second: str
    rows: int
    second_rows: int
    equal: int
    examples: tuple[Pair, ...]


@dataclass(frozen=True)
class AllRows:
    """The rows of all splits, concatenated: arrays of shape (rows,).

    Attributes:
        split: its name.
        where: the row's number, as in `Reviews.where`.
        texts, labels: as in `Reviews`.
        near: rows that are kept in one split have the same number.
        equal: rows with the same text, except for case and white space, have the same number.
        templated: rows in groups of near-duplicates that are too large to be kept together.
    """

    split: npt.NDArray[np.str_]
    where: npt.NDArray[np.object_]
    texts: npt.NDArray[np.object_]
    labels: npt.NDArray[np.int32]
    near: Rows
    equal: Rows
    templated: int

    @classmethod
    def of(cls, splits: dict[str, Reviews]) -> "AllRows":
        """The rows of these splits."""
        parts = splits.values()
        texts = np.concatenate([part.texts for part in parts])
        known = [part.groups for part in parts if part.groups is not None]
        alike = np.concatenate(known) if len(known) == len(parts) else near_duplicates(texts)
        near = kept_together(texts, alike)
        pieces = np.bincount(
            alike[np.unique(near, return_index=True)[1]], minlength=alike.max() + 1
        )
        return cls(
            split=np.repeat(list(splits), [len(part.texts) for part in parts]),
            where=np.concatenate([part.where for part in parts]),
            texts=texts,
            labels=np.concatenate([part.labels for part in parts]),
            near=near,
            equal=equal_texts(texts, alike),
            templated=int((pieces[alike] > 1).sum()),
        )

    def pair(self, first: int, second: int) -> Pair:
        """Two rows, to be shown."""
        wheres = (self.where[row] for row in (first, second))
        first_row, second_row = (
            where if isinstance(where, int) else str(where) for where in wheres
        )
        return Pair(
            *(str(self.split[first]), first_row, str(self.split[second]), second_row),
            self.texts[first][:SHOWN_CHARACTERS],
        )


def overlaps(rows: AllRows) -> Iterator[Overlap]:
    """The overlaps of all pairs of splits, and of each split with itself."""
    own = {name: np.flatnonzero(rows.split == name) for name in dict.fromkeys(rows.split.tolist())}
    for (first, a), (second, b) in itertools.combinations(own.items(), 2):
        alike = a[np.isin(rows.near[a], rows.near[b])]
        second_rows = int(np.isin(rows.near[b], rows.near[a]).sum())
        equal = int(np.isin(rows.equal[a], rows.equal[b]).sum())
        yield Overlap(first, second, len(alike), second_rows, equal, _examples(rows, alike, b))
    for name, a in own.items():
        later = np.setdiff1d(a, a[np.unique(rows.near[a], return_index=True)[1]])
        equal = len(a) - len(np.unique(rows.equal[a]))
        yield Overlap(name, name, len(later), len(later), equal, _examples(rows, later, a))


def _examples(rows: AllRows, alike: Rows, others: Rows) -> tuple[Pair, ...]:
    """Some rows, each with the first similar one of the others."""
    return tuple(
        rows.pair(row, int(others[np.argmax(rows.near[others] == rows.near[row])]))
        for row in alike[:EXAMPLES].tolist()
    )


def contradictions(rows: AllRows) -> tuple[int, tuple[Pair, ...]]:
    """The number of rows whose text has a different label elsewhere, and some of them."""
    first = np.unique(rows.equal, return_index=True)[1][rows.equal]
    other = np.flatnonzero(rows.labels != rows.labels[first])
    examples = [rows.pair(int(first[row]), row) for row in other[:EXAMPLES].tolist()]
    return int(np.isin(rows.equal, rows.equal[other]).sum()), tuple(examples)


def leaking_rows(splits: dict[str, Reviews]) -> dict[str, Rows]:
    """The rows to remove so that no text is in two splits.

    Args:
        splits: as for `audit`.

    Returns:
        Positions, ascending. "train": those of its rows with a near-duplicate in validation or
        test. "validation": those of its rows with one in test.
    """
    rows = AllRows.of(splits)
    own = {name: rows.near[rows.split == name] for name in ("train", "validation", "test")}
    scored = np.concatenate([own["validation"], own["test"]])
    return {
        "train": np.flatnonzero(np.isin(own["train"], scored)),
        "validation": np.flatnonzero(np.isin(own["validation"], own["test"])),
    }
