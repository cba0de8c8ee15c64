"""The tokens of old models: those of TextVectorization, for any text."""

from itertools import pairwise

import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from search.corpus.encode import OOV
from search.packaging.old_tokens import encode_known, numbered
from tests.packaging.old_models import old_vocabulary, text_vectorization

TEXTS = ["The film, the FILM!", "a film", "naïve café 😀 ok", "!!!", "日本 film", "ÜBER über"]


def assert_as_keras(texts, tokens):
    vocabulary = old_vocabulary(tokens, texts)
    expected = text_vectorization(tokens, list(vocabulary))(tf.constant(texts)).numpy()
    ids, offsets = encode_known(texts, tokens, numbered(vocabulary))
    for row, (start, end) in enumerate(pairwise(offsets)):
        assert ids[start:end].tolist() == (expected[row][expected[row] > 0].tolist() or [OOV])


@pytest.mark.parametrize("tokens", ["whitespace", "character"])
def test_ids_are_those_of_text_vectorization(tokens):
    assert_as_keras(TEXTS, tokens)


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))),
    st.sampled_from(["whitespace", "character"]),
)
@settings(max_examples=15, deadline=None)
def test_any_text_is_read_as_text_vectorization_reads_it(texts, tokens):
    assert_as_keras(["a known film", *texts, "a\u00a0b\u2003c\vd\x1ce\u2028f"], tokens)


@pytest.mark.parametrize("tokens", ["whitespace", "character"])
@pytest.mark.parametrize("most", [1, 3, 100])
def test_the_first_tokens_alone(tokens, most):
    known = numbered(old_vocabulary(tokens, TEXTS))
    whole = encode_known(TEXTS, tokens, known)
    ids, offsets = encode_known(TEXTS, tokens, known, most)
    for row, (start, end) in enumerate(pairwise(whole[1])):
        first = whole[0][start:end][:most]
        assert ids[offsets[row] : offsets[row + 1]].tolist() == first.tolist()
