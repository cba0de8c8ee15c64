"""Objectives told and compared: intervals, differences by row, and what they are told in."""

import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support

from search.evaluation.measures import (
    describe_bias,
    interval,
    of_each_class,
    unit,
    values_of,
    with_all_rows,
)
from search.evaluation.statistics import wilson_interval
from search.tuning.objective import correct, score, to_score
from tests.tuning.test_objective import OBJECTIVES, predictions


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_values_by_row_add_up_to_the_score(objective, classes):
    p, labels, _ = predictions(classes, rows=200)
    assert values_of(objective, p, labels).mean() == pytest.approx(
        score(objective, p, labels), abs=2e-3
    )


def test_what_learned_from_more_rows_may_be_better():
    assert with_all_rows("val_accuracy", (0.7, 0.8), 0.0) == (0.7, 0.8)
    low, high = with_all_rows("val_accuracy", (0.7, 0.8), 0.2)
    assert low == 0.7 and 0.8 < high < 0.82
    assert with_all_rows("val_accuracy", (0.7, 0.8), 1 / 3)[1] > high
    assert with_all_rows("val_accuracy", (0.7, 0.8), 0.2, networks=5)[1] > high
    assert with_all_rows("val_accuracy", (0.7, 0.8), 0.0, networks=5) == (0.7, 0.804)
    assert with_all_rows("val_f1", (0.9, 1.0), 0.2) == (0.9, 1.0)
    low, high = with_all_rows("val_loss", (0.4, 0.5), 0.2)
    assert 0.37 < low < 0.4 and high == 0.5


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_an_interval_is_around_the_value(objective):
    p, labels, _ = predictions(2, rows=200)
    low, high = interval(objective, p, labels)
    assert low < to_score(objective, score(objective, p, labels)) < high < low + 0.25
    if objective == "val_accuracy":
        assert (low, high) == wilson_interval(correct(p, labels).sum(), 200)


def test_only_the_accuracy_is_compared_by_correct_rows():
    p, labels, _ = predictions(2)
    assert values_of("val_accuracy", p, labels).dtype == np.bool_
    assert values_of("val_loss", p, labels).max() < 0, "a loss counts with its sign turned"


def test_what_is_described():
    bias = {"trials": 1, "estimate": 0.0123, "low": -0.01, "high": 0.03}
    assert describe_bias("val_auc", bias) == (
        "the best val_auc of 1 trial is probably about 1.2 points too high (95% interval -1.0 to "
        "3.0), because it was selected on these rows"
    )
    assert "2 trials is probably about 0.012 too low (95% interval -0.010" in describe_bias(
        "val_loss", {**bias, "trials": 2}
    )
    assert [unit(o) for o in ("val_accuracy", "val_f1")] == ["points", "points of F1"]


@pytest.mark.parametrize("classes", [2, 3])
def test_classes_are_scikit_learns(classes):
    generator = np.random.default_rng(0)
    labels = generator.integers(classes, size=50).astype(np.int32)
    p = generator.dirichlet(np.ones(classes), 50) + np.eye(classes)[labels]
    p = (p / p.sum(axis=1, keepdims=True)).astype(np.float32)
    found = of_each_class(p[:, 1:] if classes == 2 else p, labels, "abc"[:classes])
    expected = precision_recall_fscore_support(labels, p.argmax(axis=1))
    for one, *numbers in zip(found, "abc", *expected, strict=False):
        told = [one["class"], one["precision"], one["recall"], one["f1"], one["rows"]]
        assert told == [numbers[0], *map(pytest.approx, numbers[1:])]


def test_a_class_that_nobody_sees_has_no_f1():
    labels, p = np.zeros(3, np.int32), np.array([[1.0, 0, 0]] * 3, np.float32)
    missing = of_each_class(p, labels, "abc")[2]
    assert missing == {"class": "c", "rows": 0, "precision": None, "recall": None, "f1": None}
