"""Stacking: what is known gets the weight, noise gets none."""

import numpy as np
import pytest

from search.evaluation.mixture import linear_evidence, mixed
from search.evaluation.stacking import cross_fitted, stacked


@pytest.mark.parametrize("classes", [2, 4])
def test_noise_counts_for_nothing(classes):
    generator = np.random.default_rng(classes)
    labels = generator.integers(0, classes, 4000).astype(np.int32)
    hot = np.eye(classes)[labels]
    outputs = slice(1, 2) if classes == 2 else slice(None)
    telling = linear_evidence((2 * hot + generator.normal(size=hot.shape))[:, outputs])
    noise = linear_evidence(generator.normal(size=hot.shape)[:, outputs])
    weights, bias = stacked([telling, noise], labels, np.ones(4000))
    assert weights[0] > 0.5 and 0 <= weights[1] < 0.1 * weights[0]
    assert len(bias) == classes


def test_it_is_the_optimum():
    generator = np.random.default_rng(0)
    labels = (generator.random(3000) < 0.3).astype(np.int32)
    members = [linear_evidence((labels + generator.normal(size=3000) * s)[:, None]) for s in (1, 2)]

    def loss(weights, bias):
        p = mixed(members, weights, bias)[:, 0].astype(float)
        return -np.log(np.where(labels, p, 1 - p)).mean()

    weights, bias = stacked(members, labels, np.ones(3000))
    best = loss(weights, bias)
    for change in generator.normal(size=(20, 4)) * 0.2:
        other = np.maximum(np.array(weights) + change[:2], 0)
        assert best <= loss(other, np.array(bias) + change[2:]) + 1e-4


def test_rows_that_count_more_decide_more():
    labels = np.array([0, 1] * 500, np.int32)
    nothing = linear_evidence(np.zeros((1000, 1)))
    _, bias = stacked([nothing], labels, np.where(labels, 3.0, 1.0))
    assert mixed([nothing], [0], bias)[0, 0] == pytest.approx(0.75, abs=0.02)


def test_few_rows_say_little():
    """Of two members that are equally good the luckier one of 30 rows gets little more."""
    gaps = {30: [], 3000: []}
    for rows, found in gaps.items():
        for seed in range(20):
            generator = np.random.default_rng(seed)
            labels = generator.integers(0, 2, rows).astype(np.int32)
            scores = 4 * labels[:, None] - 2 + generator.normal(size=(rows, 2)) * 3
            members = [linear_evidence(column[:, None]) for column in scores.T]
            weights, _ = stacked(members, labels, np.ones(rows))
            found.append(abs(weights[0] - weights[1]))
    assert np.mean(gaps[30]) < 0.2
    assert np.mean(gaps[3000]) < 0.05


def test_no_row_decides_of_its_own_answer():
    generator = np.random.default_rng(3)
    labels = generator.integers(0, 3, 60).astype(np.int32)
    members = [linear_evidence(generator.normal(size=(60, 3))) for _ in range(4)]
    folds, even = (np.arange(60) % 5).astype(np.int8), np.ones(60)
    answers = cross_fitted(members, labels, even, folds)
    turned = cross_fitted(members, np.where(folds == 2, (labels + 1) % 3, labels), even, folds)
    assert np.array_equal(turned[folds == 2], answers[folds == 2])
    assert not np.allclose(turned[folds != 2], answers[folds != 2])


def test_noise_is_not_praised():
    """Of weights fitted to the rows themselves, noise looks better than chance."""
    generator, right = np.random.default_rng(4), {"the same": 0.0, "others": 0.0}
    folds, even = (np.arange(40) % 5).astype(np.int8), np.ones(40)
    for _ in range(60):
        labels = generator.integers(0, 2, 40).astype(np.int32)
        members = [linear_evidence(generator.normal(size=(40, 1))) for _ in range(6)]
        same, others = stacked(members, labels, even), cross_fitted(members, labels, even, folds)
        right["the same"] += ((mixed(members, *same)[:, 0] > 0.5) == labels).mean() / 60
        right["others"] += ((others[:, 0] > 0.5) == labels).mean() / 60
    assert right["the same"] > 0.6 and abs(right["others"] - 0.5) < 0.05


def test_of_one_fold_all_rows_count():
    labels = np.array([0, 1] * 10, np.int32)
    members = [linear_evidence(np.random.default_rng(5).normal(size=(20, 1)))]
    found = cross_fitted(members, labels, np.ones(20), np.zeros(20, np.int8))
    assert np.array_equal(found, mixed(members, *stacked(members, labels, np.ones(20))))
