import keras_tuner
import numpy as np

from search.network.hypermodel import SentimentHyperModel
from search.network.space import HYPERPARAMETERS, Configuration, declare


def test_defaults_are_the_defaults_of_the_space():
    assert declare(keras_tuner.HyperParameters()) == Configuration()


def test_values_are_read():
    hp = keras_tuner.HyperParameters()
    hp.values = {"embedding_dim": 32, "lstm_units": 128, "dropout": 0.5, "learning_rate": 0.002}
    assert declare(hp) == Configuration(32, 128, 0.5, 0.002)
    assert {p.name for p in hp.space} == set(HYPERPARAMETERS)


def test_every_hyperparameter_reaches_the_network():
    hp = keras_tuner.HyperParameters()
    hp.values = {"embedding_dim": 32, "lstm_units": 16, "dropout": 0.5, "learning_rate": 0.002}
    model = SentimentHyperModel(100, classes=4).build(hp)
    assert model.get_layer("embedding").output_dim == 32
    assert model.get_layer("bilstm").forward_layer.units == 16
    assert model.get_layer("dropout").rate == model.get_layer("embedding_dropout").rate == 0.5
    assert np.isclose(float(model.optimizer.learning_rate), 0.002)
    assert model.output_shape == (None, 4)


def test_someone_elses_kerastuner_script(tmp_path):
    """A stock tuner, arrays padded on the left as pad_sequences does by default."""
    generator = np.random.default_rng(0)
    ids = generator.integers(1, 100, (120, 10)).astype("int32")
    ids[:, :3] = 0
    labels = (ids[:, 5] > 50).astype("int32")
    tuner = keras_tuner.RandomSearch(
        SentimentHyperModel(vocabulary_size=100),
        objective="val_accuracy",
        max_trials=2,
        seed=1,
        directory=tmp_path,
        project_name="stock",
    )
    tuner.search(
        ids[:80], labels[:80], validation_data=(ids[80:], labels[80:]), epochs=1, verbose=0
    )
    assert len(tuner.oracle.trials) == 2
    assert all(t.status == "COMPLETED" for t in tuner.oracle.trials.values())
    best = tuner.get_best_hyperparameters()[0]
    assert set(best.values) == set(HYPERPARAMETERS)
