"""Slots, in which trials are trained: each has one worker process of its own.

Those of this machine are in `search.tuning.executors`, and those of a cluster in
`search.tuning.cluster`.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:  # slow to import, and slots are made first
    from search.tuning.training import TrainTask

TRIALS_A_WORKER = 200  # then its process is replaced: Keras leaks a little with every network


class MachineLost(BrokenProcessPool):
    """A worker was lost with its machine or its connection: the trial is not to blame."""


class Slot(Protocol):
    """A worker process that trains one trial at a time.

    Attributes:
        holds: the network in the process's memory, as `TrainTask.at` gives it; None for none.
    """

    holds: "TrainTask | None"

    @property
    def ready(self) -> bool:
        """Whether the process has started and can train."""

    def threads(self, trials: int) -> int:
        """The number of threads per trial if `trials` are trained at a time."""

    def submit(self, function: Callable[..., Any], *arguments: Any) -> "Future[Any]":
        """Runs a function in the process; it raises BrokenProcessPool if that dies."""

    def kill(self) -> None:
        """Ends the process at once; whatever it was running raises BrokenProcessPool."""

    def replace(self) -> None:
        """Ends the process and makes room for a new one."""

    def trial_ended(self) -> None:
        """Replaces the process after many trials."""


class Slots(Protocol):
    """All slots of a run; on a cluster their number may change with every `refresh`."""

    def __iter__(self) -> Iterator[Slot]: ...

    def __len__(self) -> int: ...

    def prepare(self, given: Callable[[], dict[str, Any]], hypermodel: Any) -> None:
        """Prepares all worker processes for training.

        Args:
            given: returns the contents of the files that training reads, by path, for machines
                that do not share a file system: see `training.give`.
            hypermodel: the HyperModel whose networks are trained by Keras; None if the compiled
                code trains.
        """

    def refresh(self) -> None:
        """Updates which slots there are."""
