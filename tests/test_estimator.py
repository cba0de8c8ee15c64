"""The classifier of scikit-learn: its contract as far as texts allow, and what users do first."""

import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import psutil
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import estimator_checks

import search
from search import Settings, TextClassifier
from tests.conftest import SAMPLE

FRAME = pd.read_csv(SAMPLE)
TEXTS, LABELS = FRAME["text"], FRAME["label"]
SPACE = {"lstm_units": 16, "ngrams": "words"}
QUICK = {"trials": 1, "max_epochs": 1, "finals": 0, "workers": 1, "space": SPACE}
NUMBERS = np.where(LABELS == "positive", 7, 3)
NEW = ["a warm and funny film", "dull, and far too long"]


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """A classifier that was fitted on pandas' own numbers, and its temporary directory."""
    folder = tmp_path_factory.mktemp("temporary")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tempfile.tempdir", str(folder))
        classifier = TextClassifier(**QUICK).fit(
            TEXTS.tolist(),
            pd.Series(NUMBERS, dtype="Int64"),
            groups=[None, *(n // 3 for n in range(299))],
        )
    return classifier, folder


def workers():
    """Those that run now."""
    return [
        p for p in psutil.Process().children(recursive=True) if "spawn_main" in str(p.cmdline())
    ]


@pytest.fixture(scope="module", autouse=True)
def others():
    """Those of other tests, which are there from before the first of these to after the last."""
    return workers()


@pytest.mark.parametrize(
    "check",
    [
        estimator_checks.check_estimator_cloneable,
        estimator_checks.check_estimator_repr,
        estimator_checks.check_estimators_unfitted,
        estimator_checks.check_get_params_invariance,
        estimator_checks.check_mixin_order,
        estimator_checks.check_no_attributes_set_in_init,
        estimator_checks.check_parameters_default_constructible,
        estimator_checks.check_set_params,
        estimator_checks.check_valid_tag_types,
        estimator_checks.check_do_not_raise_errors_in_init_or_set_params,
    ],
    ids=lambda check: check.__name__,
)
def test_checks_of_scikit_learn_that_need_no_numbers(check):
    check("TextClassifier", TextClassifier())


def test_scikit_learns_own_choice_of_checks():
    with pytest.warns(Warning, match="Can't test estimator TextClassifier which requires input"):
        estimator_checks.check_estimator(TextClassifier())


def test_defaults_are_those_of_the_command():
    usual, own = Settings(), TextClassifier().get_params()
    assert own.pop("results") is None and own.pop("random_state") == usual.seed
    assert all(getattr(usual, name) == value for name, value in own.items())


def test_labels_are_given_back_as_they_were(fitted):
    classifier, _ = fitted
    assert classifier.classes_.tolist() == [3, 7] and classifier.classes_.dtype.kind == "i"
    found, every = classifier.predict(NEW), classifier.predict_proba(NEW)
    assert found.dtype == classifier.classes_.dtype and every.shape == (2, 2)
    assert found.tolist() == classifier.classes_[every.argmax(axis=1)].tolist()
    assert 0.5 < classifier.score(TEXTS, NUMBERS) <= 1
    unsure = classifier.predict(NEW, abstain=True)
    assert set(unsure.tolist()) <= {3, 7, None}
    assert classifier.explain(NEW[0]).label == found[0]


def test_what_is_known_of_it_is_there(fitted):
    classifier, _ = fitted
    assert classifier.best_params_["lstm_units"] == 16
    assert classifier.best_score_ == classifier.facts_["val_accuracy"]
    assert "0000" in set(classifier.leaderboard_["trial_id"])
    assert "no rows were kept for a test" in classifier.report_.html
    assert classifier.report_._repr_html_().startswith("<iframe")
    assert repr(classifier.report_) == "Page()"  # not 30,000 characters of HTML


def test_nothing_is_left(fitted, others):
    assert list(fitted[1].iterdir()) == []
    assert workers() == others


def test_it_is_pickled_and_saved(fitted, tmp_path):
    classifier = pickle.loads(pickle.dumps(fitted[0]))
    np.testing.assert_array_equal(classifier.predict_proba(NEW), fitted[0].predict_proba(NEW))
    classifier.model_.save(tmp_path / "m.keras")
    again = search.load(tmp_path / "m.keras")
    np.testing.assert_array_equal(again.predict_proba(NEW), fitted[0].predict_proba(NEW))
    assert again.classes_.tolist() == ["3", "7"]


def test_what_was_pickled_needs_no_tensorflow(fitted, tmp_path):
    (tmp_path / "c.pickle").write_bytes(pickle.dumps(fitted[0]))
    script = (
        "import pickle, pathlib, sys\n"
        f"found = pickle.loads(pathlib.Path({str(tmp_path / 'c.pickle')!r}).read_bytes())\n"
        f"print(found.predict({NEW!r}).tolist(), 'tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == f"{fitted[0].predict(NEW).tolist()} False" and not done.stderr


def test_a_clone_is_not_fitted(fitted):
    with pytest.raises(NotFittedError):
        clone(fitted[0]).predict(NEW)


@pytest.mark.parametrize(
    ("parameters", "X", "y", "error", "message"),
    [
        ({}, "one text", [1], TypeError, "expected a list of texts, found one text"),
        ({}, None, [1], TypeError, "found NoneType"),
        ({}, FRAME, LABELS, TypeError, "of a table take one column"),
        ({}, ["a", "b"], [1], ValueError, "found 2 texts and 1 label"),
        ({}, ["a", "b"], None, ValueError, "y to be passed"),
        ({}, ["a", "b"], ["x", None], ValueError, "a label for each text, found none in place 1"),
        ({}, ["a", "b"], ["x", np.nan], ValueError, "found none in place 1"),  # no class "nan"
        ({}, ["a", "b"], iter(["x"]), ValueError, "found 2 texts and 1 label"),
        ({}, ["a", "b"], [0.1, 0.7], ValueError, "Unknown label type"),
        ({}, ["a", "b"], np.array(["x", 1], object), ValueError, "one type, found 'x' and 1"),
        ({}, ["a", "b"], pd.array([1, None], dtype="Int64"), ValueError, "found none in place 1"),
        ({}, ["", " "], [0, 1], ValueError, "found none that is not empty"),
        ({}, TEXTS, ["x"] * 300, ValueError, "every label is 'x'; a classifier needs two classes"),
        ({}, TEXTS, [0] * 299 + [1], ValueError, "the class '1' has 1 row; at least 10"),
        ({}, TEXTS, ["x", "y" * 2001] * 150, ValueError, "label at row 2 has 2,001 characters"),
        ({"trials": 0}, TEXTS, LABELS, ValueError, "--trials: expected a number above 0, found 0"),
        ({"space": {"units": 3}}, TEXTS, LABELS, ValueError, "no hyperparameter 'units'"),
    ],
)
def test_what_cannot_be_fitted_is_told(parameters, X, y, error, message):
    with pytest.raises(error, match=message):
        TextClassifier(**parameters).fit(X, y)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"X_val": NEW}, "both X_val and y_val"),
        ({"groups": [1, 2]}, "a group for each of 300 texts, found 2 groups"),
        (
            {"X_val": NEW, "y_val": ["positive", "great"]},
            "y_val has a label that y has not: 'great'",
        ),
    ],
)
def test_validation_rows_that_cannot_be(more, message):
    with pytest.raises(ValueError, match=message):
        TextClassifier().fit(TEXTS, LABELS, **more)


@pytest.mark.slow
def test_the_same_data_go_on_in_a_directory(tmp_path):
    given = {"X_val": TEXTS[200:], "y_val": LABELS[200:], "unlabelled": ["one more text"]}
    first = TextClassifier(**QUICK, results=tmp_path / "r").fit(TEXTS[:200], LABELS[:200], **given)
    assert first.facts_["val_rows"] == 100
    again = clone(first).set_params(trials=2)
    again.fit(TEXTS[:200].tolist(), LABELS[:200].to_numpy(), **given)
    assert (again.leaderboard_["kind"] == "trial").sum() == 2
    with pytest.raises(ValueError, match="--overwrite"):
        clone(first).fit(TEXTS[:150], LABELS[:150], **given)


@pytest.mark.slow
def test_cross_validation_of_a_pipeline_leaves_nothing(tmp_path, monkeypatch, others):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    steps = make_pipeline(
        FunctionTransformer(lambda texts: texts.str.lower()), TextClassifier(**QUICK)
    )
    scores = cross_val_score(steps, TEXTS, LABELS, cv=2)
    assert scores.shape == (2,) and (scores > 0.4).all()
    assert list(tmp_path.iterdir()) == []
    assert workers() == others


INTERRUPTED = """
import os, signal, warnings, search, pandas as pd
frame = pd.read_csv({sample!r})
ended = []
def interrupt(tuner):
    if len([r for r in tuner.records.values() if r.status != "running"]) == 2 and not ended:
        ended.append(1)
        os.kill(os.getpid(), signal.SIGINT)
from search import pipeline
watch = pipeline.tune
pipeline.tune = lambda *a, watch, **k: tune(*a, watch=lambda t: (watch(t), interrupt(t)), **k)
tune = watch
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    classifier = search.TextClassifier(trials=50, max_epochs=1, finals=0, workers=1)
    classifier.fit(frame["text"], frame["label"])
print([str(one.message) for one in told if "interrupted" in str(one.message)])
print(classifier.predict(["a warm and funny film"]), len(classifier.leaderboard_))
"""


@pytest.mark.slow
def test_ctrl_c_leaves_the_best_model_so_far(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED.format(sample=str(SAMPLE))],
        capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "interrupted: this is the best model of " in done.stdout
    assert "tive']" in done.stdout
