"""The fast path says what stock Keras says, of any text."""

import json
import pickle
import subprocess
import sys

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import search
from search.errors import ModelError
from search.packaging.classifier import load_classifier
from search.packaging.description import describe
from search.packaging.parity import HARD, hard_texts
from search.packaging.text_model import save_model
from tests.conftest import SAMPLE, exported

OTHERS = ["плохой — ФИЛЬМ", "很好看 film 👍🏽", "nai\u0308ve ＧＲＥＡＴ", "जबरदस्त।", "ดีมาก"]
REVIEWS = pd.read_csv(SAMPLE)["text"].tolist()[:60]


@pytest.mark.parametrize(
    ("classes", "tokens", "values"),
    [
        (2, "unicode", {"networks": 3, "mixed": True, "layers": 2}),
        (5, "unicode", {"mixed": True, "cut": "both", "max_length": 7}),
        (5, "whitespace", {"pooling": "mean", "cut": "tail", "max_length": 7}),
        (3, "character", {"layers": 2, "cut": "both"}),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (
                (2, "unicode", {"cut": "tail", "max_length": 9, "vocabulary_size": 900}),
                (2, "whitespace", {}),
                (2, "whitespace", {"pooling": "last", "vocabulary_size": 90}),
            )
        ),
    ],
)
def test_as_stock_keras(tmp_path, classes, tokens, values):
    path = exported(tmp_path / "m.keras", classes, tokens, **values)
    classifier = load_classifier(path)
    texts = [*REVIEWS, *OTHERS, *hard_texts(("film", "good", "bad"), 127)]
    assert len(texts) % 32 == 0, "a batch of another size takes Keras as long as all else here"
    wanted = keras.models.load_model(path).predict(tf.constant(texts), verbose=0)
    assert np.ptp(wanted[:, 0]) > 0.05, "alike for all texts, so equality says little"
    np.testing.assert_allclose(classifier.score(texts), wanted, atol=1e-5)
    answers = classifier.classify(texts)
    names = classifier.description.class_names
    every = np.hstack([1 - wanted, wanted]) if classes == 2 else wanted
    assert answers.labels == [names[row] for row in answers.probabilities.argmax(axis=1)]
    np.testing.assert_allclose(answers.probabilities, every, atol=1e-5)
    np.testing.assert_allclose(answers.probability, every.max(axis=1), atol=1e-5)
    assert np.array_equal(answers.abstain, answers.probability < 1.2 / classes)
    assert 0 < answers.abstain.mean() < 1


@pytest.fixture(scope="module")
def both(model_file):
    return load_classifier(model_file), keras.models.load_model(model_file)


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))  # refused


@given(st.lists(TEXT, min_size=1, max_size=20))
@settings(max_examples=25, deadline=None)
def test_any_text(both, texts):
    classifier, model = both
    texts += HARD[:20]
    wanted = model.predict(tf.constant(texts), verbose=0)
    np.testing.assert_allclose(classifier.score(texts), wanted, atol=1e-5)


def test_alone_or_together_is_the_same(both):
    classifier, _ = both
    together = classifier.classify(REVIEWS)
    for row in range(10):
        alone = classifier.classify([REVIEWS[row]])
        assert alone.labels[0] == together.labels[row]
        np.testing.assert_allclose(alone.probabilities[0], together.probabilities[row], atol=1e-6)


def test_half_a_surrogate_is_no_reason_to_stop(both):
    """It is what TensorFlow, which takes no such text, is given in its place: unknown."""
    given = both[0].classify(["\ud800 fine"])
    np.testing.assert_allclose(
        given.probabilities, both[0].classify(["\ufffd fine"]).probabilities, atol=1e-6
    )


def test_tensorflow_is_not_imported(model_file):
    code = (
        "import sys; from pathlib import Path\n"
        "from search.packaging.classifier import load_classifier\n"
        "print(load_classifier(Path(sys.argv[1])).classify(['fine']).labels)\n"
        "print([m for m in ('tensorflow', 'keras', 'pandas', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(model_file)], capture_output=True, text=True, check=True
    )
    labels, heavy = done.stdout.splitlines()
    assert json.loads(labels.replace("'", '"'))[0] in ("negative", "positive")
    assert heavy == "[]"


def own_network(path, network):
    """A file whose network only Keras knows how to run."""
    save_model(network, path)
    describe(
        path,
        {
            "network": "custom", "class_names": ["a", "b", "c"], "hyperparameters": {},
            "temperature": 1.0, "abstain": None, "tokens": "whitespace",
            "vocabulary_size": 4, "max_length": 9, "cut": "head",
        },
        None,
    )  # fmt: skip
    return path


def test_a_network_of_ones_own_is_run_by_keras(tmp_path):
    text = keras.Input((), dtype="string", name="text")
    ids = keras.layers.TextVectorization(vocabulary=["good", "bad"], name="tokens")(text)
    x = keras.layers.GlobalMaxPooling1D()(keras.layers.Embedding(4, 3)(ids))
    model = keras.Model(text, keras.layers.Dense(3, activation="softmax")(x))
    classifier = load_classifier(own_network(tmp_path / "m.keras", model))
    texts = ["good", "bad bad", "x"]
    assert np.array_equal(classifier.score(texts), model.predict(tf.constant(texts), verbose=0))
    assert classifier.classify(texts).abstain is None


@keras.saving.register_keras_serializable("somebody")
class Twice(keras.layers.Layer):
    def call(self, x):
        return 2 * x


def test_layers_of_somebody_else_are_refused(tmp_path):
    text = keras.Input((), dtype="string", name="text")
    ids = keras.layers.TextVectorization(vocabulary=["good"], name="tokens")(text)
    x = Twice()(keras.layers.GlobalMaxPooling1D()(keras.layers.Embedding(4, 3)(ids)))
    with pytest.raises(ModelError, match="Twice, which is not one of Keras' own"):
        load_classifier(own_network(tmp_path / "m.keras", keras.Model(text, x)))


def test_a_results_directory_or_a_file_is_loaded(model_file):
    classifier = search.load(str(model_file.parent))
    answers = search.load(model_file).classify(REVIEWS)
    assert classifier.classes_.tolist() == ["negative", "positive"]
    assert classifier.predict(REVIEWS).tolist() == answers.labels
    np.testing.assert_array_equal(classifier.predict_proba(REVIEWS), answers.probabilities)


@pytest.mark.parametrize("kind", [list, tuple, np.array, pd.Series, iter, pd.Index])
def test_texts_in_any_sequence(both, kind):
    classifier, _ = both
    assert classifier.predict(kind(REVIEWS)).tolist() == classifier.predict(REVIEWS).tolist()


def test_no_texts_are_no_answers(both):
    assert both[0].predict([]).shape == (0,) and both[0].predict_proba([]).shape == (0, 2)


def test_unsure_answers_are_none(both):
    classifier, _ = both
    found, answers = classifier.predict(REVIEWS, abstain=True), classifier.classify(REVIEWS)
    assert [one is None for one in found] == answers.abstain.tolist()
    sure = ~answers.abstain
    assert found[sure].tolist() == classifier.predict(REVIEWS)[sure].tolist()


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ("a film", r"expected a list of texts, found one text: write \['a film'\]"),
        (None, "expected a list of texts, found NoneType"),
        (b"a film", "expected a list of texts, found bytes"),
        ({"a film"}, "expected texts in an order, found a set"),
        (["a film", None], "found None in place 1; remove rows without a text"),
        (pd.Series(["a film", None], dtype="string"), "found <NA> in place 1; remove rows"),
        (["a film", np.nan], "found nan in place 1; remove rows"),
        ([5], "found 5 in place 0$"),
        ([["a", "film"]], "found .* in place 0"),
        (pd.DataFrame({"text": REVIEWS}), r"the shape \(60, 1\); of a table take one column"),
    ],
)
def test_what_is_no_list_of_texts_is_refused(both, texts, message):
    with pytest.raises(TypeError, match=message):
        both[0].predict(texts)


def test_a_classifier_is_pickled_and_saved(both, tmp_path):
    again = pickle.loads(pickle.dumps(both[0]))
    np.testing.assert_array_equal(again.predict_proba(REVIEWS), both[0].predict_proba(REVIEWS))
    again.save(tmp_path / "copy.keras")
    with pytest.raises(ValueError, match=r"ends in .keras, found .*copy.onnx.*search.export"):
        again.save(tmp_path / "copy.onnx")
    assert not (tmp_path / "copy.onnx").exists()
    assert search.load(tmp_path / "copy.keras").description == both[0].description
    assert [path.name for path in tmp_path.iterdir()] == ["copy.keras"]


FORKED = """
import multiprocessing, search, sys
model = search.load(sys.argv[1])
print(model.predict_proba(["a warm film"]).tolist())
with multiprocessing.get_context("fork").Pool(2) as pool:
    for answer in pool.map_async(model.predict_proba, [["a warm film"]] * 2).get(timeout=60):
        print(answer.tolist())
"""


def test_in_a_fork_of_a_process_that_has_answered(model_file):
    """As multiprocessing's default and servers with a preloaded model have it."""
    done = subprocess.run(
        [sys.executable, "-c", FORKED, str(model_file)], capture_output=True, text=True, check=True
    )
    answers = done.stdout.splitlines()
    assert len(answers) == 3 and len(set(answers)) == 1
