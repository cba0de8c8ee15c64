"""When a trial stops: early stopping by its own curve, and pruning by comparison with others.

`finished` is early stopping as in Keras' `EarlyStopping`: a trial is over when it has all its
epochs, or when as many in a row as the patience were no better than the best one before them. It is
"completed" then, and is never resumed.

`RungTable` is asynchronous successive halving (Li et al. 2020): after 1, 2, 4, … epochs (rungs) a
trial goes on only if it is in the better half of those that came as far. Nobody waits for the
others: it is compared with what is there. One that was stopped is "pruned", and goes on later, from
its saved state, if the trials after it turn out weaker.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from search.tuning.records import Epoch, TrialRecord, best_epoch

History = tuple[Epoch, ...]


def finished(history: tuple[Epoch, ...], last_epoch: int, patience: int) -> bool:
    """Whether training is over: all epochs done, or the last `patience` ones no better.

    A patience of 0 is one of 1, as it is with Keras: an epoch that is no better must be there.
    """
    if not history:
        return last_epoch == 0
    best = best_epoch(history)
    assert best is not None
    done = history[-1].epoch
    return done >= last_epoch or done - best.epoch >= max(1, patience)


@dataclass(frozen=True)
class Halving:
    """The parameters of successive halving.

    Attributes:
        min_epochs: epochs of the first rung.
        reduction: the best 1/reduction of the trials continue at a rung, and each rung has this
            many times the epochs of the one before; 1 prunes nothing.
        max_epochs: of a trial; there is no rung at or beyond it.
    """

    min_epochs: int
    reduction: int
    max_epochs: int

    @cached_property
    def rungs(self) -> tuple[int, ...]:
        """The numbers of epochs after which trials may be pruned."""
        if self.reduction == 1:
            return ()
        found, rung = [], self.min_epochs
        while rung < self.max_epochs:
            found.append(rung)
            rung *= self.reduction
        return tuple(found)


class RungTable:
    """The ended trials, sorted by score at every rung.

    The order is maintained, not computed for every decision: with thousands of trials, sorting
    after every epoch would take longer than the epoch.

    Args:
        rule: the parameters of successive halving.
        records: of trials; see `put`.
    """

    def __init__(self, rule: Halving, records: Iterable[TrialRecord] = ()) -> None:
        self._rule = rule
        self._ended: dict[str, TrialRecord] = {}
        # Of all that came as far as a rung, the scores; of those stopped there, who they are.
        self._scores: dict[int, list[Any]] = {rung: [] for rung in rule.rungs}
        self._stopped: dict[int, list[Any]] = {rung: [] for rung in rule.rungs}
        self._between: list[Any] = []
        for record in records:
            self.put(record)

    def put(self, record: TrialRecord) -> None:
        """Adds or updates a trial; running and failed ones are left out."""
        before = self._ended.pop(record.trial_id, None)
        if before is not None:
            for ordered, entry in self._entries(before):
                del ordered[bisect_left(ordered, entry)]
        if record.status in ("completed", "pruned") and record.history:
            self._ended[record.trial_id] = record
            for ordered, entry in self._entries(record):
                insort(ordered, entry)

    def _entries(self, record: TrialRecord) -> Iterator[tuple[list[Any], tuple[Any, ...]]]:
        """The sorted lists that a trial belongs to, and its entry in each."""
        epochs = len(record.history)
        for rung, scores in self._scores.items():
            # One that ended by itself is as good later as it was.
            if record.status == "completed" or epochs >= rung:
                yield scores, _score(record.history, rung)
        if record.status == "pruned":
            entry = _score(record.history, epochs), record.number, record.trial_id
            if epochs in self._stopped:
                yield self._stopped[epochs], entry
            else:
                yield self._between, (-epochs, *entry)  # the one with the least left to do first

    def stops(self, history: History, running: Iterable[History] = ()) -> bool:
        """Whether a running trial is pruned now; the best one so far never is.

        Args:
            history: its epochs.
            running: the epochs of all other running trials.
        """
        epochs = len(history)
        if epochs not in self._scores:
            return False
        mine, scores = _score(history, epochs), self._scores[epochs]
        others = [_score(other, epochs) for other in running if len(other) >= epochs]
        # Of equals the one that came first goes on.
        rank = 1 + bisect_right(scores, mine) + sum(score <= mine for score in others)
        # With few trials at a rung a half of them would be none.
        return rank > max(1, (1 + len(scores) + len(others)) // self._rule.reduction)

    def promoted(self) -> TrialRecord | None:
        """Returns the pruned trial to resume next; None if there is none.

        Trials that were stopped between rungs, by a lack of time, come first; then the best trial
        of the highest rung.
        """
        if self._between:
            return self._ended[self._between[0][-1]]
        for rung in reversed(self._rule.rungs):
            scores, stopped = self._scores[rung], self._stopped[rung]
            # If the best of those stopped here is not good enough, none is.
            if (
                stopped
                and bisect_right(scores, stopped[0][0]) <= len(scores) // self._rule.reduction
            ):
                return self._ended[stopped[0][-1]]
        return None

    def may_go_on(self, record: TrialRecord, trials: int) -> bool:
        """Whether a pruned trial can still be promoted before there are `trials` of them."""
        epochs = len(record.history)
        if epochs not in self._scores:
            return True
        # At best all trials to come are weaker, and then so many of them go on.
        rank = bisect_right(self._scores[epochs], _score(record.history, epochs))
        return rank <= trials // self._rule.reduction


def _score(history: History, epochs: int) -> tuple[float, float]:
    """Sort key from the first epochs alone; smaller is better."""
    best = best_epoch(history[:epochs])  # as it was then: what came later would be unfair
    assert best is not None
    return -best.score, best.val_loss
