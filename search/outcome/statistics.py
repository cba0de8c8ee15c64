"""How sure a number is, and whether two numbers differ."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import binom

Z_95 = 1.959963984540054  # standard normal quantile of 0.975
SIGNIFICANT = 0.05
RESAMPLES = 2000
WIDER = 1.2  # for the estimate's own error: by simulation, without it 90 to 95% are covered
RESAMPLED_CELLS = 4_000_000  # of a matrix of weights at a time

Rights = npt.NDArray[np.bool_]


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


def mcnemar(first: Rights, second: Rights) -> npt.NDArray[np.float64]:
    """The exact two-sided p-value that two classifiers are equally good (McNemar 1947).

    Only rows count that one has right and the other wrong; of those each has half by chance.

    Args:
        first, second: whether each row is right, shapes (…, rows), broadcast.

    Returns:
        Shape (…).
    """
    only_first = (first & ~second).sum(axis=-1)
    only_second = (second & ~first).sum(axis=-1)
    fewer = np.minimum(only_first, only_second)
    found: npt.NDArray[np.float64] = np.minimum(
        1.0, 2 * binom.cdf(fewer, only_first + only_second, 0.5)
    )
    return found


def tied_with_best(rights: Rights, best: int) -> npt.NDArray[np.bool_]:
    """Which classifiers cannot be told from the best one.

    The best one was found on these rows, so it is not one comparison with each of the others but
    one of all pairs: McNemar's p-values times their number (Bonferroni). Then a pair of equally
    good ones is called different in at most 5% of searches, whichever is chosen as the best.

    Args:
        rights: whether each row is right, shape (classifiers, rows).
        best: the place of the best one.

    Returns:
        Shape (classifiers,); True for the best one itself.
    """
    pairs = max(1, len(rights) * (len(rights) - 1) // 2)
    return mcnemar(rights, rights[best]) * pairs > SIGNIFICANT


@dataclass(frozen=True)
class Bias:
    """By how much the accuracy of the best of some classifiers is above that on fresh rows.

    Attributes:
        estimate: what is to be expected.
        low, high: the 95% interval of what it is for these rows.
    """

    estimate: float
    low: float
    high: float


def selection_bias(rights: Rights, seed: int) -> Bias:
    """What the best classifier's accuracy owes to its being chosen as the best on the same rows.

    By the bootstrap (Efron & Tibshirani 1993): on resampled rows another one is the best, and its
    accuracy there is above that on all rows. There the accuracies differ by the noise of all rows
    already, to which resampling adds as much again, so of the noise that chooses only half is
    seen, and that has 1/√2 of the effect: where all are equally good, √2 times the mean is exact.

    What is not seen is what was chosen before: a trial's epoch, if it is the best one of several.

    Args:
        rights: whether each row is right, shape (classifiers, rows).
        seed: of the resampling.
    """
    _, rows = rights.shape
    generator = np.random.default_rng(seed)
    right = rights.T.astype(np.float64)
    all_rows = right.mean(axis=0)
    excess: list[npt.NDArray[np.float64]] = []
    at_once = max(1, RESAMPLED_CELLS // rows)
    for begin in range(0, RESAMPLES, at_once):
        count = min(at_once, RESAMPLES - begin)
        weights = generator.multinomial(rows, np.full(rows, 1 / rows), size=count)
        resampled = weights @ right / rows
        chosen = resampled.argmax(axis=1)
        excess.append(resampled[np.arange(count), chosen] - all_rows[chosen])
    seen = np.concatenate(excess)
    estimate = math.sqrt(2) * float(seen.mean())
    spread = WIDER * (seen - seen.mean())
    low, high = np.quantile(spread, [0.025, 0.975]) + estimate
    return Bias(estimate, float(low), float(high))


def paired_difference(first: Rights, second: Rights) -> tuple[float, float, float]:
    """The difference of two accuracies on the same rows (Newcombe 1998, method 10).

    Args:
        first, second: whether each row is right, shape (rows,).

    Returns:
        The difference, and the low and the high end of its 95% interval.
    """
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
    return difference, low, difference + distance(high1 - p1, p2 - low2)


def verdict(
    first: Rights,
    second: Rights,
    first_name: str,
    second_name: str,
    first_seconds: float,
    second_seconds: float,
) -> str:
    """One sentence: which of two classifiers is better on the same rows, by how much, at what cost.

    Args:
        first, second: whether each row is right, shape (rows,).
        first_name, second_name: what they are called.
        first_seconds, second_seconds: what it took to train them.
    """
    difference, low, high = (100 * share for share in paired_difference(first, second))
    p = float(mcnemar(first, second))
    relation = "not distinguishable from"
    if p < SIGNIFICANT:
        relation = "better than" if difference > 0 else "worse than"
    return (
        f"{first_name} is {relation} {second_name}: {difference:+.1f} points on {len(first)} rows "
        f"(95% interval {low:+.1f} to {high:+.1f}, p = {p:.2g}), for "
        f"{first_seconds:.0f} s of training against {second_seconds:.1f} s"
    )
