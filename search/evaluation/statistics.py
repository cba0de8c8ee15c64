"""Confidence intervals and significance tests."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import binom
from scipy.stats import t as student

Z_95 = 1.959963984540054  # standard normal quantile of 0.975
SIGNIFICANT = 0.05

Correct = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.float64]
Values = npt.NDArray[Any]
"""Each row's contribution to a score: `Correct` for the accuracy, otherwise
`search.evaluation.resampling.row_values`."""


def wilson_interval(successes: float, rows: int) -> tuple[float, float]:
    """The 95% confidence interval of a proportion (Wilson 1927).

    Args:
        successes: number of successes, between 0 and `rows`.
        rows: at least 1.

    Returns:
        (low, high), within [0, 1].
    """
    share = successes / rows
    shrink = 1 + Z_95**2 / rows
    centre = (share + Z_95**2 / (2 * rows)) / shrink
    half = Z_95 / shrink * math.sqrt(share * (1 - share) / rows + Z_95**2 / (4 * rows**2))
    return max(0.0, centre - half), min(1.0, centre + half)


def mcnemar(first: Correct, second: Correct) -> Numbers:
    """The exact two-sided p-value that two classifiers are equally good (McNemar 1947).

    Only rows that exactly one of them predicts correctly count; under the null hypothesis each has
    half of those.

    Args:
        first, second: whether each row is correct, (…, rows); they are broadcast, so that one can
            be compared with many.

    Returns:
        Shape (…); a plain number for two of shape (rows,).
    """
    only_first = (first & ~second).sum(axis=-1)
    only_second = (second & ~first).sum(axis=-1)
    fewer = np.minimum(only_first, only_second)
    p: Numbers = np.minimum(1.0, 2 * binom.cdf(fewer, only_first + only_second, 0.5))
    return p


def p_values(first: Values, second: Values) -> Numbers:
    """Two-sided p-values that two classifiers are equally good.

    Args:
        first, second: whether each row is correct, for McNemar's exact test; or `row_values`, for
            Student's paired t-test. Shapes (…, rows); they are broadcast.

    Returns:
        Shape (…).
    """
    if _are_correct(first, second):
        return mcnemar(first, second)
    mean, error, freedom = _paired(first, second)
    # Classifiers that agree on every row: the difference is 0 with certainty.
    with np.errstate(divide="ignore", invalid="ignore"):
        p: Numbers = np.where(mean == 0, 1.0, 2 * student.sf(np.abs(mean) / error, freedom))
    return p


def _are_correct(first: Values, second: Values) -> bool:
    return bool(first.dtype == second.dtype == np.bool_)


def _paired(first: Numbers, second: Numbers) -> tuple[Numbers, Numbers, int]:
    """The mean difference, its standard error and its degrees of freedom."""
    difference = np.asarray(first, np.float64) - second
    rows = difference.shape[-1]
    error = difference.std(axis=-1, ddof=1) / math.sqrt(rows)
    return difference.mean(axis=-1), error, rows - 1


def tied_with_best(values: Values, best: int) -> npt.NDArray[np.bool_]:
    """Which classifiers are not significantly different from the best one.

    The best one was selected on these rows, so the p-values are corrected for all pairs, not only
    for the pairs with the best one (Bonferroni). Then a pair of equally good classifiers is called
    different in at most 5% of searches, whichever is selected. Holm's correction (1979) for the
    pairs with the best one would do so in 17% of searches of 20 trials, and in 43% of 100; over all
    pairs it is no better than Bonferroni's here.

    Args:
        values: as in `p_values`, shape (classifiers, rows).
        best: index of the best one.

    Returns:
        Shape (classifiers,); True for the best one itself.
    """
    pairs = max(1, len(values) * (len(values) - 1) // 2)
    return p_values(values, values[best]) * pairs > SIGNIFICANT


def paired_difference(first: Values, second: Values) -> tuple[float, float, float, float]:
    """Compares two scores on the same rows.

    Args:
        first, second: as in `p_values`, shape (rows,).

    Returns:
        The difference, the lower and upper bound of its 95% interval (for accuracies by Newcombe
        1998, method 10, otherwise by Student's t), and the p-value.
    """
    p = float(p_values(first, second))
    if not _are_correct(first, second):
        mean, error, freedom = _paired(first, second)
        margin = float(student.ppf(0.975, freedom) * error)
        return float(mean), float(mean) - margin, float(mean) + margin, p
    rows = len(first)
    both, neither = int((first & second).sum()), int((~first & ~second).sum())
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    p1, p2 = (both + only_first) / rows, (both + only_second) / rows
    low1, high1 = wilson_interval(p1 * rows, rows)
    low2, high2 = wilson_interval(p2 * rows, rows)
    margins = (both + only_first) * (only_second + neither)
    margins *= (both + only_second) * (only_first + neither)
    product: float = both * neither - only_first * only_second
    if product > 0:
        product = max(product - rows / 2, 0)
    phi = product / math.sqrt(margins) if margins else 0.0

    def distance(one: float, other: float) -> float:
        return math.sqrt(max(0.0, one**2 - 2 * phi * one * other + other**2))

    difference = p1 - p2
    low = difference - distance(p1 - low1, high2 - p2)
    high = difference + distance(high1 - p1, p2 - low2)
    return difference, low, high, p


def verdict(
    first: Values,
    second: Values,
    first_name: str,
    second_name: str,
    first_seconds: float,
    second_seconds: float,
    rows: int,
    unit: str = "points",
) -> str:
    """Describes which of two classifiers is better, by how much and at what cost, in one sentence.

    Args:
        first, second: as in `p_values`, shape (rows,).
        first_name, second_name: their names.
        first_seconds, second_seconds: their training times.
        rows: number of rows.
        unit: of the score; "points" are hundredths, other units are not scaled.
    """
    *shares, p = paired_difference(first, second)
    scale, digits = (100, 1) if unit.startswith("points") else (1, 3)
    difference, low, high = (f"{scale * share:+.{digits}f}" for share in shares)
    relation = "not distinguishable from"
    if p < SIGNIFICANT:
        relation = "better than" if shares[0] > 0 else "worse than"
    return (
        f"{first_name} is {relation} {second_name}: {difference} {unit} on {rows} rows "
        f"(95% interval {low} to {high}, p = {p:.2g}), for "
        f"{first_seconds:.0f} s of training against {second_seconds:.1f} s"
    )
