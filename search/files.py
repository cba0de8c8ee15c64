"""Atomic and durable writing of files: a reader, or the next run, never sees half of one.

A file is written under a temporary name in the same folder, flushed to the disk, and renamed
over its final name; then the folder is flushed too, so that the name itself survives a power
cut (POSIX rename is atomic; fsync of file and directory makes it durable).
"""

import contextlib
import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from search.errors import DISK_FULL

CANNOT_FLUSH = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF}
TEMPORARY = ".partial"  # the ending of every unfinished file; a run removes leftovers at its start


def temporary(path: Path) -> Path:
    """A temporary name beside `path`, for an unfinished file of this process."""
    return path.with_name(f"{path.name}.{os.getpid():x}{TEMPORARY}")


def write_atomically(path: Path, write: Callable[[IO[bytes]], Any]) -> None:
    """Calls `write(file)` on a temporary file and renames it to `path`.

    Args:
        path: the final name; its folder must exist.
        write: called with the open binary file.

    Raises:
        OSError: the disk is full, read-only, …; then `path` is unchanged.
    """
    # A name of this process: a report may be rewritten while the run rewrites it, too.
    unfinished = temporary(path)
    with errors_named(path, unfinished):
        try:
            unfinished.unlink(missing_ok=True)  # of a process that had the same number
            with unfinished.open("xb") as file:  # never through a link
                write(file)
                file.flush()
                flush(file.fileno())
            unfinished.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):  # its folder is none, or read-only by now
                unfinished.unlink(missing_ok=True)
            raise
    flush_folder(path.parent)


@contextlib.contextmanager
def temporary_folder(path: Path) -> Iterator[Path]:
    """Makes an unfinished folder beside `path`, and removes it at the end, if it is still there.

    Raises:
        OSError: it cannot be made or written; the error names `path`.
    """
    folder = temporary(path)
    with errors_named(path, folder):
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def errors_named(path: Path, unfinished: Path) -> Iterator[None]:
    """Has errors of an unfinished file name the path that the user knows, or any at all."""
    try:
        yield
    except OSError as error:
        full = error.filename is None and error.errno in DISK_FULL
        if not (full or str(error.filename).startswith(str(unfinished))):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def write_text(path: Path, text: str) -> None:
    """Writes `text` as UTF-8, atomically."""
    write_atomically(path, lambda file: file.write(text.encode()))


def write_json(path: Path, value: Any) -> None:
    """Writes `value` as indented JSON, atomically. NaN and infinity are refused: not JSON."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def npy(array: npt.NDArray[Any]) -> Callable[[IO[bytes]], None]:
    """Returns a writer of an .npy file, for `write_atomically`.

    NumPy does not see the file itself: on a full disk its error would not say why.
    """

    def save(file: IO[bytes]) -> None:
        np.save(_Writable(file.write), array, allow_pickle=False)

    return save


@dataclass(frozen=True)
class _Writable:
    """All of a file that NumPy needs, which gives it the array in pieces, without another copy."""

    write: Callable[[bytes], object]


def npz(arrays: Mapping[str, npt.NDArray[Any]]) -> Callable[[IO[bytes]], None]:
    """Returns a writer of an uncompressed .npz file, for `write_atomically`."""
    return lambda file: np.savez(file, allow_pickle=False, **arrays)


def flush_folder(folder: Path) -> None:
    """Makes the names in `folder` durable; a no-op where folders cannot be opened (Windows)."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        flush(descriptor)
    finally:
        os.close(descriptor)


def flush(descriptor: int) -> None:
    """Flushes an open file or folder to the disk, as far as its file system can.

    Those of network shares, virtual machines and FUSE cannot always, and report it in various ways;
    the content is written all the same.
    """
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in CANNOT_FLUSH:
            raise


def flush_tree(folder: Path) -> None:
    """Flushes everything below `folder` to the disk."""
    for path in (*folder.rglob("*"), folder):
        if path.is_dir():
            flush_folder(path)
        else:
            descriptor = os.open(path, os.O_RDWR)  # Windows flushes what it may write
            try:
                flush(descriptor)
            finally:
                os.close(descriptor)


def remove_leftovers(folder: Path) -> None:
    """Removes the temporary files of a killed process below `folder`."""
    for leftover in folder.rglob(f"*{TEMPORARY}"):
        remove_leftover(leftover)


def remove_leftover(path: Path) -> None:
    """Removes a file, a folder, or a link (not its target)."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
