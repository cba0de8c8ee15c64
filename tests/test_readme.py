"""Every command and every piece of Python in the README works as it is written there."""

import re
import shlex
import subprocess
import sys
from importlib import import_module

import pytest
from typer.main import get_command

from tests.conftest import FIXTURES, ROOT, SAMPLE

README = (ROOT / "README.md").read_text(encoding="utf-8")
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
COMMANDS = [
    line.strip().split("#")[0].strip()
    for line in README.splitlines()
    if re.match(r"    (make|python3?|\.venv/bin/\S+) ", line)
]


def test_there_is_something_to_test():
    assert len(PYTHON) == 2
    assert len(COMMANDS) >= 6


@pytest.mark.parametrize("command", COMMANDS)
def test_commands(command):
    """Options exist, make targets exist; the searches themselves run in the other tests."""
    words = shlex.split(command)
    if words[0] == "make":
        makefile = (ROOT / "Makefile").read_text()
        assert re.search(rf"^{words[1]}:", makefile, re.MULTILINE)
    elif "-m" in words and (module := words[words.index("-m") + 1]).startswith("search."):
        arguments = words[words.index(module) + 1 :]
        get_command(import_module(module).app).make_context(module, arguments)
    elif words[0] == ".venv/bin/tensorboard":  # which runs in tests/test_tensorboard.py
        assert words[1:] == ["--logdir", "results/tensorboard"]
    elif "install" in words:
        assert (ROOT / words[words.index("-c") + 1]).is_file()
        assert words[-2:] == ["-e", "."]
    else:
        assert words == ["python3", "-m", "venv", ".venv"]


def test_loading_the_model(sample_run, tmp_path):
    (tmp_path / "results").symlink_to(sample_run[0])
    done = subprocess.run(
        [sys.executable, "-c", PYTHON[0]], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(re.findall(r"0\.\d+", done.stdout)) == 2


def test_from_python(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / SAMPLE.name).write_bytes(SAMPLE.read_bytes())
    body = "\n".join("    " + line for line in PYTHON[1].splitlines())
    (tmp_path / "script.py").write_text(f'if __name__ == "__main__":\n{body}\n', encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "val_accuracy" in done.stdout
    assert (tmp_path / "sample_results" / "best_model.keras").is_file()


def test_the_tree_is_true():
    tree = README.split("## Where things are")[1]
    named = set(re.findall(r"^ +(\w+\.py) ", tree, re.MULTILINE))
    there = {p.name for p in (ROOT / "search").rglob("*.py")}
    assert named == there - {"__init__.py", "version.py", "startup.py", "commands.py", "load.py"}


def test_fixtures_are_whole():
    import pandas as pd

    for path in FIXTURES.glob("*.csv"):
        assert len(pd.read_csv(path)) == 60
    sample = pd.read_csv(SAMPLE)
    assert len(sample) >= 240
    assert sample["label"].value_counts(normalize=True).to_dict() == {
        "positive": 0.5,
        "negative": 0.5,
    }
    assert sample["text"].is_unique
