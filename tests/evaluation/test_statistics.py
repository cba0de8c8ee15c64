"""Intervals and tests, compared with SciPy's and with published examples."""

import numpy as np
import pytest
from scipy.stats import binomtest, ttest_rel

from search.evaluation.statistics import (
    mcnemar,
    p_values,
    paired_difference,
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


def test_all_pairs_are_counted_for_a_tie():
    first, second = correct(40, 12, 1, 3)
    p = float(mcnemar(first, second))
    assert 0.05 / 45 < p < 0.05 / 3, "three classifiers are three pairs, ten are 45"
    assert tied_with_best(np.stack([first, first, second]), 0).tolist() == [True, True, False]
    assert tied_with_best(np.stack([first] * 9 + [second]), 0).all()
