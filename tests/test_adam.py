"""One fused update against keras.optimizers.Adam, dense and sparse gradients."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from search.network.adam import FusedAdam


@pytest.mark.parametrize("sparse", [False, True])
def test_equals_keras(sparse):
    generator = np.random.default_rng(0)
    start = generator.standard_normal((30, 4)).astype(np.float32)
    variables, optimizers = [], []
    for cls in (keras.optimizers.Adam, FusedAdam):
        variable = keras.Variable(start)
        optimizer = cls(0.02)
        optimizer.build([variable])
        variables.append(variable)
        optimizers.append(optimizer)
    for _ in range(40):
        if sparse:  # with a row that comes twice
            rows = generator.integers(0, 30, 6)
            rows[0] = rows[1]
            values = generator.standard_normal((6, 4)).astype(np.float32)
            gradient = tf.IndexedSlices(tf.constant(values), tf.constant(rows), (30, 4))
        else:
            gradient = tf.constant(generator.standard_normal((30, 4)).astype(np.float32))
        for variable, optimizer in zip(variables, optimizers, strict=True):
            optimizer.apply([gradient], [variable])
    moved = np.abs(variables[0].numpy() - start).max()
    assert moved > 0.1
    np.testing.assert_allclose(variables[1].numpy(), variables[0].numpy(), atol=1e-5)
    for ours, stock in zip(optimizers[1].variables, optimizers[0].variables, strict=True):
        np.testing.assert_allclose(ours.numpy(), stock.numpy(), atol=1e-6)
        assert ours.shape == stock.shape
