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
from search.corpus.batches import EPOCH_ROWS, InputConfig, evaluation_batches, training_batches
from search.corpus.store import Corpus, mapped
from search.corpus.words import features_without
from search.network.space import Configuration
from search.network.weights import Shape, initial_weights
from search.settings import Objective
from search.tuning.engine import (
    Engine,
    FastEngine,
    KerasEngine,
    Probabilities,
    State,
    apart,
    predict,
    together,
)
from search.tuning.foreign import sent_home, unpacked
from search.tuning.objective import evaluate, score
from search.tuning.parts import Part, labels_of, parts_of
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
        fold: the fold of the corpus that is held out and predicted instead of the validation rows;
            `EVERY_FOLD` to hold each out by a network of its own; `NO_FOLD`; None to train on the
            training rows.
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
            model.get_weights), `random/N` (seed generators), `optimizer/N`; those of several
            networks are `together`.
        parameters: number of trainable parameters of a network.
        probabilities: of the validation rows, or of the rows that are held out, after the last
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
    parts = _parts(task.corpus, task.fold)
    seeds = _seeds(task, len(parts))
    input_config = task.shape.input_config(task.configuration)
    engines = _engines_for(task)
    rows = np.array([min(len(part.seen), EPOCH_ROWS) for part in parts])
    labels = labels_of(parts)
    epochs = []
    for epoch in range(task.from_epoch, task.to_epoch):
        started = time.perf_counter()
        losses = [
            engine.train_epoch(
                training_batches(
                    part.seen,
                    input_config,
                    batch_size=task.batch_size,
                    word_dropout=task.configuration.word_dropout,
                    seed=seed,
                    epoch=epoch,
                ),
                seed,
                epoch,
            )
            for engine, part, seed in zip(engines, parts, seeds, strict=True)
        ]
        loss = float(np.dot(losses, rows / rows.sum()))
        batches = _batches_to_score(task.corpus, task.fold, input_config)
        trained = time.perf_counter()
        probabilities = np.empty((len(labels), engines[0].outputs), np.float32)
        for engine, part, held_out in zip(engines, parts, batches, strict=True):
            probabilities[part.places] = predict(engine, held_out, len(part.held_out))
        scoring = time.perf_counter() - trained
        if task.hypermodel is not None:
            from search.network.adopted import check_probabilities

            check_probabilities(probabilities)
        val_loss = evaluate("val_loss", probabilities, labels)
        val_accuracy = evaluate("val_accuracy", probabilities, labels)
        for name, value in (("training loss", loss), ("validation loss", val_loss)):
            if not np.isfinite(value):
                raise NotFinite(f"the {name} became {value} in epoch {epoch + 1}")
        seconds = time.perf_counter() - started
        merit = score(task.objective, probabilities, labels, task.positive)
        epochs.append(Epoch(epoch + 1, loss, val_loss, val_accuracy, seconds, merit, scoring))
    _held.append((task.at(task.to_epoch), engines))
    state = together([engine.state() for engine in engines])
    return TrainResult(tuple(epochs), state, engines[0].parameters, probabilities)


def _seeds(task: TrainTask, networks: int) -> list[int]:
    """The seed of each network of a task."""
    if networks == 1:
        return [task.seed]
    drawn = np.random.SeedSequence(task.seed).generate_state(networks)
    return [int(seed) for seed in drawn]


_payload: dict[str, Any] = {}
"""What came over a network instead of files: corpus and features by their paths."""


def give(contents: dict[str, Any]) -> None:
    """Has this process train with contents, by path, instead of reading files."""
    _payload.update(contents)
    for cached in (open_corpus, _parts, _batches_to_score):
        cached.cache_clear()


@lru_cache(maxsize=1)
def open_corpus(folder: str) -> Corpus:
    """Returns the run's corpus, mapped once per process."""
    found: Corpus = _payload[folder] if folder in _payload else Corpus.open(Path(folder))
    return found


@lru_cache(maxsize=2)
def _parts(folder: str, fold: int | None) -> tuple[Part, ...]:
    """Returns the rows of each network."""
    return parts_of(open_corpus(folder), fold)


@lru_cache(maxsize=2)
def _batches_to_score(folder: str, fold: int | None, input_config: InputConfig) -> Any:
    """Returns the rows that each network predicts in batches, built once for a trial."""
    return [evaluation_batches(part.held_out, input_config) for part in _parts(folder, fold)]


_held: list[tuple[TrainTask, list[Engine]]] = []
"""The networks trained last, if their epoch came to an end, and what they are: `TrainTask.at`."""


def _engines_for(task: TrainTask) -> list[Engine]:
    """Returns the networks at the beginning of a task: from memory, or from their state."""
    holds, engines = _held.pop() if _held else (None, None)
    if engines is not None and holds == task.at(task.from_epoch):
        return engines
    if task.from_epoch and task.state is None:
        raise StateMissing(task.trial_id)
    parts = _parts(task.corpus, task.fold)
    seeds = _seeds(task, len(parts))
    engines = [_new_engine(task, *pair) for pair in zip(parts, seeds, strict=True)]
    if task.state is not None:
        for engine, state in zip(engines, apart(task.state, len(engines)), strict=True):
            engine.restore(state)
    return engines


def _new_engine(task: TrainTask, part: Part, seed: int) -> Engine:
    features = None if task.features is None else _features(task, part)
    if task.hypermodel is None:
        weights = initial_weights(task.configuration, task.shape, seed, features)
        return FastEngine(task.configuration, task.shape, weights, task.class_weights)
    import keras
    import keras_tuner

    from search.network.adopted import built
    from search.network.build import assign
    from search.network.hypermodel import SentimentHyperModel

    keras.utils.set_random_seed(seed)
    hp = keras_tuner.HyperParameters()
    hp.values = dict(task.values)
    hypermodel = unpacked(task.hypermodel)
    model = built(hypermodel, hp)
    if type(hypermodel) is SentimentHyperModel:
        assign(model, initial_weights(task.configuration, task.shape, seed, features))
    return KerasEngine(model, task.configuration.learning_rate_decay, task.class_weights)


def _features(task: TrainTask, part: Part) -> Any:
    assert task.features is not None
    path, corpus = task.features, open_corpus(task.corpus)
    features = _payload[path] if path in _payload else mapped(Path(path))
    if task.fold is None or task.configuration.embedding_init != "words":
        return features
    # Those of the run are learned from labels that this network must not have seen.
    return features_without(features, part.seen, corpus.unlabelled, len(corpus.class_names))


def warm_up() -> None:
    """Compiles everything that training needs, or loads it from the cache."""
    configuration, shape = Configuration(embedding_dim=8, lstm_units=8), Shape(9, 2, 4)
    engine = FastEngine(configuration, shape, initial_weights(configuration, shape, 0))
    ids = np.ones((3, 4), np.int32)
    engine.train_epoch([(ids, np.ones(3, np.int32))], 0, 0)
    engine.probabilities(ids)
