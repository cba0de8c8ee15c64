"""From a `Configuration` to a Keras model: Embedding → Bidirectional(LSTM) → Dense.

This is the network that users keep, and the definition that `fast.py` is held against: the
weights of the two are the same arrays in the same order.
"""

import keras

from search.network.space import Configuration
from search.network.weights import Shape, Weights


def build(configuration: Configuration, shape: Shape) -> keras.Model:
    """Builds and compiles the network.

    Args:
        configuration: the hyperparameters.
        shape: what the data dictate.

    Returns:
        A compiled keras.Model: int ids of shape (batch, time), 0 for padding, to probabilities of
        shape (batch, 1) for two classes (that of the second) and (batch, classes) for more.
    """
    ids = keras.Input((None,), dtype="int32", name="ids")
    x = keras.layers.Embedding(
        shape.vocabulary_size, configuration.embedding_dim, mask_zero=True, name="embedding"
    )(ids)
    x = keras.layers.SpatialDropout1D(configuration.dropout, name="embedding_dropout")(x)
    x = keras.layers.Bidirectional(keras.layers.LSTM(configuration.lstm_units), name="bilstm")(x)
    x = keras.layers.Dropout(configuration.dropout, name="dropout")(x)
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


def assign(model: keras.Model, weights: Weights) -> None:
    """Sets the trainable weights of a model that `build` made."""
    for variable, value in zip(model.trainable_variables, weights, strict=True):
        variable.assign(value)
