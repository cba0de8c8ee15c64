"""An uninterrupted run, and what it takes to say that another run equals it."""

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest

from search.packaging.modelfile import ModelFile
from tests.conftest import ROOT, SAMPLE, arrays, hang_up_ends, run_here, shared

TIMES = ["train_seconds", "started_at"]


def options(results: Path) -> list[str]:
    settings = ["--data", str(SAMPLE), "--trials", "5", "--max-epochs", "6", "--patience", "6"]
    # As long as no result decides what is trained, one worker or two make no difference.
    settings += ["--seed", "3", "--tuner", "random", "--reduction", "1", "--finals", "0"]
    settings += ["--set", "ngrams=words"]
    return ["search.run", *settings, "--workers", "1", "--results", str(results)]


def start(results: Path, *more: str) -> "subprocess.Popen[str]":
    """Starts the search without waiting for it."""
    return launch(*options(results), *more)


def launch(*arguments: str) -> "subprocess.Popen[str]":
    """Starts `python -m …` without waiting for it."""
    return subprocess.Popen(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hang_up_ends,
    )


def workers_of(pid: int) -> list[psutil.Process]:
    """The processes that train for a parent."""
    try:
        children = psutil.Process(pid).children(recursive=True)
        return [c for c in children if "spawn_main" in " ".join(c.cmdline())]
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return []


def wait_until(condition, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shared(tmp_path_factory, "reference", lambda folder: finish(folder / "results")) / (
        "results"
    )


def assert_equals(results: Path, reference: Path) -> None:
    """The same table (times aside), the same model, nothing lost, nothing left over."""
    tables = [
        pd.read_csv(path / "leaderboard.csv").drop(columns=TIMES) for path in (results, reference)
    ]
    pd.testing.assert_frame_equal(*tables, check_exact=True)
    facts = [json.loads((p / "best_model.json").read_text()) for p in (results, reference)]
    for fact in facts:
        for name in ("created_at", "sha256", "size_bytes", "size_bytes_single", "formats"):
            del fact[name]
        for baseline in fact["baselines"]:
            del baseline["seconds"]
        fact["verdict"] = fact["verdict"].partition(", for ")[0]
    assert facts[0] == facts[1]
    files = [ModelFile(path / "best_model.keras") for path in (results, reference)]
    for a, b in zip(*map(arrays, files), strict=True):
        assert np.array_equal(a, b)
    assert not list(results.rglob("*.partial*"))
    trials = [
        {p.name for p in (r / "trials").iterdir() if p.name.isdigit()} for r in (results, reference)
    ]
    assert trials[0] == trials[1]
    states = [{p.parent.name for p in r.glob("trials/*/state.npz")} for r in (results, reference)]
    assert states[0] == states[1], "only those of trials that may go on"


def assert_same_trials(results: Path, reference: Path) -> None:
    """The same values, epochs and weights of every trial: all that a model is made of."""

    def told(path: Path) -> tuple[object, ...]:
        record = json.loads((path / "trial.json").read_text())
        epochs = [(e["loss"], e["val_loss"], e["val_accuracy"]) for e in record["history"]]
        return record["status"], record["values"], record["seed"], epochs

    for wanted in sorted((reference / "trials").iterdir()):
        found = results / "trials" / wanted.name
        assert told(found) == told(wanted)
        assert (found / "best.npz").exists() == (wanted / "best.npz").exists()
        if (wanted / "best.npz").exists():
            with np.load(found / "best.npz") as mine, np.load(wanted / "best.npz") as theirs:
                assert mine.files == theirs.files
                assert all(np.array_equal(mine[name], theirs[name]) for name in mine.files)


def finish(results: Path, *more: str) -> None:
    done = run_here(*options(results), *more)
    assert done.returncode == 0, done.stderr
