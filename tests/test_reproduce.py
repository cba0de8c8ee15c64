import shlex

from typer.main import get_command

from search.outcome.reproduce import command_line
from search.run import app
from search.settings import Settings


def parsed(line):
    words = shlex.split(line)
    assert words[:3] == ["python", "-m", "search.run"]
    return get_command(app).make_context("search.run", words[3:]).params


def test_defaults_are_left_out():
    assert command_line(Settings.checked().model_dump(mode="json")) == "python -m search.run"


def test_it_is_understood_as_it_was_meant():
    changed = {
        "data": "my reviews; rm -rf.csv",
        "trials": 7,
        "seed": -3,
        "timeout": 90.0,
        "remove_leaks": True,
        "fixed": ("dropout=0.2..0.5", "batch_size={32,64}"),
        "tried_first": ("lstm_units=32,dropout=0.4",),
        "unlabelled": ("none",),
        "max_epochs": 3,
    }
    line = command_line(Settings.checked(**changed).model_dump(mode="json"))
    found = parsed(line)
    for name, value in changed.items():
        assert found[name] == (list(value) if isinstance(value, tuple) else value), name
    assert found["patience"] == Settings.checked().patience


def test_settings_of_other_versions_are_left_out():
    assert command_line({"trials": 5, "magic": 3}) == "python -m search.run --trials 5"
