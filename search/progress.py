"""How far something is that takes long."""

import time
from collections.abc import Callable
from typing import Self

Say = Callable[[str], None]

MANY_TEXTS = 100_000  # from which on every step is told of
SECONDS = 4.0  # of silence, after which a line is welcome


def silent(message: str) -> None:
    """Ignores a message."""


def tell_step(tell: Say, what: str, texts: int) -> None:
    """Tells what is done next, if so many texts make it long."""
    if texts >= MANY_TEXTS:
        tell(f"{what} {texts:,} texts")


class Counted(str):
    """A line on how much is done, which a terminal may draw as a bar.

    Attributes:
        what: is done.
        done, total: how many things of how many.
    """

    what: str
    done: int
    total: int

    def __new__(cls, line: str, what: str, done: int, total: int) -> Self:
        made = super().__new__(cls, line)
        made.what, made.done, made.total = what, done, total
        return made


class Progress:
    """Tells every few seconds how much is done, and how long the rest may take.

    What is done in a few seconds is not told of.

    Args:
        tell: called with each line, a `Counted`; every `tell.seconds`, if it has such an attribute.
        what: what is done, such as "looking for near-duplicates".
        total: how many `things` there are.
        things: what is counted, such as "texts".
    """

    def __init__(self, tell: Say, what: str, total: int, things: str) -> None:
        self._tell, self._what, self._total, self._things = tell, what, total, things
        self._begun = self._told = time.monotonic()
        self._seconds = getattr(tell, "seconds", SECONDS)

    def __call__(self, done: int) -> None:
        """Tells that so many are done, unless something was told a moment ago."""
        now = time.monotonic()
        if now - self._told < self._seconds:
            return
        self._told = now
        left = (now - self._begun) * (self._total - done) / max(done, 1)
        about = f"; about {left:.0f} s left" if done and left >= 1 else ""
        line = f"{self._what}: {done:,} of {self._total:,} {self._things}{about}"
        self._tell(Counted(line, self._what, done, self._total))
