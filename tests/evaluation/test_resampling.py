"""Bootstrap and jackknife, compared with SciPy's, and the bias of the best score."""

import numpy as np
import pytest
from scipy.stats import bootstrap
from sklearn.metrics import balanced_accuracy_score, f1_score

from search.evaluation import resampling
from search.evaluation.resampling import bootstrap_interval, row_values, selection_bias
from search.evaluation.statistics import tied_with_best


def labelled(rows, seed=0):
    """Labels, and what is found: 30% are of the second class, 85% of rows are right."""
    generator = np.random.default_rng(seed)
    labels = generator.random(rows) < 0.3
    return labels, labels ^ (generator.random(rows) < 0.15)


def balanced_accuracy(labels, found):
    hit, reject = labels & found, ~labels & ~found
    return lambda weights: (
        (weights @ hit / (weights @ labels) + weights @ reject / (weights @ ~labels)) / 2
    )


def test_row_values_of_the_accuracy_are_the_rows(monkeypatch):
    right = np.random.default_rng(0).random(60) < 0.8
    accuracy = lambda weights: weights @ right / weights.sum(axis=1)  # noqa: E731
    assert row_values(accuracy, 60) == pytest.approx(right.astype(float))
    monkeypatch.setattr(resampling, "LEFT_OUT", 20)
    grouped = row_values(accuracy, 60)
    assert grouped == pytest.approx(right.reshape(3, 20).mean(axis=0))


def test_row_values_vary_as_the_score_does():
    """Their standard error is that of the bootstrap."""
    labels, found = labelled(600)
    statistic = balanced_accuracy(labels, found)
    values = row_values(statistic, 600)
    assert values.mean() == pytest.approx(balanced_accuracy_score(labels, found), abs=1e-3)
    low, high = bootstrap_interval(statistic, 600, seed=0)
    assert values.std() / 600**0.5 == pytest.approx((high - low) / 3.92, rel=0.08)


def test_the_only_row_of_a_class_counts_as_the_others():
    labels = np.arange(10) < 1
    with np.errstate(invalid="ignore"):
        values = row_values(balanced_accuracy(labels, labels), 10)
    assert values == pytest.approx(np.ones(10))


def test_one_classifier_has_no_bias_of_selection_and_is_tied_with_itself():
    right = np.random.default_rng(0).random((1, 500)) < 0.8
    bias = selection_bias(right, seed=0)
    assert bias.estimate == 0 and bias.low < 0 < bias.high
    assert tied_with_best(right, 0).tolist() == [True]


def test_the_same_classifier_again_has_no_bias_of_selection():
    right = np.random.default_rng(0).random(500) < 0.8
    assert selection_bias(np.stack([right] * 4), seed=0).estimate == pytest.approx(0, abs=1e-12)


def test_the_order_of_classifiers_does_not_matter():
    """Equal accuracies are frequent on few rows, and a leaderboard's come best first."""
    right = np.random.default_rng(0).random((20, 200)) < 0.8
    best_first = right[np.argsort(-right.mean(axis=1))]
    there, here = selection_bias(right, seed=0), selection_bias(best_first, seed=0)
    assert here.estimate == pytest.approx(there.estimate)
    assert (here.low, here.high) == pytest.approx((there.low, there.high))


def test_a_bootstrap_interval_is_scipys(monkeypatch):
    """Of a variance of few rows, which is too small and skewed: both corrections are there."""
    monkeypatch.setattr(resampling, "RESAMPLES", 20_000)
    values = np.random.default_rng(0).exponential(size=30)
    expected = bootstrap(
        (values,), np.var, n_resamples=20_000, method="BCa", rng=np.random.default_rng(1)
    ).confidence_interval

    def variance(weights):
        return weights @ values**2 / 30 - (weights @ values / 30) ** 2

    found = bootstrap_interval(variance, 30, seed=0)
    assert found == pytest.approx((expected.low, expected.high), rel=0.05)
    percentiles = bootstrap(
        (values,), np.var, n_resamples=20_000, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    assert found[1] > 1.1 * percentiles.high


def test_a_bootstrap_interval_of_scikit_learns_metrics(monkeypatch):
    monkeypatch.setattr(resampling, "RESAMPLES", 100)
    labels, found = labelled(60)

    def slowly(metric):
        return lambda weights: [metric(labels, found, sample_weight=w) for w in weights]

    quickly = bootstrap_interval(balanced_accuracy(labels, found), 60, seed=3)
    assert bootstrap_interval(slowly(balanced_accuracy_score), 60, seed=3) == pytest.approx(quickly)
    low, high = bootstrap_interval(slowly(f1_score), 60, seed=3)
    assert low < f1_score(labels, found) < high


def test_of_many_rows_groups_are_left_out(monkeypatch):
    """The same interval, but for what groups of rows lose of it."""
    labels, found = labelled(900)
    statistic = balanced_accuracy(labels, found)
    exact = bootstrap_interval(statistic, 900, seed=0)
    monkeypatch.setattr(resampling, "LEFT_OUT", 100)
    monkeypatch.setattr(resampling, "CELLS", 900 * 7)  # and in many turns
    assert bootstrap_interval(statistic, 900, seed=0) == pytest.approx(exact, abs=0.002)


def test_a_bootstrap_interval_of_a_constant_is_it_and_of_too_few_rows_an_error():
    labels = np.arange(10) < 1
    accuracy = balanced_accuracy(np.arange(10) < 5, np.arange(10) < 5)
    with np.errstate(invalid="ignore"):  # some samples are without a class
        assert bootstrap_interval(accuracy, 10, seed=0) == (1, 1)
        for few in (0, 1):
            with pytest.raises(ValueError, match=f"{few + 1} rows are too few"):
                bootstrap_interval(
                    balanced_accuracy(labels[: few + 1], labels[: few + 1]), few + 1, 0
                )
