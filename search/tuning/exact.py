"""KerasTuner's floats with a step, made exact: 0.3 is proposed, not 0.30000000000000004."""

import math
from typing import Any

import keras_tuner

from search.network import steps

_Stock: Any = keras_tuner.engine.hyperparameters.Float


class Float(_Stock):
    """A float with a step of equal differences, whose values are decimal numbers.

    It has the name of KerasTuner's class, because that is what records and copies go by.
    """

    def _get_n_values(self) -> int:
        return steps.count(self.min_value, self.max_value, self.step)

    def _get_value_by_index(self, index: int) -> float:
        return float(steps.value_at(self.min_value, self.step, index))

    def _to_prob_with_step(self, value: float) -> float:
        """The middle of the share that the nearest value has of [0, 1]."""
        first = self._get_value_by_index(0)
        place = steps.nearest(self.min_value, self.max_value, self.step, value)
        return float((round((place - first) / self.step) + 0.5) / self._get_n_values())

    def settled(self, value: float) -> float:
        """Snaps a value to the step that it differs from only in its last digits."""
        exact = steps.nearest(self.min_value, self.max_value, self.step, value)
        return float(exact if math.isclose(value, exact, rel_tol=1e-9, abs_tol=1e-12) else value)


def with_exact_steps(space: Any) -> Any:
    """Has a space, a `keras_tuner.HyperParameters`, give and take exact values; returns it."""
    for hp in space.space:
        if type(hp) is _Stock and hp.step is not None and hp.sampling == "linear":
            hp.__class__ = Float
            hp._default = hp.settled(hp.default)
        if isinstance(hp, Float) and hp.name in space.values:
            space.values[hp.name] = hp.settled(space.values[hp.name])
    return space
