"""What one worker does: train one trial from one epoch to another.

`train` is a function of plain values with plain values as its result, so that it may run in any
process on any machine, and may run twice. What a worker keeps between calls only saves time: the
mapped corpus, traced training steps, and the network it trained last.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from search.corpus.batches import evaluation_batches, training_batches
from search.corpus.store import Corpus, Split
from search.network import build as network
from search.network.build import Shape
from search.network.hypermodel import SentimentHyperModel
from search.network.space import declare
from search.tuning.records import Epoch

State = dict[str, npt.NDArray[Any]]
Probabilities = npt.NDArray[np.float32]

MOST_TRACES = 12  # networks of different sizes that a worker keeps traced
MOST_TRACED_BYTES = 500_000_000


@dataclass(frozen=True)
class Work:
    """What to train.

    Attributes:
        corpus: the folder of a saved corpus.
        hypermodel: builds the network.
        shape: what the data dictate of the network.
        trial_id: whose epochs these are.
        values: hyperparameters by name.
        seed: of the trial, non-negative.
        batch_size: rows of a training batch.
        from_epoch: epochs already done.
        to_epoch: epochs done afterwards.
        state: as the last `Progress` gave it; None at epoch 0, and where the worker is known to
            hold it.
    """

    corpus: str
    hypermodel: keras_tuner.HyperModel
    shape: Shape
    trial_id: str
    values: dict[str, Any]
    seed: int
    batch_size: int
    from_epoch: int
    to_epoch: int
    state: State | None = None


@dataclass(frozen=True)
class Progress:
    """What came of it.

    Attributes:
        epochs: one record for each epoch trained.
        state: everything needed to go on bit for bit: `weights/N` (as model.get_weights),
            `random/N` (seed generators), `optimizer/N`.
        parameters: trainable numbers of the network.
    """

    epochs: tuple[Epoch, ...]
    state: State
    parameters: int


class NotFinite(ArithmeticError):
    """A loss became NaN or infinite."""


class StateMissing(RuntimeError):
    """The worker does not hold the trial it is asked to go on with."""


def train(work: Work) -> Progress:
    """Trains a trial for some epochs.

    Raises:
        NotFinite: a loss is NaN or infinite.
        Exception: whatever building or training the network raises.
    """
    corpus = open_corpus(work.corpus)
    engine = _engine_for(work)
    epochs = []
    for epoch in range(work.from_epoch, work.to_epoch):
        started = time.perf_counter()
        loss = engine.train_epoch(
            training_batches(
                corpus.train,
                batch_size=work.batch_size,
                vocabulary_size=work.shape.vocabulary_size,
                max_length=work.shape.max_length,
                seed=work.seed,
                epoch=epoch,
            )
        )
        probabilities = engine.predict(
            _validation_batches(work.corpus, work.shape), len(corpus.validation)
        )
        val_loss, val_accuracy = score(probabilities, corpus.validation.labels)
        for name, value in (("training loss", loss), ("validation loss", val_loss)):
            if not np.isfinite(value):
                raise NotFinite(f"the {name} became {value} in epoch {epoch + 1}")
        seconds = time.perf_counter() - started
        epochs.append(Epoch(epoch + 1, loss, val_loss, val_accuracy, seconds))
    engine.holds = (work.trial_id, work.seed, work.to_epoch)
    return Progress(tuple(epochs), engine.state(), engine.model.count_params())


def score(probabilities: Probabilities, labels: npt.NDArray[np.int32]) -> tuple[float, float]:
    """Mean cross-entropy and accuracy.

    Args:
        probabilities: shape (rows, 1), of the second of two classes, or (rows, classes).
        labels: class indices, shape (rows,).
    """
    p = probabilities.astype(np.float64)
    if p.shape[1] == 1:
        predicted = (p[:, 0] > 0.5).astype(np.int32)
        likelihood = np.where(labels == 1, p[:, 0], 1 - p[:, 0])
    else:
        predicted = p.argmax(axis=1).astype(np.int32)
        likelihood = p[np.arange(len(labels)), labels]
    # maximum() passes NaN on; the bound is that of Keras.
    return (
        float(-np.log(np.maximum(likelihood, 1e-7)).mean()),
        float((predicted == labels).mean()),
    )


@dataclass
class Engine:
    """A compiled model with its traced training and prediction steps."""

    model: keras.Model
    holds: tuple[str, int, int] | None = None
    _train: Callable[..., Any] = field(init=False)
    _predict: Callable[..., Any] = field(init=False)
    _loss: tf.Variable = field(init=False)

    def __post_init__(self) -> None:
        model = self.model
        # Built now: otherwise the step is traced twice, the first time to make its variables.
        model.optimizer.build(model.trainable_variables)
        self._loss = tf.Variable(0.0, dtype=tf.float64, trainable=False)
        ids = tf.TensorSpec([None, None], tf.int32)
        labels = tf.TensorSpec([None], tf.int32)

        def train_step(x: Any, y: Any) -> None:
            with tf.GradientTape() as tape:
                predicted = model(x, training=True)
                # Keras' binary losses want labels shaped as the outputs.
                target = y if predicted.shape[-1] != 1 else y[:, tf.newaxis]
                loss = model.compute_loss(x, target, predicted, training=True)
            gradients = tape.gradient(loss, model.trainable_variables)
            model.optimizer.apply(gradients, model.trainable_variables)
            self._loss.assign_add(tf.cast(loss, tf.float64) * tf.cast(tf.shape(x)[0], tf.float64))

        def predict_step(x: Any) -> Any:
            return model(x, training=False)

        self._train = tf.function(train_step, input_signature=[ids, labels], autograph=False)
        self._predict = tf.function(predict_step, input_signature=[ids], autograph=False)

    def train_epoch(self, batches: Any) -> float:
        """Trains on every batch once and returns the mean loss of a row."""
        self._loss.assign(0.0)
        rows = 0
        for ids, labels in batches:
            self._train(tf.constant(ids), tf.constant(labels))
            rows += len(labels)
        return float(self._loss.numpy()) / rows

    def predict(
        self, batches: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]], rows: int
    ) -> Probabilities:
        """Probabilities of all rows, shape (rows, outputs), in the rows' own order."""
        result = np.empty((rows, self.model.output_shape[-1]), np.float32)
        for numbers, ids in batches:
            result[numbers] = self._predict(tf.constant(ids)).numpy()
        return result

    def _variables(self) -> dict[str, Any]:
        model = self.model
        named: dict[str, Any] = {}
        for kind, variables in (
            ("weights", model.weights),
            ("random", network.seed_states(model)),
            ("optimizer", model.optimizer.variables),
        ):
            named.update({f"{kind}/{number}": v for number, v in enumerate(variables)})
        return named

    def state(self) -> State:
        """Copies of everything that training changes."""
        return {name: np.array(v.numpy()) for name, v in self._variables().items()}

    def restore(self, state: State) -> None:
        """Puts back what `state` gave."""
        for name, variable in self._variables().items():
            variable.assign(state[name])


@lru_cache(maxsize=1)
def open_corpus(folder: str) -> Corpus:
    """The run's corpus, mapped once a process."""
    return Corpus.open(Path(folder))


@lru_cache(maxsize=2)
def _validation_batches(folder: str, shape: Shape) -> Any:
    """The validation rows in batches, built once a process."""
    return split_batches(open_corpus(folder).validation, shape)


def split_batches(split: Split, shape: Shape) -> Any:
    """Batches for `Engine.predict`."""
    return evaluation_batches(
        split, vocabulary_size=shape.vocabulary_size, max_length=shape.max_length
    )


_engines: OrderedDict[Any, Engine] = OrderedDict()


def _engine_for(work: Work) -> Engine:
    """An engine that stands where the work begins.

    For the project's own network a traced engine of the same sizes is used again with fresh
    weights; any other HyperModel is built anew for every trial, under the trial's seed.
    """
    key: Any
    if isinstance(work.hypermodel, SentimentHyperModel):
        hp = keras_tuner.HyperParameters()
        hp.values = dict(work.values)
        configuration = declare(hp)
        key = (work.shape, network.sizes(configuration))
        engine = _engines.pop(key, None)
        if engine is None:
            _make_room()
            engine = Engine(network.build(configuration, work.shape, fast=True))
        if engine.holds != _holding(work):
            network.reset(engine.model, configuration, work.shape, work.seed)
    else:
        key = "custom"
        engine = _engines.pop(key, None)
        if engine is None or engine.holds != _holding(work):
            keras.utils.set_random_seed(work.seed)
            hp = keras_tuner.HyperParameters()
            hp.values = dict(work.values)
            engine = Engine(work.hypermodel.build(hp))
    if engine.holds != _holding(work):
        if work.state is not None:
            engine.restore(work.state)
        elif work.from_epoch:
            raise StateMissing(work.trial_id)
    engine.holds = None  # until the epoch is over
    _engines[key] = engine
    return engine


def _holding(work: Work) -> tuple[str, int, int]:
    return (work.trial_id, work.seed, work.from_epoch)


def _make_room() -> None:
    """Lets go of the traces used longest ago."""

    def size() -> int:
        # Weights and Adam's two moments.
        return sum(3 * 4 * engine.model.count_params() for engine in _engines.values())

    while _engines and (len(_engines) >= MOST_TRACES or size() > MOST_TRACED_BYTES):
        _engines.popitem(last=False)
