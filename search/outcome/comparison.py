"""What can be said of one trial against the others, row by row on the validation rows."""

from dataclasses import asdict
from typing import Any

import numpy as np

from search.outcome.calibration import right
from search.outcome.statistics import selection_bias, tied_with_best
from search.tuning.records import TrialRecord
from search.tuning.tuner import SearchTuner


def compared(
    tuner: SearchTuner, best_first: list[TrialRecord]
) -> tuple[dict[str, bool], dict[str, Any] | None]:
    """Who cannot be told from the best trial, and how much its score owes to having been chosen.

    Trials and baselines whose predictions are lost are left out.

    Args:
        tuner: of the run.
        best_first: its trials, at least one.

    Returns:
        tied: by trial id or baseline's name; empty if the best trial's predictions are lost.
        bias: as `selection_bias`, as plain values, and of how many "trials"; None if those are
            lost.
    """
    labels = tuner.corpus.validation.labels
    trials = {r.trial_id: tuner.run.load_predictions(r.trial_id) for r in best_first}
    known = {name: right(p, labels) for name, p in trials.items() if p is not None}
    best = best_first[0].trial_id
    if best not in known:
        return {}, None
    bias = asdict(selection_bias(np.stack(list(known.values())), seed=0))
    bias["trials"] = len(known)
    baselines = tuner.run.load_baselines(tuner.corpus.fingerprint)
    known |= {name: right(p, labels) for name, p in baselines.items()}
    names = list(known)
    tied = tied_with_best(np.stack(list(known.values())), names.index(best))
    return dict(zip(names, map(bool, tied), strict=True)), bias
