"""The search algorithms: KerasTuner's oracles, made reproducible and resumable.

These oracles have no state but their trials. What one proposes for trial number N depends on the
seed, on N and, if it learns, on the results so far. So nothing else is stored, and a run that was
killed at any point resumes as if nothing had happened.

To add an algorithm: subclass a KerasTuner oracle with `FromTrials` in front, and name it in
`_oracle`.
"""

import hashlib
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import keras_tuner
import numpy as np
from keras_tuner.oracles import (
    BayesianOptimizationOracle,
    GridSearchOracle,
    HyperbandOracle,
    RandomSearchOracle,
)
from sklearn.exceptions import ConvergenceWarning

from search.blas import one_thread
from search.tuning.exact import with_exact_steps


def trial_seed(seed: int, number: int | str) -> int:
    """The seed of a trial (by its number) or a final (by its id).

    It is in [0, 2**31), and equal for equal arguments on any machine.
    """
    digest = hashlib.sha256(f"{seed}/{number}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


class FromTrials(keras_tuner.Oracle):
    """A mixin that makes a KerasTuner oracle depend on its trials alone; inherit from it first.

    Unlike in a stock oracle, trial ids have a constant width, every proposal has its own random
    state (stock: seed 0 means no seed), a proposal that was already tried is replaced by a random
    one, and nothing is written: the tuner writes.

    Attributes:
        first: hyperparameters of the first trials, before the algorithm is asked.
        allowed: whether hyperparameters may be proposed.
        cost: floating-point operations of an epoch, for those that avoid expensive trials.
    """

    first: Sequence[dict[str, Any]] = ()
    allowed: Callable[[dict[str, Any]], bool] = staticmethod(lambda values: True)
    cost: Callable[[dict[str, Any]], float] = staticmethod(lambda values: 0.0)

    @one_thread
    def create_trial(self, tuner_id: str) -> Any:
        """Proposes the trial with the lowest free number."""
        trial_id = next_trial_id(self.trials)
        status: str = "STOPPED"
        values: dict[str, Any] | None = None
        if self.max_trials is None or len(self.trials) < self.max_trials:
            self._seed_for(int(trial_id))
            if int(trial_id) < len(self.first):
                status, values = "RUNNING", dict(self.first[int(trial_id)])
            else:
                response = self.populate_space(trial_id)
                status, values = response["status"], response.get("values")
        space = self.get_space()
        space.values = values or {}
        with_exact_steps(space)  # what is tried first may come from elsewhere
        if status == "RUNNING" and self._duplicate(space.values):
            values = self._random_values()
            status = "STOPPED" if values is None else "RUNNING"
            space.values = values or {}
        trial = keras_tuner.engine.trial.Trial(space, trial_id, status)
        if status == "RUNNING":
            self._record_values(trial)
            self.trials[trial_id] = trial
            self.ongoing_trials[tuner_id] = trial
            self.start_order.append(trial_id)
        return trial

    def get_space(self) -> Any:
        """Returns a copy of the space, with exact steps."""
        return with_exact_steps(super().get_space())

    def update_space(self, hyperparameters: Any) -> None:
        """Adds to the space, with exact steps."""
        super().update_space(hyperparameters)
        with_exact_steps(self.hyperparameters)

    def _seed_for(self, number: int) -> None:
        self._seed_state = trial_seed(self.seed, number)
        self._max_collisions = 1000  # stock: 20, too few where little is left or allowed

    def _duplicate(self, values: dict[str, Any]) -> bool:
        """Whether values were tried before, or may not be tried."""
        return bool(not self.allowed(values) or super()._duplicate(values))

    def get_best_trials(self, num_trials: int = 1) -> list[Any]:
        """Completed trials only, best first; of equal scores the lower val_loss, then the earlier.

        (Stock oracles fill up with failed trials.)
        """

        def key(trial: Any) -> tuple[float, float, int]:
            losses = [0.0]
            if trial.metrics.exists("val_loss"):
                loss = {o.step: o.mean() for o in trial.metrics.get_history("val_loss")}
                scores = trial.metrics.get_history(self.objective.name)
                losses = [loss[o.step] for o in scores if o.mean() == trial.score]
            sign = -1 if self.objective.direction == "max" else 1
            return sign * trial.score, min(losses), int(trial.trial_id)

        completed = [trial for trial in self.trials.values() if trial.status == "COMPLETED"]
        return sorted(completed, key=key)[:num_trials]

    def save(self) -> None:
        """Nothing: the tuner stores the trials, and there is nothing else."""

    def _save_trial(self, trial: Any) -> None:
        """Nothing: the tuner stores the trials."""

    def _check_consecutive_failures(self) -> None:
        """Nothing: the tuner decides when failures end a search."""


def next_trial_id(trials: dict[str, Any]) -> str:
    """The lowest number that no trial has, with at least four digits."""
    taken = {int(trial_id) for trial_id in trials}
    number = next(n for n in range(len(taken) + 1) if n not in taken)
    return f"{number:04d}"


def restore(oracle: keras_tuner.Oracle, trials: list[Any]) -> None:
    """Restores an oracle's trials; running ones are ongoing again."""
    for trial in trials:
        with_exact_steps(trial.hyperparameters)
        oracle.trials[trial.trial_id] = trial
        oracle.start_order.append(trial.trial_id)
        oracle._record_values(trial)
        if trial.status == "RUNNING":
            oracle.ongoing_trials[trial.trial_id] = trial
        else:
            oracle.end_order.append(trial.trial_id)


def reopen(oracle: keras_tuner.Oracle, trial: Any) -> None:
    """Marks an ended trial as running again."""
    trial.status = "RUNNING"
    oracle.ongoing_trials[trial.trial_id] = trial
    if trial.trial_id in oracle.end_order:
        oracle.end_order.remove(trial.trial_id)


class RandomSearch(FromTrials, RandomSearchOracle):
    """Independent draws from the space, without repeating one."""


class GridSearch(FromTrials, GridSearchOracle):
    """Every combination once, the defaults first; numbers without a step take 10 values."""

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """The combination that follows that of the trial numbered one lower."""
        number = int(trial_id)
        values: dict[str, Any] | None
        if number == 0:
            space = self.get_space()
            values = {hp.name: hp.default for hp in space.space if space.is_active(hp)}
        else:
            values = self._get_next_combination(
                self.trials[f"{number - 1:04d}"].hyperparameters.values
            )
        while values is not None and not self.allowed(values):
            values = self._get_next_combination(values)
        return {"status": "STOPPED" if values is None else "RUNNING", "values": values}


class BayesianOptimization(FromTrials, BayesianOptimizationOracle):
    """A Gaussian process with an upper confidence bound, after random first trials."""

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """As KerasTuner, without scikit-learn's remarks on the process's length scale."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            response: dict[str, Any] = super().populate_space(trial_id)
        return response

    def _seed_for(self, number: int) -> None:
        super()._seed_for(number)
        self._random_state = np.random.RandomState(self._seed_state)
        self.gpr = self._make_gpr()


class Hyperband(FromTrials, HyperbandOracle):
    """Hyperband (Li et al. 2018): many short trials, the better ones continued.

    A continued trial is a new trial, as in KerasTuner, and counts as one; it goes on from the
    other's last epoch, with its optimiser.
    """

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """As KerasTuner, from brackets that are made anew out of the trials."""
        self._rebuild_brackets()
        response: dict[str, Any] = super().populate_space(trial_id)
        return response

    def _rebuild_brackets(self) -> None:
        self._brackets: list[dict[str, Any]] = []
        self._current_iteration = 0
        self._current_bracket = self._get_num_brackets() - 1
        self._start_new_bracket()
        for trial_id in sorted(self.trials, key=int):
            values = self.trials[trial_id].hyperparameters.values
            round_number = values["tuner/round"]
            entry = {"past_id": values.get("tuner/trial_id"), "id": trial_id}
            if round_number == 0:
                newest = self._brackets[-1]
                if len(newest["rounds"][0]) >= self._get_size(newest["bracket_num"], 0):
                    self._increment_bracket_num()
                    self._start_new_bracket()
                self._brackets[-1]["rounds"][0].append(entry)
                continue
            for bracket in self._brackets:
                rounds = bracket["rounds"]
                if round_number < len(rounds) and any(
                    past["id"] == entry["past_id"] for past in rounds[round_number - 1]
                ):
                    rounds[round_number].append(entry)

    def _duplicate(self, values: dict[str, Any]) -> bool:
        """A continued trial has the values of the one it continues, and is meant to."""
        return bool(not values.get("tuner/round") and super()._duplicate(values))
