"""How telling words are: from labels, but no text's own label decides its soft one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.corpus.encode import learn_vocabulary
from search.corpus.polarity import PRIOR, _bags, _left_out, log_count_ratio, polarity
from search.corpus.store import Split

PRAISE, BLAME = ("good", "great", "fine"), ("bad", "awful", "dull")
NONE = Split(np.empty(0, np.int32), np.zeros(1, np.int64), np.empty(0, np.int32), np.arange(0))


def splits(texts, labels, more=()):
    """Training texts, unlabelled texts, and the id of every word."""
    collections = [np.array(list(t), dtype=object) for t in (texts, more)]
    vocabulary, (known, unlabelled) = learn_vocabulary(*collections)
    train = Split(*known, np.array(labels, np.int32), np.arange(len(texts)))
    place = {word: number for number, word in enumerate(vocabulary, start=2)}
    return train, Split(*unlabelled, np.empty(0, np.int32), np.arange(len(more))), place


def reviews(generator, count, classes=2):
    """Texts of three words: one that tells the class, two that do not."""
    words = (BLAME, PRAISE, ("so-so", "average", "fair"))
    labels = generator.integers(0, classes, count)
    texts = [
        f"{generator.choice(words[label])} {' '.join(generator.choice(list('abcdef'), 2))}"
        for label in labels
    ]
    return texts, labels


def drawn(generator, count, size):
    """Texts of random words, rare and frequent ones, with random labels."""
    lengths = generator.integers(3, 30, count)
    shares = 1 / np.arange(1, size - 1)
    ids = generator.choice(size - 2, lengths.sum(), p=shares / shares.sum()) + 2
    labels = generator.integers(0, 2, count).astype(np.int32)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return Split(ids.astype(np.int32), offsets, labels, np.arange(count))


def right_order(column, split):
    """Share of the pairs of a positive and a negative text that the words' sums put in order."""
    sums = _bags(split, len(column)) @ column
    first, second = sums[split.labels == 1], sums[split.labels == 0]
    return float((first[:, None] > second).mean())


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 12), st.integers(3, 9))
def test_a_text_is_scored_as_if_it_were_not_there(seed, rows, size):
    generator = np.random.default_rng(seed)
    split = drawn(generator, rows, size)
    bags, mine = _bags(split, size), split.labels == 1
    scores = _left_out(bags, mine)
    for row in range(rows):
        others = np.arange(rows) != row
        expected = bags[row] @ log_count_ratio(bags[others], mine[others], PRIOR)
        assert scores[row] == pytest.approx(expected[0], abs=1e-9)


def test_words_that_tell_a_class_have_its_sign():
    train, _, place = splits(*reviews(np.random.default_rng(0), 300))
    column = polarity(train, NONE, 2, len(place) + 2)[:, 0]
    neutral = max(abs(column[place[word]]) for word in "abcdef")
    assert min(column[place[word]] for word in PRAISE) > neutral
    assert max(column[place[word]] for word in BLAME) < -neutral


def test_unlabelled_texts_tell_of_words_that_no_training_text_has():
    texts, labels = reviews(np.random.default_rng(0), 200)
    more = [f"{a} {b} superb" for a in PRAISE for b in PRAISE]
    more += [f"{a} {b} ghastly" for a in BLAME for b in BLAME]
    train, unlabelled, place = splits(texts, labels, more)
    size = len(place) + 2
    with_them, without = (polarity(train, u, 2, size)[:, 0] for u in (unlabelled, NONE))
    assert with_them[place["superb"]] > 0.5 and with_them[place["ghastly"]] < -0.5
    assert without[place["superb"]] == without[place["ghastly"]] == 0


def test_one_column_for_each_class_but_of_two():
    train, _, place = splits(*reviews(np.random.default_rng(0), 300, classes=3))
    columns = polarity(train, NONE, 3, len(place) + 2)
    assert columns.shape == (len(place) + 2, 3)
    for number, word in enumerate(("bad", "good", "average")):
        assert columns[place[word]].argmax() == number
    train, _, place = splits(*reviews(np.random.default_rng(0), 300))
    assert polarity(train, NONE, 2, len(place) + 2).shape == (len(place) + 2, 1)


def test_scale_and_special_tokens():
    train, unlabelled, place = splits(*reviews(np.random.default_rng(0), 100), ["unseen b c", "d"])
    columns = polarity(train, unlabelled, 2, len(place) + 5)
    assert columns.dtype == np.float32
    assert not columns[:2].any() and not columns[-3:].any(), "of what does not occur"
    assert columns[2:-3].std() == pytest.approx(1, rel=1e-5)


def test_tokens_beyond_the_vocabulary_are_not_looked_at():
    generator = np.random.default_rng(0)
    train, more = drawn(generator, 60, 20), drawn(generator, 60, 20)
    columns = polarity(train, more, 2, 10)
    assert columns.shape == (10, 1)
    fewer = [
        Split(np.where(s.ids >= 10, 1, s.ids), s.offsets, s.labels, s.rows) for s in (train, more)
    ]
    assert np.array_equal(columns, polarity(*fewer, 2, 10))


def test_random_labels_are_learned_by_heart_much_less_than_by_counting():
    """Words' frequencies in the classes give the labels of the texts they are counted in away."""
    for seed in range(5):
        generator = np.random.default_rng(seed)
        train, fresh = drawn(generator, 600, 400), drawn(generator, 2000, 400)
        counted = log_count_ratio(_bags(train, 400), train.labels == 1, PRIOR)
        careful = polarity(train, NONE, 2, 400)[:, 0]
        excess = [right_order(c, train) - right_order(c, fresh) for c in (counted, careful)]
        assert right_order(careful, fresh) == pytest.approx(0.5, abs=0.05)
        assert excess[0] > 0.3, "nothing to avoid"
        assert excess[1] < 0.7 * excess[0]


def test_labels_of_unlabelled_texts_do_not_exist():
    """Only what stands in them counts: other labels there, the same columns."""
    generator = np.random.default_rng(0)
    train, more = drawn(generator, 60, 20), drawn(generator, 60, 20)
    bare = Split(more.ids, more.offsets, np.empty(0, np.int32), more.rows)
    assert np.array_equal(polarity(train, more, 2, 20), polarity(train, bare, 2, 20))


@pytest.mark.parametrize(
    ("texts", "labels"),
    [("a a a", [1, 0, 0]), ("a a ! !", [0, 1, 1, 0]), ("! ? !", [0, 1, 1]), ("a b", [0, 1])],
)
def test_words_that_are_all_alike_get_no_large_numbers(texts, labels):
    train, _, place = splits(texts.split(), labels)
    columns = polarity(train, NONE, 2, len(place) + 2)
    assert np.isfinite(columns).all() and np.abs(columns).max() < 5
