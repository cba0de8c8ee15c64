"""Imports follow the one road, never back and never in a ring.

corpus → network → compiled → tuning → evaluation → packaging, reporting → the commands
"""

import ast
from pathlib import Path

import pytest

import search
from tests.conftest import ROOT

BASE = {
    "blas",
    "display",
    "errors",
    "files",
    "memory",
    "progress",
    "reproduce",
    "settings",
    "splits",
    "startup",
    "tables",
}
BASE |= {"untrusted", "version"}
ROAD = [
    *("corpus", "network", "compiled", "tuning", "evaluation", "packaging", "reporting"),
    *("conclusion", "pipeline", "estimator"),
]
COMMANDS = {
    "bars",
    "run",
    "session",
    "predict",
    "export",
    "report",
    "compare",
    "view",
    "summary",
    "commands",
    "options",
}
COMMANDS |= {"__main__"}
MODULES = sorted((ROOT / "search").rglob("*.py"))


def room(parts: tuple[str, ...]) -> int:
    """How far right on the road a module stands."""
    first = parts[0].removesuffix(".py")
    if first in BASE:
        return 0
    if first in ROAD:
        return 1 + ROAD.index(first)
    assert first in COMMANDS | {"__init__"}, f"{first} has no place on the road"
    return 1 + len(ROAD)


def imports(path: Path) -> list[tuple[str, ...]]:
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
            if names[0].startswith("search"):  # a name in a module, or a module
                names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        found += [tuple(n.split(".")[1:]) for n in names if n.startswith("search.")]
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_left(path: Path) -> None:
    here = room(path.relative_to(ROOT / "search").parts)
    for target in imports(path):
        assert room(target) <= here, f"{path} imports {'.'.join(target)}"


def test_the_road_is_seen() -> None:
    assert ("corpus", "load", "load_corpus") in imports(ROOT / "search" / "pipeline.py")
    assert room(("packaging", "saving.py")) > room(("tuning", "tuner.py"))


def test_no_ring_of_imports() -> None:
    """Imports inside functions count: a ring is a ring whenever it is run."""
    files = {path.relative_to(ROOT / "search").with_suffix("").parts: path for path in MODULES}
    edges = {
        module: {name for target in imports(path) if (name := _file(target, files)) is not None}
        for module, path in files.items()
        if module[-1] != "__init__"
    }
    while True:  # what imports nothing that is left cannot be in a ring
        free = {module for module, targets in edges.items() if not targets & edges.keys()}
        if not free:
            break
        edges = {module: targets for module, targets in edges.items() if module not in free}
    assert not edges, f"these import each other: {sorted('.'.join(m) for m in edges)}"


def _file(target: tuple[str, ...], files: dict[tuple[str, ...], Path]) -> tuple[str, ...] | None:
    """The module that a dotted name is, or is in."""
    return next((target[:n] for n in (len(target), len(target) - 1) if target[:n] in files), None)


def test_no_module_is_called_utils() -> None:
    assert not [p for p in MODULES if "util" in p.name or "helper" in p.name]


def test_public_names_are_completed_and_are_there() -> None:
    assert dir(search) == sorted(search.__all__)
    assert all(getattr(search, name) is not None for name in search.__all__)
