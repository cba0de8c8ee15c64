"""What the data dictate of a network, and the numbers it starts from; without Keras."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from search.network.space import Configuration

Weights = list[npt.NDArray[np.float32]]

VECTOR_SCALE = 0.1  # standard deviation of word vectors in an embedding


@dataclass(frozen=True)
class Shape:
    """What the data dictate of the network.

    Attributes:
        vocabulary_size: ids there are, with padding (0) and OOV (1).
        classes: how many; two share one sigmoid output.
        max_length: tokens of a text that are read.
    """

    vocabulary_size: int
    classes: int
    max_length: int

    @property
    def outputs(self) -> int:
        return 1 if self.classes == 2 else self.classes


def initial_weights(
    configuration: Configuration,
    shape: Shape,
    seed: int,
    word_vectors: npt.NDArray[np.float32] | None = None,
) -> Weights:
    """Keras' default initial values, drawn with NumPy so that a seed means the same everywhere.

    Embedding: uniform in ±0.05, or word vectors where there are any. Kernels: Glorot uniform
    (Glorot & Bengio 2010). Recurrent kernels: orthogonal (Saxe et al. 2014). Biases: 0, and 1 for
    the forget gate (Jozefowicz et al. 2015).

    Args:
        configuration: the hyperparameters.
        shape: what the data dictate.
        seed: non-negative.
        word_vectors: (vocabulary_size, numbers) with standard deviation 1; a row of zeros is a
            token without one.

    Returns:
        Arrays in the order of `model.trainable_weights`.
    """
    generator = np.random.default_rng(seed)
    units, inputs = configuration.lstm_units, configuration.embedding_dim

    def glorot(rows: int, columns: int) -> npt.NDArray[np.float32]:
        limit = np.sqrt(6 / (rows + columns))
        return generator.uniform(-limit, limit, (rows, columns)).astype(np.float32)

    def orthogonal(rows: int, columns: int) -> npt.NDArray[np.float32]:
        q, r = np.linalg.qr(generator.standard_normal((columns, rows)))
        return np.ascontiguousarray((q * np.sign(np.diag(r))).T, dtype=np.float32)

    embedding = generator.uniform(-0.05, 0.05, (shape.vocabulary_size, inputs)).astype(np.float32)
    if word_vectors is not None:
        known = word_vectors.any(axis=1)
        numbers = min(inputs, word_vectors.shape[1])
        embedding[known, :numbers] = VECTOR_SCALE * word_vectors[known, :numbers]
    weights = [embedding]
    bias = np.zeros(4 * units, np.float32)
    bias[units : 2 * units] = 1  # gates: input, forget, cell, output
    for _ in ("forward", "backward"):
        weights += [glorot(inputs, 4 * units), orthogonal(units, 4 * units), bias.copy()]
    return [*weights, glorot(2 * units, shape.outputs), np.zeros(shape.outputs, np.float32)]
