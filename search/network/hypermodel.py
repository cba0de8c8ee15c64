"""The search space and network as a KerasTuner HyperModel, for this tuner and any other."""

from typing import Any

import keras_tuner

from search.network.build import build
from search.network.space import CORE, Configuration, Space, declare
from search.network.weights import Shape


class SentimentHyperModel(keras_tuner.HyperModel):
    """A KerasTuner HyperModel of Embedding → Bidirectional(LSTM) → Dense text classifiers.

    It works with any KerasTuner tuner. Its networks take token ids: int, shape (rows, time), 0 for
    padding on the right and 1 for unknown tokens. Labels are ints of shape (rows,).

    Args:
        vocabulary_size: number of token ids, including padding (0) and OOV (1).
        classes: number of classes; two share one sigmoid output, more have a softmax.
        max_length: tokens of the longest text; the tuner of this package truncates longer ones.
        space: the search space.

    Examples:
        >>> import keras_tuner, numpy, search
        >>> hypermodel = search.SentimentHyperModel(vocabulary_size=1_000, max_length=20)
        >>> tuner = keras_tuner.RandomSearch(hypermodel, objective="val_accuracy", max_trials=1)
        >>> ids, y = numpy.random.randint(2, 1_000, (40, 20)), numpy.arange(40) % 2
        >>> tuner.search(ids[:30], y[:30], validation_data=(ids[30:], y[30:]), verbose=0)
        >>> sorted(tuner.get_best_hyperparameters()[0].values)
        ['dropout', 'embedding_dim', 'learning_rate', 'lstm_units']
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
