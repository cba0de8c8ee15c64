"""Reads and writes files that may be compressed: gzip, bzip2, xz, Zstandard, zip."""

import bz2
import gzip
import io
import lzma
import os
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path, PurePath
from typing import IO, Any

from search.errors import DataError
from search.untrusted import Unpacked
from search.untrusted import opened as plain

COMPRESSIONS = (".gz", ".bz2", ".xz", ".zst", ".zip")
TABLES = (".parquet", ".arrow", ".csv", ".tsv", ".jsonl", ".ndjson", ".json")
ARCHIVES = (".tar", ".tgz", ".tbz2", ".txz", ".7z", ".rar")
SHOWN_MEMBERS = 5
BLOCK = 100_000  # bytes


def ending(name: PurePath) -> str:
    """The ending of a file's name, with that of its compression: .csv, .csv.gz, ….

    A zip archive may be called as the file in it or otherwise, so its own ending is what counts.
    """
    compression = name.suffix.lower()
    if compression not in COMPRESSIONS:
        return compression
    return PurePath(name.stem).suffix.lower() + compression


def kind(name: PurePath) -> str:
    """The ending of a file's name without that of a compression."""
    whole = ending(name)
    compression = name.suffix.lower()
    return whole.removesuffix(compression) if compression in COMPRESSIONS else whole


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Opens a file; its content is decompressed as it is read."""
    with plain(path) as packed_file, closing(unpacked(packed_file, path)) as file:
        yield file


def content(path: Path) -> bytes:
    """Returns a file's content, decompressed.

    Raises:
        DataError: it cannot be decompressed.
    """
    with plain(path) as file:
        return content_of(file, path, str(path))


def content_of(file: IO[bytes], path: PurePath, name: str) -> bytes:
    """The same of an open file.

    Args:
        file: is read to its end.
        path: whose ending says how it is compressed.
        name: what to call it in messages.
    """
    try:
        whole: bytes = unpacked(file, path).read()
    except DataError:
        raise
    except Exception as error:  # each library has exceptions of its own for a damaged file
        if isinstance(error, OSError) and error.errno is not None:  # of the system, not of a reader
            raise
        raise DataError(f"{name}: cannot be decompressed: {error}") from error
    return whole


def unpacked(file: IO[bytes], path: PurePath) -> Any:
    """A stream of what is in an open file whose name is `path`; it ends where that is too much."""
    compression = path.suffix.lower()
    if compression not in COMPRESSIONS:
        return file
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    return io.BufferedReader(Unpacked(_unpacked(file, path, compression), size))


def _unpacked(file: IO[bytes], path: PurePath, compression: str) -> Any:
    if compression == ".gz":
        return gzip.open(file)
    if compression == ".bz2":
        return _Streams(file, bz2.BZ2Decompressor)
    if compression == ".xz":
        return _Streams(file, lzma.LZMADecompressor)
    if compression == ".zst":
        import pyarrow as pa

        # Not zstandard's own reader, which takes half a file for a whole one.
        return pa.CompressedInputStream(pa.PythonFile(file, "r"), "zstd")
    archive = zipfile.ZipFile(file)
    return archive.open(_only_member(archive, path))


class _Streams(io.RawIOBase):
    """Decompresses streams one after another, to the end of a file.

    Python's own readers take what they cannot decompress behind the first stream for the end. A
    program that compresses in parallel writes many streams, of which one may be damaged.
    """

    def __init__(self, file: IO[bytes], start: Callable[[], Any]) -> None:
        self._file, self._start, self._packed = file, start, b""
        self._stream = start()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        found = b""
        while not found:
            if self._stream.eof:
                rest = self._stream.unused_data
                while not (rest := rest.lstrip(b"\0")):  # what tapes fill a file up with
                    if not (rest := self._file.read(BLOCK)):
                        return 0
                self._packed, self._stream = rest, self._start()
            elif self._stream.needs_input:
                self._packed = self._packed or self._file.read(BLOCK)
                if not self._packed:
                    raise EOFError("it ends within a compressed stream")
            found = self._stream.decompress(self._packed, len(buffer))
            self._packed = b""
        buffer[: len(found)] = found
        return len(found)


def member_kind(file: IO[bytes], path: PurePath) -> str:
    """The ending of what is in an open file: of a zip archive, that of the file in it."""
    if path.suffix.lower() != ".zip":
        return kind(path)
    place = file.tell()
    try:
        with zipfile.ZipFile(file) as archive:
            return PurePath(_only_member(archive, path).filename).suffix.lower()
    except DataError:
        raise
    except Exception as error:  # a damaged directory raises what zipfile, struct and others have
        raise DataError(f"{path}: cannot be decompressed: {error}") from error
    finally:
        file.seek(place)


def _only_member(archive: zipfile.ZipFile, path: PurePath) -> zipfile.ZipInfo:
    """The one file in an archive, or the one table, but for what macOS puts beside it."""
    members = [
        member
        for member in archive.infolist()
        if not member.filename.endswith("/")
        and not any(part.startswith((".", "__MACOSX")) for part in PurePath(member.filename).parts)
    ]
    found = [one for one in members if PurePath(one.filename).suffix.lower() in TABLES]
    if len(found) == 1:
        members = found
    if len(members) != 1:
        listed = ", ".join(member.filename for member in members[:SHOWN_MEMBERS])
        more = ", …" if len(members) > SHOWN_MEMBERS else ""
        raise DataError(
            f"{path}: expected an archive of one file, found {len(members)} in it"
            f"{f' ({listed}{more})' if members else ''}; unpack it, and name the file or the folder"
        )
    if members[0].flag_bits & 1:
        raise DataError(f"{path}: cannot be decompressed: it is encrypted; unpack it")
    return members[0]


@contextmanager
def packed(file: IO[bytes], like: PurePath) -> Iterator[Any]:
    """A file to write to, compressed as another one is, but for zip archives."""
    compression = like.suffix.lower()
    if compression == ".gz":
        with gzip.GzipFile(fileobj=file, mode="wb", mtime=0) as out:
            yield out
    elif compression == ".bz2":
        with bz2.open(file, "wb") as packing:
            yield packing
    elif compression == ".xz":
        with lzma.open(file, "wb") as xz:
            yield xz
    elif compression == ".zst":
        import zstandard

        with zstandard.ZstdCompressor().stream_writer(file, closefd=False) as writer:
            yield writer
    else:
        yield file
