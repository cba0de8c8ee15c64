"""How much faster two workers are than one: a ratio within one run, sides taking turns.

Usage: python -m tests.benchmarks.workers [TRIALS] [TURNS]
"""

import sys
from statistics import median

from tests.benchmarks.run import BATCH, call


def main(trials: int = 20, turns: int = 2) -> None:
    seconds: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(turns):
        for workers in seconds:
            done = call(
                *("ours", "trials"), data="rotten-tomatoes", batch_size=BATCH, count=trials,
                max_epochs=4, workers=workers,
            )  # fmt: skip
            seconds[workers].append(sum(done["seconds"]))
            print(f"{workers} worker(s): {seconds[workers][-1]:.1f} s", flush=True)
    print(f"ratio {median(seconds[1]) / median(seconds[2]):.2f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
