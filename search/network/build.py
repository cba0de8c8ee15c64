"""From a `Configuration` to a Keras model: Embedding → Bidirectional(LSTM) → Dense.

This is the network that users keep, and the definition that `compiled/network.py` is held against:
the weights of the two are the same arrays in the same order.
"""

from collections.abc import Sequence
from typing import Any

import keras

from search.corpus.encode import OOV
from search.network.space import Configuration
from search.network.weights import Shape, Weights, network_name


def build(configuration: Configuration, shape: Shape) -> keras.Model:
    """Builds and compiles the network.

    Args:
        configuration: the hyperparameters. `max_length`, `cut` and `word_dropout` are applied when
            batches are made, not here.
        shape: vocabulary size, number of classes and maximum length.

    Returns:
        A compiled keras.Model: int ids of shape (batch, time), 0 for padding, to probabilities of
        shape (batch, 1) for two classes (that of the second) and (batch, classes) for more.
    """
    known, dropout = shape.of(configuration).vocabulary_size, configuration.dropout
    ids = keras.Input((None,), dtype="int32", name="ids")
    seen = ids if known == shape.vocabulary_size else keras.ops.where(ids < known, ids, OOV)
    x = keras.layers.Embedding(
        known, configuration.embedding_dim, mask_zero=True, name="embedding"
    )(seen)
    rate = configuration.embedding_dropout
    rate = dropout if rate < 0 else rate
    x = keras.layers.SpatialDropout1D(rate, name="embedding_dropout")(x)
    for layer in range(configuration.layers):
        name, last = f"bilstm{layer + 1 if layer else ''}", layer == configuration.layers - 1
        sequences = not last or configuration.pooling != "last"
        lstm = keras.layers.LSTM(configuration.lstm_units, return_sequences=sequences)
        x = keras.layers.Bidirectional(lstm, name=name)(x)
        if not last:
            x = keras.layers.SpatialDropout1D(dropout, name=f"{name}_dropout")(x)
    if configuration.pooling == "max":
        # An output is between -1 and 1, so that 2 less can never be the largest.
        inside = keras.ops.cast(keras.ops.expand_dims(keras.ops.not_equal(ids, 0), -1), x.dtype)
        x = keras.ops.max(x + 2 * (inside - 1), axis=1)
    elif configuration.pooling == "mean":
        x = keras.layers.GlobalAveragePooling1D(name="pooling")(x)
    x = keras.layers.Dropout(dropout, name="dropout")(x)
    activation = "sigmoid" if shape.outputs == 1 else "softmax"
    probabilities = keras.layers.Dense(shape.outputs, activation=activation, name="probability")(x)
    model = keras.Model(ids, probabilities)
    model.compile(
        optimizer=_optimizer(configuration, model),
        loss=_loss(configuration.label_smoothing, shape),
        metrics=["accuracy"],
        jit_compile=False,
    )
    return model


def _optimizer(configuration: Configuration, model: keras.Model) -> keras.optimizers.Optimizer:
    adam = keras.optimizers.Adam(
        configuration.learning_rate,
        weight_decay=configuration.weight_decay or None,
        global_clipnorm=configuration.clipnorm or None,
    )
    if configuration.weight_decay:
        variables = model.trainable_variables
        adam.exclude_from_weight_decay([v for v in variables if "kernel" not in v.name])
    return adam


def _loss(smoothing: float, shape: Shape) -> Any:
    if shape.outputs == 1:
        return keras.losses.BinaryCrossentropy(label_smoothing=smoothing)
    if not smoothing:
        return "sparse_categorical_crossentropy"

    def smoothed(labels: Any, probabilities: Any) -> Any:
        """Keras has no smoothing for labels that are indices."""
        targets = keras.ops.one_hot(keras.ops.reshape(labels, [-1]), shape.outputs)
        return keras.losses.categorical_crossentropy(
            targets, probabilities, label_smoothing=smoothing
        )

    return smoothed


def mean_of(networks: Sequence[keras.Model]) -> keras.Model:
    """Returns a model that gives the mean of the networks' probabilities; of one, that one."""
    if len(networks) == 1:
        return networks[0]
    ids = keras.Input((None,), dtype="int32", name="ids")
    return keras.Model(ids, averaged(networks, ids))


def averaged(networks: Sequence[keras.Model], ids: Any) -> Any:
    """The mean of the probabilities of several networks; each is a layer named `network_name`.

    Args:
        networks: at least two, from token ids to probabilities.
        ids: token ids, a tensor of shape (batch, time).
    """
    named = [
        keras.Model(network.inputs, network.outputs[0], name=network_name(number))
        for number, network in enumerate(networks)
    ]
    return keras.layers.Average(name="mean")([network([ids]) for network in named])


def assign(model: keras.Model, weights: Weights) -> None:
    """Sets the trainable weights of a model that `build` made."""
    for variable, value in zip(model.trainable_variables, weights, strict=True):
        variable.assign(value)
