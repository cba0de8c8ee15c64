"""Word vectors from texts: words in the same places are alike; labels and order do not matter."""

import numpy as np
import pytest

from search.corpus.cooccurrence import word_vectors
from search.corpus.encode import encode, learn_vocabulary


def encoded(texts):
    texts = np.array(texts, dtype=object)
    vocabulary = learn_vocabulary(texts, "whitespace")
    return *encode(texts, "whitespace", vocabulary), vocabulary


@pytest.fixture(scope="module")
def learned():
    generator = np.random.default_rng(0)
    praise, blame, things = ("good", "great", "fine"), ("bad", "awful", "dull"), "film plot cast"
    texts = []
    for _ in range(400):
        word = generator.choice([*praise, *blame])
        rest = ("what", "joy", "bravo") if word in praise else ("no", "boring", "yawn")
        thing = generator.choice(things.split())
        texts.append(f"{generator.choice(rest)} the {thing} is {word} {generator.choice(rest)}")
    ids, offsets, vocabulary = encoded(texts)
    return word_vectors(ids, offsets, len(vocabulary) + 2, 8), vocabulary


def test_words_in_the_same_places_are_alike(learned):
    vectors, vocabulary = learned
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    place = {word: i + 2 for i, word in enumerate(vocabulary)}

    def alike(a, b):
        return float(unit[place[a]] @ unit[place[b]])

    assert alike("good", "great") > alike("good", "awful") + 0.3
    assert alike("bad", "dull") > alike("bad", "fine") + 0.3


def test_scale_and_special_tokens(learned):
    vectors, _ = learned
    assert vectors.dtype == np.float32
    assert not vectors[:2].any(), "neither padding nor OOV has a vector"
    assert vectors[2:].std() == pytest.approx(1, abs=0.02)


def test_the_first_numbers_are_the_shorter_vectors():
    ids, offsets, vocabulary = encoded(["a b c d e f", "b c a f e d", "c d a b f e"] * 20)
    size = len(vocabulary) + 2
    long, short = (word_vectors(ids, offsets, size, n) for n in (6, 3))
    ratio = long[2:, :3] / short[2:]
    assert ratio == pytest.approx(np.full_like(ratio, ratio[0, 0]), rel=1e-2)


def test_texts_are_kept_apart():
    ids, offsets, vocabulary = encoded(["a b", "c d"] * 10)
    place = {word: i + 2 for i, word in enumerate(vocabulary)}
    vectors = word_vectors(ids, offsets, len(vocabulary) + 2, 4)
    assert abs(vectors[place["b"]] @ vectors[place["c"]]) < 1e-3


def test_nothing_near_anything():
    ids, offsets, vocabulary = encoded(["alone"] * 5)
    assert not word_vectors(ids, offsets, len(vocabulary) + 2, 8).any()


def test_a_vocabulary_smaller_than_the_vectors():
    ids, offsets, vocabulary = encoded(["a b a b"] * 5)
    assert word_vectors(ids, offsets, len(vocabulary) + 2, 64).shape == (4, 3)
