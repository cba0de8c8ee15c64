"""The other formats: folders that stand alone, whole or not there, with the model's numbers."""

import json
import shutil
import unicodedata

import numpy as np
import onnxruntime
import pytest

import search
from search import startup
from search.errors import ResultsError, SearchError, SettingsError
from search.packaging import parity
from search.packaging.classifier import load_classifier
from search.packaging.formats import check_installed, chosen_formats, export_best, remove_exports
from search.packaging.parity import hard_texts
from search.packaging.runtimes import LOADERS, code_points
from search.packaging.text_model import sha256
from search.tuning.rundir import RunDirectory
from tests.conftest import FEWER_TEXTS, exported, run_here
from tests.made import model_facts

OTHERS = ["плохой — ФИЛЬМ", "很好看 film 👍🏽", "nai\u0308ve ＧＲＥＡＴ", "जबरदस्त।", "ดีมาก"]
TEXTS = OTHERS + hard_texts(("film", "good", "dull"), 70)
ALIKE = (  # for n-grams, too
    ("плохой фильм", " плохой\tфильм\n"),
    ("great «film»", "ｇｒｅａｔ “film”"),
    ("schön", unicodedata.normalize("NFD", "schön")),
)
SAME_WORDS = (
    ("плохой фильм", "ПЛОХОЙ ФИЛЬМ", "Плохой фильм", "«плохой» фильм", "плохой — фильм"),
    ("great", "“great”", "great!", "GREAT", "ＧＲＥＡＴ"),
    ("schön", unicodedata.normalize("NFD", "schön"), "SCHÖN."),
)
FILES = {
    "saved_model": {"saved_model.pb", "fingerprint.pb", "variables", "assets", "classifier.json"},
    "onnx": {"model.onnx", "classifier.json"},
    "litert": {"model.tflite", "classifier.json"},
}


def run_of(folder, **values):
    """A results directory with no more than a model in it."""
    path = exported(folder / "best_model.keras", **values)
    facts = {**model_facts(), "data_fingerprint": "none", "formats": {}, "sha256": sha256(path)}
    (folder / "best_model.json").write_text(json.dumps(facts))
    return RunDirectory(folder)


CASES = {
    "two classes": {},
    "five classes": {"classes": 5, "pooling": "mean", "cut": "tail", "max_length": 7},
    "a mixture": {"classes": 3, "mixed": True, "cut": "both"},
    "several networks": {"networks": 2, "mixed": True, "layers": 2},
    "few words": {"pooling": "last", "vocabulary_size": 90},
}


def check_formats(results, classes=2, alike=ALIKE, tried=500):
    """Each says what the model file says, wherever it is moved."""
    expected = load_classifier(results / "best_model.keras").score(TEXTS)
    measured = json.loads((results / "best_model.json").read_text())["formats"]
    assert list(measured) == ["keras", *FILES] or list(measured) == [*FILES]
    for name, files in FILES.items():
        folder = results / name
        assert {p.name for p in folder.iterdir()} == files
        proof = measured[name]
        assert proof["parity"] <= 1e-5 and proof["texts"] >= tried
        assert 0 < proof["median_ms"] <= proof["p95_ms"]
        assert proof["size_bytes"] > 10_000
        description = json.loads((folder / "classifier.json").read_text())
        assert len(description["class_names"]) == classes
        assert description["data"].endswith("data/sample_reviews.csv")
        moved = folder.rename(results / "moved")  # it stands alone
        answers = LOADERS[name](moved)
        np.testing.assert_allclose(answers(TEXTS), expected, atol=1e-5)
        for texts in alike:
            assert np.ptp(answers(list(texts)), axis=0).max() < 1e-6
        shutil.rmtree(moved)


@pytest.mark.slow  # the fast one of its kind is test_every_format_of_a_real_run
@pytest.mark.parametrize("case", CASES)
def test_every_format_of_every_kind(tmp_path, case):
    run = run_of(tmp_path, **CASES[case])
    facts = export_best(run, ("saved_model", "onnx", "litert"))
    assert json.loads((tmp_path / "best_model.json").read_text()) == facts
    alike = ALIKE if CASES[case].get("mixed") else ALIKE + SAME_WORDS
    check_formats(tmp_path, CASES[case].get("classes", 2), alike)
    names = {p.name for p in tmp_path.iterdir()}
    assert names == {"best_model.keras", "best_model.json", "artefacts.json"}


def test_every_format_of_a_real_run(exported_run, tmp_path):
    """By the command: the folders, what is printed, the card."""
    results, stdout, _ = exported_run
    lines = stdout.splitlines()
    assert [line.split(" (")[0] for line in lines] == [f"{n}: {results / n}" for n in FILES]
    assert "| onnx | " in (results / "MODEL_CARD.md").read_text(encoding="utf-8")
    check_formats(shutil.copytree(results, tmp_path / "results"), tried=FEWER_TEXTS)


def test_what_an_onnx_file_says_of_itself(exported_run):
    session = onnxruntime.InferenceSession(exported_run[0] / "onnx" / "model.onnx")
    [given], [answer] = session.get_inputs(), session.get_outputs()
    assert (given.name, given.shape, given.type) == (
        *("code_points", ["texts", "characters"], "tensor(int32)"),
    )
    assert (answer.name, answer.shape, answer.type) == (
        *("probabilities", ["texts", 1], "tensor(float)"),
    )
    about = session.get_modelmeta()
    assert (about.producer_name, about.version) == ("bilstm-search", 1)
    said = about.custom_metadata_map
    description = json.loads((exported_run[0] / "onnx" / "classifier.json").read_text())
    assert json.loads(said["class_names"]) == ["negative", "positive"]
    assert said["version"] == search.__version__
    assert said["input"].startswith("code_points: int32, (texts, characters): the Unicode code")
    assert said["output"] == "probabilities: float32, (texts, 1): that of the class 'positive'"
    least = description["abstain"]
    assert said.get("abstain_confidence") == (least and str(least["confidence"]))


def test_what_differs_is_not_exported(tmp_path, monkeypatch):
    """Neither where nothing was, nor over what was there."""
    run = run_of(tmp_path)
    facts = (tmp_path / "best_model.json").read_text()
    monkeypatch.setattr(parity, "PARITY", 0.0)
    with pytest.raises(SearchError, match="differ from the search's"):
        export_best(run, ["saved_model"])
    assert not (tmp_path / "saved_model").exists()
    (tmp_path / "saved_model").mkdir()
    (tmp_path / "saved_model" / "saved_model.pb").write_text("what was there")
    run.artefacts.record("saved_model")
    with pytest.raises(SearchError, match="differ from the search's"):
        export_best(run, ["saved_model"])
    assert (tmp_path / "saved_model" / "saved_model.pb").read_text() == "what was there"
    assert (tmp_path / "best_model.json").read_text() == facts
    names = {p.name for p in tmp_path.iterdir()}
    names -= {"artefacts.json"}
    assert names == {"best_model.keras", "best_model.json", "saved_model"}


def test_a_second_export_replaces_the_first(tmp_path):
    run = run_of(tmp_path)
    graph = tmp_path / "saved_model" / "saved_model.pb"
    graph.parent.mkdir()
    graph.write_bytes(b"all of it")
    run.artefacts.record("saved_model")
    graph.write_bytes(b"half of it")
    assert not run.artefacts.is_whole("saved_model")
    export_best(run, ["saved_model"])
    assert run.artefacts.is_whole("saved_model")
    assert {p.name for p in graph.parent.iterdir()} == FILES["saved_model"]
    remove_exports(run)
    assert not graph.parent.exists()


def test_what_is_missing_is_named(monkeypatch):
    assert chosen_formats("onnx,litert") == ("onnx", "litert")
    for names in ("pickle", "", "onnx,", "onnx, litert"):
        with pytest.raises(SettingsError, match="'saved_model', 'onnx' or 'litert'"):
            chosen_formats(names)
    monkeypatch.setattr(startup, "find_spec", lambda name: None if "onnx" in name else name)
    check_installed(["saved_model", "litert"])
    with pytest.raises(SettingsError, match=r"tf2onnx, onnx, onnxruntime.*\"\.\[onnx\]\""):
        check_installed(["saved_model", "onnx"])


def test_code_points():
    assert code_points(["aé", "", "👍"]).tolist() == [[97, 233], [0, 0], [0x1F44D, 0]]
    assert code_points(["", ""]).tolist() == [[0], [0]]


def test_models_of_version_0_1_stay_as_they_are(tmp_path):
    run = run_of(tmp_path, tokens="whitespace")
    with pytest.raises(ResultsError, match=r"version 0\.1.*search\.predict only"):
        export_best(run, ["onnx"])
    assert load_classifier(run.best_model).classify(["fine"]).labels


def test_the_command_without_a_model(tmp_path):
    done = run_here("search.export", "--format", "onnx", "--results", tmp_path / "r")
    assert done.returncode == 2
    assert "best_model.keras: cannot be read" in done.stderr and "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
