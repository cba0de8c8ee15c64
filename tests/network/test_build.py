"""The Keras model that users keep."""

from dataclasses import replace

import numpy as np
import pytest

from search.network.build import assign, build
from search.network.space import Configuration
from search.network.weights import Shape, initial_weights

CONFIGURATION = Configuration(embedding_dim=8, lstm_units=6)


@pytest.mark.parametrize(("classes", "outputs"), [(2, 1), (3, 3)])
def test_one_sigmoid_or_a_softmax(classes, outputs):
    model = build(CONFIGURATION, Shape(50, classes, 20))
    given = model(np.array([[3, 4, 0], [5, 0, 0]], np.int32)).numpy()
    assert given.shape == (2, outputs)
    if classes > 2:
        np.testing.assert_allclose(given.sum(axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize("pooling", ["max", "mean", "last"])
def test_padding_changes_nothing(pooling):
    shape = Shape(50, 2, 20)
    configuration = replace(CONFIGURATION, pooling=pooling)
    model = build(configuration, shape)
    assign(model, initial_weights(configuration, shape, 0))
    short = np.array([[3, 4]], np.int32)
    np.testing.assert_allclose(model(short), model(np.pad(short, [[0, 0], [0, 7]])), atol=1e-7)
