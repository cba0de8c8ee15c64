"""Objectives: the score of the judged rows that a search optimises.

Every objective is a function of the rows' weights (how often each row counts), so that the same
code gives its value, its bootstrap interval and each row's influence on it.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from search.blas import one_thread
from search.corpus.store import Corpus
from search.errors import SettingsError
from search.settings import Objective, Settings

SMALLEST = 1e-7  # probability that a logarithm is taken of: the bound is that of Keras

Numbers = npt.NDArray[np.floating[Any]]
Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int32]
Correct = npt.NDArray[np.bool_]
Statistic = Callable[[Floats], Floats]
"""Maps row weights, (samples, rows), to values of the objective, (samples,)."""


def by_class(probabilities: Numbers) -> Floats:
    """Probabilities of every class, (rows, classes), from (rows, 1) or (rows, classes)."""
    p = probabilities.astype(np.float64)
    return np.hstack([1 - p, p]) if p.shape[1] == 1 else p


def row_losses(p: Floats, labels: Labels) -> Floats:
    """The cross-entropy of each row, shape (rows,), from `by_class` probabilities."""
    losses: Floats = -np.log(np.maximum(p[np.arange(len(labels)), labels], SMALLEST))
    return losses


def correct(probabilities: Numbers, labels: Labels) -> Correct:
    """Whether each row's most probable class is its label, shape (rows,).

    Args:
        probabilities: shape (rows, 1), of the second of two classes, or (rows, classes).
        labels: class indices, shape (rows,).
    """
    found: Correct = by_class(probabilities).argmax(axis=1) == labels
    return found


def direction(objective: Objective) -> str:
    """Says "max" if higher is better, "min" if lower is."""
    return "min" if objective == "val_loss" else "max"


def to_score(objective: Objective, value: float) -> float:
    """Negates minimised objectives so that higher is always better; its own inverse."""
    return -value if direction(objective) == "min" else value


def display_name(objective: Objective, positive: str | None = None) -> str:
    """The name of an objective for people, such as "balanced accuracy" or "F1 of 'spam'".

    Args:
        objective: its name.
        positive: the class whose F1 it is: see `Settings`.
    """
    name = objective.removeprefix("val_").replace("_", " ")
    name = name.upper() if name in ("f1", "auc") else name
    return f"{name} of {positive!r}" if name == "F1" and positive is not None else name


def positive_class(settings: Settings, class_names: Sequence[str]) -> int | None:
    """The index of the class named by `settings.positive`; None if none is named.

    Raises:
        SettingsError: there is no such class.
    """
    if settings.positive is None:
        return None
    if settings.positive not in class_names:
        raise SettingsError(
            f"--positive {settings.positive!r} is not one of the classes: "
            + ", ".join(map(repr, class_names))
        )
    return [*class_names].index(settings.positive)


def check_measurable(settings: Settings, corpus: Corpus) -> None:
    """Checks that the objective is a number on the validation and on the test rows.

    Raises:
        SettingsError: it needs rows of every class, and a class has none; or `positive` is not
            a class.
    """
    objective = settings.objective
    positive_class(settings, corpus.class_names)
    if objective in ("val_accuracy", "val_loss"):
        return
    for split, rows in (("validation", corpus.validation), ("test", corpus.test)):
        for number, name in enumerate(corpus.class_names if len(rows) else ()):
            if number not in rows.labels:
                raise SettingsError(
                    f"--objective {objective} needs rows of every class, and no row of {split} is "
                    f"of class {name!r}; give other rows, or take val_accuracy or val_loss"
                )


def balanced_weights(labels: Labels, classes: int) -> tuple[float, ...]:
    """The weight of a row of each class that gives all classes the same total weight.

    As scikit-learn's class_weight="balanced": the mean over all rows is 1.
    """
    rows = np.bincount(labels, minlength=classes)
    return tuple((len(labels) / (classes * np.maximum(rows, 1))).tolist())


@one_thread
def evaluate(
    objective: Objective, probabilities: Numbers, labels: Labels, positive: int | None = None
) -> float:
    """The value of an objective; for the arguments see `statistic`."""
    rows = np.ones((1, len(labels)))
    return float(statistic(objective, probabilities, labels, positive)(rows)[0])


def score(
    objective: Objective, probabilities: Numbers, labels: Labels, positive: int | None = None
) -> float:
    """The value of an objective as a score, of which higher is better: see `to_score`."""
    return to_score(objective, evaluate(objective, probabilities, labels, positive))


def statistic(
    objective: Objective, probabilities: Numbers, labels: Labels, positive: int | None = None
) -> Statistic:
    """Returns an objective as a function of the rows' weights.

    Args:
        objective: val_accuracy; val_loss, the mean cross-entropy; val_balanced_accuracy, the mean
            of the classes' recalls; val_f1, the mean of the classes' F1 (macro-F1) or that of one;
            val_auc, the area under the ROC curve, of more than two classes the mean of each
            against the others. A class without a row is left out of a mean.
        probabilities: shape (rows, 1), of the second of two classes, or (rows, classes).
        labels: class indices, shape (rows,).
        positive: the class whose F1 val_f1 is; None for the mean of all.
    """
    p = by_class(probabilities)
    if objective == "val_f1":
        return _f1(p, labels, positive)
    return _MEASURES[objective](p, labels)


def _accuracy(p: Floats, labels: Labels) -> Statistic:
    hits = (p.argmax(axis=1) == labels).astype(np.float64)
    return lambda weights: weights @ hits / weights.sum(axis=1)


def _loss(p: Floats, labels: Labels) -> Statistic:
    losses = row_losses(p, labels)
    return lambda weights: weights @ losses / weights.sum(axis=1)


def _balanced_accuracy(p: Floats, labels: Labels) -> Statistic:
    hits = p.argmax(axis=1) == labels
    of = _members(p, labels)

    def value(weights: Floats) -> Floats:
        return _mean_of_shares(weights @ (of & hits[:, None]), weights @ of)

    return value


def _f1(p: Floats, labels: Labels, positive: int | None) -> Statistic:
    meant = slice(None) if positive is None else [positive]
    of, found = _members(p, labels)[:, meant], _members(p, p.argmax(axis=1))[:, meant]

    def value(weights: Floats) -> Floats:
        return _mean_of_shares(2 * weights @ (of & found), weights @ of + weights @ found)

    return value


def _auc(p: Floats, labels: Labels) -> Statistic:
    classes = range(p.shape[1])[p.shape[1] == 2 :]
    areas = [_area(p[:, k], labels == k) for k in classes]
    return lambda weights: _mean(np.stack([area(weights) for area in areas], axis=1))


def _area(p: Floats, positive: Correct) -> Statistic:
    """How often a row of the class has a higher probability than one that is not of it.

    That is the area under the ROC curve (Hanley & McNeil 1982); equal ones count half.
    """
    order = np.argsort(p, kind="stable")
    begins = np.flatnonzero(np.diff(p[order], prepend=-1))  # of each run of equal ones

    def value(weights: Floats) -> Floats:
        weights = weights[:, order]
        of = np.add.reduceat(weights * positive[order], begins, axis=1)
        others = np.add.reduceat(weights * ~positive[order], begins, axis=1)
        below = others.cumsum(axis=1) - others / 2
        return _shares((of * below).sum(axis=1), of.sum(axis=1) * others.sum(axis=1))

    return value


def _members(p: Floats, labels: npt.NDArray[np.integer]) -> Correct:
    """Which class each row is of, (rows, classes)."""
    of: Correct = np.arange(p.shape[1]) == labels[:, None]
    return of


def _shares(parts: Floats, wholes: Floats) -> Floats:
    """Quotients; of nothing, not a number."""
    found: Floats = np.full(parts.shape, np.nan)
    return np.divide(parts, wholes, out=found, where=wholes > 0)


def _mean(values: Floats) -> Floats:
    """Along the last axis, of what is a number; of nothing, not a number."""
    known = np.isfinite(values)
    return _shares(np.where(known, values, 0).sum(axis=1), known.sum(axis=1).astype(np.float64))


def _mean_of_shares(parts: Floats, wholes: Floats) -> Floats:
    return _mean(_shares(parts, wholes))


_MEASURES: dict[Objective, Callable[[Floats, Labels], Statistic]] = {
    "val_accuracy": _accuracy,
    "val_loss": _loss,
    "val_balanced_accuracy": _balanced_accuracy,
    "val_auc": _auc,
}
