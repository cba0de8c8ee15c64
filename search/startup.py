"""Before imports: which modules there are, and TensorFlow without the lines that it prints."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from search.errors import SettingsError


@contextlib.contextmanager
def tensorflow_silenced() -> Iterator[None]:
    """Sends what native code writes to stderr nowhere while TensorFlow is imported.

    Its first lines come before its log level is read, so the level alone does not silence them.
    An import that fails still raises. With TF_CPP_MIN_LOG_LEVEL set, nothing is touched: whoever
    set it wants to see something.
    """
    if "TF_CPP_MIN_LOG_LEVEL" in os.environ:
        yield
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    sys.stderr.flush()
    saved = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)
        # Not for the programs this one starts: each silences itself.
        del os.environ["TF_CPP_MIN_LOG_LEVEL"]


def give_temporary_directory(place: Path) -> None:
    """Lets what needs a temporary directory have one, where the machine has none.

    TensorFlow and Keras ask for one when they are imported, and fail where a container's root is
    read-only. Programs that this one starts find it in TMPDIR.

    Args:
        place: a folder that can be written; made if it is needed.
    """
    try:
        tempfile.gettempdir()
    except FileNotFoundError:
        place.mkdir(parents=True, exist_ok=True)
        os.environ["TMPDIR"] = tempfile.tempdir = str(place.absolute())


def check_modules(what: str, modules: Sequence[str], extra: str | None) -> None:
    """Looks, without importing them, whether some optional modules are installed.

    Args:
        what: needs them.
        modules: their names.
        extra: of pyproject.toml, that installs them; None where they have to be named.

    Raises:
        SettingsError: they are not; the message says how to install them.
    """
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        wanted = " ".join(missing) if extra is None else f'-c constraints.txt -e ".[{extra}]"'
        raise SettingsError(
            f"{what} needs {', '.join(missing)}, not installed here: pip install {wanted}"
        )
