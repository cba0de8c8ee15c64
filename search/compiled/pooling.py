"""Max- and mean-pooling over time, and their gradients, in compiled code.

Outputs have the layout of `recurrence.forward`: in the order in which steps are processed, with the
padding last, or first if the rows were read in reverse.
"""

import numpy as np
import numpy.typing as npt

from search.compiled.vectors import LANES, compiled, load, splat, store, where_least

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int32]


@compiled
def _largest(outputs, lengths, time, units, reverse, pooled, steps):
    """Computes each unit's largest output, and at which step it was.

    It starts from the last step: if any output is NaN, the last one is, and the maximum stays NaN.
    """
    numbers = np.empty(LANES, np.float32)
    for r in range(len(lengths)):
        first = r * time + (time - lengths[r] if reverse else 0)
        last = lengths[r] - 1
        k = 0
        while k + LANES <= units:
            most = load(outputs, (first + last) * units + k)
            at = splat(np.float32(last))  # whole numbers below 2 ** 24 are exact
            for step in range(last - 1, -1, -1):
                output = load(outputs, (first + step) * units + k)
                at = where_least(most, output, splat(np.float32(step)), at)
                most = where_least(most, output, output, most)
            store(pooled, r * units + k, most)
            store(numbers, 0, at)
            for lane in range(LANES):
                steps[r * units + k + lane] = first + np.int32(numbers[lane])
            k += LANES
        while k < units:
            pooled[r * units + k] = outputs[(first + last) * units + k]
            steps[r * units + k] = first + last
            for step in range(first + last - 1, first - 1, -1):
                if outputs[step * units + k] >= pooled[r * units + k]:
                    pooled[r * units + k] = outputs[step * units + k]
                    steps[r * units + k] = step
            k += 1


@compiled
def _to_largest(gradient, units, steps, result):
    """Scatters each unit's gradient to the step of its largest output."""
    for n in range(len(gradient)):
        result[steps[n] * units + n % units] = gradient[n]


@compiled
def _average(outputs, lengths, time, units, reverse, pooled):
    """Computes each unit's mean output."""
    for r in range(len(lengths)):
        first = r * time + (time - lengths[r] if reverse else 0)
        for step in range(first, first + lengths[r]):
            for k in range(units):
                pooled[r * units + k] += outputs[step * units + k]
        for k in range(units):
            pooled[r * units + k] /= np.float32(lengths[r])


@compiled
def _to_average(gradient, lengths, time, units, reverse, result):
    """Spreads each unit's gradient over the steps of its text."""
    for r in range(len(lengths)):
        first = r * time + (time - lengths[r] if reverse else 0)
        for step in range(first, first + lengths[r]):
            for k in range(units):
                result[step * units + k] = gradient[r * units + k] / np.float32(lengths[r])


def largest(outputs: Floats, lengths: Integers, *, reverse: bool) -> tuple[Floats, Integers]:
    """Max-pooling over time without the padding.

    Args:
        outputs: (batch, time, units).
        lengths: (batch,), at least 1.
        reverse: whether the padding comes first.

    Returns:
        pooled: (batch, units).
        steps: (batch, units), for `to_largest`; of equal outputs, the first.
    """
    batch, time, units = outputs.shape
    pooled = np.empty((batch, units), np.float32)
    steps = np.empty((batch, units), np.int32)
    _largest(
        outputs.reshape(-1), lengths, time, units, reverse, pooled.reshape(-1), steps.reshape(-1)
    )
    return pooled, steps


def to_largest(gradient: Floats, steps: Integers, time: int) -> Floats:
    """The gradient of the outputs, (batch, time, units), from that of `largest`."""
    batch, units = gradient.shape
    result = np.zeros((batch, time, units), np.float32)
    _to_largest(gradient.reshape(-1), units, steps.reshape(-1), result.reshape(-1))
    return result


def average(outputs: Floats, lengths: Integers, *, reverse: bool) -> Floats:
    """Mean-pooling over time without the padding; returns (batch, units)."""
    batch, time, units = outputs.shape
    pooled = np.zeros((batch, units), np.float32)
    _average(outputs.reshape(-1), lengths, time, units, reverse, pooled.reshape(-1))
    return pooled


def to_average(gradient: Floats, lengths: Integers, time: int, *, reverse: bool) -> Floats:
    """The gradient of the outputs, (batch, time, units), from that of `average`."""
    batch, units = gradient.shape
    result = np.zeros((batch, time, units), np.float32)
    _to_average(gradient.reshape(-1), lengths, time, units, reverse, result.reshape(-1))
    return result
