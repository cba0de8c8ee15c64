"""A disk cache of compiled code that detects damaged files, with a lock for each function.

Numba's own cache runs what it finds: half a file ends a search with an error of pickle, and other
bytes in it could run as code. Here every file is checked against its hash. Of several processes
that need the same function at once, the first compiles it and the others wait.
"""

import contextlib
import hashlib
import os
import pickle
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import filelock
import numba
from numba.core.caching import FunctionCache, IndexDataCacheFile

from search.compiled.width import WIDE
from search.errors import SettingsError

PATIENCE = 120  # seconds to wait for another process that compiles; then both do
HASH_BYTES = hashlib.sha256().digest_size
SOURCES = hashlib.sha256(
    b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))
    + bytes([WIDE])
).hexdigest()[:16]
"""Numba considers a cached function valid while its own file is unchanged, but it calls functions
of other files. So the cache's folder is named after the content of all of them, and after the
vectors' width."""


def cached(function: Callable[..., Any], **options: Any) -> Any:
    """Returns a function that numba compiles on its first call, or loads from the cache.

    If no folder is writable, every process compiles for itself.

    Raises:
        SettingsError: numba is told not to compile: intrinsics cannot be run as Python.
    """
    if numba.config.DISABLE_JIT:
        raise SettingsError("NUMBA_DISABLE_JIT is set, and nothing runs uncompiled: unset it")
    result = numba.njit(**options)(function)
    if (folder := _folder()) is None:
        return result
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = folder
    try:
        with contextlib.suppress(RuntimeError):  # numba knows no place for this function
            result._cache = _Cache(function)
    finally:
        numba.config.CACHE_DIR = before
    return result


def _folder() -> str | None:
    """The folder of the cache: beside the code, or the user's where that is read-only."""
    beside = numba.config.CACHE_DIR or str(Path(__file__).parent / "__pycache__")
    users = os.environ.get("XDG_CACHE_HOME") or str(Path("~/.cache").expanduser())
    for place in (Path(beside), Path(users) / "bilstm-search"):
        folder = place / SOURCES
        with contextlib.suppress(OSError, RuntimeError):  # RuntimeError: there is no home
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                return str(folder)
    return None


class _Files(IndexDataCacheFile):
    """Numba's files, each compiled function followed by its hash."""

    def _load_index(self) -> Any:
        try:
            return super()._load_index()
        except Exception:  # whatever pickle makes of a damaged file
            return {}

    def _load_data(self, name: str) -> Any:
        content = Path(self._data_path(name)).read_bytes()
        body, seal = content[:-HASH_BYTES], content[-HASH_BYTES:]
        if hashlib.sha256(body).digest() != seal:
            raise OSError(f"{name} is damaged")  # which numba takes for a missing file
        return pickle.loads(body)

    def _save_data(self, name: str, data: Any) -> None:
        body = self._dump(data)
        with self._open_for_write(self._data_path(name)) as file:
            file.write(body + hashlib.sha256(body).digest())


class _Cache(FunctionCache):
    """Numba's cache of one function, with such files and a lock."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        locator, base = self._impl.locator, self._impl.filename_base
        self._cache_file = _Files(self._cache_path, base, locator.get_source_stamp())
        self._lock = filelock.FileLock(Path(self._cache_path) / f"{base}.lock")

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Returns the cached code; None makes numba compile, and call `save_overload`."""
        found = super().load_overload(sig, target_context)
        if found is not None:
            return found
        with contextlib.suppress(OSError, NotImplementedError):  # Timeout is an OSError
            self._impl.locator.ensure_cache_path()
            self._lock.acquire(timeout=PATIENCE)
            found = super().load_overload(sig, target_context)
        if found is not None:
            self._lock.release()
        return found

    def save_overload(self, sig: Any, data: Any) -> None:
        """Caches compiled code, if the disk has room for it."""
        with self._released(), contextlib.suppress(OSError):
            super().save_overload(sig, data)

    @contextlib.contextmanager
    def _released(self) -> Iterator[None]:
        try:
            yield
        finally:
            self._lock.release()
