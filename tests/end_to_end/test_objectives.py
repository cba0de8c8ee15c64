"""Other objectives than the accuracy, for data whose classes are not equally frequent."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score, roc_auc_score

from search.evaluation.leaderboard import read_leaderboard
from search.packaging.classifier import load_classifier
from tests.conftest import SAMPLE, run_here, trials_of

BASE = ("search.run", "--trials", 3, "--max-epochs", 2, "--workers", 1, "--set", "ngrams=words")


@pytest.fixture(scope="module")
def unbalanced(tmp_path_factory):
    """Three quarters of the rows are negative: train, validation and test files, and a fifth."""
    folder = tmp_path_factory.mktemp("data")
    table = pd.read_csv(SAMPLE)
    negative, positive = (rows for _, rows in table.groupby("label"))
    for name, begin, end in (("train", 0, 90), ("validation", 90, 120), ("test", 120, 150)):
        rows = [negative[begin:end], positive[begin:end][: (end - begin) // 3]]
        pd.concat(rows).to_csv(folder / f"{name}.csv", index=False)
    return folder


def files(folder):
    return (
        *("--data", folder / "train.csv"),
        *("--validation", folder / "validation.csv", "--test", folder / "test.csv"),
    )


@pytest.mark.parametrize(
    "objective",
    [
        "val_f1",
        *(
            pytest.param(objective, marks=pytest.mark.slow)
            for objective in ("val_auc", "val_balanced_accuracy", "val_loss")
        ),
    ],
)
def test_an_objective_decides(unbalanced, tmp_path, objective):
    results = tmp_path / "r"
    options = ("--objective", objective, "--class-weight", "balanced", "--folds", 2)
    done = run_here(*BASE, *files(unbalanced), *options, "--results", results)
    assert done.returncode == 0, done.stderr
    assert "UNBALANCED: always guessing 'negative' has an accuracy of 75.0% on" in done.stderr
    table = trials_of(results)
    ranked = table[table["rank"].notna()]
    means = ranked["val_mean"].fillna(ranked[objective])
    finalists = means[ranked["n_folds"].notna()].to_numpy()
    order = finalists if objective == "val_loss" else -finalists
    assert (np.diff(order) >= 0).all() and len(order) == 2

    facts = json.loads((results / "best_model.json").read_text())
    assert facts["objective"] == objective
    texts = pd.read_csv(unbalanced / "test.csv")
    labels = (texts["label"] == "positive").to_numpy()
    p = load_classifier(results / "best_model.keras").score(texts["text"])[:, 0]
    assert facts["test_balanced_accuracy"] == balanced_accuracy_score(labels, p > 0.5)
    assert facts["test_f1"] == pytest.approx(f1_score(labels, p > 0.5, average="macro"))
    assert facts["test_auc"] == pytest.approx(roc_auc_score(labels, p), abs=2e-3)
    name = objective.replace("val", "test")
    low, high = facts[f"{name}_ci"]
    assert low < facts[name] < high
    assert f" (95% interval {low:.4f} to {high:.4f}, 40 rows)" in done.stdout
    assert f"{objective} " in done.stderr and "test accuracy: " in done.stdout


def test_the_f1_of_one_class_decides(unbalanced, tmp_path):
    results, base = tmp_path / "r", (*BASE, "--trials", 2)
    options = ("--objective", "val_f1", "--positive", "negative", "--finals", 0)
    done = run_here(*base, *files(unbalanced), *options, "--results", results)
    assert done.returncode == 0, done.stderr
    facts = json.loads((results / "best_model.json").read_text())

    def f1(p, split):
        texts = pd.read_csv(unbalanced / f"{split}.csv")
        negative = (texts["label"] == "negative").to_numpy()
        return texts["text"], f1_score(negative, p < 0.5)

    table = read_leaderboard(results)
    for name in ("0000", "0001"):
        p = np.load(results / "trials" / name / "validation.npy")[:, 0]
        rows = np.load(next(results.glob("cache/*/validation_rows.npy")))
        assert (np.diff(rows) > 0).all()
        said = table.set_index("trial_id")["val_f1"][name]
        assert said == pytest.approx(f1(p, "validation")[1])
    guess = table[table["trial_id"] == "most frequent class"]["val_f1"].item()
    assert guess == pytest.approx(6 / 7), "of the mean over classes it would be a half of that"
    texts, _ = f1(np.zeros(40), "test")
    p = load_classifier(results / "best_model.keras").score(texts)[:, 0]
    assert facts["test_f1"] == pytest.approx(f1(p, "test")[1])
    low, high = facts["test_f1_ci"]
    assert low <= facts["test_f1"] <= high and facts["positive"] == "negative"
    assert f"test F1 of 'negative': {facts['test_f1']:.4f} (95% " in done.stdout
    for name in ("report.html", "MODEL_CARD.md"):
        assert "--positive negative" in (results / name).read_text()
    other = run_here(*base, *files(unbalanced), *options[:2], "--results", results)
    assert other.returncode == 2 and "positive was negative, now not set" in other.stderr


def test_balanced_weights_find_more_of_the_rare_class(unbalanced, tuned, tmp_path):
    found = []
    for name, options in (("plain", ()), ("balanced", ("--class-weight", "balanced"))):
        results = tmp_path / name
        options = (*options, "--finals", 0, "--trials", 1, "--max-epochs", 3)
        tuned(*files(unbalanced), *options, "--results", results)
        p = np.load(results / "trials" / "0000" / "validation.npy")
        found.append(p.mean())
    assert found[0] < 0.35 < 0.4 < found[1] < 0.6


def test_a_run_belongs_to_its_objective(unbalanced, tuned, tmp_path):
    options = (*BASE, *files(unbalanced), "--finals", 0, "--results", tmp_path / "r")
    tuned(*options[1:], "--objective", "val_auc")
    done = run_here(*options, "--objective", "val_f1")
    assert done.returncode == 2
    assert "objective" in done.stderr and "val_auc" in done.stderr


def test_an_objective_that_cannot_be_measured(unbalanced, tmp_path):
    table = pd.read_csv(unbalanced / "test.csv")
    table[table["label"] == "negative"].to_csv(tmp_path / "test.csv", index=False)
    options = (*BASE, *files(unbalanced), "--test", tmp_path / "test.csv", "--finals", 0)
    options = (*options, "--trials", 1)
    done = run_here(*options, "--objective", "val_f1", "--results", tmp_path / "r")
    assert done.returncode == 2
    assert "no row of test is of class 'positive'" in done.stderr
    assert not (tmp_path / "r").exists()
    assert run_here(*options, "--results", tmp_path / "r").returncode == 0


@pytest.mark.parametrize("finals", [pytest.param(0, marks=pytest.mark.slow), 2])
def test_the_smallest_of_equals(tmp_path, finals):
    """On 30 validation rows one standard error is 9 points."""
    options = (
        "--data",
        SAMPLE,
        "--finals",
        finals,
        "--folds",
        2,
        "--results",
        tmp_path / "r",
    )
    done = run_here(*BASE, *options, "--prefer-small")
    assert done.returncode == 0, done.stderr
    facts = json.loads((tmp_path / "r" / "best_model.json").read_text())
    trials = trials_of(tmp_path / "r")
    score = trials["val_mean"] if finals else trials["val_accuracy"]
    best = score[0]
    near = trials[score >= best - (best * (1 - best) / 30) ** 0.5 - 0.03]
    chosen = trials.set_index("trial_id").loc[facts["trial_id"]]
    assert facts["best_trial"] == trials["trial_id"][0]
    assert chosen["parameters"] <= trials["parameters"][0]
    assert facts["trial_id"] in set(near["trial_id"])
    said = f"chosen: trial {facts['trial_id']}, the smallest within one standard error of trial"
    assert (said in done.stdout) == (facts["trial_id"] != facts["best_trial"])
