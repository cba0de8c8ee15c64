"""The documentation's table of KerasTuner's interface: what works, and what is said of the rest."""

import re

import keras
import keras_tuner
import numpy as np
import pytest

import search
from search.errors import SettingsError
from search.tuning.tuner import SearchTuner
from tests.conftest import ROOT, SAMPLE

PAGE = (ROOT / "docs" / "kerastuner.md").read_text(encoding="utf-8")


def build(hp):
    ids = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(20_000, hp.Choice("numbers", [4, 8]), mask_zero=True)(ids)
    x = keras.layers.LSTM(4)(x)
    model = keras.Model(ids, keras.layers.Dense(1, activation="sigmoid")(x))
    model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy")
    return model


@pytest.fixture(scope="module")
def tuner(tmp_path_factory, tune):
    settings = search.Settings(
        data=SAMPLE, trials=2, max_epochs=1, finals=0, workers=1,
        objective=keras_tuner.Objective("val_loss", "min"),
        results=tmp_path_factory.mktemp("kerastuner") / "r",
    )  # fmt: skip
    return tune(settings, search.load_corpus(settings), hypermodel=build)


def test_a_function_and_an_objective_do(tuner):
    assert tuner.settings.objective == "val_loss"
    assert {record.status for record in tuner.records.values()} == {"completed"}


def test_what_a_tuner_tells(tuner, capsys):
    [best] = tuner.get_best_hyperparameters()
    assert best.get("numbers") in (4, 8)
    [model] = tuner.get_best_models()
    assert model(np.array([[3, 4, 0]])).shape == (1, 1)
    tuner.search_space_summary()
    tuner.results_summary()
    printed = capsys.readouterr().out
    assert "numbers" in printed and "Trial 000" in printed
    assert tuner.oracle.get_best_trials(1)[0].score == pytest.approx(
        min(record.best.val_loss for record in tuner.records.values()), abs=1e-6
    )


@pytest.mark.parametrize(
    ("data", "options", "told"),
    [
        ((1, 2), {"validation_data": 3}, r"search\(x, y, validation_data=\)"),
        ((), {"epochs": 3, "callbacks": []}, r"search\(epochs=, callbacks=\)"),
    ],
)
def test_what_goes_to_fit_elsewhere_is_refused(tuner, data, options, told):
    with pytest.raises(SettingsError, match=told + ": the data are those of the corpus"):
        tuner.search(*data, **options)


def test_where_a_project_is_and_where_it_runs(tuner):
    for option in ("directory", "project_name", "distribution_strategy"):
        with pytest.raises(TypeError, match=f"unexpected keyword argument '{option}'"):
            SearchTuner(tuner.settings, tuner.study.corpus, **{option: "x"})
    assert tuner.project_dir == str(tuner.settings.results)


def test_the_table_names_methods_that_there_are():
    table = PAGE.split("| KerasTuner | here |")[1].split("\n\n")[0]
    named = re.findall(
        r"`(?:Tuner\.)?(\w+)`", "".join(row.split("|")[1] for row in table.splitlines()[2:])
    )
    for name in named:
        homes = (keras_tuner, keras_tuner.Tuner, keras_tuner.HyperModel)
        options = ["directory", "project_name", "distribution_strategy"]
        assert name in options or any(hasattr(home, name) for home in homes), name
