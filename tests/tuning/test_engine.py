"""What can be trained can be stopped and taken up again, bit for bit."""

import subprocess
import sys

import keras
import numpy as np
import pytest

from search.network.space import Configuration
from search.network.weights import Shape, initial_weights
from search.tuning.engine import FastEngine, KerasEngine, predict
from tests.conftest import ROOT

SHAPE = Shape(vocabulary_size=50, classes=2, max_length=20)
CONFIGURATION = Configuration(embedding_dim=8, lstm_units=6, dropout=0.4)


def batch(seed):
    """Right-padded ids and labels that depend on them."""
    generator = np.random.default_rng(seed)
    ids = generator.integers(1, 50, (32, 12)).astype(np.int32)
    ids[np.arange(12) >= generator.integers(1, 13, 32)[:, None]] = 0
    return ids, (ids[:, 0] > 25).astype(np.int32)


def fast():
    return FastEngine(CONFIGURATION, SHAPE, initial_weights(CONFIGURATION, SHAPE, 2))


def custom():
    keras.utils.set_random_seed(2)
    ids = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(50, 8, mask_zero=True)(ids)
    x = keras.layers.GlobalAveragePooling1D()(keras.layers.Dropout(0.4)(x))
    model = keras.Model(ids, keras.layers.Dense(1, activation="sigmoid")(x))
    model.compile("adam", "binary_crossentropy")
    return KerasEngine(model)


@pytest.mark.parametrize("make", [fast, custom])
def test_state_goes_on_bit_for_bit(make):
    straight = make()
    straight.train_epoch([batch(s) for s in range(4)], 7, 0)
    state = straight.state()
    kept = {name: array.copy() for name, array in state.items()}
    expected = straight.train_epoch([batch(9), batch(10)], 7, 1)
    other = make()
    other.train_epoch([batch(20)], 1, 0)
    other.restore(state)
    assert other.train_epoch([batch(9), batch(10)], 7, 1) == expected
    assert all(np.array_equal(kept[name], state[name]) for name in kept), "state is a copy"
    for name, array in straight.state().items():
        assert np.array_equal(other.state()[name], array), name


def test_dropout_follows_seed_and_epoch():
    losses = {}
    for seed, epoch in ((1, 0), (1, 0), (1, 1), (2, 0)):
        engine = fast()
        losses.setdefault((seed, epoch), []).append(engine.train_epoch([batch(0)], seed, epoch))
    assert losses[1, 0][0] == losses[1, 0][1]
    assert len({losses[1, 0][0], losses[1, 1][0], losses[2, 0][0]}) == 3


@pytest.mark.parametrize("make", [fast, custom])
def test_predictions_keep_the_order_of_rows(make):
    engine = make()
    ids, _ = batch(0)
    whole = predict(engine, [(np.arange(32), ids)], 32)
    parts = predict(engine, [(np.arange(16, 32), ids[16:]), (np.arange(16), ids[:16])], 32)
    assert whole.shape == (32, 1) and engine.outputs == 1
    np.testing.assert_allclose(whole, parts, atol=1e-6)


def test_parameters_are_those_of_the_keras_model():
    from search.network.build import build

    assert fast().parameters == build(CONFIGURATION, SHAPE).count_params()


def test_the_callers_arrays_are_not_kept():
    weights = initial_weights(CONFIGURATION, SHAPE, 5)
    before = [w.copy() for w in weights]
    engine = FastEngine(CONFIGURATION, SHAPE, weights)
    engine.train_epoch([batch(0)], 0, 0)
    assert all(np.array_equal(a, b) for a, b in zip(weights, before, strict=True))


def test_a_worker_needs_neither_tensorflow_nor_pandas():
    """Seconds of start-up and half a gigabyte, in every worker."""
    code = (
        "import sys; from search.tuning.training import warm_up; warm_up();"
        "print([m for m in ('tensorflow', 'keras', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
