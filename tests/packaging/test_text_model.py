"""The exported model: what the search computed, from text, in plain Keras layers one by one."""

import itertools

import keras
import keras_tuner
import numpy as np
import pytest
import tensorflow as tf

from search.corpus.batches import padded
from search.corpus.store import Split
from search.corpus.tokens import hashed, token_hashes
from search.evaluation.calibration import tempered
from search.network.adopted import built
from search.network.build import build
from search.network.hypermodel import SentimentHyperModel
from search.network.space import Configuration
from search.network.weights import Shape
from search.packaging.parity import HARD, LONG, started
from search.packaging.text_model import save_model, takes_temperature, text_model
from tests.compiled.test_network import pair
from tests.packaging.random_models import some_mixture

TEXTS = ["a warm, FUNNY film", "dull", "", "!!!", "an unknown word", "film " * 30, "ТЁПЛЫЙ «фильм»"]
VOCABULARY = ("a", "film", "warm", "dull", "funny", "and", "те\u0308плыи\u0306", "фильм")
LENGTH = 12


def shape_of(classes=2):
    return Shape(len(VOCABULARY) + 2, classes, LENGTH)


def read(texts, input_config, vocabulary=VOCABULARY):
    """The ids of texts as batches have them."""
    hashes, offsets = hashed(texts)
    numbers = {h: number for number, h in enumerate(token_hashes(vocabulary).tolist(), 2)}
    rows = [
        [numbers.get(h, 1) for h in hashes[begin:end].tolist()] or [1]
        for begin, end in itertools.pairwise(offsets)
    ]
    ends = np.cumsum([0, *map(len, rows)])
    every = np.arange(len(texts))
    split = Split(np.concatenate(rows).astype(np.int32), ends, np.zeros_like(every), every)
    return padded(split, every, input_config)


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


@pytest.mark.parametrize(
    "names", [("both", "less sure classes"), pytest.param(CASES, marks=pytest.mark.slow)]
)
def test_in_another_process(tmp_path, names):
    """Which knows nothing of this project: `search.packaging.runtimes`."""
    for name in names:
        values = CASES[name]
        shape = shape_of(3 if "classes" in name else 2)
        temperature = 1.5 if "less sure" in name else 1.0
        configuration = Configuration(embedding_dim=8, lstm_units=6, **values)
        network, fast = pair(configuration, shape)
        input_config = shape.input_config(configuration)
        model = text_model([network], VOCABULARY, input_config, temperature=temperature)
        model.get_layer("embedding"), model.get_layer("characters")
        path = tmp_path / f"{name}.keras"
        save_model(model, path)
        request = {"do": "run", "format": "keras", "path": str(path)}
        given = started().ask(**request, texts=TEXTS, timed=1, seconds=0)["probabilities"]
        plain = fast.probabilities(read(TEXTS, input_config))
        wanted = tempered(plain, temperature) if temperature != 1 else plain
        assert np.ptp(wanted[:, 0]) > 0.004, "alike for all texts, so equality says little"
        np.testing.assert_allclose(given, wanted, atol=1e-6)
        assert np.array_equal(np.float32(given), model.predict(tf.constant(TEXTS), verbose=0))


@pytest.mark.parametrize(
    ("classes", "count"),
    [*(pytest.param(2, count, marks=pytest.mark.slow) for count in (1, 3)), (4, 2)],
)
def test_a_mixture(tmp_path, classes, count):
    """Of one network or several, and of n-gram models: as in Python."""
    configuration, shape = Configuration(embedding_dim=8, lstm_units=6), shape_of(classes)
    networks, fast = zip(*(pair(configuration, shape, seed) for seed in range(count)), strict=True)
    mixture, input_config = some_mixture(classes), shape.input_config(configuration)
    save_model(text_model(networks, VOCABULARY, input_config, mixture), tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    texts = [*TEXTS, *HARD, *LONG]
    ids = read(texts, input_config)
    mean = np.mean([network.probabilities(ids) for network in fast], axis=0)
    together = {"batch_size": len(texts), "verbose": 0}  # Keras traces a model for each size
    given = loaded.predict(tf.constant(texts), **together)
    np.testing.assert_allclose(given, mixture.probabilities(mean, texts), atol=1e-5)
    assert np.abs(given - mean).max() > 0.1
    averaged = text_model(networks, VOCABULARY, input_config).predict(
        tf.constant(texts), **together
    )
    np.testing.assert_allclose(averaged, mean, atol=1e-6)


def test_two_mixed_models_of_one_kind_and_none():
    configuration, shape = Configuration(embedding_dim=8, lstm_units=6), shape_of()
    network, fast = pair(configuration, shape)
    input_config = shape.input_config(configuration)
    plain = fast.probabilities(read(TEXTS, input_config))
    for kinds in ((), ("words", "words")):
        mixture = some_mixture(2, 3, kinds)
        model = text_model([network], VOCABULARY, input_config, mixture)
        given = model.predict(tf.constant(TEXTS), verbose=0)
        np.testing.assert_allclose(given, mixture.probabilities(plain, TEXTS), atol=1e-5)


@pytest.mark.parametrize("pooling", ["max", "mean", "last"])
def test_the_networks_layers_stand_one_by_one(pooling):
    shape = shape_of()
    configuration = Configuration(embedding_dim=8, lstm_units=6, pooling=pooling)
    network = build(configuration, shape)
    model = text_model([network], VOCABULARY, shape.input_config(configuration))
    names = [layer.name for layer in model.layers]
    own = [layer.name for layer in network.layers[1:]]
    before = [name for name in names if name not in own]
    assert names == [*before, *own]
    assert before[:3] == ["text", "characters", "folds"] and "vocabulary" in before
    assert model.get_layer("embedding") is network.get_layer("embedding")
    assert {type(layer).__module__.split(".")[0] for layer in model.layers} == {"keras"}


def test_a_name_that_is_taken(tmp_path):
    """A network with layers called as those in front of it is put behind them in one piece."""
    shape = shape_of()
    ids = keras.Input((None,), dtype="int32", name="text")
    x = keras.layers.Embedding(shape.vocabulary_size, 4, mask_zero=True, name="folds")(ids)
    x = keras.layers.GlobalAveragePooling1D()(x)
    network = keras.Model(ids, keras.layers.Dense(1, activation="sigmoid")(x), name="mine")
    save_model(
        text_model([network], VOCABULARY, shape.input_config(Configuration())),
        tmp_path / "model.keras",
    )
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.get_layer("mine").get_layer("folds").output_dim == 4
    given = loaded.predict(tf.constant(TEXTS), verbose=0)
    np.testing.assert_allclose(
        given, network(read(TEXTS, shape.input_config(Configuration()))), atol=1e-6
    )


@pytest.mark.parametrize("classes", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_a_temperature_leaves_the_network_as_it_was(classes):
    shape = shape_of(classes)
    input_config = shape.input_config(Configuration())
    network, _ = pair(Configuration(embedding_dim=8, lstm_units=6), shape)
    before, configuration = network.get_weights(), network.get_config()
    plain = text_model([network], VOCABULARY, input_config)
    model = text_model([network], VOCABULARY, input_config, temperature=0.4)
    assert network.get_config() == configuration
    for array, value in zip(network.get_weights(), before, strict=True):
        assert np.array_equal(array, value)
    assert [layer.name for layer in model.layers] == [layer.name for layer in plain.layers]
    assert model.get_layer("embedding") is network.get_layer("embedding")
    surer, own = (m.predict(tf.constant(TEXTS), verbose=0) for m in (model, plain))
    np.testing.assert_allclose(surer, tempered(own, 0.4), atol=1e-6)
    assert np.abs(surer - own).max() > 0.01


@pytest.mark.parametrize(("policy", "floatx"), [("mixed_float16", "float32"), ("float64",) * 2])
def test_it_computes_in_single_precision_whatever_the_process_prefers(policy, floatx):
    """A notebook that has set a policy for its other models keeps it."""
    before = keras.config.dtype_policy(), keras.config.floatx()
    keras.config.set_floatx(floatx)
    keras.config.set_dtype_policy(policy)
    try:
        shape = shape_of()
        network = built(SentimentHyperModel(len(VOCABULARY) + 2), keras_tuner.HyperParameters())
        input_config = shape.input_config(Configuration())
        model = text_model([network], VOCABULARY, input_config, some_mixture(2))
        assert {variable.dtype for variable in network.trainable_variables} == {"float32"}
        computed = {layer.compute_dtype for layer in model.layers}
        assert computed <= {"float32", "string", "int32", "int64", "bool"}
        assert (keras.config.dtype_policy().name, keras.config.floatx()) == (policy, floatx)
    finally:
        keras.config.set_floatx(before[1])
        keras.config.set_dtype_policy(before[0])


def ending(*layers):
    """A network with these last layers."""
    ids = keras.Input((None,), dtype="int32")
    x = keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(9, 4)(ids))
    for layer in layers:
        x = layer(x)
    return keras.Model(ids, x)


def test_several_networks_take_no_temperature():
    network = build(Configuration(embedding_dim=8, lstm_units=6), shape_of())
    with pytest.raises(ValueError, match="needs a single network"):
        input_config = shape_of().input_config(Configuration())
        text_model([network, network], VOCABULARY, input_config, temperature=2.0)


def test_networks_that_take_no_temperature():
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
        input_config = shape_of().input_config(Configuration())
        text_model([network], VOCABULARY, input_config)
        with pytest.raises(ValueError, match="last layer"):
            text_model([network], VOCABULARY, input_config, temperature=2.0)
