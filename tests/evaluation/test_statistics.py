import numpy as np
import pytest
from scipy.stats import binomtest, bootstrap, ttest_rel
from sklearn.metrics import balanced_accuracy_score, f1_score

from search.evaluation import statistics
from search.evaluation.statistics import (
    bootstrap_interval,
    mcnemar,
    p_values,
    paired_difference,
    row_values,
    selection_bias,
    tied_with_best,
    verdict,
    wilson_interval,
)


@pytest.mark.parametrize(("k", "n"), [(0, 1), (1, 1), (0, 10), (7, 10), (640, 853), (853, 853)])
def test_wilson_is_scipys(k, n):
    expected = binomtest(k, n).proportion_ci(0.95, method="wilson")
    assert wilson_interval(k, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_wilson_covers():
    generator = np.random.default_rng(0)
    for share in (0.5, 0.8, 0.95):
        counts = generator.binomial(853, share, 2000)
        inside = [low <= share <= high for low, high in (wilson_interval(c, 853) for c in counts)]
        assert np.mean(inside) == pytest.approx(0.95, abs=0.02)


def correct(both, only_first, only_second, neither):
    first = [True] * (both + only_first) + [False] * (only_second + neither)
    second = [True] * both + [False] * only_first + [True] * only_second + [False] * neither
    return np.array(first), np.array(second)


@pytest.mark.parametrize(
    "counts", [(5, 0, 0, 5), (0, 3, 0, 1), (40, 12, 5, 3), (700, 60, 90, 3), (1, 8, 8, 1)]
)
def test_mcnemar_is_the_exact_binomial_test(counts):
    _, b, c, _ = counts
    expected = binomtest(b, b + c).pvalue if b + c else 1.0
    assert mcnemar(*correct(*counts)) == pytest.approx(expected)
    first, second = correct(*counts)
    many = mcnemar(np.stack([first, second, ~first]), second)
    assert many[0] == pytest.approx(expected) and many[1] == 1


def test_a_difference_of_pairs_is_that_of_newcombe():
    """His example: 36 pairs both yes, 12 yes and no, 2 no and yes, 0 both no (1998, table II)."""
    difference, low, high, p = paired_difference(*correct(36, 12, 2, 0))
    assert difference == pytest.approx(0.20)
    assert (low, high) == pytest.approx((0.0569, 0.3404), abs=6e-5)
    assert p == pytest.approx(2 * (1 + 14 + 91) / 2**14)


def test_a_difference_of_pairs_that_agree_is_corrected_for_continuity():
    first, second = (binomtest(k, 25).proportion_ci(method="wilson") for k in (15, 12))
    phi = (10 * 8 - 5 * 2 - 25 / 2) / (15 * 10 * 12 * 13) ** 0.5
    a, b = 0.6 - first.low, second.high - 0.48
    c, d = first.high - 0.6, 0.48 - second.low
    _, low, high, _ = paired_difference(*correct(10, 5, 2, 8))
    assert low == pytest.approx(0.12 - (a * a - 2 * phi * a * b + b * b) ** 0.5)
    assert high == pytest.approx(0.12 + (c * c - 2 * phi * c * d + d * d) ** 0.5)


def test_a_difference_with_itself_is_nothing():
    first, _ = correct(40, 12, 5, 3)
    difference, low, high, p = paired_difference(first, first)
    assert difference == 0 and low <= 0 <= high and p == 1


def test_a_difference_turns_with_its_sides():
    difference, low, high, p = paired_difference(*correct(40, 12, 5, 3))
    turned = paired_difference(*correct(40, 5, 12, 3))
    assert turned == pytest.approx((-difference, -high, -low, p))


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ((700, 90, 40, 23), "A is better than B: +5.9 points on 853 rows (95% interval +3.3 to "),
        ((700, 40, 90, 23), "A is worse than B: -5.9 points"),
        ((700, 40, 41, 72), "A is not distinguishable from B: -0.1 points"),
    ],
)
def test_the_verdict(counts, words):
    sentence = verdict(*correct(*counts), "A", "B", 41.3, 0.25, sum(counts))
    assert sentence.startswith(words)
    assert sentence.endswith("for 41 s of training against 0.2 s")


def test_a_verdict_of_another_score():
    first = np.random.default_rng(0).normal(0.8, 0.1, 400)
    sentence = verdict(first, first - 0.1, "A", "B", 1, 1, 2000, "points of F1")
    assert sentence.startswith("A is better than B: +10.0 points of F1 on 2000 rows (95% interval ")
    noise = np.random.default_rng(1).normal(0, 0.1, 400)
    sentence = verdict(first, first + noise, "A", "B", 1, 1, 2000, "nats of log-likelihood")
    assert "not distinguishable" in sentence and "nats of log-likelihood" in sentence


def test_pairs_of_values_are_compared_by_students_test():
    generator = np.random.default_rng(0)
    first = generator.normal(size=(3, 50))
    second = first[0] + generator.normal(0.2, size=50)
    found = p_values(first, second)
    assert found == pytest.approx([ttest_rel(one, second).pvalue for one in first])
    difference, low, high, p = paired_difference(first[1], second)
    expected = ttest_rel(first[1], second).confidence_interval()
    assert (low, high) == pytest.approx((expected.low, expected.high)) and p == found[1]
    assert difference == pytest.approx((low + high) / 2)
    assert p_values(first[0], first[0]) == 1


def test_row_values_of_the_accuracy_are_the_rows(monkeypatch):
    right = np.random.default_rng(0).random(60) < 0.8
    accuracy = lambda weights: weights @ right / weights.sum(axis=1)  # noqa: E731
    assert row_values(accuracy, 60) == pytest.approx(right.astype(float))
    monkeypatch.setattr(statistics, "LEFT_OUT", 20)
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


def test_all_pairs_are_counted_for_a_tie():
    first, second = correct(40, 12, 1, 3)
    p = float(mcnemar(first, second))
    assert 0.05 / 45 < p < 0.05 / 3, "three classifiers are three pairs, ten are 45"
    assert tied_with_best(np.stack([first, first, second]), 0).tolist() == [True, True, False]
    assert tied_with_best(np.stack([first] * 9 + [second]), 0).all()


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


def test_a_bootstrap_interval_is_scipys(monkeypatch):
    """Of a variance of few rows, which is too small and skewed: both corrections are there."""
    monkeypatch.setattr(statistics, "RESAMPLES", 20_000)
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
    monkeypatch.setattr(statistics, "RESAMPLES", 100)
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
    monkeypatch.setattr(statistics, "LEFT_OUT", 100)
    monkeypatch.setattr(statistics, "CELLS", 900 * 7)  # and in many turns
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
