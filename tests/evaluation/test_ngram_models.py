"""N-gram models: as good as scikit-learn's own pipelines, and blind to what is held out."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from search.corpus.folds import joined
from search.corpus.ngrams import KINDS, counted
from search.evaluation import ngram_models
from search.evaluation.ngram_models import fitted, fitted_models
from tests.evaluation.conftest import EVEN
from tests.made import corpus_of


def test_tfidf_is_that_of_scikit_learn(sample, models):
    both = joined(sample.train, sample.validation)
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"[^\W_]+|\?", sublinear_tf=True)
    x, c = vectorizer.fit_transform(both.texts), models["words"].regularisation[1]
    scores = np.zeros((len(both), 1))
    for fold in np.unique(sample.folds):
        rows, held_out = sample.folds != fold, sample.folds == fold
        theirs = LogisticRegression(C=c, solver="liblinear", dual=True, tol=1e-4, max_iter=5000)
        scores[held_out, 0] = theirs.fit(x[rows], both.labels[rows]).decision_function(x[held_out])
    # Not the same: theirs has the idf of training rows, and here some n-grams share a bucket.
    assert np.corrcoef(scores[:, 0], models["words"].tfidf[:, 0])[0, 1] > 0.97
    assert ((scores > 0) == (models["words"].tfidf > 0)).mean() > 0.9


@pytest.mark.parametrize("kind", KINDS)
def test_the_label_of_a_row_is_not_in_its_own_score(sample, models, kind):
    held_out = sample.folds[: len(sample.train)] == 1
    labels = sample.train.labels.copy()
    labels[held_out] = 1 - labels[held_out]
    turned = fitted(replace(sample, train=replace(sample.train, labels=labels)), kind, EVEN)
    same = sample.folds == 1
    if turned.regularisation == models[kind].regularisation:
        assert np.array_equal(turned.presence[same], models[kind].presence[same])
        assert np.array_equal(turned.tfidf[same], models[kind].tfidf[same])
    assert not np.allclose(turned.presence[~same], models[kind].presence[~same])


def test_test_rows_are_not_looked_at(sample, models):
    test = replace(sample.test, texts=sample.test.texts[::-1], labels=1 - sample.test.labels)
    again = fitted_models(replace(sample, test=test), EVEN)
    for kind in KINDS:
        assert np.array_equal(again[kind].model.table, models[kind].model.table)


@pytest.mark.parametrize("kind", KINDS)
def test_the_model_has_learned_from_all_rows(sample, models, kind):
    model = models[kind].model
    for scores in model.scores(counted(sample.train.texts, kind, len(model.places))):
        assert ((scores[:, 0] > 0) == sample.train.labels).mean() > 0.95


def test_a_class_of_one_row_and_texts_of_nothing():
    corpus = corpus_of(["good film", "bad film", "fine", "poor", "!!!", "odd one"] * 4 + ["rare"],
                       [0, 1, 0, 1, 0, 1] * 4 + [2], names=("a", "b", "c"))  # fmt: skip
    for model in fitted_models(corpus, np.ones(3)).values():
        assert np.isfinite(model.presence).all() and np.isfinite(model.tfidf).all()
        assert np.isfinite(model.model.table).all()


@pytest.mark.parametrize("kind", KINDS)
def test_of_many_rows_those_held_out_and_some_others_are_learned_from(sample, kind, monkeypatch):
    monkeypatch.setattr(ngram_models, "ENOUGH_ROWS", 200)
    monkeypatch.setattr(ngram_models, "MOST_NGRAMS", 0)
    folds = np.where(np.arange(len(sample.folds)) < 150, -1, sample.folds)
    some = replace(sample, folds=folds.astype(np.int8))
    rows = ngram_models._taken(some, kind)
    assert len(rows) == 200 and set(some.held_out) < set(rows) and (np.diff(rows) > 0).all()
    found = fitted(some, kind, EVEN)
    labels = sample.fold_labels
    assert len(found.presence) == len(found.tfidf) == len(some.held_out)
    assert ((found.tfidf[:, 0] > 0) == labels[some.held_out]).mean() > 0.55
    # Of the others, only those that were drawn make a difference.
    other = np.setdiff1d(np.arange(150), rows)
    turned = sample.train.labels.copy()
    turned[other] = 1 - turned[other]
    again = fitted(replace(some, train=replace(sample.train, labels=turned)), kind, EVEN)
    assert np.array_equal(again.presence, found.presence)


def test_weights_are_the_same_however_many_rows_are_computed_at_once(sample, monkeypatch):
    often = counted(sample.train.texts, "stems", 8_191)
    idf = np.linspace(1, 3, often.shape[1])
    whole = ngram_models._tfidf(often, idf)
    monkeypatch.setattr(ngram_models, "AT_A_TIME", 7)
    assert np.array_equal(ngram_models._tfidf(often, idf).data, whole.data)
    assert np.allclose((whole * whole).sum(axis=1), 1)


def test_many_rows_are_passed_over_less_often(sample, models, monkeypatch):
    monkeypatch.setattr(ngram_models, "MOST_TRIED", 200)
    fewer = fitted(sample, "words", EVEN)  # 216 rows and more outside each fold
    monkeypatch.setattr(ngram_models, "FEWER_PASSES", 1)
    one = fitted(sample, "words", EVEN)
    whole = models["words"].presence[:, 0]
    assert np.corrcoef(fewer.presence[:, 0], whole)[0, 1] > 0.95
    assert not np.allclose(one.presence, fewer.presence)


def test_threads_do_not_matter(sample):
    one, three = (fitted(sample, "words", EVEN, threads=threads) for threads in (1, 3))
    assert one.regularisation == three.regularisation
    assert np.array_equal(one.presence, three.presence) and np.array_equal(one.tfidf, three.tfidf)
    assert np.array_equal(one.model.table, three.model.table)
    assert three.seconds > 0
