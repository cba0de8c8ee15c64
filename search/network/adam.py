"""Adam in few passes over each variable.

Keras' Adam makes a dozen passes over a variable, its gradient and its two moments; for an
embedding of 20,000 rows that was a sixth to a third of a training step. The same update (Kingma &
Ba 2015, as Keras writes it) here takes one pass of one kernel, or three for an embedding.
"""

from typing import Any

import keras
import tensorflow as tf


class FusedAdam(keras.optimizers.Adam):
    """keras.optimizers.Adam, to rounding; the same variables in the same order. Without amsgrad.

    For the sparse gradient of an embedding it does as Keras 3.15 does: both moments of every row
    decay, and where a row comes several times in a batch the second moment gets the sum of the
    squares, not the square of the sum.
    """

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Updates one variable."""
        index = self._get_variable_index(variable)
        m, v = (_native(moments[index]) for moments in (self._momentums, self._velocities))
        step = tf.cast(self.iterations.value + 1, variable.dtype)
        apply = dict(
            var=_native(variable).handle,
            m=m.handle,
            v=v.handle,
            beta1_power=tf.pow(self.beta_1, step),
            beta2_power=tf.pow(self.beta_2, step),
            lr=tf.cast(learning_rate, variable.dtype),
            epsilon=self.epsilon,
        )
        if not isinstance(gradient, tf.IndexedSlices):
            apply |= dict(beta1=self.beta_1, beta2=self.beta_2, grad=gradient)
            tf.raw_ops.ResourceApplyAdam(**apply)
            return
        rows, values = gradient.indices, gradient.values
        for moment, beta, addend in ((m, self.beta_1, values), (v, self.beta_2, values * values)):
            # moment -= (1 - beta) * moment, in place
            tf.raw_ops.ResourceApplyGradientDescent(
                var=moment.handle, alpha=1.0 - beta, delta=moment.read_value()
            )
            moment.scatter_add(tf.IndexedSlices((1.0 - beta) * addend, rows))
        # With betas of 1 the kernel leaves the moments alone, whatever the gradient.
        tf.raw_ops.ResourceApplyAdam(**apply, beta1=1.0, beta2=1.0, grad=m.read_value())


def _native(variable: Any) -> Any:
    """The TensorFlow variable: Keras passes its own at times and TensorFlow's at others."""
    return variable.value if isinstance(variable, keras.Variable) else variable
