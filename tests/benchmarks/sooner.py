"""How much sooner than plain KerasTuner the same validation accuracy is there.

Plain KerasTuner searches the core space at random, 20 trials with early stopping; then this
package runs its defaults until a row of leaderboard.csv is better than the best of those trials.
Both times are a user's: from the command on, imports and tokenising included.

Usage: python -m tests.benchmarks.sooner [TRIALS] [SEEDS]
"""

import subprocess
import sys
import tempfile
import time
from itertools import accumulate
from pathlib import Path
from statistics import median

import search
from tests.benchmarks.run import BATCH, call, stored
from tests.conftest import ROOT


def until(target: float, seed: int, folder: Path) -> float:
    """Seconds until a trial that ended is better than `target`; infinite if none ever is."""
    started = time.perf_counter()
    run = subprocess.Popen(
        [sys.executable, "-m", "search.run", "--seed", str(seed), "--results", folder, "-q"],
        cwd=ROOT,
    )
    table = folder / "leaderboard.csv"
    while True:
        over = run.poll() is not None
        if table.exists() and search.read_leaderboard(folder)["val_accuracy"].max() > target:
            seconds = time.perf_counter() - started
            run.terminate()
            run.wait()
            return seconds
        if over:
            return float("inf")
        time.sleep(0.05)


def main(trials: int = 20, seeds: int = 5) -> None:
    with tempfile.TemporaryDirectory() as directory:
        folder, _ = stored("rotten-tomatoes", Path(directory))
        started = time.perf_counter()
        plain = call(
            "plain", "trials", folder=folder, batch_size=BATCH, count=trials, max_epochs=10
        )
        whole = time.perf_counter() - started
        target = plain["val_accuracy"][-1]
        ends = list(accumulate(plain["seconds"], initial=whole - sum(plain["seconds"])))[1:]
        reached = ends[plain["val_accuracy"].index(target)]
        print(
            f"plain KerasTuner: {target:.4f} after {whole:.1f} s, {trials} trials; "
            f"its best trial ended after {reached:.1f} s",
            flush=True,
        )
        seconds = []
        for seed in range(seeds):
            seconds.append(until(target, seed, Path(directory) / str(seed)))
            print(f"this package, seed {seed}: better after {seconds[-1]:.1f} s", flush=True)
    ours = median(seconds)
    print(f"{whole / ours:.0f} times sooner than its end, {reached / ours:.0f} than its best trial")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
