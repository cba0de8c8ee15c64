"""Reading files that a kill, a full disk or somebody else may have damaged.

A file that cannot be read is renamed to *.unreadable: nothing is lost, and what it held is made
again.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy.typing as npt

from search.errors import one_line
from search.tuning.facts import record_of
from search.untrusted import arrays_of, content_of

T = TypeVar("T")
Arrays = dict[str, npt.NDArray[Any]]


class Quarantine:
    """Reads files, and sets those aside that cannot be read.

    Args:
        warn: called with one sentence for each file or folder that is set aside.
    """

    def __init__(self, warn: Callable[[str], None]) -> None:
        self.warn = warn

    def read(self, path: Path, parse: Callable[[bytes], T]) -> T | None:
        """Returns a file's parsed content, or None if it is missing or damaged.

        Args:
            path: the file.
            parse: turns its bytes into a value; raises ValueError if they are damaged.
        """
        try:
            # Read whole first: then an archive's checksums see every byte.
            return parse(content_of(path))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            self.set_aside(path, one_line(error, 200))
            return None

    def read_json(self, path: Path) -> dict[str, Any] | None:
        """Returns a JSON object, checked against its model in `facts`; None as in `read`."""
        return self.read(path, lambda content: record_of(path, content))

    def read_arrays(self, path: Path) -> Arrays | None:
        """Returns the arrays of an .npz file by name; None as in `read`."""
        return self.read(path, arrays_of)

    def set_aside(self, path: Path, reason: str) -> None:
        """Renames a file or folder to *.unreadable, or *.unreadable2 and so on, and warns."""
        target = path.with_name(path.name + ".unreadable")
        number = 2
        while target.exists():
            target = path.with_name(f"{path.name}.unreadable{number}")
            number += 1
        path.rename(target)
        self.warn(f"{path} cannot be read ({reason}); it was renamed to {target.name}")
