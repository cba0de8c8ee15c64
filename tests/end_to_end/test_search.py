"""What a user does: search, read the table, load the model somewhere else."""

import json
import re
import subprocess
import sys
from functools import partial

import keras
import numpy as np
import pandas as pd
import pytest

import search
from search.corpus.reading import read_splits
from search.evaluation.leaderboard import COLUMNS
from search.network.space import Configuration
from search.network.weights import parameters
from search.packaging.classifier import load_classifier
from search.settings import Settings
from tests.conftest import (
    SAMPLE,
    loaded,
    processor_time,
    run_command,
    run_here,
    settings_of,
    trials_of,
)
from tests.end_to_end.own_network import Renamed, TwoLayers

TIMES = ["train_seconds", "started_at"]


def recorded_settings(results):
    return Settings(**json.loads((results / "run.json").read_text())["settings"])


def test_leaderboard(sample_run):
    results = sample_run[0]
    whole = pd.read_csv(results / "leaderboard.csv")
    assert sorted(whole["rank"]) == list(range(1, 14))
    assert whole["selected"].tolist() == [True] + [False] * 12
    assert whole["kind"].value_counts().to_dict() == {"baseline": 8, "trial": 4, "ensemble": 1}
    assert int(whole.iloc[0].hp_lstm_units) > 0 and whole.iloc[0].kind == "ensemble"
    others = whole.iloc[1:]["rank"]
    assert others.is_monotonic_increasing
    names = {"most frequent class", "all n-grams"}
    for name in ("TF-IDF", "NB-weighted"):
        names |= {name, f"{name}, stems", f"{name}, characters"}
    assert set(whole[whole["kind"] == "baseline"]["trial_id"]) == names
    table = trials_of(results)
    assert list(table.columns) == [
        *COLUMNS,
        *("hp_embedding_dim", "hp_lstm_units", "hp_dropout", "hp_learning_rate", "hp_batch_size"),
        "error",
    ]
    assert (table["hp_batch_size"] == 8).all(), "few rows, small batches"
    assert set(table["status"]) <= {"completed", "pruned"}
    assert table["val_accuracy"].is_monotonic_decreasing
    assert (table["val_accuracy_ci_low"] < table["val_accuracy"]).all()
    assert (table["val_accuracy_ci_high"] > table["val_accuracy"]).all()
    assert (table["train_seconds"] > 0).all()
    typed = search.read_leaderboard(results)
    assert {"0000", "0001", "0002", "0003"} < set(typed["trial_id"])
    assert str(typed["rank"].dtype) == "Int64"


def test_console(sample_run):
    results, stdout, stderr = sample_run
    best = json.loads((results / "best_model.json").read_text())
    assert re.match(r" *rank +val_accuracy +trial_id +kind", stdout), "a score in 40 columns"
    assert f"out-of-fold accuracy: {best['val_accuracy']:.4f}" in stdout
    assert (
        f"\nhyperparameters: embedding_dim {best['hyperparameters']['embedding_dim']}, " in stdout
    )
    assert "test accuracy: " in stdout
    assert str(results / "leaderboard.csv") in stdout
    assert str(results / "best_model.keras") in stdout
    # A line whenever one ends: one that was stopped may go on, and ends again.
    assert len(set(re.findall(r"^\[\d/4\] trial (\d+): ", stderr, re.MULTILINE))) == 4
    assert "Traceback" not in stderr
    assert "oneDNN" not in stderr and "cuda" not in stderr.lower(), "TensorFlow is not silenced"


def test_the_files_and_no_others(sample_run):
    results = sample_run[0]
    names = {p.name for p in results.iterdir()}
    assert names == {
        *("leaderboard.csv", "best_model.keras", "best_model.json", "run.json"),
        *("audit.json", "errors.csv", "slices.csv", "report.html", "MODEL_CARD.md"),
        *("trials", "cache", ".lock", "artefacts.json"),
    }
    table = trials_of(results)  # one that was stopped has its state too, while it may go on
    folder = results / "trials" / table.loc[table["status"] == "completed", "trial_id"].iloc[0]
    assert {p.name for p in folder.iterdir()} == {
        *("trial.json", "history.csv", "best.npz", "validation.npy"),
    }
    history = pd.read_csv(folder / "history.csv")
    assert list(history) == ["epoch", "loss", "val_loss", "val_accuracy", "seconds"]


LOAD = """
import json, sys
import keras
import tensorflow as tf
try:
    import search
except ModuleNotFoundError:
    pass
else:
    raise SystemExit("search can be imported")
model = keras.models.load_model(sys.argv[1])
p = model.predict(tf.constant(json.loads(sys.argv[2])), verbose=0)
print(json.dumps([type(l).__module__.split(".")[0] for l in model.layers]))
print(json.dumps(p.tolist()))
"""


def test_model_loads_without_this_package(sample_run, tmp_path):
    results = sample_run[0]
    texts = ["a warm and funny film", "dull, and far too long", "", "!!!", "日本 😀", "word " * 900]
    # -S leaves out the editable install of this package; the libraries are put back by hand.
    libraries = next(p for p in sys.path if p.endswith("site-packages"))
    done = subprocess.run(
        [
            *(sys.executable, "-S", "-c", f"import sys; sys.path.append({libraries!r})\n" + LOAD),
            *(str(results / "best_model.keras"), json.dumps(texts)),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    modules, given = (json.loads(line) for line in done.stdout.splitlines()[-2:])
    assert set(modules) == {"keras"}
    given = np.array(given)
    assert given.shape == (6, 1)
    wanted = load_classifier(results / "best_model.keras").score(texts)
    np.testing.assert_allclose(given, wanted, atol=1e-5)


def test_recorded_accuracy_is_the_files(sample_run):
    results = sample_run[0]
    facts = json.loads((results / "best_model.json").read_text())
    rows = read_splits(recorded_settings(results))["test"]
    p = loaded(results / "best_model.keras")(rows.texts.tolist())[:, 0]
    accuracy = float(((p > 0.5) == (rows.labels == 1)).mean())
    assert facts["test_accuracy"] == pytest.approx(accuracy, abs=1e-6)
    assert facts["test_rows"] == len(rows.texts)


def test_best_model_says_what_it_is(sample_run):
    results = sample_run[0]
    facts = json.loads((results / "best_model.json").read_text())
    best = trials_of(results).iloc[0]
    assert facts["trial_id"] == best["trial_id"]
    assert facts["val_accuracy_networks"] == best["val_accuracy"], "out of fold, of one network"
    assert facts["class_names"] == ["negative", "positive"]
    assert facts["output"] == "probability of 'positive', shape (texts, 1)"
    assert facts["hyperparameters"]["lstm_units"] == best["hp_lstm_units"]
    assert facts["seed"] == 7


def test_the_seeds_shape_is_there(sample_run):
    model = keras.models.load_model(sample_run[0] / "best_model.keras")
    kinds = [type(layer).__name__ for layer in model.layers]
    order = ["TextVectorization", "Embedding", "Bidirectional", "Dense"]
    assert [kind for kind in dict.fromkeys(kinds) if kind in order] == order
    assert type(model.get_layer("bilstm").forward_layer) is keras.layers.LSTM


SAME_SEED = ("--data", SAMPLE, "--trials", 3, "--max-epochs", 2, "--seed", 7)
SAME_SEED = (*SAME_SEED, "--finals", 1, "--folds", 2)


def test_same_seed_same_trials(tmp_path, tune):
    """With any number of workers."""
    tables = []
    for count, by in ((1, tune), (2, search.tune)):
        options = (*SAME_SEED, "--tuner", "random", "--reduction", 1, "--workers", count)
        settings = settings_of(*options, "--results", tmp_path / str(count))
        by(settings, search.load_corpus(settings))
        tables.append(trials_of(tmp_path / str(count)).drop(columns=TIMES))
    pd.testing.assert_frame_equal(*tables, check_exact=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "workers"),
    [(("--tuner", "random", "--reduction", 1), (1, 2)), ((), (1, 1))],
    ids=["any number of workers", "one worker, where results decide"],
)
def test_same_seed_same_table(tmp_path, options, workers):
    tables = []
    for number, count in enumerate(workers):
        results = tmp_path / str(number)
        done = run_here(
            *("search.run", *SAME_SEED, "-q", *options),
            *("--workers", count, "--results", results),
        )
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        tables.append(pd.read_csv(results / "leaderboard.csv").drop(columns=TIMES))
    pd.testing.assert_frame_equal(*tables, check_exact=True)


def test_continuing(tmp_path):
    """Finished is a no-op, more trials extend, other settings are refused, --overwrite restarts."""
    results = tmp_path / "r"
    base = ("search.run", "--data", SAMPLE, "--max-epochs", 1, "--results", results)
    base = (*base, "--workers", 1, "--finals", 0, "--set", "ngrams=none")
    first = run_here(*base, "--trials", 2)
    assert first.returncode == 0, first.stderr
    model = (results / "best_model.keras").stat()
    created = json.loads((results / "best_model.json").read_text())["created_at"]

    again = run_here(*base, "--trials", 2)
    assert again.returncode == 0
    assert "nothing to do" in again.stderr and "already has 2 trials" in again.stderr
    assert again.stdout == first.stdout
    assert (results / "best_model.keras").stat().st_mtime_ns == model.st_mtime_ns
    assert json.loads((results / "best_model.json").read_text())["created_at"] == created

    more = run_here(*base, "--trials", 3, "--keep", 1)
    assert more.returncode == 0, more.stderr
    assert len(trials_of(results)) == 3
    assert more.stderr.count("\n[") == 1

    other = run_here(*base, "--trials", 3, "--seed", 5, "--set", "batch_size=32")
    assert other.returncode == 2
    assert "space.batch_size was 8, now 32" in other.stderr
    assert "seed was 0, now 5" in other.stderr
    assert "--overwrite" in other.stderr and "--results" in other.stderr
    assert len(trials_of(results)) == 3

    anew = run_here(*base, "--trials", 1, "--seed", 5, "--overwrite")
    assert anew.returncode == 0, anew.stderr
    assert len(trials_of(results)) == 1
    (moved,) = (results / "previous").iterdir()
    assert len(trials_of(moved)) == 3
    assert (moved / "best_model.keras").is_file()


@pytest.mark.parametrize(
    "tuner",
    [*(pytest.param(t, marks=pytest.mark.slow) for t in ("grid", "bayesian")), "hyperband"],
)
def test_every_algorithm(tuned, tmp_path, tuner):
    tuned(
        *("--data", SAMPLE, "--trials", 5, "--max-epochs", 2, "--tuner", tuner),
        *("--finals", 1, "--folds", 2, "--results", tmp_path / "r"),
    )
    table = trials_of(tmp_path / "r")
    assert len(table) == 5 and set(table["status"]) <= {"completed", "pruned"}


def test_help_is_quick():
    asked = partial(run_command, "search.run", "--help")
    assert asked().returncode == 0
    assert min(processor_time(asked) for _ in range(2)) < 0.5


def test_help_imports_nothing_heavy():
    code = "import sys, search.run; print([m for m in sys.modules if m in HEAVY])"
    heavy = "{'tensorflow', 'keras', 'pandas', 'numpy', 'sklearn', 'keras_tuner'}"
    done = subprocess.run(
        [sys.executable, "-c", code.replace("HEAVY", heavy)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


def test_every_option_has_help():
    from typer.main import get_command

    from search.run import app

    for parameter in get_command(app).params:
        assert getattr(parameter, "help", None), f"{parameter.name} has no help"


def test_version_and_names_are_public():
    for name in search.__all__:
        assert getattr(search, name) is not None
    with pytest.raises(AttributeError):
        _ = search.no_such_name


@pytest.mark.slow  # its fast representative is test_a_subclass_is_trained_by_keras
def test_a_network_of_ones_own_with_the_fast_layer(tmp_path):
    """It is trained with FastLSTM; what is exported loads where this package is not."""
    settings = search.Settings(
        data=str(SAMPLE), results=tmp_path / "results", trials=1, max_epochs=1, workers=1
    )
    tuner = search.tune(settings, search.load_corpus(settings), hypermodel=TwoLayers())
    outcome = search.conclude(tuner)
    assert outcome.best["parity"] < 1e-5
    code = (
        "import sys, keras, tensorflow as tf\n"
        "model = keras.models.load_model(sys.argv[1])\n"
        "assert [type(layer).__name__ for layer in model.layers].count('Bidirectional') == 2\n"
        "assert not [m for m in sys.modules if m.split('.')[0] == 'search']\n"
        "print(model.predict(tf.constant(['a fine film', '']), verbose=0).shape)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(outcome.model)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "(2, 1)"


def test_word_features_are_what_the_embeddings_start_from(tuned, tmp_path):
    """Learned once from the training texts; other settings make other trials."""
    losses = {}
    for init in ("words", "neighbours", "random"):
        results = tmp_path / init
        options = ("--data", SAMPLE, "--trials", 1, "--max-epochs", 1, "--finals", 0)
        tuned(*options, "--set", f"embedding_init={init}", "--results", results)
        table = trials_of(results)
        losses[init] = table["val_loss"][0]
        assert len(list(results.glob("cache/*-features.npy"))) == (init != "random")
        assert table["hp_embedding_init"][0] == init
    assert len(set(losses.values())) == 3
    done = run_here(
        *("search.run", "--data", SAMPLE, "--trials", 1, "--max-epochs", 1),
        *("--set", "embedding_init=random", "--finals", 0, "--results", tmp_path / "words"),
    )
    assert done.returncode == 2
    assert 'space.embedding_init was "words", now "random"' in done.stderr


def test_further_texts(tuned, tmp_path):
    """A model knows their words; without them it would be another run."""
    more = tmp_path / "more.txt"
    more.write_text("a zyzzyva of a film\n\nno zyzzyva at all\n", encoding="utf-8")
    base = ("search.run", "--data", SAMPLE, "--trials", 1, "--max-epochs", 1, "--workers", 1)
    options = (*base, "--finals", 0, "--results", tmp_path / "results", "--unlabelled")
    corpus = tuned(*options[1:], more).study.corpus
    assert corpus.facts["rows"]["unlabelled"] == 2
    assert "zyzzyva" in corpus.vocabulary and "zyzzyvas" not in corpus.vocabulary
    assert tuned(*options[1:], more).study.epochs_trained == 0
    without = run_here(*options, "none")
    assert without.returncode == 2 and "data_fingerprint was" in without.stderr


def test_a_subclass_is_trained_by_keras(tune, tmp_path):
    """As everything is on a machine with a GPU."""
    settings = search.Settings(
        data=str(SAMPLE), results=tmp_path / "results", trials=1, max_epochs=1, workers=1, seed=7,
        finals=0, set="ngrams=none",
    )  # fmt: skip
    corpus = search.load_corpus(settings)
    size = len(corpus.vocabulary) + 2
    tuner = tune(settings, corpus, hypermodel=Renamed(size, 2, 400))
    assert not tuner.compiled
    outcome = search.conclude(tuner)
    assert outcome.best["parity"] < 1e-5
    (record,) = tuner.records.values()
    assert record.parameters == parameters(Configuration.of(record.values), tuner.study.shape)
