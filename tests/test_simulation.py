"""What the statistics say, held against worlds whose truth is known. Nothing is trained.

Rows are right or wrong as those of the real trials on 853 sentences are: the correlation of two
trials' correct rows is 0.65, and a tenth of the rows is where two trials differ.
"""

import numpy as np
import pytest
from scipy.stats import norm
from threadpoolctl import threadpool_limits

from search.evaluation import resampling
from search.evaluation.resampling import bootstrap_interval, selection_bias
from search.evaluation.statistics import (
    mcnemar,
    paired_difference,
    tied_with_best,
    verdict,
    wilson_interval,
)

ROWS = 853
ALIKE = 0.87  # two trials' difficulties of a row: the correct rows then are correlated by 0.65


@pytest.fixture(autouse=True)
def one_thread():
    """Products so small are no faster with two threads, and five times slower on a busy machine."""
    with threadpool_limits(1):
        yield


def world(generator, true, shared=ALIKE, rows=ROWS):
    """Which rows are right, shape (*true.shape, rows): some are difficult for every trial.

    Args:
        true: accuracies on fresh rows.
        shared: the correlation of two trials' difficulties.
    """
    difficulty = np.sqrt(shared) * generator.standard_normal(rows)
    own = np.sqrt(1 - shared) * generator.standard_normal((*np.shape(true), rows))
    return difficulty + own < norm.ppf(true)[..., None]


def winner(right):
    return int(right.mean(axis=-1).argmax())


def test_the_world_is_as_real_trials_are():
    right = world(np.random.default_rng(0), np.full(20, 0.79), rows=100_000)
    assert right.mean() == pytest.approx(0.79, abs=0.005)
    assert np.corrcoef(right)[0, 1:].mean() == pytest.approx(0.65, abs=0.02)
    assert (right[0] != right[1]).mean() == pytest.approx(0.115, abs=0.01)


# -- intervals ------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.5, 0.79, 0.95])
def test_wilsons_interval_covers(share):
    counts = np.random.default_rng(0).binomial(ROWS, share, 4000)
    inside = [low <= share <= high for low, high in (wilson_interval(c, ROWS) for c in counts)]
    assert 0.93 <= np.mean(inside) <= 0.97


@pytest.mark.parametrize("shared", [0.0, ALIKE])
@pytest.mark.parametrize("pair", [(0.8, 0.8), (0.82, 0.78), (0.99, 0.985)])
def test_the_interval_of_a_difference_covers_it(pair, shared):
    generator = np.random.default_rng(3)
    inside = []
    for _ in range(1500):
        _, low, high, _ = paired_difference(*world(generator, np.array(pair), shared))
        inside.append(low <= pair[0] - pair[1] <= high)
    assert 0.93 <= np.mean(inside) <= 0.985


def covered_by_bootstrap(runs):
    """Of balanced accuracy, where three rows of ten are of a class that is right less often."""
    generator = np.random.default_rng(5)
    inside = []
    for run in range(runs):
        label = generator.random(ROWS) < 0.3
        right = generator.random(ROWS) < np.where(label, 0.7, 0.9)
        low, high = bootstrap_interval(
            lambda w, y=label, r=right: (w @ (y & r) / (w @ y) + w @ (~y & r) / (w @ ~y)) / 2,
            ROWS,
            seed=run,
        )
        inside.append(low <= 0.8 <= high)
    return np.mean(inside)


def test_the_bootstrap_of_balanced_accuracy_covers(monkeypatch):
    monkeypatch.setattr(resampling, "RESAMPLES", 500)
    assert 0.92 <= covered_by_bootstrap(300) <= 0.98


@pytest.mark.slow
def test_the_bootstrap_of_balanced_accuracy_covers_in_many_runs():
    assert 0.935 <= covered_by_bootstrap(1500) <= 0.97


# -- differences ----------------------------------------------------------------------------


def test_equal_ones_differ_by_chance_in_a_twentieth_at_most():
    generator = np.random.default_rng(4)
    pairs = (world(generator, np.full(2, 0.79)) for _ in range(2000))
    assert 0.02 <= np.mean([mcnemar(*pair) < 0.05 for pair in pairs]) <= 0.05


def called(generator, true, runs, shared=ALIKE):
    """In which share of the runs one as good as the best is called different; how many worse are.

    The best is the best of these rows.
    """
    wrongly, worse = 0, []
    for _ in range(runs):
        right = world(generator, true, shared)
        best = winner(right)
        differs = ~tied_with_best(right, best)
        as_good = true >= true[best]
        wrongly += differs[as_good].any()
        worse.extend(differs[~as_good])
    return wrongly / runs, np.mean(worse) if worse else 0.0


@pytest.mark.parametrize(
    ("trials", "shared", "runs"),
    [(2, ALIKE, 1500), (3, 0.6, 1500), (20, 0.6, 1000), (20, ALIKE, 1000), (100, ALIKE, 400)],
)
def test_none_as_good_as_the_best_is_called_different(trials, shared, runs):
    wrongly, _ = called(np.random.default_rng(1), np.full(trials, 0.79), runs, shared)
    assert wrongly <= 0.05


@pytest.mark.slow
@pytest.mark.parametrize("trials", [20, 100])
@pytest.mark.parametrize("shared", [0.0, 0.6, ALIKE, 0.95])
def test_none_as_good_as_the_best_is_called_different_in_many_runs(trials, shared):
    wrongly, _ = called(np.random.default_rng(1), np.full(trials, 0.79), 2000, shared)
    assert wrongly <= 0.05


def test_worse_ones_are_told_from_the_best():
    true = np.repeat([0.79, 0.73], 10)
    wrongly, told = called(np.random.default_rng(2), true, 200)
    assert wrongly <= 0.05 and told >= 0.95


@pytest.mark.parametrize(
    ("true", "expected"),
    [((0.79, 0.79), "not distinguishable"), ((0.79, 0.72), "better"), ((0.72, 0.79), "worse")],
)
def test_the_verdict_is_right(true, expected):
    generator = np.random.default_rng(6)
    said = [verdict(*world(generator, np.array(true)), "A", "B", 1, 1, ROWS) for _ in range(200)]
    assert np.mean([s.startswith(f"A is {expected}") for s in said]) >= 0.93


# -- the bias of selection ------------------------------------------------------------------


def biases(generator, trials, spread, runs, epochs=1):
    """What the bias was, what `selection_bias` said, and of epochs if it saw all of them.

    A trial's epochs are equally good, and as right as each other in 0.78 (a correlation); its rows
    are those of the best one.

    Returns:
        real: shape (runs,).
        expected: their mean; to know it better, less the luck of all trials, whose mean is 0.
        said, with_epochs: shape (runs, 3), of estimate, low and high.
    """
    real, less, said, with_epochs = [], [], [], []
    for _ in range(runs):
        true = 0.79 + spread * generator.standard_normal(trials)
        own = np.sqrt(0.95 - ALIKE) * generator.standard_normal((trials, 1, ROWS))
        own = own + np.sqrt(0.05) * generator.standard_normal((trials, epochs, ROWS))
        shared = np.sqrt(ALIKE) * generator.standard_normal(ROWS)
        all_epochs = shared + own < norm.ppf(true)[:, None, None]
        accuracy = all_epochs.mean(axis=2)
        right = all_epochs[np.arange(trials), accuracy.argmax(axis=1)]
        best = winner(right)
        real.append(right[best].mean() - true[best])
        less.append(real[-1] - (accuracy - true[:, None]).mean())
        bias = selection_bias(right, seed=0)
        said.append((bias.estimate, bias.low, bias.high))
        if epochs > 1:
            bias = selection_bias(all_epochs.reshape(-1, ROWS), seed=0)
            with_epochs.append((bias.estimate, bias.low, bias.high))
    return np.array(real), np.mean(less), np.array(said), np.array(with_epochs)


def hold(real, expected, said, within):
    """Each bias lies in its interval, their mean in every one; the estimates' mean is near it."""
    estimate, low, high = said.T
    assert np.mean((low <= real) & (real <= high)) >= 0.93
    assert np.mean((low <= expected) & (expected <= high)) >= 0.93
    assert estimate.mean() == pytest.approx(expected, abs=within)
    assert np.mean(high - low) < 0.07, "an interval that says something"


@pytest.mark.parametrize("spread", [0.0, 0.005, 0.01])
def test_the_bias_of_the_chosen_one_lies_in_its_interval(spread, monkeypatch):
    monkeypatch.setattr(resampling, "RESAMPLES", 500)
    real, expected, said, _ = biases(np.random.default_rng(0), 20, spread, 300)
    assert expected > 0.008, "there is a bias to be found"
    # The means are known to 0.0005; without the factor up to 0.005 would be missing.
    hold(real, expected, said, 0.002)


@pytest.mark.slow
@pytest.mark.parametrize("trials", [5, 20, 100])
@pytest.mark.parametrize("spread", [0.0, 0.005, 0.01, 0.02])
def test_the_bias_of_the_chosen_one_lies_in_its_interval_in_many_runs(trials, spread, monkeypatch):
    monkeypatch.setattr(resampling, "RESAMPLES", 500)
    real, expected, said, _ = biases(np.random.default_rng(0), trials, spread, 1500)
    # √2 for all would be up to 0.004 too much where they differ by 0.02.
    hold(real, expected, said, 0.0015)


def test_failed_trials_do_not_hide_the_bias(monkeypatch):
    """A third of the trials learned nothing; the others are equally good, and one is chosen."""
    monkeypatch.setattr(resampling, "RESAMPLES", 500)
    generator = np.random.default_rng(7)
    true = np.where(np.arange(20) < 7, 0.5, 0.79)
    with_them, without = [], []
    for _ in range(100):
        right = world(generator, true)
        with_them.append(selection_bias(right, seed=0).estimate)
        without.append(selection_bias(right[7:], seed=0).estimate)
    assert np.mean(with_them) == pytest.approx(np.mean(without), rel=0.15)


def test_the_choice_of_an_epoch_is_a_bias_of_its_own(monkeypatch):
    """Of about 0.3 points, seen only where all epochs are."""
    monkeypatch.setattr(resampling, "RESAMPLES", 300)
    _, expected, said, with_epochs = biases(np.random.default_rng(8), 20, 0.005, 120, epochs=4)
    assert 0.001 < expected - said[:, 0].mean() < 0.006
    assert with_epochs[:, 0].mean() == pytest.approx(expected, abs=0.003)
