"""One training step of both directions of the LSTM: our compiled code against BlockLSTM.

Prints GFLOP/s, medians of alternating runs in one process.
"""

import json
import os
import time

from search.tuning.executors import _start_worker

if __name__ == "__main__":
    _start_worker()  # a worker's threads, before TensorFlow is imported
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
import tensorflow as tf

from search.compiled.recurrence import backward, forward
from search.compiled.threads import side_by_side

BATCH, TIME, FEATURES, UNITS = 64, 200, 64, 64
OPERATIONS = 2 * 3 * 2 * BATCH * TIME * (FEATURES + UNITS) * 4 * UNITS


def main() -> None:
    generator = np.random.default_rng(0)

    def draw(*shape: int) -> np.ndarray:
        return generator.uniform(-0.2, 0.2, shape).astype(np.float32)

    x, upstream = draw(BATCH, TIME, FEATURES), draw(BATCH, UNITS)
    weights = [
        (draw(FEATURES, 4 * UNITS), draw(UNITS, 4 * UNITS), draw(4 * UNITS)) for _ in range(2)
    ]
    lengths, zeros = np.full(BATCH, TIME, np.int32), np.zeros((BATCH, UNITS), np.float32)
    nothing, shape = np.empty(0, np.float32), np.array(x.shape)

    def ours() -> None:
        saved = side_by_side(
            lambda k: forward(
                *(x, lengths, zeros, zeros, *weights[k]),
                reverse=k == 1, sequences=False, save=True,
            )[3]
        )  # fmt: skip
        side_by_side(
            lambda k: backward(
                *(shape, lengths, *weights[k], saved[k], upstream, zeros, nothing), reverse=k == 1
            )
        )

    def block(x: tf.Tensor, kernel: tf.Tensor, recurrent: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
        def reorder(array: tf.Tensor) -> tf.Tensor:
            i, f, c, o = tf.split(array, 4, -1)
            return tf.concat([i, c, f, o], -1)

        peephole = tf.zeros([UNITS])
        return tf.raw_ops.BlockLSTM(
            seq_len_max=tf.constant(TIME, tf.int64), x=tf.transpose(x, [1, 0, 2]),
            cs_prev=zeros, h_prev=zeros, w=reorder(tf.concat([kernel, recurrent], 0)),
            wci=peephole, wcf=peephole, wco=peephole, b=reorder(bias), forget_bias=0.0,
            cell_clip=-1.0, use_peephole=False,
        ).h[-1]  # fmt: skip

    inputs = [tf.constant(a) for a in (x, *weights[0], *weights[1])]

    @tf.function
    def theirs() -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            first = block(inputs[0], *inputs[1:4])
            second = block(tf.reverse(inputs[0], [1]), *inputs[4:])
            loss = tf.reduce_sum((first + second) * upstream)
        return tape.gradient(loss, inputs)

    seconds: dict[str, list[float]] = {"ours": [], "block": []}
    for function in (ours, theirs):
        function()
    for _ in range(40):
        for name, function in (("ours", ours), ("block", theirs)):
            started = time.perf_counter()
            function()
            seconds[name].append(time.perf_counter() - started)
    print(json.dumps({k: OPERATIONS / float(np.median(v)) / 1e9 for k, v in seconds.items()}))


if __name__ == "__main__":
    main()
