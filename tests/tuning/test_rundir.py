import json
import math

import numpy as np
import pytest

from search.errors import ResultsError
from search.files import remove_leftovers, write_atomically, write_json
from search.tuning.records import Epoch, TrialRecord, best_epoch, ranked
from search.tuning.rundir import RunDirectory


def record(number, accuracy=None, loss=0.5, **changes):
    history = () if accuracy is None else (Epoch(1, 0.6, loss, accuracy, 1.5, accuracy),)
    options = dict(
        trial_id=f"{number:04d}",
        status="failed" if accuracy is None else "completed",
        values={"dropout": 0.1},
        seed=number,
        space={"space": [], "values": {}},
        batch_size=64,
        started_at="2026-01-01T00:00:00+00:00",
        ended_at="2026-01-01T00:00:09+00:00",
        history=history,
    )
    return TrialRecord(**{**options, **changes})


@pytest.fixture
def run(tmp_path):
    said = []
    directory = RunDirectory(tmp_path / "results", said.append)
    directory.said = said
    with directory.claimed():
        directory.enter({"identity": {"seed": 0}, "started_at": "now"})
        yield directory


def test_records_come_back(run):
    made = [record(0, 0.7, parameters=10, notes=("a",)), record(1, error="boom")]
    for r in made:
        run.save_record(r)
    assert run.records() == made
    assert run.said == []


@pytest.mark.parametrize("content", ["", "{", "[]", '{"trial_id": "0000"}', '{"a": 1}', "\0"])
def test_a_damaged_record_is_set_aside_twice_if_need_be(run, content):
    for _ in range(2):
        run.save_record(record(0, 0.7))
        run.folder("0000").joinpath("trial.json").write_text(content)
        assert run.records() == []
        assert "cannot be read" in run.said[-1]
    assert len(list(run.trials.glob("0000.unreadable*"))) == 2


def test_state_comes_back_and_damage_is_noticed(run):
    run.save_record(record(0, 0.7))
    history = (Epoch(1, 0.1, 0.2, 0.3, 0.4, 0.3),)
    state = {"weights/0": np.arange(1000, dtype=np.float32), "random/0": np.array([1, 2])}
    run.save_state("0000", history, state)
    back, arrays = run.load_state("0000")
    assert back == history
    assert {k: v.tolist() for k, v in arrays.items()} == {k: v.tolist() for k, v in state.items()}
    path = run.folder("0000") / "state.npz"
    content = bytearray(path.read_bytes())
    content[800] ^= 1  # one bit, in the middle of the numbers
    path.write_bytes(content)
    assert run.load_state("0000") is None
    assert (run.folder("0000") / "state.npz.unreadable").exists()


def test_weights_keep_their_order(run):
    run.save_record(record(0, 0.7))
    weights = [np.full(2, n, np.float32) for n in range(25)]
    run.save_weights("0000", weights)
    assert [int(w[0]) for w in run.load_weights("0000")] == list(range(25))
    run.remove_weights("0000")
    assert run.load_weights("0000") is None


def test_only_one_may_claim(run):
    with pytest.raises(ResultsError, match="in use by process"), RunDirectory(run.path).claimed():
        pass


def test_a_dead_owner_is_no_owner(tmp_path):
    (tmp_path / ".lock").touch()
    write_json(tmp_path / "owner.json", {"pid": 1, "host": "h", "started_at": "then"})
    with RunDirectory(tmp_path).claimed():
        assert json.loads((tmp_path / "owner.json").read_text())["pid"] != 1


def test_a_run_of_other_settings_is_refused_by_name(run):
    with pytest.raises(ResultsError, match=r"seed was 0, now 1\. .*--overwrite.*--results"):
        run.enter({"identity": {"seed": 1}, "started_at": "now"})


def test_a_failing_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    write_atomically(path, lambda f: f.write(b"old"))

    def half(file):
        file.write(b"ne")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, half)
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_leftovers_are_removed(tmp_path):
    (tmp_path / "a" / "corpus.partial").mkdir(parents=True)
    (tmp_path / "a" / "corpus.partial" / "x.npy").touch()
    (tmp_path / "trial.json.partial").touch()
    remove_leftovers(tmp_path)
    assert [p.name for p in tmp_path.rglob("*")] == ["a"]


def test_json_has_no_nan(tmp_path):
    with pytest.raises(ValueError, match="Out of range float"):
        write_json(tmp_path / "x.json", {"a": math.nan})
    assert list(tmp_path.iterdir()) == []


def test_ranking():
    records = [
        record(0, 0.7, loss=0.6),
        record(1),
        record(2, 0.8),
        record(3, 0.7, loss=0.5),
        record(4, 0.7, loss=0.5),
    ]
    assert [r.number for r in ranked(records)] == [2, 3, 4, 0]


def epochs(*accuracies):
    return tuple(Epoch(n, 0.5, 0.5, a, 1.0, a) for n, a in enumerate(accuracies, start=1))


def test_best_epoch():
    assert best_epoch(()) is None
    assert best_epoch(epochs(0.5, 0.7, 0.7)).epoch == 2
    lower_loss = (*epochs(0.7), Epoch(2, 0.5, 0.4, 0.7, 1.0, 0.7))
    assert best_epoch(lower_loss).epoch == 2
