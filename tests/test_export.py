"""The exported model: what the search computed, from text, in plain Keras layers one by one."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from search.corpus.batches import padded
from search.corpus.encode import encode, learn_vocabulary
from search.corpus.store import Corpus, Split
from search.network.build import build
from search.network.space import Configuration
from search.network.weights import Shape
from search.outcome.export import save_model, text_model
from tests.test_fast import pair

TEXTS = ["a warm, FUNNY film", "dull", "", "!!!", "an unknown word", "film " * 30]
LENGTH = 12


@pytest.fixture(scope="module")
def corpus():
    texts = np.array(["a warm and funny film", "a dull film", "warm"], dtype=object)
    vocabulary, [encoded] = learn_vocabulary("whitespace", texts)
    side = Split(*encoded, np.array([1, 0, 1], np.int32), np.arange(3))
    return Corpus(side, side, side, side, ("no", "yes"), vocabulary, "whitespace", "", {})


def shape_of(corpus, classes=2):
    return Shape(len(corpus.vocabulary) + 2, classes, LENGTH)


def read(corpus, reading):
    """The ids of `TEXTS` as batches have them."""
    ids, offsets = encode(np.array(TEXTS, dtype=object), corpus.tokens, corpus.vocabulary)
    split = Split(ids, offsets, np.zeros(len(TEXTS), np.int32), np.arange(len(TEXTS)))
    return padded(split, np.arange(len(TEXTS)), reading)


CASES = {
    "max": {},
    "mean": {"pooling": "mean"},
    "last": {"pooling": "last"},
    "classes": {},
    "layers": {"layers": 2},
    "tail": {"cut": "tail", "max_length": 3},
    "both": {"cut": "both", "max_length": 3},
    "few tokens": {"vocabulary_size": 4},
}
LOAD = """
import json, sys
import keras
import tensorflow as tf
results = []
for path in json.loads(sys.argv[1]):
    model = keras.models.load_model(path)
    model.get_layer("embedding"), model.get_layer("tokens")
    results.append(model.predict(tf.constant(json.loads(sys.argv[2])), verbose=0).tolist())
assert not [m for m in sys.modules if m.split(".")[0] == "search"]
print(json.dumps(results))
"""


def test_every_kind_in_another_process(corpus, tmp_path):
    paths, expected, kept = [], [], []
    for name, values in CASES.items():
        shape = shape_of(corpus, 3 if name == "classes" else 2)
        configuration = Configuration(embedding_dim=8, lstm_units=6, **values)
        network, fast = pair(configuration, shape)
        model = text_model(network, corpus, shape.reading(configuration))
        paths.append(tmp_path / f"{name}.keras")
        save_model(model, paths[-1])
        kept.append(model.predict(tf.constant(TEXTS), verbose=0))
        expected.append(fast.probabilities(read(corpus, shape.reading(configuration))))
    arguments = [json.dumps([str(path) for path in paths]), json.dumps(TEXTS)]
    done = subprocess.run(
        [sys.executable, "-c", LOAD, *arguments],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for given, saved, wanted in zip(
        json.loads(done.stdout.splitlines()[-1]), kept, expected, strict=True
    ):
        assert np.ptp(wanted[:, 0]) > 0.01, "alike for all texts, so equality says little"
        np.testing.assert_allclose(given, wanted, atol=1e-6)
        assert np.array_equal(np.float32(given), saved)


@pytest.mark.parametrize("pooling", ["max", "mean", "last"])
def test_the_networks_layers_stand_one_by_one(corpus, pooling):
    shape = shape_of(corpus)
    configuration = Configuration(embedding_dim=8, lstm_units=6, pooling=pooling)
    network = build(configuration, shape)
    model = text_model(network, corpus, shape.reading(configuration))
    names = [layer.name for layer in model.layers]
    assert names == ["text", "tokens", *(layer.name for layer in network.layers[1:])]
    assert model.get_layer("embedding") is network.get_layer("embedding")
    assert {type(layer).__module__.split(".")[0] for layer in model.layers} == {"keras"}


def test_a_name_that_is_taken(corpus, tmp_path):
    """A network with layers called as those in front of it is put behind them in one piece."""
    shape = shape_of(corpus)
    ids = keras.Input((None,), dtype="int32", name="text")
    x = keras.layers.Embedding(shape.vocabulary_size, 4, mask_zero=True, name="tokens")(ids)
    x = keras.layers.GlobalAveragePooling1D()(x)
    network = keras.Model(ids, keras.layers.Dense(1, activation="sigmoid")(x), name="mine")
    save_model(
        text_model(network, corpus, shape.reading(Configuration())), tmp_path / "model.keras"
    )
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.get_layer("mine").get_layer("tokens").output_dim == 4
    given = loaded.predict(tf.constant(TEXTS), verbose=0)
    np.testing.assert_allclose(
        given, network(read(corpus, shape.reading(Configuration()))), atol=1e-6
    )
