"""What the statistics say, held against worlds whose truth is known. Nothing is trained."""

import numpy as np
import pytest
from scipy.stats import norm

from search.outcome.statistics import (
    mcnemar,
    paired_difference,
    selection_bias,
    tied_with_best,
)

ROWS = 853


def world(generator, trials, spread, shared, mean=0.79):
    """True accuracies, and which rows are right: some rows are difficult for every trial.

    `shared` is the correlation of two trials' difficulties.
    """
    true = mean + spread * generator.standard_normal(trials)
    difficulty = np.sqrt(shared) * generator.standard_normal(ROWS)
    own = np.sqrt(1 - shared) * generator.standard_normal((trials, ROWS))
    return true, difficulty + own < norm.ppf(true)[:, None]


@pytest.mark.parametrize("spread", [0.0, 0.005, 0.01])
def test_the_bias_of_the_chosen_one_lies_in_its_interval(spread):
    generator = np.random.default_rng(0)
    inside, real, estimated = [], [], []
    for _ in range(150):
        true, right = world(generator, 20, spread, 0.6)
        best = right.mean(axis=1).argmax()
        real.append(right[best].mean() - true[best])
        bias = selection_bias(right, seed=0)
        estimated.append(bias.estimate)
        inside.append(bias.low <= real[-1] <= bias.high)
    assert np.mean(inside) >= 0.93
    # Five standard errors of the mean of 150.
    assert np.mean(estimated) == pytest.approx(np.mean(real), abs=5 * np.std(real) / 150**0.5)
    assert np.mean(real) > 0.005, "there is a bias to be found"


@pytest.mark.parametrize(("trials", "shared"), [(2, 0.6), (20, 0.6), (60, 0.8)])
def test_equally_good_ones_are_called_different_in_a_twentieth_at_most(trials, shared):
    generator = np.random.default_rng(1)
    wrong = 0
    for _ in range(200):
        _, right = world(generator, trials, 0.0, shared)
        wrong += not tied_with_best(right, int(right.mean(axis=1).argmax())).all()
    assert wrong / 200 <= 0.05


def test_a_much_worse_one_is_not_tied():
    generator = np.random.default_rng(2)
    _, right = world(generator, 20, 0.0, 0.6)
    right[7] = world(generator, 1, 0.0, 0.6, mean=0.6)[1]
    tied = tied_with_best(right, 0)
    assert not tied[7] and tied.sum() == 19


@pytest.mark.parametrize(("first", "second"), [(0.8, 0.8), (0.82, 0.78), (0.99, 0.985)])
def test_the_interval_of_a_difference_covers_it(first, second):
    generator = np.random.default_rng(3)
    inside = []
    for _ in range(400):
        difficulty = generator.standard_normal(ROWS) * np.sqrt(0.6)
        right = [
            difficulty + np.sqrt(0.4) * generator.standard_normal(ROWS) < norm.ppf(share)
            for share in (first, second)
        ]
        _, low, high = paired_difference(*right)
        inside.append(low <= first - second <= high)
    assert 0.93 <= np.mean(inside) <= 0.995


def test_equal_ones_differ_by_chance_in_a_twentieth_at_most():
    generator = np.random.default_rng(4)
    called = [mcnemar(*world(generator, 2, 0.0, 0.6)[1]) < 0.05 for _ in range(600)]
    assert 0.005 < np.mean(called) <= 0.05
