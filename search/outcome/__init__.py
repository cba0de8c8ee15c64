"""What is left behind: the leaderboard, the exported model, and what is known of it.

Names are imported on first use: a report is made of files alone, without TensorFlow.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from search.outcome.leaderboard import read_leaderboard
    from search.outcome.report import Report, read_report
    from search.outcome.winner import Outcome, conclude

_HOMES = {
    "Outcome": "winner",
    "Report": "report",
    "conclude": "winner",
    "read_leaderboard": "leaderboard",
    "read_report": "report",
}

__all__ = [
    "Outcome",
    "Report",
    "conclude",
    "read_leaderboard",
    "read_report",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"search.outcome.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'search.outcome' has no attribute {name!r}")
