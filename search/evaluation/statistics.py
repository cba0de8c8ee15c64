"""Confidence intervals, significance tests and the selection bias of the best score."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import binom, norm
from scipy.stats import t as student

from search.blas import one_thread

Z_95 = 1.959963984540054  # standard normal quantile of 0.975
SIGNIFICANT = 0.05
RESAMPLES = 2000
CELLS = 4_000_000  # of a matrix of weights at a time: 32 MB
LEFT_OUT = 1000  # groups of rows, at most
WIDER = 1.2  # for the estimate's own error: by simulation, without it 90 to 95% are covered

Correct = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.float64]
Values = npt.NDArray[Any]
"""Each row's contribution to a score: `Correct` for the accuracy, otherwise `row_values`."""
Statistic = Callable[[Numbers], npt.ArrayLike]


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


def row_values(statistic: Statistic, rows: int) -> Numbers:
    """Each row's contribution to a statistic: the pseudo-values of the jackknife (Tukey 1958).

    Their mean estimates the statistic, and they vary like independent observations. So methods for
    means apply approximately to F1 and the area under the ROC curve. For the accuracy they are 1
    for a correct row and 0 for another.

    Args:
        statistic: as in `bootstrap_interval`.
        rows: number of rows; more than `LEFT_OUT` are left out in as many groups.

    Returns:
        Shape (rows or groups,).
    """
    value = _evaluated(statistic, [np.ones((1, rows))])[0]
    without = _evaluated(statistic, _without_each(rows))
    without[~np.isfinite(without)] = value  # the only row of a class
    values: Numbers = len(without) * value - (len(without) - 1) * without
    return values


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


def _resamples(rows: int, seed: int) -> Iterator[Numbers]:
    """Bootstrap samples as row weights, shape (some, rows) at a time, RESAMPLES in all."""
    generator = np.random.default_rng(seed)
    at_once = max(1, CELLS // rows)
    for begin in range(0, RESAMPLES, at_once):
        count = min(at_once, RESAMPLES - begin)
        drawn = generator.integers(rows, size=(count, rows)) + rows * np.arange(count)[:, None]
        times = np.bincount(drawn.ravel(), minlength=count * rows)
        yield times.reshape(count, rows).astype(np.float64)


def _without_each(rows: int) -> Iterator[Numbers]:
    """Jackknife samples as row weights, (some, rows) at a time: each leaves a row or group out.

    Groups have the same skewness, in the sense of `bootstrap_interval`, as their rows.
    """
    groups = min(rows, LEFT_OUT)
    group = np.arange(rows) % groups
    for some in np.array_split(np.arange(groups), -(-groups * rows // CELLS)):
        yield (group != some[:, None]).astype(np.float64)


@one_thread
def _evaluated(statistic: Statistic, samples: Iterable[Numbers]) -> Numbers:
    """The values of a statistic on all samples."""
    values: Numbers = np.concatenate([np.asarray(statistic(s), np.float64) for s in samples])
    return values


def bootstrap_interval(statistic: Statistic, rows: int, seed: int) -> tuple[float, float]:
    """The 95% BCa bootstrap interval of a statistic (Efron & Tibshirani 1993, chapter 14).

    On 50 rows it covers 90 to 96%; plain percentiles cover 82 to 93%. For a proportion use
    `wilson_interval`.

    Args:
        statistic: maps row weights, (samples, rows), to values, (samples,). Accuracy is
            `lambda weights: weights @ correct / weights.sum(axis=1)`; with scikit-learn,
            `lambda weights: [f1_score(y, predicted, sample_weight=w) for w in weights]`. Samples
            where it is NaN are left out.
        rows: number of rows.
        seed: of the resampling.

    Returns:
        (low, high).

    Raises:
        ValueError: the statistic is NaN on all rows, or on every jackknife sample.
    """

    def values(samples: Iterable[Numbers]) -> Numbers:
        every = _evaluated(statistic, samples)
        return every[np.isfinite(every)]

    value, without = values([np.ones((1, rows))]), values(_without_each(rows))
    if not (value.size and without.size):
        raise ValueError(f"{rows} rows are too few: the statistic is not a number on them")
    resampled = values(_resamples(rows, seed))
    below = (np.mean(resampled < value) + np.mean(resampled <= value)) / 2
    shift = norm.ppf(np.clip(below, 1 / RESAMPLES, 1 - 1 / RESAMPLES))
    change = without.mean() - without
    scale = 6 * (change**2).sum() ** 1.5
    skew = (change**3).sum() / scale if scale else 0.0
    ends = shift + np.array([-Z_95, Z_95])
    low, high = np.quantile(resampled, norm.cdf(shift + ends / (1 - skew * ends)))
    return float(low), float(high)


@dataclass(frozen=True)
class Bias:
    """By how much the best score overestimates the score on new rows, because it was selected.

    Attributes:
        estimate: the expected selection bias.
        low, high: its 95% interval on these rows, their luck included.
    """

    estimate: float
    low: float
    high: float


@one_thread
def selection_bias(values: Values, seed: int) -> Bias:
    """Estimates by how much the best score is too high because it was selected on these rows.

    By the bootstrap (Efron & Tibshirani 1993): on resampled rows another classifier is the best,
    and its accuracy there is above its accuracy on all rows. The accuracies on all rows contain the
    noise of the rows already, and resampling adds as much again; the best of more different
    classifiers owes less to noise. With a noise variance of σ² and a variance V ≥ σ² of the
    accuracies on all rows, both normal, the bias is √(1 + σ²/V) times the observed excess: √2 times
    if all are equally good.

    Selections made before are not included, such as that of a trial's best epoch. By simulation,
    the best of four equally good epochs adds 0.2 to 0.4 points on 853 rows. To include it, pass
    every epoch as a classifier.

    Args:
        values: whether each row is correct, or `row_values`, shape (classifiers, rows).
        seed: of the resampling.
    """
    classifiers, rows = values.shape
    correct = values.T.astype(np.float64)
    accuracy = correct.mean(axis=0)
    seen, mean = [], []
    for weights in _resamples(rows, seed):
        resampled = weights @ correct / rows
        best = resampled.max(axis=1)
        first = resampled == best[:, None]
        excess = best - (first @ accuracy) / first.sum(axis=1)  # the mean of those that share it
        seen.append(excess)
        mean.append(excess - (resampled - accuracy).mean(axis=1))  # less the luck of all
    noise = correct.var(axis=0).mean() - correct.mean(axis=1).var()  # that they do not share
    noise *= classifiers / max(1, classifiers - 1) / rows
    middle = np.median(accuracy)
    # Only the upper half: how bad the worst are does not influence which one is the best.
    spread = np.mean((accuracy[accuracy >= middle] - middle) ** 2)
    factor = math.sqrt(1 + noise / max(spread, noise)) if noise > 0 else 1.0
    estimate = factor * float(np.concatenate(mean).mean())
    luck = np.concatenate(seen)
    low, high = estimate + WIDER * (np.quantile(luck, [0.025, 0.975]) - luck.mean())
    return Bias(estimate, float(low), float(high))


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
