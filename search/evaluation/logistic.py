"""Compiled logistic regression on sparse rows, reproducible in any thread and process.

Regularised logistic regression with a penalty of ½ |w|², by coordinate descent in the dual (Yu,
Huang & Lin 2011, "Dual coordinate descent methods for logistic regression and maximum entropy
models"). It is what liblinear solves, whose random numbers are one state for all threads, and it
takes rows and scaled columns as they lie, where that takes a copy of the matrix for each fit.
"""

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

PASSES = 60  # over the rows, at most; most fits take 5 to 15
TOLERANCE = 0.3  # of the largest gradient of a pass: nothing that counts changes below it
INNER = 0.1  # that of one row's own problem, at first
STEPS = 30  # of Newton, in one row's own problem

Floats = npt.NDArray[np.float64]


def fit(
    matrix: Any,
    scale: Floats,
    rows: npt.NDArray[np.int64],
    positive: npt.NDArray[np.bool_],
    penalties: Floats,
    passes: int = PASSES,
) -> tuple[Floats, float]:
    """Fits coefficients and intercept; the intercept is regularised, too.

    Args:
        matrix: CSR, float64, (all rows, columns).
        scale: factor of each column, (columns,).
        rows: indices of the rows to fit to.
        positive: whether each of all rows belongs to the class.
        penalties: of all rows: C times the weight of the row; positive.
        passes: over the rows, at most.

    Returns:
        Coefficients of the columns as they are, (columns,): those of the scaled ones times the
        scale. And the intercept.
    """
    weights = _fit(
        *(matrix.indptr, matrix.indices, matrix.data, scale, rows.copy(), positive, penalties),
        passes,
    )
    return weights[:-1], float(weights[-1])


def scores(
    matrix: Any, rows: npt.NDArray[np.int64], coefficients: Floats, intercept: float
) -> Floats:
    """The log-odds of some rows, (rows,)."""
    found: Floats = _scores(matrix.indptr, matrix.indices, matrix.data, coefficients, rows)
    return found + intercept


@numba.njit(cache=True, nogil=True)
def _scores(offsets: Any, columns: Any, values: Any, weights: Any, rows: Any) -> Any:
    result = np.zeros(len(rows))
    for number in range(len(rows)):
        total = 0.0
        for place in range(offsets[rows[number]], offsets[rows[number] + 1]):
            total += values[place] * weights[columns[place]]
        result[number] = total
    return result


@numba.njit(cache=True, nogil=True)
def _fit(
    offsets: Any,
    columns: Any,
    values: Any,
    scale: Any,
    order: Any,
    positive: Any,
    penalties: Any,
    passes: int,
) -> Any:
    # Of the columns as they are, so that a margin needs one look-up for each value, and the scale
    # is needed only where a row moves; the last one is the intercept.
    weights = np.zeros(len(scale) + 1)
    steep = scale * scale
    count = len(order)
    # Each row has a dual variable between 0 and its penalty; near 0 its loss is hardly felt.
    dual = np.empty(len(positive))
    squares = np.empty(len(positive))
    for number in range(count):
        row = order[number]
        dual[row] = min(1e-3 * penalties[row], 1e-8)
        squares[row] = 1.0
        move = dual[row] if positive[row] else -dual[row]
        for place in range(offsets[row], offsets[row + 1]):
            value, column = values[place], columns[place]
            squares[row] += value * value * steep[column]
            weights[column] += move * value * steep[column]
        weights[-1] += move
    inner, state = INNER, np.uint64(88172645463325252)
    for _ in range(passes):
        for number in range(count - 1, 0, -1):  # in another order each time (Fisher & Yates)
            state ^= state << np.uint64(13)  # xorshift (Marsaglia 2003)
            state ^= state >> np.uint64(7)
            state ^= state << np.uint64(17)
            other = int(state % np.uint64(number + 1))
            order[number], order[other] = order[other], order[number]
        largest, steps = 0.0, 0
        for number in range(count):
            row = order[number]
            sign = 1.0 if positive[row] else -1.0
            margin = weights[-1]
            for place in range(offsets[row], offsets[row + 1]):
                margin += values[place] * weights[columns[place]]
            margin *= sign
            most, square = penalties[row], squares[row]
            # Of the variable and the rest to its penalty, the smaller one at the optimum is solved
            # for: there the logarithm is steep, and numbers near the penalty would lose digits.
            turned = 0.5 * square * (most - 2 * dual[row]) + margin < 0
            before = most - dual[row] if turned else dual[row]
            slope_there = -margin if turned else margin
            now = before if most - before >= 0.5 * most else 0.1 * before
            slope = square * (now - before) + slope_there + np.log(now / (most - now))
            largest = max(largest, abs(slope))
            moved = False
            for _ in range(STEPS):
                if abs(slope) < inner:
                    break
                step = now - slope / (square + most / (most - now) / now)
                now = step if step > 0 else 0.1 * now
                slope = square * (now - before) + slope_there + np.log(now / (most - now))
                moved = True
                steps += 1
            if not moved:
                continue
            dual[row] = most - now if turned else now
            move = sign * ((before - now) if turned else (now - before))
            for place in range(offsets[row], offsets[row + 1]):
                column = columns[place]
                weights[column] += move * values[place] * steep[column]
            weights[-1] += move
        if largest < TOLERANCE:
            break
        if steps <= count // 10:  # the rows' own problems are solved: more exactly, then
            inner = max(1e-8, 0.1 * inner)
    return weights
