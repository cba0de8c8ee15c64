"""Chooses where a run trains: on this machine or on a Ray cluster."""

import contextlib
from collections.abc import Callable

from search.corpus.folds import FOLDS
from search.errors import SettingsError
from search.settings import Settings
from search.tuning.cluster import cluster_slots
from search.tuning.executors import default_workers, slots
from search.tuning.finals import usual_finalists
from search.tuning.slots import Slots


def slots_for(
    settings: Settings, warn: Callable[[str], None]
) -> contextlib.AbstractContextManager[Slots]:
    """Returns the slots of a run, as a context manager that ends their processes.

    Args:
        settings: of the run.
        warn: called with a sentence for each change of a cluster.

    Raises:
        SettingsError: the settings contradict each other.
    """
    if settings.cluster is None:
        for name in ("cpus_per_trial", "gpus_per_trial"):
            if getattr(settings, name) != type(settings).model_fields[name].default:
                option = name.replace("_", "-")
                raise SettingsError(f"--{option} needs --cluster")
        return slots(worker_count(settings))
    return cluster_slots(
        settings.cluster,
        settings.cpus_per_trial,
        settings.gpus_per_trial,
        settings.workers,
        warn,
    )


def worker_count(settings: Settings) -> int:
    """The number of workers on this machine: never more than there is work for."""
    work = max(settings.trials, usual_finalists(settings.finals) * (settings.folds or FOLDS))
    return min(settings.workers or default_workers(work), work)
