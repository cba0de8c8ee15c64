"""Finals: cross-validation of the best few trials.

The best of many trials is also the luckiest: in its seed, its epoch and its validation rows. In the
finals a configuration is trained again for each fold (`search.corpus.folds`), on all other folds,
for as many epochs as its trial's best epoch, with a seed of its own. The last epoch counts, not the
best one. So every training and validation row is predicted by a network that was not trained on it
(out of fold), and the networks of the winner's folds are exported together.

With `--single` each configuration is also trained once on all of these rows. That network is
exported then; its scores are still the out-of-fold ones.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from search.tuning.records import TrialRecord, of_network, ranked


@dataclass(frozen=True)
class FoldSummary:
    """Cross-validation scores of one configuration.

    Attributes:
        mean, std: mean and standard deviation of the folds' scores; 0 for a single fold.
        folds: number of folds that have ended.
    """

    mean: float
    std: float
    folds: int


FINALISTS = 2  # at most, if it is not said how many
LONG = 20e12  # floating-point operations; a core needs some five minutes for them
NO_FOLD = -1  # the final number 0 holds no fold out: it is trained on all rows
EVERY_FOLD = -2  # a trial that has a network for each fold; see `search.tuning.parts`


def final_id(trial_id: str, number: int) -> str:
    """The id of a trial's final.

    Args:
        trial_id: the trial.
        number: the fold that it holds out, counted from 1; 0 if it is trained on all rows.
    """
    return f"{trial_id}-{number}"


def fold_of(name: str) -> int | None:
    """The fold that a final holds out, counted from 0, or `NO_FOLD`; None for the id of a trial."""
    number = name.partition("-")[2]
    return int(number) - 1 if number else None


def usual_finalists(requested: int | None) -> int:
    """How many trials are cross-validated at most."""
    return FINALISTS if requested is None else requested


def wanted(
    records: Iterable[TrialRecord],
    finalists: int | None,
    folds: int,
    *,
    single: bool = False,
    cost: Callable[[TrialRecord], float] = lambda record: 0.0,
) -> list[str]:
    """The ids of all finals, in training order: the first fold of every finalist comes first.

    Args:
        records: of all trials.
        finalists: number of trials that are cross-validated; of trials with equal hyperparameters
            only the best one is. None for two, or one where the finals of the second are `LONG`:
            what it could be better by is less than what the mean of the first one's networks gains.
        folds: number of folds.
        single: whether each finalist is also trained on all rows, last of all.
        cost: floating-point operations of an epoch of a trial.
    """
    chosen: list[TrialRecord] = []
    for record in ranked(records):
        if len(chosen) == usual_finalists(finalists):
            break
        if of_network(record.values) in [of_network(other.values) for other in chosen]:
            continue
        if chosen and finalists is None and _is_long(record, folds, cost):
            break
        chosen.append(record)
    numbers = [*range(1, folds + 1), *([0] if single else [])]
    return [final_id(r.trial_id, number) for number in numbers for r in chosen]


def _is_long(record: TrialRecord, folds: int, cost: Callable[[TrialRecord], float]) -> bool:
    """Whether the finals of a trial, each on all folds but one, take long."""
    epochs = 0 if record.best is None else record.best.epoch
    return (folds - 1) * epochs * cost(record) > LONG


def is_settled(final: TrialRecord | None, trial: TrialRecord) -> bool:
    """Whether a final exists and, if completed, has the epochs that its trial is best after."""
    if final is None or final.status != "completed" or trial.best is None:
        return final is not None
    return len(final.history) == trial.best.epoch


def begun(name: str, trial: TrialRecord, seed: int, at: str) -> TrialRecord:
    """Returns the record of a final that starts now.

    Args:
        name: its id.
        trial: the record of its trial.
        seed: its own random seed.
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
        run=trial.run,
    )


def fold_summary(trial_id: str, finals: Mapping[str, TrialRecord]) -> FoldSummary | None:
    """Returns the cross-validation scores of a trial; None if none of its finals has ended."""
    scores = [r.best.score for r in finals_of(trial_id, finals) if r.best is not None]
    if not scores:
        return None
    spread = float(np.std(scores, ddof=1)) if len(scores) > 1 else 0.0
    return FoldSummary(float(np.mean(scores)), spread, len(scores))


def finals_of(trial_id: str, finals: Mapping[str, TrialRecord]) -> list[TrialRecord]:
    """The completed finals of a trial that each hold a fold out."""
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
    """Usable trials, best first: those with finals by their mean score, then the others."""

    def key(record: TrialRecord) -> tuple[bool, float]:
        found = fold_summary(record.trial_id, finals)
        return found is None, 0.0 if found is None else -found.mean

    return sorted(ranked(records), key=key)  # sorting is stable
