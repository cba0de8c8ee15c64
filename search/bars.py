"""Bars on a terminal, of what takes long."""

from typing import TYPE_CHECKING

from search.commands import not_lost_with_the_log, say
from search.progress import Counted

if TYPE_CHECKING:
    from rich.progress import Progress


class Bars:
    """Draws how far a long step is as one bar with the remaining time, and prints other messages.

    The bar is in the last line, and vanishes with the next message or at `close`. No thread draws.

    Attributes:
        seconds: after which a bar is drawn anew; a step that takes less has none.
    """

    seconds = 0.5

    def __init__(self) -> None:
        self._bar: Progress | None = None
        self._what = ""

    def __call__(self, message: str) -> None:
        """Shows a message."""
        if not isinstance(message, Counted):
            self.close()
            say(message)
            return
        if self._bar is None or self._what != message.what:
            self.close()
            self._bar, self._what = _bar(), message.what
            self._bar.add_task(message.what, total=message.total)
            with not_lost_with_the_log():
                self._bar.start()
        self._bar.update(self._bar.task_ids[0], completed=message.done)
        with not_lost_with_the_log():
            self._bar.refresh()

    def close(self) -> None:
        """Takes the bar away."""
        if self._bar is not None:
            with not_lost_with_the_log():
                self._bar.stop()
            self._bar = None


def _bar() -> "Progress":
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
        console=Console(stderr=True, highlight=False),
        auto_refresh=False,
        transient=True,
    )
