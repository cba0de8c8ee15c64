"""Calibration: whether 80% of the rows with a confidence of 0.8 are predicted correctly.

A network that is trained until its accuracy is best is usually overconfident. One number corrects
most of that without changing any prediction: the temperature that its logits are divided by (Guo
et al. 2017, "On calibration of modern neural networks").
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp, softmax

from search.compiled.loss import cross_entropy
from search.evaluation.statistics import wilson_interval
from search.tuning.objective import SMALLEST, Correct, Floats, Labels, Numbers, by_class, correct

LARGEST = 10.0  # temperature; the smallest is 1 / LARGEST


@dataclass(frozen=True)
class Threshold:
    """The confidence below which the model abstains.

    Attributes:
        confidence: the threshold; predictions below it are left to a person.
        precision: share of the kept predictions that are correct.
        low: lower bound of its 95% interval.
        coverage: share of all rows that are kept.
    """

    confidence: float
    precision: float
    low: float
    coverage: float


def temperature(probabilities: Numbers, labels: Labels) -> float:
    """Fits the temperature that minimises the cross-entropy.

    For a network that is correct on every row, the cross-entropy falls without bound as the
    probabilities go to 0 and 1. So the targets are smoothed as if one more row of every class had
    been seen (Platt 1999, "Probabilistic outputs for support vector machines").

    Args:
        probabilities: of rows that were not trained on: (rows, 1), of the second of two classes,
            or (rows, classes).
        labels: class indices, shape (rows,).

    Returns:
        Between 1 / `LARGEST` and `LARGEST`; above 1 for an overconfident network. 1.0 if no other
        temperature makes the cross-entropy of these rows smaller.
    """
    logits = _logits(probabilities)
    rows, classes = logits.shape
    targets = np.full(logits.shape, 1 / (rows + classes))
    targets[np.arange(rows), labels] += rows / (rows + classes)
    towards = (targets * logits).sum(axis=1)

    def loss(logarithm: float) -> float:
        # Convex in 1 / temperature, so that there is one minimum.
        divisor = math.exp(logarithm)
        return float((logsumexp(logits / divisor, axis=1) - towards / divisor).mean())

    bound = math.log(LARGEST)
    found = math.exp(minimize_scalar(loss, bounds=(-bound, bound), method="bounded").x)
    better = cross_entropy(tempered(probabilities, found), labels)
    return found if better < cross_entropy(probabilities, labels) else 1.0


def tempered(probabilities: Numbers, temperature: float) -> Floats:
    """Returns the probabilities after dividing the logits by a temperature.

    In double precision, so that every row's most probable class stays what it was.

    Args:
        probabilities: shape (rows, 1) or (rows, classes).
        temperature: positive.

    Returns:
        The same shape.
    """
    p: Floats = softmax(_logits(probabilities) / temperature, axis=1)
    return p if probabilities.shape[1] > 1 else p[:, 1:]


def _logits(probabilities: Numbers) -> Floats:
    """(rows, classes), finite also where a probability is 0 or 1."""
    logits: Floats = np.log(np.maximum(by_class(probabilities), SMALLEST))
    return logits


def _confidence(probabilities: Numbers, labels: Labels) -> tuple[Floats, Correct]:
    """The probability of each row's predicted class, and whether it is correct."""
    return by_class(probabilities).max(axis=1), correct(probabilities, labels)


def expected_calibration_error(probabilities: Numbers, labels: Labels, bins: int = 15) -> float:
    """The expected calibration error: mean |confidence - accuracy| over bins of equal size.

    Guo et al. (2017) have bins of equal width; equally many rows in each make a less biased
    estimate (Roelofs et al. 2022, "Mitigating bias in calibration error estimation"). It is biased
    still: with 853 rows and 80% accuracy, perfectly calibrated probabilities have about 0.04.

    Args:
        probabilities: shape (rows, 1) or (rows, classes).
        labels: class indices, shape (rows,).
        bins: number of bins.

    Returns:
        Between 0 and 1.
    """
    confidence, is_right = _confidence(probabilities, labels)
    edges = np.quantile(confidence, np.arange(1, bins) / bins)
    # Rows of equal confidence share a bin: else the order of the rows would matter.
    place = np.searchsorted(edges, confidence, side="right")
    return float(np.abs(np.bincount(place, is_right - confidence)).sum() / len(labels))


def abstain_threshold(
    probabilities: Numbers, labels: Labels, precision: float = 0.95
) -> Threshold | None:
    """The smallest confidence above which predictions reach a precision.

    The lower bound of the 95% interval must reach `precision`, so that it is not luck. Choosing the
    smallest such threshold costs nothing as long as less confident predictions are less often
    correct: in simulations (tests/evaluation/test_calibration.py) at most 2.5% of the thresholds
    did not hold.

    Args:
        probabilities: of rows that were not trained on, shape (rows, 1) or (rows, classes).
        labels: class indices, shape (rows,).
        precision: the required share of correct predictions.

    Returns:
        None if no confidence is high enough; a precision of 0.95 needs at least 73 rows, all of
        them correct.
    """
    confidence, is_right = _confidence(probabilities, labels)
    order = np.argsort(-confidence, kind="stable")
    confidence, right_so_far = confidence[order], np.cumsum(is_right[order])
    # Rows of equal confidence are kept or left together.
    ends = np.flatnonzero(np.diff(confidence, append=-1.0))
    for end in ends[::-1].tolist():
        kept, good = end + 1, int(right_so_far[end])
        low, _ = wilson_interval(good, kept)
        if low >= precision:
            return Threshold(float(confidence[end]), good / kept, low, kept / len(labels))
    return None
