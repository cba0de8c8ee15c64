"""The live table of a search in a notebook cell."""

import sys
import time
from typing import Any

from markupsafe import Markup

from search.display import counted, visible
from search.evaluation.leaderboard import leaderboard
from search.tuning.study import Study

REFRESH_SECONDS = 1.0
LEADING = 5  # trials that are shown
HIDDEN = ("kind", "selected", "seed", "started_at", "error", "status", "rank")  # columns


def is_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    if "ipykernel" not in sys.modules:
        return False
    from IPython import get_ipython

    return getattr(get_ipython(), "kernel", None) is not None


class Live:
    """A picture of a search, in the cell that runs."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._next = 0.0

    def __call__(self, study: Study, *, last: bool = False) -> None:
        """Draws it, if it is time or the last one.

        Args:
            study: the run.
            last: whether the search is over; then the whole table stays.
        """
        from IPython.display import HTML, display

        if time.monotonic() < self._next and not last:
            return
        page = HTML(drawn(study, None if last else LEADING))
        if self._handle is None:
            self._handle = display(page, display_id=True)
        else:
            self._handle.update(page)
        self._next = time.monotonic() + REFRESH_SECONDS


def drawn(study: Study, most: int | None) -> str:
    """Returns the best trials of a study as HTML.

    Args:
        study: the run.
        most: maximum number of trials; None for all.
    """
    settings, rows = study.settings, study.judged_rows
    finals = study.finals_in_force()
    table = leaderboard(study.records.values(), rows, finals, objective=settings.objective)
    shown = table.drop(columns=list(HIDDEN), errors="ignore").dropna(axis="columns", how="all")
    status = [record.status for record in study.records.values()]
    ended = len(status) - status.count("running")
    line = f"{ended} of {counted(settings.trials, 'trial')}"
    line += f", {status.count('failed')} failed" if "failed" in status else ""
    if finals:
        line += "; {} of {} finals".format(*study.finals_progress())
    if under_way := [record.trial_id for record in study.under_way if record is not None]:
        line += f"; {', '.join(under_way)} under way"
    body = shown[:most].map(lambda cell: visible(cell) if isinstance(cell, str) else cell)
    html = body.to_html(index=False, na_rep="", float_format="{:.4g}".format, border=0)
    return str(Markup("<p>{}</p>").format(line)) + html
