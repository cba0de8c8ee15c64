"""Hyperparameter search for text classifiers.

As a scikit-learn classifier:

    >>> import search
    >>> classifier = search.TextClassifier(trials=20).fit(texts, labels)

As the command `python -m search.run`, step by step:

    >>> settings = search.Settings(data="reviews.csv", trials=20)
    >>> corpus = search.load_corpus(settings)
    >>> tuner = search.tune(settings, corpus)
    >>> outcome = search.conclude(tuner)  # outcome.leaderboard is a pandas DataFrame

With the model of a finished search:

    >>> model = search.load("results")
    >>> label = model.predict(["a warm and funny film"])[0]

Names are imported on first use, because `import tensorflow` takes seconds and
`python -m search.run --help` must not.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from search.errors import SearchError
from search.settings import Settings
from search.startup import check_whole, tensorflow_silenced
from search.version import __version__

if TYPE_CHECKING:
    from search.compiled.lstm import FastLSTM
    from search.conclusion import Outcome
    from search.corpus import Corpus
    from search.corpus.load import load_corpus
    from search.estimator import TextClassifier
    from search.evaluation.leaderboard import read_leaderboard
    from search.network.hypermodel import SentimentHyperModel
    from search.packaging.classifier import load
    from search.pipeline import conclude, tune
    from search.reporting.mlflow_tracker import MLflowTracker
    from search.reporting.report import read_report
    from search.tuning.callbacks import Callback
    from search.tuning.tuner import SearchTuner

_HOMES = {
    "Callback": "search.tuning.callbacks",
    "Corpus": "search.corpus",
    "load_corpus": "search.corpus.load",
    "TextClassifier": "search.estimator",
    "FastLSTM": "search.compiled.lstm",
    "MLflowTracker": "search.reporting.mlflow_tracker",
    "load": "search.packaging.classifier",
    "SentimentHyperModel": "search.network.hypermodel",
    "SearchTuner": "search.tuning.tuner",
    "tune": "search.pipeline",
    "Outcome": "search.conclusion",
    "conclude": "search.pipeline",
    "read_leaderboard": "search.evaluation.leaderboard",
    "read_report": "search.reporting.report",
}

__all__ = [
    "Callback",
    "Corpus",
    "FastLSTM",
    "MLflowTracker",
    "Outcome",
    "SearchError",
    "SearchTuner",
    "SentimentHyperModel",
    "Settings",
    "TextClassifier",
    "__version__",
    "conclude",
    "load",
    "load_corpus",
    "read_leaderboard",
    "read_report",
    "tune",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        try:
            with tensorflow_silenced():
                return getattr(import_module(_HOMES[name]), name)
        except ModuleNotFoundError:
            check_whole(f"search.{name}")
            raise
    raise AttributeError(f"module 'search' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__  # what a notebook completes
