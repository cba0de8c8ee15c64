"""The shape of a network that follows from the data, and its initial weights; without Keras."""

import math
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from search.blas import one_thread
from search.corpus.batches import InputConfig
from search.network.space import Configuration

Weights = list[npt.NDArray[np.float32]]

# Root mean square of a token's known features in an embedding. Adam takes steps of one size, so
# larger numbers are changed less by training; over 10 runs on rotten-tomatoes the lowest
# validation loss was 0.467 at 0.1, 0.454 at 0.2, 0.449 at 0.3.
FEATURE_SCALE = 0.3


@dataclass(frozen=True)
class Shape:
    """The sizes of a network that follow from the data.

    Attributes:
        vocabulary_size: number of token ids, including padding (0) and OOV (1).
        classes: number of classes; two share one sigmoid output.
        max_length: longer texts are truncated to this many tokens.
    """

    vocabulary_size: int
    classes: int
    max_length: int

    @property
    def outputs(self) -> int:
        return 1 if self.classes == 2 else self.classes

    def of(self, configuration: Configuration) -> Self:
        """The shape for one configuration: vocabulary and length are no larger than its own."""
        return replace(
            self,
            vocabulary_size=min(self.vocabulary_size, configuration.vocabulary_size),
            max_length=min(self.max_length, configuration.max_length),
        )

    def input_config(self, configuration: Configuration) -> InputConfig:
        """How one configuration truncates texts and limits the vocabulary."""
        own = self.of(configuration)
        return InputConfig(own.vocabulary_size, own.max_length, configuration.cut)


def network_name(number: int) -> str:
    """The name of the layer that is one of several networks, counted from 0."""
    return f"network_{number}"


def sizes(configuration: Configuration, shape: Shape) -> list[tuple[int, ...]]:
    """The shapes of all weights, in the order of `model.trainable_weights`."""
    own, units = shape.of(configuration), configuration.lstm_units
    inputs = configuration.embedding_dim
    result: list[tuple[int, ...]] = [(own.vocabulary_size, inputs)]
    for _ in range(configuration.layers):
        result += 2 * [(inputs, 4 * units), (units, 4 * units), (4 * units,)]
        inputs = 2 * units
    return [*result, (inputs, own.outputs), (own.outputs,)]


def parameters(configuration: Configuration, shape: Shape) -> int:
    """The number of trainable parameters of a network."""
    return sum(math.prod(size) for size in sizes(configuration, shape))


def operations(configuration: Configuration, shape: Shape, tokens: float) -> float:
    """The floating-point operations of training on so many tokens: the LSTMs' products."""
    kernels = sizes(configuration, shape)[1:-2]
    # A multiplication and an addition for each weight; forward, and twice as many backward.
    return 6.0 * tokens * sum(math.prod(size) for size in kernels if len(size) == 2)


@one_thread
def initial_weights(
    configuration: Configuration,
    shape: Shape,
    seed: int,
    features: npt.NDArray[np.float32] | None = None,
) -> Weights:
    """Draws initial weights as Keras does, but with NumPy: a seed gives the same everywhere.

    Embedding: uniform in ±0.05, or a token's features where it has any. Kernels: Glorot uniform
    (Glorot & Bengio 2010). Recurrent kernels: orthogonal (Saxe et al. 2014). Biases: 0, and 1 for
    the forget gate (Jozefowicz et al. 2015).

    Args:
        configuration: the hyperparameters.
        shape: of the network.
        seed: non-negative.
        features: of tokens, as `search.corpus.words.word_features` returns them, vectors from a
            file, or None. They fill the first columns of the embedding; all rows are scaled to the
            same norm, the columns of polarity aside.

    Returns:
        Arrays in the order of `model.trainable_weights`.
    """
    generator = np.random.default_rng(seed)
    units = configuration.lstm_units

    def glorot(rows: int, columns: int) -> npt.NDArray[np.float32]:
        limit = np.sqrt(6 / (rows + columns))
        return generator.uniform(-limit, limit, (rows, columns)).astype(np.float32)

    def orthogonal(rows: int, columns: int) -> npt.NDArray[np.float32]:
        q, r = np.linalg.qr(generator.standard_normal((columns, rows)))
        return np.ascontiguousarray((q * np.sign(np.diag(r))).T, dtype=np.float32)

    size = (shape.of(configuration).vocabulary_size, configuration.embedding_dim)
    embedding = generator.uniform(-0.05, 0.05, size).astype(np.float32)
    if features is not None and configuration.embedding_init != "random":
        outputs = shape.outputs
        if configuration.embedding_init == "neighbours":
            features, outputs = features[:, outputs:], 0
        elif configuration.embedding_init == "file":
            outputs = 0
        features = features[: size[0], : size[1]]
        known = features.any(axis=1)
        start = FEATURE_SCALE * features[known]
        views = start[:, outputs:]
        rms = np.sqrt(np.mean(np.square(views), axis=1, keepdims=True)) if views.size else 1
        views *= FEATURE_SCALE / np.maximum(rms, 1e-9)
        embedding[known, : start.shape[1]] = start
    bias = np.zeros(4 * units, np.float32)
    bias[units : 2 * units] = 1  # gates: input, forget, cell, output
    weights, inputs = [embedding], configuration.embedding_dim
    for _ in range(configuration.layers):
        for _ in ("forward", "backward"):
            weights += [glorot(inputs, 4 * units), orthogonal(units, 4 * units), bias.copy()]
        inputs = 2 * units
    return [*weights, glorot(inputs, shape.outputs), np.zeros(shape.outputs, np.float32)]
