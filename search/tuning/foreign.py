"""Pickles HyperModels written by users, for the worker processes.

What is defined in a script or a notebook cell exists in that process alone, so it is pickled by
value. What is in a module that can be imported is pickled by name.
"""

import io
import linecache
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType
from typing import Any

import cloudpickle

from search.errors import SettingsError, one_line


def packed(hypermodel: Any) -> bytes:
    """Pickles a HyperModel, with the source lines of notebook cells for its tracebacks.

    Raises:
        SettingsError: something in it cannot be pickled.
    """
    cells = {
        name: entry
        for name, entry in linecache.cache.items()
        if (name.startswith("<ipython") or not name.startswith("<"))
        and len(entry) == 4  # lines that were read or given, and no promise of them
        and not Path(name).exists()
    }
    try:
        content = io.BytesIO()
        _Packer(content).dump((cells, hypermodel))
    except Exception as error:  # whatever pickling the user's objects raises
        raise SettingsError(
            f"{type(hypermodel).__name__} cannot be sent to the processes that train: "
            f"{one_line(error)}. Make what it uses in `build`, or put it into a module"
        ) from error
    return content.getvalue()


class _Packer(cloudpickle.Pickler):
    """Has code keep the name of its file or cell, of which cloudpickle makes "<dynamic-code>"."""

    def reducer_override(self, thing: Any) -> Any:
        if isinstance(thing, CodeType):
            make, arguments = self.dispatch_table[CodeType](thing)
            return named_code, (thing.co_filename, make, arguments)
        return super().reducer_override(thing)


def named_code(name: str, make: Callable[..., CodeType], arguments: tuple[Any, ...]) -> CodeType:
    """Returns a code object with its file name and first line, for tracebacks."""
    return make(*arguments).replace(co_filename=name)


def unpacked(content: bytes) -> Any:
    """Restores the HyperModel that `packed` pickled."""
    cells, hypermodel = pickle.loads(content)
    linecache.cache.update(cells)
    return hypermodel


@contextmanager
def sent_home() -> Iterator[None]:
    """Replaces exceptions of this block that cannot be pickled by plain ones with a traceback.

    Those of classes that are defined in a notebook, for example.
    """
    try:
        yield
    except Exception as error:
        try:
            pickle.loads(pickle.dumps(error))
        except Exception:  # whatever pickling, or making it anew, raises
            raise RuntimeError(one_line(error)) from error
        raise
