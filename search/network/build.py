"""From a `Configuration` to a Keras model: Embedding → Bidirectional(LSTM) → Dense.

The same function builds the network twice: from plain Keras layers, which is what users keep, and
from the layers of `lstm.py` and `dropout.py`, which train it faster. The trainable weights of the
two are the same arrays in the same order.
"""

from dataclasses import dataclass

import keras
import numpy as np
import numpy.typing as npt

from search.network.dropout import AdjustableDropout, AdjustableSpatialDropout
from search.network.lstm import FastLSTM
from search.network.space import Configuration

Weights = list[npt.NDArray[np.float32]]


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


def build(configuration: Configuration, shape: Shape, *, fast: bool = False) -> keras.Model:
    """Builds and compiles the network.

    Args:
        configuration: the hyperparameters.
        shape: what the data dictate.
        fast: use the layers made for training on a CPU; ids must then be padded on the right.

    Returns:
        A compiled keras.Model: int ids of shape (batch, time), 0 for padding, to probabilities of
        shape (batch, 1) for two classes (that of the second) and (batch, classes) for more.
    """
    spatial_dropout = AdjustableSpatialDropout if fast else keras.layers.SpatialDropout1D
    dropout = AdjustableDropout if fast else keras.layers.Dropout
    lstm = FastLSTM if fast else keras.layers.LSTM
    ids = keras.Input((None,), dtype="int32", name="ids")
    x = keras.layers.Embedding(
        shape.vocabulary_size, configuration.embedding_dim, mask_zero=True, name="embedding"
    )(ids)
    x = spatial_dropout(configuration.dropout, name="embedding_dropout")(x)
    x = keras.layers.Bidirectional(lstm(configuration.lstm_units), name="bilstm")(x)
    x = dropout(configuration.dropout, name="dropout")(x)
    activation = "sigmoid" if shape.outputs == 1 else "softmax"
    probabilities = keras.layers.Dense(shape.outputs, activation=activation, name="probability")(x)
    model = keras.Model(ids, probabilities)
    model.compile(
        optimizer=keras.optimizers.Adam(configuration.learning_rate),
        loss="binary_crossentropy" if shape.outputs == 1 else "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=False,
    )
    return model


def initial_weights(configuration: Configuration, shape: Shape, seed: int) -> Weights:
    """Keras' default initial values, drawn with NumPy so that a seed means the same everywhere.

    Embedding: uniform in ±0.05. Kernels: Glorot uniform (Glorot & Bengio 2010). Recurrent kernels:
    orthogonal (Saxe et al. 2014). Biases: 0, and 1 for the forget gate (Jozefowicz et al. 2015).

    Args:
        configuration: the hyperparameters.
        shape: what the data dictate.
        seed: non-negative.

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
    weights = [embedding]
    bias = np.zeros(4 * units, np.float32)
    bias[units : 2 * units] = 1  # gates: input, forget, cell, output
    for _ in ("forward", "backward"):
        weights += [glorot(inputs, 4 * units), orthogonal(units, 4 * units), bias.copy()]
    return [*weights, glorot(2 * units, shape.outputs), np.zeros(shape.outputs, np.float32)]


def assign(model: keras.Model, weights: Weights) -> None:
    """Sets the trainable weights of a model that `build` made, plain or fast."""
    for variable, value in zip(model.trainable_variables, weights, strict=True):
        variable.assign(value)


def reset(model: keras.Model, configuration: Configuration, shape: Shape, seed: int) -> None:
    """Makes a fast model ready for another trial of the same sizes, without a new trace.

    Afterwards it is as a model that was newly built for `configuration` and `seed`: what was
    trained, the optimiser and the random state are overwritten.
    """
    assign(model, initial_weights(configuration, shape, seed))
    for variable in model.optimizer.variables:
        variable.assign(np.zeros(variable.shape))
    model.optimizer.learning_rate.assign(configuration.learning_rate)
    for name in ("embedding_dropout", "dropout"):
        model.get_layer(name).set_rate(configuration.dropout)
    for number, state in enumerate(seed_states(model)):
        state.assign([seed % 2**32, number])


def seed_states(model: keras.Model) -> list[keras.Variable]:
    """The states of a model's random generators: variables, but no weights and no metrics."""
    others = {id(v) for v in (*model.weights, *model.metrics_variables)}
    return [v for v in model.variables if id(v) not in others]


def sizes(configuration: Configuration) -> tuple[int, int]:
    """What makes two configurations share one traced model."""
    return configuration.embedding_dim, configuration.lstm_units
