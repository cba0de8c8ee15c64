"""Two halves of a computation side by side: the most that this small network can keep busy."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

_second = ThreadPoolExecutor(1)
_allowed = 2


def allow(threads: int) -> None:
    """Says how many threads this process may use from now on; no result depends on it."""
    global _allowed
    _allowed = threads


def side_by_side(function: Callable[[int], Any]) -> tuple[Any, Any]:
    """function(0) and function(1), at the same time if two threads are allowed."""
    if _allowed == 1:
        return function(0), function(1)
    second = _second.submit(function, 1)
    first = function(0)
    return first, second.result()
