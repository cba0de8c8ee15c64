"""What is shown of a search while it runs."""

import io
import json
import re
from dataclasses import replace
from types import SimpleNamespace

import pytest
from rich.console import Console

from search.network.hypermodel import SentimentHyperModel
from search.settings import Settings
from search.tuning.study import Study
from search.view import Events, Lines, LiveTable, chosen_view, left, picture
from tests.conftest import SAMPLE, run_here
from tests.made import corpus_of, record


def test_what_fits(monkeypatch):
    """No terminal here: pytest has stderr. A terminal is in tests/end_to_end/test_terminal.py."""
    assert isinstance(chosen_view(quiet=False, as_json=False), Lines)
    assert isinstance(chosen_view(quiet=True, as_json=True), Events)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert isinstance(chosen_view(quiet=False, as_json=False), LiveTable)
    assert isinstance(chosen_view(quiet=True, as_json=False), Lines)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(chosen_view(quiet=False, as_json=False), Lines)


def test_lines(capsys):
    Lines().progress("a \x1b[1mline")
    Lines(silent=True).progress("nothing")
    assert capsys.readouterr() == ("", "a �[1mline\n")


@pytest.mark.parametrize(
    ("options", "seconds", "networks", "told"),
    [
        # 3 trials ended after an epoch each, 17 are left, and 9 finals of an epoch each.
        ({}, 6, 1, "; about 52 s left"),
        ({}, 60, 1, "; about 9 min left"),
        ({}, 6, 3, "; about 40 s left"),  # a final is a third of a trial's epoch
        ({"finals": 0}, 6, 1, "; about 34 s left"),
        ({"timeout": 30}, 6, 1, "; about 24 s left"),
        ({"trials": 3, "finals": 0}, 6, 1, ""),
    ],
)
def test_how_long_it_will_take(options, seconds, networks, told):
    settings = Settings(**{"trials": 20, "finals": 3, "folds": 3, **options})
    ended = [record(number, 0.8) for number in range(3)]
    running = record(3, status="running", history=())
    tuner = SimpleNamespace(
        settings=settings, records={r.trial_id: r for r in (*ended, running)},
        epochs_trained=3 * networks, networks_of=lambda record: networks,
        finals_progress=lambda: (0, settings.finals * settings.folds),
    )  # fmt: skip
    assert left(tuner, seconds) == told


@pytest.mark.parametrize(("width", "height"), [(200, 50), (80, 24), (40, 10)])
def test_the_table_fits_any_terminal(tmp_path, width, height):
    """Down to 40 columns no score and no remaining time is cut off, and no line is too many."""
    settings = Settings(results=tmp_path / "r", trials=20, finals=0)
    study = Study(settings, corpus_of(["a b"] * 6, [0, 1] * 3), SentimentHyperModel())
    study.records = {f"{n:04d}": record(n, 0.8 - n / 100) for n in range(7)}
    study.under_way = [replace(study.records["0006"], status="running", ended_at=None), None]
    study.epochs_trained = 7
    console = Console(width=width, height=height, file=io.StringIO(), color_system=None)
    console.print(picture(study, console, 14))
    lines = console.file.getvalue().rstrip("\n").split("\n")
    assert len(lines) <= height and max(map(len, lines)) <= width
    shown = [re.split("  +", line.strip()) for line in lines]
    heads = ["rank", "trial", "accuracy", "mean", "epochs"]
    [head] = (n for n, cells in enumerate(shown) if cells[0] == "rank")
    assert shown[head][:5] == heads and (shown[head][5:] == ["with"]) == (width > 40)
    assert [cells[:3] for cells in shown[head + 2 : head + 7]] == [
        [str(n + 1), f"{n:04d}", f"{0.8 - n / 100:.4f}"] for n in range(5)
    ]
    assert lines[head + 8].startswith("7 of 20 trials, about 26 s left: ")
    assert lines[head + 9].startswith("best so far: trial 0000, 0.8000")
    assert any(cells[0] == "worker" for cells in shown) == (height > 10)


def test_json_is_all_there_is_on_stdout(tmp_path, capfd):
    done = run_here(
        *("search.run", "--data", SAMPLE, "--trials", 2, "--max-epochs", 1, "--json"),
        *("--finals", 1, "--folds", 2, "--workers", 1, "--set", "ngrams=none"),
        *("--results", tmp_path / "r"),
    )
    assert done.returncode == 0 and done.stderr == ""
    assert capfd.readouterr() == ("", ""), "what libraries write past Python"
    events = [json.loads(line) for line in done.stdout.splitlines()]
    kinds = [event["event"] for event in events]
    assert kinds[0] == "progress" and kinds[-1] == "result"
    assert kinds.count("trial") == 2 and kinds.count("final") == 2
    trial = next(event for event in events if event["event"] == "trial")
    stored = json.loads((tmp_path / "r" / "trials" / trial["trial_id"] / "trial.json").read_text())
    del trial["event"], stored["space"]
    assert trial == stored
    assert events[-1]["best"] == json.loads((tmp_path / "r" / "best_model.json").read_text())
