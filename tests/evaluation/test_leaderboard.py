import pandas as pd
import pytest

from search.errors import ResultsError
from search.evaluation.leaderboard import COLUMNS, leaderboard, read_leaderboard, write_leaderboard
from search.evaluation.statistics import wilson_interval
from tests.made import record


def test_best_first_failures_last_running_left_out():
    records = [
        record(0, error="boom"),
        record(1, 0.7),
        record(2, 0.8),
        record(3, 0.9, status="running"),
        record(4, error="bang"),
    ]
    table = leaderboard(records, 100)
    assert table["trial_id"].tolist() == ["0002", "0001", "0000", "0004"]
    assert table["rank"].tolist()[:2] == [1, 2] and table["rank"].isna().tolist()[2:] == [True] * 2
    assert table["error"].tolist()[2:] == ["boom", "bang"]
    low, high = wilson_interval(80, 100)
    assert table.loc[0, ["val_accuracy_ci_low", "val_accuracy_ci_high"]].tolist() == [low, high]


def test_columns_of_an_empty_table(tmp_path):
    table = leaderboard([], 10)
    assert tuple(table.columns) == (*COLUMNS, "error")
    write_leaderboard(tmp_path / "leaderboard.csv", table)
    assert len(read_leaderboard(tmp_path)) == 0


def test_read_back_with_types(tmp_path):
    table = leaderboard([record(7, 0.7, parameters=5), record(8, error='a "quoted", one')], 10)
    write_leaderboard(tmp_path / "leaderboard.csv", table)
    back = read_leaderboard(tmp_path)
    assert back["trial_id"].tolist() == ["0007", "0008"]
    assert back["error"].tolist()[1] == 'a "quoted", one'
    pd.testing.assert_series_equal(back["rank"], table["rank"])
    assert back["val_accuracy"].tolist()[0] == 0.7


def test_different_hyperparameters_share_a_table():
    table = leaderboard([record(0, 0.7, values={"a": 1}), record(1, 0.6, values={"b": "x"})], 10)
    assert list(table.columns)[-3:] == ["hp_a", "hp_b", "error"]


def test_whole_hyperparameters_stay_whole_beside_baselines(tmp_path):
    values = {"units": 64, "dropout": 0.0, "pooling": "max", "bigrams": True}
    baseline = {"name": "b", "val_accuracy": 0.5, "val_loss": 1, "seconds": 1, "parameters": 3}
    exported = {"trial_id": "0000", "baselines": [baseline]}
    table = leaderboard([record(0, 0.7, values=values)], 10, exported=exported)
    path = tmp_path / "leaderboard.csv"
    write_leaderboard(path, table)
    assert ",64,0.0,max,True," in path.read_text()
    for one in (table, read_leaderboard(tmp_path)):
        assert str(one["hp_units"].dtype) == "Int64" and str(one["hp_dropout"].dtype) == "float64"
        assert one["hp_units"][0] == 64 and pd.isna(one["hp_units"][1])
        assert one["hp_bigrams"][0] is True


def test_the_trial_that_hyperband_promoted_keeps_its_number(tmp_path):
    values = {"dropout": 0.1, "tuner/trial_id": "0007", "tuner/bracket": 1}
    write_leaderboard(
        tmp_path / "leaderboard.csv", leaderboard([record(8, 0.8, values=values)], 60)
    )
    [row] = read_leaderboard(tmp_path).to_dict("records")
    assert row["hp_tuner/trial_id"] == "0007" and row["hp_tuner/bracket"] == 1


def test_no_leaderboard(tmp_path):
    with pytest.raises(ResultsError, match="no such file"):
        read_leaderboard(tmp_path)


def test_a_baseline_stands_before_the_first_trial_that_is_worse():
    trials = [record(0, 0.9), record(1, 0.8), record(2, 0.7)]
    finals = {
        "0000-1": record(0, 0.75, trial_id="0000-1"),
        "0001-1": record(1, 0.79, trial_id="0001-1"),
    }
    baseline = {"val_accuracy": 0.77, "val_loss": 0.5, "seconds": 1.0, "parameters": 3}
    rows = [{"name": "strong", **baseline}, {"name": "weak", **baseline, "val_accuracy": 0.5}]
    tied = {"0001": True, "0000": False, "strong": True}
    exported = {"trial_id": "0002", "baselines": rows}
    table = leaderboard(trials, 100, finals, tied, exported)
    assert table["selected"].tolist() == [True] + [False] * 4
    assert table["trial_id"].tolist() == ["0002", "0001", "strong", "0000", "weak"]
    assert table["rank"].tolist() == [4, 1, 2, 3, 5]
    table = table.sort_values("rank")
    assert table["trial_id"].tolist() == ["0001", "strong", "0000", "0002", "weak"]
    assert table["rank"].tolist() == [1, 2, 3, 4, 5]
    assert table["kind"].tolist() == ["trial", "baseline", "trial", "trial", "baseline"]
    assert set(table["status"]) == {"completed"}
    assert table["tied_with_best"].tolist() == [True, True, False, None, None]
    assert table["val_mean"].tolist()[0] == 0.79


@pytest.mark.parametrize("parts", [{"networks": 5}, {"mixture": {"models": [{}]}}])
def test_the_exported_ensemble_is_the_first_row_also_below_a_baseline(tmp_path, parts):
    """So that the hyperparameters of the first row are those of the model, and are numbers."""
    trials = [record(0, 0.7, values={"units": 64}), record(1, 0.6, values={"units": 32})]
    baseline = {"name": "b", "val_accuracy": 0.9, "val_loss": 1, "seconds": 1, "parameters": 3}
    facts = {"val_accuracy": 0.8, "val_accuracy_ci": [0.75, 0.85], "val_loss": 0.5, **parts}
    exported = {"trial_id": "0001", "hyperparameters": {"units": 32}, "baselines": [baseline]}
    write_leaderboard(
        tmp_path / "leaderboard.csv", leaderboard(trials, 99, exported=exported | facts)
    )
    plain = pd.read_csv(tmp_path / "leaderboard.csv")
    assert int(plain.iloc[0].hp_units) == 32
    assert plain["trial_id"].tolist()[1:] == ["b", "0000", "0001"]
    table = read_leaderboard(tmp_path)
    assert table["trial_id"].tolist() == ["0001-ensemble", "b", "0000", "0001"]
    assert table["kind"].tolist() == ["ensemble", "baseline", "trial", "trial"]
    assert table["rank"].tolist() == [2, 1, 3, 4]
    assert table[table["selected"]]["trial_id"].tolist() == ["0001-ensemble"]
    assert not leaderboard(trials, 99)["selected"].any(), "nothing is, while it searches"
