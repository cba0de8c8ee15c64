"""Which trials come to the finals, and what the finals say."""

import json
import shutil

import numpy as np
import pytest

import search
from search.settings import Settings
from search.tuning.finals import (
    LONG,
    NO_FOLD,
    final_ranking,
    finals_of,
    fold_of,
    fold_summary,
    wanted,
)
from search.tuning.records import Epoch, TrialRecord
from search.tuning.resumption import take_up
from search.tuning.tuner import SearchTuner
from tests.conftest import CROSS_VALIDATED, run_here, trials_of


def record(trial_id, *accuracies, status="completed", **values):
    history = tuple(Epoch(n, 0.5, 0.5, a, 1.0, a) for n, a in enumerate(accuracies, start=1))
    return TrialRecord(trial_id, status, values, 0, {}, 64, "", history=history)


TRIALS = [
    record("0000", 0.7, 0.8, units=1),
    record("0001", 0.9, 0.6, units=2),
    record("0002", 0.85, units=3, status="pruned"),
    record("0003", 0.1, units=4, status="failed"),
    record("0004", 0.95, units=5, status="running"),
    record("0005", 0.84, units=3, **{"tuner/round": 1}),
]
FINALS = {
    r.trial_id: r
    for r in (
        record("0000-1", 0.9, 0.81, units=1),
        record("0000-2", 0.9, 0.83, units=1),
        record("0001-1", 0.75, units=2),
        record("0001-2", 0.99, units=2, status="running"),
        record("0001-3", 0.2, units=2, status="failed"),
    )
}


def test_every_finalist_has_its_first_one_before_any_has_its_second():
    assert wanted(TRIALS, 2, 2) == ["0001-1", "0002-1", "0001-2", "0002-2"]
    assert wanted(TRIALS, 0, 3) == []


def test_the_second_is_left_out_if_it_takes_long_and_was_not_asked_for():
    def first_folds(finalists, operations):  # of all networks but those of the best one
        ids = wanted(TRIALS, finalists, 3, cost=lambda r: operations * (r.trial_id != "0001"))
        return ids[:2]

    assert first_folds(None, LONG / 2) == ["0001-1", "0002-1"]  # on two folds, for one epoch
    assert first_folds(None, 1.1 * LONG / 2) == ["0001-1", "0001-2"]
    assert first_folds(2, 9 * LONG) == ["0001-1", "0002-1"]
    assert wanted(TRIALS, None, 2, cost=lambda r: 9 * LONG) == ["0001-1", "0001-2"]


def test_what_is_trained_on_all_rows_comes_last_and_is_no_measure():
    assert wanted(TRIALS, 1, 2, single=True) == ["0001-1", "0001-2", "0001-0"]
    seen = {**FINALS, "0000-0": record("0000-0", 1.0, units=1)}
    assert fold_summary("0000", seen) == fold_summary("0000", FINALS)
    assert fold_of("0000-0") == NO_FOLD and fold_of("0000-1") == 0 and fold_of("0000") is None


def test_equal_hyperparameters_come_once():
    assert wanted(TRIALS, 9, 1) == ["0001-1", "0002-1", "0000-1"]


def test_the_last_epoch_counts_and_only_of_what_came_to_its_end():
    found = fold_summary("0000", FINALS)
    assert found.mean == pytest.approx(0.82) and found.folds == 2
    assert found.std == pytest.approx(0.02 / 2**0.5)
    assert [r.trial_id for r in finals_of("0001", FINALS)] == ["0001-1"]
    assert fold_summary("0001", FINALS).std == 0
    assert fold_summary("0002", FINALS) is None


def test_the_mean_decides_and_those_without_one_come_behind():
    ranking = [r.trial_id for r in final_ranking(TRIALS, FINALS)]
    assert ranking == ["0000", "0001", "0002", "0005"]


def test_the_winner_has_the_best_mean_and_its_finals_are_exported_together(finals_run):
    results = finals_run[0]
    table = trials_of(results)
    mine = table[table["n_folds"].notna()]
    assert len(mine) == 2 and mine["val_mean"].is_monotonic_decreasing
    assert (mine["n_folds"] == 2).all() and table["trial_id"].iloc[0] == mine["trial_id"].iloc[0]
    facts = json.loads((results / "best_model.json").read_text())
    winner = table["trial_id"].iloc[0]
    assert facts["trial_id"] == winner and facts["weights"] == f"{winner}-1,{winner}-2"
    assert facts["networks"] == facts["finals"]["folds"] == 2
    finals = [
        json.loads((results / "trials" / name / "trial.json").read_text())
        for name in facts["weights"].split(",")
    ]
    run = json.loads((results / "run.json").read_text())["data"]["rows"]
    assert facts["val_rows"] == run["train"] + run["validation"], "each row is answered for"
    folds = [final["history"][-1]["val_accuracy"] for final in finals]
    assert facts["val_accuracy_networks"] == pytest.approx(np.mean(folds), abs=0.01)
    assert {len(final["history"]) for final in finals} == {facts["best_epoch"]}
    assert finals[0]["seed"] != finals[1]["seed"]


def test_a_final_has_as_many_epochs_as_its_trial_is_best_after(finals_run):
    results = finals_run[0]
    table = trials_of(results).set_index("trial_id")
    for path in sorted((results / "trials").glob("*-*/trial.json")):
        final = json.loads(path.read_text())
        trial = final["trial_id"].partition("-")[0]
        assert len(final["history"]) == table.loc[trial, "best_epoch"]
        assert final["seed"] != table.loc[trial, "seed"]


def test_one_network_of_all_rows_in_the_place_of_those_of_the_folds(finals_run, tmp_path):
    results = shutil.copytree(finals_run[0], tmp_path / "results")
    before = json.loads((results / "best_model.json").read_text())
    size = (results / "best_model.keras").stat().st_size
    options = (*CROSS_VALIDATED, "--trials", 3, "--finals", 2, "--results", results)
    done = run_here(*options, "--single")
    assert done.returncode == 0, done.stderr
    assert "one network trained on all rows" in done.stdout
    facts = json.loads((results / "best_model.json").read_text())
    assert facts["networks"] == 1 and facts["weights"] == f"{facts['trial_id']}-0"
    assert (results / "best_model.keras").stat().st_size < size
    for name in ("trial_id", "val_accuracy", "val_loss", "val_rows", "mixture", "finals"):
        assert facts[name] == before[name], "what is known of it are the answers of the folds"
    split = (results / "trials" / facts["weights"] / "trial.json").read_text()
    assert len(json.loads(split)["history"]) == facts["best_epoch"]
    assert "one network" in (results / "MODEL_CARD.md").read_text()
    again = run_here(*options)
    assert again.returncode == 0, again.stderr
    assert json.loads((results / "best_model.json").read_text())["weights"] == before["weights"]


def test_more_finals_are_added_and_fewer_taken_away(finals_run, tuned, tmp_path):
    results = shutil.copytree(finals_run[0], tmp_path / "results")
    finalists = trials_of(results).dropna(subset=["n_folds"])["trial_id"]
    base = (*CROSS_VALIDATED, "--trials", 3, "--results", results, "--finals")
    tuned(*base[1:], 3)
    assert trials_of(results)["n_folds"].notna().sum() == 3
    less = run_here(*base, 0)
    assert less.returncode == 0 and "nothing to do" in less.stderr
    assert trials_of(results)["n_folds"].notna().sum() == 0
    again = tuned(*base[1:], 2).study.finals_in_force()
    assert {final.trial_id.partition("-")[0] for final in again.values()} == set(finalists)


def test_a_final_whose_weights_are_gone_is_trained_again(finals_run, tmp_path):
    """They are removed while other trials are better; it may be wanted again before the end."""
    copy = shutil.copytree(finals_run[0], tmp_path / "r")
    plain = json.loads((copy / "run.json").read_text())["settings"]
    settings = Settings(**plain | {"results": copy})
    study = SearchTuner(settings, search.load_corpus(settings)).study
    with study.run.claimed():
        take_up(study, json.loads((copy / "run.json").read_text())["identity"])
        assert study.next_final() is None
        name = sorted(study.finals)[0]
        study.run.trial(name).remove_weights()
        assert study.next_final() == name
