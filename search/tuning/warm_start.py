"""Warm starts: the best configurations of an earlier run, for another one to try first."""

from pathlib import Path
from typing import Any

from search.errors import SettingsError
from search.tuning.finals import final_ranking
from search.tuning.trialdir import readable_records

WARM_STARTS = 3  # trials of the earlier run that are tried first


def best_configurations(results: Path) -> list[dict[str, Any]]:
    """The hyperparameters of another run's best trials, best first.

    Raises:
        SettingsError: there are none.
    """
    found = readable_records(results)
    finals = {record.trial_id: record for record in found if record.is_final}
    trials = [record for record in found if not record.is_final]
    best = final_ranking(trials, finals)[:WARM_STARTS]
    if not best:
        raise SettingsError(f"--warm-start {results}: there is no finished trial in it")
    return [record.values for record in best]
