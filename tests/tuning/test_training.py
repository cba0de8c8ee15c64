"""What a worker keeps of a trial is only used for that trial, trained in the same way."""

from dataclasses import replace

import numpy as np
import pytest

from search.tuning import training
from search.tuning.finals import EVERY_FOLD
from search.tuning.training import StateMissing, train
from tests.made import corpus_of, first_epoch_of


@pytest.fixture
def first(tmp_path):
    """The first epoch of a trial, in a process that has trained nothing yet."""
    corpus = corpus_of([f"good w{n} w{n % 7}" for n in range(40)], [0, 1] * 20)
    training._held.clear()
    return first_epoch_of(corpus, tmp_path / "corpus", "random")


def second(task, **changes):
    return replace(task, from_epoch=1, to_epoch=2, **changes)


@pytest.mark.parametrize("fold", [None, EVERY_FOLD])
def test_a_worker_goes_on_with_the_network_that_it_holds(first, fold):
    first = replace(first, fold=fold)
    state = train(first).state
    held = train(second(first, threads=2))
    sent = train(second(first, state=state))
    assert held.epochs[0].loss == sent.epochs[0].loss
    for name, array in sent.state.items():
        assert np.array_equal(held.state[name], array), name


@pytest.mark.parametrize(
    "change", [{"batch_size": 4}, {"fold": 0}, {"seed": 2}, {"class_weights": (1.0, 2.0)}]
)
def test_a_network_trained_in_another_way_is_not_gone_on_with(first, change):
    """As after a trial ran out of memory elsewhere, and began anew with smaller batches."""
    train(first)
    with pytest.raises(StateMissing):
        train(second(first, **change))
    state = train(replace(first, **change)).state
    train(first)
    gone_on = train(second(first, state=state, **change))
    training._held.clear()
    expected = train(second(first, state=state, **change))
    assert gone_on.epochs[0].loss == expected.epochs[0].loss
