import json
import os
import socket

import numpy as np
import pytest

from search import read_leaderboard
from search.errors import ResultsError
from search.reporting.archive import read_archive
from search.tuning.records import Epoch
from search.tuning.rundir import RunDirectory
from tests.made import made_run, record


def content(folder):
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_real_run_is_read_as_it_was_left(sample_run):
    before = content(sample_run[0])
    archive = read_archive(sample_run[0])
    assert archive.state == "finished"
    assert [r.trial_id for r in archive.trials] == ["0000", "0001", "0002", "0003"]
    assert archive.class_names == ["negative", "positive"]
    assert len(archive.labels) == archive.best["val_rows"] == 30
    assert archive.table.equals(read_leaderboard(sample_run[0]))
    assert archive.ranked[0].trial_id == archive.best["trial_id"]
    assert content(sample_run[0]) == before


def test_ties_and_table_from_the_records_alone(sample_run, tmp_path):
    """As a run leaves them that is killed before its end: without leaderboard.csv."""
    import shutil

    results = shutil.copytree(sample_run[0], tmp_path / "r")
    (results / "leaderboard.csv").unlink()
    recorded = read_leaderboard(sample_run[0]).set_index("trial_id")
    table = read_archive(results).table.set_index("trial_id")
    for column in ("val_accuracy", "val_loss", "best_epoch", "rank"):
        assert table[column].tolist() == recorded[column].tolist()
    trials = [name for name in table.index if name.isdigit()]
    assert table.loc[trials, "tied_with_best"].notna().all()


def test_a_stale_leaderboard_is_not_believed(tmp_path):
    results = made_run(tmp_path / "r", 5)
    (results / "leaderboard.csv").write_text("rank,trial_id\n1,0000\n")
    assert len(read_archive(results).table) == 5


def test_damage_is_passed_over_and_left(tmp_path):
    results = made_run(tmp_path / "r", 5)
    (results / "trials" / "0002" / "trial.json").write_text('{"trial_id": ')
    (results / "trials" / "0001" / "validation.npy").write_bytes(b"\x93NUMPY")
    for name in ("best_model.json", "audit.json", "slices.csv", "errors.csv"):
        (results / name).write_bytes(b"\xff\xfe\0")
    before = content(results)
    archive = read_archive(results)
    assert [r.trial_id for r in archive.trials] == ["0000", "0001", "0003", "0004"]
    assert archive.predictions("0001") is None and archive.predictions("0000") is not None
    assert archive.best == {} and archive.audit == {} and archive.state == "stopped"
    assert content(results) == before


def test_a_run_that_goes_on(tmp_path):
    results = made_run(tmp_path / "r", 5, best=False)
    directory = RunDirectory(results)
    directory.trial("0005").save_record(record(5, status="running"))
    epochs = (Epoch(1, 0.6, 0.5, 0.7, 1.0, 0.7), Epoch(2, 0.6, 0.5, 0.8, 1.0, 0.8))
    directory.trial("0005").save_state(epochs, {"predicted": np.zeros(3)})
    with directory.claimed():
        archive = read_archive(results)
    assert archive.state == "running"
    assert archive.trials[-1].history == epochs
    assert "0005" not in set(archive.table["trial_id"])
    owner = {"pid": os.getpid(), "host": socket.gethostname() + "-other"}
    (results / "owner.json").write_text(json.dumps(owner))
    assert read_archive(results).state == "stopped", "nobody can tell of another machine"
    owner = {"pid": os.getpid(), "host": socket.gethostname(), "started_at": "2020-01-01T00:00:00Z"}
    (results / "owner.json").write_text(json.dumps(owner))
    assert read_archive(results).state == "stopped", "its number is another process's now"


@pytest.mark.parametrize("text", [None, "", "[]", "{}"])
def test_no_run(tmp_path, text):
    if text is not None:
        (tmp_path / "run.json").write_text(text)
    with pytest.raises(ResultsError, match=r"run\.json: .*expected the results directory"):
        read_archive(tmp_path)
