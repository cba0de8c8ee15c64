from itertools import pairwise

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from search.corpus.encode import (
    OOV,
    decode,
    encode,
    encode_known,
    learn_vocabulary,
    numbered,
    text_vectorization,
    token_kind,
)

TEXTS = np.array(
    ["The film, the FILM!", "a film", "naïve café 😀 ok", "!!!", "日本 film", "ÜBER über"],
    dtype=object,
)


def assert_as_keras(texts, tokens):
    """The vocabulary and the ids of TextVectorization."""
    texts = np.array(texts, dtype=object)
    layer = text_vectorization(tokens)
    layer.adapt(tf.data.Dataset.from_tensor_slices(texts.astype(str)).batch(2))
    vocabulary, [(ids, offsets)] = learn_vocabulary(tokens, texts)
    assert list(vocabulary) == layer.get_vocabulary()[2:]
    again = encode(texts, tokens, vocabulary)
    assert np.array_equal(ids, again[0]) and np.array_equal(offsets, again[1])
    expected = layer(tf.constant(texts.astype(str))).numpy()
    for row, (start, end) in enumerate(pairwise(offsets)):
        assert ids[start:end].tolist() == (expected[row][expected[row] > 0].tolist() or [OOV])


@pytest.mark.parametrize("tokens", ["whitespace", "character"])
def test_ids_are_those_of_text_vectorization(tokens):
    assert_as_keras(TEXTS, tokens)


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))),
    st.sampled_from(["whitespace", "character"]),
)
@settings(max_examples=30, deadline=None)
def test_any_text_is_read_as_text_vectorization_reads_it(texts, tokens):
    assert_as_keras(["a known film", *texts, "a\u00a0b\u2003c\vd\x1ce\u2028f"], tokens)


def test_unlabelled_texts_add_tokens_after_those_of_the_training_texts():
    train, more = (np.array([text], dtype=object) for text in ("b b a", "c c c a d"))
    vocabulary, [known, unlabelled] = learn_vocabulary("whitespace", train, more)
    assert vocabulary == ("b", "a", "c", "d")
    assert known[0].tolist() == [2, 2, 3]
    assert unlabelled[0].tolist() == [4, 4, 4, 3, 5]


@pytest.mark.parametrize("tokens", ["whitespace", "character"])
@pytest.mark.parametrize("most", [1, 3, 100])
def test_the_first_tokens_alone(tokens, most):
    vocabulary, _ = learn_vocabulary(tokens, TEXTS)
    whole = encode(TEXTS, tokens, vocabulary)
    ids, offsets = encode_known(TEXTS, tokens, numbered(vocabulary), most)
    for row, (start, end) in enumerate(pairwise(whole[1])):
        first = whole[0][start:end][:most]
        assert np.array_equal(ids[offsets[row] : offsets[row + 1]], first)


@pytest.mark.parametrize("size", [3, 5, 8])
def test_a_smaller_vocabulary_is_a_cut_of_the_ids(size):
    vocabulary, [(ids, _)] = learn_vocabulary("whitespace", TEXTS)
    fewer, _ = encode(TEXTS, "whitespace", vocabulary[: size - 2])
    assert np.array_equal(np.where(ids >= size, OOV, ids), fewer)


def test_frequent_tokens_come_first():
    texts = np.array(["b b b a a c", "b a"], dtype=object)
    assert learn_vocabulary("whitespace", texts)[0] == ("b", "a", "c")


@pytest.mark.parametrize(
    ("texts", "kind"),
    [
        (["a film", "ein Film für Kinder"], "whitespace"),
        (["とても良い映画でした。", "退屈でした"], "character"),
        (["ภาพยนตร์เรื่องนี้ดีมาก"], "character"),
        (["фильм хороший", "فيلم جميل", "영화가 좋았다"], "whitespace"),
        (["😀😀", "!!!"], "whitespace"),
    ],
)
def test_scripts_without_spaces_are_read_by_character(texts, kind):
    assert token_kind(np.array(texts, dtype=object)) == kind


@pytest.mark.parametrize(
    ("tokens", "texts", "expected"),
    [
        ("whitespace", ["A fine film!", "zyzzyva film"], ["a fine film", "\ufffd film"]),
        ("character", ["良い", "良く"], ["良い", "良\ufffd"]),
    ],
)
def test_decoding_gives_the_known_tokens_back(tokens, texts, expected):
    vocabulary, _ = learn_vocabulary(tokens, np.array(texts[:1], dtype=object))
    encoded = encode(np.array(texts, dtype=object), tokens, vocabulary)
    assert decode(encoded, range(2), tokens, vocabulary) == expected
