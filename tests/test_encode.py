from itertools import pairwise

import keras
import numpy as np
import pytest
import tensorflow as tf

from search.corpus.encode import OOV, encode, learn_vocabulary, token_kind

TEXTS = np.array(
    ["The film, the FILM!", "a film", "naïve café 😀 ok", "!!!", "日本 film", "ÜBER über"],
    dtype=object,
)


def test_ids_are_those_of_text_vectorization():
    vocabulary = learn_vocabulary(TEXTS, "whitespace")
    layer = keras.layers.TextVectorization()
    layer.adapt(tf.data.Dataset.from_tensor_slices(TEXTS.astype(str)).batch(2))
    assert list(vocabulary) == layer.get_vocabulary()[2:]
    ids, offsets = encode(TEXTS, "whitespace", vocabulary)
    expected = layer(tf.constant(TEXTS.astype(str))).numpy()
    for row, (start, end) in enumerate(pairwise(offsets)):
        if TEXTS[row] == "!!!":
            assert ids[start:end].tolist() == [OOV]
        else:
            assert ids[start:end].tolist() == expected[row][expected[row] > 0].tolist()


@pytest.mark.parametrize("size", [3, 5, 8])
def test_a_smaller_vocabulary_is_a_cut_of_the_ids(size):
    vocabulary = learn_vocabulary(TEXTS, "whitespace")
    ids, _ = encode(TEXTS, "whitespace", vocabulary)
    fewer, _ = encode(TEXTS, "whitespace", vocabulary[: size - 2])
    assert np.array_equal(np.where(ids >= size, OOV, ids), fewer)


def test_frequent_tokens_come_first():
    texts = np.array(["b b b a a c", "b a"], dtype=object)
    assert learn_vocabulary(texts, "whitespace") == ("b", "a", "c")


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
