"""Damaged files and full disks: set aside, said, mended; never deleted, never fatal."""

import json
import os
import resource
import shutil
import signal

import numpy as np
import pandas as pd
import pytest

import search
from search.evaluation.leaderboard import read_leaderboard
from tests.conftest import SAMPLE_SEARCH, run_here, settings_of
from tests.faults.conftest import assert_equals, assert_same_trials, finish, options

DAMAGES = {
    "truncated": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "garbage": lambda content: b"\x00\xff{not json" * 20,
}


@pytest.mark.parametrize(
    "damage",
    [d if d == "garbage" else pytest.param(d, marks=pytest.mark.slow) for d in DAMAGES],
)
def test_every_file_damaged_at_once(tmp_path, reference, damage):
    results = tmp_path / "results"
    shutil.copytree(reference, results)
    damaged = [
        *(results / name for name in ("run.json", "leaderboard.csv", "best_model.json")),
        *(results / "best_model.keras", results / "trials" / "0001" / "trial.json"),
        *(results / "trials" / "0002" / "best.npz", results / "trials" / "0003" / "history.csv"),
        *results.glob("cache/*/train_ids.npy"),
        *results.glob("cache/*-features.npy"),
    ]
    for path in damaged:
        path.write_bytes(DAMAGES[damage](path.read_bytes()))
    # What a kill in the middle of a write leaves.
    (results / "trials" / "0000" / "trial.json.partial").write_bytes(b"{")
    (results / "trials" / "0009").mkdir()
    done = run_here(*options(results))
    assert done.returncode == 0, done.stderr
    assert "was renamed to 0001.unreadable" in done.stderr
    assert "was renamed to best.npz.unreadable" in done.stderr
    assert "trial 0002 are missing: it is trained again" in done.stderr
    assert "-features.npy.unreadable" in done.stderr
    assert_equals(results, reference)
    assert (results / "trials" / "0001.unreadable" / "trial.json.unreadable").exists()
    assert (results / "trials" / "0002" / "best.npz.unreadable").exists()


def test_lost_answers_are_computed_again(sample_run, tmp_path):
    """What trials, baselines and the model say of the validation rows; nothing is trained."""
    results = tmp_path / "results"
    shutil.copytree(sample_run[0], results)
    opened = json.loads((results / "run.json").read_text())["test_opened"]
    lost = [
        *results.glob("trials/*/validation.npy"),
        *results.glob("cache/*-baselines.npz"),
        *results.glob("cache/*-answers.npz"),
    ]
    for path in lost:
        path.unlink()
    done = run_here(*SAMPLE_SEARCH, "--workers", 1, "--results", results)
    assert done.returncode == 0, done.stderr
    assert "nothing to do" in done.stderr
    assert done.stderr.count("validation predictions of trial") == 4 and len(lost) == 6
    for path in lost:
        before = sample_run[0] / path.relative_to(results)
        found, wanted = (
            {"": np.load(p)} if p.suffix == ".npy" else dict(np.load(p)) for p in (path, before)
        )
        assert found.keys() == wanted.keys()
        for name, array in wanted.items():
            np.testing.assert_allclose(found[name], array, atol=1e-6)
    tables = [
        read_leaderboard(path).drop(columns="train_seconds") for path in (results, sample_run[0])
    ]
    pd.testing.assert_frame_equal(*tables)
    assert json.loads((results / "run.json").read_text())["test_opened"] == opened


def test_a_damaged_state(tmp_path, reference, tune):
    """A trial whose state cannot be read starts again, and ends as it would have."""
    results = tmp_path / "results"
    settings = settings_of(*options(results)[1:])
    corpus, said = search.load_corpus(settings), []

    def press(tuner):
        if tuner.study.epochs_trained == 2:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(search.SearchError, match="0 of 5 trials are finished"):
        tune(settings, corpus, watch=press, warn=said.append)
    (path,) = results.glob("trials/*/state.npz")
    path.write_bytes(path.read_bytes()[:-100])
    tune(settings, corpus, warn=said.append)
    assert "was renamed to state.npz.unreadable" in said[-1]
    assert_same_trials(results, reference)


@pytest.mark.slow
def test_damaged_state_of_a_killed_trial(tmp_path, reference):
    from tests.faults.test_kills import kill_when_ready

    results = tmp_path / "results"
    states = []
    for _ in range(5):
        kill_when_ready(results, 1.5)
        states = list(results.glob("trials/*/state.npz"))
        if states:
            break
    for path in states:
        path.write_bytes(path.read_bytes()[:-100])
    finish(results)
    if states:
        assert list(results.glob("trials/*/state.npz.unreadable"))
    assert_equals(results, reference)


@pytest.mark.parametrize(
    "most",
    [*(pytest.param(n, marks=pytest.mark.slow) for n in (20_000, 200_000)), 400_000],
    ids=["corpus", "vectors", "state"],
)
def test_full_disk(tmp_path, reference, tuned, most):
    """No file may grow beyond that many bytes: one clear error; with room again, it goes on."""
    results = tmp_path / "results"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        done = run_here(*options(results))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("error:") == 1
    assert "cannot be written: File too large" in done.stderr
    assert "Traceback" not in done.stderr
    tuned(*options(results)[1:])
    assert_same_trials(results, reference)
