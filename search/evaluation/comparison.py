"""Compares trials with each other, on their predictions of the judged rows: see `Study`."""

from dataclasses import asdict
from typing import Any

import numpy as np

from search.evaluation.measures import values_of
from search.evaluation.resampling import selection_bias
from search.evaluation.statistics import Values, tied_with_best
from search.tuning.finals import fold_summary
from search.tuning.objective import Numbers
from search.tuning.records import TrialRecord
from search.tuning.study import Study


def smallest_of_equals(study: Study, best_first: list[TrialRecord]) -> TrialRecord:
    """Returns the smallest network within one standard error of the best score.

    That is the one-standard-error rule (Breiman et al. 1984). The standard error is that of the
    best trial's score on the judged rows. If there are finals, only trials with finals are
    considered, by their means; otherwise those whose weights are kept.

    Args:
        study: the run.
        best_first: its trials, at least one.
    """
    best, finals = best_first[0], study.finals_in_force()
    predicted = study.run.trial(best.trial_id).load_predictions(study.judged_rows)
    if predicted is None:
        return best
    objective, labels = study.settings.objective, study.judged.labels
    values = values_of(objective, predicted, labels, study.positive).astype(np.float64)
    error = float(values.std() / np.sqrt(len(values)))
    means = {r.trial_id: fold_summary(r.trial_id, finals) for r in best_first}
    if means[best.trial_id] is not None:
        scores = {r.trial_id: m.mean for r in best_first if (m := means[r.trial_id]) is not None}
    else:
        kept = best_first[: study.settings.keep]
        scores = {r.trial_id: r.best.score for r in kept if r.best is not None}
    least = scores[best.trial_id] - error
    equals = [r for r in best_first if scores.get(r.trial_id, -np.inf) >= least]
    return min(equals, key=lambda record: (record.parameters, -scores[record.trial_id]))


def compared(
    study: Study, best_first: list[TrialRecord]
) -> tuple[dict[str, bool], dict[str, Any] | None]:
    """Finds ties with the best trial, and estimates the selection bias of its score.

    Trials and baselines whose predictions are lost are left out.

    Args:
        study: the run.
        best_first: its trials, at least one.

    Returns:
        tied: by trial id or baseline's name; empty if the best trial's predictions are lost.
        bias: the fields of `Bias`, and the number of "trials"; None if those are lost.
    """
    objective, labels = study.settings.objective, study.judged.labels
    rows = len(labels)
    trials = {r.trial_id: study.run.trial(r.trial_id).load_predictions(rows) for r in best_first}

    def values(predicted: Numbers) -> Values:
        return values_of(objective, predicted, labels, study.positive)

    known = {n: values(p) for n, p in trials.items() if p is not None}
    best = best_first[0].trial_id
    if best not in known:
        return {}, None
    bias = asdict(selection_bias(np.stack(list(known.values())), seed=0))
    bias["trials"] = len(known)
    baselines = study.run.cache(study.corpus.fingerprint).load_baselines()
    known |= {n: values(p) for n, p in baselines.items() if len(p) == rows}
    names = list(known)
    tied = tied_with_best(np.stack(list(known.values())), names.index(best))
    return dict(zip(names, map(bool, tied), strict=True)), bias
