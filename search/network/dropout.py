"""Dropout whose rate is a variable, so that a traced training step serves every rate."""

from typing import Any

import keras
import tensorflow as tf


class AdjustableDropout(keras.layers.Dropout):
    """keras.layers.Dropout with `set_rate`; it multiplies by the same masks as the original."""

    def __init__(self, rate: float, **kwargs: Any) -> None:
        # Keras makes a seed generator only for a rate above 0, but this one may rise.
        super().__init__(rate or 0.5, **kwargs)
        # A tf.Variable, which Keras does not count among the weights.
        self._current_rate = tf.Variable(rate, trainable=False, dtype=tf.float32)

    def set_rate(self, rate: float) -> None:
        """Changes the rate of every later call, also of already traced functions."""
        self._current_rate.assign(rate)

    def call(self, inputs: Any, training: bool = False) -> Any:
        if not training:
            return inputs
        noise_shape = self._noise_shape(inputs)
        kept = keras.random.uniform(noise_shape, seed=self.seed_generator) >= self._current_rate
        # A rate of 0 keeps all and divides by 1.
        return inputs * tf.cast(kept, inputs.dtype) / (1.0 - self._current_rate)

    def _noise_shape(self, inputs: Any) -> Any:
        return tf.shape(inputs)


class AdjustableSpatialDropout(AdjustableDropout):
    """keras.layers.SpatialDropout1D with `set_rate`: drops whole channels of a text."""

    def _noise_shape(self, inputs: Any) -> Any:
        shape = tf.shape(inputs)
        return tf.stack([shape[0], 1, shape[2]])
