"""Baselines that every search is compared with.

A search has to beat models that need none: the most frequent class, the n-gram models of
`search.evaluation.ngram_models`, and all of these together.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from search.corpus.ngrams import Kind
from search.corpus.store import Corpus
from search.evaluation.mixture import (
    Floats,
    NgramScores,
    Probabilities,
    linear_evidence,
    mixed,
    ngram_evidence,
)
from search.evaluation.ngram_models import Fitted
from search.evaluation.stacking import cross_fitted, stacked

NAMES: dict[Kind, tuple[str, str]] = {
    "words": ("NB-weighted", "TF-IDF"),
    "stems": ("NB-weighted, stems", "TF-IDF, stems"),
    "characters": ("NB-weighted, characters", "TF-IDF, characters"),
}
"""By presence, weighted by naive Bayes log-count ratios (Wang & Manning 2012), and by TF-IDF."""


@dataclass(frozen=True)
class Baseline:
    """A fitted baseline.

    Attributes:
        name: its name in tables.
        answers: out-of-fold probabilities of the rows `Corpus.held_out`, (rows, outputs); the last
            are those of validation.
        predict: returns the probabilities of other rows from the scores of all n-gram models.
        values: its hyperparameters.
        seconds: its training time.
        parameters: number of parameters.
    """

    name: str
    answers: Probabilities
    predict: Callable[[NgramScores], Probabilities]
    values: dict[str, str | int | float]
    seconds: float
    parameters: int


def baselines(
    corpus: Corpus, models: Mapping[Kind, Fitted], counts: npt.NDArray[np.float64]
) -> list[Baseline]:
    """Fits all baselines; the same corpus gives the same numbers.

    Args:
        corpus: the data.
        models: its fitted n-gram models.
        counts: weight of each class, (classes,).
    """
    found = [_most_frequent(corpus)]
    for place, (kind, fitted) in enumerate(models.items()):
        for number, name in enumerate(NAMES[kind]):
            found.append(_of_model(fitted, place, number, name))
    labels = corpus.fold_labels[corpus.held_out]
    folds = np.asarray(corpus.folds)[corpus.held_out]
    return [*found, _together(models, labels, counts[labels], folds)]


def _most_frequent(corpus: Corpus) -> Baseline:
    """Predicts the class shares of the training rows for every row."""
    classes = len(corpus.class_names)
    rows = np.bincount(corpus.train.labels, minlength=classes)
    shares = (rows / rows.sum()).astype(np.float32)
    row = shares if classes > 2 else shares[1:]
    values: dict[str, str | int | float] = {"class": corpus.class_names[int(rows.argmax())]}
    answers = np.tile(row, (len(corpus.held_out), 1))

    def predict(scores: NgramScores) -> Probabilities:
        return np.tile(row, (len(scores[0][0]), 1))

    return Baseline("most frequent class", answers, predict, values, 0.0, len(row))


def _of_model(fitted: Fitted, place: int, number: int, name: str) -> Baseline:
    """The baseline of one n-gram model: number 0 is by presence, 1 by TF-IDF."""
    return Baseline(
        name=name,
        answers=_probabilities((fitted.presence, fitted.tfidf)[number]),
        predict=lambda scores: _probabilities(scores[place][number]),
        values={"C": fitted.regularisation[number], "features": fitted.features},
        seconds=fitted.seconds / 2,  # the two are fitted to the same counts
        parameters=(fitted.features + 1) * fitted.model.outputs,
    )


def _together(
    models: Mapping[Kind, Fitted],
    labels: npt.NDArray[np.int32],
    weights: npt.NDArray[np.float64],
    folds: npt.NDArray[np.int8],
) -> Baseline:
    """All n-gram models as one, mixed as they are with the networks."""
    members = [linear_evidence(scores) for m in models.values() for scores in (m.presence, m.tfidf)]
    fitted = stacked(members, labels, weights)

    return Baseline(
        name="all n-grams",
        answers=cross_fitted(members, labels, weights, folds),
        predict=lambda scores: mixed(ngram_evidence(scores), *fitted),
        values={"models": len(members)},
        seconds=sum(model.seconds for model in models.values()),
        parameters=sum(2 * (m.features + 1) * m.model.outputs for m in models.values()),
    )


def _probabilities(scores: Floats) -> Probabilities:
    """Probabilities from log-odds of one class against the others, (rows, outputs)."""
    odds = expit(scores)
    if odds.shape[1] > 1:
        odds /= odds.sum(axis=1, keepdims=True)
    probabilities: Probabilities = odds.astype(np.float32)
    return probabilities
