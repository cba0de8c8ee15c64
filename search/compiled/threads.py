"""Runs two halves of a computation in parallel: more threads than that do not help here."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

_second = ThreadPoolExecutor(1)
_allowed = 2


def _after_fork() -> None:
    """Gives a child another thread: that of its parent is not in it, and would be waited for."""
    global _second
    _second = ThreadPoolExecutor(1)


os.register_at_fork(after_in_child=_after_fork)


def allow(threads: int) -> None:
    """Sets how many threads this process may use from now on; no result depends on it."""
    global _allowed
    _allowed = threads


def side_by_side(function: Callable[[int], Any]) -> tuple[Any, Any]:
    """Returns (function(0), function(1)), computed in parallel if two threads are allowed."""
    if _allowed == 1:
        return function(0), function(1)
    second = _second.submit(function, 1)
    first = function(0)
    return first, second.result()
