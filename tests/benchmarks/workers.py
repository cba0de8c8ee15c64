"""How much faster two workers are than one: a ratio within one run, sides taking turns.

One worker alone computes the two directions of the network on two cores; two workers have a core
each. So there are two ratios: to one worker with both cores, and to one worker with one core.

Usage: python -m tests.benchmarks.workers [TRIALS] [TURNS]
"""

import sys
from statistics import median

from tests.benchmarks.run import BATCH, call

SIDES = {
    "one worker, one core": (1, "1"),
    "one worker, two cores": (1, "2"),
    "two workers, a core each": (2, "1"),
}


def main(trials: int = 20, turns: int = 1) -> None:
    seconds: dict[str, list[float]] = {side: [] for side in SIDES}
    for _ in range(turns):
        for side, (workers, threads) in SIDES.items():
            done = call(
                *("ours", "trials"), data="rotten-tomatoes", batch_size=BATCH, count=trials,
                max_epochs=4, workers=workers, threads=threads,
            )  # fmt: skip
            seconds[side].append(sum(done["seconds"]))
            print(f"{side}: {seconds[side][-1]:.1f} s", flush=True)
    *single, both = (median(times) for times in seconds.values())
    print(f"ratios {single[0] / both:.2f} and {single[1] / both:.2f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
