import numpy as np
import pytest

from search.corpus import batches
from search.corpus.batches import (
    EVALUATION_TOKENS,
    InputConfig,
    evaluation_batches,
    padded,
    training_batches,
)
from search.corpus.store import Split


@pytest.fixture(scope="module")
def split():
    generator = np.random.default_rng(0)
    lengths = generator.integers(1, 60, 1003)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    ids = generator.integers(1, 500, offsets[-1]).astype(np.int32)
    # The label is the row's number, so that a batch tells which rows it holds.
    return Split(ids, offsets, np.arange(1003, dtype=np.int32), np.arange(1003))


INPUT_CONFIG = InputConfig(vocabulary_size=400, max_length=50)


def epoch(split, **changes):
    options = dict(batch_size=16, word_dropout=0.0, seed=1, epoch=0) | changes
    return list(training_batches(split, INPUT_CONFIG, **options))


def test_every_row_once_an_epoch(split):
    rows = np.concatenate([labels for _, labels in epoch(split)])
    assert sorted(rows) == list(range(1003))


def test_rows_are_cut_capped_and_padded(split):
    for ids, labels in epoch(split):
        for row, number in zip(ids, labels, strict=True):
            text = split.ids[split.offsets[number] : split.offsets[number + 1]][:50]
            assert row[: len(text)].tolist() == np.where(text >= 400, 1, text).tolist()
            assert not row[len(text) :].any()
        assert (ids[:, -1] != 0).any(), "a batch is as long as its longest row"


def test_order_follows_seed_and_epoch_only(split):
    def order(**changes):
        return np.concatenate([labels for _, labels in epoch(split, **changes)]).tolist()

    assert order() == order()
    assert order() != order(epoch=1)
    assert order() != order(seed=2)


def test_little_padding(split):
    cells = sum(ids.size for ids, _ in epoch(split))
    tokens = np.minimum(split.lengths, 50).sum()
    assert cells < 1.1 * tokens, "fixed-length padding would take 1.7 times the tokens"


def test_no_bias_in_what_is_trained_when(split):
    """Over many epochs long rows come neither earlier nor later than short ones."""
    lengths = np.minimum(split.lengths, 50)
    correlations = []
    for number in range(40):
        rows = np.concatenate([labels for _, labels in epoch(split, epoch=number)])
        correlations.append(np.corrcoef(np.arange(len(rows)), lengths[rows])[0, 1])
    standard_error = np.std(correlations) / np.sqrt(len(correlations))
    assert abs(np.mean(correlations)) < 3 * standard_error


def test_batch_mates_change(split):
    """Two rows of one length meet by chance only, not epoch after epoch."""

    def mates(number):
        return [set(labels) for _, labels in epoch(split, epoch=number)]

    first = mates(0)
    shared = [max(len(a & b) for b in first) for a in mates(1)]
    assert np.mean(shared) < 10  # of 16


def test_evaluation_covers_all_rows_within_its_size(split):
    batches = evaluation_batches(split, INPUT_CONFIG)
    assert sorted(np.concatenate([rows for rows, _ in batches])) == list(range(1003))
    assert all(ids.size <= EVALUATION_TOKENS for _, ids in batches)
    assert len(batches) < 6


def test_one_row_may_be_longer_than_a_batch():
    size = EVALUATION_TOKENS + 5
    split = Split(
        np.ones(size + 1, np.int32), np.array([0, 1, size + 1]), np.zeros(2, np.int32), np.arange(2)
    )
    batches = evaluation_batches(split, InputConfig(10, 10**6))
    assert [ids.shape for _, ids in batches] == [(1, 1), (1, size)]


@pytest.mark.parametrize(
    ("cut", "expected"), [("head", "23456"), ("tail", "56789"), ("both", "23489")]
)
def test_which_end_of_a_longer_text_is_cut(cut, expected):
    ids = np.array([2, 3, 4, 5, 6, 7, 8, 9, 2, 3], np.int32)
    split = Split(ids, np.array([0, 8, 10]), np.zeros(2, np.int32), np.arange(2))
    long, short = padded(split, np.arange(2), InputConfig(10, 5, cut))
    assert long.tolist() == [int(digit) for digit in expected]
    assert short.tolist() == [2, 3, 0, 0, 0]


def test_word_dropout_hides_tokens_in_training_only(split):
    plain, hidden = epoch(split), epoch(split, word_dropout=0.2)
    tokens = changed = 0
    for (before, _), (after, _) in zip(plain, hidden, strict=True):
        different = before != after
        assert (after[different] == 1).all() and (before[different] != 0).all()
        tokens += (before > 1).sum()
        changed += different.sum()
    assert changed / tokens == pytest.approx(0.2, abs=0.01)


def test_of_many_rows_an_epoch_has_a_part_and_none_comes_again_before_all_came(split, monkeypatch):
    monkeypatch.setattr(batches, "EPOCH_ROWS", 300)

    def rows(**changes):
        return np.concatenate([labels for _, labels in epoch(split, **changes)]).tolist()

    epochs = np.array([rows(epoch=number) for number in range(7)])
    assert epochs.shape == (7, 300) and len(np.unique(epochs[:3])) == 900
    # The fourth has the last 103, and then the first of another order.
    assert np.array_equal(np.unique(epochs[:4]), np.arange(1003))
    assert np.bincount(epochs.ravel()).max() == 3
    assert epochs[4].tolist() == rows(epoch=4) != rows(epoch=4, seed=2)
