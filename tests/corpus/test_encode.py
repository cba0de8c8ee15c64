"""Token ids: frequent tokens first, nothing of validation or test known, nothing lost."""

import itertools

import numpy as np
import pytest

from search.corpus.encode import OOV, Vocabulary, decode, encode, learn_vocabulary
from search.corpus.tokens import hashed

TEXTS = ["The film, the FILM!", "a film", "naïve café 😀 ok", "!!!", "日本 film", "ÜBER über"]


def test_ids_are_places_in_the_vocabulary():
    vocabulary, [(ids, offsets)] = learn_vocabulary(TEXTS)
    assert vocabulary[0] == "film", "the most frequent one"
    words = ("", "", *vocabulary)
    rows = [[words[i] for i in ids[a:b]] for a, b in itertools.pairwise(offsets)]
    assert rows[0] == ["the", "film", "the", "film"] and rows[4] == ["日", "本", "film"]
    assert rows[2] == ["nai\u0308ve", "cafe\u0301", "😀", "ok"]
    assert rows[3] == [""] and ids[offsets[3]] == OOV, "a text without a token is one unknown one"
    again = encode(TEXTS, vocabulary)
    assert np.array_equal(ids, again[0]) and np.array_equal(offsets, again[1])


def test_unlabelled_texts_add_tokens_after_those_of_the_training_texts():
    vocabulary, [known, unlabelled] = learn_vocabulary(["b b a"], ["c c c a d"])
    assert vocabulary == ("b", "a", "c", "d")
    assert known[0].tolist() == [2, 2, 3]
    assert unlabelled[0].tolist() == [4, 4, 4, 3, 5]


def test_texts_that_come_one_at_a_time():
    vocabulary, [(ids, offsets)] = learn_vocabulary(TEXTS)
    known = Vocabulary.of(vocabulary)
    for row, text in enumerate(TEXTS):
        assert np.array_equal(
            known.encode(*hashed([text]))[0], ids[offsets[row] : offsets[row + 1]]
        )


@pytest.mark.parametrize("size", [3, 5, 8])
def test_a_smaller_vocabulary_is_a_cut_of_the_ids(size):
    vocabulary, [(ids, _)] = learn_vocabulary(TEXTS)
    fewer, _ = encode(TEXTS, vocabulary[: size - 2])
    assert np.array_equal(np.where(ids >= size, OOV, ids), fewer)


def test_of_equally_frequent_tokens_the_first_one_comes_first():
    assert learn_vocabulary(["c b b b a a", "b a d"])[0] == ("b", "a", "c", "d")


def test_no_texts_and_no_vocabulary():
    assert learn_vocabulary([])[0] == ()
    ids, offsets = encode(["a b"], ())
    assert ids.tolist() == [OOV, OOV] and offsets.tolist() == [0, 2]


def test_decoding_gives_the_known_tokens_back():
    vocabulary, _ = learn_vocabulary(["A fine film!"])
    encoded = encode(["A fine film!", "zyzzyva film"], vocabulary)
    assert decode(encoded, range(2), vocabulary) == ["a fine film", "\ufffd film"]
