"""The weights a network starts from: Keras' own, but a seed means the same on any machine."""

import keras
import numpy as np
import pytest

from search.network.build import build
from search.network.space import Configuration
from search.network.weights import Shape, initial_weights

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


def test_word_vectors_replace_what_they_cover():
    """Tokens without a vector, and numbers beyond a vector's length, stay as they were drawn."""
    vectors = np.zeros((50, 5), np.float32)
    vectors[10:20] = np.random.default_rng(0).standard_normal((10, 5))
    drawn = initial_weights(CONFIGURATION, SHAPE, 1)
    warm = initial_weights(CONFIGURATION, SHAPE, 1, vectors)
    np.testing.assert_allclose(warm[0][10:20, :5], 0.1 * vectors[10:20], rtol=1e-6)
    assert np.array_equal(warm[0][10:20, 5:], drawn[0][10:20, 5:])
    assert np.array_equal(warm[0][:10], drawn[0][:10])
    assert all(np.array_equal(a, b) for a, b in zip(warm[1:], drawn[1:], strict=True))
    longer = np.tile(vectors, (1, 4))
    assert initial_weights(CONFIGURATION, SHAPE, 1, longer)[0].shape == (50, 8)
