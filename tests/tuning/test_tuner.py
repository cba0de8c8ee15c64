"""The tuner with parts of the user's own, as a KerasTuner user would bring them."""

import json
import multiprocessing
import os
import shutil
import signal
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace

import keras
import keras_tuner
import pytest

import search
from search.errors import Interrupted, ResultsError, SettingsError
from search.tuning.tuner import SearchTuner
from tests.conftest import SAMPLE
from tests.end_to_end.own_network import Unbuilt
from tests.faults.misbehaving import AlwaysRaises, Flaky


class Stepped(keras_tuner.HyperModel):
    def build(self, hp):
        dropout = keras.layers.Dropout(hp.Float("dropout", 0.0, 0.7, step=0.1))
        model = keras.Sequential([keras.Input((8,)), dropout, keras.layers.Dense(1)])
        model.compile("adam", "mse")
        return model


@pytest.fixture(scope="module")
def corpus():
    return search.load_corpus(search.Settings(data=str(SAMPLE)))


def settings(path, trials):
    return search.Settings(
        data=str(SAMPLE), results=path, trials=trials, max_epochs=1, workers=1, seed=2, finals=0,
        set="ngrams=words",
    )  # fmt: skip


def test_a_stock_oracle_works_and_goes_on(tmp_path, corpus, tune):
    def stock(trials):
        return keras_tuner.oracles.RandomSearchOracle(
            keras_tuner.Objective("val_accuracy", "max"), max_trials=trials, seed=1
        )

    first = tune(settings(tmp_path / "r", 2), corpus, oracle=stock(2))
    assert len(first.records) == 2
    assert (tmp_path / "r" / "oracle.json").is_file()
    more = tune(settings(tmp_path / "r", 4), corpus, oracle=stock(4))
    assert len(more.records) == 4 and more.study.trials_begun == 2
    values = [json.dumps(r.values, sort_keys=True) for r in more.records.values()]
    assert len(set(values)) == 4
    assert [json.dumps(r.values, sort_keys=True) for r in first.records.values()] == values[:2]
    assert len(search.conclude(more).leaderboard) == 13


@pytest.mark.parametrize("oracle", [None, "stock"])
def test_steps_are_exact_for_a_hypermodel_of_ones_own(tmp_path, corpus, oracle):
    if oracle is not None:
        objective = keras_tuner.Objective("val_accuracy", "max")
        oracle = keras_tuner.oracles.GridSearchOracle(objective, max_trials=20)
    wanted = search.Settings(data=str(SAMPLE), results=tmp_path / "r", tuner="grid", trials=20)
    tuner = SearchTuner(wanted, corpus, hypermodel=Stepped(), oracle=oracle)
    while (trial := tuner.oracle.create_trial("0")).status == "RUNNING":
        tuner.oracle.update_trial(trial.trial_id, {"val_accuracy": 0.5})
        trial.status = "COMPLETED"
        tuner.oracle.end_trial(trial)
    found = sorted(t.hyperparameters.values["dropout"] for t in tuner.oracle.trials.values())
    assert found == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]


def test_a_worker_killed_while_it_learns_words_costs_nothing(tmp_path, corpus, tune):
    def killed():
        raise BrokenProcessPool

    mine = tune(settings(tmp_path / "r", 1), corpus, learned=killed)
    theirs = tune(settings(tmp_path / "s", 1), corpus)
    assert mine.records["0000"].history[0].loss == theirs.records["0000"].history[0].loss


def test_another_run_in_the_directory_is_not_mixed_with_this_one(tmp_path, corpus, tune):
    first = tune(settings(tmp_path / "r", 1), corpus)
    other = settings(tmp_path / "r", 1).model_copy(update={"seed": 3})
    search.conclude(tune(other, corpus, overwrite=True))
    facts = (tmp_path / "r" / "best_model.json").read_bytes()
    with pytest.raises(ResultsError, match="does not hold this run any more"):
        search.conclude(first)
    assert (tmp_path / "r" / "best_model.json").read_bytes() == facts


def test_two_signals_stop_at_once_and_what_is_there_makes_a_model(tmp_path, corpus):
    long = settings(tmp_path / "r", 3).model_copy(update={"max_epochs": 60, "patience": 60})
    said = []

    def press(tuner):
        if tuner.study.epochs_trained:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted, match="0 of 3 trials are finished") as error:
        search.tune(long, corpus, watch=press, warn=said.append)
    assert error.value.exit_code == 130
    assert said == ["finishing this epoch; press again to stop now"]
    tuner = search.tune(long, corpus, train=False)
    (record,) = tuner.records.values()
    assert record.status == "pruned" and 1 <= len(record.history) < 60
    assert search.conclude(tuner).best["trial_id"] == "0000"


def test_a_sequential_without_an_input_works(tmp_path, corpus, tune):
    tuner = tune(settings(tmp_path / "r", 1), corpus, hypermodel=Unbuilt())
    assert tuner.records["0000"].status == "completed"
    assert search.conclude(tuner).model.is_file()


def test_a_trial_that_fails_is_said_when_it_fails(tmp_path, corpus, tune):
    said = []
    wanted = settings(tmp_path / "r", 1).model_copy(update={"seed": 4})
    tune(wanted, corpus, hypermodel=AlwaysRaises(), warn=said.append)
    assert said == ["trial 0000 failed: RuntimeError: this never works"]


def test_what_failed_with_the_machine_is_tried_again(tmp_path, corpus, tune):
    wanted = settings(tmp_path / "r", 2).model_copy(update={"seed": 4})
    broken, said = tmp_path / "broken", []
    broken.touch()
    tuner = tune(wanted, corpus, hypermodel=Flaky(broken), warn=said.append)
    assert {r.status for r in tuner.records.values()} == {"failed"}
    assert (tmp_path / "r" / "trials" / "0000" / "error.txt").is_file()
    broken.unlink()
    tuner = tune(wanted, corpus, hypermodel=Flaky(broken), warn=said.append)
    assert {(r.status, r.error, r.attempts) for r in tuner.records.values()} == {
        ("completed", None, 2)
    }
    assert "trial 0001 is retried: it failed with OSError: [Errno 24] Too many" in said[-1]
    assert not (tmp_path / "r" / "trials" / "0000" / "error.txt").exists()


def test_what_failed_by_itself_is_tried_again_only_if_asked_for(tmp_path, corpus, tune):
    wanted = settings(tmp_path / "r", 1).model_copy(update={"seed": 4})
    tune(wanted, corpus, hypermodel=AlwaysRaises())
    tuner = tune(wanted, corpus, hypermodel=AlwaysRaises())
    assert tuner.study.trials_begun == 0 and tuner.records["0000"].attempts == 1
    wanted = wanted.model_copy(update={"retry_failed": True})
    tuner = tune(wanted, corpus, hypermodel=AlwaysRaises())
    assert tuner.study.trials_begun == 1 and tuner.records["0000"].attempts == 2


def test_a_results_directory_that_vanishes_is_said(tmp_path, corpus):
    """Also where something was written there afterwards."""

    def vanish(tuner):
        if tuner.study.epochs_trained:
            shutil.rmtree(tmp_path / "r", ignore_errors=True)
            (tmp_path / "r").mkdir()

    wanted = settings(tmp_path / "r", 9)
    with pytest.raises(ResultsError, match="the results directory is gone"):
        search.tune(wanted, corpus, watch=vanish)


def test_no_network_is_as_small_as_asked_for(tmp_path, corpus, tune):
    wanted = settings(tmp_path / "r", 1).model_copy(update={"max_parameters": 1})
    with pytest.raises(SettingsError, match=r"smallest network of the space has [0-9,]+ param"):
        tune(wanted, corpus)
    assert not (tmp_path / "r").exists()


def test_a_daemon_may_not_search(tmp_path, corpus, monkeypatch):
    """Such as a process of a multiprocessing.Pool, which Python marks so."""
    monkeypatch.setitem(multiprocessing.current_process()._config, "daemon", True)
    with pytest.raises(SettingsError, match=r"multiprocessing\.Pool; use concurrent\.futures"):
        search.tune(settings(tmp_path / "r", 1), corpus)
    assert not (tmp_path / "r").exists()


def test_making_a_tuner_leaves_nothing(tmp_path, corpus):
    SearchTuner(settings(tmp_path / "r", 2), corpus)
    assert list(tmp_path.iterdir()) == []


def test_a_result_does_not_depend_on_the_trials_before_it(tmp_path, corpus, tune):
    """Trial 1 alone, after its neighbour was lost, equals trial 1 of the whole run."""
    import shutil

    tuner = tune(settings(tmp_path / "r", 2), corpus)
    wanted = tuner.records["0001"]
    shutil.rmtree(tmp_path / "r" / "trials" / "0001")
    again = tune(settings(tmp_path / "r", 2), corpus).records["0001"]
    assert again.values == wanted.values and again.seed == wanted.seed
    assert again.best.val_loss == wanted.best.val_loss


def test_a_final_under_way_whose_trial_was_lost(tmp_path, corpus, tune):
    wanted = settings(tmp_path / "r", 2).model_copy(update={"finals": 1, "folds": 2})
    tuner = tune(wanted, corpus)
    final, *_ = tuner.study.finals.values()
    trial_id = final.trial_id.partition("-")[0]
    tuner.study.run.trial(final.trial_id).save_record(
        replace(final, status="running", history=(), ended_at=None)
    )
    (tmp_path / "r" / "trials" / trial_id / "best.npz").unlink()
    again = tune(wanted, corpus)
    assert again.records[trial_id].best.val_loss == tuner.records[trial_id].best.val_loss
    assert again.study.finals[final.trial_id].best.val_loss == final.best.val_loss


@pytest.mark.parametrize("name", ["run_trial", "on_epoch_end"])
def test_what_would_never_be_called_is_refused(tmp_path, corpus, name):
    """As KerasTuner's users search batch sizes: by a tuner with a run_trial of its own."""
    kind = type("Own", (SearchTuner,), {name: lambda self, *arguments: None})
    with pytest.raises(SettingsError, match=rf"Own\.{name} would never be called: .* on_trial_end"):
        kind(settings(tmp_path / "r", 1), corpus)
    assert not (tmp_path / "r").exists()
    allowed = type("Own", (SearchTuner,), {"on_trial_end": lambda self, trial: None})
    allowed(settings(tmp_path / "r", 1), corpus)
