"""The search algorithms by name."""

from typing import Any

import keras_tuner

from search.settings import Objective
from search.tuning import oracles
from search.tuning.objective import direction


def _oracle(algorithm: str) -> Any:
    """The class of an algorithm."""
    if algorithm == "tpe":  # imported here: Optuna takes half a second, for those who want it
        from search.tuning.tpe import TPE

        return TPE
    return {
        "random": oracles.RandomSearch,
        "grid": oracles.GridSearch,
        "bayesian": oracles.BayesianOptimization,
        "hyperband": oracles.Hyperband,
    }[algorithm]


def make_oracle(
    algorithm: str,
    *,
    trials: int,
    seed: int,
    max_epochs: int,
    objective: Objective = "val_accuracy",
) -> keras_tuner.Oracle:
    """Makes an oracle.

    Args:
        algorithm: one of `settings.Algorithm`.
        trials: how many trials there may be in all.
        seed: any integer.
        max_epochs: for hyperband, the epochs of its longest trials.
        objective: the score to optimise.
    """
    extra: dict[str, Any] = {"max_trials": trials}
    if algorithm == "hyperband":  # no end of iterations: the number of trials ends it
        extra = {"max_epochs": max_epochs, "hyperband_iterations": None}
    wanted = keras_tuner.Objective(objective, direction(objective))
    oracle = _oracle(algorithm)(objective=wanted, **extra)
    oracle.max_trials = trials
    oracle.seed = seed  # not through the constructor: KerasTuner takes seed=0 for no seed
    oracle.verbose = 0
    return oracle
