"""One thread for BLAS: in which order a sum is added up decides its last digits.

How many threads share a matrix product, a decomposition or a dot product, and so in which order
they add up, depends on the machine, on its load and on the environment. A process that trains and
the one that looks at what it trained must come to the same bits. What decides a result and goes
through BLAS or LAPACK (`@` of dense arrays, np.dot, np.linalg, scikit-learn) is therefore

    @one_thread
    def decompose(matrix): ...

or in a `with one_thread:`. A call costs 15 µs, inside of another one less than one. The products of
these networks are too small to be faster with more.
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

    The limit is one of the whole process. Each for itself, one thread that leaves would give those
    that are still inside all the cores back.
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
        """The libraries there are; SciPy's is another than NumPy's, and takes 0.1 s to load."""
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
