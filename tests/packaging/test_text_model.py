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
from search.evaluation.calibration import tempered
from search.network.build import build
from search.network.space import Configuration
from search.network.weights import Shape
from search.packaging.text_model import save_model, takes_temperature, text_model
from tests.compiled.test_network import pair

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
    "less sure classes": {},
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
        shape = shape_of(corpus, 3 if "classes" in name else 2)
        temperature = 1.5 if "less sure" in name else 1.0
        configuration = Configuration(embedding_dim=8, lstm_units=6, **values)
        network, fast = pair(configuration, shape)
        model = text_model(network, corpus, shape.reading(configuration), temperature)
        paths.append(tmp_path / f"{name}.keras")
        save_model(model, paths[-1])
        kept.append(model.predict(tf.constant(TEXTS), verbose=0))
        plain = fast.probabilities(read(corpus, shape.reading(configuration)))
        expected.append(tempered(plain, temperature) if temperature != 1 else plain)
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


@pytest.mark.parametrize("classes", [2, 3])
def test_a_temperature_leaves_the_network_as_it_was(corpus, classes):
    shape = shape_of(corpus, classes)
    reading = shape.reading(Configuration())
    network, _ = pair(Configuration(embedding_dim=8, lstm_units=6), shape)
    before, configuration = network.get_weights(), network.get_config()
    plain = text_model(network, corpus, reading)
    model = text_model(network, corpus, reading, 0.4)
    assert network.get_config() == configuration
    for array, value in zip(network.get_weights(), before, strict=True):
        assert np.array_equal(array, value)
    assert [layer.name for layer in model.layers] == [layer.name for layer in plain.layers]
    assert model.get_layer("embedding") is network.get_layer("embedding")
    surer, own = (m.predict(tf.constant(TEXTS), verbose=0) for m in (model, plain))
    np.testing.assert_allclose(surer, tempered(own, 0.4), atol=1e-6)
    assert np.abs(surer - own).max() > 0.01


def ending(*layers):
    """A network with these last layers."""
    ids = keras.Input((None,), dtype="int32")
    x = keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(9, 4)(ids))
    for layer in layers:
        x = layer(x)
    return keras.Model(ids, x)


def test_networks_that_take_no_temperature(corpus):
    dense = keras.layers.Dense
    assert takes_temperature(ending(dense(1, activation="sigmoid")))
    assert takes_temperature(ending(dense(3, activation="softmax", use_bias=False)))
    for others in (
        [dense(3, activation="sigmoid")],
        [dense(1, activation="softmax")],
        [dense(1, activation="tanh")],
        [dense(3), keras.layers.Softmax()],
        [dense(3, activation="softmax"), keras.layers.Dropout(0.1)],
        [dense(3, activation="softmax"), lambda x: x[:, ::-1]],  # an operation, not a layer
    ):
        network = ending(*others)
        assert not takes_temperature(network)
        reading = shape_of(corpus).reading(Configuration())
        text_model(network, corpus, reading)
        with pytest.raises(ValueError, match="last layer"):
            text_model(network, corpus, reading, 2.0)
