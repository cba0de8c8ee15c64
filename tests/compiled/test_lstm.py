"""The fast layer against stock keras.layers.LSTM: values, gradients, a whole training run."""

import hashlib
import itertools
import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st

from search.compiled import recurrence
from search.compiled.lstm import FastLSTM, with_stock_layers
from tests.conftest import ROOT, close


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


CASES = {
    "batch": st.integers(1, 7),
    "time": st.integers(1, 12),
    "features": st.integers(1, 9),
    "units": st.integers(1, 10),
    "kind": st.sampled_from(["last", "sequences", "max"]),
    "layers": st.integers(1, 2),
    "dropout": st.sampled_from([0.0, 0.4]),
    "seed": st.integers(0, 10**6),
}


@settings(max_examples=8, deadline=None, derandomize=True)
@given(**CASES)
@example(batch=3, time=40, features=5, units=16, kind="last", layers=1, dropout=0.0, seed=0)
def test_equals_stock_keras(**case):
    check_equals_stock_keras(**case)


@pytest.mark.slow
@settings(max_examples=50, deadline=None, derandomize=True)
@given(**CASES)
def test_equals_stock_keras_in_many_cases(**case):
    check_equals_stock_keras(**case)


def check_equals_stock_keras(batch, time, features, units, kind, layers, dropout, seed):
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


def test_the_compiled_code_really_runs(monkeypatch):
    """Guards against a fast layer that quietly falls back to the slow one."""
    calls = []
    original = recurrence.forward
    monkeypatch.setattr(recurrence, "forward", lambda *a, **k: calls.append(1) or original(*a, **k))
    FastLSTM(2)(np.ones((1, 3, 2), np.float32))
    assert calls == [1]


def test_gradients_of_inference_are_right_too():
    x = tf.Variable(np.random.default_rng(0).standard_normal((3, 5, 4)).astype(np.float32))
    stock, fast = keras.layers.LSTM(6), FastLSTM(6)
    for layer in (stock, fast):
        layer.build(x.shape)
    fast.set_weights(stock.get_weights())
    gradients = []
    for layer in (stock, fast):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(x, training=False) ** 2)
        gradients.append(tape.gradient(loss, [x, layer.cell.kernel.value]))
    for ours, expected in zip(gradients[1], gradients[0], strict=True):
        close(ours.numpy(), expected.numpy())


def test_a_row_that_is_all_padding_is_as_in_keras():
    mask = tf.constant([[True, True], [False, False]])
    x = np.ones((2, 2, 3), np.float32)
    initial = [tf.constant(np.full((2, 4), 0.5, np.float32))] * 2
    stock, fast = (cls(4, return_state=True) for cls in (keras.layers.LSTM, FastLSTM))
    for layer in (stock, fast):
        layer.build(x.shape)
    fast.set_weights(stock.get_weights())
    for ours, expected in zip(
        fast(x, mask=mask, initial_state=initial),
        stock(x, mask=mask, initial_state=initial),
        strict=True,
    ):
        close(ours.numpy(), expected.numpy())


@pytest.fixture
def fast_model():
    ids = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(9, 4, mask_zero=True)(ids)
    x = keras.layers.Bidirectional(FastLSTM(3, return_sequences=True), name="both")(x)
    return keras.Model(ids, keras.layers.Dense(1)(FastLSTM(5)(x)))


def test_a_model_becomes_plain_keras(fast_model):
    plain = with_stock_layers(fast_model)
    given = np.array([[1, 2, 3, 4], [5, 6, 0, 0]], np.int32)
    close(plain(given).numpy(), fast_model(given).numpy())
    assert "search" in json.dumps(fast_model.get_config())
    assert "search" not in json.dumps(plain.get_config())
    assert with_stock_layers(plain) is plain


@pytest.mark.slow
def test_plain_keras_loads_it(fast_model, tmp_path):
    """In a process that knows nothing of this project."""
    with_stock_layers(fast_model).save(tmp_path / "model.keras")
    given = np.array([[1, 2, 3, 4], [5, 6, 0, 0]], np.int32)
    code = (
        "import sys, keras, numpy as np\n"
        "model = keras.models.load_model(sys.argv[1])\n"
        "assert 'search' not in sys.modules\n"
        f"print(model(np.array({given.tolist()}, np.int32)).numpy().tolist())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "model.keras")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    close(np.array(json.loads(done.stdout.splitlines()[-1])), fast_model(given).numpy())


def everything(units, features):
    """What the compiled LSTM gives on texts of many lengths, with its gradients, in bytes."""
    generator = np.random.default_rng([units, features])

    def draw(*shape):
        return generator.uniform(-0.5, 0.5, shape).astype(np.float32)

    lengths = generator.integers(0, 12, 29).astype(np.int32)
    x = draw(29, 11, features)
    weights = (draw(features, 4 * units), draw(units, 4 * units), draw(4 * units))
    states = draw(2, 29, units)
    *results, saved = recurrence.forward(
        x, lengths, *states, *weights, reverse=True, sequences=True, save=True
    )
    gradients = recurrence.backward(
        np.array(x.shape), lengths, *weights, saved, *states, results[2].reshape(-1), reverse=True
    )
    return b"".join(array.tobytes() for array in (*results, *gradients))


def digest():
    pairs = itertools.product((1, 8, 16, 24, 40, 72), (3, 16, 33, 64))
    return hashlib.sha256(b"".join(everything(*pair) for pair in pairs)).hexdigest()


@pytest.mark.slow
@pytest.mark.parametrize("lanes", ["8", "16"])
def test_any_width_of_vectors_gives_the_same_bits(lanes):
    """Also sixteen numbers on a CPU that holds eight: LLVM takes two registers."""
    code = "from tests.compiled.test_lstm import digest; print(digest())"
    environment = {**os.environ, "BILSTM_VECTOR_LANES": lanes}
    command = [sys.executable, "-c", code]
    result = subprocess.run(
        command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.split()[-1] == digest()
