"""Every command and every snippet in the README and in `docs/` works as it is written there."""

import json
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

from search.network.spacefile import read_space
from search.packaging.classifier import load_classifier
from search.packaging.formats import chosen_formats
from tests.conftest import FIXTURES, ROOT, SAMPLE

PAGES = {
    path.name: path.read_text(encoding="utf-8")
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
}
BLOCKS = [
    (page, kind, code)
    for page, text in PAGES.items()
    for kind, code in re.findall(r"^```(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
]
LINES = [  # the recipes in clusters.md have a test of their own, test_cluster_guide.py
    line.partition(" #")[0].strip()
    for page, kind, code in BLOCKS
    if kind == "bash" and page != "clusters.md"
    for line in code.splitlines()
] + re.findall(r"^    (\S*python3? .*|\S*pip .*)$", PAGES["clusters.md"], re.MULTILINE)
COMMANDS = sorted({line.replace(".venv/bin/python ", "python ") for line in LINES if line})
PYTHON = {code for _, kind, code in BLOCKS if kind == "python"}


def snippet(part):
    """The one piece of Python that has this in it, on however many pages it stands."""
    (found,) = (code for code in PYTHON if part in code)
    return found


LOAD = snippet('search.load("results")')
KERAS = snippet("keras.models.load_model")
ASK = snippet("classifier.json")
ONNX = snippet("session.run(")
ONNX_FACTS = snippet("session.get_modelmeta()")
CLASSIFIER = snippet("search.TextClassifier(")
STEPS = snippet("search.conclude(")
MEMORY = snippet("data=frame")
CALLBACK = snippet("search.Callback")
MLFLOW = snippet("mlflow.pyfunc")  # which runs in tests/reporting/test_mlflow.py


def test_everything_is_tested():
    assert {
        LOAD,
        KERAS,
        ASK,
        ONNX,
        ONNX_FACTS,
        CLASSIFIER,
        STEPS,
        MEMORY,
        CALLBACK,
        MLFLOW,
    } == PYTHON
    assert len(COMMANDS) >= 30
    kinds = {kind for page, kind, _ in BLOCKS if page != "clusters.md"}
    assert kinds <= {"bash", "python", "toml", "text"}


def test_readme_begins_with_two_commands():
    assert LINES[:2] == ["make search", "make test"]


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
        if "-r" in words:
            assert (ROOT / words[words.index("-r") + 1]).is_file()
            return
        assert words[-2] == "-e" and words[-1].partition("[")[0] == "."
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        extras = extras["optional-dependencies"]
        assert all(name in extras for name in re.findall(r"\w+", words[-1]))
    else:
        assert words == ["python3", "-m", "venv", ".venv"]


@pytest.mark.parametrize("code", [code for _, kind, code in BLOCKS if kind == "toml"])
def test_space_files(code, tmp_path):
    (tmp_path / "space.toml").write_text(code, encoding="utf-8")
    space = read_space(tmp_path / "space.toml")
    assert len(space) == len(code.splitlines())


def test_loading_the_model(sample_run, tmp_path):
    (tmp_path / "results").symlink_to(sample_run[0])
    script = LOAD + "\nimport sys; assert 'tensorflow' not in sys.modules"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert re.match(r"\['(posi|nega)tive' '(posi|nega)tive'\]\n\[\[0\.\d+ 0\.\d+\]\]", done.stdout)


def test_loading_the_model_with_keras(sample_run, tmp_path, monkeypatch, capsys):
    """A process of its own does so in tests/end_to_end/test_search.py."""
    (tmp_path / "results").symlink_to(sample_run[0])
    monkeypatch.chdir(tmp_path)
    exec(KERAS, {})
    assert len(re.findall(r"0\.\d+", capsys.readouterr().out)) == 2


def test_asking_the_file(sample_run, tmp_path):
    (tmp_path / "results").symlink_to(sample_run[0])
    done = subprocess.run(
        [sys.executable, "-S", "-c", ASK], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "'class_names': ['negative', 'positive']" in done.stdout


def test_onnx(exported_run, tmp_path):
    results = exported_run[0]
    (tmp_path / "results").symlink_to(results)
    done = subprocess.run(
        [sys.executable, "-c", ONNX], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = [float(number) for number in re.findall(r"0\.\d+", done.stdout)]
    texts = ["a warm and funny film", "dull, and far too long"]
    wanted = load_classifier(results / "best_model.keras").score(texts)
    np.testing.assert_allclose(found, wanted[:, 0], atol=1e-5)


def test_what_onnx_says(exported_run, tmp_path, monkeypatch, capsys):
    (tmp_path / "results").symlink_to(exported_run[0])
    monkeypatch.chdir(tmp_path)
    exec(ONNX_FACTS, {})
    first, second = capsys.readouterr().out.splitlines()
    assert first == "code_points probabilities"
    assert second.startswith("['negative', 'positive'] 0.")


def quicker(code, *more):
    """The same with one trial; as it is written it runs in the slow tests."""
    assert code.count("trials=3") == 1
    few = ", ".join(["trials=1", "max_epochs=2", "finals=0", "workers=1", *more])
    return code.replace("trials=3", few)


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
    exec(quicker(STEPS, 'set="ngrams=none"'), {})
    assert capsys.readouterr().out.count("val_accuracy") == 1
    assert (tmp_path / "sample_results" / "best_model.keras").is_file()


@pytest.mark.slow
def test_from_python_as_a_script(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / SAMPLE.name).write_bytes(SAMPLE.read_bytes())
    (tmp_path / "script.py").write_text(STEPS, encoding="utf-8")  # as it is pasted
    done = run_script(tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # no worker ran it again
    assert done.stdout.count("val_accuracy") == 1
    assert (tmp_path / "sample_results" / "best_model.keras").is_file()


def test_the_classifier(tmp_path, monkeypatch, capsys):
    """That a worker does not run the script again is held by tests/tuning/test_foreign.py."""
    (tmp_path / "data").symlink_to(SAMPLE.parent)
    monkeypatch.chdir(tmp_path)
    exec(quicker(CLASSIFIER, 'space={"ngrams": "none"}'), {})
    assert re.match(r"\[('(posi|nega)tive'|None)\] 0\.\d+\n", capsys.readouterr().out)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["classifier.keras", "data"]


def test_a_callback(tmp_path, monkeypatch):
    (tmp_path / "data").symlink_to(SAMPLE.parent)
    monkeypatch.chdir(tmp_path)
    exec(quicker(CALLBACK), {})
    lines = (tmp_path / "epochs.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [1, 2]


@pytest.mark.slow
def test_the_classifier_as_a_script(tmp_path):
    (tmp_path / "data").symlink_to(SAMPLE.parent)
    (tmp_path / "script.py").write_text(CLASSIFIER, encoding="utf-8")  # as it is pasted
    done = run_script(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("classifier.keras", "data", "script.py"),
    ]


def test_data_in_memory(tmp_path):
    (tmp_path / "data").symlink_to(SAMPLE.parent)
    done = subprocess.run(
        [sys.executable, "-c", MEMORY], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("{'train': 240")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


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
