"""One time step of an LSTM forward and backward, near the CPU's peak speed.

Keras runs an LSTM on a CPU as a dozen small operations per step. Here a step passes over the rows
once: for some rows and a block of units at a time, the products of all four gates are summed up,
and the activations are applied while the sums are in the L1 cache (Hochreiter & Schmidhuber 1997;
the gates are those of keras.layers.LSTM).

All arrays are flat and contiguous. Units are rounded up to whole blocks of WIDE; the additional
ones stay 0. The gates of a row are stored block by block: WIDE numbers each of the input, forget,
cell and output gate. Their gradients have the same layout, but in blocks of eight for any WIDE, so
that the order of summation does not depend on it. A panel is a row-major matrix of PANEL columns.
"""

import numba
import numpy as np

from search.compiled.tiles import PANEL, narrow_product, product
from search.compiled.vectors import (
    LANES,
    compiled,
    fma,
    inlined,
    like,
    load,
    load_wide,
    sigmoid,
    store,
    store_eights,
    tanh,
    without_tiny,
)
from search.compiled.width import WIDE

EIGHTS = 4 * LANES  # gates of eight units
ROWS = 24  # whose sums are kept for the activations at a time: whole tiles that fit the L1 cache

# Typed constants: numba would compile another `product` for every literal argument.
ZERO, ONE, PANELS, VECTORS = np.int64(0), np.int64(1), np.int64(PANEL), np.int64(WIDE)

# Gradients vanish over hundreds of steps; denormal numbers (below 1e-38) are many times slower.
TINY = np.float32(1e-30)

# fmt: off


@compiled
def copy(source, source_at, target, target_at, count):
    """Copies `count` numbers."""
    k = 0
    while k + LANES <= count:
        store(target, target_at + k, load(source, source_at + k))
        k += LANES
    while k < count:
        target[target_at + k] = source[source_at + k]
        k += 1


@inlined
def _cell(sums, at, hidden, hidden_at, cell, before, after, tanh_cell, u, gates, w, save):
    """Applies the activations for one row and block of units, and stores the new states."""
    i = sigmoid(load_wide(sums, at))
    f = sigmoid(load_wide(sums, at + WIDE))
    g = tanh(load_wide(sums, at + 2 * WIDE))
    o = sigmoid(load_wide(sums, at + 3 * WIDE))
    c = fma(f, load_wide(cell, before), i * g)
    t = tanh(c)
    store(cell, after, c)
    store(hidden, hidden_at, o * t)
    if save:
        store(tanh_cell, u, t)
        store(gates, w, i)
        store(gates, w + WIDE, f)
        store(gates, w + 2 * WIDE, g)
        store(gates, w + 3 * WIDE, o)


@compiled
def step(inputs, stride, features, rows, before, after, cell, tanh_cell, gates, saved,
         panels, units, sums, save):
    """One time step.

    Args:
        inputs: rows of [features, hidden state, 1], `stride` numbers long; those of the step
            begin at row `before`, and their new hidden states go to the rows from `after` on.
        rows: how many.
        cell: cell states, in rows likewise.
        tanh_cell, gates, saved: what the backward functions need, from row `saved` on, if `save`.
        panels: for each block of units the features + units + 1 weights of its gates, the bias
            last.
        sums: room for ROWS × PANEL numbers.
    """
    width = 4 * units
    count = features + units
    for block in range(units // WIDE):
        w = block * (count + 1) * PANEL
        u = block * WIDE
        for first in range(0, rows, ROWS):
            some = min(ROWS, rows - first)
            product(some, inputs, (before + first) * stride, stride, ONE, count, panels, w, PANELS,
                    panels, w + count * PANEL, ZERO, sums, ZERO, PANELS)
            for r in range(first, first + some):
                _cell(sums, (r - first) * PANEL, inputs, (after + r) * stride + features + u,
                      cell, (before + r) * units + u, (after + r) * units + u,
                      tanh_cell, (saved + r) * units + u, gates, (saved + r) * width + 4 * u, save)


@compiled
def gate_gradients(dh, dh_at, apart_h, dc, rows, units, cell, before, tanh_cell, gates, saved,
                   target, at, apart):
    """Computes the gradients of the pre-activations of the gates of one step.

    The derivative of a sigmoid s is s (1 - s), that of a tanh t is 1 - t².

    Args:
        dh, dh_at, apart_h: gradients of the hidden states after the step, rows so far apart.
        dc: those of the cell states, which become those before it, as far as they do not go
            through the gates.
        rows: how many.
        cell, before: cell states, those before the step beginning at that row.
        tanh_cell, gates, saved: what `step` saved, from that row on.
        target, at, apart: where the gradients go, from that row on, rows so far apart.
    """
    for r in range(rows):
        for u in range(0, units, WIDE):
            w = ((saved + r) * units + u) * 4
            i = load_wide(gates, w)
            f = load_wide(gates, w + WIDE)
            g = load_wide(gates, w + 2 * WIDE)
            o = load_wide(gates, w + 3 * WIDE)
            t = load_wide(tanh_cell, (saved + r) * units + u)
            one = like(t, numba.float32(1.0))
            h = without_tiny(load_wide(dh, dh_at + r * apart_h + u), TINY)
            # Of the cell state: through tanh into the hidden state, and from the step after.
            c = fma(h * o, one - t * t, without_tiny(load_wide(dc, r * units + u), TINY))
            # What the cell passes on: the forget gate is all that stands in between.
            store(dc, r * units + u, c * f)
            w = (at + r) * apart + 4 * u
            before_step = load_wide(cell, (before + r) * units + u)
            store_eights(target, w, EIGHTS, c * g * i * (one - i))
            store_eights(target, w + LANES, EIGHTS, c * before_step * f * (one - f))
            store_eights(target, w + 2 * LANES, EIGHTS, c * i * (one - g * g))
            store_eights(target, w + 3 * LANES, EIGHTS, h * t * o * (one - o))


@compiled
def input_gradients(gradients, first, apart, width, rows, panels, columns, nothing, target,
                    apart_target):
    """Computes the gradients of a step's inputs: the gradients of its gates times Wᵀ.

    Args:
        gradients, first, apart: rows of `width`, from that one on, so far apart.
        rows: how many.
        panels, columns: the weights' columns, a multiple of WIDE; first the panels of PANEL, then
            others of WIDE.
        nothing: PANEL zeros.
        target, apart_target: the result, rows so far apart.
    """
    column = ZERO
    while column + PANEL <= columns:
        product(rows, gradients, first * apart, apart, ONE, width, panels, column * width, PANELS,
                nothing, ZERO, ZERO, target, column, apart_target)
        column += PANEL
    while column < columns:
        narrow_product(rows, gradients, first * apart, apart, ONE, width, panels, column * width,
                       VECTORS, nothing, ZERO, ZERO, target, column, apart_target)
        column += WIDE


@compiled
def add_products(inputs, stride, first, gradients, gradients_first, apart, width, rows, panels):
    """Adds inputsᵀ (stride × rows) · gradients (rows × width) to panels of stride rows.

    Args:
        inputs, first: rows of `stride`, from that one on.
        gradients, gradients_first, apart: rows of `width`, from that one on, so far apart.
    """
    for column in range(0, width, PANEL):
        product(stride, inputs, first * stride, ONE, stride, rows,
                gradients, gradients_first * apart + column, apart,
                panels, column * stride, PANELS, panels, column * stride, PANELS)


# fmt: on
