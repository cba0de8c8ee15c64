import time

import numpy as np
import pandas as pd
import pytest

from search.corpus.labels import clean
from search.errors import DataError


def table(labels, texts=None):
    texts = texts or [f"review number {i}" for i in range(len(labels))]
    frame = pd.DataFrame({"text": texts, "label": labels}, dtype=object)
    frame.index = pd.RangeIndex(1, len(frame) + 1)
    return frame


@pytest.mark.parametrize(
    ("labels", "names", "first"),
    [
        (["0", "1"], ("0", "1"), 0),
        (["1.0", "0"], ("0", "1"), 1),
        (["x" * 2000, "y"], ("x" * 2000, "y"), 0),
        (["neg", "pos"], ("neg", "pos"), 0),
        (["Positive", "negative"], ("negative", "Positive"), 1),
        (["true", "False"], ("False", "true"), 1),
        (["5", "1", "2", "10"], ("1", "2", "5", "10"), 2),
        ([" yes ", "no"], ("no", "yes"), 1),
        (["😀", "😡"], ("😀", "😡"), 0),
    ],
)
def test_names_and_order(labels, names, first):
    reviews = clean(table(labels * 10), "x")
    assert reviews.class_names == names
    assert reviews.labels[0] == first
    assert reviews.labels.dtype == np.int32


def test_spellings_of_one_class_are_one_class():
    reviews = clean(table(["Pos", "Pos", "POS", "pos", "neg"] * 10), "x")
    assert reviews.class_names == ("neg", "Pos")
    assert np.bincount(reviews.labels).tolist() == [10, 40]


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (["iyi", "iyi", "İYİ", "kötü"], ("iyi", "kötü")),
        (["1", "1", "１", "０"], ("０", "1")),
        (["ポジ", "ポジ", "ﾎﾟｼﾞ", "ネガ"], ("ネガ", "ポジ")),
    ],
    ids=["Turkish capitals", "wide digits", "narrow kana"],
)
def test_spellings_of_other_scripts_are_one_class(labels, names):
    reviews = clean(table(labels * 10), "x")
    assert reviews.class_names == names
    assert np.bincount(reviews.labels, minlength=2).tolist() in ([30, 10], [10, 30])


def test_labels_that_seem_to_be_missing_are_told():
    said = []
    assert clean(table(["a", "b", "nan"] * 10), "x", tell=said.append).class_names[-1] == "nan"
    assert [line[:55] for line in said] == [
        "x: the label 'nan' of 10 rows is read as a class; if it"
    ]


def test_several_hundred_classes():
    reviews = clean(table([f"intent {n % 300:03d}" for n in range(3000)]), "x")
    assert len(reviews.class_names) == 300


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        (["food", "service", "food|service"], "x: 'food|service' looks like several labels"),
        (["a", "b", "b; a"], "x: 'b; a' looks like several labels"),
        (["Paris, France", "Berlin", "Rome, Italy"], None),
        (["a,", "b"], None),
    ],
)
def test_several_labels_in_one_cell_are_told(labels, told):
    said = []
    assert len(clean(table(labels * 10), "x", tell=said.append).class_names) == len(labels)
    assert len(said) == (told is not None) and all(line.startswith(told) for line in said)


def test_rows_without_text_or_label_are_dropped_and_counted():
    labels = ["a", "b"] * 10 + [None, "a", " "]
    texts = [f"t{i}" for i in range(21)] + ["   ", "t"]
    reviews = clean(table(labels, texts), "x")
    assert reviews.dropped == 3
    assert len(reviews.texts) == 20
    assert reviews.where[-1] == 20


def test_other_files_use_the_same_classes():
    known = clean(table(["1", "2"] * 10), "x").class_names
    assert clean(table(["2.0", "1.0"]), "y", known).labels.tolist() == [1, 0]
    with pytest.raises(DataError, match=r"y: the label '3' at row 2 .* 1, 2"):
        clean(table(["1", "3"]), "y", known)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["a"] * 20, "every label is 'a'"),
        (["a"] * 20 + ["b"] * 9, "the class 'b' has 9 rows"),
        ([str(i) for i in range(300)], "300 different labels"),
        (["a", "b" * 2001] * 10, "the label at row 2 has 2,001 characters, more than 2,000"),
        (["a", "b"] * 10 + [None] * 10, "10 of 30 rows .* row 21"),
    ],
)
def test_what_cannot_be_learned(labels, message):
    with pytest.raises(DataError, match=message):
        clean(table(labels), "x")


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (["007", "042"], ("007", "042")),
        (["43211503", "43211507", "44121704"], ("43211503", "43211507", "44121704")),
        (["1000001", "1000002"], ("1000001", "1000002")),
        (["1e3", "2"], ("2", "1e3")),
        (["100000000000000000001", "100000000000000000002"],) * 2,
        (["-1", "-0.5", "1"], ("-1", "-0.5", "1")),
        (["1", "nan"], ("1", "nan")),
    ],
)
def test_labels_keep_their_spelling(labels, names):
    assert clean(table(labels * 10), "x").class_names == tuple(names)


@pytest.mark.parametrize(
    ("labels", "names", "told"),
    [
        (["café", "cafe\u0301", "x"], ("café", "x"), "with 'café': 'cafe\\u0301'"),
        (["pos", "pos\u200b", "\ufeffpos", "neg"], ("neg", "pos"), r"'pos\u200b', '\ufeffpos'"),
        (["very  good", "very good", "bad"], ("bad", "very good"), "'very  good'"),
        (["7", "007", "7", "8"], ("7", "8"), "with '7': '007'"),
        (["❤", "❤\ufe0f", "x"], ("x", "❤"), "fe0f"),
    ],
    ids=["two forms", "invisible", "spaces", "zeros", "glyphs"],
)
def test_what_is_read_as_one_class_is_told(labels, names, told):
    said = []
    assert clean(table(labels * 10), "x", tell=said.append).class_names == names
    assert len(said) == 1 and "x: read as one class" in said[0]
    assert told in said[0]


def test_rare_classes_are_left_out_and_counted():
    said = []
    labels = ["a"] * 20 + ["b"] * 20 + ["c"] * 4 + ["d"] * 9
    reviews = clean(table(labels), "x", tell=said.append)
    assert reviews.class_names == ("a", "b") and len(reviews.texts) == 40
    assert said == [
        "x: 13 rows left out, of 2 classes with fewer than 10 rows or 3 different texts "
        "('c', 'd'); see --min-class-rows"
    ]
    more = clean(table(["c", "a"]), "y", reviews.class_names, reviews.rare)
    assert more.labels.tolist() == [0] and more.where.tolist() == [2]
    with pytest.raises(DataError, match="the class 'b' has 20 rows; at least 25 rows of 3 diff"):
        clean(table(labels[:40] + ["a"] * 10), "x", fewest=25)


def test_a_class_of_copies_is_left_out():
    """It cannot be in every split, and does not refuse the others."""
    said, texts = [], [f"review number {i}" for i in range(40)]
    labels = ["a"] * 20 + ["b"] * 20 + ["c"] * 30
    copies = ["The same ", "the same", "  the SAME"] * 10
    reviews = clean(table(labels, texts + copies), "x", tell=said.append)
    assert reviews.class_names == ("a", "b") and "30 rows left out, of 1 class with" in said[0]
    assert len(clean(table(labels, [*texts, *copies[:28], "x", "y"]), "x").class_names) == 3
    with pytest.raises(DataError, match="the class 'c' has 30 rows of 1 text; at least 10 rows of"):
        clean(table(["a"] * 20 + ["c"] * 30, texts[:20] + copies), "x")


def test_a_column_of_texts_taken_for_labels_is_told_at_once():
    """In time that grows with the rows, and not with their square."""
    labels = [f"Title {i}" for i in range(40_000)] + [f"title {i}" for i in range(200)]
    table = pd.DataFrame({"text": [f"text {i}" for i in range(len(labels))], "label": labels})
    told, begun = [], time.process_time()
    with pytest.raises(DataError, match="40,000 different labels"):
        clean(table, "r.csv", tell=told.append)
    assert time.process_time() - begun < 5
    assert len(told) == 101 and told[-1] == "r.csv: the same in 100 other classes"


def test_numbers_of_many_digits_are_told_apart():
    """Decimal calculates with 28."""
    labels = ["1" * 40 + "1", "1" * 40 + "2", "0" * 3 + "1" * 40 + "2"] * 10
    assert np.bincount(clean(table(labels), "x").labels).tolist() == [10, 20]


def test_texts_that_show_nothing_are_none():
    texts = [f"review number {i}" for i in range(56)] + [
        " ",
        "\u200b",
        "\ufeff\ufeff",
        "\u2060 \ufe0f",
    ]
    said = []
    reviews = clean(table(["a", "b"] * 30, texts), "x", tell=said.append)
    assert len(reviews.texts) == 56 and reviews.dropped == 4
    assert said == ["x: 4 rows of 60 left out, without a text or a label; the first is at row 57"]
    assert len(clean(table(["a", "b"] * 30, ["🫨" * (i + 1) for i in range(60)]), "x").texts) == 60
