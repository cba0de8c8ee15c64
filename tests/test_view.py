import json

from search.view import Events, Lines, Picture, chosen_view
from tests.conftest import SAMPLE, run_command


def test_what_fits(monkeypatch):
    """No terminal here: pytest has stderr. A terminal is in tests/end_to_end/test_terminal.py."""
    assert isinstance(chosen_view(quiet=False, as_json=False), Lines)
    assert isinstance(chosen_view(quiet=True, as_json=True), Events)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert isinstance(chosen_view(quiet=False, as_json=False), Picture)
    assert isinstance(chosen_view(quiet=True, as_json=False), Lines)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(chosen_view(quiet=False, as_json=False), Lines)


def test_lines(capsys):
    Lines().progress("a \x1b[1mline")
    Lines(silent=True).progress("nothing")
    assert capsys.readouterr() == ("", "a �[1mline\n")


def test_json_is_all_there_is_on_stdout(tmp_path):
    done = run_command(
        *("search.run", "--data", SAMPLE, "--trials", 2, "--max-epochs", 1, "--json"),
        *("--finals", 1, "--final-seeds", 1, "--workers", 1, "--results", tmp_path / "r"),
    )
    assert done.returncode == 0 and done.stderr == ""
    events = [json.loads(line) for line in done.stdout.splitlines()]
    kinds = [event["event"] for event in events]
    assert kinds[0] == "progress" and kinds[-1] == "result"
    assert kinds.count("trial") == 2 and kinds.count("final") == 1
    trial = next(event for event in events if event["event"] == "trial")
    stored = json.loads((tmp_path / "r" / "trials" / trial["trial_id"] / "trial.json").read_text())
    del trial["event"], stored["space"]
    assert trial == stored
    assert events[-1]["best"] == json.loads((tmp_path / "r" / "best_model.json").read_text())
