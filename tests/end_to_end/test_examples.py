"""The examples that people copy do what they say."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from search.packaging.classifier import load_classifier
from search.packaging.formats import export_best
from search.tuning.rundir import RunDirectory
from tests.conftest import ROOT, SAMPLE

EXAMPLES = ROOT / "examples"
TEXTS = ["a warm and funny film", "dull, and far too long"]


@pytest.fixture
def place(tmp_path):
    """A directory with the sample in it, as where the examples are tried first."""
    (tmp_path / "data").symlink_to(SAMPLE.parent)
    return tmp_path


def run(name, place, *arguments):
    """Runs a script as a user would, with fewer trials."""
    script = place / name
    text = (EXAMPLES / name).read_text(encoding="utf-8")
    few = "trials=2, max_epochs=2, finals=1, folds=2"
    script.write_text(re.sub(r"trials=\d+", few, text), encoding="utf-8")
    kept = {key: value for key, value in os.environ.items() if not key.startswith("TF_")}
    return subprocess.run(
        [sys.executable, name, *map(str, arguments)], cwd=place, env=kept,
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def executed(name: str, place: Path):
    """Executes a notebook; what its cells gave."""
    notebook = nbformat.read(EXAMPLES / name, as_version=4)
    NotebookClient(notebook, timeout=900, resources={"metadata": {"path": str(place)}}).execute()
    return [
        "".join(
            output.get("text", "") or str(output.get("data", {}))
            for output in cell.get("outputs", ())
        )
        for cell in notebook.cells
    ]


def test_they_are_five_and_each_is_told_of():
    names = {path.name for path in EXAMPLES.iterdir() if path.is_file()} - {"README.md"}
    told = set(re.findall(r"\[(\w+\.\w+)\]", (EXAMPLES / "README.md").read_text(encoding="utf-8")))
    assert len(names) == 5 and names == told
    for name in names:
        if name.endswith(".py"):
            compile((EXAMPLES / name).read_text(encoding="utf-8"), name, "exec")
        else:
            notebook = nbformat.read(EXAMPLES / name, as_version=4)
            nbformat.validate(notebook)
            assert not any(cell.get("outputs") for cell in notebook.cells)


@pytest.mark.slow
def test_own_csv(place):
    done = run("own_csv.py", place, shutil.copy(SAMPLE, place / "mine.csv"))
    assert (done.returncode, done.stderr) == (0, "")
    assert "test accuracy 0." in done.stdout and "the model is " in done.stdout
    assert len(re.findall(r"^(?:posi|nega)tive: ", done.stdout, re.MULTILINE)) == 2
    assert (place / "mine_results" / "report.html").is_file()


@pytest.mark.slow
def test_compare_two(place):
    done = run("compare_two.py", place)
    assert (done.returncode, done.stderr) == (0, "")
    assert "none" in done.stdout and "300 rows" not in done.stdout.splitlines()[0]
    assert re.search(r"rows|same in both", done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_deploy_onnx(sample_run, tmp_path):
    results = shutil.copytree(sample_run[0], tmp_path / "results")
    export_best(RunDirectory(results), ["onnx"])
    (results / "onnx").rename(tmp_path / "onnx")
    shutil.copy(EXAMPLES / "deploy_onnx.py", tmp_path)
    code = "import runpy, sys; sys.modules.update(search=None, tensorflow=None, keras=None);"
    done = subprocess.run(
        [sys.executable, "-c", f"{code} runpy.run_path('deploy_onnx.py', run_name='__main__')",
         "onnx", *TEXTS],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answers = load_classifier(results / "best_model.keras").classify(TEXTS)
    for line, label, sure in zip(
        done.stdout.splitlines(), answers.labels, answers.probability, strict=True
    ):
        assert line.startswith(f"{label} {sure:.3f}")


@pytest.mark.slow
def test_estimator(place):
    shown = executed("estimator.ipynb", place)
    assert "TextClassifier" in shown[3] and "val_accuracy" in shown[4]
    assert 0.4 < float(re.search(r"0\.\d+|1\.0", shown[5])[0]) <= 1
    assert "array([" in shown[7] and "<iframe" in shown[9]
    assert (place / "notebook_results" / "leaderboard.csv").is_file()


@pytest.mark.slow
def test_own_hypermodel(place):
    shown = executed("own_hypermodel.ipynb", place)
    assert "hidden" in shown[2] and "0000" in shown[3] and "tive" in shown[5]
