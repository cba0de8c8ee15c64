"""Other scripts, emoji, several classes, folders: each from file to loaded model."""

import json

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from search.corpus.encode import OOV, encode
from search.packaging.modelfile import ModelFile
from tests.conftest import FIXTURES, SAMPLE, run_here


def search_and_load(data, results, *options):
    done = run_here(
        *("search.run", "--data", data, "--trials", 1, "--max-epochs", 2, "--workers", 1),
        *("--finals", 0, "--results", results, *options),
    )
    assert done.returncode == 0, done.stderr
    facts = json.loads((results / "best_model.json").read_text(encoding="utf-8"))
    return keras.models.load_model(results / "best_model.keras"), facts


@pytest.mark.parametrize(
    ("fixture", "names", "text"),
    [
        pytest.param(
            *("german", ["gut", "schlecht"], "Schöner Film, großes Kino!"), marks=pytest.mark.slow
        ),
        ("japanese", ["悪い", "良い"], "とても良い映画だった。"),
        pytest.param(*("emoji", ["😀", "😡"], "😀😀😀"), marks=pytest.mark.slow),
    ],
)
def test_other_scripts(tmp_path, fixture, names, text):
    model, facts = search_and_load(FIXTURES / f"{fixture}.csv", tmp_path / "r")
    assert facts["class_names"] == names
    known = ModelFile(tmp_path / "r" / "best_model.keras").vocabulary()
    assert (encode([text], known)[0] > OOV).any() or fixture == "emoji", "every token is unknown"
    p = model.predict(tf.constant([text, ""]), verbose=0)
    assert p.shape == (2, 1) and ((p > 0) & (p < 1)).all()


def test_five_classes(tmp_path):
    frame = pd.read_csv(SAMPLE)
    stars = frame.index % 3 + (frame["label"] == "positive") * 2 + 1
    pd.DataFrame({"review": frame["text"], "stars": stars.astype(float)}).to_csv(
        tmp_path / "stars.tsv", sep="\t", index=False
    )
    finals = ("--finals", 1, "--folds", 2, "--set", "ngrams=words")
    model, facts = search_and_load(tmp_path / "stars.tsv", tmp_path / "r", *finals)
    assert facts["class_names"] == ["1", "2", "3", "4", "5"]
    p = model.predict(tf.constant(["a warm and funny film", "dull"]), verbose=0)
    assert p.shape == (2, 5)
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-5)


def test_folder_with_own_validation_and_test_files(tuned, tmp_path):
    frame = pd.read_csv(SAMPLE)
    for number, row in frame.iterrows():
        folder = tmp_path / "reviews" / row["label"]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.txt").write_text(row["text"], encoding="utf-8")
    frame[:40].to_csv(tmp_path / "validation.csv", index=False)
    frame[40:100].rename(columns={"text": "body"}).to_json(
        tmp_path / "test.jsonl", orient="records", lines=True
    )
    tuner = tuned(
        *("--data", tmp_path / "reviews", "--results", tmp_path / "r"),
        *("--validation", tmp_path / "validation.csv", "--test", tmp_path / "test.jsonl"),
        *("--trials", 1, "--max-epochs", 1, "--finals", 0),
    )
    corpus = tuner.study.corpus
    assert [len(split) for split in (corpus.train, corpus.validation, corpus.test)] == [300, 40, 60]
    assert tuner.records["0000"].status == "completed"
