"""No result depends on how many threads compute it; see `search.blas`."""

import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from search.blas import one_thread
from tests.conftest import ROOT, SAMPLE, run_command
from tests.faults.conftest import assert_equals

# OpenBLAS has other code for every kind of CPU, and shares the work out in other ways. Any x86-64
# CPU of the last ten years has what Haswell had.
KERNELS = ["Haswell", None]


def threads() -> set[int]:
    return {
        library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"
    }


def environment(kernels: str | None, count: int) -> dict[str, str]:
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")
    return dict.fromkeys(names, str(count)) | ({"OPENBLAS_CORETYPE": kernels} if kernels else {})


def digests(kernels: str | None, count: int, *more: str) -> dict[str, str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("OPENBLAS", "OMP", "TF"))}
    done = subprocess.run(
        [sys.executable, "-m", "tests.digests", str(count), *more],
        cwd=ROOT, env=inherited | environment(kernels, count), capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_one_thread_and_three_decide_the_same():
    with ThreadPoolExecutor(2) as both:
        one, three = both.map(digests, 2 * ["Haswell"], (1, 3))
    assert len(one) == 7 and one == three


@pytest.mark.slow
@pytest.mark.parametrize("kernels", KERNELS)
def test_any_number_of_threads_decides_the_same(kernels):
    one, two, three = (digests(kernels, count, "tensorflow") for count in (1, 2, 3))
    assert len(one) == 8 and one == two == three


@pytest.mark.slow
@pytest.mark.parametrize("kernels", KERNELS)
def test_a_search_is_the_same_with_any_number_of_threads(tmp_path, kernels):
    options = (
        "--data",
        SAMPLE,
        "--trials",
        4,
        "--max-epochs",
        3,
        "--workers",
        1,
        "--folds",
        2,
    )
    for count in (1, 2, 3):
        done = run_command(
            *("search.run", *options, "--results", tmp_path / str(count)),
            **environment(kernels, count),
        )
        assert done.returncode == 0, done.stderr
    assert_equals(tmp_path / "2", tmp_path / "1")
    assert_equals(tmp_path / "3", tmp_path / "1")


def test_one_thread_inside_and_as_many_as_before_afterwards():
    @one_thread
    def inside() -> set[int]:
        with one_thread:
            assert threads() == {1}
        return threads()

    with threadpool_limits(2):
        assert inside() == {1}
        assert threads() == {2}
        with pytest.raises(ZeroDivisionError), one_thread:
            print(1 / 0)
        assert threads() == {2}


def test_scipys_blas_is_found_when_it_is_there():
    """It comes with scipy.linalg, which takes its time."""
    code = (
        "import sys\n"
        "from threadpoolctl import threadpool_info\n"
        "from search.blas import one_thread\n"
        "with one_thread: assert 'scipy' not in sys.modules\n"
        "import scipy.linalg\n"
        "with one_thread: print([library['num_threads'] for library in threadpool_info()])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "[1, 1]\n", done.stderr


def test_in_any_thread_until_the_last_one_leaves():
    """threadpoolctl alone does nothing in a thread while another has set a limit."""
    entered, leave = threading.Event(), threading.Event()

    def stay() -> None:
        with one_thread:
            entered.set()
            leave.wait()

    with threadpool_limits(2):
        first = threading.Thread(target=stay)
        first.start()
        assert entered.wait(10)
        assert threads() == {1}
        with one_thread:
            leave.set()
            first.join()
            assert threads() == {1}, "the one that came first has left"
            np.ones((64, 64)) @ np.ones((64, 64))
        assert threads() == {2}
