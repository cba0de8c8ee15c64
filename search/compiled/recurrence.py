"""An LSTM over sequences of different lengths, forward and backward.

`layout.py` says how the rows of the steps are stored.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from search.compiled.kernel import (
    ROWS,
    add_products,
    copy,
    gate_gradients,
    input_gradients,
    step,
)
from search.compiled.layout import LINE, Floats, empty, pack, parts, plan, unpack, zeros
from search.compiled.tiles import PANEL
from search.compiled.vectors import compiled
from search.compiled.width import WIDE

CHUNK = 64  # rows that are summed up together into the gradient of the weights

Integers = npt.NDArray[np.int32]


@compiled
def _forward(
    x,  # (batch, time, features)
    lengths,  # (batch,)
    time,
    features,
    hidden,  # (batch, real), before the first step
    cell,  # (batch, real)
    kernel,  # (features, 4 * real)
    recurrent_kernel,  # (real, 4 * real)
    bias,  # (4 * real,)
    real,  # units, before they are rounded up to whole vectors
    reverse,
    inputs,  # (rows, stride), each [features, hidden state, 1]
    stride,
    states,  # (rows, units), of the cell
    tanh_cell,  # (rows of steps, units)
    gates,  # (rows of steps, 4 * units)
    save,
    last_hidden,  # (batch, real): the result, as are the next two
    last_cell,  # (batch, real)
    outputs,  # (batch, time, real), or (0,)
):
    """`forward` on flat arrays."""
    batch = len(lengths)
    units = (real + WIDE - 1) // WIDE * WIDE
    order, falling, active, start = plan(lengths, time)
    if not save:
        for t in range(len(start)):
            start[t] = t % 2 * batch  # two buffers in turn: older steps are not read again
    panels = zeros((features + units + 1) * 4 * units)
    pack(kernel, recurrent_kernel, bias, features, real, units, panels, panels[:0])
    sums = zeros(ROWS * PANEL)
    for r in range(batch):
        for k in range(units):
            inputs[r * stride + features + k] = hidden[order[r] * real + k] if k < real else 0
            states[r * units + k] = cell[order[r] * real + k] if k < real else 0
    for t in range(len(active)):
        for r in range(active[t]):
            place = order[r] * time + (falling[r] - 1 - t if reverse else t)
            at = (start[t] + r) * stride
            copy(x, place * features, inputs, at, features)
            inputs[at + features + units] = 1  # times the bias
        saved = start[t + 1] - batch if save else 0
        step(inputs, stride, features, active[t], start[t], start[t + 1], states, tanh_cell, gates,
             saved, panels, units, sums, save)  # fmt: skip
        if len(outputs):
            for r in range(active[t]):
                place = order[r] * time + (time - falling[r] if reverse else 0) + t
                at = (start[t + 1] + r) * stride + features
                copy(inputs, at, outputs, place * real, real)
    for r in range(batch):  # a row's final states are where its last step wrote them
        row = start[falling[r]] + r
        copy(inputs, row * stride + features, last_hidden, order[r] * real, real)
        copy(states, row * units, last_cell, order[r] * real, real)


@compiled
def _backward(
    lengths,  # (batch,)
    time,
    features,
    kernel,  # (features, 4 * real)
    recurrent_kernel,  # (real, 4 * real)
    bias,  # (4 * real,)
    real,
    reverse,
    inputs,  # (rows, stride), as `_forward` left them, and the next three
    stride,
    states,  # (rows, units)
    tanh_cell,  # (rows of steps, units)
    gates,  # (rows of steps, 4 * units)
    dlast_hidden,  # (batch, real)
    dlast_cell,  # (batch, real)
    doutputs,  # (batch, time, real), or (0,)
    dx,  # (batch, time, features): the result, as are those below
    dhidden,  # (batch, real)
    dcell,  # (batch, real)
    dkernel,  # (features, 4 * real)
    drecurrent_kernel,  # (real, 4 * real)
    dbias,  # (4 * real,)
):
    """`backward` on flat arrays, from the last step to the first.

    Let z = [features, hidden state, 1] · W be the pre-activations of a step's gates. Each step
    computes the gradient of z from that of its new states (`gate_gradients`), and from it, times
    Wᵀ, the gradients of its features and of the states before it (`input_gradients`). The gradient
    of W is the sum over the steps of inputsᵀ times the gradient of z (`add_products`).
    """
    batch = len(lengths)
    units = (real + WIDE - 1) // WIDE * WIDE
    width = 4 * units
    columns = (features + units + WIDE - 1) // WIDE * WIDE
    # Padded by a cache line: with a power of two of bytes from row to row, all rows would compete
    # for the same few sets of the cache.
    apart = width + LINE
    apart_inputs = columns + LINE
    order, falling, active, start = plan(lengths, time)
    panels = zeros(columns * width)
    pack(kernel, recurrent_kernel, bias, features, real, units, panels[:0], panels)
    dinputs = zeros(batch * apart_inputs)  # of the features and of the hidden states
    dc = zeros(batch * units)
    for r in range(batch):
        copy(dlast_hidden, order[r] * real, dinputs, r * apart_inputs + features, real)
        copy(dlast_cell, order[r] * real, dc, r * units, real)
        # The gradient of the padding is 0.
        for k in range((order[r] * time + falling[r]) * features, (order[r] + 1) * time * features):
            dx[k] = 0
    room = CHUNK + batch
    gradients = zeros(room * apart)
    sums = zeros(stride * width)
    nothing = zeros(PANEL)
    first = room
    for t in range(len(active) - 1, -1, -1):
        # Rows whose last step this is join here: the gradients of their final states have been in
        # dinputs and dc from the start.
        rows = active[t]
        if len(doutputs):
            for r in range(rows):
                at = (order[r] * time + (time - falling[r] if reverse else 0) + t) * real
                for k in range(real):
                    dinputs[r * apart_inputs + features + k] += doutputs[at + k]
        first -= rows
        gate_gradients(dinputs, features, apart_inputs, dc, rows, units, states, start[t],
                       tanh_cell, gates, start[t + 1] - batch, gradients, first, apart)  # fmt: skip
        input_gradients(gradients, first, apart, width, rows, panels, columns, nothing, dinputs,
                        apart_inputs)  # fmt: skip
        for r in range(rows):
            place = order[r] * time + (falling[r] - 1 - t if reverse else t)
            copy(dinputs, r * apart_inputs, dx, place * features, features)
        # Summed up for many rows at a time, since `sums` is as large as the weights and is read and
        # written once for each call. Rows of the step before are adjacent unless some ended there.
        if t == 0 or room - first >= CHUNK or start[t - 1] + active[t - 1] != start[t]:
            add_products(inputs, stride, start[t], gradients, first, apart, width, room - first,
                         sums)  # fmt: skip
            first = room
    for r in range(batch):
        copy(dinputs, r * apart_inputs + features, dhidden, order[r] * real, real)
        copy(dc, r * units, dcell, order[r] * real, real)
    unpack(sums, stride, features, real, units, dkernel, drecurrent_kernel, dbias)


def forward(
    x: Floats,
    lengths: Integers,
    hidden: Floats,
    cell: Floats,
    kernel: Floats,
    recurrent_kernel: Floats,
    bias: Floats,
    *,
    reverse: bool,
    sequences: bool,
    save: bool,
) -> tuple[Floats, Floats, Floats, Floats]:
    """Runs an LSTM over a batch.

    Args:
        x: (batch, time, features).
        lengths: (batch,), number of steps of each row; later ones are padding.
        hidden, cell: (batch, units), the initial states.
        kernel, recurrent_kernel, bias: as keras.layers.LSTM has them.
        reverse: read every row from its last step to its first.
        sequences: whether to return the outputs of all steps.
        save: whether to return the activations that `backward` needs.

    Returns:
        hidden, cell: (batch, units), after each row's last step.
        outputs: (batch, time, units), in the order in which steps are processed; 0 at the padding,
            which comes last, or first with `reverse`. Without `sequences`, of shape (0,).
        saved: flat; of shape (0,) without `save`.
    """
    (batch, time, features), real = x.shape, hidden.shape[1]
    rows = int(lengths.sum()) if save else batch
    saved, stride, *activations = parts(None, rows, batch, features, real)
    last_hidden, last_cell = np.empty_like(hidden), np.empty_like(cell)
    outputs = np.zeros((batch, time, real) if sequences else 0, np.float32)
    inputs = (hidden, cell, kernel, recurrent_kernel, bias)
    _forward(
        *(x.reshape(-1), lengths, time, features, *(a.reshape(-1) for a in inputs), real, reverse),
        *(activations[0], stride, *activations[1:], save),
        *(a.reshape(-1) for a in (last_hidden, last_cell, outputs)),
    )
    return last_hidden, last_cell, outputs, saved if save else saved[:0]


def backward(
    shape: Integers,
    lengths: Integers,
    kernel: Floats,
    recurrent_kernel: Floats,
    bias: Floats,
    saved: Floats,
    dhidden: Floats,
    dcell: Floats,
    doutputs: Floats,
    *,
    reverse: bool,
) -> tuple[Floats, Floats, Floats, Floats, Floats, Floats]:
    """Computes the gradients of the arguments of `forward`.

    Args:
        shape: of x.
        lengths, kernel, recurrent_kernel, bias, reverse: as they were given to `forward`.
        saved: what it returned.
        dhidden, dcell: (batch, units), gradients of the last states.
        doutputs: gradient of the outputs, of their shape.

    Returns:
        Gradients of x, the initial hidden and cell states, kernel, recurrent_kernel and bias.
    """
    (batch, time, features), real = shape.tolist(), dhidden.shape[1]
    _, stride, *activations = parts(saved, int(lengths.sum()), batch, features, real)
    like = (dhidden, dcell, kernel, recurrent_kernel, bias)
    gradients: Any = (empty(batch, time, features), *(np.empty_like(a) for a in like))
    _backward(
        *(lengths, time, features, *(a.reshape(-1) for a in (kernel, recurrent_kernel, bias))),
        *(real, reverse, activations[0], stride, *activations[1:]),
        *(a.reshape(-1) for a in (dhidden, dcell, doutputs)),
        *(a.reshape(-1) for a in gradients),
    )
    result: tuple[Floats, Floats, Floats, Floats, Floats, Floats] = gradients
    return result
