"""Search algorithms compared by replay: real learning curves, trained once, searched many times.

`record SPACE TRIALS RESULTS` trains random configurations to their end (hours of cores), `curves`
makes them rows of curves.csv, and `compare` lets every algorithm search that table with many seeds
(minutes). A proposal is answered with the nearest configuration of the table that the search has
not had yet, which the algorithm is told as its own; so all have the same noise and the same luck.

    python -m tests.benchmarks.replay record wide 150 /tmp/wide
    python -m tests.benchmarks.replay curves /tmp/wide /tmp/core
    python -m tests.benchmarks.replay compare
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

import search
from search.network.space import (
    CORE,
    FIELDS,
    Configuration,
    Range,
    Space,
    declare,
    starting_points,
    wide,
)
from search.tuning.algorithms import make_oracle
from search.tuning.early_stopping import Halving, RungTable, finished
from search.tuning.oracles import reopen
from search.tuning.records import Epoch, TrialRecord

CURVES = Path(__file__).with_name("curves.csv")
TRIALS, MAX_EPOCHS = 20, 8
RECORDED_PATIENCE = 4
SEEDS = 100
VARIANTS = (  # algorithm, reduction of successive halving, patience, known-good ones first
    ("random", 1, 3, 0),
    ("random", 1, 2, 0),
    ("random", 2, 2, 3),
    ("tpe", 1, 3, 0),
    ("tpe", 2, 2, 0),
    ("tpe", 2, 2, 3),  # the defaults
    ("tpe", 2, 3, 3),
    ("tpe", 3, 2, 3),
)
SHOWN = {5: "the default", 3: "TPE alone", 0: "random search"}  # of the variants, in the plot
HISTORY = ["loss", "val_loss", "val_accuracy", "seconds"]


def record(space: str, trials: int, results: str) -> None:
    """Trains random configurations, none stopped early for being weak."""
    settings = search.Settings(
        trials=trials,
        tuner="random",
        seed=1,
        space=space,
        reduction=1,
        patience=RECORDED_PATIENCE,
        max_epochs=MAX_EPOCHS,
        results=Path(results),
        keep=1,
        finals=0,
    )
    search.tune(settings, search.load_corpus(settings), warn=print)


def curves(*results: str) -> None:
    """The trials of some runs as one table: a row each, with a column for every hyperparameter."""
    rows = []
    for path in sorted(p for folder in results for p in Path(folder).glob("trials/*/trial.json")):
        trial = TrialRecord.from_json(json.loads(path.read_text()))
        if trial.status == "completed":
            columns = {
                name: " ".join(f"{getattr(epoch, name):.5g}" for epoch in trial.history)
                for name in HISTORY
            }
            rows.append(
                {"space": path.parents[2].name, **vars(Configuration.of(trial.values)), **columns}
            )
    pd.DataFrame(rows).to_csv(CURVES, index=False)


class Table:
    """The curves of one space.

    Attributes:
        values: hyperparameters of each row.
        histories: epochs of each row.
    """

    def __init__(self, name: str, space: Space) -> None:
        frame = pd.read_csv(CURVES)
        frame = frame[frame["space"] == name].reset_index(drop=True)
        self.space = space
        self.values = [
            {n: type(FIELDS[n].default)(row[n]) for n in space} for _, row in frame.iterrows()
        ]
        self.histories = []
        for _, row in frame.iterrows():
            numbers = [np.array(str(row[n]).split(), float) for n in HISTORY]
            self.histories.append(
                tuple(
                    Epoch(i, *four, score=four[2])
                    for i, four in enumerate(zip(*numbers, strict=True), 1)
                )
            )
        self._places = np.array([self._place(values) for values in self.values])

    def _place(self, values) -> np.ndarray:
        """Values as a point; a unit apart are the two ends of a range, and two names."""
        place = []
        for name, spec in self.space.items():
            value = values[name]
            if isinstance(spec, Range):
                scale = np.log if spec.log else float
                place.append(
                    (scale(value) - scale(spec.low)) / (scale(spec.high) - scale(spec.low))
                )
            elif isinstance(spec, tuple) and isinstance(spec[0], str):
                place += [(value == other) / np.sqrt(2) for other in spec]
            elif isinstance(spec, tuple):
                nearest = min(range(len(spec)), key=lambda i: abs(spec[i] - value))
                place.append(nearest / max(1, len(spec) - 1))
        return np.array(place)

    def nearest(self, values, taken: set[int]) -> int:
        """The free row nearest to some values."""
        distance = np.square(self._places - self._place(values)).sum(axis=1)
        distance[list(taken)] = np.inf
        return int(distance.argmin())


def replay(table: Table, tuner: str, reduction: int, patience: int, first: int, seed: int):
    """One search: the best validation accuracy after each epoch that it spent.

    Args:
        table: what it searches.
        tuner: the algorithm.
        reduction: of successive halving; 1 for none.
        patience: epochs in a row without a better one, after which a trial is over.
        first: how many known-good configurations come first.
        seed: of the algorithm.
    """
    oracle = make_oracle(tuner, trials=TRIALS, seed=seed, max_epochs=MAX_EPOCHS)
    hp = oracle.get_space()
    declare(hp, table.space)
    oracle.update_space(hp)
    oracle.first = starting_points(table.space, ())[:first]
    if first == 0:
        generator = np.random.default_rng(seed)
    rungs = RungTable(Halving(1, reduction, MAX_EPOCHS))
    rows: dict[str, int] = {}
    reached = [0.0]

    def run(trial, start: int) -> None:
        """Trains until it ends or is stopped."""
        whole = table.histories[rows[trial.trial_id]]
        for epochs in range(start + 1, MAX_EPOCHS + 1):
            history = whole[:epochs]
            reached.append(max(reached[-1], history[-1].val_accuracy))
            over = finished(history, MAX_EPOCHS, patience) or len(whole) == epochs
            if over or rungs.stops(history):
                break
        status = "completed" if over else "pruned"
        rungs.put(TrialRecord(trial.trial_id, status, {}, 0, {}, 64, "", history=history))
        for epoch in history:
            oracle.update_trial(
                trial.trial_id,
                {"val_accuracy": epoch.val_accuracy, "val_loss": epoch.val_loss},
                step=epoch.epoch,
            )
        trial.status = "COMPLETED"
        oracle.end_trial(trial)

    while True:
        promoted = rungs.promoted()
        if promoted is not None:
            rungs.put(replace(promoted, status="running"))
            trial = oracle.trials[promoted.trial_id]
            reopen(oracle, trial)
            run(trial, len(promoted.history))
            continue
        trial = oracle.create_trial("0")
        if trial.status != "RUNNING":
            return reached[1:]
        row = table.nearest(trial.hyperparameters.values, set(rows.values()))
        if tuner == "random" and first == 0:  # nearest rows would favour lonely ones
            free = [n for n in range(len(table.values)) if n not in rows.values()]
            row = int(generator.choice(free))
        rows[trial.trial_id] = row
        trial.hyperparameters.values.update(table.values[row])
        run(trial, 0)


def label_of(tuner: str, reduction: int, patience: int, first: int) -> str:
    return f"{tuner}, reduction {reduction}, patience {patience}, {first} known-good first"


def compare(seeds: str = str(SEEDS)) -> None:
    """Prints mean and 95% interval of the best accuracy against epochs; writes table and plot."""
    corpus = search.load_corpus(search.Settings())
    tables = {"core": Table("core", CORE), "wide": Table("wide", wide(corpus))}
    lines = []
    for name, table in tables.items():
        best = max(max(e.val_accuracy for e in h) for h in table.histories)
        print(f"{name}: {len(table.values)} configurations, the best one {best:.4f}")
        wanted = None  # the result of plain random search, the first variant
        for tuner, reduction, patience, first in VARIANTS:
            found = [
                replay(table, tuner, reduction, patience, first, seed) for seed in range(int(seeds))
            ]
            longest = max(map(len, found))
            # A search that has ended stays where it is.
            curve = np.array([f + f[-1:] * (longest - len(f)) for f in found])
            mean, error = curve.mean(axis=0), 1.96 * curve.std(axis=0, ddof=1) / len(found) ** 0.5
            label = label_of(tuner, reduction, patience, first)
            spent = np.mean([len(f) for f in found])
            at = {n: min(n, longest) - 1 for n in (10, 20, 30, 40, 60, 80, 120)}
            shown = (f"{n}: {mean[i]:.4f}±{error[i]:.4f}" for n, i in at.items())
            wanted = wanted or mean[-1]
            reached = int((mean >= wanted).argmax()) + 1 if mean[-1] >= wanted else None
            print(f"  {label:54} {spent:5.0f} epochs:", *shown, f"random's result: {reached}")
            lines += [
                (name, label, n, m, e) for n, (m, e) in enumerate(zip(mean, error, strict=True), 1)
            ]
    columns = ["space", "algorithm", "epochs", "val_accuracy", "half_interval"]
    frame = pd.DataFrame(lines, columns=columns).round(5)
    frame.to_csv(CURVES.with_name("replay.csv"), index=False)
    plot(frame)


def plot(frame: pd.DataFrame) -> None:
    """Means with their intervals as replay.svg; matplotlib comes with the extra `bench`."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), sharey=True, layout="constrained")
    for axis, (space, rows) in zip(axes, frame.groupby("space"), strict=True):
        for number, name in SHOWN.items():
            curve = rows[rows["algorithm"] == label_of(*VARIANTS[number])]
            low, high = (curve["val_accuracy"] + k * curve["half_interval"] for k in (-1, 1))
            (line,) = axis.plot(curve["epochs"], curve["val_accuracy"], label=name)
            axis.fill_between(curve["epochs"], low, high, alpha=0.2, color=line.get_color())
        axis.set(title=f"space {space}", xlabel="epochs spent", ylim=(0.785, 0.815))
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("best validation accuracy")
    axes[0].legend(loc="lower right", fontsize="small")
    figure.savefig(CURVES.with_name("replay.svg"), metadata={"Date": None})


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    if command == "record":
        record(arguments[0], int(arguments[1]), arguments[2])
    else:
        {"curves": curves, "compare": compare}[command](*arguments)
