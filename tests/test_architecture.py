"""Imports follow the one road: corpus → network → tuning → outcome → commands."""

import ast
from pathlib import Path

import pytest

from tests.conftest import ROOT

BASE = {"display", "errors", "files", "settings", "startup", "tables", "version"}
ROAD = ["corpus", "network", "tuning", "outcome", "pipeline"]
COMMANDS = {"run", "predict", "export", "report", "compare", "view", "commands"}
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
            if node.module == "search":
                names = [f"search.{alias.name}" for alias in node.names]
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
    assert ("corpus",) in imports(ROOT / "search" / "pipeline.py")
    assert room(("outcome", "winner.py")) > room(("tuning", "tuner.py"))


def test_no_module_is_called_utils() -> None:
    assert not [p for p in MODULES if "util" in p.name or "helper" in p.name]
