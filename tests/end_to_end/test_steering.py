"""What steers a search: spaces, first guesses, early stopping, budgets; as users type it."""

import json
import time

import pandas as pd
import pytest

from tests.conftest import SAMPLE, run_here, trials_of

BASE = ("--data", SAMPLE, "--max-epochs", 2, "--workers", 1, "--finals", 0)


@pytest.fixture(scope="session")
def table_of(tuned):
    """The leaderboard of a search with such options."""

    def found(results, *options):
        tuned(*BASE, *options, "--results", results)
        return trials_of(results)

    return found


def histories(results):
    """Loss and validation loss of every trial's epochs."""
    found = {}
    for path in sorted(results.glob("trials/*/trial.json")):
        record = json.loads(path.read_text())
        found[record["trial_id"]] = [(e["loss"], e["val_loss"]) for e in record["history"]]
    return found


def test_a_printed_space_is_one_to_start_from(table_of, tmp_path):
    printed = run_here(
        "search.run", *BASE, "--space", "wide", "--print-space", "--results", tmp_path / "r"
    )
    assert printed.returncode == 0
    assert not (tmp_path / "r").exists()
    path = tmp_path / "space.toml"
    path.write_text(printed.stdout)
    table = table_of(tmp_path / "r", "--space", path, "--trials", 4)
    assert {"hp_pooling", "hp_layers", "hp_word_dropout"} <= set(table.columns)


def test_set_and_try(table_of, tmp_path):
    table = table_of(
        *(tmp_path / "r", "--trials", 3, "--set", "lstm_units={8,16}", "--set", "pooling=mean"),
        *("--try", "lstm_units=16,dropout=0.4", "--try", "learning_rate=0.005"),
    ).set_index("trial_id")
    assert set(table["hp_pooling"]) == {"mean"}
    assert set(table["hp_lstm_units"]) <= {8, 16}
    assert table.loc["0000", ["hp_lstm_units", "hp_dropout"]].tolist() == [16, 0.4]
    assert table.loc["0001", "hp_learning_rate"] == 0.005


def test_another_runs_best_are_tried_first(table_of, tmp_path):
    first = table_of(tmp_path / "a", "--trials", 4, "--tuner", "random", "--seed", 5)
    second = table_of(tmp_path / "b", "--trials", 2, "--warm-start", tmp_path / "a")
    names = [name for name in first.columns if name.startswith("hp_")]
    best = first.sort_values("rank").head(2)[names].reset_index(drop=True)
    pd.testing.assert_frame_equal(
        second.sort_values("trial_id")[names].reset_index(drop=True), best
    )


def test_no_network_is_larger_than_allowed(table_of, tmp_path):
    table = table_of(tmp_path / "r", "--trials", 6, "--max-parameters", 100_000)
    assert len(table) == 6
    assert (table["parameters"] <= 100_000).all()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--try", "lstm_units=48"], "lstm_units = 48 is not in the space that is searched"),
        (["--try", "pooling=mean"], "widen it with --set pooling=…"),
        (["--try", "units"], "expected name=value"),
        (["--set", "dropuot=0.5"], "there is no hyperparameter 'dropuot'"),
        (["--space", "no.toml"], "no.toml: no such file, and no space of that name"),
        (["--set", "embedding_init=file"], "embedding_init = file needs --embeddings FILE"),
        (["--embeddings", "no.txt"], "no.txt: no such file"),
        (["--warm-start", "nowhere"], "--warm-start nowhere: there is no finished trial in it"),
        (["--tuner", "grid", "--try", "dropout=0.5"], "cannot be used with --tuner grid"),
        (["--timeout", "soon"], "expected a time above 0, such as 90s, 30m or 2h, found 'soon'"),
        (["--timeout", "-3m"], "expected a time above 0"),
    ],
)
def test_what_cannot_be_is_said(tmp_path, options, told):
    done = run_here("search.run", *BASE, *options, "--results", tmp_path / "r")
    assert done.returncode == 2
    assert told in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


# Small networks, drawn at random, and stopped by nobody but their rivals.
RIVALS = ("--tuner", "random", "--seed", 2, "--max-epochs", 6, "--patience", 6)
RIVALS = (*RIVALS, "--set", "lstm_units={8,16}", "--set", "embedding_dim={16,32}")


@pytest.fixture(scope="module")
def both(table_of, tmp_path_factory):
    """The same random trials, each to its end and with weak ones stopped early."""
    folder = tmp_path_factory.mktemp("halving")
    for reduction in (1, 2):
        options = ("--trials", 12, *RIVALS, "--reduction", reduction)
        table_of(folder / str(reduction), *options)
    return folder / "1", folder / "2"


def test_weak_trials_are_stopped_early(both):
    whole, halved = (trials_of(results) for results in both)
    assert set(whole["status"]) == {"completed"} and set(whole["epochs"]) == {6}
    assert set(halved["status"]) == {"completed", "pruned"}
    assert set(halved.loc[halved["status"] == "pruned", "epochs"]) <= {1, 2, 4}
    assert halved["epochs"].sum() < 0.7 * whole["epochs"].sum()
    assert halved["val_accuracy"].notna().all()


def test_a_stopped_trial_that_goes_on_is_as_if_never_stopped(both):
    """Bit for bit: weights, optimiser and random state come back from its checkpoint."""
    whole, halved = map(histories, both)
    assert whole.keys() == halved.keys()
    for trial_id, epochs in halved.items():
        assert epochs == whole[trial_id][: len(epochs)]
    records = [json.loads(p.read_text()) for p in both[1].glob("trials/*/trial.json")]
    assert any(record["granted"] for record in records), "none went on"


def test_more_trials_let_stopped_ones_go_on(table_of, both, tmp_path):
    """Also those whose state was not kept: they begin again, and come to the same."""
    import shutil

    shutil.copytree(both[1], tmp_path / "r")
    for state in (tmp_path / "r").glob("trials/*/state.npz"):
        state.unlink()
    table = table_of(tmp_path / "r", "--trials", 30, *RIVALS, "--reduction", 2)
    assert len(table) == 30
    whole, longer = histories(both[0]), histories(tmp_path / "r")
    grown = 0
    for trial_id, epochs in histories(both[1]).items():
        assert longer[trial_id] == whole[trial_id][: len(longer[trial_id])]
        grown += len(longer[trial_id]) > len(epochs)
    assert grown


def test_a_search_ends_in_time_and_can_go_on(table_of, tmp_path):
    """One trial much longer than the time, so that the end always falls into it."""
    options = ("--trials", 1, "--max-epochs", 2000, "--patience", 2000, "--reduction", 1)
    options = (*options, "--set", "ngrams=none")
    started = time.monotonic()
    done = run_here("search.run", *BASE, *options, "--timeout", "2s", "--results", tmp_path / "r")
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - started < 30
    first = trials_of(tmp_path / "r")
    assert list(first["status"]) == ["pruned"]
    assert 1 <= first["epochs"].iloc[0] < 2000
    assert (tmp_path / "r" / "best_model.keras").is_file()
    cut = histories(tmp_path / "r")["0000"]
    again = table_of(tmp_path / "r", *options, "--timeout", "1s")
    # It went on where it was cut short.
    assert again["epochs"].iloc[0] > len(cut)
    assert histories(tmp_path / "r")["0000"][: len(cut)] == cut
