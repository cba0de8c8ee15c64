"""Networks that others wrote: logits become probabilities; what would not be done is refused."""

import keras
import keras_tuner
import numpy as np
import pytest

import search
from search.errors import SettingsError
from search.network.adopted import adopted, check_hypermodel, check_probabilities
from search.packaging.text_model import takes_temperature
from tests.conftest import SAMPLE

IDS = np.random.default_rng(0).integers(1, 50, (20, 7)).astype(np.int32)


def network(units, loss, last=keras.layers.Dense):
    keras.utils.set_random_seed(3)
    ids = keras.Input((None,), dtype="int32")
    x = keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(50, 8)(ids))
    model = keras.Model(ids, last(units)(x))
    model.compile("adam", loss)
    return model


@pytest.mark.parametrize("units", [1, 3])
def test_logits_are_activated(units):
    """As Keras' and TensorFlow's own tutorials write it."""
    kind = "BinaryCrossentropy" if units == 1 else "SparseCategoricalCrossentropy"
    loss = getattr(keras.losses, kind)(from_logits=True)
    logits = np.asarray(network(units, loss)(IDS))
    model = adopted(network(units, loss))
    activation = keras.ops.sigmoid if units == 1 else keras.ops.softmax
    probabilities = np.asarray(model(IDS))
    np.testing.assert_allclose(probabilities, np.asarray(activation(logits)), atol=1e-6)
    check_probabilities(probabilities)
    assert takes_temperature(model)
    labels = np.arange(20) % max(2, units)
    target = labels[:, None].astype("float32") if units == 1 else labels
    wanted = float(loss(target, logits))
    assert float(model.compute_loss(IDS, target, model(IDS))) == pytest.approx(wanted, abs=1e-5)


def test_probabilities_stay_as_they_are():
    model = network(1, "binary_crossentropy")
    assert adopted(model) is model and model.layers[-1].activation is keras.activations.linear
    with pytest.raises(ValueError, match=r"no probabilities, but numbers from -\d.*from_logits"):
        check_probabilities(np.array([[-2.0], [0.5]], np.float32))
    with pytest.raises(ValueError, match="no probabilities"):
        check_probabilities(np.array([[0.9, 0.9]], np.float32))
    check_probabilities(np.array([[0.1, 0.9]], np.float32))


def test_logits_that_cannot_be_activated():
    def last(units):
        return lambda x: keras.layers.Activation("linear")(keras.layers.Dense(units)(x))

    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    with pytest.raises(ValueError, match="does not end in a Dense layer without activation"):
        adopted(network(1, loss, last))


class Steps(keras.Model):
    def train_step(self, data):
        """Of its own."""


class WithFit(keras_tuner.HyperModel):
    def build(self, hp):
        """Never called."""

    def fit(self, hp, model, *arguments, **options):
        """Never called."""


def test_training_of_ones_own_is_refused(tmp_path):
    ids = keras.Input((None,), dtype="int32")
    x = keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(50, 8)(ids))
    with pytest.raises(ValueError, match=r"Steps.train_step would never be called"):
        adopted(Steps(ids, keras.layers.Dense(1)(x)))
    with pytest.raises(SettingsError, match=r"WithFit.fit would never be called.*batch_size"):
        check_hypermodel(WithFit())
    settings = search.Settings(data=str(SAMPLE), trials=1, results=tmp_path / "r")
    with pytest.raises(SettingsError, match=r"WithFit.fit would never be called"):
        search.tune(settings, search.load_corpus(settings), hypermodel=WithFit())
    assert not (tmp_path / "r").exists()
