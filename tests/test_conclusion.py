"""What the end of a search makes of very many rows."""

import numpy as np
import pytest

import search
from search.corpus import batches, folds
from search.evaluation import ngram_models
from search.packaging.modelfile import ModelFile
from search.tuning.engine import FastEngine, predict
from tests.conftest import SAMPLE


def test_very_many_rows(tune, tmp_path, monkeypatch):
    monkeypatch.setattr(batches, "EPOCH_ROWS", 60)
    monkeypatch.setattr(folds, "MOST_HELD_OUT", 90)
    monkeypatch.setattr(ngram_models, "ENOUGH_ROWS", 150)
    monkeypatch.setattr(ngram_models, "MOST_NGRAMS", 0)
    settings = search.Settings(
        data=SAMPLE, trials=2, max_epochs=2, finals=1, folds=2, workers=1, results=tmp_path / "r"
    )
    corpus = search.load_corpus(settings)
    tuner = tune(settings, corpus)
    assert not tuner.study.judges_by_folds
    outcome = search.conclude(tuner)
    finals = tuner.study.finals_in_force()
    rows = {name: len(tuner.study.run.trial(name).load_predictions(45)) for name in finals}
    assert rows == dict.fromkeys(finals, 45) and len(finals) == 2
    assert outcome.best["val_rows"] == len(corpus.held_out) == 90
    _check_single(outcome, corpus.test)
    kinds = outcome.leaderboard["kind"].tolist()
    assert kinds.count("baseline") == 8 and np.isfinite(outcome.leaderboard["val_accuracy"]).all()


def _check_single(outcome, test):
    """What is said of the model with one network is what its file gives with each, on average."""
    file, best, right = ModelFile(outcome.model), outcome.best, []
    mixture, description = file.mixture(), file.description
    batches_of_test = batches.evaluation_batches(test, description.input_config)
    for weights in file.networks():
        engine = FastEngine(description.configuration, description.shape, weights)
        said = mixture.probabilities(predict(engine, batches_of_test, len(test)), test.texts)
        right.append(np.mean((said[:, 0] > 0.5) == test.labels))
    assert len(right) == 2
    assert best["test_accuracy_single"] == pytest.approx(np.mean(right))
    assert best["size_bytes"] - best["size_bytes_single"] == sum(w.nbytes for w in weights)
