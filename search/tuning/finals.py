"""Finals: the best few trials are cross-validated, so that luck does not choose.

The best of many trials is also the luckiest: of seed, of epoch and of rows. In the finals a
configuration is trained from nothing on all folds but one (`search.corpus.folds`), once for each
fold, for as many epochs as its trial's best one had, with seeds of its own, and the last epoch
counts, not the best one. So every training and validation row is answered for by a network that
has not seen it, and the networks of the best one are, together, the model.

With `--single` each configuration is trained once more, on all of these rows: that network is the
model then, and what is known of it are the answers of those of the folds.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from search.tuning.records import TrialRecord, ranked


@dataclass(frozen=True)
class FoldSummary:
    """What a configuration's finals gave.

    Attributes:
        mean, std: of the folds' scores; the standard deviation of one is 0.
        folds: how many there are.
    """

    mean: float
    std: float
    folds: int


NO_FOLD = -1  # of the final with the number 0, which is trained on all rows


def final_id(trial_id: str, number: int) -> str:
    """The id of a trial's final that holds its number-th fold out, counted from 1; 0 for none."""
    return f"{trial_id}-{number}"


def fold_of(name: str) -> int | None:
    """The fold that a final holds out, counted from 0, or `NO_FOLD`; None for a trial."""
    number = name.partition("-")[2]
    return int(number) - 1 if number else None


def wanted(
    records: Iterable[TrialRecord], finalists: int, folds: int, *, single: bool = False
) -> list[str]:
    """The ids of all finals that there should be, in the order in which they are trained.

    Every finalist has its first one before any has its second.

    Args:
        records: of all trials.
        finalists: how many trials come so far; of equal hyperparameters only the best one does.
        folds: how many there are.
        single: whether each is also trained on all rows, at last.
    """
    chosen: list[TrialRecord] = []
    for record in ranked(records):
        if len(chosen) < finalists and _own(record) not in map(_own, chosen):
            chosen.append(record)
    numbers = [*range(1, folds + 1), *([0] if single else [])]
    return [final_id(r.trial_id, number) for number in numbers for r in chosen]


def is_settled(final: TrialRecord | None, trial: TrialRecord) -> bool:
    """Whether there is a final, and of as many epochs as its trial is best after."""
    if final is None or final.status != "completed" or trial.best is None:
        return final is not None
    return len(final.history) == trial.best.epoch


def begun(name: str, trial: TrialRecord, seed: int, at: str) -> TrialRecord:
    """The record of a final that is to be trained.

    Args:
        name: its id.
        trial: whose final it is.
        seed: of its own.
        at: the time.
    """
    return TrialRecord(
        trial_id=name,
        status="running",
        values=trial.values,
        seed=seed,
        space=trial.space,
        batch_size=trial.batch_size,
        started_at=at,
    )


def _own(record: TrialRecord) -> dict[str, Any]:
    """Hyperparameters, without what an algorithm notes among them."""
    return {k: v for k, v in record.values.items() if not k.startswith("tuner/")}


def fold_summary(trial_id: str, finals: Mapping[str, TrialRecord]) -> FoldSummary | None:
    """What a trial's finals gave; None where it has none."""
    scores = [r.best.score for r in finals_of(trial_id, finals) if r.best is not None]
    if not scores:
        return None
    spread = float(np.std(scores, ddof=1)) if len(scores) > 1 else 0.0
    return FoldSummary(float(np.mean(scores)), spread, len(scores))


def finals_of(trial_id: str, finals: Mapping[str, TrialRecord]) -> list[TrialRecord]:
    """A trial's finals that came to their end, each of which holds a fold out."""
    return [
        record
        for name, record in sorted(finals.items())
        if name.startswith(f"{trial_id}-")
        and fold_of(name) != NO_FOLD
        and record.status == "completed"
    ]


def final_ranking(
    records: Iterable[TrialRecord], finals: Mapping[str, TrialRecord]
) -> list[TrialRecord]:
    """Trials that can be used: those with finals by their mean, then the others as ranked."""

    def key(record: TrialRecord) -> tuple[bool, float]:
        found = fold_summary(record.trial_id, finals)
        return found is None, 0.0 if found is None else -found.mean

    return sorted(ranked(records), key=key)  # sorting is stable
