"""Engines: networks that train epochs, for a worker."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from search.compiled.adam import Adam
from search.compiled.network import FastNetwork
from search.network.space import Configuration
from search.network.weights import Shape, Weights

State = dict[str, npt.NDArray[Any]]
Probabilities = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int32]
Batches = Iterable[tuple[Ids, Ids]]
Rows = npt.NDArray[np.int64]


class Engine(Protocol):
    """A network in training.

    Attributes:
        parameters: number of trainable parameters.
        outputs: number of outputs per text: 1 for two classes, otherwise one per class.
    """

    parameters: int
    outputs: int

    def train_epoch(self, batches: Batches, seed: int, epoch: int) -> float:
        """Trains one epoch and returns the mean training loss per row.

        Args:
            batches: token ids (batch, time), 0 after a text's end, and class indices (batch,).
            seed: of the trial.
            epoch: counted from 0; with `seed` it decides what is random in it.
        """

    def probabilities(self, ids: Ids) -> Probabilities:
        """Returns probabilities, (batch, outputs), of token ids, (batch, time)."""

    def state(self) -> State:
        """Returns a checkpoint: copies of weights, optimizer state and random state, by name."""

    def restore(self, state: State) -> None:
        """Restores what `state` returned."""


def in_order(state: State, kind: str) -> list[npt.NDArray[Any]]:
    """The arrays named kind/0, kind/1, … in order."""
    names = (name for name in state if name.startswith(f"{kind}/"))
    return [state[name] for name in sorted(names, key=lambda name: int(name.rpartition("/")[2]))]


def together(states: Sequence[State]) -> State:
    """The checkpoints of several networks as one: of each kind, the first network's arrays first.

    Args:
        states: of networks of one configuration, as `Engine.state` returns them.
    """
    kinds = dict.fromkeys(name.partition("/")[0] for name in states[0])
    arrays = {kind: [a for state in states for a in in_order(state, kind)] for kind in kinds}
    return {f"{kind}/{n}": a for kind, found in arrays.items() for n, a in enumerate(found)}


def apart(state: State, networks: int) -> list[State]:
    """Splits what `together` made of so many checkpoints."""
    states: list[State] = [{} for _ in range(networks)]
    for kind in dict.fromkeys(name.partition("/")[0] for name in state):
        arrays = in_order(state, kind)
        count = len(arrays) // networks
        for number, array in enumerate(arrays):
            states[number // count][f"{kind}/{number % count}"] = array
    return states


def predict(engine: Engine, batches: list[tuple[Rows, Ids]], rows: int) -> Probabilities:
    """Returns the probabilities of all rows, (rows, outputs), in the order of the rows."""
    result = np.empty((rows, engine.outputs), np.float32)
    for numbers, ids in batches:
        result[numbers] = engine.probabilities(ids)
    return result


class FastEngine:
    """This project's network on a CPU, in compiled code.

    Args:
        configuration: the hyperparameters.
        shape: of the network.
        weights: the first ones, as of the plain Keras model; they are copied.
        class_weights: weight of each class in the loss; None for equal weights.
    """

    def __init__(
        self,
        configuration: Configuration,
        shape: Shape,
        weights: Weights,
        class_weights: tuple[float, ...] | None = None,
    ) -> None:
        self._network = FastNetwork(configuration, shape, class_weights)
        self._adam = Adam(self._network.weights, configuration.weight_decay, configuration.clipnorm)
        self._configuration = configuration
        self.parameters = sum(weight.size for weight in self._network.weights)
        self.outputs = shape.outputs
        self._assign(weights)

    def _assign(self, weights: Weights) -> None:
        for array, value in zip(self._network.weights, weights, strict=True):
            array[:] = value

    def train_epoch(self, batches: Batches, seed: int, epoch: int) -> float:
        """See `Engine`."""
        generator = np.random.default_rng([seed, epoch, 1])  # batches are drawn from [seed, epoch]
        decay = self._configuration.learning_rate_decay
        learning_rate = self._configuration.learning_rate * decay**epoch

        def step(ids: Ids, labels: Ids) -> float:
            loss, gradients = self._network.loss_and_gradients(ids, labels, generator)
            self._adam.apply(gradients, learning_rate)
            return loss

        return _mean_loss(step, batches)

    def probabilities(self, ids: Ids) -> Probabilities:
        """See `Engine`."""
        return self._network.probabilities(ids)

    def state(self) -> State:
        """See `Engine`."""
        kinds = {"weights": map(np.copy, self._network.weights), "optimizer": self._adam.state()}
        return {f"{k}/{n}": array for k, arrays in kinds.items() for n, array in enumerate(arrays)}

    def restore(self, state: State) -> None:
        """See `Engine`."""

        self._assign(in_order(state, "weights"))
        self._adam.restore(in_order(state, "optimizer"))


class KerasEngine:
    """Any compiled Keras model, trained with its own optimiser.

    Args:
        model: token ids to probabilities.
        learning_rate_decay: factor of the learning rate after every epoch.
        class_weights: weight of each class in the loss; None for equal weights.
    """

    def __init__(
        self,
        model: Any,
        learning_rate_decay: float = 1.0,
        class_weights: tuple[float, ...] | None = None,
    ) -> None:
        import tensorflow as tf

        self._model = model
        self._decay = learning_rate_decay
        self.parameters: int = model.count_params()
        self.outputs: int = model.output_shape[-1]
        # Built now: otherwise the step is traced twice, the first time to make its variables.
        model.optimizer.build(model.trainable_variables)

        def train_step(ids: Any, labels: Any) -> Any:
            with tf.GradientTape() as tape:
                predicted = model(ids, training=True)
                # Keras' binary losses want labels shaped as the outputs.
                target = labels if predicted.shape[-1] != 1 else labels[:, tf.newaxis]
                counts = None if class_weights is None else tf.gather(class_weights, labels)
                loss = model.compute_loss(
                    ids, target, predicted, sample_weight=counts, training=True
                )
            gradients = tape.gradient(loss, model.trainable_variables)
            model.optimizer.apply(gradients, model.trainable_variables)
            return loss

        ids = tf.TensorSpec([None, None], tf.int32)
        labels = tf.TensorSpec([None], tf.int32)
        self._train = tf.function(train_step, input_signature=[ids, labels], autograph=False)
        self._predict = tf.function(
            lambda ids: model(ids, training=False), input_signature=[ids], autograph=False
        )

    def train_epoch(self, batches: Batches, seed: int, epoch: int) -> float:
        """See `Engine`; what is random is in the model's own state."""
        if epoch and self._decay != 1:
            learning_rate = self._model.optimizer.learning_rate
            learning_rate.assign(float(learning_rate) * self._decay)
        return _mean_loss(lambda ids, labels: float(self._train(ids, labels)), batches)

    def probabilities(self, ids: Ids) -> Probabilities:
        """See `Engine`."""
        return np.asarray(self._predict(ids))

    def _variables(self) -> dict[str, Any]:
        model = self._model
        known = {id(v) for v in (*model.weights, *model.metrics_variables)}
        kinds = {
            "weights": model.weights,
            # The states of random generators: variables, but no weights and no metrics.
            "random": [v for v in model.variables if id(v) not in known],
            "optimizer": model.optimizer.variables,
        }
        return {f"{k}/{n}": v for k, variables in kinds.items() for n, v in enumerate(variables)}

    def state(self) -> State:
        """See `Engine`."""
        return {name: np.array(v.numpy()) for name, v in self._variables().items()}

    def restore(self, state: State) -> None:
        """See `Engine`."""
        for name, variable in self._variables().items():
            variable.assign(state[name])


def _mean_loss(step: Callable[[Ids, Ids], float], batches: Batches) -> float:
    total, rows = 0.0, 0
    for ids, labels in batches:
        total += step(ids, labels) * len(labels)
        rows += len(labels)
    return total / rows
