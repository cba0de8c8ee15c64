"""The network of `build.py` in compiled code: forward pass, loss and gradients.

TensorFlow takes two milliseconds to launch the few dozen operations of a training step, and a
second to trace them for every new shape. This code needs neither, and workers need no TensorFlow.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from search.blas import one_thread
from search.compiled import recurrence
from search.compiled.adam import Rows
from search.compiled.embedding import look_up, token_gradients
from search.compiled.loss import Floats, Ids, activated, cross_entropies, targets_of
from search.compiled.pooling import average, largest, to_average, to_largest
from search.compiled.threads import side_by_side
from search.network.space import Configuration
from search.network.weights import Shape, Weights, sizes

NO_OUTPUTS = np.empty(0, np.float32)  # in place of a gradient of the outputs of all steps


@dataclass
class _Pass:
    """Activations of one layer, saved for the backward pass.

    Attributes:
        shape: of the layer's input, (batch, time, features).
        saved: for each direction, the activations that `recurrence.backward` needs.
        steps: for each direction, the argmax of max-pooling, for `to_largest`; otherwise None.
        scale: (batch, features), the spatial dropout of the layer's input.
    """

    shape: tuple[int, ...]
    saved: list[Floats]
    steps: list[Any]
    scale: Floats = field(default_factory=lambda: NO_OUTPUTS)


class FastNetwork:
    """Embedding → spatial dropout → Bidirectional(LSTM) → pooling → dropout → Dense.

    With several layers, each reads the outputs of the one before at every step, after a spatial
    dropout of their own.

    Args:
        configuration: the hyperparameters.
        shape: vocabulary size, number of classes and maximum length.
        class_weights: weight of each class in the loss; None for equal weights.

    Attributes:
        configuration: the hyperparameters.
        weights: arrays in the order of the Keras model's `trainable_weights`; change them in place.
    """

    def __init__(
        self,
        configuration: Configuration,
        shape: Shape,
        class_weights: tuple[float, ...] | None = None,
    ) -> None:
        self.configuration = configuration
        self._class_weights = np.ones(shape.classes, np.float32)
        if class_weights is not None:
            self._class_weights[:] = class_weights
        self.weights: Weights = [np.zeros(s, np.float32) for s in sizes(configuration, shape)]

    @one_thread
    def probabilities(self, ids: Ids) -> Floats:
        """Returns what the Keras model returns in inference.

        Args:
            ids: int32, (batch, time), padded with 0 on the right.

        Returns:
            Probabilities, (batch, outputs).
        """
        hidden, _ = self._read(ids, _lengths(ids), None)
        return activated(hidden @ self.weights[-2] + self.weights[-1])

    @one_thread
    def loss_and_gradients(
        self, ids: Ids, labels: Ids, generator: np.random.Generator
    ) -> tuple[float, list[Floats | Rows]]:
        """Computes the training loss of a batch and its gradients.

        The loss is the mean cross-entropy, each row's weighted by its class.

        Args:
            ids: int32, (batch, time), padded with 0 on the right.
            labels: int32, (batch,), class indices.
            generator: draws the dropout masks.

        Returns:
            The loss, and the gradients as `Adam.apply` takes them; that of the embedding is sparse.
        """
        kernel, bias = self.weights[-2:]
        lengths = _lengths(ids)
        hidden, passes = self._read(ids, lengths, generator)
        hidden_scale = _dropped(generator, self.configuration.dropout, *hidden.shape)
        hidden = hidden * hidden_scale
        probabilities = activated(hidden @ kernel + bias)
        targets = targets_of(labels, probabilities.shape[1], self.configuration.label_smoothing)
        counts = self._class_weights[labels]
        d: Floats = (probabilities - targets) * counts[:, None] / np.float32(len(labels))
        dense = [hidden.T @ d, d.sum(axis=0)]
        inputs, lstm = self._backward((d @ kernel.T) * hidden_scale, lengths, passes)
        tokens = np.empty(int(lengths.sum()), np.int32)
        width = self.weights[0].shape[1]
        rows = np.empty((len(tokens), width), np.float32)
        token_gradients(
            *(inputs[0].reshape(-1), inputs[1].reshape(-1), width, ids, lengths),
            *(passes[0].scale.reshape(-1), tokens, rows.reshape(-1)),
        )
        loss = float((cross_entropies(probabilities, targets) * counts).mean())
        return loss, [(tokens, rows), *lstm, *dense]

    def _read(
        self, ids: Ids, lengths: Ids, generator: np.random.Generator | None
    ) -> tuple[Floats, list[_Pass]]:
        """The forward pass up to the pooled outputs; with dropout if there is a generator.

        Returns:
            hidden: pooled outputs of both directions, (batch, 2 * units).
            passes: the saved activations of each layer.
        """
        configuration, table = self.configuration, self.weights[0]
        training, width = generator is not None, table.shape[1]
        rate = configuration.embedding_dropout
        rate = configuration.dropout if rate < 0 else rate
        x = np.empty((*ids.shape, width), np.float32)
        scale = _dropped(generator, rate, len(ids), width)
        look_up(table.reshape(-1), width, ids, lengths, scale.reshape(-1), x.reshape(-1))
        passes = []
        for layer in range(configuration.layers):
            last = layer == configuration.layers - 1
            hidden, one = self._read_layer(layer, x, lengths, last, training)
            one.scale = scale
            passes.append(one)
            if not last:
                scale = _dropped(generator, configuration.dropout, *hidden.shape[::2])
                x = np.multiply(hidden, scale[:, np.newaxis], dtype=np.float32)
        return hidden, passes

    def _read_layer(
        self, layer: int, x: Floats, lengths: Ids, last: bool, training: bool
    ) -> tuple[Floats, _Pass]:
        """Runs both directions of one layer.

        Returns:
            Outputs at every step, (batch, time, 2 * units), or of the last layer pooled ones,
            (batch, 2 * units); and the saved activations.
        """
        pooling = self.configuration.pooling if last else None
        zeros = np.zeros((len(x), self.configuration.lstm_units), np.float32)

        def forward(direction: int) -> Any:
            reverse = direction == 1
            final, _, outputs, saved = recurrence.forward(
                x, lengths, zeros, zeros, *self._lstm(layer, direction),
                reverse=reverse, sequences=pooling != "last", save=training,
            )  # fmt: skip
            if pooling is None:
                return outputs[:, ::-1] if reverse else outputs, saved, None
            if pooling == "max":
                pooled, steps = largest(outputs, lengths, reverse=reverse)
                return pooled, saved, steps
            if pooling == "mean":
                return average(outputs, lengths, reverse=reverse), saved, None
            return final, saved, None

        results, saved, steps = zip(*side_by_side(forward), strict=True)
        return np.concatenate(results, axis=-1), _Pass(x.shape, list(saved), list(steps))

    def _backward(
        self, dhidden: Floats, lengths: Ids, passes: list[_Pass]
    ) -> tuple[tuple[Floats, Floats], list[Floats]]:
        """The backward pass: gradients of the embedded tokens by direction, and of LSTM weights."""
        gradients: list[Floats] = []
        for layer in reversed(range(len(passes))):
            last = layer == len(passes) - 1
            forwards, backwards = self._layer_backward(layer, passes[layer], dhidden, lengths, last)
            gradients = [*forwards[3:], *backwards[3:], *gradients]
            if layer:
                dhidden = (forwards[0] + backwards[0]) * passes[layer].scale[:, np.newaxis]
        return (forwards[0], backwards[0]), gradients

    def _layer_backward(
        self, layer: int, one: _Pass, dhidden: Floats, lengths: Ids, last: bool
    ) -> tuple[Any, Any]:
        """Returns the result of `recurrence.backward` for each direction of one layer."""
        units, time = self.configuration.lstm_units, one.shape[1]
        pooling = self.configuration.pooling if last else None
        zeros = np.zeros((len(lengths), units), np.float32)

        def backward(direction: int) -> Any:
            reverse = direction == 1
            d = dhidden[..., direction * units : (direction + 1) * units]
            if pooling is None and reverse:
                d = d[:, ::-1]
            final, doutputs = zeros, np.ascontiguousarray(d)
            if pooling == "last":
                final, doutputs = doutputs, NO_OUTPUTS
            elif pooling == "max":
                doutputs = to_largest(doutputs, one.steps[direction], time)
            elif pooling == "mean":
                doutputs = to_average(doutputs, lengths, time, reverse=reverse)
            inputs: Any = (
                *(np.array(one.shape), lengths, *self._lstm(layer, direction)),
                *(one.saved[direction], final, zeros, doutputs.reshape(-1)),
            )
            return recurrence.backward(*inputs, reverse=reverse)

        return side_by_side(backward)

    def _lstm(self, layer: int, direction: int) -> Weights:
        """Kernel, recurrent kernel and bias of one direction of a layer."""
        first = 1 + 6 * layer + 3 * direction
        return self.weights[first : first + 3]


def _dropped(generator: np.random.Generator | None, rate: float, rows: int, columns: int) -> Floats:
    """A dropout mask, (rows, columns): 0 for dropped channels, 1 / (1 - rate) for the others."""
    if generator is None or not rate:
        return np.ones((rows, columns), np.float32)
    kept = generator.random((rows, columns), np.float32) >= rate
    return kept * np.float32(1 / (1 - rate))


def _lengths(ids: Ids) -> Ids:
    lengths: Ids = np.count_nonzero(ids, axis=1).astype(np.int32)
    return lengths
