"""Random lives of a run: begun with any flags, killed, stopped, damaged, changed, gone on with.

A seed is a life. Whatever happened, in the end there is exactly what was asked for, it agrees with
itself, and nothing is left over.
"""

import json
import os
import random
import shlex
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import numpy as np
import psutil
import pytest

import search
from search.evaluation.leaderboard import read_leaderboard
from search.packaging.classifier import load_classifier
from tests.conftest import ROOT, SAMPLE, run_here

ENDS = {"kill": -signal.SIGKILL, "interrupt": 130, "terminate": 143}
FAST = 18  # a short one, that is killed once
NOT_DAMAGED = (".lock", "owner.json", "artefacts.json")  # who made a directory must be known


def flags(generator: random.Random) -> list[str]:
    """What decides the trials, and stays as it is."""
    tuner = generator.choice(["random", "random", "tpe", "grid", "hyperband"])
    chosen = {
        "--tuner": tuner,
        "--seed": generator.randrange(100),
        "--max-epochs": generator.choice([1, 2, 3]),
        "--patience": generator.choice([0, 1, 2]),
        "--reduction": generator.choice([1, 2, 3]),
        "--min-epochs": generator.choice([1, 1, 2]),
        "--finals": generator.choice([0, 1, 2]),
        "--folds": generator.choice([2, 3]),
        "--keep": generator.choice([1, 2, 5]),
        "--objective": generator.choice(["val_accuracy", "val_loss", "val_f1", "val_auc"]),
        "--set": f"ngrams={generator.choice(['none', 'words', 'both'])}",
    }
    options = [str(part) for pair in chosen.items() for part in pair]
    options += ["--set", "lstm_units=8,16", "--set", "embedding_dim=8,16"]
    if generator.random() < 0.3:
        options += ["--class-weight", "balanced"]
    if generator.random() < 0.3:
        options += ["--prefer-small"]
    return options


def interrupted(results: Path, options: list[str], generator: random.Random, mark: str) -> str:
    """Starts the search, and ends it at a random moment; returns what was done."""
    what = generator.choice([*ENDS, "a write"])
    command = [sys.executable, "-m", "search.run", *options]
    if what == "a write":
        number = generator.randrange(1, 120)
        command = [sys.executable, "-m", "tests.faults.killer", str(number), *options]
        what = f"a write, {number}"
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "LIFE": mark},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    if what in ENDS:
        owner = results / "owner.json"
        while process.poll() is None and not (
            owner.exists() and f'"pid": {process.pid},' in owner.read_text()
        ):
            time.sleep(0.02)
        time.sleep(generator.uniform(0, 6))
        if process.poll() is None:
            name = {"kill": "SIGKILL", "interrupt": "SIGINT", "terminate": "SIGTERM"}[what]
            process.send_signal(getattr(signal, name))
    _, said = process.communicate(timeout=300)
    assert "Traceback" not in said, said
    assert process.returncode in (0, ENDS.get(what, -signal.SIGKILL)), said
    return f"{what} ({process.returncode})"


def damaged(results: Path, generator: random.Random) -> str:
    """Damages or removes a file of the run; returns which."""
    made = [path for path in results.rglob("*") if path.is_file() and "previous" not in path.parts]
    path = generator.choice(sorted(path for path in made if path.name not in NOT_DAMAGED))
    how = generator.choice(["cut", "empty", "zeros", "removed"])
    content = path.read_bytes()
    if how == "removed":
        path.unlink()
    else:
        damages = {"cut": content[: len(content) // 2], "empty": b"", "zeros": bytes(len(content))}
        path.write_bytes(damages[how])
    return f"{path.relative_to(results)} {how}"


def assert_sound(results: Path, trials: int) -> None:
    """The table, the facts and the model agree, and there is nothing else."""
    table = read_leaderboard(results)
    own = table[table["kind"] == "trial"]
    assert sorted(own["trial_id"]) == [f"{number:04d}" for number in range(trials)]
    ranks = table["rank"].dropna().astype(int)
    assert sorted(ranks) == list(range(1, len(ranks) + 1))
    facts = json.loads((results / "best_model.json").read_text())
    [selected] = table[table["selected"]].to_dict("records")
    assert selected["trial_id"].partition("-")[0] == facts["trial_id"]
    if selected["kind"] == "ensemble":
        assert selected["val_accuracy"] == facts["val_accuracy"]
    for name, value in facts["hyperparameters"].items():
        assert selected[f"hp_{name}"] == value
    settings = json.loads((results / "run.json").read_text())["settings"]
    test = search.load_corpus(search.Settings(data=settings["data"], seed=settings["seed"])).test
    answers = load_classifier(results / "best_model.keras").score([*test.texts])
    right = (answers[:, 0] > 0.5) == test.labels
    # A probability of nearly a half may be on its other side in other arithmetic.
    close = np.abs(answers[:, 0] - 0.5) < 1e-4
    assert abs(right.mean() - facts["test_accuracy"]) <= close.mean() + 1e-9
    assert not list(results.rglob("*.partial*"))


def assert_nobody_left(mark: str) -> None:
    """No process of a life is there, but for those that are ending."""
    deadline = time.monotonic() + 20

    def there() -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("LIFE") == mark:
                    found.append(process)
            except psutil.Error:
                continue
        return [p for p in found if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]

    while left := there():
        assert time.monotonic() < deadline, left
        time.sleep(0.2)


def life(results: Path, seed: int, most: int) -> None:
    """One life, with so many misfortunes at most."""
    generator, mark = random.Random(seed), uuid.uuid4().hex
    always, trials, happened = flags(generator), generator.choice([2, 3]), list[str]()
    for _ in range(generator.randint(1, most)):
        sometimes = ["--trials", str(trials), "--workers", str(generator.choice([1, 2]))]
        options = ["--data", str(SAMPLE), *always, *sometimes, "--results", str(results)]
        happened.append(interrupted(results, options, generator, mark))
        if results.exists() and any(results.iterdir()) and generator.random() < 0.6:
            happened.append(damaged(results, generator))
        trials += generator.choice([0, 0, 1])
    last = ["--data", str(SAMPLE), *always, "--trials", str(trials), "--results", str(results)]
    told = f"life {seed}: {shlex.join(always)}; {trials} trials; {'; '.join(happened)}"
    print(told)
    done = run_here("search.run", *last)
    assert done.returncode == 0, (told, done.stderr)
    assert_nobody_left(mark)
    assert_sound(results, trials)
    before = (results / "leaderboard.csv").read_bytes()
    again = run_here("search.run", *last)
    assert again.returncode == 0 and "nothing to do" in again.stderr, (told, again.stderr)
    assert (results / "leaderboard.csv").read_bytes() == before, told


@pytest.mark.parametrize(
    "seed", [FAST, *(pytest.param(n, marks=pytest.mark.slow) for n in range(200) if n != FAST)]
)
def test_a_random_life(tmp_path, seed):
    life(tmp_path / "results", seed, most=3)
