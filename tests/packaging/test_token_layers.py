"""Tokens and n-grams in a Keras model are those in Python, of any text."""

import unicodedata

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st
from keras import ops

from search.corpus.characters import KNOWN
from search.corpus.ngrams import KINDS, counted
from search.corpus.tokens import MOST_CHARACTERS, hashed
from search.packaging.mixture_layers import _character_ngrams, _stem_ngrams, _word_ngrams
from search.packaging.parity import HARD
from search.packaging.token_layers import below, known_characters, stems, tokens, units

BUCKETS = 10_007
PIECES = (
    *("film", "GREAT", "ＧＲＥＡＴ", "“great”", "don't", "плохой", "«ФИЛЬМ»", "ΣΊΣΥΦΟΣ", "straße"),
    *("schön", unicodedata.normalize("NFD", "schön"), "İI ıi", "ﬁne", "ﷺ", "Ⅷ", "½", "①"),
    *("很好看", "ดีมาก", "ကောင်း", "ល្អ", "とても", "한국어", unicodedata.normalize("NFD", "한국어")),
    *("जबरदस्त।", "क्‍ष", "كِتَاب", "جيد؟", "אהבתי", "שָׁלוֹם", "ጥሩ፧", "շատ՞"),
    *(
        "👍🏽",
        "👩‍👩‍👧",
        "🇩🇪",
        "❤️",
        "€5",
        "<br />",
        "\u0301",
        "\u200d",
        "\u200b",
        "\ufe0f",
        "\U0001f3fd",
    ),
    *("LOUD", "B2B", "Ab", "A", "3D", "1984", "12345", "ÀÉ", "Dž", "٣٤", "ⅫX", "ＧＲ"),
    *("!!!", ":-)", "…", "’", "«", "„", "—", "＃", "´", "^_^", "¿", "।", "،"),
    *("�", "\0", "\x1f", "\ue000", "\U000e0041", "\U0010ffff", "𝔤𝔯𝔢𝔞𝔱", "𞤀", "\u0378", "[UNK]"),
)
anything = st.text(st.characters(exclude_categories=["Cs"]))
pieces = st.lists(st.sampled_from([*PIECES, " ", ", ", "-", "\n", "a", "?"])).map("".join)
texts = st.lists(st.one_of(anything, pieces, st.sampled_from(HARD[:40])), min_size=1, max_size=8)


@pytest.fixture(scope="module")
def in_tensors():
    """From texts to the hashes of their tokens and their n-grams, as a list for each text."""
    text = keras.Input((), dtype="string")
    characters = keras.layers.TextVectorization(
        standardize=None, split="character", vocabulary=list(known_characters())
    )(text)
    of = units(characters)
    words = tokens(of)
    hashes = words.at(below(ops.max(words.count), words.hashes))
    ngrams = [_word_ngrams(words, BUCKETS), _stem_ngrams(*stems(of), BUCKETS)]
    ngrams.append(_character_ngrams(of, BUCKETS))
    model = tf.function(keras.Model(text, [hashes, words.count, *ngrams]), reduce_retracing=True)

    def run(given):
        hashes, counts, *ngrams = (x.numpy() for x in model(tf.constant(given)))
        own = [row[:count].tolist() for row, count in zip(hashes, counts, strict=True)]
        return own, *([sorted(row[row < BUCKETS].tolist()) for row in rows] for rows in ngrams)

    return run


def in_python(given):
    hashes, offsets = hashed(given)
    yield [part.tolist() for part in np.split(hashes, offsets[1:-1])]
    for kind in KINDS:
        yield counted(given, kind, BUCKETS)


def same(in_tensors, given):
    words, *ngrams = in_tensors(given)
    wanted, *counts = in_python(given)
    assert words == wanted
    for found, rows in zip(ngrams, counts, strict=True):
        for row, text in enumerate(found):
            buckets, times = np.unique(text, return_counts=True)
            inside = slice(*rows.indptr[row : row + 2])
            assert np.array_equal(buckets, rows.indices[inside]), given[row]
            assert np.array_equal(np.minimum(times, 16), rows.data[inside]), given[row]


@given(texts)
@example([""])
@example(["", "!!!", ""])
@example(["\u0301a \u0301b a\u0301", "\u200d"])
@example([" ".join(PIECES), "".join(PIECES), *PIECES])
@settings(max_examples=60, deadline=None)
def test_any_text(in_tensors, given):
    same(in_tensors, given)


def test_long_texts(in_tensors):
    """Also those of which only the beginning is read."""
    long = ["x" * 20_000, "word " * 4_000, "é很" * 9_000, "a", "\u0301" * 20_000, "ﷺ" * 20_000]
    assert max(map(len, long)) > MOST_CHARACTERS
    same(in_tensors, long)


@pytest.mark.slow
def test_every_character(in_tensors):
    """Alone, within a word, and behind a separator."""
    every = [chr(code) for low, high in KNOWN for code in range(max(low - 3, 0), high + 3)]
    every = [one for one in every if unicodedata.category(one) != "Cs"]
    for begin in range(0, len(every), 4_000):
        part = every[begin : begin + 4_000]
        same(in_tensors, [f"a{one}b -{one} {one}{one}" for one in part])
