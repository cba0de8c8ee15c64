"""The compiled Adam against keras.optimizers.Adam."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from search.compiled.adam import Adam


@pytest.mark.parametrize("width", [8, 5, 19])
def test_equals_keras(width):
    """Rows repeated in a batch, rows that rest for some steps, rows never seen, dense weights."""
    generator = np.random.default_rng(width)
    table = generator.standard_normal((12, width)).astype(np.float32)
    kernel = generator.standard_normal((3, 7)).astype(np.float32)
    variables = [keras.Variable(table), keras.Variable(kernel)]
    stock = keras.optimizers.Adam(0.01)
    stock.build(variables)
    weights = [table.copy(), kernel.copy()]
    adam = Adam(weights)
    for step in range(30):
        ids = generator.integers(0, 9 if step % 3 else 2, 11).astype(np.int32)
        rows = generator.standard_normal((11, width)).astype(np.float32)
        dense = generator.standard_normal((3, 7)).astype(np.float32)
        sparse = tf.IndexedSlices(tf.constant(rows), tf.constant(ids), tf.constant([12, width]))
        stock.apply([sparse, tf.constant(dense)], variables)
        adam.apply([(ids, rows), dense], 0.01)
    for ours, variable in zip(weights, variables, strict=True):
        np.testing.assert_allclose(ours, variable.numpy(), atol=2e-6)
    assert np.array_equal(weights[0][10:], table[10:]), "rows never seen stay as they are"
    assert not np.allclose(weights[0][:9], table[:9])


def test_state_goes_on_bit_for_bit():
    generator = np.random.default_rng(0)
    start = [generator.standard_normal((6, 9)).astype(np.float32)]

    def steps(adam, numbers):
        for number in numbers:
            draw = np.random.default_rng(number)
            ids = draw.integers(0, 4, 5).astype(np.int32)
            adam.apply([(ids, draw.standard_normal((5, 9)).astype(np.float32))], 0.1)

    straight = Adam([start[0].copy()])
    steps(straight, range(8))
    first = Adam([start[0].copy()])
    steps(first, range(5))
    second = Adam([first.weights[0].copy()])
    second.restore(first.state())
    steps(second, range(5, 8))
    assert np.array_equal(second.weights[0], straight.weights[0])
    for a, b in zip(second.state(), straight.state(), strict=True):
        assert np.array_equal(a, b)
