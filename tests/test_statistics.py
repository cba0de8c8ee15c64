import numpy as np
import pytest
from scipy.stats import binomtest

from search.outcome.statistics import (
    mcnemar,
    paired_difference,
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


def rights(both, only_first, only_second, neither):
    first = [True] * (both + only_first) + [False] * (only_second + neither)
    second = [True] * both + [False] * only_first + [True] * only_second + [False] * neither
    return np.array(first), np.array(second)


@pytest.mark.parametrize(
    "counts", [(5, 0, 0, 5), (0, 3, 0, 1), (40, 12, 5, 3), (700, 60, 90, 3), (1, 8, 8, 1)]
)
def test_mcnemar_is_the_exact_binomial_test(counts):
    _, b, c, _ = counts
    expected = binomtest(b, b + c).pvalue if b + c else 1.0
    assert mcnemar(*rights(*counts)) == pytest.approx(expected)
    first, second = rights(*counts)
    many = mcnemar(np.stack([first, second, ~first]), second)
    assert many[0] == pytest.approx(expected) and many[1] == 1


def test_a_difference_of_pairs_is_that_of_newcombe():
    """His example: 36 pairs both yes, 12 yes and no, 2 no and yes, 0 both no (1998, table II)."""
    difference, low, high = paired_difference(*rights(36, 12, 2, 0))
    assert difference == pytest.approx(0.20)
    assert (low, high) == pytest.approx((0.0569, 0.3404), abs=6e-5)


def test_a_difference_with_itself_is_nothing():
    first, _ = rights(40, 12, 5, 3)
    difference, low, high = paired_difference(first, first)
    assert difference == 0 and low <= 0 <= high


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ((700, 90, 40, 23), "A is better than B: +5.9 points on 853 rows (95% interval +3.3 to "),
        ((700, 40, 90, 23), "A is worse than B: -5.9 points"),
        ((700, 40, 41, 72), "A is not distinguishable from B: -0.1 points"),
    ],
)
def test_the_verdict(counts, words):
    sentence = verdict(*rights(*counts), "A", "B", 41.3, 0.25)
    assert sentence.startswith(words)
    assert sentence.endswith("for 41 s of training against 0.2 s")


def test_one_classifier_has_no_bias_of_selection_and_is_tied_with_itself():
    right = np.random.default_rng(0).random((1, 500)) < 0.8
    bias = selection_bias(right, seed=0)
    assert abs(bias.estimate) < 0.002 and bias.low < 0 < bias.high
    assert tied_with_best(right, 0).tolist() == [True]
