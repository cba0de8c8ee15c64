"""The oracle behind the interface of the loop: proposes trials, and gets their records."""

from collections.abc import Iterable
from typing import Any

import keras_tuner
from keras_tuner.engine.trial import Trial

from search.errors import SettingsError
from search.files import write_json
from search.network.space import Configuration, inside, smallest, starting_points
from search.network.spacefile import values_of
from search.network.weights import parameters
from search.tuning import oracles
from search.tuning.exact import with_exact_steps
from search.tuning.objective import to_score
from search.tuning.records import Epoch, TrialRecord, now
from search.tuning.study import Study
from search.tuning.warm_start import best_configurations


class Proposals:
    """Proposes the trials of a run.

    Args:
        oracle: one of this project's, or any of KerasTuner's.
        study: the run.

    Raises:
        SettingsError: a configuration to try first is invalid.
    """

    def __init__(self, oracle: keras_tuner.Oracle, study: Study) -> None:
        self._oracle = oracle
        self._study = study
        self._foreign = not isinstance(oracle, oracles.FromTrials)
        if self._foreign:
            # It keeps its state in oracle.json, which is written here.
            oracle.save = lambda: None
            oracle._save_trial = lambda trial: None
            oracle._check_consecutive_failures = lambda: None
            oracle.verbose = 0
            stock = oracle.get_space
            oracle.get_space = lambda: with_exact_steps(stock())
            with_exact_steps(oracle.hyperparameters)
        elif study.ours:
            self._apply_settings(oracle)

    def _apply_settings(self, oracle: oracles.FromTrials) -> None:
        """Tells the oracle what to try first, which networks are too large, and what each costs."""
        study, settings = self._study, self._study.settings
        limit = settings.max_parameters
        if limit is not None:
            fewest = parameters(Configuration(**smallest(study.space)), study.shape)
            if fewest > limit:
                raise SettingsError(
                    f"--max-parameters {limit}: the smallest network of the space has {fewest:,} "
                    "parameters on this data; allow as many, or make the space smaller with --set, "
                    "such as --set vocabulary_size=5000"
                )
            oracle.allowed = lambda values: (
                parameters(Configuration.of(values), study.shape) <= limit
            )
        oracle.cost = study.epoch_cost
        requested = [self._tried(text) for text in settings.try_]
        if settings.warm_start is not None:
            requested += best_configurations(settings.warm_start)
        if settings.tuner in ("grid", "hyperband"):  # both go by a plan of their own
            if requested:
                raise SettingsError(
                    f"--try and --warm-start cannot be used with --tuner {settings.tuner}"
                )
            return
        points = starting_points(study.space, requested)
        oracle.first = [values for values in points if oracle.allowed(values)]

    def _tried(self, text: str) -> dict[str, Any]:
        """Parses one `--try`, and checks it against the space."""
        values, space = values_of(text), self._study.space
        for name, value in values.items():
            if name not in space or not inside(value, space[name]):
                raise SettingsError(
                    f"--try {text}: {name} = {value} is not in the space that is searched; "
                    f"widen it with --set {name}=…"
                )
        return values

    def identity(self) -> dict[str, Any]:
        """The part of a run's identity that the oracle and its space decide."""
        declared = self._oracle.get_space().get_config()["space"]
        return {
            **{f"space.{hp['config']['name']}": hp["config"] for hp in declared},
            "tried_first": list(getattr(self._oracle, "first", ())),
        }

    # -- trials ----------------------------------------------------------------------------

    def restore(self, records: Iterable[TrialRecord]) -> None:
        """Restores the oracle from the trials of a resumed run."""
        oracle = self._oracle
        oracles.restore(oracle, [self._trial_of(record) for record in records])
        if not self._foreign:
            return
        state = self._study.run.read_json(self._study.run.path / "oracle.json")
        if state is not None:
            # What the trials themselves say counts more than the last saved copy.
            mine = {**oracle.get_state(), "ongoing_trials": {}, "retry_queue": []}
            known = ("start_order", "end_order", "tried_so_far", "id_to_hash", "run_times")
            ongoing = dict(oracle.ongoing_trials)
            oracle.set_state(
                {**state, **{name: mine[name] for name in (*known, "retry_queue")}}
                | {"ongoing_trials": {}}
            )
            oracle.ongoing_trials = ongoing
            with_exact_steps(oracle.hyperparameters)

    def propose(self, *, others_running: bool) -> TrialRecord | None:
        """Proposes a new trial; None if the oracle waits for results or has nothing more.

        Args:
            others_running: whether other trials are running.
        """
        study = self._study
        trial = self._oracle.create_trial(oracles.next_trial_id(self._oracle.trials))
        if trial.status != "RUNNING":  # STOPPED: exhausted; IDLE: it waits for results
            if trial.status == "STOPPED" and not others_running:
                study.warn(f"the search space is exhausted after {len(study.records)} trials")
            return None
        return TrialRecord(
            trial_id=trial.trial_id,
            status="running",
            values=dict(trial.hyperparameters.values),
            seed=oracles.trial_seed(study.settings.seed, int(trial.trial_id)),
            space=trial.hyperparameters.get_config(),
            batch_size=study.configuration(trial.hyperparameters.values).batch_size,
            started_at=now(),
            run=study.run_id,
        )

    def reopen(self, record: TrialRecord) -> None:
        """Marks an ended trial as running again."""
        oracles.reopen(self._oracle, self._oracle.trials[record.trial_id])

    def end(self, record: TrialRecord) -> None:
        """Reports an ended trial to the oracle."""
        trial = self._oracle.trials[record.trial_id]
        if record.status != "failed":
            for epoch in record.history:
                self._oracle.update_trial(trial.trial_id, self._metrics(epoch), step=epoch.epoch)
        trial.status = "FAILED" if record.status == "failed" else "COMPLETED"
        trial.message = record.error
        self._oracle.end_trial(trial)
        self.save()

    def save(self) -> None:
        """Writes oracle.json, the state of an oracle that is not this project's."""
        if self._foreign:
            write_json(self._study.run.path / "oracle.json", self._oracle.get_state())

    def _trial_of(self, record: TrialRecord) -> Any:
        """Returns a record as KerasTuner's Trial."""
        space = keras_tuner.HyperParameters.from_config(record.space)
        space.values = dict(record.values)
        trial = Trial(space, record.trial_id, record.status.upper(), record.error)
        for epoch in record.history:
            for name, value in self._metrics(epoch).items():
                if not trial.metrics.exists(name):
                    trial.metrics.register(name, direction="min" if "loss" in name else "max")
                trial.metrics.update(name, value, step=epoch.epoch)
        if record.status in ("completed", "pruned"):
            trial.status = "COMPLETED"  # for KerasTuner, a trial that was stopped has a score too
            self._oracle.score_trial(trial)
        return trial

    def _metrics(self, epoch: Epoch) -> dict[str, float]:
        """The metrics of an epoch, for KerasTuner."""
        objective = self._study.settings.objective
        return {
            "loss": epoch.loss,
            objective: to_score(objective, epoch.score),
            "val_loss": epoch.val_loss,
            "val_accuracy": epoch.val_accuracy,
        }
