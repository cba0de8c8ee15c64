"""Slots: whatever happens to a process, its future ends, and the next one gets a new process."""

import os
import platform
import resource
import signal
import struct
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import Connection

import joblib
import numpy as np
import pytest

from search.tuning.executors import LocalSlot, default_workers, slots, threads_for


@pytest.fixture
def slot():
    with slots(1) as made:
        yield made[0]


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def die_while_answering():
    """Sends the first half of the answer and is killed."""

    def half(connection, content):
        connection._send(struct.pack("!i", len(content)))
        connection._send(bytes(content)[: len(content) // 2])
        die()

    Connection._send_bytes = half
    return bytes(100_000)


def environment(name):
    return os.environ.get(name)


@pytest.mark.parametrize("death", [die, die_while_answering])
def test_a_death_is_noticed_and_the_slot_goes_on(slot, death):
    with pytest.raises(BrokenProcessPool):
        slot.submit(death).result(timeout=60)
    assert slot.submit(abs, -3).result(timeout=60) == 3


def test_killed_from_outside_while_it_answers(slot):
    """As above, but through the slot: what is running ends, too."""
    future = slot.submit(die_while_answering)
    slot.kill()
    with pytest.raises(BrokenProcessPool):
        future.result(timeout=60)
    slot.replace()
    assert slot.submit(abs, -4).result(timeout=60) == 4


def test_the_cores_are_shared_out(monkeypatch):
    monkeypatch.delenv("TF_NUM_INTEROP_THREADS", raising=False)
    monkeypatch.setattr("search.tuning.executors.cores", lambda: 4)
    assert [threads_for(trials) for trials in (0, 1, 2, 3, 4, 9)] == [2, 2, 2, 1, 1, 1]
    monkeypatch.setenv("TF_NUM_INTEROP_THREADS", "1")
    assert threads_for(1) == 1


def test_threads_are_set_before_anything_is_imported(monkeypatch):
    for name in ("TF_NUM_INTEROP_THREADS", "TF_NUM_INTRAOP_THREADS", "OPENBLAS_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    worker = LocalSlot(threads=1)
    try:
        assert worker.submit(environment, "TF_NUM_INTEROP_THREADS").result(timeout=60) == "1"
        assert worker.submit(environment, "TF_NUM_INTRAOP_THREADS").result(timeout=60) == "1"
        assert worker.submit(environment, "OPENBLAS_NUM_THREADS").result(timeout=60) == "1"
        found = worker.submit(environment, "TF_FORCE_GPU_ALLOW_GROWTH").result(timeout=60)
        assert found == "true"
    finally:
        worker.close()


def pages_of_equal_arrays():
    """How many pages the kernel gives to one round of arrays after another."""
    pages = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        arrays = [np.ones(700_000, np.float32) for _ in range(10)]
        pages.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
        del arrays
    return pages


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's malloc is set")
def test_memory_is_kept_from_step_to_step(slot):
    first, *later = slot.submit(pages_of_equal_arrays).result(timeout=60)
    assert max(later) < first / 10, "28 MB a round are 6,836 pages"


def test_ready_when_warm(slot):
    assert slot.ready, "there is nothing to wait for"
    slot.warm_up()
    assert not slot.ready
    assert slot.submit(abs, -1).result(timeout=120) == 1
    assert slot.ready


def test_at_least_one_worker():
    assert 1 <= default_workers(20) <= 20 and default_workers(1) == 1


def worker():
    with slots(1) as made:
        return made[0].submit(os.getppid).result(timeout=60) == os.getpid()


def test_in_a_process_of_joblib():
    """As `GridSearchCV(n_jobs=2)` has it: joblib's way to start processes is unknown to others."""
    with joblib.parallel_config("loky", n_jobs=2):
        assert joblib.Parallel()(joblib.delayed(worker)() for _ in range(2)) == [True, True]
