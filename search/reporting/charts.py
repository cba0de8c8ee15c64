"""Charts as SVG: scales, axes, and the marks that the figures of a search need.

Charting libraries for the browser are 1 to 5 MB of JavaScript, need WebGL for parallel coordinates,
and show nothing to a screen reader or a printer. An SVG that takes its colours from the page's
style sheet follows its light or dark theme, prints, and scales.

Marks have an attribute `data-t`, the trial's id, by which the page's script links them.
"""

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd
from markupsafe import Markup, escape

from search.display import visible
from search.reporting.templates import alone

WIDTH, HEIGHT = 420, 270
LEFT, RIGHT, TOP, BOTTOM = 62, 14, 12, 42
STEPS = 5  # of the colour scale from worst to best
Points = Sequence[tuple[float, float]]


def short(value: float) -> str:
    """Formats a number in a few characters: 0.002, 64, 1.9M."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return f"{value / (1e3 if unit == 'k' else size):.3g}{unit}"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


@dataclass(frozen=True)
class Scale:
    """Maps numbers to pixels, linearly or logarithmically.

    Attributes:
        low, high: the numbers at the ends.
        start, end: their pixels.
        log: whether the scale is logarithmic.
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        low, high, at = self.low, self.high, value
        if self.log:
            low, high, at = math.log(low), math.log(high), math.log(value)
        return self.start + (self.end - self.start) * (at - low) / (high - low)

    def ticks(self) -> list[tuple[float, str]]:
        """Round numbers for the axis, and their labels."""
        if self.log and self.high / self.low >= 5:
            decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            steps = (1,) if len(decades) > 4 else (1, 3) if len(decades) > 2 else (1, 2, 5)
            found = [s * 10.0**d for d in decades for s in steps]
        else:
            rough = (self.high - self.low) / 5
            size = 10.0 ** math.floor(math.log10(rough))
            step = next(s * size for s in (1, 2, 2.5, 5, 10) if s * size >= rough * 0.999)
            first = math.ceil(self.low / step - 1e-9)
            found = [n * step for n in range(first, math.floor(self.high / step + 1e-9) + 1)]
        inside = [v for v in found if self.low * 0.9999 <= v <= self.high * 1.0001 or v == 0]
        return [(value, short(value)) for value in inside]


@dataclass(frozen=True)
class Places:
    """Maps names to evenly spaced pixels."""

    names: tuple[object, ...]
    start: float
    end: float

    def __call__(self, value: object) -> float:
        return self.start + (self.end - self.start) * (self.names.index(value) + 0.5) / len(
            self.names
        )

    def ticks(self) -> list[tuple[object, str]]:
        return [(name, str(name)) for name in self.names]


def scale(values: Iterable[float], start: float, end: float, *, log: bool = False) -> Scale:
    """Returns a scale over all values, with a margin at both ends.

    Args:
        values: finite; positive if `log`.
        start, end: pixels.
        log: whether the scale is logarithmic.
    """
    values = list(values)
    low, high = min(values, default=0.0), max(values, default=1.0)
    if log:
        room = (high / low) ** 0.04 if high > low else 2.0
        return Scale(low / room, high * room, start, end, log=True)
    room = 0.04 * (high - low) or 0.05 * abs(high) or 0.5
    return Scale(low - room, high + room, start, end)


def across(values: Iterable[float], *, log: bool = False) -> Scale:
    """A scale from the left to the right of a chart."""
    return scale(values, LEFT, WIDTH - RIGHT, log=log)


def up(values: Iterable[float], *, log: bool = False) -> Scale:
    """A scale from the bottom to the top of a chart."""
    return scale(values, HEIGHT - BOTTOM, TOP, log=log)


class Chart:
    """A chart with two axes, to which marks are added.

    Args:
        x, y: the scales; None for no axis.
        x_label, y_label: titles of the axes, with units.
        width, height: of the chart, in pixels.
    """

    def __init__(
        self,
        x: Scale | Places | None,
        y: Scale | Places | None,
        x_label: str = "",
        y_label: str = "",
        width: float = WIDTH,
        height: float = HEIGHT,
    ) -> None:
        self.width, self.height = width, height
        self._marks: list[str] = []
        bottom = height - BOTTOM
        if isinstance(y, Scale):
            for value, name in y.ticks():
                self.line([(LEFT, y(value)), (width - RIGHT, y(value))], "grid")
                self.text(LEFT - 6, y(value) + 4, name, "tick end")
        if x is not None:
            for at, name in x.ticks():
                self.line([(x(at), bottom), (x(at), bottom + 4)], "axis")  # type: ignore[arg-type]
                self.text(x(at), bottom + 17, name, "tick middle")  # type: ignore[arg-type]
            self.line([(LEFT, bottom), (width - RIGHT, bottom)], "axis")
            self.text((LEFT + width - RIGHT) / 2, height - 6, x_label, "label middle", 60)
        if y_label:
            self._marks.append(
                f'<text class="label middle" transform="translate(12 {(TOP + bottom) / 2:.0f}) '
                f'rotate(-90)">{escape(visible(y_label))}</text>'
            )

    def dot(self, x: float, y: float, css: str, trial: str = "", radius: float = 3.5) -> None:
        """One mark for a trial."""
        self._marks.append(
            f'<circle class="{css}" cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}"{_of(trial)}/>'
        )

    def line(self, points: Points, css: str, trial: str = "") -> None:
        """A line through two or more points."""
        if len(points) < 2:
            return
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self._marks.append(f'<polyline class="{css}" points="{path}"{_of(trial)}/>')

    def stairs(self, points: Points, css: str) -> None:
        """A step line: it keeps its height until the next point."""
        corners = [points[0]]
        for (_, before), (x, y) in itertools.pairwise(points):
            corners += [(x, before), (x, y)]
        self.line(corners, css)

    def bar(self, x: float, y: float, width: float, height: float, css: str) -> None:
        """A rectangle."""
        self._marks.append(
            f'<rect class="{css}" x="{x:.1f}" y="{y:.1f}" width="{max(width, 0.5):.1f}" '
            f'height="{max(height, 0.5):.1f}"/>'
        )

    def text(self, x: float, y: float, text: str, css: str, most: int = 28) -> None:
        """Text, truncated to a number of characters."""
        shown = visible(text)
        shown = shown if len(shown) <= most else shown[: most - 1] + "…"
        self._marks.append(f'<text class="{css}" x="{x:.1f}" y="{y:.1f}">{escape(shown)}</text>')

    def svg(self, description: str) -> Markup:
        """Returns the SVG; `description` is its text for screen readers."""
        # A wide one is not made smaller, but scrolled.
        least = f' style="min-width:{self.width:g}px"' if self.width > WIDTH else ""
        return Markup(
            f'<svg class="chart" viewBox="0 0 {self.width:g} {self.height:g}" role="img" '
            f'aria-label="{escape(visible(description))}"{least}>' + "".join(self._marks) + "</svg>"
        )


def _of(trial: str) -> str:
    return f' data-t="{escape(visible(trial))}"' if trial else ""


def legend(trials: Iterable[str]) -> Markup:
    """A legend of trials, which have the colours c0, c1, … in order."""
    items = (
        Markup('<li class="c{}" data-t="{}">{}</li>').format(number, trial, trial)
        for number, trial in enumerate(map(visible, trials))
    )
    return Markup('<ul class="legend" aria-hidden="true">{}</ul>').format(Markup("").join(items))


@dataclass(frozen=True)
class Figure:
    """A figure of the report: a chart with its description; displayed in a notebook.

    Attributes:
        name: unique name in a report.
        title: its heading.
        drawing: SVG, or an HTML table.
        text: a description of what it shows.
        numbers: its data as a table; None if that is the leaderboard.
        wide: whether it takes the whole width of the page.
    """

    name: str
    title: str
    drawing: Markup
    text: str
    numbers: pd.DataFrame | None = None
    wide: bool = False

    def _repr_html_(self) -> str:
        return alone(self)
