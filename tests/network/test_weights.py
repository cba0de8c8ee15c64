"""The weights a network starts from: Keras' own, but a seed means the same on any machine."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from search.network.build import build
from search.network.space import Configuration
from search.network.weights import Shape, initial_weights, operations

SHAPE = Shape(vocabulary_size=50, classes=2, max_length=20)
CONFIGURATION = Configuration(embedding_dim=8, lstm_units=6)


def test_they_fit_and_follow_the_seed():
    model = build(CONFIGURATION, SHAPE)
    weights = initial_weights(CONFIGURATION, SHAPE, 1)
    assert [w.shape for w in weights] == [tuple(v.shape) for v in model.trainable_variables]
    assert len(weights) == len(model.weights), "everything is trained"
    assert all(w.dtype == np.float32 for w in weights)
    again = initial_weights(CONFIGURATION, SHAPE, 1)
    other = initial_weights(CONFIGURATION, SHAPE, 2)
    assert all(np.array_equal(a, b) for a, b in zip(weights, again, strict=True))
    assert not np.array_equal(weights[0], other[0])


def test_operations_are_those_of_the_kernels():
    kernels = 2 * (8 * 4 * 6 + 6 * 4 * 6)
    assert operations(CONFIGURATION, SHAPE, 100) == 6 * kernels * 100
    second = 2 * (12 * 4 * 6 + 6 * 4 * 6)
    deep = replace(CONFIGURATION, layers=2)
    assert operations(deep, SHAPE, 100) == 6 * (kernels + second) * 100


def test_they_are_distributed_as_keras():
    keras.utils.set_random_seed(0)
    sizes = Configuration(embedding_dim=64, lstm_units=32)
    ours = initial_weights(sizes, Shape(5000, 3, 20), 0)
    stock = build(sizes, Shape(5000, 3, 20)).get_weights()
    for a, b in zip(ours, stock, strict=True):
        assert a.std() == pytest.approx(b.std(), rel=0.15, abs=1e-9)
        standard_error = b.std() * np.sqrt(2 / b.size)
        assert a.mean() == pytest.approx(b.mean(), abs=4 * standard_error + 1e-9)
    recurrent = ours[2]
    assert np.allclose(recurrent @ recurrent.T, np.eye(32), atol=1e-5)


def some_features(columns, tokens=range(10, 20)):
    """Features of some tokens, of very different lengths; the others have none."""
    generator = np.random.default_rng(0)
    features = np.zeros((50, columns), np.float32)
    lengths = np.geomspace(0.1, 10, len(tokens))[:, None]
    features[tokens] = lengths * generator.standard_normal((len(tokens), columns))
    return features


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("columns", [5, 8, 30])
def test_features_replace_what_they_cover(columns, classes):
    """Polarity is scaled; the rest of a row, as far as it fits, gets one root mean square."""
    shape = Shape(vocabulary_size=50, classes=classes, max_length=20)
    features = some_features(columns)
    warm = initial_weights(CONFIGURATION, shape, 1, features)
    drawn = initial_weights(CONFIGURATION, shape, 1)
    first, covered = shape.outputs, min(columns, 8)
    np.testing.assert_allclose(warm[0][10:20, :first], 0.3 * features[10:20, :first], rtol=1e-6)
    rest, given = warm[0][10:20, first:covered], features[10:20, first:covered]
    np.testing.assert_allclose(np.sqrt(np.mean(rest**2, axis=1)), 0.3, rtol=1e-5)
    ratio = rest / given
    assert (ratio > 0).all()
    np.testing.assert_allclose(ratio, np.broadcast_to(ratio[:, :1], ratio.shape), rtol=1e-4)
    assert np.array_equal(warm[0][10:20, covered:], drawn[0][10:20, covered:])
    for tokens in (slice(0, 10), slice(20, 50)):
        assert np.array_equal(warm[0][tokens], drawn[0][tokens]), "of these nothing is known"
    assert all(np.array_equal(a, b) for a, b in zip(warm[1:], drawn[1:], strict=True))


def test_features_of_polarity_alone():
    """A token that has no more, and features that are no more."""
    features = some_features(5)
    features[12, 1:] = 0
    warm = initial_weights(CONFIGURATION, SHAPE, 1, features)[0]
    assert warm[12, 0] == pytest.approx(0.3 * features[12, 0]) and not warm[12, 1:5].any()
    only = initial_weights(CONFIGURATION, SHAPE, 1, features[:, :1])[0]
    np.testing.assert_allclose(only[10:20, 0], 0.3 * features[10:20, 0], rtol=1e-6)
    drawn = initial_weights(CONFIGURATION, SHAPE, 1)[0]
    assert np.array_equal(only[:, 1:], drawn[:, 1:])


def test_features_themselves_stay_as_they_are():
    features = some_features(5)
    before = features.copy()
    initial_weights(CONFIGURATION, SHAPE, 1, features)
    assert np.array_equal(features, before)
