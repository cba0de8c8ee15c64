"""Figures of the search: progress, learning curves, and the cost of accuracy."""

import itertools
from collections.abc import Mapping, Sequence
from datetime import datetime

import pandas as pd

from search.reporting.archive import Archive
from search.reporting.charts import (
    LEFT,
    RIGHT,
    STEPS,
    WIDTH,
    Chart,
    Figure,
    Scale,
    across,
    legend,
    short,
    up,
)
from search.tuning.records import TrialRecord

CURVES = 8  # trials whose learning curves are shown


def score(record: TrialRecord) -> float:
    """The score of a usable trial."""
    assert record.best is not None
    return record.best.score


def dots_of(archive: Archive) -> list[tuple[TrialRecord, str]]:
    """Usable trials, worst first, each with the CSS class of its colour."""
    best_first = sorted(archive.ranked, key=score, reverse=True)
    step = {r.trial_id: STEPS - 1 - n * STEPS // len(best_first) for n, r in enumerate(best_first)}
    return [(r, f"dot s{step[r.trial_id]} {r.status}") for r in reversed(best_first)]


def over_time(archive: Archive) -> Figure | None:
    """The best score so far against wall-clock time."""
    ended = _in_time(archive)
    if not ended:
        return None
    begin = min(datetime.fromisoformat(r.started_at) for r in archive.trials)
    ends = [datetime.fromisoformat(str(r.ended_at)) for r in ended]
    seconds = [(end - begin).total_seconds() for end in ends]
    units = (("h", 3600.0), ("min", 60.0), ("s", 1.0))
    unit, size = next((u for u in units if seconds[-1] >= 2 * u[1]), units[-1])
    label = f"time since the first trial began ({unit})"
    places = [passed / size for passed in seconds]
    title = "Best so far, over time"
    return _so_far("over-time", title, archive.measure, ended, places, label, unit)


def over_epochs(archive: Archive) -> Figure | None:
    """The best score so far against the number of trained epochs."""
    ended = _in_time(archive)
    if not ended:
        return None
    places = [float(n) for n in itertools.accumulate(len(r.history) for r in ended)]
    label = "epochs trained, of all trials"
    title = "Best so far, over epochs"
    return _so_far("over-epochs", title, archive.measure, ended, places, label, "epochs")


def _in_time(archive: Archive) -> list[TrialRecord]:
    """Usable trials, in the order in which they ended."""
    ended = [r for r in archive.ranked if r.ended_at is not None]
    return sorted(ended, key=lambda r: datetime.fromisoformat(str(r.ended_at)))


def _so_far(
    name: str,
    title: str,
    measure: str,
    records: list[TrialRecord],
    places: list[float],
    label: str,
    unit: str,
) -> Figure:
    scores = [score(r) for r in records]
    best = [max(scores[: n + 1]) for n in range(len(scores))]
    x, y = across([0.0, *places]), up(scores)
    chart = Chart(x, y, label, measure)
    for record, place in zip(records, places, strict=True):
        chart.dot(x(place), y(score(record)), f"dot {record.status}", record.trial_id, 3)
    line = [(x(p), y(b)) for p, b in zip(places, best, strict=True)]
    chart.stairs([*line, (x(places[-1]), y(best[-1]))], "line best")
    steps = [n for n in range(len(best)) if n == 0 or best[n] > best[n - 1]]
    numbers = pd.DataFrame(
        {
            label: [round(places[n], 2) for n in steps],
            "trial": [records[n].trial_id for n in steps],
            f"best {measure}": [round(best[n], 4) for n in steps],
        }
    )
    text = (
        f"The best of {len(records)} trials came to {best[-1]:.4f}: trial "
        f"{records[steps[-1]].trial_id}, after {places[steps[-1]]:.3g} of {places[-1]:.3g} {unit}. "
        "Dots are trials, pale ones were stopped early; the line is the best of those so far."
    )
    return Figure(name, title, chart.svg(text), text, numbers)


def learning_curves(archive: Archive) -> list[Figure]:
    """Accuracy, loss and score of the leading trials, epoch by epoch."""
    leading = archive.ranked[:CURVES]
    if not leading:
        return []
    epochs = [e.epoch for r in leading for e in r.history]
    found = []
    shown = {"val_accuracy": "validation accuracy", "val_loss": "validation loss"}
    if archive.objective not in shown:
        shown = {"score": archive.measure, **shown}
    for field, what in shown.items():
        x = Scale(0.7, max(epochs) + 0.3, LEFT, WIDTH - RIGHT)
        y = up([getattr(e, field) for r in leading for e in r.history])
        chart = Chart(x, y, "epoch", what)
        for number, record in reversed(list(enumerate(leading))):
            points = [(x(e.epoch), y(getattr(e, field))) for e in record.history]
            chart.line(points, f"line c{number}", record.trial_id)
            for at in points:
                chart.dot(*at, f"dot c{number}", record.trial_id, 2.5)
        numbers = pd.DataFrame(
            {
                f"trial {r.trial_id}": pd.Series(
                    {e.epoch: round(getattr(e, field), 4) for e in r.history}, dtype=float
                )
                for r in leading
            }
        )
        numbers.insert(0, "epoch", numbers.index)
        best = leading[0]
        assert best.best is not None
        text = (
            f"The {what} of the {len(leading)} leading trials after each epoch. The best one, "
            f"trial {best.trial_id}, was at its best after epoch {best.best.epoch} of "
            f"{len(best.history)}."
        )
        name = f"curves-{field.removeprefix('val_')}"
        title = f"Learning curves: {what}"
        drawing = chart.svg(text) + legend([r.trial_id for r in leading])
        found.append(Figure(name, title, drawing, text, numbers))
    return found


def against_costs(archive: Archive) -> list[Figure]:
    """The score against the size of the network and the time it takes, with the Pareto fronts."""
    found = []
    sizes = {r.trial_id: float(r.parameters) for r in archive.ranked if r.parameters}
    times = {r.trial_id: 1000 * t for r in archive.ranked if (t := _scoring_seconds(r))}
    rows = archive.judged_rows
    epochs = {r.trial_id: min(e.seconds for e in r.history) for r in archive.ranked}
    for name, title, label, costs in (
        ("size", "Accuracy against size", "parameters", sizes),
        (
            "latency",
            "Accuracy against latency",
            "ms a text, in batches",
            {n: t / rows for n, t in times.items()},
        ),
        ("epoch-time", "Accuracy against training time", "seconds an epoch", epochs),
    ):
        dots = [(r, css) for r, css in dots_of(archive) if costs.get(r.trial_id, 0) > 0]
        if dots and (name != "epoch-time" or not times):
            found.append(_front(name, title, label, archive.measure, dots, costs))
    return found


def _scoring_seconds(record: TrialRecord) -> float | None:
    """The shortest time it took to score the judged rows."""
    known = [e.scoring_seconds for e in record.history if e.scoring_seconds is not None]
    return min(known, default=None)


def _front(
    name: str,
    title: str,
    label: str,
    measure: str,
    dots: Sequence[tuple[TrialRecord, str]],
    costs: Mapping[str, float],
) -> Figure:
    x = across([costs[r.trial_id] for r, _ in dots], log=True)
    y = up([score(r) for r, _ in dots])
    chart = Chart(x, y, label, measure)
    front: list[TrialRecord] = []
    for record, _ in sorted(dots, key=lambda d: (costs[d[0].trial_id], -score(d[0]))):
        if not front or score(record) > score(front[-1]):
            front.append(record)
    chart.stairs([(x(costs[r.trial_id]), y(score(r))) for r in front], "line best")
    for record, css in dots:
        on = " front" if record in front else ""
        chart.dot(x(costs[record.trial_id]), y(score(record)), css + on, record.trial_id)
    numbers = pd.DataFrame(
        {
            "trial": [r.trial_id for r in front],
            label: [short(costs[r.trial_id]) for r in front],
            measure: [round(score(r), 4) for r in front],
        }
    )
    text = (
        f"The Pareto front, of trials that no other beats in both, has {len(front)} of "
        f"{len(dots)}: from {short(costs[front[0].trial_id])} {label} at {score(front[0]):.4f} "
        f"to {short(costs[front[-1].trial_id])} at {score(front[-1]):.4f}."
    )
    return Figure(name, title, chart.svg(text), text, numbers)
