"""One time step of an LSTM forward and backward, near the speed the CPU multiplies at.

Keras runs an LSTM on a CPU as a dozen small operations a step. Here a step is one pass: for three
rows and eight units at a time the products of all four gates are summed up in registers, and
while they are there the activations are applied (Hochreiter & Schmidhuber 1997; the gates are
those of keras.layers.LSTM).

All arrays are flat and contiguous. Units are rounded up to whole blocks of 8, and what is beyond
them stays 0. The gates of a row are, block after block, 8 numbers each of the input, forget,
cell and output gate, so 32 numbers. A panel is a matrix of 32 columns, row after row.
"""

import numba
import numpy as np

from search.compiled.vectors import (
    LANES,
    compiled,
    fma,
    inlined,
    load,
    load_splat,
    sigmoid,
    splat,
    store,
    tanh,
    without_tiny,
)

BLOCK = LANES  # units
GATES = 4 * BLOCK  # of a block

# Gradients fade through hundreds of steps; below 1e-38 a CPU computes many times slower.
TINY = np.float32(1e-30)

# fmt: off


@inlined
def _tile(a, a0, a1, a2, stride, count, b, at, width,
          c00, c01, c02, c03, c10, c11, c12, c13, c20, c21, c22, c23):
    """Adds a (3 × count) times b (count × 32) to the 3 × 32 numbers in twelve vectors.

    The k-th number of a's row i is a[ai + k * stride]; the k-th row of b begins at
    b[at + k * width]. Twelve sums, three numbers of a and one vector of b are the 16 registers of
    AVX2, and the order of the lines keeps them there.
    """
    for _ in range(count):
        x0 = load_splat(a, a0)
        x1 = load_splat(a, a1)
        x2 = load_splat(a, a2)
        w = load(b, at)
        c00 = fma(x0, w, c00)
        c10 = fma(x1, w, c10)
        c20 = fma(x2, w, c20)
        w = load(b, at + 8)
        c01 = fma(x0, w, c01)
        c11 = fma(x1, w, c11)
        c21 = fma(x2, w, c21)
        w = load(b, at + 16)
        c02 = fma(x0, w, c02)
        c12 = fma(x1, w, c12)
        c22 = fma(x2, w, c22)
        w = load(b, at + 24)
        c03 = fma(x0, w, c03)
        c13 = fma(x1, w, c13)
        c23 = fma(x2, w, c23)
        a0 += stride
        a1 += stride
        a2 += stride
        at += width
    return c00, c01, c02, c03, c10, c11, c12, c13, c20, c21, c22, c23


@inlined
def _store4(target, at, c0, c1, c2, c3):
    store(target, at, c0)
    store(target, at + 8, c1)
    store(target, at + 16, c2)
    store(target, at + 24, c3)


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
def _cell(i, f, g, o, hidden, hidden_at, cell, before, after, tanh_cell, u, gates, w, save):
    """Applies the activations for one row and block, and stores its new states."""
    i, f, g, o = sigmoid(i), sigmoid(f), tanh(g), sigmoid(o)
    c = fma(f, load(cell, before), i * g)
    t = tanh(c)
    store(cell, after, c)
    store(hidden, hidden_at, o * t)
    if save:
        store(tanh_cell, u, t)
        _store4(gates, w, i, f, g, o)


@compiled
def step(inputs, stride, features, rows, before, after, cell, tanh_cell, gates, saved,
         panels, units, save):
    """One time step.

    Args:
        inputs: rows of [features, hidden state, 1, …], `stride` numbers long; those of the step
            begin at row `before`, and their new hidden states go to the rows from `after` on.
        rows: how many.
        cell: cell states, in rows likewise.
        tanh_cell, gates, saved: what the backward functions need, from row `saved` on, if `save`.
        panels: for each block of units the features + units + 1 weights of its gates, the bias
            last.
    """
    width = 4 * units
    count = features + units
    for block in range(units // BLOCK):
        w = block * (count + 1) * GATES
        u = block * BLOCK
        b = block * GATES
        i = load(panels, w + count * GATES)
        f = load(panels, w + count * GATES + 8)
        g = load(panels, w + count * GATES + 16)
        o = load(panels, w + count * GATES + 24)
        for r0 in range(0, rows, 3):
            r1 = min(r0 + 1, rows - 1)  # where there is no such row, the last one once more
            r2 = min(r0 + 2, rows - 1)
            c00, c01, c02, c03, c10, c11, c12, c13, c20, c21, c22, c23 = _tile(
                inputs, (before + r0) * stride, (before + r1) * stride, (before + r2) * stride,
                1, count, panels, w, GATES, i, f, g, o, i, f, g, o, i, f, g, o)
            _cell(c00, c01, c02, c03, inputs, (after + r0) * stride + features + u,
                  cell, (before + r0) * units + u, (after + r0) * units + u,
                  tanh_cell, (saved + r0) * units + u, gates, (saved + r0) * width + b, save)
            _cell(c10, c11, c12, c13, inputs, (after + r1) * stride + features + u,
                  cell, (before + r1) * units + u, (after + r1) * units + u,
                  tanh_cell, (saved + r1) * units + u, gates, (saved + r1) * width + b, save)
            _cell(c20, c21, c22, c23, inputs, (after + r2) * stride + features + u,
                  cell, (before + r2) * units + u, (after + r2) * units + u,
                  tanh_cell, (saved + r2) * units + u, gates, (saved + r2) * width + b, save)


@compiled
def gate_gradients(dh, dc, wide, rows, units, cell, before, tanh_cell, gates, saved,
                   target, at, apart):
    """Gradients of the sums in the gates of one step.

    The derivative of a sigmoid s is s (1 - s), that of a tanh t is 1 - t².

    Args:
        dh, dc: gradients of the states after the step, rows of `wide`; dc becomes that of the
            cell state before it, as far as it does not go through the gates.
        rows: how many.
        cell, before: cell states, those before the step beginning at that row.
        tanh_cell, gates, saved: what `step` saved, from that row on.
        target, at, apart: where the gradients go, from that row on, rows so far apart.
    """
    one = splat(numba.float32(1.0))
    width = 4 * units
    for r in range(rows):
        for block in range(units // BLOCK):
            u = block * BLOCK
            b = block * GATES
            w = (saved + r) * width + b
            i = load(gates, w)
            f = load(gates, w + 8)
            g = load(gates, w + 16)
            o = load(gates, w + 24)
            t = load(tanh_cell, (saved + r) * units + u)
            h = without_tiny(load(dh, r * wide + u), TINY)
            c = fma(h * o, one - t * t, without_tiny(load(dc, r * wide + u), TINY))
            store(dc, r * wide + u, c * f)
            _store4(target, (at + r) * apart + b,
                    c * g * i * (one - i),
                    c * load(cell, (before + r) * units + u) * f * (one - f),
                    c * i * (one - g * g),
                    h * t * o * (one - o))


@compiled
def times_panel(gradients, first, apart, width, rows, panels, panel, target, at, columns):
    """Gradients of the gates times a panel of width × 32: the gradient of what was multiplied.

    Args:
        gradients, first, apart: rows of `width`, from that one on, so far apart.
        rows: how many.
        panels, panel: which of the panels.
        target, at: where row r's first `columns` numbers go, from at[r] + 32 * panel on.
    """
    zero = splat(numba.float32(0.0))
    rest = np.empty(3 * GATES, np.float32)
    for r0 in range(0, rows, 3):
        r1 = min(r0 + 1, rows - 1)
        r2 = min(r0 + 2, rows - 1)
        c00, c01, c02, c03, c10, c11, c12, c13, c20, c21, c22, c23 = _tile(
            gradients, (first + r0) * apart, (first + r1) * apart, (first + r2) * apart,
            1, width, panels, panel * width * GATES, GATES,
            zero, zero, zero, zero, zero, zero, zero, zero, zero, zero, zero, zero)
        t0 = at[r0] + panel * GATES
        t1 = at[r1] + panel * GATES
        t2 = at[r2] + panel * GATES
        if columns >= GATES:
            _store4(target, t0, c00, c01, c02, c03)
            _store4(target, t1, c10, c11, c12, c13)
            _store4(target, t2, c20, c21, c22, c23)
        else:
            _store4(rest, 0, c00, c01, c02, c03)
            _store4(rest, 32, c10, c11, c12, c13)
            _store4(rest, 64, c20, c21, c22, c23)
            for column in range(columns):
                target[t0 + column] = rest[column]
                target[t1 + column] = rest[32 + column]
                target[t2 + column] = rest[64 + column]


@compiled
def add_products(inputs, stride, first, gradients, gradients_first, apart, width, rows, panels):
    """Adds inputsᵀ (stride × rows) · gradients (rows × width) to panels of stride × 32.

    Args:
        inputs, first: rows of `stride`, from that one on.
        gradients, gradients_first, apart: rows of `width`, from that one on, so far apart.
    """
    for block in range(width // GATES):
        for k in range(0, stride, 3):
            w = (block * stride + k) * GATES
            c00, c01, c02, c03, c10, c11, c12, c13, c20, c21, c22, c23 = _tile(
                inputs, first * stride + k, first * stride + k + 1, first * stride + k + 2,
                stride, rows, gradients, gradients_first * apart + block * GATES, apart,
                load(panels, w), load(panels, w + 8), load(panels, w + 16), load(panels, w + 24),
                load(panels, w + 32), load(panels, w + 40), load(panels, w + 48),
                load(panels, w + 56), load(panels, w + 64), load(panels, w + 72),
                load(panels, w + 80), load(panels, w + 88))
            _store4(panels, w, c00, c01, c02, c03)
            _store4(panels, w + 32, c10, c11, c12, c13)
            _store4(panels, w + 64, c20, c21, c22, c23)


# fmt: on
