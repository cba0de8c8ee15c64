"""Chooses where a run trains: on this machine or on a Ray cluster."""

import contextlib
import os
from collections.abc import Callable

from search.corpus.folds import FOLDS
from search.errors import SettingsError
from search.settings import Settings
from search.startup import tensorflow_silenced
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


def choose_device(settings: Settings) -> None:
    """Hides GPUs from TensorFlow, or checks that there is one, as the settings ask for.

    Call it before TensorFlow looks for GPUs, and before workers start: they inherit it.

    Raises:
        SettingsError: a GPU was asked for, and TensorFlow finds none.
    """
    if settings.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    elif settings.device == "gpu":
        if settings.cluster is not None:
            raise SettingsError("--device gpu is for this machine; of a cluster, --gpus-per-trial")
        with tensorflow_silenced():
            import tensorflow as tf

            found = tf.config.list_physical_devices("GPU")
        if not found:
            raise SettingsError(
                "--device gpu: TensorFlow finds no GPU here; leave --device out, which is mostly "
                "faster, or install its driver and tensorflow[and-cuda]"
            )


def worker_count(settings: Settings) -> int:
    """The number of workers on this machine: never more than there is work for."""
    work = max(settings.trials, usual_finalists(settings.finals) * (settings.folds or FOLDS))
    return min(settings.workers or default_workers(work), work)
