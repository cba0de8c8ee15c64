"""HyperModels of somebody's own on their way to the processes that train.

What is defined in a script or in a cell of a notebook exists in that process alone: it travels by
value. What is in a module that can be imported travels by name.
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
    """A HyperModel as bytes, with the lines of cells that its tracebacks will show.

    Raises:
        SettingsError: it holds something that cannot be sent.
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
    """Code that knows where it stands, for tracebacks."""
    return make(*arguments).replace(co_filename=name)


def unpacked(content: bytes) -> Any:
    """The HyperModel in what `packed` returned."""
    cells, hypermodel = pickle.loads(content)
    linecache.cache.update(cells)
    return hypermodel


@contextmanager
def sent_home() -> Iterator[None]:
    """Has an error that could not be sent home arrive as a plain one, with its traceback.

    Such as one of a class that is defined in a notebook.
    """
    try:
        yield
    except Exception as error:
        try:
            pickle.loads(pickle.dumps(error))
        except Exception:  # whatever pickling, or making it anew, raises
            raise RuntimeError(one_line(error)) from error
        raise
