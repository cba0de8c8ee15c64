"""A search in MLflow: runs, metrics and a model that answers; and a server that is not there."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import warnings
from importlib.util import find_spec

import numpy as np
import psutil
import pytest

import search
from search.errors import Interrupted, SettingsError
from search.tuning import places
from tests.conftest import CROSS_VALIDATED, ROOT, SAMPLE, kept, run_command, run_here
from tests.examples import QUICK, run_example
from tests.made import quick_settings
from tests.test_readme import MLFLOW

pytestmark = pytest.mark.skipif(
    find_spec("mlflow") is None, reason="needs mlflow: the extra [mlflow]"
)
TEXTS = ["a warm and funny film", "dull, and far too long"]


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # a database takes ten seconds to make
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")


def settings(path, **changes):
    store = (path.parent / "store").as_uri()
    return quick_settings(path, **{"trials": 2, "mlflow": store, **changes})


def runs(uri):
    """The client, the parent run and its children by their trial."""
    import mlflow

    client = mlflow.MlflowClient(uri)
    experiment = client.get_experiment_by_name("bilstm-search").experiment_id
    found = client.search_runs([experiment])
    [parent] = [run for run in found if "bilstm_search.id" in run.data.tags]
    children = [run for run in found if "trial_id" in run.data.tags]
    assert {run.data.tags["mlflow.parentRunId"] for run in children} <= {parent.info.run_id}
    named = {run.data.tags["trial_id"]: run for run in children}
    assert len(named) == len(children)
    return client, parent, named


def agrees(client, run, record):
    """Whether a child run says what a record says."""
    losses = client.get_metric_history(run.info.run_id, "val_loss")
    assert [(m.step, m.value) for m in losses] == [
        (epoch.epoch, pytest.approx(epoch.val_loss)) for epoch in record.history
    ]
    assert run.data.metrics["best_val_accuracy"] == pytest.approx(record.best.val_accuracy)
    assert {name: run.data.params[name] for name in record.values} == {
        name: str(value) for name, value in record.values.items()
    }
    assert (run.info.status, run.data.tags["status"]) == ("FINISHED", record.status)


def answers(uri, run, results):
    """The logged model answers as the exported one, in a process without TensorFlow."""
    code = f"""
import sys
sys.modules.update(tensorflow=None, keras=None, keras_tuner=None, sklearn=None, optuna=None)
import mlflow.pyfunc, pandas
mlflow.set_tracking_uri({uri!r})
model = mlflow.pyfunc.load_model("runs:/{run.info.run_id}/model")
found = model.predict({TEXTS!r})
print(found.columns.tolist(), *found["label"], *found["probability"])
assert model.predict(pandas.DataFrame({{"text": {TEXTS!r}}})).equals(found)
assert model.predict(pandas.Series({TEXTS!r})).equals(found)
"""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=results.parent, env=kept, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    model = search.load(results)
    every = model.predict_proba(TEXTS)
    assert "['label', 'probability', 'probability_negative', 'probability_positive']" in done.stdout
    assert re.findall(r"(?<!_)(?:posi|nega)tive(?!')", done.stdout) == model.predict(TEXTS).tolist()
    sure = [float(number) for number in re.findall(r"0\.\d+", done.stdout)]
    np.testing.assert_allclose(sure, every.max(axis=1), atol=1e-6)


def test_a_search_and_its_continuation(tmp_path, quick_corpus, tune):
    wanted = settings(tmp_path / "r")
    told = []
    tuner = tune(wanted, quick_corpus, progress=told.append)
    assert f"MLflow: {wanted.mlflow}" in told
    client, parent, children = runs(wanted.mlflow)
    assert parent.info.status == "FINISHED" and parent.data.params["tuner"] == "tpe"
    assert children.keys() == tuner.records.keys() == {"0000", "0001"}
    for name, run in children.items():
        agrees(client, run, tuner.records[name])
    [finalist] = {name.partition("-")[0] for name in tuner.study.finals}
    folds = client.get_metric_history(children[finalist].info.run_id, "fold_val_accuracy")
    assert {m.step: m.value for m in folds} == {
        number: pytest.approx(tuner.study.finals[f"{finalist}-{number}"].best.score)
        for number in (1, 2)
    }
    tuner = tune(settings(tmp_path / "r", trials=3, finals=0), quick_corpus)
    client, again, more = runs(wanted.mlflow)
    assert again.info.run_id == parent.info.run_id and again.info.status == "FINISHED"
    assert more.keys() == {"0000", "0001", "0002"}
    assert all(more[name].info.run_id == run.info.run_id for name, run in children.items())
    for name, run in more.items():
        agrees(client, run, tuner.records[name])


def test_the_model_of_a_finished_search_is_sent_once(finals_run, tmp_path, monkeypatch):
    results, uri = shutil.copytree(finals_run[0], tmp_path / "r"), (tmp_path / "store").as_uri()
    command = (*CROSS_VALIDATED, "--trials", 3, "--finals", 2, "--results", results)
    for _ in range(2):
        done = run_here(*command, "--mlflow", uri)
        assert done.returncode == 0 and "nothing to do" in done.stderr, done.stderr
        assert f"MLflow: {uri}" in done.stderr
    client, parent, children = runs(uri)
    assert len(children) == 3 and parent.info.status == "FINISHED"
    facts = json.loads((results / "best_model.json").read_text())
    assert parent.data.metrics["test_accuracy"] == pytest.approx(facts["test_accuracy"])
    assert parent.data.metrics["val_loss"] == pytest.approx(facts["val_loss"])
    assert parent.data.tags["best_trial"] == facts["trial_id"]
    assert parent.data.tags["mlflow.note.content"] == facts["verdict"]
    assert {file.path for file in client.list_artifacts(parent.info.run_id)} == {
        *("leaderboard.csv", "report.html", "MODEL_CARD.md", "best_model.json"),
    }
    assert len(client.search_logged_models([parent.info.experiment_id])) == 1
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow's own
        shown = {}
        exec(MLFLOW.replace("RUN_ID", parent.info.run_id), shown)
        found = shown["model"].predict(TEXTS)
    model = search.load(results)
    assert found["label"].tolist() == model.predict(TEXTS).tolist()
    np.testing.assert_allclose(found["probability"], model.predict_proba(TEXTS).max(axis=1))
    # The address may have a password in it.
    assert "store" not in (results / "run.json").read_text()


def test_the_example(tmp_path, monkeypatch):
    """Of its docstring; the others are run by tests/test_docstrings.py."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(places, "slots", kept)
    shutil.copy(SAMPLE, "reviews.csv")
    store = (tmp_path / "store").as_uri()
    run_example(search.MLflowTracker, {**QUICK, "http://127.0.0.1:5000": store})
    assert runs(store)[2].keys() == {"0000"}


def test_a_server_that_is_not_there(tmp_path):
    done = run_here(
        *("search.run", "--data", SAMPLE, "--results", tmp_path / "r", "--trials", 1),
        *("--mlflow", "http://me:secret@127.0.0.1:9"),
    )
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "error: --mlflow: http://…@127.0.0.1:9 cannot be used" in done.stderr
    assert "Is the tracking server running" in done.stderr and "secret" not in done.stderr
    assert not (tmp_path / "r").exists()


def test_an_address_that_is_none(tmp_path):
    with pytest.raises(SettingsError, match=r"--mlflow: htp://x cannot be used: .*unsupported URI"):
        search.MLflowTracker("htp://x")


@pytest.mark.parametrize(
    ("words", "uri"),
    [
        (["--mlflow"], ""),
        (["--mlflow", "--trials", "3"], ""),
        (["--mlflow", "sqlite:///x.db", "--trials", "3"], "sqlite:///x.db"),
        ([], None),
    ],
)
def test_the_option_may_be_without_an_address(words, uri):
    from typer.main import get_command

    from search import run

    assert get_command(run.app).make_context("search.run", words).params["mlflow"] == uri


def test_one_that_vanishes_is_told_once_and_caught_up_with(tmp_path, quick_corpus, tune):
    store, said = tmp_path / "store", []

    class Vanishes:
        def after_epoch(self, tuner, record):
            if not (tmp_path / "away").exists():
                store.rename(tmp_path / "away")

    wanted = settings(tmp_path / "r", trials=3, finals=0, mlflow=store.as_uri())
    tuner = tune(wanted, quick_corpus, callbacks=[Vanishes()], warn=said.append)
    assert len(tuner.records) == 3
    (sentence,) = (one for one in said if "MLflow" in one)
    assert "the search continues. What is missing is sent when it answers again" in sentence
    assert search.conclude(tuner).model.is_file()
    assert len([one for one in said if "MLflow" in one]) == 1
    shutil.rmtree(store, ignore_errors=True)  # MLflow may have been writing just then
    (tmp_path / "away").rename(store)
    tuner = tune(wanted, quick_corpus)
    client, parent, children = runs(wanted.mlflow)
    assert parent.info.status == "FINISHED" and len(children) == 3
    for name, run in children.items():
        agrees(client, run, tuner.records[name])


def test_a_search_that_is_stopped_and_resumed(tmp_path, quick_corpus, tune):
    wanted = settings(tmp_path / "r", max_epochs=3, reduction=1, finals=0)

    class Stops:
        def after_epoch(self, tuner, record):
            if record.trial_id == "0001":
                os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted):
        tune(wanted, quick_corpus, callbacks=[Stops()], warn=lambda message: None)
    _, parent, children = runs(wanted.mlflow)
    assert parent.info.status == children["0001"].info.status == "KILLED"
    assert children["0000"].info.status == "FINISHED"
    tuner = tune(wanted, quick_corpus)
    client, again, more = runs(wanted.mlflow)
    assert again.info.run_id == parent.info.run_id and again.info.status == "FINISHED"
    assert more["0001"].info.run_id == children["0001"].info.run_id
    for name, run in more.items():
        agrees(client, run, tuner.records[name])


@contextlib.contextmanager
def server(folder, port):
    """A tracking server of a process of its own."""
    started = subprocess.Popen(
        [
            *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)),
            *("--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}", "--workers", "1"),
            *("--artifacts-destination", str(folder / "artifacts")),
        ],
        cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    processes = [started]
    try:
        until = time.monotonic() + 180
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
                break
            except OSError:
                assert started.poll() is None and time.monotonic() < until
                time.sleep(0.5)
        yield f"http://127.0.0.1:{port}"
    finally:
        processes += psutil.Process(started.pid).children(recursive=True)
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        started.wait()


@pytest.mark.slow
def test_a_real_server(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    results = tmp_path / "r"
    command = ["search.run", "--data", SAMPLE, "--results", results, "--max-epochs", 2]
    command += ["--workers", 1, "--finals", 1, "--folds", 2, "--mlflow", f"http://127.0.0.1:{port}"]
    with server(tmp_path, port) as uri:
        done = run_command(*command, "--trials", 2)
        assert done.returncode == 0, done.stderr
        _, parent, children = runs(uri)
        assert f"MLflow: {uri}/#/experiments/1/runs/{parent.info.run_id}" in done.stderr
        assert "View run" not in done.stdout and "INFO" not in done.stderr
        assert children.keys() == {"0000", "0001"} and parent.info.status == "FINISHED"
        answers(uri, parent, results)
    done = run_command(*command, "--trials", 3)
    assert done.returncode == 2 and f"error: --mlflow: {uri} cannot be used" in done.stderr
    with server(tmp_path, port) as uri:
        done = run_command(*command, "--trials", 3)
        assert done.returncode == 0, done.stderr
        client, again, more = runs(uri)
        assert again.info.run_id == parent.info.run_id and len(more) == 3
        assert len(client.search_logged_models([again.info.experiment_id])) in (1, 2)


@pytest.mark.slow
def test_a_real_server_that_is_killed(tmp_path, quick_corpus):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    said = []
    with contextlib.ExitStack() as running:
        uri = running.enter_context(server(tmp_path, port))

        class Kills:
            def after_epoch(self, tuner, record):
                running.close()

        wanted = settings(tmp_path / "r", trials=4, mlflow=uri)
        begun = time.monotonic()
        tuner = search.tune(wanted, quick_corpus, callbacks=[Kills()], warn=said.append)
    assert time.monotonic() - begun < 120
    assert len(tuner.records) == 4 and search.conclude(tuner).model.is_file()
    assert len([one for one in said if "MLflow" in one]) == 1
    with server(tmp_path, port):
        tuner = search.tune(wanted, quick_corpus)
        client, _, children = runs(uri)
        assert len(children) == 4
        for name, run in children.items():
            agrees(client, run, tuner.records[name])
