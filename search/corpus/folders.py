"""Recognises the layout of a folder: classes, train and test, a Hugging Face data set."""

import os
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from search.corpus.compression import TABLES, kind
from search.errors import DataError
from search.splits import SPLIT_NAMES, UNLABELLED, splits_among
from search.untrusted import opened

MACOS = "__MACOSX"  # what it leaves in archives beside their folders
SHOWN_FILES = 5
MOST_FILES = 20  # of texts, one a line; more are texts themselves
FEWEST_LINES = 10  # of such a file,
LOOKED_AT = 100_000  # in its first bytes


@dataclass(frozen=True)
class Layout:
    """The layout of a folder.

    Attributes:
        splits: the files or folders of train, validation and test, if they are separate.
        unlabelled: folders of texts without labels.
        others: the names of files that belong to none.
    """

    splits: dict[str, tuple[str, ...]]
    unlabelled: tuple[str, ...] = ()
    others: str = ""

    def described(self, folder: Path) -> str:
        """Describes what was detected."""
        parts = [
            f"{split}: {', '.join(Path(path).relative_to(folder).as_posix() for path in paths)}"
            for split, paths in self.splits.items()
        ]
        if self.unlabelled:
            names = (Path(path).relative_to(folder).as_posix() for path in self.unlabelled)
            parts.append(f"texts without labels: {', '.join(names)}")
        if self.others:
            parts.append(f"passed over: {self.others}")
        return "; ".join(parts)


def layout(folder: Path) -> Layout | None:
    """The splits that a folder has, each a folder of its own or files whose names say so.

    None where it has no split for training: then its folders are classes, or its files parts.
    """
    folders = {path.name.lower(): path for path in visible(folder) if path.is_dir()}
    splits = splits_among(folders).items()
    found: dict[str, tuple[str, ...]] = {split: (str(folders[name]),) for split, name in splits}
    if set(found) != {"train"} and "train" in found:
        return Layout(found, _unlabelled([folder, *(Path(path[0]) for path in found.values())]))
    if "train" in found and len(folders) == 1 and not tables(folder):
        return Layout(found, _unlabelled([folder, Path(found["train"][0])]))
    place = folders["data"] if set(folders) == {"data"} and not tables(folder) else folder
    by_split = _sides(tables(place))
    unlabelled: tuple[str, ...] = ()
    if "train" not in by_split:
        named = _named_files(place)
        by_name = splits_among(named)
        if "train" not in by_name or len(by_name) == 1:  # a train may be a class beside cars
            return None
        by_split = {split: (str(named[name]),) for split, name in by_name.items()}
        unlabelled = tuple(str(p) for name, p in named.items() if name.lower() in UNLABELLED)
    used = [Path(path) for paths in (*by_split.values(), unlabelled) for path in paths]
    return Layout(by_split, unlabelled, listed_others(place, used))


def _sides(files: list[Path]) -> dict[str, tuple[str, ...]]:
    """The tables of each split, by the first word of their names.

    Where none is for training, by any word: imdb_train.csv stands beside imdb_test.csv.
    """
    by_first = _by_words(files, 1)
    if "train" in by_first:
        return by_first
    by_any = _by_words(files, None)
    return by_any if len(by_any) > 1 else {}  # else it is one called so among others


def _by_words(files: list[Path], most: int | None) -> dict[str, tuple[str, ...]]:
    """The files of each split: of the first `most` words of a name, the first known one decides."""
    known = {name: split for split, names in SPLIT_NAMES.items() for name in names}
    found: dict[str, list[str]] = {split: [] for split in SPLIT_NAMES}
    for path in files:
        words = re.split("[-_. ]", path.name.lower())[:most]
        split = next((known[word] for word in words if word in known), None)
        if split is not None:
            found[split].append(str(path))
    return {split: tuple(paths) for split, paths in found.items() if paths}


def _unlabelled(places: list[Path]) -> tuple[str, ...]:
    return tuple(str(p) for place in places for p in visible(place) if is_unlabelled(p))


def is_unlabelled(path: Path) -> bool:
    """Whether a folder beside the classes has texts of no class, as aclImdb's unsup."""
    return path.name.lower() in UNLABELLED and path.is_dir()


def visible(folder: Path) -> list[Path]:
    """What is in a folder and not hidden, by name."""
    try:
        return sorted(p for p in folder.iterdir() if not p.name.startswith((".", MACOS)))
    except OSError as error:
        raise DataError(f"{folder}: cannot be read: {error.strerror or error}") from error


def tables(folder: Path) -> list[Path]:
    """The files with tables in a folder: all of the kind that comes first in `TABLES`."""
    files = [p for p in visible(folder) if p.is_file() and kind(p) in TABLES]
    files = [p for p in files if p.suffix != ".json" or p.name not in HUGGING_FACE]
    kinds = sorted({kind(p) for p in files}, key=TABLES.index)
    return [p for p in files if kind(p) == kinds[0]]


def listed_others(folder: Path, used: Collection[Path]) -> str:
    """The names of the files in a folder that are not used, but for what programs leave there."""
    names = [p.name for p in visible(folder) if p.is_file() and p not in used]
    names = [name for name in names if name not in HUGGING_FACE and not name.startswith("_")]
    return ", ".join([*names[:SHOWN_FILES], *["…"][: len(names) - SHOWN_FILES]])


HUGGING_FACE = ("dataset_info.json", "state.json", "dataset_dict.json")


def class_folders(folder: Path) -> list[Path]:
    """The folders in a folder that are classes."""
    return [p for p in visible(folder) if p.is_dir() and not is_unlabelled(p)]


def class_files(folder: Path) -> dict[str, Path]:
    """The files of a folder that are a class each, one text a line: pos.txt, rt-polarity.pos.

    Nothing where they are something else.
    """
    named = _named_files(folder)
    return named if all(map(_has_lines, named.values())) else {}


def _named_files(folder: Path) -> dict[str, Path]:
    """The files of a folder without tables, by their names without what all have in common."""
    files = [p for p in visible(folder) if p.is_file() and not p.name.lower().startswith("readme")]
    if not 2 <= len(files) <= MOST_FILES or any(kind(path) in TABLES for path in files):
        return {}
    endings = {path.suffix for path in files}
    names = [path.stem if len(endings) == 1 else path.name for path in files]
    begin = os.path.commonprefix(names)  # noqa: RUF071  (of letters, not of folders)
    common = re.sub(r"[^-_. ]*$", "", begin)
    return {name.removeprefix(common): path for name, path in zip(names, files, strict=True)}


def _has_lines(file: Path) -> bool:
    """Whether a file has so many lines that each is a text."""
    try:
        with opened(file) as content:
            return content.read(LOOKED_AT).count(b"\n") >= FEWEST_LINES
    except OSError:
        return False


def text_files(folder: Path) -> tuple[list[Path], int]:
    """The texts in a folder, however deep, and how many other files are passed over.

    Texts are the .txt files where there are some, and all files otherwise. What is hidden is none,
    nor is a link to a folder, or one that leads nowhere.

    Raises:
        DataError: a folder cannot be read.
    """

    def fail(error: OSError) -> None:
        raise DataError(f"{error.filename}: cannot be read: {error.strerror}") from error

    files, passed = list[Path](), 0
    for place, folders, names in os.walk(folder, onerror=fail):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        passed += sum((Path(place) / name).is_symlink() for name in folders)
        for name in sorted(names):
            path = Path(place) / name
            if not name.startswith(".") and path.exists():
                files.append(path)
            else:
                passed += 1
    texts = [path for path in files if path.suffix.lower() == ".txt"]
    return (texts, passed + len(files) - len(texts)) if texts else (files, passed)
