"""The memory of a recurrence: where rows, weights and activations are stored.

Rows are sorted by decreasing length, so that the rows of a step are the first ones, and rows that
have ended cost nothing. The inputs of a step are rows of [features, hidden state, 1]. The rows of
all steps are stored one after another: step t writes its new hidden states directly into the input
rows of step t + 1, and the last step writes behind all of them. Cell states have the same layout.

The layout of the gates' weights and gradients is that of `kernel.py`.
"""

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt

from search.compiled.kernel import EIGHTS
from search.compiled.tiles import PANEL
from search.compiled.vectors import LANES, compiled
from search.compiled.width import WIDE

ALIGNMENT = 64  # bytes: a line of a cache, and a vector of AVX-512
LINE = ALIGNMENT // 4  # numbers

Floats = npt.NDArray[np.float32]


@compiled
def plan(lengths, time):
    """Computes which rows are active at which step, and where their inputs are stored.

    Returns:
        order: (batch,), row numbers by decreasing length.
        falling: (batch,), their lengths.
        active: (steps,), how many have not ended.
        start: (steps + 1,), where the rows of a step begin in `inputs` and `cell`; then the
            results. In `tanh_cell` and `gates`, step t begins at start[t + 1] - batch.
    """
    batch = len(lengths)
    longer = np.zeros(time + 2, np.int64)  # how many rows have at least this length
    for r in range(batch):
        longer[lengths[r]] += 1
    for length in range(time - 1, -1, -1):
        longer[length] += longer[length + 1]
    steps = 0
    while longer[steps + 1]:
        steps += 1
    active = np.empty(steps, np.int64)
    start = np.zeros(steps + 1, np.int64)
    rows = batch
    for t in range(steps):
        active[t] = longer[t + 1]
        start[t + 1] = rows
        rows += active[t]
    order = np.empty(batch, np.int64)
    falling = np.empty(batch, np.int64)
    for r in range(batch):
        place = longer[lengths[r] + 1]  # counts up, so that equal lengths keep their order
        longer[lengths[r] + 1] += 1
        order[place] = r
        falling[place] = lengths[r]
    return order, falling, active, start


@compiled
def zeros(count):
    """An array that begins with a line of the cache."""
    room = np.zeros(count + LINE, np.float32)
    start = -(room.ctypes.data // 4) % LINE
    return room[start : start + count]


@compiled
def pack(kernel, recurrent_kernel, bias, features, real, units, panels, back_panels):
    """Copies the weights into panels by block and by input, where there is room for them."""
    height = features + units + 1
    full = len(back_panels) // (PANEL * 4 * units) * PANEL  # columns in panels
    for k in range(features + real + 1):
        for gate in range(4):
            for unit in range(real):
                column = gate * real + unit
                if k < features:
                    weight = kernel[k * 4 * real + column]
                elif k < features + real:
                    weight = recurrent_kernel[(k - features) * 4 * real + column]
                else:
                    weight = bias[column]
                if len(panels):
                    row = k if k < features + real else features + units
                    at = (unit // WIDE * height + row) * PANEL
                    panels[at + gate * WIDE + unit % WIDE] = weight
                elif k < features + real:
                    row = unit // LANES * EIGHTS + gate * LANES + unit % LANES
                    across = PANEL if k < full else WIDE
                    first = k // across * across
                    back_panels[first * 4 * units + row * across + k - first] = weight


@compiled
def unpack(sums, stride, features, real, units, dkernel, drecurrent_kernel, dbias):
    """Copies the gradients of the weights from panels into Keras' layout."""
    for k in range(features + real + 1):
        for gate in range(4):
            for unit in range(real):
                row = k if k < features + real else features + units
                back = unit // LANES * EIGHTS + gate * LANES + unit % LANES
                at = (back // PANEL * stride + row) * PANEL + back % PANEL
                column = gate * real + unit
                if k < features:
                    dkernel[k * 4 * real + column] = sums[at]
                elif k < features + real:
                    drecurrent_kernel[(k - features) * 4 * real + column] = sums[at]
                else:
                    dbias[column] = sums[at]


def empty(*shape: int) -> Floats:
    """An array aligned to 64 bytes, which TensorFlow uses without copying it."""
    size = int(np.prod(shape)) * 4
    room = np.empty(size + ALIGNMENT, np.uint8)
    start = -room.ctypes.data % ALIGNMENT
    return room[start : start + size].view(np.float32).reshape(shape)


def parts(saved: Floats | None, rows: int, batch: int, features: int, real: int) -> Any:
    """The flat array of activations that `forward` saves for `backward`, and views of its parts.

    Returns:
        saved: the array; allocated here if it is None.
        stride: numbers in a row of `inputs`, including the 1 for the bias.
        inputs, states, tanh_cell, gates: views.
    """
    units = -(-real // WIDE) * WIDE
    stride = features + units + 1
    sizes = ((rows + batch) * stride, (rows + batch) * units, rows * units, rows * 4 * units)
    ends = [0, *itertools.accumulate(-(-size // LINE) * LINE for size in sizes)]
    saved = empty(ends[-1]) if saved is None else saved
    return saved, stride, *(saved[a:b] for a, b in itertools.pairwise(ends))
