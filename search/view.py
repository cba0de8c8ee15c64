"""The progress of a search: a live table on a terminal, lines in a pipe, or JSON.

Progress goes to stderr; JSON is a result, and goes to stdout. No thread draws: the tuner calls
several times a second, and the view decides whether it is time to redraw.
"""

import json
import os
import sys
import time
from typing import TYPE_CHECKING, Any, Protocol

from search.bars import Bars
from search.commands import not_lost_with_the_log, say
from search.progress import Say
from search.summary import values_line

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

    from search.conclusion import Outcome
    from search.tuning.records import TrialRecord
    from search.tuning.study import Study

REFRESH_SECONDS = 0.25
LEADING = 5  # trials that are shown
ROOM = 9  # lines of the table that are not a worker's or a trial's, and of what is above it
NARROW = 60  # columns, below which hyperparameters are left out


class View(Protocol):
    """Shows the progress of a search."""

    @property
    def progress(self) -> Say:
        """Shows a message."""

    def trial(self, study: "Study", record: "TrialRecord", line: str) -> None:
        """Shows that a trial or final has ended; `line` says how."""

    def watch(self, study: "Study") -> None:
        """Called several times a second while the search runs."""

    def close(self) -> None:
        """Called when the search is over."""


def chosen_view(*, quiet: bool, as_json: bool) -> View:
    """Chooses the view by the options and by what stderr is."""
    if as_json:
        return Events()
    if quiet:
        return Lines(silent=True)
    if sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        return LiveTable()
    return Lines()


class Lines:
    """Prints one plain line per message.

    Args:
        silent: whether to print nothing.
    """

    def __init__(self, *, silent: bool = False) -> None:
        self._silent = silent

    def progress(self, message: str) -> None:
        """See `View`."""
        if not self._silent:
            say(message)

    def trial(self, study: "Study", record: "TrialRecord", line: str) -> None:
        """See `View`."""
        self.progress(line)

    def watch(self, study: "Study") -> None:
        """See `View`."""

    def close(self) -> None:
        """See `View`."""


class Events:
    """Prints one JSON object per line to stdout; its "event": progress, trial, final or result."""

    def progress(self, message: str) -> None:
        """See `View`."""
        _event("progress", {"message": message})

    def trial(self, study: "Study", record: "TrialRecord", line: str) -> None:
        """See `View`; the content of trial.json, without the space."""
        plain = {name: value for name, value in record.to_json().items() if name != "space"}
        _event("final" if record.is_final else "trial", plain)

    def watch(self, study: "Study") -> None:
        """See `View`."""

    def close(self) -> None:
        """See `View`."""


def result_event(outcome: "Outcome") -> None:
    """Prints the last JSON line: the content of best_model.json, and the paths."""
    paths = {"leaderboard": str(outcome.table), "model": str(outcome.model)}
    _event("result", {"best": outcome.best, **paths, "tested": outcome.tested})


def _event(name: str, content: dict[str, Any]) -> None:
    # ASCII only: no terminal acts on it, no encoding of stdout matters.
    print(json.dumps({"event": name, **content}), flush=True)  # noqa: T201


class LiveTable:
    """Redraws one table in place, no larger than the window; messages scroll above it.

    Before and after it, bars show how far long steps are.
    """

    def __init__(self) -> None:
        self.progress = Bars()  # whose lines Live, once it is there, shows above the table
        self._live: Live | None = None
        self._begun = self._next = 0.0
        self._study: Study | None = None

    def trial(self, study: "Study", record: "TrialRecord", line: str) -> None:
        """See `View`."""
        if record.status == "failed":
            say(line)
        self.watch(study)

    def watch(self, study: "Study") -> None:
        """See `View`."""
        if time.monotonic() >= self._next:
            self._draw(study)

    def close(self) -> None:
        """See `View`."""
        self.progress.close()
        if self._live is not None and self._study is not None:
            self._draw(self._study)  # as it stands at the end
            with not_lost_with_the_log():
                self._live.stop()
            say("")
            self._live = None

    def _draw(self, study: "Study") -> None:
        if self._live is None:
            from rich.console import Console
            from rich.live import Live

            self._begun = time.monotonic()
            # Without a thread of its own: it would draw what this one is just changing.
            self._live = Live(console=Console(stderr=True, highlight=False), auto_refresh=False)
            with not_lost_with_the_log():
                self._live.start()
        self._study, began = study, time.monotonic()
        drawn = picture(study, self._live.console, began - self._begun)
        with not_lost_with_the_log():
            self._live.update(drawn, refresh=True)
        # With thousands of trials drawing is slow: it gets a twentieth of the time at most.
        took = time.monotonic() - began
        self._next = began + max(REFRESH_SECONDS, 20 * took)


def picture(study: "Study", console: "Console", seconds: float) -> "RenderableType":
    """Returns the live table of a search.

    Args:
        study: the run.
        console: the terminal, whose size it fits.
        seconds: since the search began.
    """
    from rich.console import Group
    from rich.text import Text

    from search.evaluation.statistics import wilson_interval
    from search.tuning.finals import fold_summary
    from search.tuning.objective import display_name, to_score

    objective, finals = study.settings.objective, study.finals_in_force()
    measure = display_name(objective, study.settings.positive)

    def shown_score(score: float) -> str:
        return f"{to_score(objective, score):.4f}"

    leading = study.best_first()[:LEADING]
    room = console.height - ROOM - len(leading)
    fit = len(study.under_way) <= room
    shown = study.under_way[: room if fit else max(0, room - 1)]
    last = -1 if console.width < NARROW else None
    workers = _table("worker", "trains", "epoch", measure, "best", "with", last=last)
    for number, record in enumerate(shown, start=1):
        if record is None:
            workers.add_row(str(number), "nothing")
            continue
        history, best = record.history, record.best
        cells = (
            str(number),
            record.trial_id,
            f"{(history[-1].epoch if history else 0) + 1}",
            shown_score(history[-1].score) if history else "",
            shown_score(best.score) if best else "",
            values_line(record.values),
        )
        workers.add_row(*cells[:last])
    if len(shown) < len(study.under_way):
        workers.add_row("…", f"{len(study.under_way) - len(shown)} more")
    table = _table("rank", "trial", measure, "mean", "epochs", "with", last=last)
    for rank, record in enumerate(leading, start=1):
        assert record.best is not None
        found = fold_summary(record.trial_id, finals)
        cells = (
            str(rank),
            record.trial_id,
            shown_score(record.best.score),
            "" if found is None else shown_score(found.mean),
            str(len(record.history)),
            values_line(record.values),
        )
        table.add_row(*cells[:last])
    lines = [_counted(study, len(finals), seconds)]
    if leading and leading[0].best is not None:
        so_far = f"best so far: trial {leading[0].trial_id}, {shown_score(leading[0].best.score)}"
        if objective == "val_accuracy":  # of the others it takes too long
            rows = study.judged_rows
            low, high = wilson_interval(leading[0].best.score * rows, rows)
            so_far += f" (95% interval {low:.4f} to {high:.4f})"
        lines.append(so_far)
    texts = [Text(line, no_wrap=True, overflow="ellipsis", style="bold") for line in lines]
    busy = [workers, Text()] if any(study.under_way) and shown else []
    return Group(*busy, table, Text(), *texts)


def _table(*columns: str, last: int | None) -> Any:
    """An empty table with columns of these names, up to the last one that there is room for."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, expand=True, pad_edge=False)
    for name in columns[:last]:
        numbers = name not in ("worker", "trains", "rank", "trial", "with")
        table.add_column(
            name,
            justify="right" if numbers else "left",
            no_wrap=True,
            overflow="ellipsis",
            ratio=1 if name == "with" else None,
        )
    return table


def _counted(study: "Study", finals: int, seconds: float) -> str:
    """One line: trials by status, finals, speed and remaining time."""
    status = [record.status for record in study.records.values()]
    ended = len(status) - status.count("running")
    about = left(study, seconds).replace(";", ",")  # first, so that no width cuts it off
    parts = [
        f"{ended} of {study.settings.trials} trials{about}: {status.count('completed')} completed, "
        f"{status.count('pruned')} pruned, {status.count('failed')} failed"
    ]
    if finals:
        parts.append(f"{finals} of {len(study.finals_wanted())} finals")
    if seconds > 0 and study.epochs_trained:
        parts.append(f"{study.epochs_trained / seconds:.2g} epochs/s")
    return "; ".join(parts)


def left(study: "Study", seconds: float) -> str:
    """Estimates the remaining time of a search, as text; empty if it is unknown.

    It assumes that every remaining trial takes as many epochs as the ended ones on average, each
    final as many as the best trial's best epoch, and all at the speed so far.

    Args:
        study: the run.
        seconds: since the search began.
    """
    from search.tuning.records import best_of

    settings = study.settings
    ended = [r for r in study.records.values() if r.status != "running"]
    if not (ended and study.epochs_trained):
        return ""
    epochs = sum(len(r.history) * study.networks_of(r) for r in ended) / len(ended)
    rest = epochs * max(0, settings.trials - len(ended))
    best = best_of(ended)
    if best is not None and best.best is not None:
        done, wanted = study.finals_progress()
        rest += best.best.epoch * (wanted - done)
    rest *= seconds / study.epochs_trained
    if settings.timeout is not None:
        rest = min(rest, settings.timeout - seconds)
    if rest < 1:
        return ""
    about = f"{rest:.0f} s" if rest < 100 else f"{rest / 60:.0f} min"
    return f"; about {about} left"
