"""N-grams: the ones there are, as often as they occur, and the same however a text is written."""

import re
from itertools import pairwise

import pytest
from scipy.sparse import vstack
from sklearn.feature_extraction.text import CountVectorizer

from search.corpus import ngrams
from search.corpus.ngrams import KINDS, MOST_COUNTED, counted
from tests.conftest import SAMPLE

BUCKETS = (1 << 31) - 1  # so many that two n-grams hardly share one


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "alike",
    [
        ("great film", "ｇreat film", "  great\nfilm\t"),
        ("schön", "scho\u0308n", "schö\u00adn"),
        ('"плохой" фильм - да', "«плохой» фильм — да", "„плохой“ фильм – да"),
        ("don't!", "don’t！", "don`t!"),
    ],
)
def test_one_set_however_it_is_written(kind, alike):
    rows = counted(alike, kind, BUCKETS)
    for number in range(1, len(alike)):
        assert (rows[[0]] != rows[[number]]).nnz == 0


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("words", {"token_pattern": r"\w+", "ngram_range": (1, 2)}),
        ("characters", {"analyzer": "char_wb", "ngram_range": (2, 5)}),
    ],
)
def test_as_many_as_scikit_learn_finds(kind, options):
    texts = ["A fine film, a fine cast", "dull, and far too long", "oh why, oh why"]
    theirs = CountVectorizer(**options).fit_transform(texts)
    ours = counted(texts, kind, BUCKETS)
    for row in range(len(texts)):  # which counts a word shorter than an n-gram once more
        assert ours[[row]].nnz == theirs[[row]].nnz
    assert len(set(ours.indices)) == theirs.shape[1]


def test_stems_are_the_beginnings_of_words_alone_and_with_neighbours():
    texts = ["Overwhelmingly overwrought", "so overwrite it...", "well well, done"]
    words = [re.findall(r"\w+|[^\w\s]", text.lower()) for text in texts]
    expected = []
    for row in words:
        ends = ["<", *(stems := [word[:5] for word in row]), ">"]
        expected.append({*stems, *pairwise(ends), *zip(ends, ends[1:], ends[2:], strict=False)})
    expected[0] |= {("<", "Xx", "x"), ("Xx", "x", ">")}
    expected[1] |= {*zip("<xxx..", "xxx...", "xx...>", strict=True)}
    expected[2] |= {*zip("<xx,", "xx,x", "x,x>", strict=True)}
    rows = counted(texts, "stems", BUCKETS)
    assert [rows[[row]].nnz for row in range(3)] == [len(row) for row in expected]
    assert len(set(rows.indices)) == len(set.union(*expected))
    same = counted(["overwhelming acting", "overwhelmed actin"], "stems", BUCKETS)
    assert (same[[0]] != same[[1]]).nnz == 0
    turned = counted(["dog bites man", "man bites dog"], "stems", BUCKETS)
    assert (turned[[0]] != turned[[1]]).nnz > 4


def test_marks_count_but_not_for_words():
    """Users of TF-IDF tell "great!!!" from "great", and a smiley from a frown."""
    for plain, marked in (("great film", "great film!!!"), ("так", "так :("), ("很好", "很好。")):
        for kind in KINDS:
            rows = counted([plain, marked], kind, BUCKETS)
            assert ((rows[[0]] != rows[[1]]).nnz == 0) == (kind == "words")
    smile, frown = (set(counted([face], "characters", BUCKETS).indices) for face in (":)", ":("))
    assert len(smile) == len(frown) == 6 and len(smile & frown) == 1  # that is " :"


def test_shapes_are_capitals_digits_and_marks():
    def shape(text):
        """The n-grams that are not of the stems: a text in small letters has the same of these."""
        rows = counted([text, text.lower()], "stems", BUCKETS)
        return set(rows[[0]].indices) - set(rows[[1]].indices)

    assert not shape("very good") and not shape("很好 جيد 👍")
    assert len(shape("Very good")) == len(shape("very Good")) == 2
    assert shape("Very good") == shape("Most dull") != shape("VERY good")
    assert shape("VERY good") == shape("B2B good") and not shape("3D good")
    years = [set(counted([text], "stems", BUCKETS).indices) for text in ("in 1984", "in 1985")]
    dozen = set(counted(["in 12"], "stems", BUCKETS).indices)
    assert len(years[0] & years[1]) == 4 and len(years[0] & dozen) == 2


def test_counts_have_an_end():
    assert counted(["so " * 100], "words", BUCKETS).data.max() == MOST_COUNTED


def test_nothing_but_separators():
    assert counted(["", "!!!"], "words", 31).nnz == 0
    for kind in KINDS:
        assert counted(["", " \t\n"], kind, 31).nnz == 0
        assert counted([], kind, 31).shape == (0, 31)


def test_a_text_alone_has_what_it_has_among_others():
    import pandas as pd

    texts = pd.read_csv(SAMPLE)["text"].tolist()
    for kind in KINDS:
        together = counted(texts, kind, 8191)
        assert (together[[7]] != counted([texts[7]], kind, 8191)).nnz == 0


@pytest.mark.parametrize("kind", KINDS)
def test_texts_are_counted_together_as_alone(kind, monkeypatch):
    texts = ["", "a fine film, a fine cast", "...", "dull", "", "A fine 20-minute film!", " "]
    alone = [counted([text], kind, 8_191) for text in texts]
    for at_a_time in (3, 2_000):
        monkeypatch.setattr(ngrams, "AT_A_TIME", at_a_time)
        together = counted(texts, kind, 8_191)
        assert together.has_sorted_indices
        assert (together != vstack(alone)).nnz == 0 and together[[0, 4]].nnz == 0
