"""A Keras LSTM layer that trains faster on a CPU, with the same weights and results.

Keras runs an LSTM on a CPU as a TensorFlow loop over the time steps, a dozen small kernels a step.
Here a whole sequence is one call of compiled code (`recurrence.py`), with its own gradient. It is
used only where it is exact: TensorFlow on a CPU, tanh and sigmoid, a bias, no recurrent dropout,
padding on the right. Otherwise the layer falls back to stock Keras.
"""

from functools import partial
from typing import Any

import keras
import tensorflow as tf

from search.compiled import recurrence


@keras.saving.register_keras_serializable("search")
class FastLSTM(keras.layers.LSTM):
    """A faster drop-in replacement for keras.layers.LSTM, also inside keras.layers.Bidirectional.

    Weights, their order and every result are those of keras.layers.LSTM, so `get_weights` of one
    can be given to `set_weights` of the other.

    Its parameters are those of keras.layers.LSTM.

    Raises:
        tf.errors.InvalidArgumentError: when it is called with padding on the left.

    Examples:
        >>> import keras, search
        >>> text = keras.Input(shape=(None,), dtype="int32")
        >>> embedded = keras.layers.Embedding(1_000, 32, mask_zero=True)(text)
        >>> both = keras.layers.Bidirectional(search.FastLSTM(16))(embedded)
        >>> model = keras.Model(text, keras.layers.Dense(1, activation="sigmoid")(both))
        >>> model.output_shape
        (None, 1)
    """

    def inner_loop(
        self, sequences: Any, initial_state: Any, mask: Any, training: bool = False
    ) -> Any:
        """Runs the whole sequence: the place where Keras itself switches to cuDNN.

        Args:
            sequences: float, shape (batch, time, features).
            initial_state: [hidden, cell], each of shape (batch, units).
            mask: bool, shape (batch, time), True where there is a token; False only after the
                last True of a row. None means that every step counts.
            training: whether dropout is active.

        Returns:
            last output (batch, units), outputs (batch, time, units) or, without
            return_sequences, (batch, 1, units), and the states, as keras.layers.LSTM does.
        """
        mask = mask[0] if isinstance(mask, (list, tuple)) else mask
        if not self._is_exact():
            return super().inner_loop(sequences, initial_state, mask, training)
        if training and self.dropout:
            drop = self.cell.get_dropout_mask(sequences[:, 0, :])
            sequences = sequences * drop[:, tf.newaxis, :]
        shape = tf.shape(sequences)
        if mask is None:
            lengths = tf.fill([shape[0]], shape[1])
        else:
            lengths = tf.reduce_sum(tf.cast(mask, tf.int32), axis=1)
            tf.debugging.Assert(
                tf.reduce_all(mask == tf.sequence_mask(lengths, shape[1])),
                ["FastLSTM takes sequences that are padded on the right (padding='post')"],
            )
        cell = self.cell
        weights = [tf.convert_to_tensor(w) for w in (cell.kernel, cell.recurrent_kernel, cell.bias)]
        hidden, last_cell, outputs = _lstm(
            (sequences, *initial_state, *weights),
            lengths,
            reverse=self.go_backwards,
            sequences=self.return_sequences,
            training=training,
        )
        last = hidden
        if mask is not None:  # a row without a token has the initial state and no output
            last = tf.where(lengths[:, tf.newaxis] > 0, hidden, 0.0)
        if not self.return_sequences:
            outputs = last[:, tf.newaxis, :]
        elif not (self.go_backwards or self.zero_output_for_mask):
            # Keras carries the last output on over the padding, unless told to give zeros (as
            # Bidirectional does).
            steps = tf.minimum(tf.range(shape[1]), tf.maximum(lengths[:, tf.newaxis] - 1, 0))
            outputs = tf.gather(outputs, steps, batch_dims=1)
        return last, outputs, [hidden, last_cell]

    def _is_exact(self) -> bool:
        """Whether the compiled code supports the options of this layer."""
        return (
            keras.backend.backend() == "tensorflow"
            and not tf.config.list_physical_devices("GPU")
            and self.compute_dtype == "float32"
            and self.activation is keras.activations.tanh
            and self.recurrent_activation is keras.activations.sigmoid
            and self.use_bias
            and not self.recurrent_dropout
            and not self.unroll
            and not self.stateful
        )


def with_stock_layers(model: keras.Model) -> keras.Model:
    """Replaces every FastLSTM by keras.layers.LSTM, so that the model loads without this package.

    The weights are copied; a model without FastLSTM is returned unchanged.
    """

    def stock(layer: keras.Layer) -> keras.Layer:
        if isinstance(layer, FastLSTM):
            return keras.layers.LSTM.from_config(layer.get_config())
        if isinstance(layer, keras.layers.Bidirectional):
            both = (layer.forward_layer, layer.backward_layer)
            return keras.layers.Bidirectional(
                stock(both[0]),
                backward_layer=stock(both[1]),
                merge_mode=layer.merge_mode,
                name=layer.name,
            )
        return layer.__class__.from_config(layer.get_config())

    layers = [inner for layer in model.layers for inner in (layer, *_wrapped(layer))]
    if not any(isinstance(layer, FastLSTM) for layer in layers):
        return model
    copy = keras.models.clone_model(model, clone_function=stock)
    copy.set_weights(model.get_weights())
    return copy


def _wrapped(layer: keras.Layer) -> tuple[keras.Layer, ...]:
    if isinstance(layer, keras.layers.Bidirectional):
        return layer.forward_layer, layer.backward_layer
    return ()


def _lstm(
    inputs: tuple[Any, ...], lengths: Any, *, reverse: bool, sequences: bool, training: bool
) -> tuple[Any, Any, Any]:
    """`recurrence.forward` as a TensorFlow operation, with `recurrence.backward` as its gradient.

    Not `stateful`: TensorFlow then runs the two directions of a network side by side.

    Args:
        inputs: x, the initial states, kernel, recurrent kernel and bias.
        lengths, reverse, sequences: as `recurrence.forward` takes them.
        training: whether a gradient will be wanted; if it is wanted anyway, it costs more.

    Returns:
        The last hidden and cell states, and the outputs.
    """
    x, hidden, cell, *weights = inputs

    def forward(save: bool) -> Any:
        function = partial(recurrence.forward, reverse=reverse, sequences=sequences, save=save)
        given = [x, lengths, hidden, cell, *weights]
        return tf.numpy_function(function, given, [tf.float32] * 4, stateful=False)

    def run(*inputs: Any) -> Any:
        last_hidden, last_cell, outputs, saved = forward(training)

        def gradient(*upstream: Any) -> Any:
            kept = saved if training else forward(True)[3]
            function = partial(recurrence.backward, reverse=reverse)
            given = [tf.shape(x), lengths, *weights, kept, *upstream]
            results = tf.numpy_function(function, given, [tf.float32] * 6, stateful=False)
            for result, like in zip(results, inputs, strict=True):
                result.set_shape(like.shape)
            return results

        last_hidden.set_shape(hidden.shape)
        last_cell.set_shape(cell.shape)
        outputs.set_shape([*x.shape[:2], hidden.shape[-1]] if sequences else [0])
        return (last_hidden, last_cell, outputs), gradient

    result: tuple[Any, Any, Any] = tf.custom_gradient(run)(*inputs)
    return result
