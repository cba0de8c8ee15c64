"""Where validation rows are few, trials are judged on all rows out of fold."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

import search
from search.corpus.words import word_features
from search.errors import ResultsError
from search.evaluation.ngram_models import fitted_models
from search.evaluation.statistics import wilson_interval
from search.packaging.ensemble import class_counts, ensemble_of, restore_predictions
from search.settings import Settings
from search.tuning.finals import EVERY_FOLD, NO_FOLD
from search.tuning.parts import FEW_VALIDATION_ROWS, MOST_TOKENS, judged_out_of_fold, parts_of
from search.tuning.training import train
from tests.conftest import SAMPLE, trials_of
from tests.made import corpus_of, first_epoch_of

FOLDS = 3
SMALL = corpus_of([f"good w{n} w{n % 7}" for n in range(40)], [0, 1] * 20, folds=FOLDS)


@pytest.mark.parametrize(
    ("training", "validation", "expected"),
    [
        (40, 40, True),
        (40, FEW_VALIDATION_ROWS - 1, True),
        (40, FEW_VALIDATION_ROWS, False),
        (MOST_TOKENS // 2 - 40, 40, True),
        (MOST_TOKENS // 2 - 39, 40, False),
    ],
)
def test_trials_are_judged_out_of_fold_only_on_little_data(training, validation, expected):
    splits = [corpus_of(["a b"] * rows, [0] * rows).train for rows in (training, validation)]
    corpus = replace(SMALL, train=splits[0], validation=splits[1])
    assert judged_out_of_fold(corpus) is expected


def test_each_row_is_held_out_once_by_the_network_that_does_not_see_it():
    parts = parts_of(SMALL, EVERY_FOLD)
    assert len(parts) == FOLDS
    places = np.concatenate([part.places for part in parts])
    assert np.array_equal(np.sort(places), np.arange(80))
    texts = SMALL.fold_texts
    for part in parts:
        assert np.array_equal(part.held_out.texts, texts[part.places])
        assert not {*part.held_out.texts} & {*part.seen.texts}
        assert len(part.seen) + len(part.held_out) == 80


def test_other_trials_and_finals_are_one_part():
    (usual,) = parts_of(SMALL, None)
    assert usual.seen is SMALL.train and usual.held_out is SMALL.validation
    (final,) = parts_of(SMALL, 1)
    assert np.array_equal(final.held_out.texts, parts_of(SMALL, EVERY_FOLD)[1].held_out.texts)
    (whole,) = parts_of(SMALL, NO_FOLD)
    assert len(whole.seen) == 80


def first_epoch(corpus, folder):
    """The result of a trial's first epoch, from word features that are learned from labels."""
    features = folder.with_suffix(".npy")
    task = first_epoch_of(corpus, folder, "words", features=str(features), fold=EVERY_FOLD)
    np.save(features, word_features(corpus, task.shape.vocabulary_size, 8))
    return train(task)


def test_no_prediction_of_a_row_depends_on_its_label(tmp_path):
    turned = replace(SMALL.train, labels=SMALL.train.labels.copy())
    changed = np.flatnonzero(SMALL.folds[:40] == 0)
    turned.labels[changed] = 1 - turned.labels[changed]
    usual = first_epoch(SMALL, tmp_path / "usual")
    other = first_epoch(replace(SMALL, train=turned), tmp_path / "other")
    same = (usual.probabilities == other.probabilities).all(axis=1)
    assert np.array_equal(same, SMALL.folds == 0)
    assert usual.epochs[0].val_loss != other.epochs[0].val_loss


@pytest.fixture(scope="module")
def judged_by_folds(tune, tmp_path_factory):
    """A search over 300 rows that ended before its finals, and its settings, corpus, messages."""
    settings = Settings(
        data=SAMPLE,
        trials=2,
        max_epochs=2,
        folds=2,
        finals=1,
        workers=1,
        set=("embedding_dim=16", "lstm_units=8"),
        results=tmp_path_factory.mktemp("few") / "results",
    )
    corpus, said = search.load_corpus(settings), []
    tune(settings, corpus, progress=said.append)
    # The finals are there, but not asked for any more. The run is judged as it was.
    settings = settings.model_copy(update={"finals": 0})
    warned = []
    return tune(settings, corpus, warn=warned.append), said, warned


def test_trials_on_300_rows_are_judged_on_almost_all(judged_by_folds):
    tuner, said, warned = judged_by_folds
    study = tuner.study
    assert study.judges_by_folds and study.judged_rows == len(study.judged) == 270
    assert any(line.startswith("trials are judged on 270 rows out of fold") for line in said)
    assert not warned, "all weights are there"
    table = trials_of(tuner.settings.results)
    low, high = wilson_interval(table["val_accuracy"][0] * 270, 270)
    assert table["val_accuracy_ci_low"][0] == pytest.approx(low)
    assert table["val_accuracy_ci_high"][0] == pytest.approx(high)


def test_where_run_json_is_lost_trials_say_how_they_are_judged(judged_by_folds, tune, tmp_path):
    """Otherwise some would be judged on 270 rows, and others on 30."""
    results = shutil.copytree(judged_by_folds[0].settings.results, tmp_path / "results")
    (results / "run.json").write_bytes(b"")
    changed = {"results": results, "trials": 3}  # and still no finals
    settings = judged_by_folds[0].settings.model_copy(update=changed)
    study = tune(settings, search.load_corpus(settings), warn=lambda line: None).study
    assert study.judges_by_folds and len(study.records) == 3
    assert len({record.run for record in study.records.values()}) == 1
    (results / "run.json").unlink()
    settings = settings.model_copy(update={"seed": 1})
    with pytest.raises(ResultsError, match=r"trials of a run with other settings .*is lost"):
        tune(settings, search.load_corpus(settings), warn=lambda line: None)


def test_a_trial_without_finals_is_the_networks_of_its_folds(judged_by_folds):
    tuner, _, _ = judged_by_folds
    study, leader = tuner.study, tuner.best_first()[0]
    ensemble = ensemble_of(study, leader, fitted_models(study.corpus, class_counts(study)))
    assert ensemble.records == (leader,) and len(ensemble.networks) == len(ensemble.engines) == 2
    assert np.array_equal(ensemble.rows, np.arange(270)) and ensemble.left_out == 1 / 2
    assert np.array_equal(ensemble.labels, study.judged.labels)
    kept = study.run.trial(leader.trial_id).load_predictions(270)
    assert np.array_equal(ensemble.unmixed.astype(np.float32), kept)


@pytest.mark.slow  # its fast representative is the one above
def test_they_are_exported_as_one_model(judged_by_folds):
    tuner, _, _ = judged_by_folds
    best = search.conclude(tuner).best
    leader = tuner.best_first()[0]
    assert best["weights"] == leader.trial_id and best["finals"] is None
    assert best["networks"] == 2 and best["val_rows"] == 270
    assert best["val_accuracy_networks"] == pytest.approx(leader.best.val_accuracy)
    assert best["selection_bias"]["trials"] == 2


def test_lost_predictions_are_computed_again_by_fold(judged_by_folds):
    tuner, _, _ = judged_by_folds
    study, leader = tuner.study, tuner.best_first()[0]
    files = study.run.trial(leader.trial_id)
    kept = files.load_predictions(270)
    (files.path / "validation.npy").unlink()
    restore_predictions(study, [leader])
    np.testing.assert_allclose(files.load_predictions(270), kept, atol=1e-6)


def test_the_best_model_is_the_mean_of_its_networks(judged_by_folds):
    tuner, _, _ = judged_by_folds
    (model,) = tuner.get_best_models()
    networks = tuner.study.models_of(tuner.best_first()[0])
    ids = np.array([[2, 3, 4, 0], [5, 6, 0, 0]], np.int32)
    mean = np.mean([np.asarray(network(ids)) for network in networks], axis=0)
    assert len(networks) == 2
    np.testing.assert_allclose(np.asarray(model(ids)), mean, atol=1e-6)


@pytest.mark.parametrize("change", [{"finals": 0}, {"tuner": "hyperband"}])
def test_where_nothing_else_is_cross_validated_trials_are_not(tmp_path, change):
    from search.tuning.tuner import SearchTuner

    settings = Settings(data=SAMPLE, results=tmp_path / "results", **change)
    study = SearchTuner(settings, search.load_corpus(settings)).study
    assert not study.judges_by_folds and study.judged_rows == 30
