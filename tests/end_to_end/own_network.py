"""HyperModels as a user might write them."""

import keras
import keras_tuner

from search import FastLSTM, SentimentHyperModel


class TwoLayers(keras_tuner.HyperModel):
    """Two LSTMs on top of each other, where this project's own network has one."""

    def build(self, hp):
        units = hp.Choice("units", [4, 8])
        ids = keras.Input((None,), dtype="int32")
        x = keras.layers.Embedding(20_000, 8, mask_zero=True)(ids)
        x = keras.layers.Bidirectional(FastLSTM(units, return_sequences=True))(x)
        x = keras.layers.Bidirectional(FastLSTM(units))(x)
        model = keras.Model(ids, keras.layers.Dense(1, activation="sigmoid")(x))
        model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy", metrics=["accuracy"])
        return model


class Unbuilt(keras_tuner.HyperModel):
    """As in most of Keras' examples: a Sequential that does not know its input yet."""

    def build(self, hp):
        lstm = keras.layers.LSTM(hp.Choice("units", [4, 8]))
        model = keras.Sequential(
            [
                keras.layers.Embedding(20_000, 8, mask_zero=True),
                keras.layers.Bidirectional(lstm),
                keras.layers.Dense(1, activation="sigmoid"),
            ]
        )
        model.compile("adam", "binary_crossentropy")
        return model


class Renamed(SentimentHyperModel):
    """This project's network, but a class that could have changed it: Keras has to train it."""
