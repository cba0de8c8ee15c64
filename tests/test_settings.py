"""Settings: what can be said, in Python as on the command line, and what is said of the rest."""

import inspect
from pathlib import Path

import pandas as pd
import pytest
from typer.main import get_command

import search
from search import Settings
from search.errors import SettingsError
from search.network.spacefile import chosen_space
from search.run import app, main, settings_of
from search.settings import duration
from search.tuning.facts import RunFacts
from tests.made import corpus_of

FRAME = pd.DataFrame({"text": ["a", "b"], "label": [0, 1]})


def test_settings_have_the_names_of_the_options():
    options = {
        option.lstrip("-").replace("-", "_")
        for parameter in get_command(app).params
        for option in parameter.opts
    }
    assert {name.rstrip("_") for name in Settings.model_fields} <= options


def test_options_have_the_defaults_of_the_settings():
    options = {name: p.default for name, p in inspect.signature(main).parameters.items()}
    assert settings_of(options) == Settings()
    given = {"set": ["dropout=0.2"], "unlabelled": ["a", "b"], "export": "onnx", "top": 7}
    found = settings_of({**options, **given})
    assert found == Settings(
        set="dropout=0.2", unlabelled=("a", "b"), export="onnx", top=7, keep=7
    ), "what is exported is kept"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"trials": 0}, "--trials: expected a number above 0, found 0"),
        ({"trials": "many"}, r"--trials: expected a valid integer.*, found 'many'"),
        ({"folds": 1}, "--folds: expected 2 or more, found 1"),
        ({"folds": 99}, "--folds: expected 20 or less, found 99"),
        ({"tuner": "best"}, r"--tuner: expected 'random'.* or 'tpe', found 'best'"),
        ({"export": "onnx,tflite"}, "--export: expected 'saved_model', .*found 'tflite'"),
        ({"timeout": "soon"}, "--timeout: expected a time above 0, .*found 'soon'"),
        ({"timeout": -1}, "--timeout: expected a number above 0, found -1"),
        ({"results": ""}, "--results: expected a directory, found ''"),
        ({"data": ""}, r"--data: expected a path, .*found ''"),
        ({"data": None}, r"--data: expected a path, .*found None"),
        ({"test": ""}, r"--test: expected a path, .*found ''"),
        ({"trails": 3}, "there is no setting 'trails'; did you mean 'trials'"),
        ({"fixed": "a=1"}, "there is no setting 'fixed'"),
        ({"data": 7}, "--data: expected a path, a DataFrame, a pair .*, found 7"),
        (
            {"data": {"text": "a"}},
            "--data: expected a path, a DataFrame.*, found {'text': 'a'}",
        ),
        ({"data": (["a"], [1, 2])}, "--data: expected a label for each of 1 text, found 2 labels"),
        ({"test": [1, 2, 3]}, "--test: expected a path, a DataFrame"),
        ({"unlabelled": 7}, "--unlabelled: expected"),
        ({"set": 7}, "--set: expected a valid tuple, found 7"),
        ({"space": {"dropout": 0.1}, "set": "dropout=0.2"}, "--space: expected .* beside --set"),
        ({"trials": 0, "keep": 0}, "--trials: .*; --keep: expected"),
    ],
)
def test_what_cannot_be_is_told_with_its_option_and_its_value(values, message):
    with pytest.raises(SettingsError, match=message) as told:
        Settings(**values)
    assert told.value.__suppress_context__ or told.value.__context__ is None


def test_times_as_on_the_command_line():
    assert Settings(timeout="30m", trial_timeout=90).timeout == duration("30m") == 1800


@pytest.mark.parametrize(
    "given",
    [
        {"set": {"dropout": (0.1, 0.5), "pooling": ["max", "mean"], "lstm_units": 32}},
        {"space": {"dropout": (0.1, 0.5), "pooling": ["max", "mean"], "lstm_units": 32}},
        {"set": ("dropout=0.1..0.5", "pooling=max,mean", "lstm_units=32")},
    ],
)
def test_a_space_may_be_a_dict(given):
    settings = Settings(**given)
    corpus = corpus_of(["good film", "bad film"] * 10, [1, 0] * 10)
    space = chosen_space(settings.space, settings.set, corpus)
    assert (space["dropout"].low, space["dropout"].high) == (0.1, 0.5)
    assert space["pooling"] == ("max", "mean") and space["lstm_units"] == 32


def test_what_is_tried_first_is_said_with_or_without_a_dict():
    wanted = ("lstm_units=32,dropout=0.4",)
    first = {"lstm_units": 32, "dropout": 0.4}
    for given in (first, [first], wanted, wanted[0]):
        assert Settings(try_=given).try_ == Settings(**{"try": given}).try_ == wanted


def test_a_record_of_data_in_memory_is_its_name():
    settings = Settings(data=FRAME, test=(["c"], [1]), unlabelled=FRAME["text"])
    plain = settings.model_dump(mode="json")
    assert plain["data"] == "<DataFrame, 2 rows>" and plain["test"] == "<texts and labels, 1 row>"
    assert plain["unlabelled"] == "<texts, 2 rows>"
    RunFacts(identity={}, settings=plain)


def test_a_record_with_impossible_settings_is_damaged():
    with pytest.raises(ValueError, match="--trials: expected"):
        RunFacts(identity={}, settings={"trials": 0})


def test_a_path_at_home(tmp_path, monkeypatch):
    """Python and quotation marks in a shell leave "~" as it is."""
    monkeypatch.setenv("HOME", str(tmp_path))
    settings = Settings(data="~/r.csv", test=Path("~/t.csv"), results="~/results")
    assert settings.results == tmp_path / "results"
    assert [settings.data, settings.test] == [str(tmp_path / "r.csv"), str(tmp_path / "t.csv")]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "~").mkdir()
    (tmp_path / "~" / "r.csv").touch()
    assert Settings(data="~/r.csv").data == "~/r.csv"  # a folder of that name comes first


def test_a_search_needs_settings_and_a_corpus():
    with pytest.raises(SettingsError, match="found list and NoneType"):
        search.tune(["text"], None)
