"""Limits BLAS to one thread, so that results are reproducible to the last bit.

The number of threads decides in which order a sum is added up, and thereby its last digits. It
depends on the machine, its load and the environment. The worker that trains and the process that
evaluates must get the same bits. So every product or decomposition that decides a result and goes
through BLAS or LAPACK (`@` of dense arrays, np.dot, np.linalg, scikit-learn) is

    @one_thread
    def decompose(matrix): ...

or inside `with one_thread:`. A call costs 15 µs, a nested one less than 1 µs. The products of these
networks are too small to be faster with more threads.
"""

import sys
import threading
from collections.abc import Iterable
from contextlib import ContextDecorator
from typing import Any

import numpy as np  # noqa: F401  its BLAS has to be there to be found
from threadpoolctl import OpenBLASController, ThreadpoolController


class _OneThread(ContextDecorator):
    """Limits BLAS from the first entry to the last exit, in whichever threads these are.

    The limit is one of the whole process: if each thread lifted it for itself, the first to leave
    would lift it for those that are still inside.
    """

    def __init__(self) -> None:
        self._libraries: list[Any] = []
        self._of_scipy: bool | None = None
        self._lock = threading.Lock()
        self._inside = 0
        self._before: list[int] = []

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._find()
                self._before = [library.num_threads for library in self._libraries]
                self._set(1 for _ in self._libraries)
            self._inside += 1

    def __exit__(self, *exception: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._set(self._before)
                OpenBLASController.clear_controlling_thread(force=True)

    def _find(self) -> None:
        """Finds the loaded BLAS libraries; SciPy has one of its own, which takes 0.1 s to load."""
        of_scipy = "scipy.linalg._fblas" in sys.modules
        if of_scipy is not self._of_scipy:
            self._libraries = ThreadpoolController().select(user_api="blas").lib_controllers
            self._of_scipy = of_scipy

    def _set(self, numbers: Iterable[int]) -> None:
        # threadpoolctl listens to the thread that came first, and the last one to leave may be
        # another; until then nobody else is listened to.
        OpenBLASController.clear_controlling_thread(force=True)
        for library, number in zip(self._libraries, numbers, strict=True):
            library.set_num_threads(number)


one_thread = _OneThread()
