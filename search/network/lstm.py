"""An LSTM layer that trains faster than Keras' own on a CPU, with the same weights and values.

Keras runs an LSTM on a CPU as a TensorFlow loop over the time steps, a dozen small kernels a step.
`BlockLSTM` runs the whole sequence in one kernel. It is used where it is exact, and nowhere else:
TensorFlow on a CPU, tanh and sigmoid, a bias, no recurrent dropout, padding on the right. In any
other case stock Keras runs, unasked.

Only version 1 of the kernel will do: the gradient that TensorFlow registers for `BlockLSTMV2` is
that of version 1, which has its gates in another order, and so is silently wrong.
"""

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("search")
class FastLSTM(keras.layers.LSTM):
    """A drop-in for keras.layers.LSTM, also inside keras.layers.Bidirectional.

    Weights, their order and every result are those of keras.layers.LSTM, so `get_weights` of one
    can be given to `set_weights` of the other.
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
        if self.go_backwards:
            sequences = tf.reverse_sequence(sequences, lengths, seq_axis=1)
        hidden, cell = _block_lstm(
            sequences,
            initial_state,
            self.cell.kernel.value,
            self.cell.recurrent_kernel.value,
            self.cell.bias.value,
            tf.reduce_max(lengths),
        )
        last = _state_at(hidden, lengths, initial_state[0])
        states = [last, _state_at(cell, lengths, initial_state[1])]
        if not self.return_sequences:
            return last, last[:, tf.newaxis, :], states
        return last, self._outputs(hidden, lengths), states

    def _is_exact(self) -> bool:
        """Whether the kernel computes just what this layer is asked for."""
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

    def _outputs(self, hidden: Any, lengths: Any) -> Any:
        """Outputs of all steps, batch first, with Keras' values at the padding.

        Keras carries the last output on over masked steps, or gives zeros if told so (as
        Bidirectional does). A backward layer gives its outputs in the order in which it read
        them, the padding (zeros) first.
        """
        outputs = tf.transpose(hidden, [1, 0, 2])
        time = tf.range(tf.shape(outputs)[1])
        if self.go_backwards or self.zero_output_for_mask:
            inside = tf.cast(time < lengths[:, tf.newaxis], outputs.dtype)
            outputs = outputs * inside[:, :, tf.newaxis]
            if not self.go_backwards:
                return outputs
            return tf.reverse(tf.reverse_sequence(outputs, lengths, seq_axis=1), [1])
        steps = tf.minimum(time, tf.maximum(lengths[:, tf.newaxis] - 1, 0))
        return tf.gather(outputs, steps, batch_dims=1)


def _block_lstm(
    sequences: Any, initial_state: Any, kernel: Any, recurrent_kernel: Any, bias: Any, steps: Any
) -> tuple[Any, Any]:
    """Hidden and cell states of all steps, each of shape (time, batch, units).

    The kernel wants time first and the gates in the order input, cell, forget, output; Keras has
    input, forget, cell, output.
    """

    def reorder(array: Any) -> Any:
        i, f, c, o = tf.split(array, 4, axis=-1)
        return tf.concat([i, c, f, o], axis=-1)

    hidden, cell = initial_state
    units = recurrent_kernel.shape[0]
    unused_peephole = tf.zeros([units])
    result = tf.raw_ops.BlockLSTM(
        seq_len_max=tf.cast(steps, tf.int64),
        x=tf.transpose(sequences, [1, 0, 2]),
        cs_prev=cell,
        h_prev=hidden,
        w=reorder(tf.concat([kernel, recurrent_kernel], axis=0)),
        wci=unused_peephole,
        wcf=unused_peephole,
        wco=unused_peephole,
        b=reorder(bias),
        forget_bias=0.0,
        cell_clip=-1.0,
        use_peephole=False,
    )
    return result.h, result.cs


def _state_at(states: Any, lengths: Any, initial: Any) -> Any:
    """Each row's state after its last token, (batch, units); the initial one for an empty row."""
    rows = tf.range(tf.shape(lengths)[0])
    last = tf.gather_nd(states, tf.stack([tf.maximum(lengths - 1, 0), rows], axis=1))
    return tf.where((lengths > 0)[:, tf.newaxis], last, initial)
