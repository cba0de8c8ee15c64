"""One training step of both directions of the LSTM: our compiled code against BlockLSTM.

Prints GFLOP/s, medians of alternating runs in one process, and what two large matrix products side
by side have in OpenBLAS: as much as the machine can do. Beside it, what the machine is.
"""

import json
import os
import time

from search.tuning.worker import start_worker

if __name__ == "__main__":
    for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):  # they may say another CPU
        os.environ.pop(name, None)
    start_worker()  # a worker's threads, before TensorFlow is imported
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
import tensorflow as tf
from llvmlite.binding import get_host_cpu_name
from threadpoolctl import threadpool_info

from search.compiled.recurrence import backward, forward
from search.compiled.threads import side_by_side
from search.compiled.width import WIDE

BATCH, TIME, FEATURES, UNITS = 64, 200, 64, 64
OPERATIONS = 2 * 3 * 2 * BATCH * TIME * (FEATURES + UNITS) * 4 * UNITS
LARGE = 1024  # rows and columns of a matrix


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

    left, right, result = draw(LARGE, LARGE), draw(LARGE, LARGE), draw(2, LARGE, LARGE)

    def sgemm() -> None:
        side_by_side(lambda k: np.dot(left, right, out=result[k]))

    sides = {"ours": ours, "block": theirs, "sgemm": sgemm}
    operations = {"ours": OPERATIONS, "block": OPERATIONS, "sgemm": 2 * 2 * LARGE**3}
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for function in sides.values():
        function()
    for _ in range(40):
        for name, function in sides.items():
            started = time.perf_counter()
            function()
            seconds[name].append(time.perf_counter() - started)
    speeds = {k: operations[k] / float(np.median(v)) / 1e9 for k, v in seconds.items()}
    blas = next(i for i in threadpool_info() if "numpy" in i["filepath"])
    machine = {"cpu": get_host_cpu_name(), "lanes": WIDE, "blas": blas["architecture"]}
    print(json.dumps(machine | speeds))


if __name__ == "__main__":
    main()
