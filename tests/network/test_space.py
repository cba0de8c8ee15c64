"""What is searched, and that it reaches KerasTuner and the network."""

from dataclasses import fields

import keras_tuner
import numpy as np
import pytest

from search.network.hypermodel import SentimentHyperModel
from search.network.space import (
    CORE,
    KNOWN_GOOD,
    Configuration,
    Range,
    declare,
    default,
    most,
    starting_points,
)
from search.network.weights import Shape, parameters

SEARCHED = {"embedding_dim", "lstm_units", "dropout", "learning_rate"}
ALL = {
    "embedding_dim": 12,
    "lstm_units": 10,
    "dropout": 0.4,
    "learning_rate": 0.01,
    "pooling": "mean",
    "layers": 2,
    "vocabulary_size": 40,
    "embedding_dropout": 0.2,
    "weight_decay": 0.01,
    "clipnorm": 0.5,
    "label_smoothing": 0.1,
}


def test_defaults_are_the_defaults_of_the_space():
    assert declare(keras_tuner.HyperParameters()) == Configuration()


def test_values_are_read():
    hp = keras_tuner.HyperParameters()
    hp.values = {"embedding_dim": 32, "lstm_units": 128, "dropout": 0.5, "learning_rate": 0.002}
    assert declare(hp) == Configuration(32, 128, 0.5, 0.002)
    assert {p.name for p in hp.space} == SEARCHED


def test_every_hyperparameter_reaches_the_network():
    hp = keras_tuner.HyperParameters()
    hp.values = {"embedding_dim": 32, "lstm_units": 16, "dropout": 0.5, "learning_rate": 0.002}
    model = SentimentHyperModel(100, classes=4).build(hp)
    assert model.get_layer("embedding").output_dim == 32
    assert model.get_layer("bilstm").forward_layer.units == 16
    assert model.get_layer("dropout").rate == model.get_layer("embedding_dropout").rate == 0.5
    assert np.isclose(float(model.optimizer.learning_rate), 0.002)
    assert model.output_shape == (None, 4)


def test_the_wide_ones_do_too():
    hp = keras_tuner.HyperParameters()
    hypermodel = SentimentHyperModel(100, space=ALL)
    model = hypermodel.build(hp)
    assert hp.values == ALL, "fixed ones are seen, too"
    assert model.get_layer("embedding").input_dim == 40
    assert model.get_layer("bilstm2").forward_layer.units == 10
    assert model.get_layer("embedding_dropout").rate == 0.2
    assert model.optimizer.global_clipnorm == 0.5
    assert model.optimizer.weight_decay == 0.01
    assert model.loss.label_smoothing == 0.1
    ids = np.array([[39, 40, 99, 0]], np.int32)
    assert model(ids) == model(np.array([[39, 1, 1, 0]], np.int32)), "40 and more are unknown"
    counted = parameters(Configuration.of(ALL), Shape(100, 2, 400))
    assert counted == model.count_params()


def test_values_that_are_of_something_else_are_left_out():
    assert Configuration.of({"dropout": 0.1, "tuner/epochs": 3}) == Configuration(dropout=0.1)


@pytest.mark.parametrize(
    ("name", "spec", "expected"),
    [
        ("embedding_dim", (16, 32), 32),
        ("embedding_dim", (96, 256), 96),
        ("dropout", Range(0.0, 0.3, step=0.1), 0.3),
        ("lstm_units", Range(40, 80), 40),
        ("pooling", ("mean", "last"), "mean"),
        ("pooling", "last", "last"),
    ],
)
def test_a_default_outside_the_space_becomes_the_nearest(name, spec, expected):
    assert default(name, spec) == pytest.approx(expected)
    assert type(default(name, spec)) is type(expected)


def test_what_is_tried_first():
    points = starting_points(CORE, [{"dropout": 0.1}])
    assert points[0] == {
        **{name: getattr(Configuration(), name) for name in CORE},
        "dropout": 0.1,
    }
    assert len(points) == 1 + len(KNOWN_GOOD)
    assert points[1] == {name: getattr(Configuration(), name) for name in CORE}
    one = starting_points({"lstm_units": 8, "dropout": (0.3, 0.5)}, [])
    assert one == [{"lstm_units": 8, "dropout": 0.5}, {"lstm_units": 8, "dropout": 0.3}]


def test_the_largest_value():
    assert most(CORE, "embedding_dim") == 128
    assert most({}, "embedding_dim") == Configuration().embedding_dim
    assert most({"embedding_dim": Range(8, 300)}, "embedding_dim") == 300
    assert most({"embedding_dim": 50}, "embedding_dim") == 50


def test_all_is_all():
    """What the batches or the initial weights take care of aside."""
    elsewhere = {"max_length", "cut", "batch_size", "word_dropout"}
    elsewhere |= {"learning_rate_decay", "embedding_init", "ngrams"}
    assert {f.name for f in fields(Configuration)} == set(ALL) | elsewhere


def test_someone_elses_kerastuner_script(tmp_path):
    """A stock tuner, arrays padded on the left as pad_sequences does by default."""
    generator = np.random.default_rng(0)
    ids = generator.integers(1, 100, (96, 10)).astype("int32")
    ids[:, :3] = 0
    labels = (ids[:, 5] > 50).astype("int32")
    tuner = keras_tuner.RandomSearch(
        SentimentHyperModel(vocabulary_size=100),
        objective="val_accuracy",
        max_trials=1,
        seed=1,
        directory=tmp_path,
        project_name="stock",
    )
    tuner.search(
        ids[:64], labels[:64], validation_data=(ids[64:], labels[64:]), epochs=1, verbose=0
    )
    (trial,) = tuner.oracle.trials.values()
    assert trial.status == "COMPLETED"
    best = tuner.get_best_hyperparameters()[0]
    assert set(best.values) == SEARCHED
