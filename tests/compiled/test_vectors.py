"""Eight or more numbers at a time: each operation does what its name says, and NaN stays NaN."""

from pathlib import Path

import numba
import numpy as np
import pytest

from search.compiled.cache import SOURCES
from search.compiled.vectors import (
    clip,
    compiled,
    fma,
    like,
    load,
    load_wide,
    sigmoid,
    splat,
    sqrt,
    store,
    store_eights,
    tanh,
    without_tiny,
)
from search.compiled.width import WIDE

LIMIT = np.float32(1.5)


def applied(operation, *arrays, wide=False):
    """An operation on vectors, on whole arrays."""
    single = numba.njit(operation)
    read, lanes = (load_wide, WIDE) if wide else (load, 8)

    @numba.njit
    def loop(a, b, c, result):
        for k in range(0, len(a), lanes):
            store(result, k, single(read(a, k), read(b, k), read(c, k)))

    a, b, c = (np.ascontiguousarray(array, np.float32) for array in (*arrays, *arrays, *arrays)[:3])
    result = np.empty_like(a)
    loop(a, b, c, result)
    return result


@pytest.fixture
def numbers():
    return np.random.default_rng(0).uniform(0.1, 3, (3, 64)).astype(np.float32)


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        (lambda a, b, c: a + b, lambda a, b, c: a + b),
        (lambda a, b, c: a - b, lambda a, b, c: a - b),
        (lambda a, b, c: a * b, lambda a, b, c: a * b),
        (lambda a, b, c: a / b, lambda a, b, c: a / b),
        (lambda a, b, c: fma(a, b, c), lambda a, b, c: a.astype(np.float64) * b + c),
        (lambda a, b, c: sqrt(a), lambda a, b, c: np.sqrt(a)),
        (lambda a, b, c: clip(a - b, LIMIT), lambda a, b, c: np.clip(a - b, -LIMIT, LIMIT)),
        (lambda a, b, c: like(a, LIMIT) * a, lambda a, b, c: LIMIT * a),
    ],
)
def test_operations(numbers, operation, expected):
    got = applied(operation, *numbers)
    np.testing.assert_allclose(got, expected(*numbers), rtol=1e-6)
    assert np.array_equal(applied(operation, *numbers, wide=True), got)


def test_tanh_and_sigmoid_are_exact_to_the_last_digits():
    x = np.concatenate([np.linspace(-30, 30, 40_000), np.geomspace(1e-30, 1, 4_000)])
    x = x.astype(np.float32)
    exact = np.tanh(x.astype(np.float64))
    np.testing.assert_allclose(applied(lambda a, b, c: tanh(a), x), exact, rtol=5e-7)
    exact = 1 / (1 + np.exp(-x.astype(np.float64)))
    np.testing.assert_allclose(applied(lambda a, b, c: sigmoid(a), x), exact, atol=3e-7, rtol=0)


def test_nan_stays_nan():
    x = np.full(8, np.nan, np.float32)
    for operation in (
        lambda a, b, c: tanh(a),
        lambda a, b, c: sigmoid(a),
        lambda a, b, c: clip(a, LIMIT),
        lambda a, b, c: without_tiny(a, LIMIT),
    ):
        assert np.isnan(applied(operation, x)).all()


def test_tiny_numbers_become_zero():
    x = np.array([1e-31, -1e-31, 1e-29, -1e-29, 0, 1, -1, 1e-45], np.float32)
    got = applied(lambda a, b, c: without_tiny(a, np.float32(1e-30)), x)
    assert got.tolist() == [0, 0, x[2], x[3], 0, 1, -1, 0]


def test_one_number_eight_times():
    @numba.njit
    def run(a, result):
        store(result, 0, splat(a[3]))

    result = np.empty(8, np.float32)
    run(np.arange(5, dtype=np.float32), result)
    assert result.tolist() == [3] * 8


def test_a_wide_vector_in_eights():
    @numba.njit
    def run(a, result):
        store_eights(result, 1, 20, load_wide(a, 0))

    result = np.zeros(40, np.float32)
    run(np.arange(1, WIDE + 1, dtype=np.float32), result)
    assert result[1:9].tolist() == list(range(1, 9))
    assert result[21:29].tolist() == (list(range(9, 17)) if WIDE == 16 else [0] * 8)
    assert not result[[0, *range(9, 21), *range(29, 40)]].any()


def test_without_a_folder_for_the_cache(monkeypatch):
    """A read-only installation without a home compiles in every process, and works."""
    monkeypatch.setattr(numba.core.caching.CacheImpl, "_locator_classes", [])
    assert compiled(lambda x: x + 1)(2) == 3


def test_the_cache_is_named_after_the_sources():
    from search.compiled import kernel

    assert kernel.step._cache._impl is not None
    assert Path(kernel.step._cache.cache_path).parent.name == SOURCES
