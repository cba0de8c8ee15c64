"""The network: plain and fast are one network, and a used one can be made new."""

import keras
import numpy as np
import pytest

from search.network import build as network
from search.network.build import Shape
from search.network.space import Configuration
from search.tuning.training import Engine

SHAPE = Shape(vocabulary_size=50, classes=2, max_length=20)
CONFIGURATION = Configuration(embedding_dim=8, lstm_units=6, dropout=0.0, learning_rate=1e-2)


def rows(seed=0, n=64):
    """Right-padded ids and labels that depend on them."""
    generator = np.random.default_rng(seed)
    ids = generator.integers(1, 50, (n, 12)).astype(np.int32)
    lengths = generator.integers(1, 13, n)
    ids[np.arange(12) >= lengths[:, None]] = 0
    return ids, (ids[:, 0] > 25).astype(np.int32)


def test_initial_weights_fit_and_follow_the_seed():
    model = network.build(CONFIGURATION, SHAPE)
    weights = network.initial_weights(CONFIGURATION, SHAPE, 1)
    assert [w.shape for w in weights] == [tuple(v.shape) for v in model.trainable_variables]
    assert all(w.dtype == np.float32 for w in weights)
    again = network.initial_weights(CONFIGURATION, SHAPE, 1)
    other = network.initial_weights(CONFIGURATION, SHAPE, 2)
    assert all(np.array_equal(a, b) for a, b in zip(weights, again, strict=True))
    assert not np.array_equal(weights[0], other[0])


def test_initial_weights_are_distributed_as_keras():
    keras.utils.set_random_seed(0)
    sizes = Configuration(embedding_dim=64, lstm_units=32)
    ours = network.initial_weights(sizes, Shape(5000, 3, 20), 0)
    stock = network.build(sizes, Shape(5000, 3, 20)).get_weights()
    for a, b in zip(ours, stock, strict=True):
        assert a.std() == pytest.approx(b.std(), rel=0.15, abs=1e-9)
        standard_error = b.std() * np.sqrt(2 / b.size)
        assert a.mean() == pytest.approx(b.mean(), abs=4 * standard_error + 1e-9)
    recurrent = ours[2]
    assert np.allclose(recurrent @ recurrent.T, np.eye(32), atol=1e-5)


@pytest.mark.parametrize(("classes", "outputs"), [(2, 1), (3, 3)])
def test_plain_and_fast_give_the_same(classes, outputs):
    shape = Shape(50, classes, 20)
    plain = network.build(CONFIGURATION, shape)
    fast = network.build(CONFIGURATION, shape, fast=True)
    fast.set_weights(plain.get_weights())
    ids, _ = rows()
    given = fast(ids).numpy()
    assert given.shape == (64, outputs)
    np.testing.assert_allclose(given, plain(ids).numpy(), atol=1e-6)


def test_training_follows_stock_keras_step_by_step():
    """50 steps of Adam through the fast layers and through Keras' own: the same losses."""
    plain = network.build(CONFIGURATION, SHAPE)
    engine = Engine(network.build(CONFIGURATION, SHAPE, fast=True))
    weights = network.initial_weights(CONFIGURATION, SHAPE, 3)
    network.assign(plain, weights)
    network.assign(engine.model, weights)
    stock, ours = [], []
    for step in range(50):
        ids, labels = rows(step)
        stock.append(float(plain.train_on_batch(ids, labels[:, None])[0]))
        plain.reset_metrics()
        ours.append(engine.train_epoch([(ids, labels)]))
    np.testing.assert_allclose(ours, stock, rtol=2e-4)
    assert ours[-1] < 0.7 * ours[0], "nothing was learned, so equality says little"


def test_dropout_is_kept_apart_and_scaled():
    fast = network.build(Configuration(dropout=0.5, embedding_dim=64), SHAPE, fast=True)
    layer = fast.get_layer("embedding_dropout")
    x = np.ones((200, 3, 64), np.float32)
    y = layer(x, training=True).numpy()
    assert set(np.unique(y)) == {0.0, 2.0}
    assert y.mean() == pytest.approx(1, abs=0.05)
    assert (y == y[:, :1]).all(), "a channel is dropped in all of a text"
    layer.set_rate(0.0)
    assert np.array_equal(layer(x, training=True).numpy(), x)
    assert np.array_equal(layer(x, training=False).numpy(), x)


def test_a_used_network_can_be_made_new():
    """Reset equals building anew: nothing of the earlier trial is left."""
    first = Configuration(embedding_dim=8, lstm_units=6, dropout=0.5, learning_rate=1e-3)
    second = Configuration(embedding_dim=8, lstm_units=6, dropout=0.2, learning_rate=5e-2)
    used = Engine(network.build(first, SHAPE, fast=True))
    network.reset(used.model, first, SHAPE, 1)
    used.train_epoch([rows(s) for s in range(5)])
    new = Engine(network.build(second, SHAPE, fast=True))
    losses = []
    for engine in (used, new):
        network.reset(engine.model, second, SHAPE, 9)
        losses.append([engine.train_epoch([rows(s) for s in range(5)]) for _ in range(3)])
    assert losses[0] == losses[1]
    for a, b in zip(used.state().values(), new.state().values(), strict=True):
        assert np.array_equal(a, b)


def test_state_goes_on_bit_for_bit():
    configuration = Configuration(embedding_dim=8, lstm_units=6, dropout=0.4)
    engine, other = (Engine(network.build(configuration, SHAPE, fast=True)) for _ in range(2))
    network.reset(engine.model, configuration, SHAPE, 2)
    engine.train_epoch([rows(s) for s in range(4)])
    state = engine.state()
    expected = engine.train_epoch([rows(9)])
    network.reset(other.model, configuration, SHAPE, 77)
    other.restore(state)
    assert other.train_epoch([rows(9)]) == expected


def test_trainable_weights_are_all_the_weights():
    fast = network.build(CONFIGURATION, SHAPE, fast=True)
    assert len(fast.weights) == len(fast.trainable_variables) == 9
    assert isinstance(fast.get_layer("embedding"), keras.layers.Embedding)
