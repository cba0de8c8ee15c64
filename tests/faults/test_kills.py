"""Real SIGKILLs: of the parent at random moments and between its writes, and of its workers."""

import contextlib
import itertools
import random
import signal
import time

import psutil
import pytest

from tests.conftest import run_command, run_here
from tests.faults.conftest import (
    assert_equals,
    assert_same_trials,
    finish,
    options,
    start,
    wait_until,
    workers_of,
)


def kill_at_write(results, number, *more):
    """Whether the command was killed; False if it came to its end before."""
    done = run_command("tests.faults.killer", number, *options(results)[1:], *more)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode != 0


def kill_when_ready(results, delay, *more):
    """Kills the parent `delay` seconds after it begins to write, and waits for its workers."""
    parent = start(results, *more)
    with contextlib.suppress(AssertionError):
        wait_until(lambda: (results / "run.json").exists() or parent.poll() is not None)
    time.sleep(delay)
    workers = workers_of(parent.pid)
    parent.kill()
    parent.communicate()
    psutil.wait_procs(workers, timeout=20)
    assert not [w for w in workers if w.is_running() and w.status() != psutil.STATUS_ZOMBIE]


# Everything that results decide: a learning algorithm, trials that are stopped and go on, finals.
SMALL = ["--trials", "4", "--max-epochs", "3", "--patience", "3", "--keep", "1"]
SMALL += ["--tuner", "tpe", "--reduction", "2", "--finals", "2", "--folds", "2"]


@pytest.fixture(scope="module")
def small_reference(tmp_path_factory):
    results = tmp_path_factory.mktemp("small") / "results"
    finish(results, *SMALL)
    return results


@pytest.mark.slow  # its fast representative is test_killed_where_results_decide
@pytest.mark.parametrize("chain", [[1, 26, 45], [33, 60, 87]])
def test_killed_between_two_writes(tmp_path, reference, chain):
    results = tmp_path / "results"
    for number in chain:
        kill_at_write(results, number)
    finish(results)
    assert_equals(results, reference)


@pytest.mark.parametrize("chain", [[60], pytest.param([30, 71], marks=pytest.mark.slow)])
def test_killed_where_results_decide(tmp_path, small_reference, chain):
    results = tmp_path / "results"
    for number in chain:
        assert kill_at_write(results, number, *SMALL)
    finish(results, *SMALL)
    assert_equals(results, small_reference)


@pytest.mark.slow  # its fast representative is test_killed_where_results_decide
def test_killed_at_a_random_moment(tmp_path, reference, tuned):
    results = tmp_path / "results"
    kill_when_ready(results, random.Random(0).uniform(0, 2))
    tuned(*options(results)[1:])
    assert_same_trials(results, reference)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(1, 11))
def test_killed_between_any_two_writes(tmp_path, small_reference, first):
    """Every write of a whole run, a tenth of them in each case."""
    for number in itertools.count(first, 10):
        results = tmp_path / str(number) / "results"
        results.parent.mkdir()
        if not kill_at_write(results, number, *SMALL):
            break
        finish(results, *SMALL)
        assert_equals(results, small_reference)
    assert number > 10


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_killed_often_at_random_moments(tmp_path, reference, seed):
    results = tmp_path / "results"
    generator = random.Random(seed)
    for _ in range(10):
        kill_when_ready(
            results, generator.uniform(0, 3.5), "--workers", str(generator.choice([1, 2]))
        )
    finish(results)
    assert_equals(results, reference)


def kill_workers(results, times, seed):
    """Kills a worker now and then while the command runs to its end."""
    generator = random.Random(seed)
    parent = start(results, "--workers", "2")
    killed = 0
    wait_until(lambda: (results / "trials" / "0000").exists())
    while parent.poll() is None and killed < times:
        time.sleep(generator.uniform(0.02, 0.5))
        workers = workers_of(parent.pid)
        if workers:
            with contextlib.suppress(psutil.NoSuchProcess):
                generator.choice(workers).kill()
                killed += 1
    _, stderr = parent.communicate(timeout=200)
    assert parent.returncode == 0, stderr
    assert killed
    return killed, stderr


@pytest.mark.slow  # the fast one of its kind is tests/faults/test_failures.py, where one dies
def test_workers_killed(tmp_path, reference):
    results = tmp_path / "results"
    kill_workers(results, 2, seed=1)
    assert_equals(results, reference)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(50))
def test_workers_killed_often(tmp_path, reference, seed):
    """Two kills a run: a third that hits the same trial would make it a failed one."""
    results = tmp_path / "results"
    kill_workers(results, 2, seed)
    assert_equals(results, reference)


@pytest.mark.parametrize(
    ("number", "code"),
    [
        pytest.param(signal.SIGINT, 130, marks=pytest.mark.slow),  # also in test_terminal.py
        pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow),
        (signal.SIGHUP, 129),
    ],
    ids=["Ctrl-C", "SIGTERM", "SIGHUP"],
)
def test_asked_to_stop(tmp_path, reference, tuned, number, code):
    results = tmp_path / "results"
    parent = start(results)
    wait_until(lambda: (results / "trials" / "0001").exists())
    workers = workers_of(parent.pid)
    parent.send_signal(number)
    _, stderr = parent.communicate(timeout=30)
    assert parent.returncode == code, stderr
    assert "The same command continues" in stderr
    assert "Traceback" not in stderr
    psutil.wait_procs(workers, timeout=10)
    tuned(*options(results)[1:])
    assert_same_trials(results, reference)


@pytest.mark.slow
def test_asked_twice_to_stop(tmp_path, reference):
    results = tmp_path / "results"
    parent = start(results)
    wait_until(lambda: (results / "trials" / "0001").exists())
    parent.send_signal(signal.SIGINT)
    time.sleep(0.05)
    parent.send_signal(signal.SIGINT)
    _, stderr = parent.communicate(timeout=20)
    assert parent.returncode == 130, stderr
    assert "Traceback" not in stderr
    finish(results)
    assert_equals(results, reference)


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """A search that goes on for long, and its results."""
    results = tmp_path_factory.mktemp("running") / "results"
    parent = start(results, "--trials", "500")
    try:
        yield parent, results
    finally:
        parent.kill()
        parent.communicate()


def test_two_runs_in_one_directory(running):
    first, results = running
    wait_until(lambda: (results / "owner.json").exists())
    second = run_here(*options(results))
    assert second.returncode == 2
    assert f"in use by process {first.pid} on " in second.stderr
    assert "started at" in second.stderr and "--results" in second.stderr


def test_no_orphans_when_the_parent_is_killed(running):
    parent, results = running
    wait_until(lambda: (results / "trials" / "0000").exists())
    workers = workers_of(parent.pid)
    assert workers
    parent.kill()
    parent.communicate()
    _, alive = psutil.wait_procs(workers, timeout=10)
    assert not alive
