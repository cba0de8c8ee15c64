"""Pooling in compiled code against a few lines of NumPy that go text by text."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from search.compiled.network import FastNetwork
from search.compiled.pooling import average, largest, to_average, to_largest
from search.network.space import Configuration
from search.network.weights import Shape

cases = st.tuples(st.integers(1, 6), st.integers(1, 9), st.integers(1, 11), st.integers(0, 10**6))
both = pytest.mark.parametrize("reverse", [False, True])


def outputs_of(case, ties=False):
    """Outputs, many of them equal if there are to be ties; lengths; a gradient of the pooled."""
    batch, time, units, seed = case
    generator = np.random.default_rng(seed)
    lengths = generator.integers(1, time + 1, batch).astype(np.int32)
    outputs = generator.standard_normal((batch, time, units))
    if ties:
        outputs = outputs.round()
    gradient = generator.standard_normal((batch, units)).astype(np.float32)
    return outputs.astype(np.float32), lengths, gradient


def with_padding(outputs, lengths, reverse):
    """The outputs with NaN where there is padding, and where there is none."""
    steps = np.arange(outputs.shape[1])
    first = np.where(reverse, outputs.shape[1] - lengths, 0)[:, None]
    inside = (steps >= first) & (steps < first + lengths[:, None])
    return np.where(inside[..., None], outputs, np.float32(np.nan)), inside


@both
@settings(max_examples=40, deadline=None)
@given(case=cases, ties=st.booleans())
@example(case=(1, 1, 1, 0), ties=False)
def test_the_largest(case, ties, reverse):
    outputs, lengths, gradient = outputs_of(case, ties)
    padded, inside = with_padding(outputs, lengths, reverse)
    pooled, steps = largest(padded, lengths, reverse=reverse)
    assert np.array_equal(pooled, np.nanmax(padded, axis=1))
    back = to_largest(gradient, steps, outputs.shape[1])
    expected = np.zeros_like(outputs)
    places = np.nanargmax(padded, axis=1)  # of equal ones, the first
    np.put_along_axis(expected, places[:, None], gradient[:, None], axis=1)
    assert np.array_equal(back, expected)
    assert not back[~inside].any()


@both
@settings(max_examples=40, deadline=None)
@given(case=cases)
@example(case=(1, 1, 1, 0))
def test_the_average(case, reverse):
    outputs, lengths, gradient = outputs_of(case)
    padded, inside = with_padding(outputs, lengths, reverse)
    pooled = average(padded, lengths, reverse=reverse)
    np.testing.assert_allclose(pooled, np.nanmean(padded, axis=1), atol=1e-6)
    back = to_average(gradient, lengths, outputs.shape[1], reverse=reverse)
    expected = inside[..., None] * (gradient / lengths[:, None])[:, None]
    np.testing.assert_allclose(back, expected, rtol=1e-6)


@both
@pytest.mark.parametrize("kind", ["largest", "average"])
def test_gradients_are_differences(kind, reverse):
    """How much the pooled numbers change with each output, measured."""
    outputs, lengths, gradient = outputs_of((3, 5, 4, 1))
    step = np.float32(1e-2)

    def pooled(changed):
        if kind == "average":
            return average(changed, lengths, reverse=reverse)
        return largest(changed, lengths, reverse=reverse)[0]

    measured = np.zeros_like(outputs)
    for place in np.ndindex(outputs.shape):
        high, low = outputs.copy(), outputs.copy()
        high[place] += step
        low[place] -= step
        measured[place] = np.sum(gradient * (pooled(high) - pooled(low))) / (2 * step)
    if kind == "average":
        back = to_average(gradient, lengths, 5, reverse=reverse)
    else:
        back = to_largest(gradient, largest(outputs, lengths, reverse=reverse)[1], 5)
    np.testing.assert_allclose(back, measured, atol=1e-3)


@pytest.mark.parametrize("pooling", ["max", "mean", "last"])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_nan_is_passed_on(pooling, place):
    """A text with a token whose row is NaN must not look fine, wherever the token stands."""
    configuration = Configuration(embedding_dim=8, lstm_units=8, pooling=pooling)
    network = FastNetwork(configuration, Shape(9, 2, 5))
    network.weights[0][7] = np.nan
    ids = np.full((2, 4), 3, np.int32)
    ids[:, 3] = 0
    ids[1, place] = 7
    assert np.isnan(network.probabilities(ids)[:, 0]).tolist() == [False, True]
