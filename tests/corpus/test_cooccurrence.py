"""Word vectors from texts alone: words near the same words, or in the same texts, are alike."""

from itertools import pairwise

import numpy as np
import pytest
from scipy import sparse

from search.corpus import cooccurrence
from search.corpus.cooccurrence import _decomposed, document_vectors, neighbour_vectors
from search.corpus.encode import learn_vocabulary

both = pytest.mark.parametrize("learn", [neighbour_vectors, document_vectors])


def encoded(texts):
    texts = np.array(texts, dtype=object)
    vocabulary, [encoded] = learn_vocabulary(texts)
    return *encoded, vocabulary


@pytest.fixture(scope="module", params=[(neighbour_vectors, 8), (document_vectors, 2)])
def learned(request):
    """In vectors of texts, the numbers after the second tell which words shun each other."""
    learn, most = request.param
    generator = np.random.default_rng(0)
    praise, blame, things = ("good", "great", "fine"), ("bad", "awful", "dull"), "film plot cast"
    texts = []
    for _ in range(400):
        word = generator.choice([*praise, *blame])
        rest = ("what", "joy", "bravo") if word in praise else ("no", "boring", "yawn")
        thing = generator.choice(things.split())
        texts.append(f"{generator.choice(rest)} the {thing} is {word} {generator.choice(rest)}")
    ids, offsets, vocabulary = encoded(texts)
    return learn(ids, offsets, len(vocabulary) + 2, most), vocabulary


def alike(vectors, vocabulary, a, b):
    """The cosine of the angle between two words."""
    first, second = (vectors[vocabulary.index(word) + 2] for word in (a, b))
    return float(first @ second / np.linalg.norm(first) / np.linalg.norm(second))


def test_words_in_the_same_places_are_alike(learned):
    assert alike(*learned, "good", "great") > alike(*learned, "good", "awful") + 0.3
    assert alike(*learned, "bad", "dull") > alike(*learned, "bad", "fine") + 0.3


def test_near_is_not_the_same_as_in_one_text():
    """Words far apart in their texts, beside words of their own: alike to one of the two only."""
    gap = "one two three four five six"
    texts = [f"left {gap} right", f"{gap} middle", f"hot {gap}", f"{gap} cold hot"]
    ids, offsets, vocabulary = encoded(texts * 10)
    near, inside = (
        learn(ids, offsets, len(vocabulary) + 2, 3)
        for learn in (neighbour_vectors, document_vectors)
    )
    assert alike(inside, vocabulary, "left", "right") > 0.99
    assert alike(near, vocabulary, "left", "right") < 0.5


def test_near_counts_every_pair_of_a_window_by_its_distance():
    generator = np.random.default_rng(5)
    ids = generator.integers(0, 12, 400).astype(np.int32)
    offsets = np.array([0, 3, 3, 150, 390, 400])
    expected = np.zeros((10, 10))
    for begin, end in pairwise(offsets):
        text = ids[begin:end]
        for i, j in np.ndindex(len(text), len(text)):
            if 0 < abs(i - j) <= 5 and {text[i], text[j]} <= set(range(2, 10)):
                expected[text[i], text[j]] += 1 / abs(i - j)
    counts = cooccurrence._near(ids, offsets, 10)
    np.testing.assert_allclose(counts.toarray(), expected, rtol=1e-6)
    assert cooccurrence._near(ids[:0], np.array([0]), 10).nnz == 0


def test_scale_and_special_tokens(learned):
    vectors, _ = learned
    assert vectors.dtype == np.float32
    assert not vectors[:2].any(), "neither padding nor OOV has a vector"
    known = vectors.any(axis=1)
    assert known.sum() > 10
    assert vectors[known].std() == pytest.approx(1, abs=0.02)


@both
def test_the_first_numbers_are_the_shorter_vectors(learn):
    generator = np.random.default_rng(0)
    texts = [" ".join(generator.permutation(list("abcdefghij"))[:4]) for _ in range(40)]
    ids, offsets, vocabulary = encoded(texts)
    size = len(vocabulary) + 2
    long, short = (learn(ids, offsets, size, n) for n in (6, 3))
    ratio = long[2:, :3] / short[2:]
    assert ratio == pytest.approx(np.full_like(ratio, ratio[0, 0]), rel=1e-2)


@both
def test_texts_are_kept_apart(learn):
    ids, offsets, vocabulary = encoded(["a b", "c d"] * 10)
    vectors = learn(ids, offsets, len(vocabulary) + 2, 4)
    assert abs(alike(vectors, vocabulary, "b", "c")) < 1e-3


@both
def test_tokens_beyond_the_vocabulary_count_as_unknown(learn):
    ids, offsets, _ = encoded(["a a a b b c", "a b d", "b a c", "a c"] * 5)
    vectors = learn(ids, offsets, 4, 2)
    assert vectors.shape == (4, 2)
    unknown = np.where(ids >= 4, 1, ids)
    assert vectors[2:].any() and np.array_equal(vectors, learn(unknown, offsets, 4, 2))


@both
def test_only_so_many_tokens_are_looked_at(learn, monkeypatch):
    """Whole texts, as many as fit."""
    ids, offsets, vocabulary = encoded(["a b", "c d", "a c b d", "d a"])
    size = len(vocabulary) + 2
    monkeypatch.setattr(cooccurrence, "MOST_TOKENS", 7)
    assert np.array_equal(learn(ids, offsets, size, 4), learn(ids[:4], offsets[:3], size, 4))
    monkeypatch.undo()
    assert not np.array_equal(learn(ids, offsets, size, 4), learn(ids[:4], offsets[:3], size, 4))


@pytest.mark.parametrize("texts", [["alone"], ["one", "two", "three"]])
def test_a_word_alone_has_no_neighbours(texts):
    ids, offsets, vocabulary = encoded(texts * 5)
    assert not neighbour_vectors(ids, offsets, len(vocabulary) + 2, 8).any()


def test_a_word_of_every_text_tells_nothing():
    ids, offsets, vocabulary = encoded(["the a", "the b", "the c", "the d"])
    vectors = document_vectors(ids, offsets, len(vocabulary) + 2, 3)
    sizes = np.linalg.norm(vectors[2:], axis=1)
    assert sizes.argmin() == vocabulary.index("the")


@both
def test_no_texts_at_all(learn):
    empty = learn(np.empty(0, np.int32), np.zeros(1, np.int64), 5, 3)
    assert empty.dtype == np.float32 and len(empty) == 5 and not empty.any()


@both
def test_a_vocabulary_smaller_than_the_vectors(learn):
    ids, offsets, vocabulary = encoded(["a b a b"] * 5)
    assert learn(ids, offsets, len(vocabulary) + 2, 64).shape == (4, 3)


def test_fewer_texts_than_numbers_in_a_vector():
    ids, offsets, vocabulary = encoded(["a b c d e f", "a c g", "h a"])
    assert document_vectors(ids, offsets, len(vocabulary) + 2, 64).shape == (10, 2)


@pytest.mark.parametrize("size", [1, 5, 20])
def test_the_decomposition_is_the_exact_one(size):
    """Where singular values fall as they do in text; the vectors are orthonormal."""
    generator = np.random.default_rng(0)
    u, v = (np.linalg.qr(generator.standard_normal((n, 40)))[0] for n in (120, 90))
    values = 10.0 / np.arange(1, 41)
    matrix = sparse.csr_matrix((u * values @ v.T).astype(np.float32))
    left, found = _decomposed(matrix, size)
    np.testing.assert_allclose(found, values[:size], rtol=0.02)
    assert np.abs(np.sum(left[:, 0] * u[:, 0])) > 0.999
    np.testing.assert_allclose(left.T @ left, np.eye(size), atol=1e-3)


@both
@pytest.mark.parametrize("texts", [["b", "a b", "a"], ["c a", "c b", "a b"]])
def test_vectors_of_one_number_that_are_all_alike(learn, texts):
    """Nothing to scale by: no number becomes huge."""
    ids, offsets, vocabulary = encoded(texts)
    vectors = learn(ids, offsets, len(vocabulary) + 2, 1)
    assert np.isfinite(vectors).all() and np.abs(vectors).max() < 10
