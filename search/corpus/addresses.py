"""Fetches remote files: https://, s3://, hf://datasets/… and whatever else fsspec supports."""

import re
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from search.errors import DataError
from search.startup import check_modules

PROTOCOLS = {
    "http": "aiohttp",
    "https": "aiohttp",
    "hf": "huggingface_hub",
    "s3": "s3fs",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "az": "adlfs",
    "abfs": "adlfs",
}
"""What can be fetched, and the module that fsspec needs for it."""

EXTRA = ("fsspec", "aiohttp", "huggingface_hub", "s3fs")
"""Those that the extra [remote] installs."""


def is_address(source: str) -> bool:
    """Whether a source is an address, not a path."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", source) is not None


def file_name(address: str) -> PurePosixPath:
    """The name of the file at an address, without what is asked of its server."""
    web = address.startswith(("http://", "https://"))
    return PurePosixPath(urlsplit(address).path if web else address)


def _is_unreachable(cause: BaseException | None) -> bool:
    """Whether fsspec takes a server that does not answer for a file that is not there."""
    return isinstance(cause, OSError) and not isinstance(cause, FileNotFoundError)


def fetched(address: str) -> dict[str, bytes]:
    """The content of the file at an address, or of all that a pattern fits, by address.

    Raises:
        DataError: it cannot be fetched.
        SettingsError: what it takes is not installed.
    """
    protocol = address.partition("://")[0].lower()
    if protocol not in PROTOCOLS:
        known = ", ".join(f"{name}://" for name in PROTOCOLS)
        raise DataError(f"{address}: expected a path, or an address beginning with {known}")
    for module in ("fsspec", PROTOCOLS[protocol]):
        check_modules(f"{protocol}://", [module], "remote" if module in EXTRA else None)
    import fsspec

    try:
        files = fsspec.open_files(address, "rb")
        content = {}
        for file in files:
            with file as stream:
                content[address if len(files) == 1 else str(file.full_name)] = stream.read()
    except Exception as error:  # each protocol has exceptions of its own
        reason = str(error) or type(error).__name__
        if isinstance(error, FileNotFoundError):
            if not _is_unreachable(error.__cause__):
                raise DataError(f"{address}: there is no such file") from error
            reason = str(error.__cause__)
        raise DataError(f"{address}: cannot be fetched: {reason.splitlines()[0][:300]}") from error
    if not content:
        raise DataError(f"{address}: there is no such file")
    return content
