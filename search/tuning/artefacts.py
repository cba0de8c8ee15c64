"""artefacts.json: the files that a run has made in its results directory, with their hashes.

A results directory may be somebody's home directory. Nothing is removed, moved or replaced in it
that is not listed here, and no link is followed. Files that are made once have their hashes in the
list, so that a file which a power cut left empty is made again.
"""

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from search.errors import ResultsError
from search.files import write_json
from search.untrusted import content_of

NAME = "artefacts.json"

Made = dict[str, dict[str, str]]
"""SHA-256 by file, "" where the name is a file itself; by name in the results directory."""

_MADE = TypeAdapter(Made)


class Artefacts:
    """The list of the files that a run has made.

    Args:
        folder: the results directory.
        warn: called with one sentence if the list is damaged.
    """

    def __init__(self, folder: Path, warn: Callable[[str], None] = lambda message: None) -> None:
        self._folder, self._warn = folder, warn

    @property
    def made(self) -> Made:
        """The list; empty if the file is missing or damaged."""
        path = self._folder / NAME
        try:
            return _MADE.validate_python(json.loads(content_of(path)), strict=True)
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError, ValidationError):
            self._warn(f"{path} cannot be read; what the run made is listed anew")
            return {}

    def is_there(self, name: str) -> bool:
        """Whether a name exists in the directory, even as a dangling link."""
        path = self._folder / name
        return path.is_symlink() or path.exists()

    def claim(self, names: Iterable[str], *, known: bool = False) -> None:
        """Adds names to the list, before files are made under them.

        Args:
            names: in the results directory.
            known: whether files that exist but are not listed belong to this run.

        Raises:
            ResultsError: a file that is not listed, or a link, has one of the names.
        """
        made = self.made
        new = [name for name in names if name not in made]
        for name in new:
            if self.is_there(name) and (not known or (self._folder / name).is_symlink()):
                raise ResultsError(
                    f"{self._folder / name}: is there already, and not made by this run: it is "
                    "left as it is. Move it away, or choose another directory with --results DIR"
                )
        if new:
            write_json(self._folder / NAME, made | {name: {} for name in new})

    def record(self, name: str, at: Path | None = None) -> None:
        """Adds the hashes of a file or folder to the list.

        Args:
            name: in the results directory.
            at: its temporary path, if it is not renamed to its final name yet.
        """
        write_json(self._folder / NAME, self.made | {name: _hashes(at or self._folder / name)})

    def is_whole(self, name: str) -> bool:
        """Whether a file or folder exists with the listed hashes."""
        listed = self.made.get(name)
        return bool(listed) and _hashes(self._folder / name) == listed

    def remove(self, name: str) -> None:
        """Removes the listed files of a folder, and the folder if it is empty then."""
        made, folder = self.made, self._folder / name
        if name not in made or folder.is_symlink():
            return
        for file in made[name]:
            with contextlib.suppress(OSError):
                (folder / file).unlink()
        inside = sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True)
        for path in (*inside, folder):
            with contextlib.suppress(OSError):  # it is not empty, or not there
                path.rmdir()
        if not folder.exists():
            write_json(self._folder / NAME, {n: files for n, files in made.items() if n != name})


def _hashes(path: Path) -> dict[str, str]:
    """The SHA-256 of a file, or of every file in a folder; nothing for a link."""
    if path.is_symlink():
        return {}
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    found = {}
    for file in files:
        name = "" if file == path else file.relative_to(path).as_posix()
        with file.open("rb") as content:
            found[name] = hashlib.file_digest(content, "sha256").hexdigest()
    return found
