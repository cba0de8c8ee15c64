"""Every way a trial can fail is one row with its reason, and the search goes on."""

import pytest

import search
from search.tuning.algorithms import make_oracle
from search.tuning.oracles import GridSearch
from tests.conftest import SAMPLE, trials_of
from tests.faults.misbehaving import BEHAVIOURS, AlwaysRaises, Misbehaving, reasons

TIMEOUT = 12  # seconds


@pytest.fixture(scope="module")
def corpus():
    return search.load_corpus(search.Settings(data=str(SAMPLE)))


@pytest.fixture(scope="module")
def failed_run(tmp_path_factory, corpus):
    results = tmp_path_factory.mktemp("failures") / "results"
    settings = search.Settings(
        data=str(SAMPLE), results=results, trials=6, max_epochs=2, workers=2, trial_timeout=TIMEOUT,
        finals=0, set="ngrams=none",
    )  # fmt: skip
    said = []
    tuner = search.tune(
        settings,
        corpus,
        hypermodel=Misbehaving(),
        oracle=make_oracle("grid", trials=6, seed=0, max_epochs=2),
        warn=said.append,
    )
    assert isinstance(tuner.oracle, GridSearch)
    return tuner, said, search.conclude(tuner)


def row(outcome, behaviour):
    table = outcome.leaderboard
    return table[table["hp_behaviour"] == behaviour].iloc[0]


def test_one_row_each(failed_run):
    table = failed_run[2].leaderboard
    table = table[table["kind"] == "trial"]
    assert sorted(table["hp_behaviour"]) == sorted(BEHAVIOURS)
    assert table["status"].tolist() == ["completed"] + ["failed"] * 5
    assert table["rank"].isna().tolist() == [False] + [True] * 5


@pytest.mark.parametrize(("behaviour", "reason"), reasons(TIMEOUT).items())
def test_reasons(failed_run, behaviour, reason):
    tuner, _, outcome = failed_run
    failed = row(outcome, behaviour)
    assert failed["error"].startswith(reason)
    details = tuner.study.run.trial(failed["trial_id"]).error_file.read_text()
    assert details
    if behaviour == "raises":
        assert "misbehaving.py" in details, "the traceback of the worker"


def test_a_deadly_trial_is_blamed_and_no_other(failed_run):
    tuner, said, outcome = failed_run
    attempts = {r.values["behaviour"]: r.attempts for r in tuner.records.values()}
    assert attempts == {**dict.fromkeys(BEHAVIOURS, 1), "dies": 3, "no memory": 2}
    deadly = row(outcome, "dies")["trial_id"]
    assert sum(f"worker of trial {deadly} died" in line for line in said) == 2


def test_out_of_memory_halves_the_batch(failed_run):
    tuner, said, outcome = failed_run
    record = tuner.records[row(outcome, "no memory")["trial_id"]]
    assert record.batch_size == 32
    assert record.notes == ("out of memory with batches of 64 rows, retried with 32",)
    assert any("retried with 32" in line for line in said)


def test_a_hypermodel_of_ones_own_is_exported(failed_run):
    import keras
    import tensorflow as tf

    _, _, outcome = failed_run
    model = keras.models.load_model(outcome.model)
    assert model.predict(tf.constant(["fine", ""]), verbose=0).shape == (2, 1)
    assert outcome.best["hyperparameters"] == {"behaviour": "fine"}


def test_kerastuners_own_methods(failed_run, capsys):
    tuner, _, outcome = failed_run
    assert [hp.values for hp in tuner.get_best_hyperparameters()] == [{"behaviour": "fine"}]
    (model,) = tuner.get_best_models()
    assert model.count_params() == outcome.best["parameters"]
    tuner.results_summary(1)
    tuner.search_space_summary()
    assert "behaviour" in capsys.readouterr().out


def test_failures_alike_end_the_search(tmp_path, corpus, tune):
    settings = search.Settings(
        data=str(SAMPLE), results=tmp_path / "r", trials=20, max_epochs=1, workers=1, seed=1
    )
    with pytest.raises(search.SearchError) as caught:
        tune(settings, corpus, hypermodel=AlwaysRaises())
    assert caught.value.exit_code == 1
    assert "first 3 trials all failed alike: RuntimeError: this never works" in str(caught.value)
    assert "error.txt" in str(caught.value)
    table = trials_of(tmp_path / "r")
    assert len(table) == 3 and set(table["status"]) == {"failed"}
    assert not (tmp_path / "r" / "best_model.keras").exists()


def test_no_trial_completes(tmp_path, corpus, tune):
    settings = search.Settings(
        data=str(SAMPLE), results=tmp_path / "r", trials=2, max_epochs=1, workers=1, seed=1
    )
    tuner = tune(settings, corpus, hypermodel=AlwaysRaises())
    with pytest.raises(
        search.SearchError, match=r"none of 2 trials completed.*never works"
    ) as error:
        search.conclude(tuner)
    assert error.value.exit_code == 1
    assert not (tmp_path / "r" / "best_model.keras").exists()
    assert len(trials_of(tmp_path / "r")) == 2
