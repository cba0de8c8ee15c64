"""The training of a trial for some epochs, in a worker process.

`train` takes and returns plain values, so that it may run in any process on any machine, and may
run twice. What a worker keeps between calls only saves time: the mapped corpus and the network it
trained last. Neither Keras nor TensorFlow is imported, except for a user's HyperModel.
"""

import time
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import numpy as np

from search.compiled.threads import allow
from search.corpus.batches import Reading, evaluation_batches, training_batches
from search.corpus.folds import joined, taken
from search.corpus.store import Corpus, Split, mapped
from search.corpus.words import features_without
from search.network.space import Configuration
from search.network.weights import Shape, initial_weights
from search.settings import Objective
from search.tuning.engine import Engine, FastEngine, KerasEngine, Probabilities, State, predict
from search.tuning.finals import NO_FOLD
from search.tuning.foreign import sent_home, unpacked
from search.tuning.objective import evaluate, score
from search.tuning.records import Epoch


@dataclass(frozen=True)
class TrainTask:
    """The input of `train`.

    Attributes:
        corpus: the folder of a saved corpus.
        configuration: the hyperparameters that this project knows.
        hypermodel: a KerasTuner HyperModel, pickled by `packed`, which builds the network from
            `values`; None for this project's own network in compiled code.
        shape: of the network.
        trial_id: the trial or final.
        values: all hyperparameters by name.
        seed: of the trial, non-negative.
        batch_size: rows per training batch.
        from_epoch: number of epochs already trained.
        to_epoch: number of epochs trained afterwards.
        threads: number of threads it may use.
        objective: which score an epoch has.
        positive: index of the class whose F1 that is; None for the mean of all.
        class_weights: weight of each class in the loss; None for equal weights.
        features: the .npy file of word features that initialise the embedding, if any.
        fold: the fold of the corpus that is held out and predicted instead of the validation rows,
            or `NO_FOLD`; None to train on the training rows.
        state: checkpoint, as the last `TrainResult` has it; None at epoch 0, and if the worker is
            known to hold it.
    """

    corpus: str
    configuration: Configuration
    hypermodel: bytes | None
    shape: Shape
    trial_id: str
    values: dict[str, Any]
    seed: int
    batch_size: int
    from_epoch: int
    to_epoch: int
    threads: int
    objective: Objective = "val_accuracy"
    positive: int | None = None
    class_weights: tuple[float, ...] | None = None
    features: str | None = None
    fold: int | None = None
    state: State | None = None

    def at(self, epoch: int) -> Self:
        """Returns a key of the network after an epoch: equal keys mean equal networks."""
        return replace(self, from_epoch=epoch, to_epoch=epoch, threads=1, state=None)


@dataclass(frozen=True)
class TrainResult:
    """The output of `train`.

    Attributes:
        epochs: one record for each epoch trained.
        state: checkpoint, from which training continues bit for bit: `weights/N` (as
            model.get_weights), `random/N` (seed generators), `optimizer/N`.
        parameters: number of trainable parameters.
        probabilities: of the validation rows, or of the fold that is held out, after the last
            epoch; see `predict`.
    """

    epochs: tuple[Epoch, ...]
    state: State
    parameters: int
    probabilities: Probabilities


class NotFinite(ArithmeticError):
    """A loss became NaN or infinite."""


class StateMissing(RuntimeError):
    """The worker has neither the state of a trial in memory nor got it with the task."""


def train(task: TrainTask) -> TrainResult:
    """Trains a trial for some epochs.

    Raises:
        NotFinite: a loss is NaN or infinite.
        Exception: whatever building or training the network raises.
    """
    with sent_home():
        return _train(task)


def _train(task: TrainTask) -> TrainResult:
    allow(task.threads)
    seen, held_out = _rows(task.corpus, task.fold)
    reading = task.shape.reading(task.configuration)
    engine = _engine_for(task)
    epochs = []
    for epoch in range(task.from_epoch, task.to_epoch):
        started = time.perf_counter()
        loss = engine.train_epoch(
            training_batches(
                seen,
                reading,
                batch_size=task.batch_size,
                word_dropout=task.configuration.word_dropout,
                seed=task.seed,
                epoch=epoch,
            ),
            task.seed,
            epoch,
        )
        batches = _batches_to_score(task.corpus, task.fold, reading)
        trained = time.perf_counter()
        probabilities = predict(engine, batches, len(held_out))
        scoring = time.perf_counter() - trained
        if task.hypermodel is not None:
            from search.network.adopted import check_probabilities

            check_probabilities(probabilities)
        labels = held_out.labels
        val_loss = evaluate("val_loss", probabilities, labels)
        val_accuracy = evaluate("val_accuracy", probabilities, labels)
        for name, value in (("training loss", loss), ("validation loss", val_loss)):
            if not np.isfinite(value):
                raise NotFinite(f"the {name} became {value} in epoch {epoch + 1}")
        seconds = time.perf_counter() - started
        merit = score(task.objective, probabilities, labels, task.positive)
        epochs.append(Epoch(epoch + 1, loss, val_loss, val_accuracy, seconds, merit, scoring))
    _held.append((task.at(task.to_epoch), engine))
    return TrainResult(tuple(epochs), engine.state(), engine.parameters, probabilities)


_given: dict[str, Any] = {}
"""What came over a network instead of files: corpus and features by their paths."""


def give(contents: dict[str, Any]) -> None:
    """Has this process train with contents, by path, instead of reading files."""
    _given.update(contents)
    for cached in (open_corpus, _rows, _batches_to_score):
        cached.cache_clear()


@lru_cache(maxsize=1)
def open_corpus(folder: str) -> Corpus:
    """Returns the run's corpus, mapped once per process."""
    found: Corpus = _given[folder] if folder in _given else Corpus.open(Path(folder))
    return found


@lru_cache(maxsize=2)
def _rows(folder: str, fold: int | None) -> tuple[Split, Split]:
    """Returns the rows to train on and the rows to predict."""
    corpus = open_corpus(folder)
    if fold is None:
        return corpus.train, corpus.validation
    if fold == NO_FOLD:  # what it answers for it has seen: it is no measure of anything
        return joined(corpus.train, corpus.validation), corpus.validation
    both, held_out = joined(corpus.train, corpus.validation), np.asarray(corpus.folds) == fold
    return taken(both, np.flatnonzero(~held_out)), taken(both, np.flatnonzero(held_out))


@lru_cache(maxsize=2)
def _batches_to_score(folder: str, fold: int | None, reading: Reading) -> Any:
    """Returns the rows to predict in batches, built once for a trial."""
    return evaluation_batches(_rows(folder, fold)[1], reading)


_held: list[tuple[TrainTask, Engine]] = []
"""The network trained last, if its epoch came to an end, and what it is: see `TrainTask.at`."""


def _engine_for(task: TrainTask) -> Engine:
    """Returns the network at the beginning of a task: from memory, or from its state."""
    holds, engine = _held.pop() if _held else (None, None)
    if engine is not None and holds == task.at(task.from_epoch):
        return engine
    if task.from_epoch and task.state is None:
        raise StateMissing(task.trial_id)
    engine = _new_engine(task)
    if task.state is not None:
        engine.restore(task.state)
    return engine


def _new_engine(task: TrainTask) -> Engine:
    features = None if task.features is None else _features(task)
    if task.hypermodel is None:
        return FastEngine(task.configuration, task.shape, task.seed, features, task.class_weights)
    import keras
    import keras_tuner

    from search.network.adopted import adopted
    from search.network.build import assign
    from search.network.hypermodel import SentimentHyperModel

    keras.utils.set_random_seed(task.seed)
    hp = keras_tuner.HyperParameters()
    hp.values = dict(task.values)
    hypermodel = unpacked(task.hypermodel)
    model = adopted(hypermodel.build(hp))
    if type(hypermodel) is SentimentHyperModel:
        assign(model, initial_weights(task.configuration, task.shape, task.seed, features))
    return KerasEngine(model, task.configuration.learning_rate_decay, task.class_weights)


def _features(task: TrainTask) -> Any:
    assert task.features is not None
    path, corpus = task.features, open_corpus(task.corpus)
    features = _given[path] if path in _given else mapped(Path(path))
    if task.fold is None or task.configuration.embedding_init != "words":
        return features
    # Those of the run are learned from labels that this network must not have seen.
    seen, _ = _rows(task.corpus, task.fold)
    return features_without(features, seen, corpus.unlabelled, len(corpus.class_names))


def warm_up() -> None:
    """Compiles everything that training needs, or loads it from the cache."""
    engine = FastEngine(Configuration(embedding_dim=8, lstm_units=8), Shape(9, 2, 4), 0)
    ids = np.ones((3, 4), np.int32)
    engine.train_epoch([(ids, np.ones(3, np.int32))], 0, 0)
    engine.probabilities(ids)
