"""Figures of hyperparameters: how the score depends on each."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from search.reporting.archive import Archive
from search.reporting.charts import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Chart,
    Figure,
    Places,
    Scale,
    scale,
    short,
    up,
)
from search.reporting.figures import dots_of, score
from search.reporting.importance import FEWEST, RELIABLE, importances, searched

AXIS, PAGE = 118, 1100  # pixels between two axes of parallel coordinates at least, and of all
GOLDEN = 0.618034  # multiples of it are spread evenly: dots on one value stand side by side


def _axis(spec: Mapping[str, Any], start: float, end: float) -> Scale | Places:
    """The axis of a hyperparameter."""
    if spec["kind"] in ("Int", "Float"):
        ends = (spec["min_value"], spec["max_value"])
        return scale(ends, start, end, log=spec.get("sampling") in ("log", "reverse_log"))
    return Places(tuple(spec.get("values", (False, True))), start, end)


def _place(axis: Scale | Places, value: Any, number: int) -> float | None:
    """The pixel of a value; dots of one name are spread side by side."""
    if isinstance(axis, Scale):
        return axis(value)
    if value not in axis.names:
        return None
    room = 0.5 * abs(axis.end - axis.start) / len(axis.names)
    return axis(value) + room * (GOLDEN * number % 1 - 0.5)


def against_hyperparameters(archive: Archive) -> list[Figure]:
    """The score of all trials against each hyperparameter."""
    found, dots = [], dots_of(archive)
    for name, spec in searched(archive.ranked).items():
        x, y = _axis(spec, LEFT, WIDTH - RIGHT), up([score(r) for r, _ in dots])
        chart, values = Chart(x, y, name, archive.measure), []
        for number, (record, css) in enumerate(dots):
            value = record.values.get(name)
            place = None if value is None else _place(x, value, number)
            if place is not None:
                chart.dot(place, y(score(record)), css, record.trial_id)
                values.append(value)
        best = [r.values[name] for r, _ in dots[::-1][:5] if name in r.values]
        text = (
            f"{archive.measure.capitalize()} against {name}, {len(values)} trials. The five best "
            f"have {', '.join(short(v) if isinstance(v, float) else str(v) for v in best)}."
        )
        found.append(Figure(f"hp-{name}", name, chart.svg(text), text))
    return found


def parallel_coordinates(archive: Archive) -> Figure | None:
    """Each trial as a line through the axes of all hyperparameters and its score."""
    dots, specs = dots_of(archive), searched(archive.ranked)
    if len(dots) < 2 or not specs:
        return None
    top, bottom = TOP + 26, HEIGHT - BOTTOM
    between = max(AXIS, min(2 * AXIS, PAGE / len(specs)))
    width = LEFT * 2 + between * len(specs)
    axes: dict[str, Scale | Places] = {n: _axis(s, bottom, top) for n, s in specs.items()}
    accuracy = scale([score(r) for r, _ in dots], bottom, top)
    chart = Chart(None, None, width=width, height=HEIGHT - 20)
    names = [*axes, archive.objective]
    for number, (record, css) in enumerate(dots):
        places = [
            _place(axis, record.values[name], number) if name in record.values else None
            for name, axis in axes.items()
        ]
        points = [
            (LEFT + between * n, place)
            for n, place in enumerate([*places, accuracy(score(record))])
            if place is not None
        ]
        chart.line(points, css.replace("dot", "thread"), record.trial_id)
    for n, name in enumerate(names):
        x = LEFT + between * n
        chart.line([(x, bottom), (x, top)], "axis")
        chart.text(x, TOP + 8, name, "label middle")
        for value, shown in (accuracy if name == archive.objective else axes[name]).ticks():
            axis: Any = accuracy if name == archive.objective else axes[name]
            chart.text(x - 5, axis(value) + 4, shown, "tick end halo")
    text = (
        f"Each of {len(dots)} trials is a line through its values of {', '.join(axes)} to its "
        f"{archive.measure}; the darkest fifth are the best."
    )
    return Figure("parallel", "All hyperparameters at once", chart.svg(text), text, wide=True)


def importance(archive: Archive) -> Figure | None:
    """The importance of each hyperparameter."""
    found = importances(archive.ranked)
    if not found:
        return None
    row, left = 24, 150
    height = TOP + row * len(found) + BOTTOM
    x = Scale(0, max(found.values()) * 1.12, left, WIDTH - RIGHT)
    chart = Chart(None, None, height=height - BOTTOM + 8)
    for n, (name, share) in enumerate(found.items()):
        y = TOP + row * n
        chart.text(left - 8, y + 14, name, "tick end")
        chart.bar(left, y + 3, x(share) - left, row - 8, "bar")
        chart.text(x(share) + 5, y + 14, f"{share:.0%}", "tick")
    count = len(archive.ranked)
    text = f"By PED-ANOVA over {count} trials, most depends on {next(iter(found))}."
    if count < RELIABLE:
        text += (
            f" Take it with caution: with fewer than {RELIABLE} trials the order is largely chance."
        )
    numbers = pd.DataFrame(
        {"hyperparameter": list(found), "importance": [round(v, 4) for v in found.values()]}
    )
    return Figure("importance", "Importance", chart.svg(text), text, numbers)


def without_importance(archive: Archive) -> str:
    """Why there is no figure of importance."""
    count = len(archive.ranked)
    if count < FEWEST:
        return f"Importance takes at least {FEWEST} trials; there are {count}."
    return "All trials have the same score: importance cannot be estimated."
