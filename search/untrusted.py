"""Reads untrusted files: only regular files, with limits on what they unpack to.

A compressed file of some kB can unpack to gigabytes, and a name can lead to an endless device or to
a pipe without a writer. Nothing here allocates more memory than the size of a file justifies.
"""

import errno
import io
import json
import math
import stat
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    import numpy.typing as npt

GROWTH = 100  # times its own size that a file may unpack to; text shrinks to a third to a tenth
NUMBERS_GROWTH = 10  # the same of weights and other numbers, which hardly shrink
SMALL = 64_000_000  # bytes that any file may unpack to


def opened(path: Path) -> BinaryIO:
    """Opens a file for reading.

    Raises:
        OSError: it does not exist, or is a folder, a pipe, a socket or a device.
    """
    try:
        kind = path.stat().st_mode
    except FileNotFoundError as error:
        raise OSError(errno.ENOENT, "no such file", str(path)) from error
    if stat.S_ISDIR(kind):
        raise OSError(errno.EISDIR, "it is a folder, not a file", str(path))
    if not stat.S_ISREG(kind):  # to open a pipe would wait for somebody who writes to it
        what = "a named pipe" if stat.S_ISFIFO(kind) else "a device or a socket"
        raise OSError(errno.EINVAL, f"it is {what}, not a file", str(path))
    return path.open("rb")


def content_of(path: Path) -> bytes:
    """Returns the bytes of a file; for the errors see `opened`."""
    with opened(path) as file:
        return file.read()


def most_unpacked(size: int, growth: int = GROWTH) -> int:
    """The number of bytes that a compressed file of a given size may unpack to."""
    return max(SMALL, growth * size)


class Unpacked(io.RawIOBase):
    """A decompressing stream that raises an error if it unpacks to too much.

    Args:
        source: the stream of decompressed bytes.
        size: of the compressed file.

    Raises:
        OSError: when reading, after more than `most_unpacked` bytes.
    """

    def __init__(self, source: Any, size: int) -> None:
        self._source, self._left, self._size = source, most_unpacked(size), size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count: int = self._source.readinto(buffer)
        self._left -= count
        if self._left < 0:
            raise OSError(
                f"its {self._size:,} bytes hold more than {most_unpacked(self._size):,}, which no "
                "texts do; if it is right, decompress it yourself"
            )
        return count

    def close(self) -> None:
        self._source.close()
        super().close()


def object_of(content: bytes) -> dict[str, Any]:
    """Parses a JSON object.

    Raises:
        ValueError: it is not a JSON object, or is nested too deeply.
    """
    try:
        value = json.loads(content.decode("utf-8"))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(value, dict):
        raise ValueError("it is not an object")
    return value


def members(content: bytes, names: Collection[str] | None = None) -> dict[str, bytes]:
    """Returns the content of members of a zip archive, by name.

    Args:
        content: the archive.
        names: of the members; None for all.

    Raises:
        ValueError: it is not an archive or is damaged, unpacks to far more than its size, or a
            member is missing or there twice.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            infos = {info.filename: info for info in archive.infolist()}
            if len(infos) < len(archive.infolist()):
                raise ValueError("it has two members of one name")
            wanted = [infos[name] for name in (infos if names is None else names)]
            if sum(info.file_size for info in wanted) > most_unpacked(len(content), NUMBERS_GROWTH):
                raise ValueError("it says that it holds far more than it is large")
            if any(
                i.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for i in wanted
            ):
                raise ValueError("it is compressed in an unusual way")
            return {info.filename: archive.read(info) for info in wanted}
    except ValueError:
        raise
    except KeyError as error:
        raise ValueError(f"there is no {error.args[0]} in it") from error
    except Exception as error:  # zlib's, struct's, EOFError, RuntimeError, …: a file is damaged
        raise ValueError(str(error) or type(error).__name__) from error


def array_of(content: bytes) -> "npt.NDArray[Any]":
    """Returns the array of an .npy file.

    Raises:
        ValueError: it is not an .npy file, or is truncated.
    """
    import numpy as np  # not for those who open other files, and answer --help

    file = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0
        shape, _, kind = (read if version == (1, 0) else np.lib.format.read_array_header_2_0)(file)
    except Exception as error:  # the header is Python's syntax: tokenize's errors are among them
        raise ValueError(f"its header cannot be read: {error}") from error
    if kind.hasobject or math.prod(shape) * kind.itemsize != len(content) - file.tell():
        raise ValueError(f"it says that it has the shape {shape}, and is not as large")
    return np.load(io.BytesIO(content), allow_pickle=False)  # type: ignore[no-any-return]


def arrays_of(content: bytes) -> "dict[str, npt.NDArray[Any]]":
    """Returns the arrays of an .npz file by name; for the errors see `members` and `array_of`."""
    found = members(content)
    return {name.removesuffix(".npy"): array_of(array) for name, array in found.items()}
