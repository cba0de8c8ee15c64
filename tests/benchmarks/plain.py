"""The same job as KerasTuner's and Keras' documentation would have it done, to be measured against.

Fixed-length arrays from pad_sequences, a mask, `fit` on arrays, `RandomSearch`. Every function
runs in a process of its own, with TensorFlow's default threads, and prints one JSON object.
"""

import json
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import keras
import keras_tuner
import numpy as np

from search.corpus.store import Corpus, Split
from search.network.build import build
from search.network.space import CORE, Configuration, declare, starting_points
from search.network.weights import Shape, initial_weights
from search.tuning.algorithms import make_oracle


def arrays(split: Split, shape: Shape, rows: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """All rows padded to the longest (at most max_length), as Keras' examples do."""
    rows = rows or len(split)
    texts = [split.ids[split.offsets[i] : split.offsets[i + 1]] for i in range(rows)]
    length = min(shape.max_length, max(len(text) for text in texts))
    ids = keras.utils.pad_sequences(texts, length, padding="post", truncating="post")
    return np.where(ids >= shape.vocabulary_size, 1, ids), np.array(split.labels[:rows])


def epochs(folder: str, configuration: dict, batch_size: int, count: int, rows: int) -> dict:
    """Seconds of each epoch of one fit, and the best validation accuracy."""
    corpus = Corpus.open(Path(folder))
    shape = shape_of(corpus)
    model = build(Configuration(**configuration), shape)
    x, y = arrays(corpus.train, shape, rows)
    valid = arrays(corpus.validation, shape)
    seconds = []

    class Clock(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.start = time.perf_counter()

        def on_epoch_end(self, epoch, logs=None):
            seconds.append(time.perf_counter() - self.start)

    history = model.fit(
        *(x, y), validation_data=valid, epochs=count, batch_size=batch_size, verbose=0,
        callbacks=[Clock()],
    )  # fmt: skip
    return {"seconds": seconds, "val_accuracy": max(history.history["val_accuracy"])}


def trials(folder: str, batch_size: int, count: int, max_epochs: int, first: int = 0) -> dict:
    """Seconds of each trial of a stock KerasTuner search, and the best accuracy until its end.

    Args:
        folder: a saved corpus.
        batch_size, max_epochs: of each trial.
        count: how many trials.
        first: how many of them are what this package tries first; the others are random ones.
    """
    corpus = Corpus.open(Path(folder))
    shape = shape_of(corpus)
    ends, best = [], []

    class Timed(keras_tuner.Tuner):
        def on_trial_end(self, trial):
            super().on_trial_end(trial)
            ends.append(time.perf_counter())
            best.append(self.oracle.get_best_trials(1)[0].score)

    def network(hp):  # of the tutorials: the last output of the LSTM
        return build(replace(declare(hp), pooling="last"), shape)

    oracle = make_oracle("random", trials=count, seed=0, max_epochs=max_epochs)
    oracle.first = starting_points(CORE, ())[:first]
    with tempfile.TemporaryDirectory() as directory:
        tuner = Timed(oracle, network, directory=directory)
        started = time.perf_counter()
        tuner.search(
            *arrays(corpus.train, shape),
            validation_data=arrays(corpus.validation, shape),
            epochs=max_epochs,
            batch_size=batch_size,
            verbose=0,
            callbacks=[keras.callbacks.EarlyStopping("val_accuracy", patience=2)],
        )
    return {"seconds": np.diff([started, *ends]).tolist(), "val_accuracy": best}


def predict(folder: str, configuration: dict) -> dict:
    """Seconds of stock predict on arrays; the probabilities go to a file."""
    corpus = Corpus.open(Path(folder))
    shape = shape_of(corpus)
    model = build(Configuration(**configuration), shape)
    model.set_weights(initial_weights(Configuration(**configuration), shape, 0))
    x = arrays(everything(corpus), shape)[0]
    model.predict(x[:64], verbose=0, batch_size=64)
    started = time.perf_counter()
    probabilities = model.predict(x, verbose=0, batch_size=64)
    seconds = time.perf_counter() - started
    file = Path(tempfile.mkdtemp()) / "plain.npy"
    np.save(file, probabilities)
    return {"seconds": seconds, "file": str(file)}


def everything(corpus: Corpus) -> Split:
    """All rows of all splits as one."""
    splits = (corpus.train, corpus.validation, corpus.test)
    lengths = np.concatenate([split.lengths for split in splits])
    return Split(
        np.concatenate([split.ids for split in splits]),
        np.concatenate([[0], np.cumsum(lengths)]),
        np.concatenate([split.labels for split in splits]),
        np.arange(len(lengths)),
    )


def shape_of(corpus: Corpus) -> Shape:
    """As the tuner has it."""
    length = int(corpus.train.lengths.max())
    whole = Shape(len(corpus.vocabulary) + 2, len(corpus.class_names), length)
    return whole.of(Configuration())


if __name__ == "__main__":
    function = {"epochs": epochs, "trials": trials, "predict": predict}[sys.argv[1]]
    print(json.dumps(function(**json.loads(sys.argv[2]))))
