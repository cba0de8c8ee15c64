"""Every command and every piece of Python in the README works as it is written there."""

import os
import re
import shlex
import subprocess
import sys
import tomllib
from importlib import import_module

import numpy as np
import pytest
from typer.main import get_command

from search.packaging.classifier import load_classifier
from search.packaging.formats import chosen_formats
from tests.conftest import FIXTURES, ROOT, SAMPLE

README = (ROOT / "README.md").read_text(encoding="utf-8")
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
COMMANDS = [
    line.strip().split("#")[0].strip()
    for line in README.splitlines()
    if re.match(r"    (make|python3?|\.venv/bin/\S+) ", line)
]


def test_there_is_something_to_test():
    assert len(PYTHON) == 7
    assert len(COMMANDS) >= 6


def words_of(command):
    """What a program gets where a shell reads the command: braces and patterns are expanded."""
    command = re.sub(r" < \S+$", "", command)
    done = subprocess.run(
        ["bash", "-c", f"printf '%s\\0' {command}"], capture_output=True, text=True, check=True
    )
    return done.stdout.split("\0")[:-1]


@pytest.mark.parametrize("command", COMMANDS)
def test_commands(command):
    """Options exist, make targets exist; the searches themselves run in the other tests."""
    words = words_of(command)
    assert words == shlex.split(re.sub(r" < \S+$", "", command)), "a shell changes it"
    if words[0] == "make":
        makefile = (ROOT / "Makefile").read_text()
        assert re.search(rf"^{words[1]}:", makefile, re.MULTILINE)
    elif "-m" in words and (module := words[words.index("-m") + 1]).startswith("search."):
        arguments = words[words.index(module) + 1 :]
        get_command(import_module(module).app).make_context(module, list(arguments))
        if module == "search.export":
            chosen_formats(arguments[arguments.index("--format") + 1])
    elif words[0] == ".venv/bin/tensorboard":  # which runs in tests/reporting/test_tensorboard.py
        assert words[1:] == ["--logdir", "results/tensorboard"]
    elif "install" in words:
        assert (ROOT / words[words.index("-c") + 1]).is_file()
        assert words[-2] == "-e" and words[-1].partition("[")[0] == "."
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        extras = extras["optional-dependencies"]
        assert all(name in extras for name in re.findall(r"\w+", words[-1]))
    else:
        assert words == ["python3", "-m", "venv", ".venv"]


def test_loading_the_model(sample_run, tmp_path):
    (tmp_path / "results").symlink_to(sample_run[0])
    script = PYTHON[0] + "\nimport sys; assert 'tensorflow' not in sys.modules"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert re.match(r"\['(posi|nega)tive' '(posi|nega)tive'\]\n\[\[0\.\d+ 0\.\d+\]\]", done.stdout)


def test_loading_the_model_with_keras(sample_run, tmp_path):
    (tmp_path / "results").symlink_to(sample_run[0])
    done = subprocess.run(
        [sys.executable, "-c", PYTHON[1]], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(re.findall(r"0\.\d+", done.stdout)) == 2


def test_asking_the_file(sample_run, tmp_path):
    (tmp_path / "results").symlink_to(sample_run[0])
    done = subprocess.run(
        [sys.executable, "-S", "-c", PYTHON[2]], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "'class_names': ['negative', 'positive']" in done.stdout


def test_onnx(exported_run, tmp_path):
    results = exported_run[0]
    (tmp_path / "results").symlink_to(results)
    done = subprocess.run(
        [sys.executable, "-c", PYTHON[3]], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = [float(number) for number in re.findall(r"0\.\d+", done.stdout)]
    texts = ["a warm and funny film", "dull, and far too long"]
    wanted = load_classifier(results / "best_model.keras").score(texts)
    np.testing.assert_allclose(found, wanted[:, 0], atol=1e-5)


def run_script(folder):
    """Runs script.py as a user would, whose environment says nothing of TensorFlow's messages."""
    return subprocess.run(
        [sys.executable, "script.py"], cwd=folder, capture_output=True, text=True, check=False,
        env={name: value for name, value in os.environ.items() if not name.startswith("TF_")},
    )  # fmt: skip


def test_from_python(tmp_path, monkeypatch, capsys):
    """As a cell of a notebook, whose process has imported TensorFlow already."""
    (tmp_path / "data").symlink_to(SAMPLE.parent)
    monkeypatch.chdir(tmp_path)
    exec(PYTHON[5], {})
    assert capsys.readouterr().out.count("val_accuracy") == 1
    assert (tmp_path / "sample_results" / "best_model.keras").is_file()


@pytest.mark.slow
def test_from_python_as_a_script(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / SAMPLE.name).write_bytes(SAMPLE.read_bytes())
    (tmp_path / "script.py").write_text(PYTHON[5], encoding="utf-8")  # as it is pasted
    done = run_script(tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # no worker ran it again
    assert done.stdout.count("val_accuracy") == 1
    assert (tmp_path / "sample_results" / "best_model.keras").is_file()


def test_the_classifier(tmp_path):
    (tmp_path / "data").symlink_to(SAMPLE.parent)
    (tmp_path / "script.py").write_text(PYTHON[4], encoding="utf-8")
    done = run_script(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("classifier.keras", "data", "script.py"),
    ]


def test_data_in_memory(tmp_path):
    (tmp_path / "data").symlink_to(SAMPLE.parent)
    done = subprocess.run(
        [sys.executable, "-c", PYTHON[6]], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("{'train': 240")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


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
