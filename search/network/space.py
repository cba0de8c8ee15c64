"""The search space: the only place that names a hyperparameter, its range, scale and default.

To add a hyperparameter: one line in `declare`, one field in `Configuration`, and its use in
`network/build.py`.
"""

from dataclasses import dataclass, fields
from typing import Any

VOCABULARY_SIZE = 20_000  # ids, with padding and OOV; fewer where the corpus has fewer
EMBEDDING_DIMS = (32, 64, 128)
MOST_FEATURES = max(EMBEDDING_DIMS)  # of word vectors, of which a network takes the first ones
MAX_LENGTH = 400  # tokens; the rest of a longer text is cut


@dataclass(frozen=True)
class Configuration:
    """One network and how it is trained. The defaults are a good first guess.

    Attributes:
        embedding_dim: numbers for each token.
        lstm_units: units of each of the two directions.
        dropout: share of the embedding's channels and of the LSTM's outputs dropped in training.
        learning_rate: Adam's.
    """

    embedding_dim: int = 64
    lstm_units: int = 64
    dropout: float = 0.3
    learning_rate: float = 1e-3


HYPERPARAMETERS = tuple(field.name for field in fields(Configuration))


def declare(hp: Any) -> Configuration:
    """Declares the space on `hp` and reads the values it holds.

    Args:
        hp: keras_tuner.HyperParameters; values that it does not hold yet become defaults.
    """
    default = Configuration()
    return Configuration(
        embedding_dim=hp.Choice(
            "embedding_dim", list(EMBEDDING_DIMS), default=default.embedding_dim
        ),
        lstm_units=hp.Choice("lstm_units", [16, 32, 64, 128], default=default.lstm_units),
        dropout=hp.Float("dropout", 0.0, 0.6, step=0.1, default=default.dropout),
        learning_rate=hp.Float(
            "learning_rate", 3e-4, 1e-2, sampling="log", default=default.learning_rate
        ),
    )
