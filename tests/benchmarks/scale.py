"""Many slots without the machines: the real tuner, real files, and trials that only take time.

A trial follows a learning curve of curves.csv, with noise of its own. Its epochs take what was
recorded there, times a factor, on a clock that jumps over the time nobody works in; what the
parent takes passes on that clock as it really does. So the busy share of the slots is what it
would be with as many workers, and everything the parent spends is measured.

    python -m tests.benchmarks.scale SLOTS TRIALS [TUNER] [FACTOR]
"""

import heapq
import resource
import sys
import tempfile
import time
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

import search
from search.network.space import CORE
from search.tuning import loop
from search.tuning.agenda import Agenda
from search.tuning.executors import LocalSlots
from search.tuning.training import TrainResult
from tests.benchmarks.replay import MAX_EPOCHS, Table
from tests.conftest import SAMPLE

FACTOR = 25.0  # a recorded epoch takes about 0.7 s, one of IMDB on such a core 6 to 75 s
LUCK = 0.01  # standard deviation of a trial's accuracies over seeds, as in the README's table


@dataclass
class Report:
    """What a simulated search took.

    Attributes:
        busy: share of the slots' time, until the last trial was proposed, that they trained in.
        parent: CPU seconds of the parent from one proposal to the next.
        whole: CPU seconds of the parent in all, a trial.
        proposals: seconds that each proposal took.
        seconds: simulated, from the first trial to the last.
        megabytes: by which the parent's memory grew.
    """

    busy: float
    parent: list[float]
    whole: float
    proposals: list[float]
    seconds: float
    megabytes: float

    def cost(self, first: int, last: int) -> float:
        """The parent's CPU seconds for one of the trials first … last - 1."""
        return float(np.mean(self.parent[first:last]))


class Clock:
    """Time that jumps to the next event when the parent would wait."""

    def __init__(self) -> None:
        self._jumped = 0.0
        self._events: list[tuple[float, int, Future, TrainResult]] = []
        self._count = 0

    def now(self) -> float:
        return time.monotonic() + self._jumped

    def finish_later(self, seconds: float, future: Future, progress: TrainResult) -> None:
        self._count += 1
        heapq.heappush(self._events, (self.now() + seconds, self._count, future, progress))

    def wait(self, futures, timeout=None, return_when=None) -> None:
        """In place of `concurrent.futures.wait`."""
        if not any(future.done() for future in futures):
            self._jumped += max(0.0, self._events[0][0] - self.now())
        while self._events and self._events[0][0] <= self.now():
            _, _, future, progress = heapq.heappop(self._events)
            future.set_result(progress)


class SleepingSlot:
    """A `Slot` whose trials take time and nothing else."""

    keras, ready, holds = False, True, None

    def __init__(self, clock: Clock, table: Table, factor: float) -> None:
        self.clock, self.table, self.factor = clock, table, factor
        self.spans: list[tuple[float, float]] = []

    def submit(self, function, task) -> Future:
        row = self.table.nearest(task.values, set())
        luck = np.random.default_rng(task.seed).normal(0, LUCK)
        curve = self.table.histories[row]
        epoch = curve[min(task.from_epoch, len(curve) - 1)]
        accuracy = epoch.val_accuracy + luck
        epoch = replace(epoch, epoch=task.to_epoch, val_accuracy=accuracy, score=accuracy)
        state = {"weights/0": np.zeros((100, 8), np.float32)}
        # As many rows as the sample reviews have for validation, and a state far smaller than real:
        # what writing states costs is not measured here.
        progress = TrainResult((epoch,), state, 800, np.full((30, 1), 0.5, np.float32))
        future: Future = Future()
        seconds = self.factor * epoch.seconds
        self.spans.append((self.clock.now(), seconds))
        self.clock.finish_later(seconds, future, progress)
        return future

    def threads(self, trials: int) -> int:
        return 1

    def warm_up(self) -> None: ...
    def kill(self) -> None: ...
    def replace(self) -> None: ...
    def trial_ended(self) -> None: ...


def simulate(
    slots: int, trials: int, results: Path, *, tuner: str = "random", factor: float = FACTOR, **more
) -> Report:
    """One search with so many slots, as `python -m search.run` makes it; without finals."""
    chosen = {"tuner": tuner, "max_epochs": MAX_EPOCHS, "finals": 0, **more}
    settings = search.Settings(data=str(SAMPLE), results=results, trials=trials, **chosen)
    corpus = search.load_corpus(settings)
    clock, table = Clock(), Table("core", CORE)
    places = LocalSlots(SleepingSlot(clock, table, factor) for _ in range(slots))
    spent: list[float] = []
    proposals: list[float] = []
    last_proposal = [0.0]
    propose = Agenda._proposed

    def timed(self, **others):
        started = time.perf_counter()
        job = propose(self, **others)
        if job is not None:
            spent.append(time.process_time())
            proposals.append(time.perf_counter() - started)
            last_proposal[0] = clock.now()
        return job

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = clock.now()
    kept = loop.wait, Agenda._proposed
    loop.wait, Agenda._proposed = clock.wait, timed
    began = time.process_time()
    try:
        search.tune(settings, corpus, workers=places)
    finally:
        loop.wait, Agenda._proposed = kept
    first = min(start for place in places for start, _ in place.spans)
    end = last_proposal[0]
    worked = sum(
        max(0.0, min(end, start + seconds) - start) for p in places for start, seconds in p.spans
    )
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return Report(
        busy=worked / (slots * (end - first)),
        parent=np.diff(spent).tolist(),
        whole=(time.process_time() - began) / trials,
        proposals=proposals,
        seconds=clock.now() - begun,
        megabytes=grown / 1024,
    )


def main(slots: str, trials: str, tuner: str = "random", factor: str = str(FACTOR)) -> None:
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results"
        report = simulate(int(slots), int(trials), results, tuner=tuner, factor=float(factor))
        size = sum(p.stat().st_size for p in results.rglob("*") if p.is_file())
    count = len(report.parent)
    print(f"{slots} slots, {trials} trials, {tuner}: {report.busy:.1%} busy while there was work")
    for last in (count // 10, count // 2, count):
        first = last - count // 10
        cost, proposal = report.cost(first, last), np.mean(report.proposals[first:last])
        print(
            f"  trials {first} to {last}: parent {1000 * cost:.1f} ms of CPU a trial, "
            f"a proposal {1000 * proposal:.1f} ms"
        )
    print(
        f"  whole: {1000 * report.whole:.1f} ms of CPU a trial, {report.seconds:.0f} s simulated, "
        f"memory +{report.megabytes:.0f} MB, {size / count / 1024:.1f} kB of files a trial"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
