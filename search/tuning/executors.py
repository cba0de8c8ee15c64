"""The slots of this machine: each a `concurrent.futures` executor with a single process.

An executor whose process dies is broken for good; with one process per slot it is clear which trial
it was training.
"""

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from types import ModuleType
from typing import TYPE_CHECKING, Any

import psutil

from search.tuning.interrupts import SIGNALS
from search.tuning.machine import cores, free_memory
from search.tuning.slots import TRIALS_A_WORKER
from search.tuning.worker import import_training, start_worker

if TYPE_CHECKING:  # slow to import, and slots are made first
    from search.tuning.training import TrainTask

WORKER_GROWTH = 1_000_000_000  # bytes over its first trial; then its process is replaced too
WORKER_MEMORY = 1_500_000_000  # bytes that a worker is reckoned to need


def default_workers(work: int) -> int:
    """The default number of workers: limited by cores, by memory and by the work there is.

    Args:
        work: number of trials or finals to train.
    """
    return max(1, min(cores(), free_memory() // WORKER_MEMORY, work))


class LocalSlots(list["LocalSlot"]):
    """The slots of this machine; their number is fixed."""

    def prepare(self, given: Callable[[], dict[str, Any]], hypermodel: Any) -> None:
        """See `Slots`; the processes read the files."""
        for slot in self:
            slot.keras = hypermodel is not None
            slot.warm_up()

    def refresh(self) -> None:
        """See `Slots`."""


class LocalSlot:
    """A worker process of this machine: see `Slot`.

    Args:
        threads: number of threads that TensorFlow may use, if it is imported.

    Attributes:
        keras: whether Keras trains here, and should be imported early.
        holds: the network in the process's memory, as `TrainTask.at` gives it; None for none.
    """

    def __init__(self, threads: int = 2) -> None:
        self._threads = threads
        self.keras = False
        self._warm: Future[Any] | None = None
        self._executor = self._new_executor()
        self._first_memory: int | None = None
        self._trials = 0
        self.holds: TrainTask | None = None

    def _new_executor(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            1,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=start_worker,
            initargs=(self._threads,),
        )

    def warm_up(self) -> None:
        """Starts the process if there is none, and has it import what its first trial needs."""
        if not self._processes():
            self._warm = self.submit(import_training, self.keras)

    @property
    def ready(self) -> bool:
        """Whether the process has started and can train."""
        return self._warm is None or self._warm.done()

    def threads(self, trials: int) -> int:
        """See `Slot`."""
        return threads_for(trials)

    def submit(self, function: Callable[..., Any], *arguments: Any) -> "Future[Any]":
        """Runs a function in the worker; in a new one, if it died while it was idle."""
        with _blocked_interrupts():
            try:
                return self._submit(function, *arguments)
            except BrokenProcessPool:
                self.replace()
                return self._submit(function, *arguments)

    def _submit(self, function: Callable[..., Any], *arguments: Any) -> "Future[Any]":
        with contextlib.nullcontext() if self._processes() else _alone():
            future = self._executor.submit(function, *arguments)
        # The process has its own end of the pipe now. While this one is open too, the reader of
        # an answer that a killed process left half written would wait for the rest for ever.
        answers: Any = self._executor._result_queue
        if answers is not None:
            answers._writer.close()
        return future

    def kill(self) -> None:
        """Ends the process at once; whatever it was running raises BrokenProcessPool."""
        for pid in self._processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                psutil.Process(pid).kill()

    def replace(self) -> None:
        """Ends the process and makes room for a new one."""
        self.kill()
        self._executor.shutdown(wait=True, cancel_futures=True)
        self._executor = self._new_executor()
        self._first_memory, self._trials, self.holds = None, 0, None
        if self._warm is not None:
            self.warm_up()

    def trial_ended(self) -> None:
        """Replaces the process after many trials or when it has grown."""
        self._trials += 1
        memory = 0
        for pid in self._processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                memory = psutil.Process(pid).memory_info().rss
        self._first_memory = self._first_memory or memory
        if self._trials >= TRIALS_A_WORKER or memory > self._first_memory + WORKER_GROWTH:
            self.replace()

    def close(self) -> None:
        """Ends the process for good."""
        self.kill()
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _processes(self) -> list[int]:
        # The executor's own list: the only one that is right also before the first result.
        return list(self._executor._processes or {})  # keyed by pid


@contextlib.contextmanager
def slots(count: int) -> Iterator[LocalSlots]:
    """Makes `count` slots for a block; their processes end with it."""
    made = LocalSlots(LocalSlot(threads_for(count)) for _ in range(count))
    try:
        yield made
    finally:
        for slot in made:
            slot.close()


def threads_for(trials: int) -> int:
    """The number of threads per trial: its share of the cores, at most two.

    The matrices are so small that two threads on one product are slower than one; only the two
    directions of the network run in parallel. TF_NUM_INTEROP_THREADS overrides the two.
    """
    most = int(os.environ.get("TF_NUM_INTEROP_THREADS", 2))
    return max(1, min(most, cores() // max(1, trials)))


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Processes that are started in this block take over nothing of this one.

    They do not import the user's main script: nothing of it is needed there, because HyperModels
    are pickled by value. And they do not start others in its way, which is unknown to them where
    this is a process of joblib.
    """
    main, method = sys.modules["__main__"], multiprocessing.get_start_method(allow_none=True)
    sys.modules["__main__"] = ModuleType("__main__")
    multiprocessing.set_start_method("spawn", force=True)
    try:
        yield
    finally:
        sys.modules["__main__"] = main
        multiprocessing.set_start_method(method, force=True)


@contextlib.contextmanager
def _blocked_interrupts() -> Iterator[None]:
    """Processes that are started in this block inherit `SIGNALS` blocked."""
    if os.name == "nt" or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
