"""The beginning of a worker process: its environment, its memory, its imports, its end."""

import ctypes
import multiprocessing
import os
import signal
import threading
from multiprocessing.connection import wait as wait_for
from pathlib import Path

from search.startup import give_temporary_directory, tensorflow_silenced
from search.tuning.interrupts import SIGNALS

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of malloc.h


def start_worker(threads: int = 2) -> None:
    """Runs first in every worker process, before NumPy or TensorFlow is imported."""
    for name, value in environment(threads).items():
        os.environ.setdefault(name, value)
    keep_memory()
    give_temporary_directory(Path(os.environ.get("TMPDIR", ".")))
    # Ctrl-C goes to the whole process group; only the parent decides what it means.
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def keep_memory() -> None:
    """Has glibc, if that is the C library, keep freed memory instead of returning it.

    A training step on long texts allocates and frees tens of megabytes. By default they go back to
    the kernel, which zeroes every page when it is touched again: a quarter of an IMDB epoch.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt is not None:
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def environment(threads: int) -> dict[str, str]:
    """Environment variables that a training process needs before it imports anything."""
    return {
        "TF_NUM_INTRAOP_THREADS": "1",
        "TF_NUM_INTEROP_THREADS": str(threads),
        "OPENBLAS_NUM_THREADS": "1",
        # Else the first process takes all memory of a GPU, and nothing is left for the others.
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    }


def import_training(keras: bool) -> None:
    """Imports, or compiles, what the first trial of a process needs."""
    import search.tuning.training

    if keras:
        with tensorflow_silenced():
            import keras_tuner  # noqa: F401  (TensorFlow and Keras, seconds)
    else:
        search.tuning.training.warm_up()


def _end_with_parent() -> None:
    """Ends this process when its parent is gone, however the parent ended."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for([parent.sentinel])
        os._exit(1)
