"""Baselines: all of them there, and what each says of rows that it has not seen."""

import numpy as np
import pytest

from search.corpus.ngrams import Kind
from search.corpus.store import Corpus
from search.evaluation.baselines import Baseline, baselines
from search.evaluation.mixture import ngram_scores
from search.evaluation.ngram_models import Fitted
from tests.evaluation.conftest import EVEN


@pytest.fixture(scope="module")
def found(sample: Corpus, models: dict[Kind, Fitted]) -> dict[str, Baseline]:
    return {b.name: b for b in baselines(sample, models, EVEN)}


def scores_of(models, split):
    return ngram_scores((fitted.model for fitted in models.values()), split.texts)


def test_all_are_there(sample, models, found):
    scores = scores_of(models, sample.test)
    assert list(found) == [
        "most frequent class",
        "NB-weighted",
        "TF-IDF",
        "NB-weighted, stems",
        "TF-IDF, stems",
        "NB-weighted, characters",
        "TF-IDF, characters",
        "all n-grams",
    ]
    for baseline in found.values():
        assert baseline.answers.shape == (len(sample.train) + len(sample.validation), 1)
        assert baseline.predict(scores).shape == (len(sample.test), 1)


def test_what_they_learned_they_know(sample, models, found):
    scores = scores_of(models, sample.train)
    labels = sample.fold_labels
    for name in list(found)[1:]:
        baseline = found[name]
        assert ((baseline.answers[:, 0] > 0.5) == labels).mean() > 0.55, name
        learned = baseline.predict(scores)[:, 0] > 0.5
        assert (learned == sample.train.labels).mean() > 0.95, name


def test_together_they_are_calibrated(sample, found):
    labels = sample.fold_labels
    answers = found["all n-grams"].answers[:, 0].astype(float)
    assert abs(answers.mean() - labels.mean()) < 0.02
    loss = -np.log(np.where(labels, answers, 1 - answers)).mean()
    others = [found[n].answers[:, 0].astype(float) for n in list(found)[1:-1]]
    assert loss <= min(-np.log(np.where(labels, p, 1 - p)).mean() for p in others) + 0.005
