import json
import re
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from html.parser import HTMLParser

import pytest

import search
from search.files import write_json
from search.reporting.report import NAME, Rewriting, read_report
from tests.conftest import ROOT, run_command, run_here
from tests.made import HOSTILE, made_run


class Page(HTMLParser):
    """What a browser would see of a page: its text, its tags, its scripts."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.text, self.scripts, self.attributes = [], "", [], []
        self._inside = None
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes
        self._inside = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        self._inside = None

    def handle_data(self, data):
        if self._inside == "script":
            self.scripts[-1] += data
        elif self._inside != "style":
            self.text += data


def test_every_search_leaves_one(sample_run):
    html = (sample_run[0] / NAME).read_text(encoding="utf-8")
    assert f"report: {sample_run[0] / NAME}" in sample_run[1]
    page, facts = Page(html), read_report(sample_run[0]).archive.best
    assert facts["verdict"][1:] in page.text
    for name in ("NB-weighted", "0002", "hp", f"{facts['val_accuracy']:.3f}"):
        assert name in page.text or name == "hp"
    figures = {value for name, value in page.attributes if name == "id" and "figure-" in value}
    assert figures == {
        *("figure-over-time", "figure-over-epochs", "figure-curves-accuracy", "figure-curves-loss"),
        *("figure-parallel", "figure-hp-embedding_dim", "figure-hp-lstm_units"),
        *("figure-hp-dropout", "figure-hp-learning_rate", "figure-size", "figure-latency"),
        *("figure-confusion", "figure-reliability", "figure-slices"),
    }
    assert "python -m search.run --data" in page.text


def test_without_test_rows_no_number_of_them_is_shown(tmp_path):
    results = made_run(tmp_path / "r")
    facts = json.loads((results / "best_model.json").read_text())
    facts |= {"test_rows": 0, "test_accuracy": None, "test_accuracy_ci": None, "test_loss": None}
    write_json(results / "best_model.json", facts)
    text = Page(read_report(results).html()).text
    assert "Accuracy out of fold" in text and "Test accuracy" not in text


def test_the_command_makes_it_again_without_tensorflow(sample_run, tmp_path):
    results = shutil.copytree(sample_run[0], tmp_path / "r")
    old = (results / NAME).read_text(encoding="utf-8")
    (results / NAME).unlink()
    code = (
        "import sys\nfrom search.report import app\n"
        f"app(['--results', {str(results)!r}], standalone_mode=False)\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules), 'TensorFlow was imported'"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"report: {results / NAME}\n"
    without_time = [
        re.sub(r"Written [^;]*;", "", html) for html in (old, (results / NAME).read_text())
    ]
    assert without_time[0] == without_time[1]


def test_nothing_in_the_data_becomes_markup(tmp_path):
    classes = (HOSTILE[0], HOSTILE[1])
    report = read_report(made_run(tmp_path / "r", 12, classes=classes))
    hostile = {**report.archive.facts["settings"], "data": HOSTILE[0]}
    report.archive.facts["settings"].update(hostile)
    page = Page(report.html())
    assert len(page.scripts) == 1 and "hacked" not in page.scripts[0]
    assert "img" not in page.tags and page.tags.count("b") == len(report.figures)
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    for text in HOSTILE[:2]:
        assert text in page.text
    assert "{{ 7*7 }} {% raw %}" in page.text
    html = report.html()
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", html)


def test_only_its_own_script_may_run(tmp_path):
    import base64
    import hashlib

    page = Page(read_report(made_run(tmp_path / "r", 3)).html())
    policy = next(v for n, v in page.attributes if n == "content" and "default-src" in v)
    digest = hashlib.sha256(page.scripts[0].encode()).digest()
    assert f"'sha256-{base64.b64encode(digest).decode()}'" in policy
    assert "default-src 'none'" in policy
    outside = [v for n, v in page.attributes if n in ("src", "href") and not v.startswith("#")]
    assert outside == ["data:,"]


def test_every_picture_has_words(tmp_path):
    report = read_report(made_run(tmp_path / "r", 12))
    for figure in report.figures.values():
        assert len(figure.text) > 30
        if "<svg" in figure.drawing:
            assert 'role="img" aria-label="' in figure.drawing


def test_a_thousand_trials(tmp_path):
    results = made_run(tmp_path / "r", 1000, rows=853)
    started = time.process_time()
    path = read_report(results).write()
    assert time.process_time() - started < 10
    assert path.stat().st_size < 6_000_000
    assert path.read_text(encoding="utf-8").count("<tr class=") == 1000


def test_a_search_that_was_killed_at_its_end(tmp_path):
    results = made_run(tmp_path / "r", 10)
    assert "was stopped after 10 of 10" not in read_report(results).html()
    (results / "best_model.json").unlink()
    assert "was stopped after 10 of 10" in read_report(results).html()


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_trials(tmp_path, count):
    """The last one of a made run has failed."""
    html = read_report(made_run(tmp_path / "r", count, best=False)).html()
    assert ("No trial has ended yet." in html) == (count < 2)


def test_failures_are_told_with_reasons(tmp_path):
    page = Page(read_report(made_run(tmp_path / "r", 5)).html())
    assert "trial 0004: ValueError: <b>no</b> �[2J (trials/0004/error.txt)" in page.text


def test_no_search_ends_because_of_its_report(tmp_path):
    said = []
    rewrite = Rewriting(made_run(tmp_path / "r", 3), said.append)
    (tmp_path / "r" / NAME).mkdir()
    rewrite()
    assert len(said) == 1 and "could not be written: IsADirectoryError" in said[0]
    (tmp_path / "r" / NAME).rmdir()
    rewrite(last=True)
    assert (tmp_path / "r" / NAME).is_file() and len(said) == 1


def test_it_is_rewritten_in_a_hundredth_of_the_time(tmp_path):
    rewrite = Rewriting(made_run(tmp_path / "r", 30), print)
    began = time.monotonic()
    for _ in range(100):
        rewrite()
    assert time.monotonic() - began < 3 * (first := _time_of(rewrite)), first


def _time_of(rewrite):
    began = time.monotonic()
    rewrite(last=True)
    return time.monotonic() - began


def test_it_opens_in_a_browser(tmp_path):
    results = made_run(tmp_path / "r", 3)
    done = run_command("search.report", "--results", results, "--open", BROWSER="/bin/echo seen %s")
    assert done.returncode == 0, done.stderr
    assert f"seen {(results / NAME).as_uri()}" in done.stdout


def test_no_results(tmp_path):
    done = run_here("search.report", "--results", tmp_path)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("error: ") and "run.json: no such file" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_results_that_cannot_be_written(tmp_path):
    results = made_run(tmp_path / "r", 3)
    (results / NAME).mkdir()
    done = run_here("search.report", "--results", results)
    assert done.returncode == 2 and "report.html" in done.stderr


def test_in_a_notebook(sample_run):
    report = search.read_report(sample_run[0])
    frame = report._repr_html_()
    assert frame.startswith("<iframe") and 'srcdoc="' in frame and "<script>" not in frame
    shown = report.figures["over-time"]._repr_html_()
    assert "<svg" in shown and "<style>" in shown and report.figures["over-time"].text in shown
    assert len(report.leaderboard) == 13
    assert replace(report, whole=False).figures.keys() == report.figures.keys()
