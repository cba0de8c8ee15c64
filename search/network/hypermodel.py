"""The KerasTuner HyperModel: for our tuner, and for any other KerasTuner script."""

from typing import Any

import keras_tuner

from search.network.build import build
from search.network.space import CORE, Configuration, Space, declare
from search.network.weights import Shape


class SentimentHyperModel(keras_tuner.HyperModel):
    """Builds the Embedding → Bidirectional(LSTM) → Dense network over the search space.

    With a stock KerasTuner tuner::

        hypermodel = SentimentHyperModel(vocabulary_size=10_000)
        tuner = keras_tuner.RandomSearch(hypermodel, objective="val_accuracy", max_trials=5)
        tuner.search(ids, labels, validation_data=(validation_ids, validation_labels))

    where ids are ints of shape (rows, time) with 0 for padding and labels ints of shape (rows,).

    Args:
        vocabulary_size: ids there are, with padding (0) and OOV (1).
        classes: how many; two share one sigmoid output, more have a softmax.
        max_length: tokens of the longest text; the tuner of this package reads no more.
        space: what is searched.
    """

    def __init__(
        self,
        vocabulary_size: int = Configuration.vocabulary_size,
        classes: int = 2,
        max_length: int = Configuration.max_length,
        space: Space = CORE,
    ) -> None:
        super().__init__()
        self.shape = Shape(vocabulary_size, classes, max_length)
        self.space = space

    def declare_hyperparameters(self, hp: Any) -> None:
        """Declares the whole space on `hp` without building a network."""
        declare(hp, self.space)

    def build(self, hp: Any) -> Any:
        """A compiled keras.Model of plain Keras layers for the values in `hp`."""
        return build(declare(hp, self.space), self.shape)
