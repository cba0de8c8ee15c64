"""What a search exports: whole or not at all, the runners-up too."""

import json
import shutil

import pytest
from typer.testing import CliRunner

from search.errors import SearchError
from search.packaging import parity
from search.packaging.classifier import load_classifier
from search.packaging.modelfile import ModelFile
from search.run import app
from search.tuning.rundir import UNPROVEN
from tests.conftest import SAMPLE, SAMPLE_SEARCH, run_here, trials_of


def search(results, *options):
    return (
        *("search.run", "--data", SAMPLE, "--trials", 3, "--max-epochs", 2, "--finals", 0),
        *("--set", "embedding_init=random", "--set", "ngrams=none", "--workers", 1),
        *("--results", results, *options),
    )


def test_runners_up(tmp_path):
    """They are there, in order, as good as the best one; fewer are fewer."""
    results = tmp_path / "r"
    done = run_here(*search(results, "--top", 3, "--export", "saved_model"))
    assert done.returncode == 0, done.stderr
    ranked = trials_of(results)["trial_id"].tolist()
    paths = [results / "runners_up" / f"{trial}.keras" for trial in ranked[1:]]
    assert [line for line in done.stdout.splitlines() if line.startswith("runner-up")] == [
        f"runner-up: {path}" for path in paths
    ]
    assert f"saved_model: {results / 'saved_model'}" in done.stdout.splitlines()
    assert json.loads((results / "run.json").read_text())["test_opened"][0]["weights"] == ranked[0]
    assert len(json.loads((results / "run.json").read_text())["test_opened"]) == 1
    times = {}
    for trial, path in zip(ranked[1:], paths, strict=True):
        description = ModelFile(path).description.model_dump()
        assert description["weights"] == trial
        row = trials_of(results).set_index("trial_id").loc[trial]
        assert description["val_accuracy_networks"] == row["val_accuracy"]
        assert load_classifier(path).classify(["fine"]).labels[0] in ("negative", "positive")
        times[path] = path.stat().st_mtime_ns
    paths[1].write_bytes(b"damaged")
    done = run_here(*search(results, "--top", 3))
    assert done.returncode == 0, done.stderr
    assert paths[0].stat().st_mtime_ns == times[paths[0]], "what is there stays as it is"
    assert ModelFile(paths[1])
    done = run_here(*search(results))
    assert not (results / "runners_up").exists()


def test_a_model_that_differs_is_not_left(tmp_path, monkeypatch):
    """The trials stay, and the same command finishes when the reason is gone."""
    results = tmp_path / "r"
    monkeypatch.setattr(parity, "PARITY", 0.0)
    result = CliRunner().invoke(app, [str(word) for word in search(results)[1:]])
    assert result.exit_code == 1 == SearchError.exit_code
    assert "differ from the search's" in result.stderr
    assert f"kept as {results / UNPROVEN}" in result.stderr and (results / UNPROVEN).is_file()
    names = {p.name for p in results.iterdir()}
    assert not {name for name in names if "best_model" in name}, names
    assert len(trials_of(results)) == 3
    monkeypatch.undo()
    done = run_here(*search(results))
    assert done.returncode == 0, done.stderr
    assert ModelFile(results / "best_model.keras") and not (results / UNPROVEN).exists()


def test_formats_of_another_model_go_when_the_best_one_changes(exported_run, tmp_path):
    results = shutil.copytree(exported_run[0], tmp_path / "r")
    (results / "best_model.keras").unlink()  # as if another trial were the best one now
    done = run_here(*SAMPLE_SEARCH, "--workers", 1, "--results", results)
    assert done.returncode == 0 and "nothing to do" in done.stderr
    assert not (results / "onnx").exists()
    assert list(json.loads((results / "best_model.json").read_text())["formats"]) == ["keras"]


@pytest.mark.parametrize("names", ["pickle", "onnx,pickle", ""])
def test_unknown_formats(tmp_path, names):
    done = run_here(*search(tmp_path / "r", "--export", names))
    assert done.returncode == 2
    assert "'saved_model', 'onnx' or 'litert'" in done.stderr
    assert not (tmp_path / "r").exists()
