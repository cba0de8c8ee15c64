"""Folds: every row is held out once, classes and near-duplicates as they should be."""

import numpy as np
import pytest

from search.corpus import folds as module
from search.corpus.folds import NOT_HELD_OUT, drawn_folds, joined, taken
from search.corpus.labels import Reviews
from search.corpus.store import Split


def reviews(texts, labels, groups=None):
    rows = np.arange(len(texts))
    return Reviews(
        np.array(texts, dtype=object), np.array(labels, np.int32), ("a", "b"), rows, 0, groups
    )


def many(count, start=0):
    return [f"text number {n} of its own kind, word{n}" for n in range(start, start + count)]


def test_equal_parts_with_equal_shares_of_each_class():
    labels = [0] * 70 + [1] * 30
    folds = drawn_folds(
        reviews(many(100), labels, np.arange(100)),
        reviews(many(50, 100), [0, 1] * 25, 100 + np.arange(50)),
        3,
        5,
    )
    assert np.bincount(folds).tolist() == [30] * 5
    classes = np.array([*labels, *[0, 1] * 25])
    assert np.bincount(folds[classes == 1]).tolist() == [11] * 5


def test_near_duplicates_stand_in_one():
    groups = np.array([0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    folds = drawn_folds(
        reviews(many(12), [0] * 6 + [1] * 6, groups), reviews([], [], np.empty(0, int)), 0, 3
    )
    assert len(set(folds[:3])) == 1


@pytest.mark.parametrize(("rows", "folds"), [(40, 5), (3, 3), (1, 2)])
def test_no_more_folds_than_the_smallest_class_has_rows(rows, folds):
    labels = [0] * 40 + [1] * rows
    train = reviews(many(len(labels)), labels, np.arange(len(labels)))
    found = drawn_folds(train, reviews([], [], np.empty(0, int)), 0, 5)
    assert set(found.tolist()) == set(range(folds))


def test_a_seed_decides():
    train, none = reviews(many(60), [0, 1] * 30, np.arange(60)), reviews([], [], np.empty(0, int))
    one, again, other = (drawn_folds(train, none, seed, 5).tolist() for seed in (1, 1, -1))
    assert one == again != other


def test_rows_taken_and_joined_are_what_they_were():
    one = Split(
        np.arange(2, 8, dtype=np.int32),
        np.array([0, 1, 3, 6]),
        np.array([0, 1, 0], np.int32),
        np.array([7, 8, 9]),
        np.array(["x", "y z", "u v w"], dtype=object),
    )
    both = joined(one, one)
    some = taken(both, np.array([5, 1]))
    assert some.ids.tolist() == [5, 6, 7, 3, 4] and some.offsets.tolist() == [0, 3, 5]
    assert some.labels.tolist() == [0, 1] and some.rows.tolist() == [9, 8]
    assert some.texts.tolist() == ["u v w", "y z"]


def test_of_many_rows_all_of_validation_and_some_others_are_held_out(monkeypatch):
    groups = np.arange(200) // 2  # two near-duplicates each
    train = reviews(many(200), [0] * 140 + [1] * 60, groups)
    validation = reviews(many(20, 200), [0, 1] * 10, 100 + np.arange(20))
    every = drawn_folds(train, validation, 3, 5)
    monkeypatch.setattr(module, "MOST_HELD_OUT", 100)
    folds = drawn_folds(train, validation, 3, 5)
    assert (folds[200:] != NOT_HELD_OUT).all() and (folds != NOT_HELD_OUT).sum() == 100
    assert (folds[:200:2] == folds[1:200:2]).all()  # with their near-duplicates
    assert np.array_equal(folds[folds != NOT_HELD_OUT], every[folds != NOT_HELD_OUT])
    assert set(folds.tolist()) == {NOT_HELD_OUT, 0, 1, 2, 3, 4}
