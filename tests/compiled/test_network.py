"""The compiled network against the Keras model of `build.py`: values, gradients, training."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st

from search.compiled.network import FastNetwork, _dropped
from search.compiled.threads import allow
from search.network.build import assign, build
from search.network.space import Configuration
from search.network.weights import Shape, initial_weights
from search.tuning.engine import FastEngine, KerasEngine
from tests.conftest import close


def pair(configuration, shape, seed=0, class_weights=None):
    """The same weights in both, biases not zero, so that a permuted gate shows."""
    generator = np.random.default_rng(seed)
    weights = [
        w + 0.1 * generator.standard_normal(w.shape).astype(np.float32)
        for w in initial_weights(configuration, shape, seed)
    ]
    stock = build(configuration, shape)
    assign(stock, weights)
    fast = FastNetwork(configuration, shape, class_weights)
    for array, value in zip(fast.weights, weights, strict=True):
        array[:] = value
    return stock, fast


def texts(generator, batch, time, shape):
    """Right-padded ids with repeated tokens, one text of one token and one of full length."""
    ids = generator.integers(1, shape.vocabulary_size, (batch, time)).astype(np.int32)
    lengths = generator.integers(1, time + 1, batch)
    lengths[0] = generator.choice([1, time])
    ids[np.arange(time) >= lengths[:, None]] = 0
    return ids, generator.integers(0, shape.classes, batch).astype(np.int32)


CASES = {
    "batch": st.integers(1, 9),
    "time": st.integers(1, 12),
    "features": st.integers(1, 40),
    "units": st.integers(1, 35),
    "classes": st.sampled_from([2, 3]),
    "pooling": st.sampled_from(["max", "mean", "last"]),
    "layers": st.integers(1, 3),
    "smoothing": st.sampled_from([0.0, 0.2]),
    "seed": st.integers(0, 10**6),
}
LARGE = {"batch": 70, "time": 40, "features": 32, "units": 16, "classes": 2, "seed": 0}


@settings(max_examples=8, deadline=None, derandomize=True)
@given(**CASES)
@example(**LARGE, pooling="max", layers=1, smoothing=0.0)
@example(**LARGE, pooling="last", layers=2, smoothing=0.1)
def test_equals_keras(**case):
    check_equals_keras(**case)


@pytest.mark.slow
@settings(max_examples=50, deadline=None, derandomize=True)
@given(**CASES)
def test_equals_keras_in_many_cases(**case):
    check_equals_keras(**case)


def check_equals_keras(batch, time, features, units, classes, pooling, layers, smoothing, seed):
    generator = np.random.default_rng(seed)
    shape = Shape(30, classes, 50)
    configuration = Configuration(
        embedding_dim=features,
        lstm_units=units,
        dropout=0.0,
        pooling=pooling,
        layers=layers,
        label_smoothing=smoothing,
    )
    stock, fast = pair(configuration, shape, seed)
    ids, labels = texts(generator, batch, time, shape)
    with tf.GradientTape() as tape:
        predicted = stock(ids, training=True)  # without dropout as not in training
        target = labels if classes > 2 else labels[:, None]
        expected_loss = stock.compute_loss(ids, target, predicted, training=True)
    close(fast.probabilities(ids), predicted.numpy())
    expected = tape.gradient(expected_loss, stock.trainable_variables)
    loss, gradients = fast.loss_and_gradients(ids, labels, np.random.default_rng(0))
    assert loss == pytest.approx(float(expected_loss), rel=1e-5)
    tokens, rows = gradients[0]
    table = np.zeros_like(fast.weights[0])
    np.add.at(table, tokens, rows)
    close(table, tf.convert_to_tensor(expected[0]).numpy())
    for ours, stocks in zip(gradients[1:], expected[1:], strict=True):
        close(ours, stocks.numpy())


@pytest.mark.parametrize(
    ("classes", "extra"),
    [
        (2, {}),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (
                (3, {}),
                (2, {"weight_decay": 0.1}),
                (2, {"clipnorm": 0.05}),
                (2, {"label_smoothing": 0.1}),
            )
        ),
        (3, {"weight_decay": 0.1, "clipnorm": 0.05, "label_smoothing": 0.1}),
    ],
)
def test_training_follows_keras_step_by_step(classes, extra):
    """Steps of Adam in compiled code and in Keras: the same losses, the same weights.

    Not for ever: once rounding decides which of two steps has the larger output, they part.
    """
    shape = Shape(50, classes, 20)
    configuration = Configuration(
        embedding_dim=8, lstm_units=6, dropout=0.0, learning_rate=1e-2, **extra
    )
    stock = build(configuration, shape)
    weights = initial_weights(configuration, shape, 3)
    engine = FastEngine(configuration, shape, weights)
    assign(stock, weights)
    generator = np.random.default_rng(0)
    losses, ours = [], []
    for _ in range(20 if extra else 50):
        ids, _ = texts(generator, 64, 12, shape)
        labels = (ids[:, 0] % classes).astype(np.int32)
        losses.append(float(stock.train_on_batch(ids, labels[:, None])[0]))
        stock.reset_metrics()
        ours.append(engine.train_epoch([(ids, labels)], seed=3, epoch=0))
    np.testing.assert_allclose(ours, losses, rtol=2e-4)
    assert ours[-1] < 0.95 * ours[0], "nothing was learned, so equality says little"
    state = engine.state()
    for number, weight in enumerate(stock.get_weights()):
        np.testing.assert_allclose(state[f"weights/{number}"], weight, atol=2e-4)


@pytest.mark.parametrize("classes", [pytest.param(2, marks=pytest.mark.slow), 3])
def test_class_weights_are_those_of_keras(classes):
    """As in fit(class_weight=…): each row's loss times its class' weight, then the mean."""
    shape, counts = Shape(30, classes, 50), (0.6, 3.0, 1.7)[:classes]
    configuration = Configuration(embedding_dim=9, lstm_units=7, dropout=0.0)
    stock, fast = pair(configuration, shape, class_weights=counts)
    ids, labels = texts(np.random.default_rng(1), 12, 9, shape)
    with tf.GradientTape() as tape:
        target = labels if classes > 2 else labels[:, None]
        expected_loss = stock.compute_loss(
            ids, target, stock(ids, training=True), sample_weight=np.float32(counts)[labels]
        )
    expected = tape.gradient(expected_loss, stock.trainable_variables)
    loss, gradients = fast.loss_and_gradients(ids, labels, np.random.default_rng(0))
    assert loss == pytest.approx(float(expected_loss), rel=1e-5)
    for ours, stocks in zip(gradients[1:], expected[1:], strict=True):
        close(ours, stocks.numpy())
    by_keras = KerasEngine(stock, class_weights=counts).train_epoch([(ids, labels)], 0, 0)
    assert by_keras == pytest.approx(loss, rel=1e-5)


def test_dropout_drops_what_keras_drops():
    """Whole channels of a text's embedding, and single outputs; both scaled to keep the mean."""
    mask = _dropped(np.random.default_rng(0), 0.25, 4000, 64)
    assert set(np.unique(mask)) == {np.float32(0), np.float32(1 / 0.75)}
    assert mask.mean() == pytest.approx(1, abs=0.01)
    assert (mask == 0).mean() == pytest.approx(0.25, abs=0.01)


def test_dropout_in_training_equals_keras_with_the_same_masks():
    shape, rate = Shape(30, 2, 50), 0.4
    configuration = Configuration(embedding_dim=10, lstm_units=9, dropout=rate, pooling="last")
    stock, fast = pair(configuration, shape)
    ids, labels = texts(np.random.default_rng(1), 12, 9, shape)
    draws = np.random.default_rng(5)
    scale = _dropped(draws, rate, 12, 10)
    hidden_scale = _dropped(draws, rate, 12, 18)
    layers = {layer.name: layer for layer in stock.layers}
    x = layers["embedding"](ids) * scale[:, None, :]
    hidden = layers["bilstm"](x, mask=tf.constant(ids != 0)) * hidden_scale
    predicted = layers["probability"](hidden).numpy()[:, 0]
    expected = -np.log(np.where(labels == 1, predicted, 1 - predicted)).mean()
    loss, _ = fast.loss_and_gradients(ids, labels, np.random.default_rng(5))
    assert loss == pytest.approx(float(expected), rel=1e-5)


def test_one_thread_or_two_give_the_same():
    shape, configuration = Shape(30, 2, 50), Configuration(embedding_dim=12, lstm_units=10)
    batches = [texts(np.random.default_rng(n), 20, 15, shape) for n in range(3)]
    states = []
    try:
        for threads in (1, 2):
            allow(threads)
            engine = FastEngine(configuration, shape, initial_weights(configuration, shape, 0))
            engine.train_epoch(batches, 0, 0)
            states.append(engine.state())
    finally:
        allow(2)
    for name in states[0]:
        assert np.array_equal(states[0][name], states[1][name])


def test_confident_probabilities_are_finite():
    network = FastNetwork(Configuration(embedding_dim=8, lstm_units=8), Shape(9, 2, 5))
    for logit, expected in ((1e4, 1.0), (-1e4, 0.0)):
        network.weights[-1][:] = logit
        assert network.probabilities(np.ones((1, 2), np.int32)) == expected
        loss, _ = network.loss_and_gradients(
            np.ones((1, 2), np.int32), np.array([1 - int(expected)]), np.random.default_rng(0)
        )
        assert loss == pytest.approx(-np.log(1e-7))


def test_nan_is_passed_on():
    """A network that diverged says so; it is never clipped into something that looks fine."""
    network = FastNetwork(Configuration(embedding_dim=8, lstm_units=8), Shape(9, 2, 5))
    network.weights[2][0, 0] = np.nan
    network.weights[0][:] = 1
    ids = np.ones((2, 3), np.int32)
    assert np.isnan(network.probabilities(ids)).all()
    loss, _ = network.loss_and_gradients(ids, np.array([0, 1]), np.random.default_rng(0))
    assert np.isnan(loss)


def test_keras_is_what_it_is_held_against():
    stock, _ = pair(Configuration(embedding_dim=8, lstm_units=8), Shape(9, 2, 5))
    kinds = [type(layer) for layer in stock.layers[1:]]
    assert kinds == [
        keras.layers.Embedding,
        keras.layers.SpatialDropout1D,
        keras.layers.Bidirectional,
        keras.layers.Dropout,
        keras.layers.Dense,
    ]
    assert type(stock.get_layer("bilstm").forward_layer) is keras.layers.LSTM
