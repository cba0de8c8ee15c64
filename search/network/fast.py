"""The network of `build.py` in compiled code: its probabilities and its gradients.

TensorFlow takes two milliseconds to start the few dozen operations of a training step, and a
second to trace them for every new size; this takes neither, and needs no TensorFlow in a worker.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from search.network import recurrence
from search.network.adam import Rows
from search.network.space import Configuration
from search.network.threads import side_by_side
from search.network.vectors import LANES, compiled, load, store
from search.network.weights import Shape, Weights

Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int32]

NO_OUTPUTS = np.empty(0, np.float32)  # no gradient of the outputs of all steps


@compiled
def _look_up(table, width, ids, lengths, scale, x):
    """x (batch, time, width), flat: each token's row of the table times its text's `scale`."""
    batch, time = ids.shape
    for r in range(batch):
        for t in range(lengths[r]):
            source, target = ids[r, t] * width, (r * time + t) * width
            k = 0
            while k + LANES <= width:
                store(x, target + k, load(table, source + k) * load(scale, r * width + k))
                k += LANES
            while k < width:
                x[target + k] = table[source + k] * scale[r * width + k]
                k += 1


@compiled
def _token_gradients(first, second, width, ids, lengths, scale, tokens, rows):
    """Gradients of the looked-up rows, one after another, from both directions' gradients of x."""
    batch, time = ids.shape
    n = 0
    for r in range(batch):
        for t in range(lengths[r]):
            tokens[n] = ids[r, t]
            source, target = (r * time + t) * width, n * width
            k = 0
            while k + LANES <= width:
                total = load(first, source + k) + load(second, source + k)
                store(rows, target + k, total * load(scale, r * width + k))
                k += LANES
            while k < width:
                rows[target + k] = first[source + k] + second[source + k]
                rows[target + k] *= scale[r * width + k]
                k += 1
            n += 1


class FastNetwork:
    """Embedding → spatial dropout → Bidirectional(LSTM) → dropout → Dense.

    Args:
        configuration: sizes and dropout.
        shape: what the data dictate.

    Attributes:
        weights: in the order of the Keras model's; to be changed in place.
        dropout: the rate.
    """

    def __init__(self, configuration: Configuration, shape: Shape) -> None:
        features, units = configuration.embedding_dim, configuration.lstm_units
        lstm = [(features, 4 * units), (units, 4 * units), (4 * units,)]
        sizes = [(shape.vocabulary_size, features), *lstm, *lstm]
        sizes += [(2 * units, shape.outputs), (shape.outputs,)]
        self.weights: Weights = [np.zeros(size, np.float32) for size in sizes]
        self.dropout = configuration.dropout
        self._units = units

    def probabilities(self, ids: Ids) -> Floats:
        """As the Keras model in inference.

        Args:
            ids: (batch, time), padded with 0 on the right.

        Returns:
            (batch, outputs).
        """
        everything = np.ones((len(ids), self.weights[0].shape[1]), np.float32)
        hidden = self._read(ids, _lengths(ids), everything, save=False)[0]
        return _activated(hidden @ self.weights[-2] + self.weights[-1])

    def loss_and_gradients(
        self, ids: Ids, labels: Ids, generator: np.random.Generator
    ) -> tuple[float, list[Floats | Rows]]:
        """The mean cross-entropy in training, and its gradient by each weight.

        Args:
            ids: (batch, time), padded with 0 on the right.
            labels: (batch,), class indices.
            generator: draws what is dropped.

        Returns:
            The loss, and the gradients as `Adam.apply` takes them: the embedding's is the ids of
            the batch's tokens and a row for each.
        """
        _, *lstm, kernel, bias = self.weights
        batch, time = ids.shape
        width = self.weights[0].shape[1]
        lengths = _lengths(ids)
        scale = self._dropped(generator, batch, width)
        hidden, saved = self._read(ids, lengths, scale, save=True)
        hidden_scale = self._dropped(generator, *hidden.shape)
        hidden = hidden * hidden_scale
        probabilities = _activated(hidden @ kernel + bias)
        loss, d = cross_entropy(probabilities, labels), _logit_gradients(probabilities, labels)
        dhidden = (d @ kernel.T) * hidden_scale
        dcell = np.zeros((batch, self._units), np.float32)
        shape = np.array([batch, time, width])

        def backward(direction: int) -> Any:
            mine = slice(direction * self._units, (direction + 1) * self._units)
            weights = lstm[3 * direction : 3 * direction + 3]
            upstream = (np.ascontiguousarray(dhidden[:, mine]), dcell, NO_OUTPUTS)
            inputs: Any = (shape, lengths, *weights, saved[direction], *upstream)
            return recurrence.backward(*inputs, reverse=direction == 1)

        forwards, backwards = side_by_side(backward)
        tokens = np.empty(int(lengths.sum()), np.int32)
        rows = np.empty((len(tokens), width), np.float32)
        _token_gradients(
            *(forwards[0].reshape(-1), backwards[0].reshape(-1), width, ids, lengths),
            *(scale.reshape(-1), tokens, rows.reshape(-1)),
        )
        dense = [hidden.T @ d, d.sum(axis=0)]
        return loss, [(tokens, rows), *forwards[3:], *backwards[3:], *dense]

    def _read(
        self, ids: Ids, lengths: Ids, scale: Floats, *, save: bool
    ) -> tuple[Floats, list[Floats]]:
        """The last hidden states of both directions, (batch, 2 * units), and what they saved."""
        table, *lstm = self.weights[:7]
        width = table.shape[1]
        x = np.empty((*ids.shape, width), np.float32)
        _look_up(table.reshape(-1), width, ids, lengths, scale.reshape(-1), x.reshape(-1))
        zeros = np.zeros((len(ids), self._units), np.float32)

        def forward(direction: int) -> Any:
            weights = lstm[3 * direction : 3 * direction + 3]
            inputs: Any = (x, lengths, zeros, zeros, *weights)
            return recurrence.forward(*inputs, reverse=direction == 1, sequences=False, save=save)

        both = side_by_side(forward)
        hidden = np.concatenate([result[0] for result in both], axis=1)
        return hidden, [result[3] for result in both]

    def _dropped(self, generator: np.random.Generator, rows: int, columns: int) -> Floats:
        """0 for what is dropped, and for the rest what keeps the mean; one row for each text."""
        if not self.dropout:
            return np.ones((rows, columns), np.float32)
        kept = generator.random((rows, columns), np.float32) >= self.dropout
        return kept * np.float32(1 / (1 - self.dropout))


def _lengths(ids: Ids) -> Ids:
    lengths: Ids = np.count_nonzero(ids, axis=1).astype(np.int32)
    return lengths


def _activated(logits: Floats) -> Floats:
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
    if probabilities.shape[1] == 1:
        right = np.where(labels == 1, probabilities[:, 0], 1 - probabilities[:, 0])
    else:
        right = probabilities[np.arange(len(labels)), labels]
    # maximum() passes NaN on; the bound is that of Keras.
    return float(-np.log(np.maximum(right.astype(np.float64), 1e-7)).mean())


def _logit_gradients(probabilities: Floats, labels: Ids) -> Floats:
    """The gradient of the mean cross-entropy by the logits, (rows, outputs)."""
    if probabilities.shape[1] == 1:
        d = probabilities - labels[:, np.newaxis].astype(np.float32)
    else:
        d = probabilities.copy()
        d[np.arange(len(labels)), labels] -= 1
    return d / np.float32(len(labels))
