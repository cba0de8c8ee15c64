"""Which trials are worth more epochs: asynchronous successive halving (Li et al. 2020).

After 1, 2, 4, … epochs (rungs) a trial goes on only if it is in the better half of those that
came as far. Nobody waits for the others: it is compared with what is there, and one that was
stopped goes on later, from its saved state, if the trials after it turn out weaker.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from search.tuning.records import Epoch, TrialRecord, best_epoch

History = tuple[Epoch, ...]


@dataclass(frozen=True)
class Halving:
    """The rule.

    Attributes:
        min_epochs: the first rung.
        reduction: the best 1/reduction go on, and each rung is that many times as high as the one
            before; with 1, all go on.
        max_epochs: of a trial; there is no rung from here on.
    """

    min_epochs: int
    reduction: int
    max_epochs: int

    @property
    def rungs(self) -> tuple[int, ...]:
        """Epochs after which it is decided."""
        if self.reduction == 1:
            return ()
        found, rung = [], self.min_epochs
        while rung < self.max_epochs:
            found.append(rung)
            rung *= self.reduction
        return tuple(found)

    def stops(self, history: History, others: Iterable[TrialRecord]) -> bool:
        """Whether a running trial is stopped now; the best one so far never is.

        Args:
            history: its epochs.
            others: all other trials; of running ones, what `history` they have is counted.
        """
        epochs = len(history)
        if epochs not in self.rungs:
            return False
        rank, count = self._place(history, others)
        return rank > max(1, count // self.reduction)

    def promoted(self, records: Iterable[TrialRecord]) -> TrialRecord | None:
        """The stopped trial that should go on next, if there is one.

        Trials that were stopped between rungs, by a lack of time, come first; then those of the
        highest rung, and of these the best.
        """
        records = list(records)
        found = []
        for record in records:
            if record.status != "pruned":
                continue
            epochs = len(record.history)
            between = epochs not in self.rungs
            others = [r for r in records if r is not record]
            rank, count = self._place(record.history, others)
            if between or rank <= count // self.reduction:
                found.append((not between, -epochs, rank, record.number, record))
        return min(found)[-1] if found else None

    def may_go_on(self, record: TrialRecord, records: Iterable[TrialRecord], trials: int) -> bool:
        """Whether a stopped trial can still be promoted before there are `trials` of them."""
        if len(record.history) not in self.rungs:
            return True
        others = [r for r in records if r.trial_id != record.trial_id]
        return self._place(record.history, others)[0] <= trials // self.reduction

    def _place(self, history: History, others: Iterable[TrialRecord]) -> tuple[int, int]:
        """The rank of a trial among all that came as far as it, and how many they are."""
        epochs = len(history)
        mine = _score(history, epochs)
        # One that ended by itself is as good later as it was.
        scores = [
            _score(other.history, epochs)
            for other in others
            if other.status == "completed" or len(other.history) >= epochs
            if other.status != "failed" and other.history
        ]
        return 1 + sum(score <= mine for score in scores), 1 + len(scores)


def _score(history: History, epochs: int) -> tuple[float, float]:
    """Lower is better: as trials are ranked, from the first epochs alone."""
    best = best_epoch(history[:epochs])
    assert best is not None
    return -best.score, best.val_loss
