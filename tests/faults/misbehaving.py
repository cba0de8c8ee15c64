"""A HyperModel whose trials go wrong in every way that a worker can see."""

import os
import signal
import time

import keras
import keras_tuner

BEHAVIOURS = ["fine", "raises", "nan", "no memory", "dies", "sleeps"]


def reasons(timeout: int) -> dict[str, str]:
    """How the error of each behaviour begins, where a trial may take so many seconds."""
    return {
        "raises": "ValueError: no such layer, says the layer",
        "nan": "NotFinite: the training loss became",
        "no memory": "MemoryError: cannot allocate 9 TB",
        "dies": "its worker process was killed 3 times, last in epoch 1",
        "sleeps": f"it took longer than the trial timeout of {timeout} s",
    }


class Misbehaving(keras_tuner.HyperModel):
    """A bag of embeddings; the hyperparameter `behaviour` says what happens when it is built."""

    def build(self, hp):
        behaviour = hp.Choice("behaviour", BEHAVIOURS)
        if behaviour == "raises":
            raise ValueError("no such layer,\nsays the layer")
        if behaviour == "no memory":
            raise MemoryError("cannot allocate 9 TB")
        if behaviour == "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        if behaviour == "sleeps":
            time.sleep(600)
        rate = 1e38 if behaviour == "nan" else 0.01
        ids = keras.Input((None,), dtype="int32")
        x = keras.layers.Embedding(20_000, 4, mask_zero=True)(ids)
        x = keras.layers.GlobalAveragePooling1D()(x)
        x = keras.layers.Dropout(0.5)(x)
        model = keras.Model(ids, keras.layers.Dense(1, activation="sigmoid")(x))
        model.compile(keras.optimizers.SGD(rate), "binary_crossentropy")
        return model


class Flaky(keras_tuner.HyperModel):
    """Fails with the machine as long as a file is there."""

    def __init__(self, broken):
        super().__init__()
        self.broken = broken

    def build(self, hp):
        if hp.Int("anything", 1, 100) != 1 and self.broken.exists():
            raise OSError(24, "Too many open files")
        return Misbehaving().build(keras_tuner.HyperParameters())


class AlwaysRaises(keras_tuner.HyperModel):
    """Fails whatever the values are."""

    def build(self, hp):
        # The tuner builds once itself, with the defaults, to learn the space.
        if hp.Int("anything", 1, 100) != 1:
            raise RuntimeError("this never works")
        return Misbehaving().build(keras_tuner.HyperParameters())
