"""Probabilities from logits, and their cross-entropy with the labels, as Keras has them."""

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int32]


def activated(logits: Floats) -> Floats:
    """Sigmoid of one output, softmax of several."""
    result: Floats
    if logits.shape[1] == 1:
        with np.errstate(over="ignore"):  # exp of a large number is infinite, and 1 / inf is 0
            result = np.float32(1) / (np.float32(1) + np.exp(-logits))
    else:
        exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
        result = exponentials / exponentials.sum(axis=1, keepdims=True)
    return result


def cross_entropy(probabilities: npt.NDArray[np.floating[Any]], labels: Ids) -> float:
    """The mean cross-entropy.

    Args:
        probabilities: shape (rows, 1), of the second of two classes, or (rows, classes).
        labels: class indices, shape (rows,).
    """
    targets = targets_of(labels, probabilities.shape[1], 0.0)
    return float(cross_entropies(probabilities, targets).mean())


def targets_of(labels: Ids, outputs: int, smoothing: float) -> Floats:
    """Target probabilities, (rows, outputs), with label smoothing."""
    classes = max(2, outputs)
    targets = np.full((len(labels), classes), smoothing / classes, np.float32)
    targets[np.arange(len(labels)), labels] += np.float32(1 - smoothing)
    return targets if outputs > 1 else targets[:, 1:]


def cross_entropies(
    probabilities: npt.NDArray[np.floating[Any]], targets: Floats
) -> npt.NDArray[np.float64]:
    """The cross-entropy of each row, (rows,)."""
    p = probabilities.astype(np.float64)
    # maximum() passes NaN on; the bound is that of Keras.
    sums = targets * np.log(np.maximum(p, 1e-7))
    if p.shape[1] == 1:
        sums += (1 - targets) * np.log(np.maximum(1 - p, 1e-7))
    losses: npt.NDArray[np.float64] = -sums.sum(axis=1)
    return losses
