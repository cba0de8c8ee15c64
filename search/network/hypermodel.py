"""The search space and network as a KerasTuner HyperModel, for this tuner and any other."""

from typing import Any

import keras_tuner

from search.network.build import build
from search.network.space import CORE, Configuration, Space, declare
from search.network.weights import Shape


class SentimentHyperModel(keras_tuner.HyperModel):
    """A KerasTuner HyperModel of Embedding → Bidirectional(LSTM) → Dense text classifiers.

    With a stock KerasTuner tuner::

        hypermodel = SentimentHyperModel(vocabulary_size=10_000)
        tuner = keras_tuner.RandomSearch(hypermodel, objective="val_accuracy", max_trials=5)
        tuner.search(ids, labels, validation_data=(validation_ids, validation_labels))

    where ids are ints of shape (rows, time) with 0 for padding and labels ints of shape (rows,).

    Args:
        vocabulary_size: number of token ids, including padding (0) and OOV (1).
        classes: number of classes; two share one sigmoid output, more have a softmax.
        max_length: tokens of the longest text; the tuner of this package truncates longer ones.
        space: the search space.
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
        """Declares all hyperparameters on `hp` without building a network."""
        declare(hp, self.space)

    def build(self, hp: Any) -> Any:
        """Returns a compiled keras.Model of standard Keras layers for the values in `hp`."""
        return build(declare(hp, self.space), self.shape)
