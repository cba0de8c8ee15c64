import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.corpus import split as module
from search.corpus.duplicates import near_duplicates
from search.corpus.split import equal_texts, kept_together, split
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
    splits = [
        {many[row].strip().casefold() for row in rows}
        for rows in (parts.train, parts.validation, parts.test)
    ]
    assert len(splits[0] | splits[1] | splits[2]) == 70
    assert sum(len(part) for part in splits) == 70


@given(st.lists(st.text("aA b!\n\u2028", max_size=4), max_size=30))
@settings(max_examples=100, deadline=None)
def test_equal_are_texts_that_differ_in_case_and_white_space(texts):
    many = np.array(texts, dtype=object)
    plain = [" ".join(text.casefold().split()) for text in texts]
    numbers = {text: number for number, text in enumerate(dict.fromkeys(plain))}
    assert equal_texts(many, near_duplicates(many)).tolist() == [numbers[text] for text in plain]


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


def sentences(n, seed=0):
    """Texts of ten words, none like another."""
    rng = random.Random(seed)
    words = [f"word{i}" for i in range(5000)]
    return [" ".join(rng.choices(words, k=10)) for _ in range(n)]


def split_of_each_row(parts, n):
    found = np.full(n, -1)
    for number, rows in enumerate((parts.train, parts.validation, parts.test)):
        found[rows] = number
    assert found.min() == 0
    return found


def test_rows_as_ever_where_nothing_is_alike():
    """These rows are from before near-duplicates were looked for."""
    labels = np.array([0] * 300 + [1] * 100, dtype=np.int32)
    parts = split(texts(400), labels, seed=0)
    assert parts.test[:8].tolist() == [9, 25, 39, 47, 70, 72, 87, 88]
    assert parts.validation[:8].tolist() == [10, 27, 42, 51, 76, 78, 83, 85]
    many = np.array(sentences(400), dtype=object)
    assert np.array_equal(split(many, labels, seed=0).test, parts.test)


def test_near_duplicates_stand_on_one_side_and_few_rows_move():
    many = sentences(400)
    many += [text.replace("word", "WORD", 3) + " more" for text in many[:40]]
    many, labels = np.array(many, dtype=object), np.array([0, 1] * 220, dtype=np.int32)
    before = split_of_each_row(
        split(many, labels, 5, groups=equal_texts(many, near_duplicates(many))), 440
    )
    after = split_of_each_row(split(many, labels, 5), 440)
    assert (before[:40] != before[400:]).any()
    assert (after[:40] == after[400:]).all()
    assert (after[:400] == before[:400]).all()


def test_groups_that_are_known_are_not_looked_for():
    labels = np.array([0, 1] * 50, dtype=np.int32)
    found = split_of_each_row(split(texts(100), labels, 0, groups=np.arange(100) // 4), 100)
    assert all(len(set(four)) == 1 for four in found.reshape(25, 4).tolist())


def test_texts_of_one_template_can_be_split():
    rng = random.Random(1)
    many = [f"the order {rng.randrange(250)} came late and the box was open" for _ in range(500)]
    many, labels = np.array(many, dtype=object), np.array([0, 1] * 250, dtype=np.int32)
    assert np.array_equal(kept_together(many), equal_texts(many, near_duplicates(many)))
    parts = split(many, labels, 2)
    assert 30 <= len(parts.test) <= 70
    assert not {*many[parts.test]} & {*many[parts.train], *many[parts.validation]}


def test_a_group_is_small_while_it_has_ten_rows_or_a_hundredth():
    a, b = (f"{word} is what the whole long review is about, no {{}} doubt" for word in ("a", "b"))
    ten = [a.format(i) for i in range(10)] + sentences(90)
    eleven = [b.format(i) for i in range(11)] + sentences(90)
    assert kept_together(np.array(ten, dtype=object)).max() == 90
    assert kept_together(np.array(eleven, dtype=object)).max() == 100
    assert kept_together(np.array(eleven + sentences(1100, 1), dtype=object)).max() == 1190


def test_no_class_vanishes_because_its_texts_are_alike():
    """A class of five pairs: one row of it is drawn to validation and one to test."""
    pairs = [copy for text in sentences(5, 9) for copy in (text, f"{text}, really!")]
    many = np.array(sentences(290) + pairs, dtype=object)
    labels = np.array([0] * 290 + [1] * 10, dtype=np.int32)
    together = 0
    for seed in range(20):
        drawn = split_of_each_row(split(many, labels, seed, groups=np.arange(300)), 300)[
            290:
        ].tolist()
        found = split_of_each_row(split(many, labels, seed), 300)[290:].tolist()
        assert set(found) == {0, 1, 2}
        if {1, 2} in [set(pair) for pair in zip(drawn[::2], drawn[1::2], strict=True)]:
            assert found == drawn  # one pair cannot be in two splits
        else:
            assert found[::2] == found[1::2]
            together += 1
    assert 10 < together < 20


@pytest.mark.parametrize("bound", [None, np.arange(400)])
def test_of_many_rows_a_smaller_share_is_scored(monkeypatch, bound):
    monkeypatch.setattr(module, "MOST_SCORED", 20)
    labels = np.array([0] * 300 + [1] * 100, dtype=np.int32)
    parts = split(texts(400), labels, seed=0, bound=bound)
    assert (len(parts.train), len(parts.validation), len(parts.test)) == (360, 20, 20)
