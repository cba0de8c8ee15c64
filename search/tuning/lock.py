"""The lock of a results directory: one process at a time writes there.

The lock is what decides, since the system takes it from a process that dies. owner.json only says
which process holds it, and stands in for it on file systems without locks.
"""

import contextlib
import errno
import json
import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import filelock
import psutil

from search.errors import ResultsError, SearchError
from search.files import write_json
from search.untrusted import content_of

NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}
LOCK = ".lock"
OWNER = "owner.json"


def check_place(folder: Path) -> None:
    """Checks, without making anything, that results can be written in a directory.

    Args:
        folder: the results directory, which need not exist yet.

    Raises:
        ResultsError: they cannot.
    """
    there = (folder, *folder.absolute().parents)
    place = next(path for path in there if path.exists() or path.is_symlink())
    if not place.is_dir() or not os.access(place, os.W_OK):
        what = "is not a directory" if not place.is_dir() else "cannot be written"
        what = what if place.exists() else "is a link that leads nowhere"
        raise ResultsError(
            f"{folder}: cannot be used for results: {place} {what}; "
            "choose another directory with --results DIR"
        )


@contextlib.contextmanager
def locked(folder: Path, warn: Callable[[str], None]) -> Iterator[None]:
    """Makes a results directory and holds its lock for a block.

    Args:
        folder: the results directory.
        warn: called with one sentence if its file system has no locks.

    Raises:
        ResultsError: the directory cannot be written, another process holds the lock, or the
            directory was removed meanwhile.
    """
    _make(folder)
    _check_names(folder)
    lock = filelock.FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise ResultsError(
            f"{folder}: in use by {_owner(folder)}; wait for it, or choose another "
            "directory with --results DIR"
        ) from None
    except (OSError, NotImplementedError) as error:
        if getattr(error, "errno", errno.ENOSYS) not in NO_LOCKS:
            raise
        if _owner_lives(folder):
            raise ResultsError(f"{folder}: in use by {_owner(folder)}") from None
        warn(
            f"{folder}: its file system has no locks; start no other search there while "
            "this one runs"
        )
    try:
        _write_owner(folder)
        yield
    except SearchError:
        raise
    except Exception as error:
        if (folder / LOCK).exists():
            raise
        # Whatever went wrong did so because its files are gone.
        raise ResultsError(
            f"{folder}: the results directory is gone: it was moved or removed while it was "
            "written to. Put it back, and the same command resumes"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            (folder / OWNER).unlink(missing_ok=True)
        lock.release()


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):  # whether there can be files
            pass
    except OSError as error:
        raise ResultsError(
            f"{folder}: cannot be used for results: {error.strerror}; "
            "choose another directory with --results DIR"
        ) from error


def _check_names(folder: Path) -> None:
    """Checks that .lock and owner.json are free, or were made by a search.

    Raises:
        ResultsError: one of them is somebody's own file, or a link.
    """
    path, owner = folder / LOCK, folder / OWNER
    ours = not path.is_symlink() and not (path.exists() and path.stat().st_size)
    if ours and (owner.is_symlink() or owner.exists()):
        path = owner
        ours = not owner.is_symlink() and (
            not owner.stat().st_size or b'"started_at"' in content_of(owner)
        )
    if not ours:
        raise ResultsError(
            f"{path}: is not made by a search: it is left as it is. Move it away, or choose "
            "another directory with --results DIR"
        )


def _write_owner(folder: Path) -> None:
    started = datetime.fromtimestamp(psutil.Process().create_time()).astimezone()
    write_json(
        folder / OWNER,
        {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "started_at": started.isoformat(timespec="milliseconds"),
        },
    )


def _owner_lives(folder: Path) -> bool:
    """Whether the process that owner.json names still runs, as far as can be seen from here."""
    try:
        owner = json.loads((folder / OWNER).read_text(encoding="utf-8"))
        started = datetime.fromisoformat(owner["started_at"]).timestamp()
        if owner["host"] != socket.gethostname():
            return True
        return abs(psutil.Process(owner["pid"]).create_time() - started) < 1
    except (OSError, ValueError, KeyError, TypeError, psutil.Error):
        return False


def _owner(folder: Path) -> str:
    try:
        owner = json.loads((folder / OWNER).read_text(encoding="utf-8"))
        return f"process {owner['pid']} on {owner['host']}, started at {owner['started_at']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
