"""Word features: three views in columns, from the training and the unlabelled texts alone."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.corpus.cooccurrence import document_vectors, neighbour_vectors
from search.corpus.encode import encode, learn_vocabulary
from search.corpus.polarity import polarity
from search.corpus.store import Corpus, Split
from search.corpus.words import POLARITY_WEIGHT, word_features


def corpus_of(train, labels, more=(), classes=2):
    """Validation and test are the first training text."""
    collections = [np.array(list(texts), dtype=object) for texts in (train, more)]
    vocabulary, (known, unlabelled) = learn_vocabulary(*collections)
    splits = {
        "train": Split(*known, np.array(labels, np.int32), np.arange(len(train))),
        "unlabelled": Split(*unlabelled, np.empty(0, np.int32), np.arange(len(more))),
    }
    first = encode(collections[0][:1], vocabulary)
    for split in ("validation", "test"):
        splits[split] = Split(*first, np.zeros(1, np.int32), np.arange(1))
    names = ("a", "b", "c")[:classes]
    folds = np.zeros(len(labels) + 1, np.int8)
    return Corpus(
        **splits,
        class_names=names,
        vocabulary=vocabulary,
        folds=folds,
        fingerprint="",
        facts={},
    )


def drawn(seed=0, rows=40, more=15, words=20, classes=2):
    """Texts of random words with random labels."""
    generator = np.random.default_rng(seed)
    texts = [
        " ".join(f"w{n}" for n in generator.integers(0, words, generator.integers(1, 9)))
        for _ in range(rows + more)
    ]
    labels = generator.integers(0, classes, rows)
    labels[:classes] = np.arange(classes)
    return corpus_of(texts[:rows], labels, texts[rows:], classes)


def size_of(corpus):
    return len(corpus.vocabulary) + 2


@pytest.mark.parametrize("classes", [2, 3])
def test_the_order_of_the_columns(classes):
    """Polarity, and then two of the words' neighbours, one of their texts, and so on."""
    corpus = drawn(classes=classes)
    size = size_of(corpus)
    features = word_features(corpus, size, 12)
    assert features.shape == (size, 12) and features.dtype == np.float32
    train, more = corpus.train, corpus.unlabelled
    telling = polarity(train, more, classes, size)
    columns = 1 if classes == 2 else 3
    assert telling.shape[1] == columns
    np.testing.assert_allclose(features[:, :columns], POLARITY_WEIGHT * telling, rtol=1e-6)
    ids = np.concatenate([train.ids, more.ids])
    offsets = np.concatenate([[0], np.cumsum(np.concatenate([train.lengths, more.lengths]))])
    near = neighbour_vectors(ids, offsets, size, 8)
    beside = document_vectors(ids, offsets, size, 4)
    order = [near[:, 0], near[:, 1], beside[:, 0], near[:, 2], near[:, 3], beside[:, 1]]
    expected = np.stack(order, axis=1)
    np.testing.assert_allclose(features[:, columns : columns + 6], expected, rtol=1e-6)


def test_polarity_counts_three_times_as_much_as_a_column_of_the_others():
    features = word_features(drawn(), 22, 12)
    known = features.any(axis=1)
    assert features[known, 0].std() == pytest.approx(3, rel=1e-4)
    assert features[known, 1:].std() == pytest.approx(1, rel=0.1)


def test_the_first_columns_are_the_shorter_features():
    corpus = drawn()
    size = size_of(corpus)
    long, short = word_features(corpus, size, 12), word_features(corpus, size, 6)
    assert np.array_equal(long[:, 0], short[:, 0])
    # The decomposition is approximate, and the scale that of all numbers.
    for column in range(1, 6):
        alike = np.corrcoef(long[:, column], short[:, column])[0, 1]
        assert abs(alike) > 0.95, column


def test_validation_and_test_are_not_looked_at():
    corpus = drawn()
    other = Split(np.full(9, 5, np.int32), np.array([0, 4, 9]), np.array([1, 0]), np.arange(2))
    changed = replace(corpus, validation=other, test=other)
    size = size_of(corpus)
    assert np.array_equal(word_features(corpus, size, 12), word_features(changed, size, 12))


@pytest.mark.parametrize("split", ["train", "unlabelled"])
def test_training_and_unlabelled_texts_are(split):
    corpus = drawn()
    part = getattr(corpus, split)
    mixed = np.random.default_rng(1).permutation(part.ids)
    changed = replace(corpus, **{split: replace(part, ids=mixed)})
    before, after = (word_features(c, size_of(corpus), 12) for c in (corpus, changed))
    for columns in (slice(0, 1), slice(1, 3), slice(3, 4)):
        assert not np.allclose(before[:, columns], after[:, columns])


def test_labels_decide_polarity_and_nothing_else():
    corpus = drawn()
    turned = replace(corpus, train=replace(corpus.train, labels=1 - corpus.train.labels))
    before, after = (word_features(c, size_of(corpus), 12) for c in (corpus, turned))
    assert np.array_equal(before[:, 1:], after[:, 1:])
    assert np.corrcoef(before[:, 0], after[:, 0])[0, 1] < -0.5


def test_a_word_of_unlabelled_texts_only_has_features():
    corpus = corpus_of(["good film", "bad film"] * 9, [1, 0] * 9, ["good superb", "bad poor"] * 9)
    features = word_features(corpus, size_of(corpus), 8)
    place = corpus.vocabulary.index("superb") + 2
    assert features[place].any()
    assert not features[:2].any(), "neither padding nor OOV has any"


def test_tokens_beyond_the_vocabulary():
    corpus = drawn()
    few = word_features(corpus, 8, 4)
    assert few.shape == (8, 4)
    splits = {}
    for split in ("train", "unlabelled"):
        part = getattr(corpus, split)
        splits[split] = replace(part, ids=np.where(part.ids >= 8, 1, part.ids))
    assert np.array_equal(few, word_features(replace(corpus, **splits), 8, 4))


def test_tokens_that_are_nearly_alike_have_no_huge_numbers():
    """A standard deviation of 1 would make them a hundred times as large."""
    texts, labels = ["aaaa", "", "", "", "aaa", "aa!a"], [0, 1, 1, 1, 0, 0]
    corpus = corpus_of(texts, labels, [], 2)
    assert np.abs(word_features(corpus, size_of(corpus), 1)).max() < 10


@settings(max_examples=60, deadline=None)
@given(st.data(), st.sampled_from([1, 2, 3, 64]), st.sampled_from([2, 3]))
def test_tiny_corpora(data, most, classes):
    """Whatever the texts: as many rows as tokens, and no number that is none, or is huge."""
    texts = st.text("ab c!", max_size=8)
    train = data.draw(st.lists(texts, min_size=1, max_size=6))
    more = data.draw(st.lists(texts, max_size=3))
    numbers = st.integers(0, classes - 1)
    labels = data.draw(st.lists(numbers, min_size=len(train), max_size=len(train)))
    corpus = corpus_of(train, labels, more, classes)
    features = word_features(corpus, size_of(corpus), most)
    assert len(features) == size_of(corpus) and features.shape[1] <= most
    assert np.isfinite(features).all() and np.abs(features).max() < 100
