"""HyperModels written by users: checks that they can be trained here, and builds their networks."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import keras_tuner
import numpy as np
import numpy.typing as npt

from search.errors import SettingsError
from search.network.precision import single_precision

NEVER_CALLED = (
    *("run_trial", "on_trial_begin", "on_epoch_begin", "on_epoch_end"),
    *("on_batch_begin", "on_batch_end", "save_model"),
)
"""Methods of KerasTuner's tuners that its own search calls, and this one does not."""


def check_hypermodel(hypermodel: Any) -> None:
    """Checks that a HyperModel does not override `fit`.

    A search trains epoch by epoch, to prune weak trials and to resume after a kill, so `fit` would
    never be called.

    Raises:
        SettingsError: it does; the message says what to do instead.
    """
    usual = keras_tuner.HyperModel.fit
    if getattr(type(hypermodel), "fit", usual) is not usual:  # a function has none
        raise SettingsError(
            f"{type(hypermodel).__name__}.fit would never be called: a search trains epoch by "
            "epoch itself. Leave it out; a batch size is searched with "
            "hp.Choice('batch_size', ...) in build, and the number of epochs is max_epochs"
        )


def check_tuner(tuner: keras_tuner.Tuner, base: type[keras_tuner.Tuner]) -> None:
    """Checks that a tuner does not override methods that a search never calls.

    Args:
        tuner: of a class that was derived from `base`.
        base: the class whose methods are meant.

    Raises:
        SettingsError: it does.
    """
    for name in NEVER_CALLED:
        if getattr(type(tuner), name) is not getattr(base, name):
            raise SettingsError(
                f"{type(tuner).__name__}.{name} would never be called: trials are trained epoch by "
                "epoch in other processes. What is to be done when a trial has ended belongs in "
                "on_trial_end; how networks are built, in HyperModel.build"
            )


def check_search(data: Sequence[Any], options: Mapping[str, Any]) -> None:
    """Checks that `search` got no arguments meant for `keras.Model.fit`.

    Raises:
        SettingsError: there is something.
    """
    given = [*("x", "y")[: len(data)], *(f"{name}=" for name in options)]
    if given:
        raise SettingsError(
            f"search({', '.join(given)}): the data are those of the corpus, and how many epochs "
            "there are and when to stop are settings, such as Settings(data=(x, y), max_epochs=5)"
        )


def built(hypermodel: Any, hp: keras_tuner.HyperParameters) -> keras.Model:
    """Returns the network of a HyperModel, `adopted`, in float32 unless the HyperModel says other.

    Raises:
        ValueError: see `adopted`.
    """
    with single_precision():
        return adopted(hypermodel.build(hp))


def adopted(model: keras.Model) -> keras.Model:
    """Returns a HyperModel's network with weights, and with probabilities as its outputs.

    A Sequential without an Input is built here. If the loss has from_logits=True, the last layer
    gets the activation and the loss from_logits=False: what is scored, calibrated and exported are
    probabilities.

    Raises:
        ValueError: it trains in a way of its own, or gives logits that cannot be activated.
    """
    if not model.built:
        model.build((None, None))  # (batch, time)
    if type(model).train_step is not keras.Model.train_step:
        raise ValueError(
            f"{type(model).__name__}.train_step would never be called: a search trains networks by "
            "their loss and optimizer alone"
        )
    loss = model.loss
    if not getattr(loss, "from_logits", False):
        return model
    last = model.layers[-1]
    if not isinstance(last, keras.layers.Dense) or last.activation is not keras.activations.linear:
        raise ValueError(
            "the loss has from_logits=True, but the network does not end in a Dense layer without "
            "activation; end it in sigmoid or softmax, and leave from_logits out"
        )
    last.activation = keras.activations.get("sigmoid" if last.units == 1 else "softmax")
    loss = type(loss).from_config({**loss.get_config(), "from_logits": False})
    model.compile(optimizer=model.optimizer, loss=loss)
    return model


def check_probabilities(outputs: npt.NDArray[np.float32]) -> None:
    """Checks that a network's outputs are probabilities.

    Args:
        outputs: (rows, 1) or (rows, classes).

    Raises:
        ValueError: one is below 0 or above 1, or those of a row do not come to 1.
    """
    finite = outputs[np.isfinite(outputs).all(axis=1)]  # others are told as what they are
    if not len(finite):
        return
    low, high = float(finite.min()), float(finite.max())
    sums = finite.sum(axis=1)
    if low < 0 or high > 1 or (outputs.shape[1] > 1 and np.abs(sums - 1).max() > 1e-3):
        raise ValueError(
            f"the network gives no probabilities, but numbers from {low:.3g} to {high:.3g}; end it "
            "in a sigmoid or softmax, or give its loss from_logits=True"
        )
