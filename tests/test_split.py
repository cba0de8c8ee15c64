import numpy as np
import pytest

from search.corpus.split import split
from search.errors import DataError


def texts(n):
    return np.array([f"review {i}" for i in range(n)], dtype=object)


def test_every_row_once_and_in_proportion():
    labels = np.array([0] * 300 + [1] * 100, dtype=np.int32)
    parts = split(texts(400), labels, seed=0)
    together = np.concatenate([parts.train, parts.validation, parts.test])
    assert sorted(together) == list(range(400))
    assert (len(parts.validation), len(parts.test)) == (40, 40)
    assert labels[parts.test].sum() == labels[parts.validation].sum() == 10


@pytest.mark.parametrize("seed", [0, 1, -5, 2**70])
def test_seeded(seed):
    labels = np.array([0, 1] * 100, dtype=np.int32)
    first, again = (split(texts(200), labels, seed) for _ in range(2))
    assert np.array_equal(first.test, again.test)
    assert not np.array_equal(first.test, split(texts(200), labels, seed + 1).test)


def test_equal_texts_stay_together():
    many = np.array([f"Review {i % 70}" + " " * (i % 3) for i in range(210)], dtype=object)
    many[::2] = [text.lower() for text in many[::2]]
    labels = np.array([i % 70 % 2 for i in range(210)], dtype=np.int32)
    parts = split(many, labels, seed=3)
    sides = [
        {many[row].strip().casefold() for row in rows}
        for rows in (parts.train, parts.validation, parts.test)
    ]
    assert len(sides[0] | sides[1] | sides[2]) == 70
    assert sum(len(side) for side in sides) == 70


def test_sides_that_the_user_gave_stay_empty():
    labels = np.array([0, 1] * 50, dtype=np.int32)
    parts = split(texts(100), labels, 0, validation=False, test=False)
    assert len(parts.train) == 100
    assert len(split(texts(100), labels, 0, test=False).test) == 0


def test_ten_rows_of_a_rare_class_reach_every_side():
    labels = np.array([0] * 990 + [1] * 10, dtype=np.int32)
    parts = split(texts(1000), labels, 0)
    assert [int(labels[rows].sum()) for rows in (parts.validation, parts.test)] == [1, 1]


def test_a_class_of_copies_cannot_be_split():
    many = np.array(["same"] * 10 + [f"t{i}" for i in range(30)], dtype=object)
    labels = np.array([1] * 10 + [0] * 30, dtype=np.int32)
    with pytest.raises(DataError, match="only 1 different texts"):
        split(many, labels, 0)
