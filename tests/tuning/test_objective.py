"""The objectives are scikit-learn's metrics, also of weighted rows."""

import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    f1_score,
    log_loss,
    roc_auc_score,
)
from sklearn.utils.class_weight import compute_class_weight

from search.compiled.loss import cross_entropy
from search.errors import SettingsError
from search.settings import Settings
from search.tuning.objective import (
    balanced_weights,
    by_class,
    check_measurable,
    direction,
    display_name,
    evaluate,
    positive_class,
    score,
    statistic,
    to_score,
)
from tests.made import corpus_of

OBJECTIVES = ("val_accuracy", "val_loss", "val_balanced_accuracy", "val_f1", "val_auc")


def predictions(classes, rows=80, seed=0):
    """Probabilities with many ties, labels that they say something of, and weights with zeros."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(classes, size=rows).astype(np.int32)
    p = generator.dirichlet(np.ones(classes), rows) + 0.3 * np.eye(classes)[labels]
    p = np.round(p / p.sum(axis=1, keepdims=True), 1) + 0.01
    p = (p / p.sum(axis=1, keepdims=True)).astype(np.float32)
    weights = generator.integers(0, 4, size=(3, rows)).astype(float)
    return (p[:, 1:] if classes == 2 else p), labels, weights


def theirs(objective, p, labels, weights):
    p, classes = by_class(p), range(by_class(p).shape[1])
    found = p.argmax(axis=1)
    if objective == "val_loss":
        exactly = p / p.sum(axis=1, keepdims=True)  # it warns of float32
        return log_loss(labels, exactly, sample_weight=weights)
    if objective == "val_f1":
        return f1_score(labels, found, average="macro", sample_weight=weights)
    if objective == "val_auc":
        each = [roc_auc_score(labels == k, p[:, k], sample_weight=weights) for k in classes]
        return np.mean(each)  # of two classes both are the same
    metric = accuracy_score if objective == "val_accuracy" else balanced_accuracy_score
    return metric(labels, found, sample_weight=weights)


@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_an_objective_is_scikit_learns(objective, classes):
    p, labels, weights = predictions(classes)
    expected = [theirs(objective, p, labels, w) for w in weights]
    assert statistic(objective, p, labels)(weights) == pytest.approx(expected, abs=1e-6)
    value = theirs(objective, p, labels, np.ones(len(labels)))
    assert to_score(objective, score(objective, p, labels)) == pytest.approx(value, abs=1e-6)


def test_more_is_better_of_a_score():
    p, labels, _ = predictions(2)
    assert score("val_loss", p, labels) == pytest.approx(-cross_entropy(p, labels))
    assert direction("val_loss") == "min" and direction("val_auc") == "max"
    perfect = labels[:, None].astype(np.float32)
    for objective in OBJECTIVES:
        assert score(objective, perfect, labels) >= score(objective, p, labels)


def test_a_class_without_rows_is_left_out_of_a_mean():
    p, labels, _ = predictions(3)
    without = labels != 2
    for objective in ("val_balanced_accuracy", "val_auc"):
        cut = statistic(objective, p, labels)(without[None].astype(float))
        assert cut == pytest.approx(
            statistic(objective, p[without], labels[without])(np.ones((1, without.sum())))
        )
        assert np.isfinite(cut).all()


def test_a_loss_is_bounded_as_in_keras():
    assert score("val_loss", np.zeros((1, 1), np.float32), np.ones(1, np.int32)) == np.log(1e-7)


def test_an_objective_needs_rows_of_every_class():
    corpus = corpus_of(["good", "bad"] * 4, [1, 0] * 4)
    for objective in OBJECTIVES:
        check_measurable(Settings(objective=objective), corpus)
    lonely = corpus_of(["good", "bad"] * 4, [1] * 8)
    check_measurable(Settings(), lonely)
    with pytest.raises(SettingsError, match="val_auc needs rows of every class, and no row of val"):
        check_measurable(Settings(objective="val_auc"), lonely)


@pytest.mark.parametrize("classes", [2, 3])
def test_the_f1_of_one_class_is_scikit_learns(classes):
    p, labels, weights = predictions(classes)
    found = by_class(p).argmax(axis=1)
    for k in range(classes):
        expected = [f1_score(labels == k, found == k, sample_weight=w) for w in weights]
        assert statistic("val_f1", p, labels, k)(weights) == pytest.approx(expected)
        assert evaluate("val_accuracy", p, labels, k) == evaluate("val_accuracy", p, labels)


def test_the_positive_class_is_one_of_the_classes():
    corpus = corpus_of(["good", "bad"] * 4, [1, 0] * 4)
    settings = Settings(objective="val_f1", positive="yes")
    check_measurable(settings, corpus)
    assert positive_class(settings, corpus.class_names) == 1
    assert positive_class(Settings(objective="val_f1"), corpus.class_names) is None
    with pytest.raises(SettingsError, match="'Yes' is not one of the classes: 'no', 'yes'"):
        check_measurable(Settings(objective="val_f1", positive="Yes"), corpus)
    with pytest.raises(SettingsError, match="it needs the objective val_f1"):
        Settings(positive="yes")


def test_balanced_weights_are_scikit_learns():
    labels = np.array([0, 0, 0, 0, 0, 2, 1, 1], np.int32)
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    assert balanced_weights(labels, 3) == pytest.approx(tuple(expected))
    assert np.array(balanced_weights(labels, 3))[labels].mean() == pytest.approx(1)


def test_names_in_words():
    assert [display_name(o) for o in OBJECTIVES] == [
        "accuracy",
        "loss",
        "balanced accuracy",
        "F1",
        "AUC",
    ]
    assert display_name("val_f1", "a") == "F1 of 'a'" and display_name("val_auc", "a") == "AUC"
