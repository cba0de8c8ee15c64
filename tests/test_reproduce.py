import shlex

from search.reproduce import command_line
from search.settings import Settings
from tests.conftest import settings_of

USUAL = Settings()


def parsed(line):
    """The settings that the search would be run with."""
    words = shlex.split(line)
    assert words[:3] == ["python", "-m", "search.run"]
    return settings_of(*words[3:])


def test_defaults_are_left_out():
    assert command_line(USUAL.model_dump(mode="json")) == "python -m search.run"


def test_any_settings_make_a_command_that_makes_them():
    settings = Settings(
        data="my reviews; rm -rf.csv", text_column="it's", unlabelled=("a.txt", "b.txt"), trials=7,
        seed=-3, remove_leaks=True, set=("dropout=0.2..0.5", "batch_size={32,64}"), keep=9,
        try_=("lstm_units=32,dropout=0.4",), top=2, export=("onnx", "saved_model"),
        finals=0, validation="v.csv", test="t.csv", max_parameters=9, reduction=1, space="wide",
        results="r", timeout=90.5, objective="val_auc", class_weight="balanced",
        prefer_small=True, tensorboard=True,
    )  # fmt: skip
    assert parsed(command_line(settings.model_dump(mode="json"))) == settings


def test_settings_of_other_versions_are_left_out():
    assert command_line({"trials": 5, "magic": 3}) == "python -m search.run --trials 5"
