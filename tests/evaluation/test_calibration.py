"""Probabilities that mean what they say: a temperature is found again, a threshold holds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import expit, softmax

from search.compiled.loss import cross_entropy
from search.evaluation.calibration import (
    LARGEST,
    abstain_threshold,
    expected_calibration_error,
    temperature,
    tempered,
)
from search.evaluation.statistics import wilson_interval
from search.tuning.objective import by_class

SHARES = st.one_of(st.sampled_from([0.0, 0.5, 1.0]), st.floats(0, 1, width=32))


def simulated(generator, rows, outputs, true_temperature=1.0, spread=2.0):
    """Probabilities of a network that is too sure by a temperature, and labels."""
    logits = generator.normal(0, spread, (rows, max(outputs, 2)))
    if outputs == 1:
        logits[:, 0] = 0
    chances = softmax(logits / true_temperature, axis=1)
    labels = (generator.random((rows, 1)) > chances.cumsum(axis=1)[:, :-1]).sum(axis=1)
    p = softmax(logits, axis=1)
    return (p[:, 1:] if outputs == 1 else p).astype(np.float32), labels.astype(np.int32)


@st.composite
def predictions(draw):
    """Any probabilities, exact zeros and ones among them, and any labels."""
    rows, outputs = draw(st.integers(1, 30)), draw(st.sampled_from([1, 3]))
    p = draw(arrays(np.float32, (rows, outputs), elements=SHARES))
    if outputs > 1:
        p[:, 0] += p.sum(axis=1) == 0
        p /= p.sum(axis=1, keepdims=True)
    labels = draw(arrays(np.int32, rows, elements=st.integers(0, max(outputs, 2) - 1)))
    return p, labels


@pytest.mark.parametrize("outputs", [1, 4])
@pytest.mark.parametrize("wanted", [0.5, 1.0, 1.7, 4.0])
def test_a_known_temperature_is_found(outputs, wanted):
    p, labels = simulated(np.random.default_rng(0), 20_000, outputs, wanted, spread=2 * wanted)
    assert temperature(p, labels) == pytest.approx(wanted, rel=0.05)


@pytest.mark.parametrize("outputs", [1, 4])
def test_other_rows_gain_too(outputs):
    generator = np.random.default_rng(1)
    fitted, fresh = (simulated(generator, 800, outputs, 2.0, spread=4) for _ in range(2))
    found = temperature(*fitted)
    for measure in (cross_entropy, expected_calibration_error):
        assert measure(tempered(fresh[0], found), fresh[1]) < 0.9 * measure(*fresh)


@pytest.mark.parametrize("outputs", [1, 3])
def test_logits_are_divided(outputs):
    logits = np.random.default_rng(0).normal(0, 3, (50, outputs))
    squash = expit if outputs == 1 else lambda z: softmax(z, axis=1)
    np.testing.assert_allclose(tempered(squash(logits), 2.5), squash(logits / 2.5), rtol=1e-6)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(predictions())
def test_never_worse_always_bounded(given):
    p, labels = given
    found = temperature(p, labels)
    assert 1 / LARGEST <= found <= LARGEST
    assert found == 1 or cross_entropy(tempered(p, found), labels) < cross_entropy(p, labels)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(predictions(), st.floats(1 / LARGEST, LARGEST))
def test_classes_never_change(given, divisor):
    for p in (given[0], np.nextafter(np.float32(0.5), given[0])):
        after = tempered(p, divisor)
        assert after.shape == p.shape and np.isfinite(after).all()
        if p.shape[1] == 1:
            assert np.array_equal(after > 0.5, p > 0.5)
        else:
            assert np.array_equal(after.argmax(axis=1), p.argmax(axis=1))


def test_rows_that_are_all_right_prove_little():
    """20 right ones of 20 are no reason for more than 21 in 22, however low the loss would get."""
    labels = np.tile(np.array([0, 1], np.int32), 10)
    p = np.where(labels == 1, 0.7, 0.3).astype(np.float32)[:, None]
    after = by_class(tempered(p, temperature(p, labels))).max(axis=1)
    np.testing.assert_allclose(after, 21 / 22, atol=1e-4)
    sure = np.where(labels == 1, 1.0, 0.0).astype(np.float32)[:, None]
    assert temperature(sure, labels) == 1


def test_rows_of_one_class():
    p = np.random.default_rng(0).uniform(0.2, 0.99, (100, 1)).astype(np.float32)
    labels = np.ones(100, np.int32)
    found = temperature(p, labels)
    assert 1 / LARGEST < found < LARGEST
    assert cross_entropy(tempered(p, found), labels) <= cross_entropy(p, labels)


def test_a_network_that_knows_nothing():
    labels = np.array([0, 1, 1], np.int32)
    assert temperature(np.full((3, 1), 0.5, np.float32), labels) == 1
    wrong = np.where(labels == 1, 0.01, 0.99).astype(np.float32)[:, None]
    assert temperature(wrong, labels) == pytest.approx(LARGEST, rel=1e-3)


def test_calibration_error_by_hand():
    labels = np.array([1] * 6 + [0] * 4, np.int32)
    assert expected_calibration_error(np.full((10, 1), 0.9), labels) == pytest.approx(0.3)
    # Two bins of two rows: 0.6 of which none is right, 0.9 of which all are.
    p = np.array([[0.6], [0.4], [0.9], [0.1]])
    two = expected_calibration_error(p, np.array([0, 1, 1, 0], np.int32), bins=2)
    assert two == pytest.approx((0.6 + 0.1) / 2)


def test_calibration_error_does_not_depend_on_the_order():
    generator = np.random.default_rng(0)
    p = generator.choice([0.6, 0.7, 0.8], (100, 1))
    labels = generator.integers(0, 2, 100).astype(np.int32)
    order = np.argsort(labels)
    expected = expected_calibration_error(p, labels)
    assert expected_calibration_error(p[order], labels[order]) == pytest.approx(expected, abs=1e-12)


def test_calibration_error_of_the_calibrated():
    """What the docstring says of 853 rows; it goes to 0 with more of them."""
    generator = np.random.default_rng(0)
    few = [expected_calibration_error(*simulated(generator, 853, 1)) for _ in range(50)]
    accuracy = np.mean([(p[:, 0] > 0.5) == y for p, y in [simulated(generator, 20_000, 1)]])
    assert accuracy == pytest.approx(0.8, abs=0.03)
    assert np.mean(few) == pytest.approx(0.04, abs=0.01)
    assert expected_calibration_error(*simulated(generator, 200_000, 1)) < 0.005


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.integers(1, 60), st.sampled_from([1, 3]), st.floats(0.3, 0.9))
def test_threshold_is_the_smallest(seed, rows, outputs, precision):
    generator = np.random.default_rng(seed)
    p, labels = simulated(generator, rows, outputs)
    p = np.round(p, 1)  # many are equal
    everyone = by_class(p)
    confidence, right = everyone.max(axis=1), everyone.argmax(axis=1) == labels
    good = []
    for least in np.unique(confidence):
        kept = right[confidence >= least]
        low = wilson_interval(kept.sum(), len(kept))[0]
        if low >= precision:
            good.append((least, kept.mean(), low, len(kept) / rows))
    found = abstain_threshold(p, labels, precision)
    assert (found is None) == (not good)
    if found is not None:
        values = (found.confidence, found.precision, found.low, found.coverage)
        assert values == pytest.approx(good[0])


def test_a_threshold_takes_enough_rows():
    p, labels = np.full((73, 1), 0.99), np.ones(73, np.int32)
    assert abstain_threshold(p[:72], labels[:72]) is None
    found = abstain_threshold(p, labels)
    assert found is not None and (found.precision, found.coverage) == (1, 1)


@pytest.mark.parametrize("rows", [300, 853, 2500])
def test_thresholds_hold(rows):
    """Of the thresholds that are found, those without the precision that they promise are few."""
    generator = np.random.default_rng(rows)
    found, broken = 0, 0
    for _ in range(400):
        p, labels = simulated(generator, rows, 1, spread=3)
        threshold = abstain_threshold(p, labels)
        if threshold is not None:
            confidence = by_class(p).max(axis=1)
            found += 1
            broken += confidence[confidence >= threshold.confidence].mean() < 0.95
    assert found > 100 and broken / 400 <= 0.03
