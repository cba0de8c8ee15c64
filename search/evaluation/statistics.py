"""How sure a number is, and whether two numbers differ."""

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
"""What a score owes to each row: `Correct`, for the accuracy, or `row_values`."""
Statistic = Callable[[Numbers], npt.ArrayLike]


def wilson_interval(successes: float, rows: int) -> tuple[float, float]:
    """The 95% confidence interval of a share (Wilson 1927).

    Args:
        successes: how many of the rows; between 0 and `rows`.
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

    Only rows count that one has right and the other wrong; of those each has half by chance.

    Args:
        first, second: whether each row is right, shapes (…, rows), broadcast: one is compared with
            many in one call.

    Returns:
        Shape (…); a plain number for two of shape (rows,).
    """
    only_first = (first & ~second).sum(axis=-1)
    only_second = (second & ~first).sum(axis=-1)
    fewer = np.minimum(only_first, only_second)
    p: Numbers = np.minimum(1.0, 2 * binom.cdf(fewer, only_first + only_second, 0.5))
    return p


def row_values(statistic: Statistic, rows: int) -> Numbers:
    """What a statistic owes to each row: the pseudo-values of the jackknife (Tukey 1958).

    Their mean estimates the statistic, and they vary as independent rows do; so what holds of means
    holds, nearly, of F1 and the area under the ROC curve. Those of the accuracy are 1 for a row
    that is right and 0 for another.

    Args:
        statistic: as `bootstrap_interval` has it.
        rows: how many there are; more than `LEFT_OUT` are left out in as many groups.

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
        first, second: whether each row is right: then it is McNemar's exact test; or `row_values`:
            Student's t-test for pairs. Shapes (…, rows), broadcast: one is compared with many.

    Returns:
        Shape (…).
    """
    if _are_correct(first, second):
        return mcnemar(first, second)
    mean, error, freedom = _paired(first, second)
    # Two that agree on every row: no difference, and no doubt of it.
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
    """Which classifiers cannot be told from the best one.

    The best one was found on these rows, so it is not one comparison with each of the others but
    one of all pairs: p-values times their number (Bonferroni). Then a pair of equally
    good ones is called different in at most 5% of searches, whichever is chosen as the best. Holm's
    correction (1979) for the others alone calls one in 17% of searches of 20 trials, and in 43% of
    100; his over all pairs is no better here than Bonferroni's.

    Args:
        values: as `p_values` has them, shape (classifiers, rows).
        best: the place of the best one.

    Returns:
        Shape (classifiers,); True for the best one itself.
    """
    pairs = max(1, len(values) * (len(values) - 1) // 2)
    return p_values(values, values[best]) * pairs > SIGNIFICANT


def _resamples(rows: int, seed: int) -> Iterator[Numbers]:
    """How often each row was drawn, shape (some, rows) at a time, RESAMPLES in all."""
    generator = np.random.default_rng(seed)
    at_once = max(1, CELLS // rows)
    for begin in range(0, RESAMPLES, at_once):
        count = min(at_once, RESAMPLES - begin)
        drawn = generator.integers(rows, size=(count, rows)) + rows * np.arange(count)[:, None]
        times = np.bincount(drawn.ravel(), minlength=count * rows)
        yield times.reshape(count, rows).astype(np.float64)


def _without_each(rows: int) -> Iterator[Numbers]:
    """All rows but one, each in its turn, shape (some, rows) at a time; of many rows, but a group.

    Groups have the same skewness, in the sense of `bootstrap_interval`, as their rows.
    """
    groups = min(rows, LEFT_OUT)
    group = np.arange(rows) % groups
    for some in np.array_split(np.arange(groups), -(-groups * rows // CELLS)):
        yield (group != some[:, None]).astype(np.float64)


@one_thread
def _evaluated(statistic: Statistic, samples: Iterable[Numbers]) -> Numbers:
    """The values of all samples, some at a time."""
    values: Numbers = np.concatenate([np.asarray(statistic(s), np.float64) for s in samples])
    return values


def bootstrap_interval(statistic: Statistic, rows: int, seed: int) -> tuple[float, float]:
    """The 95% interval of any statistic of rows: BCa (Efron & Tibshirani 1993, chapter 14).

    Plain percentiles cover 82 to 93% of 50 rows, these 90 to 96%. A share has `wilson_interval`.

    Args:
        statistic: from weights, how often each row counts, shape (samples, rows), to values, shape
            (samples,). Accuracy is `lambda weights: weights @ right / weights.sum(axis=1)`; with
            scikit-learn, `lambda weights: [f1_score(y, found, sample_weight=w) for w in weights]`.
            Samples where it is not a number are left out.
        rows: how many there are.
        seed: of the resampling.

    Returns:
        (low, high).

    Raises:
        ValueError: it is not a number on all rows, or on all but one whichever that is.
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
    """By how much the score of the best of some classifiers is above that on fresh rows.

    Attributes:
        estimate: what is to be expected.
        low, high: the 95% interval of what it is for these rows, their luck included.
    """

    estimate: float
    low: float
    high: float


@one_thread
def selection_bias(values: Values, seed: int) -> Bias:
    """What the best classifier's score owes to its being chosen as the best on the same rows.

    By the bootstrap (Efron & Tibshirani 1993): on resampled rows another one is the best, and its
    accuracy there is above that on all rows. But those differ by the noise of the rows already, to
    which resampling adds as much again, and the best of more different ones owes less to noise.
    With a variance of σ² for noise and V ≥ σ² on all rows, of normal accuracies, the bias is
    √(1 + σ²/V) times what is seen: √2 where all are equally good.

    What is not seen is what was chosen before: a trial's epoch, if it is the best of several. By
    simulation, of four equally good epochs, that is 0.2 to 0.4 points more on 853 rows. With every
    epoch as a classifier of its own it is seen.

    Args:
        values: whether each row is right, or `row_values`, shape (classifiers, rows).
        seed: of the resampling.
    """
    classifiers, rows = values.shape
    right = values.T.astype(np.float64)
    accuracy = right.mean(axis=0)
    seen, mean = [], []
    for weights in _resamples(rows, seed):
        resampled = weights @ right / rows
        best = resampled.max(axis=1)
        first = resampled == best[:, None]
        excess = best - (first @ accuracy) / first.sum(axis=1)  # the mean of those that share it
        seen.append(excess)
        mean.append(excess - (resampled - accuracy).mean(axis=1))  # less the luck of all
    noise = right.var(axis=0).mean() - right.mean(axis=1).var()  # that they do not share
    noise *= classifiers / max(1, classifiers - 1) / rows
    middle = np.median(accuracy)
    # Only the upper half: how bad the failures are does not matter to who is the best.
    spread = np.mean((accuracy[accuracy >= middle] - middle) ** 2)
    factor = math.sqrt(1 + noise / max(spread, noise)) if noise > 0 else 1.0
    estimate = factor * float(np.concatenate(mean).mean())
    luck = np.concatenate(seen)
    low, high = estimate + WIDER * (np.quantile(luck, [0.025, 0.975]) - luck.mean())
    return Bias(estimate, float(low), float(high))


def paired_difference(first: Values, second: Values) -> tuple[float, float, float, float]:
    """The difference of two scores on the same rows.

    Args:
        first, second: as `p_values` has them, shape (rows,).

    Returns:
        The difference, the low and the high end of its 95% interval (of two accuracies by Newcombe
        1998, method 10, else by Student's t), and the p-value.
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
    """One sentence: which of two classifiers is better on the same rows, by how much, at what cost.

    Args:
        first, second: as `p_values` has them, shape (rows,).
        first_name, second_name: what they are called.
        first_seconds, second_seconds: what it took to train them.
        rows: how many there are.
        unit: of the score; "points" are hundredths, and of any other it is told in full.
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
