"""Keras' Adam (Kingma & Ba 2015) in one pass over each weight, in compiled code.

Keras makes a dozen passes over the embedding for every batch, and a dozen small operations for
every other weight. Here each number is read and written once.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from search.blas import one_thread
from search.compiled.threads import side_by_side
from search.compiled.vectors import LANES, compiled, fma, load, splat, sqrt, store
from search.network.weights import Weights

BETA_1 = 0.9
BETA_2 = 0.999
EPSILON = 1e-7

Floats = npt.NDArray[np.float32]
Rows = tuple[npt.NDArray[np.int32], Floats]


@compiled
def _update(weight, first, second, at, gradient, squares, gradient_at, count, alpha):
    """Updates weight[at : at + count] and its moments from a gradient and its squares."""
    one_less_1 = np.float32(1 - BETA_1)
    one_less_2 = np.float32(1 - BETA_2)
    epsilon = np.float32(EPSILON)
    k = 0
    while k + LANES <= count:
        m = load(first, at + k)
        v = load(second, at + k)
        m = fma(load(gradient, gradient_at + k) - m, splat(one_less_1), m)
        v = fma(load(squares, gradient_at + k) - v, splat(one_less_2), v)
        store(first, at + k, m)
        store(second, at + k, v)
        step = m * splat(alpha) / (sqrt(v) + splat(epsilon))
        store(weight, at + k, load(weight, at + k) - step)
        k += LANES
    while k < count:
        i = at + k
        first[i] += (gradient[gradient_at + k] - first[i]) * one_less_1
        second[i] += (squares[gradient_at + k] - second[i]) * one_less_2
        weight[i] -= first[i] * alpha / (np.sqrt(second[i]) + epsilon)
        k += 1


@compiled
def _update_dense(weight, first, second, gradient, alpha):
    """Updates a whole weight."""
    squares = np.empty_like(gradient)
    for k in range(len(gradient)):
        squares[k] = gradient[k] * gradient[k]
    _update(weight, first, second, 0, gradient, squares, 0, len(weight), alpha)


@compiled
def _add_up(gradient, ids, width, used):
    """Sums up the gradients of repeated rows, and their squares.

    Returns:
        place: for every row of the table, its row in the sums; 0 if it has none.
        total, squares: the sums, flat; the first row of each is all zeros.
    """
    place = np.zeros(len(used), np.int32)
    rows = 1
    for n in range(len(ids)):
        if place[ids[n]] == 0:
            place[ids[n]] = rows
            rows += 1
            used[ids[n]] = True
    total = np.zeros(rows * width, np.float32)
    squares = np.zeros(rows * width, np.float32)
    for n in range(len(ids)):
        at = place[ids[n]] * width
        k = 0
        while k + LANES <= width:
            g = load(gradient, n * width + k)
            store(total, at + k, load(total, at + k) + g)
            store(squares, at + k, fma(g, g, load(squares, at + k)))
            k += LANES
        while k < width:
            total[at + k] += gradient[n * width + k]
            squares[at + k] += gradient[n * width + k] ** 2
            k += 1
    return place, total, squares


@compiled
def _update_rows(weight, first, second, used, place, total, squares, width, begin, end, alpha):
    """Updates the rows of a table from `begin` to `end`."""
    for row in range(begin, end):
        if used[row]:  # the others have no momentum: their update is 0
            at = place[row] * width
            _update(weight, first, second, row * width, total, squares, at, width, alpha)


class Adam:
    """The optimizer of one network: updates arrays in place as keras.optimizers.Adam does.

    As in Keras, for a token that occurs several times in a batch the squares of its gradients are
    summed up; a dense gradient would have the square of their sum.

    Args:
        weights: contiguous arrays.
        weight_decay: decoupled weight decay of every matrix but the first, the embedding (AdamW,
            Loshchilov & Hutter 2019).
        clipnorm: gradients are clipped to this global norm; 0 for no clipping.
    """

    def __init__(self, weights: Weights, weight_decay: float = 0.0, clipnorm: float = 0.0) -> None:
        self.weights = weights
        self._weight_decay = weight_decay
        self._clipnorm = clipnorm
        self.first = [np.zeros_like(weight) for weight in weights]
        self.second = [np.zeros_like(weight) for weight in weights]
        self.steps = 0
        # Rows of each table that ever had a gradient.
        self._used = [np.zeros(len(weight), np.bool_) for weight in weights]

    def apply(self, gradients: list[Floats | Rows], learning_rate: float) -> None:
        """Makes one optimizer step.

        Args:
            gradients: for each weight an array of its shape, or (ids, rows): the gradients of
                single rows, (n,) and (n, width), in which ids may be repeated. They may be
                changed.
            learning_rate: of this step.
        """
        if self._clipnorm:
            _clip(gradients, self._clipnorm)
        if self._weight_decay:
            for weight in self.weights[1:]:
                if weight.ndim == 2:
                    weight *= np.float32(1 - self._weight_decay * learning_rate)
        self.steps += 1
        correction = math.sqrt(1 - BETA_2**self.steps) / (1 - BETA_1**self.steps)
        alpha = np.float32(learning_rate * correction)
        for weight, first, second, used, gradient in zip(
            self.weights, self.first, self.second, self._used, gradients, strict=True
        ):
            flat = (weight.reshape(-1), first.reshape(-1), second.reshape(-1))
            if isinstance(gradient, tuple):
                self._apply_rows(flat, used, weight.shape[1], gradient, alpha)
            else:
                _update_dense(*flat, gradient.reshape(-1), alpha)

    def _apply_rows(
        self, flat: Any, used: npt.NDArray[np.bool_], width: int, gradient: Rows, alpha: np.float32
    ) -> None:
        ids, rows = gradient
        place, total, squares = _add_up(rows.reshape(-1), ids, width, used)
        if self._clipnorm:  # Keras makes a clipped gradient dense
            np.square(total, out=squares)
        sums = (place, total, squares)
        middle = len(used) // 2
        bounds = ((0, middle), (middle, len(used)))
        side_by_side(lambda half: _update_rows(*flat, used, *sums, width, *bounds[half], alpha))

    def state(self) -> list[npt.NDArray[Any]]:
        """Returns copies of its state: steps, used rows of tables, first and second moments.

        The moments of a table are those of its used rows: most words occur in no training text.
        """
        moments = zip((*self.first, *self.second), 2 * self._used, strict=True)
        return [
            np.array(self.steps),
            *map(np.copy, self._used),
            *(array[used] if used.any() else array.copy() for array, used in moments),
        ]

    def restore(self, state: list[npt.NDArray[Any]]) -> None:
        """Restores what `state` returned."""
        self.steps, count = int(state[0]), len(self._used)
        for used, value in zip(self._used, state[1 : 1 + count], strict=True):
            used[:] = value
        moments = zip((*self.first, *self.second), 2 * self._used, state[1 + count :], strict=True)
        for array, used, value in moments:
            if used.any():
                array[:] = 0
                array[used] = value
            else:
                array[:] = value


@one_thread
def _clip(gradients: list[Floats | Rows], largest: float) -> None:
    """Scales gradients in place so that their norm together is `largest` at most.

    Like Keras', the norm of an embedding's gradient is that of its rows, repeated ones apart.
    """
    arrays = [g[1] if isinstance(g, tuple) else g for g in gradients]
    norm = math.sqrt(sum(float(np.vdot(array, array)) for array in arrays))
    if norm > largest:
        for array in arrays:
            array *= np.float32(largest / norm)
