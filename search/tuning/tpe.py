"""Tree-structured Parzen estimators (Bergstra et al. 2011) as a KerasTuner oracle, on Optuna.

Hyperparameters are proposed together, not one by one (multivariate), and trials that are still
training count as bad ones for the time being (constant liar), so that workers do not crowd.
"""

import heapq
import warnings
from typing import Any

import keras_tuner
import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import TrialState

from search.tuning.oracles import FromTrials

_Float = keras_tuner.engine.hyperparameters.Float

STARTUP_TRIALS = 3  # before it proposes: as many as are known to be good and come first
ATTEMPTS = 20  # at a proposal that was not tried before
CANDIDATES = 10  # of which one is taken, if an epoch of the first is expensive:
CHEAP = 1e11  # floating-point operations; a core needs about a second for them
USUAL = 2  # times the epoch of the defaults is cheap too, however long that is
DOUBLING = 0.005  # what a trial must be better by for each doubling of its epochs beyond that
MOST_TRIALS = 800  # that a proposal rests on: the newest, without the oldest so many at a time,
BLOCK = 200
GOOD = 25  # and the best of all; Optuna calls no more than these good


class TPE(FromTrials, keras_tuner.Oracle):
    """Proposes hyperparameters that are likely among good trials and unlikely among the rest.

    A large network takes ten times as long as a small one, and where there is much text it is
    hardly better. So a trial whose epochs take more than a second, and more than twice as long as
    those of the defaults, must be better by more than chance to count as good. Of several proposals
    the first that is cheap is taken, or else the cheapest. Where all epochs are short, size does
    not matter.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._study: optuna.Study | None = None
        self._numbers: dict[str, int] = {}  # Optuna's number of each trial
        self._open: set[str] = set()  # trials that have not ended, as far as the study knows

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Returns the hyperparameters of a new trial."""
        study = self._synchronised()
        new: list[dict[str, Any]] = []
        # The same seed would propose the same again.
        for attempt in range(ATTEMPTS):
            values = self._proposal(study, self._seed_state + attempt)
            if not self._duplicate(values):
                new.append(values)
                if len(new) == CANDIDATES or self._doublings(values) == 0:
                    break
        # None is new only where hardly any is left; then a random one takes the place of the last.
        chosen = min(new, key=self._doublings, default=values)
        return {"status": "RUNNING", "values": chosen}

    def _proposal(self, study: optuna.Study, seed: int) -> dict[str, Any]:
        study.sampler = _sampler(seed)
        probe = study.ask()
        values: dict[str, Any] = {}
        space = self.get_space()
        space.values = values
        for hp in space.space:
            # In the order of the space, in which a condition comes after what it depends on.
            if space.is_active(hp):
                found = probe._suggest(hp.name, _distribution(hp))
                values[hp.name] = found if _as_it_is(hp) else list(hp.values)[found]
        # The trial itself is added before the next proposal; this one was to get values only.
        study.tell(probe, state=TrialState.FAIL)
        return values

    def _synchronised(self) -> optuna.Study:
        """Returns an Optuna study of the relevant trials, equal to one made from scratch."""
        wanted = self._relevant()
        known = list(self._numbers)
        again = any(self.trials[i].status == "RUNNING" for i in known if i not in self._open)
        # Optuna cannot take back that a trial has ended, nor forget one.
        if self._study is None or again or wanted[: len(known)] != known:
            optuna.logging.set_verbosity(optuna.logging.WARNING)
            self._study = optuna.create_study(direction="maximize", sampler=_sampler(0))
            self._numbers, self._open = {}, set()
        for trial_id in sorted(self._open, key=int):
            state, value = self._result(self.trials[trial_id])
            if state != TrialState.RUNNING:
                self._study.tell(self._numbers[trial_id], value, state)
                self._open.discard(trial_id)
        for trial_id in wanted[len(self._numbers) :]:
            frozen = self._frozen(self.trials[trial_id])
            self._numbers[trial_id] = len(self._study.get_trials(deepcopy=False))
            self._study.add_trial(frozen)
            if frozen.state == TrialState.RUNNING:
                self._open.add(trial_id)
        return self._study

    def _relevant(self) -> list[str]:
        """The trials that a proposal is based on, in order.

        All of them would make the last of 5,000 proposals take five times as long. Of bad trials
        the old ones hardly count anyway: Optuna gives them less weight than the newest.
        """
        trial_ids = sorted(self.trials, key=int)
        begin = -(-max(0, len(trial_ids) - MOST_TRIALS) // BLOCK) * BLOCK
        results = ((i, self._result(self.trials[i])[1]) for i in trial_ids[:begin])
        old = {i: value for i, value in results if value is not None}
        best = heapq.nlargest(GOOD, old, key=old.__getitem__)
        return sorted(best, key=int) + trial_ids[begin:]

    def _result(self, trial: Any) -> tuple[TrialState, float | None]:
        """A trial's state and score, for Optuna."""
        if trial.status == "COMPLETED":
            sign = 1 if self.objective.direction == "max" else -1
            doublings = self._doublings(trial.hyperparameters.values)
            return TrialState.COMPLETE, sign * trial.score - DOUBLING * doublings
        if trial.status in ("RUNNING", "IDLE"):
            return TrialState.RUNNING, None
        return TrialState.FAIL, None

    def _doublings(self, values: dict[str, Any]) -> float:
        """How many times the cost of a cheap epoch must be doubled for one with these values."""
        cost = self.cost(values)
        if cost <= CHEAP:  # as with thousands of trials: then the defaults need not be looked at
            return 0.0
        usual = {hp.name: hp.default for hp in self.hyperparameters.space}
        return float(np.log2(max(1.0, cost / max(CHEAP, USUAL * self.cost(usual)))))

    def _frozen(self, trial: Any) -> optuna.trial.FrozenTrial:
        hp = trial.hyperparameters
        active = {p.name: p for p in hp.space if hp.is_active(p) and p.name in hp.values}
        state, value = self._result(trial)
        # Only what was active: a value that had no effect says nothing of the trial's score.
        return optuna.trial.create_trial(
            state=state,
            value=value,
            params={name: _placed(p, hp.values[name]) for name, p in active.items()},
            distributions={name: _distribution(p) for name, p in active.items()},
        )


def _sampler(seed: int) -> optuna.samplers.TPESampler:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.TPESampler(
            n_startup_trials=STARTUP_TRIALS,
            multivariate=True,
            group=True,  # those that are active together, where some are only at times
            constant_liar=True,
            seed=seed,
        )


def _as_it_is(hp: Any) -> bool:
    """Whether Optuna draws the value itself, and not its place among finitely many in order.

    Places let it know that neighbours are alike, which a choice of unordered names would not; and
    they are exact, where multiples of a step are rounded.
    """
    if isinstance(hp, (keras_tuner.engine.hyperparameters.Int, _Float)):
        return hp.step is None
    return not (isinstance(hp, keras_tuner.engine.hyperparameters.Choice) and hp.ordered)


def _distribution(hp: Any) -> BaseDistribution:
    if not _as_it_is(hp):
        return IntDistribution(0, len(list(hp.values)) - 1)
    if isinstance(hp, _Float):
        return FloatDistribution(hp.min_value, hp.max_value, log=hp.sampling == "log")
    if isinstance(hp, keras_tuner.engine.hyperparameters.Int):
        return IntDistribution(hp.min_value, hp.max_value, log=hp.sampling == "log")
    return CategoricalDistribution(tuple(hp.values))


def _placed(hp: Any, value: Any) -> Any:
    """A hyperparameter's value as Optuna sees it."""
    if _as_it_is(hp):
        return value
    # The nearest, because a record may have the last digit of another way to compute it.
    return min(enumerate(hp.values), key=lambda place: abs(place[1] - value))[0]
