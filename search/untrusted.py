"""Files that others made: read only if they are files, and believed only as far as they go.

A compressed file of some kB can hold gigabytes, and a name can lead to a device without an end or
to a pipe that nobody writes to. Nothing here takes more memory than a file's own size allows.
"""

import errno
import io
import stat
from pathlib import Path
from typing import Any, BinaryIO

GROWTH = 100  # times its own size that a file may unpack to; text shrinks to a third to a tenth
SMALL = 64_000_000  # bytes that any file may unpack to


def opened(path: Path) -> BinaryIO:
    """Opens a file for reading.

    Raises:
        OSError: there is none, or it is a folder, a pipe, a socket or a device.
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
    """The bytes of a file; for the errors see `opened`."""
    with opened(path) as file:
        return file.read()


def most_unpacked(size: int) -> int:
    """How many bytes a compressed file of so many may hold."""
    return max(SMALL, GROWTH * size)


class Unpacked(io.RawIOBase):
    """A decompressing stream that ends with an error where it grows beyond measure.

    Args:
        source: gives the decompressed bytes.
        size: of the compressed file.

    Raises:
        OSError: from reading: more than `most_unpacked` bytes came out.
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
