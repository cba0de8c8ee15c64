"""The fast layer against stock keras.layers.LSTM: values, gradients, a whole training run."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st

from search.network.lstm import FastLSTM

TOLERANCE = 2e-5  # relative to the largest entry; float32 sums in another order


def close(a, b):
    assert a.shape == b.shape
    np.testing.assert_allclose(a, b, atol=TOLERANCE * max(1e-3, np.abs(b).max()), rtol=0)


def outputs_and_gradients(cls, x, mask, *, sequences, layers, pool, dropout, units, weights=None):
    """(output, gradients, weights); with `weights` None, the layers' own initial ones."""
    keras.utils.set_random_seed(1)
    stack = [
        keras.layers.Bidirectional(
            cls(units, return_sequences=sequences or i < layers - 1, dropout=dropout, seed=5)
        )
        for i in range(layers)
    ]
    width = x.shape[-1]
    for layer in stack:
        layer.build((None, None, width))
        width = 2 * units
    if weights is None:
        weights = [layer.get_weights() for layer in stack]
        # Biases that are not all zero or one, so that a permuted gate shows.
        generator = np.random.default_rng(3)
        weights = [
            [w + 0.1 * generator.standard_normal(w.shape).astype(np.float32) for w in ws]
            for ws in weights
        ]
    for layer, values in zip(stack, weights, strict=True):
        layer.set_weights(values)
    inputs = tf.Variable(x)
    mask = tf.constant(mask)
    with tf.GradientTape() as tape:
        y = inputs
        for layer in stack:
            y = layer(y, mask=mask, training=dropout > 0)
        if pool:
            inside = tf.cast(mask, tf.float32)[:, :, None]
            y = tf.reduce_max(y * inside - 1e9 * (1 - inside), axis=1)
        generator = np.random.default_rng(4)
        loss = tf.reduce_sum(y * generator.standard_normal(y.shape).astype(np.float32))
    variables = [v.value for layer in stack for v in layer.trainable_variables]
    gradients = tape.gradient(loss, [inputs, *variables])
    return y.numpy(), [g.numpy() for g in gradients], weights


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    batch=st.integers(1, 7),
    time=st.integers(1, 12),
    features=st.integers(1, 9),
    units=st.integers(1, 10),
    kind=st.sampled_from(["last", "sequences", "max"]),
    layers=st.integers(1, 2),
    dropout=st.sampled_from([0.0, 0.4]),
    seed=st.integers(0, 10**6),
)
@example(batch=3, time=40, features=5, units=16, kind="last", layers=1, dropout=0.0, seed=0)
def test_equals_stock_keras(batch, time, features, units, kind, layers, dropout, seed):
    generator = np.random.default_rng(seed)
    x = generator.standard_normal((batch, time, features)).astype(np.float32)
    lengths = generator.integers(1, time + 1, batch)
    lengths[0] = generator.choice([1, time])
    mask = np.arange(time) < lengths[:, None]
    options = dict(
        sequences=kind != "last", layers=layers, pool=kind == "max", dropout=dropout, units=units
    )
    expected, expected_gradients, weights = outputs_and_gradients(
        keras.layers.LSTM, x, mask, **options
    )
    got, gradients, _ = outputs_and_gradients(FastLSTM, x, mask, **options, weights=weights)
    close(got, expected)
    for ours, stock in zip(gradients, expected_gradients, strict=True):
        close(ours, stock)


def test_without_a_mask_every_step_counts():
    x = np.random.default_rng(0).standard_normal((4, 6, 3)).astype(np.float32)
    stock, fast = keras.layers.LSTM(5), FastLSTM(5)
    stock.build(x.shape)
    fast.build(x.shape)
    fast.set_weights(stock.get_weights())
    close(fast(x).numpy(), stock(x).numpy())


def test_padding_on_the_left_is_refused_not_miscomputed():
    mask = np.array([[False, True, True]])
    with pytest.raises(tf.errors.InvalidArgumentError, match="padded on the right"):
        FastLSTM(2)(np.ones((1, 3, 2), np.float32), mask=tf.constant(mask))


@pytest.mark.parametrize(
    "options",
    [
        {"recurrent_dropout": 0.3},
        {"activation": "relu"},
        {"recurrent_activation": "hard_sigmoid"},
        {"use_bias": False},
        {"unroll": True},
        {"stateful": True},
        {"dtype": "float64"},
    ],
)
def test_anything_else_is_left_to_keras(options):
    assert not FastLSTM(3, **options)._is_exact()
    assert FastLSTM(3)._is_exact()


def test_the_kernel_really_runs(monkeypatch):
    """Guards against a fast layer that quietly falls back to the slow one."""
    calls = []
    kernel = tf.raw_ops.BlockLSTM
    monkeypatch.setattr(tf.raw_ops, "BlockLSTM", lambda **k: calls.append(1) or kernel(**k))
    FastLSTM(2)(np.ones((1, 3, 2), np.float32))
    assert calls == [1]
