"""The tuner: KerasTuner's, with the training moved into workers and nothing that can be lost.

This process alone talks to the oracle and writes files. A trial travels to a worker one epoch at
a time and comes back as plain values, which are written before anything is built on them.
"""

import math
import time
import traceback
from collections import deque
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras_tuner
import numpy as np
import tensorflow
from keras_tuner.engine.trial import Trial

from search.corpus import Corpus
from search.corpus.embeddings import Embeddings
from search.corpus.store import Split, fingerprint
from search.corpus.words import Vectors, word_features
from search.errors import Interrupted, NothingUsable, ResultsError, SettingsError, one_line
from search.files import npy, write_atomically, write_json
from search.network.hypermodel import SentimentHyperModel
from search.network.space import (
    CORE,
    Configuration,
    Space,
    features_size,
    inside,
    starting_points,
    starts_from_words,
)
from search.network.spacefile import spec_text, values_of
from search.network.weights import Shape, parameters
from search.settings import Settings
from search.tuning import finals, oracles
from search.tuning.algorithms import make_oracle
from search.tuning.engine import Probabilities
from search.tuning.executors import MachineLost, Slot, Slots
from search.tuning.halving import Halving, Ladder
from search.tuning.interrupts import StopRequest, stop_requests
from search.tuning.objective import balanced_weights, check_measurable, signed
from search.tuning.places import slots_for
from search.tuning.records import Epoch, Status, TrialRecord, finished, ranked, trial_of
from search.tuning.rundir import Arrays, RunDirectory, Weights, machine, now, winners
from search.tuning.training import Progress, StateMissing, Work, train
from search.version import __version__

MOST_DEATHS = 2  # of workers, that a trial survives
MOST_LOSSES = 20  # of machines, that it survives
ALIKE_FAILURES = 3  # of the first trials; after them a search is given up
POLL_SECONDS = 0.2

Listener = Callable[["SearchTuner", TrialRecord], None]


@dataclass
class _Job:
    """A trial on its way, or a final, which the oracle (`trial`) knows nothing of."""

    trial: Any
    record: TrialRecord
    last_epoch: int
    history: tuple[Epoch, ...] = ()
    first_epoch: int = 0
    state: Arrays | None = None
    best: Weights | None = None
    predicted: Probabilities | None = None  # of the validation rows, with the best weights
    deaths: int = 0
    losses: int = 0
    submitted_at: float = 0.0
    timed_out: bool = False

    @property
    def done_epochs(self) -> int:
        return self.history[-1].epoch if self.history else self.first_epoch

    def is_over(self, patience: int) -> bool:
        """Whether it has all its epochs, or has stopped getting better."""
        if self.record.is_final:  # which stops where its trial was best
            return self.done_epochs >= self.last_epoch
        return finished(self.history, self.last_epoch, patience)

    @property
    def so_far(self) -> TrialRecord:
        """Its record with the epochs it has."""
        return replace(self.record, history=self.history)


class SearchTuner(keras_tuner.Tuner):
    """Searches the hyperparameters of a text classifier.

    What a KerasTuner tuner has works here too: `search_space_summary`, `results_summary`,
    `get_best_hyperparameters`, `get_best_models`, a HyperModel or an Oracle of your own.

    Args:
        settings: the run's settings.
        corpus: the data, from `load_corpus`.
        space: what is searched; see `search.network.spacefile.chosen_space`.
        embeddings: what embeddings start from with `embedding_init` "file".
        learned: gives the word features, where they are being learned already.
        hypermodel: builds the network from token ids (int, (batch, time), 0 pads on the right).
            The default is `SentimentHyperModel`. One of your own must be importable by worker
            processes; with an attribute `shape` (a `Shape`) it says how texts are cut.
        oracle: proposes trials; the default is the one that `settings.tuner` names.
        after_trial: called with the tuner and the record of every trial that ended.
        watch: called with the tuner several times a second while it searches.
        warn: gets one sentence for everything unexpected that was dealt with.

    Attributes:
        compiled: whether the networks are trained by compiled code and not by Keras.
        under_way: what each worker trains, with the epochs it has; None for nothing.
    """

    def __init__(
        self,
        settings: Settings,
        corpus: Corpus,
        *,
        space: Space = CORE,
        embeddings: Embeddings | None = None,
        learned: Callable[[], Vectors] | None = None,
        hypermodel: keras_tuner.HyperModel | None = None,
        oracle: keras_tuner.Oracle | None = None,
        after_trial: Listener = lambda tuner, record: None,
        watch: Callable[["SearchTuner"], None] = lambda tuner: None,
        warn: Callable[[str], None] = lambda message: None,
    ) -> None:
        self.settings = settings
        self.corpus = corpus
        shape = Shape(
            len(corpus.vocabulary) + 2, len(corpus.class_names), int(corpus.train.lengths.max())
        )
        hypermodel = hypermodel or SentimentHyperModel(
            shape.vocabulary_size, shape.classes, shape.max_length, space
        )
        # A HyperModel of somebody's own is trained by Keras; everything is where there is a GPU.
        self._own = type(hypermodel) is SentimentHyperModel
        self.shape: Shape = getattr(hypermodel, "shape", shape.of(Configuration()))
        there = tensorflow.config.list_physical_devices("GPU")
        self.compiled = self._own and not (settings.gpus_per_trial if settings.cluster else there)
        self.space = hypermodel.space if self._own else {}
        check_measurable(settings.objective, corpus)
        self._class_weights = None
        if settings.class_weight is not None:
            self._class_weights = balanced_weights(corpus.train.labels, shape.classes)
        self._embeddings = embeddings
        self._learned = learned
        self.run = RunDirectory(settings.results, warn)
        self.warn = warn
        self.after_trial = after_trial
        self.watch = watch
        self.records: dict[str, TrialRecord] = {}
        self.finals: dict[str, TrialRecord] = {}
        self.trials_begun = 0  # by this process, those that were continued included
        self.epochs_trained = 0  # by this process
        self.under_way: list[TrialRecord | None] = []
        self._waiting: deque[_Job] = deque()  # trials that are under way, but in no slot
        self._slot_count = 1
        self._features: str | None = None  # the file, for the workers
        oracle = oracle or make_oracle(
            settings.tuner,
            trials=settings.trials,
            seed=settings.seed,
            max_epochs=settings.max_epochs,
            objective=settings.objective,
        )
        own_budgets = isinstance(oracle, oracles.Hyperband)  # an algorithm with epochs of its own
        self._keeps_states = own_budgets
        self._halving = Halving(
            settings.min_epochs, 1 if own_budgets else settings.reduction, settings.max_epochs
        )
        self._ladder = Ladder(self._halving)
        # Trials whose files may be there: not all are looked at whenever one ends.
        self._with_weights: set[str] = set()
        self._with_state: set[str] = set()
        self._deadline = math.inf
        results = settings.results.absolute()
        super().__init__(oracle, hypermodel, directory=results.parent, project_name=results.name)
        if not isinstance(oracle, oracles.FromTrials):
            # A foreign oracle keeps its state in oracle.json, which this tuner writes.
            oracle.save = lambda: None
            oracle._save_trial = lambda trial: None
            oracle._check_consecutive_failures = lambda: None
            oracle.verbose = 0
        elif self._own:
            self._tell_what_is_wanted(oracle)

    def _tell_what_is_wanted(self, oracle: oracles.FromTrials) -> None:
        """What is tried first, and what is never."""
        settings, limit = self.settings, self.settings.max_parameters
        if limit is not None:
            oracle.allowed = lambda values: self._parameters(values) <= limit
        told = [self._tried(text) for text in settings.tried_first]
        if settings.warm_start is not None:
            told += winners(settings.warm_start)
        if settings.tuner in ("grid", "hyperband"):  # both go by a plan of their own
            if told:
                raise SettingsError(
                    f"--try and --warm-start have no meaning with --tuner {settings.tuner}"
                )
            return
        points = starting_points(self.space, told)
        oracle.first = [values for values in points if oracle.allowed(values)]

    def _tried(self, text: str) -> dict[str, Any]:
        """What one `--try` says, if the space has it."""
        values = values_of(text)
        for name, value in values.items():
            if name not in self.space or not inside(value, self.space[name]):
                raise SettingsError(
                    f"--try {text}: {name} = {value} is not in the space that is searched; "
                    f"widen it with --set {name}=…"
                )
        return values

    def _parameters(self, values: dict[str, Any]) -> int:
        return parameters(Configuration.of(values), self.shape)

    # -- KerasTuner's interface ------------------------------------------------------------

    @property
    def project_dir(self) -> str:
        """The results directory (not made here: a mistake in the settings must leave nothing)."""
        return str(self.settings.results)

    def _populate_initial_space(self) -> None:
        """Declares the space; networks are only built to find it where it is not declared."""
        if isinstance(self.hypermodel, SentimentHyperModel):
            space = self.oracle.get_space()
            self.hypermodel.declare_hyperparameters(space)
            self.oracle.update_space(space)
        else:
            super()._populate_initial_space()

    def get_trial_dir(self, trial_id: str) -> str:
        """The folder of a trial."""
        return str(self.run.folder(trial_id))

    def save(self) -> None:
        """Nothing: every trial is written when it changes."""

    def load_model(self, trial: Any) -> Any:
        """A trial's network of plain Keras layers (token ids in), with its best epoch's weights.

        Raises:
            ResultsError: its weights were not kept.
        """
        return self.model_of(self.records[trial.trial_id])

    def model_of(self, record: TrialRecord) -> Any:
        """The same of a trial's or a final's record."""
        weights = self.run.load_weights(record.trial_id)
        if weights is None:
            raise ResultsError(
                f"the weights of trial {record.trial_id} are not kept; only those of the best "
                f"{self.settings.keep} trials are (setting `keep`)"
            )
        hp = keras_tuner.HyperParameters.from_config(record.space)
        hp.values = dict(record.values)
        model = self.hypermodel.build(hp)
        model.set_weights(weights)
        return model

    def best_first(self) -> list[TrialRecord]:
        """The trials that can be used, as the finals and their own scores have them."""
        return finals.final_ranking(self.records.values(), self.finals_in_force())

    def finals_in_force(self) -> dict[str, TrialRecord]:
        """The finals that the settings ask for, as far as they are done."""
        return {name: self.finals[name] for name in self._finals_wanted() if name in self.finals}

    def finals_ended(self) -> int:
        """How many of the finals that the settings ask for have come to their end."""
        return sum(final.status != "running" for final in self.finals_in_force().values())

    def get_best_hyperparameters(self, num_trials: int = 1) -> list[Any]:
        """The hyperparameters of the best trials, as `best_first` has them."""
        return [trial.hyperparameters for trial in self._best_trials(num_trials)]

    def get_best_models(self, num_models: int = 1) -> list[Any]:
        """The networks of the best trials, as `best_first` has them: see `load_model`."""
        return [self.load_model(trial) for trial in self._best_trials(num_models)]

    def _best_trials(self, count: int) -> list[Trial]:
        return [self.oracle.trials[record.trial_id] for record in self.best_first()[:count]]

    def search(self, workers: Slots | None = None, *, overwrite: bool = False) -> None:
        """Searches until there are `settings.trials` trials in the results directory.

        Args:
            workers: slots to train in; by default those that the settings say, for this search.
            overwrite: move an older run in the directory aside first.

        Raises:
            ResultsError: the directory is in use, unusable, or of another run.
            NothingUsable: the first trials all failed in the same way.
            Interrupted: Ctrl-C or SIGTERM; everything is saved.
        """
        if self.settings.timeout is not None:
            self._deadline = time.monotonic() + self.settings.timeout
        with self.run.claimed():
            self._enter(overwrite)
            left = self.remaining_trials or self._unfinished() or self._promoted()
            if not (left or self._next_final()):
                return
            with (
                stop_requests() as stop,
                slots_for(self.settings, self.warn)
                if workers is None
                else nullcontext(workers) as places,
            ):
                self._drive(places, stop)

    @property
    def remaining_trials(self) -> int:
        """How many trials are still to be made."""
        return max(0, self.settings.trials - len(self.records))

    # -- taking up a run -------------------------------------------------------------------

    def _enter(self, overwrite: bool) -> None:
        self.run.enter(self.facts(), overwrite=overwrite)
        write_json(self.run.path / "audit.json", self.corpus.facts.get("audit"))
        self._save_corpus()
        self._save_features()
        found = self.run.records()
        self.records = {record.trial_id: record for record in found if not record.is_final}
        self.finals = {record.trial_id: record for record in found if record.is_final}
        self._ladder = Ladder(self._halving, self.records.values())
        self._with_weights, self._with_state = set(self.records), set(self.records)
        self._check_kept_weights()
        self._remove_unneeded()
        oracles.restore(self.oracle, [self._trial_of(record) for record in self.records.values()])
        if not isinstance(self.oracle, oracles.FromTrials):
            state = self.run.read_json(self.run.path / "oracle.json")
            if state is not None:
                # What the trials themselves say counts more than the last saved copy.
                mine = {**self.oracle.get_state(), "ongoing_trials": {}, "retry_queue": []}
                known = ("start_order", "end_order", "tried_so_far", "id_to_hash", "run_times")
                ongoing = dict(self.oracle.ongoing_trials)
                self.oracle.set_state(
                    {**state, **{name: mine[name] for name in (*known, "retry_queue")}}
                    | {"ongoing_trials": {}}
                )
                self.oracle.ongoing_trials = ongoing

    def _save_corpus(self) -> None:
        """Stores the corpus for the workers, again if what is there is damaged."""
        folder = self.run.corpus(self.corpus.fingerprint)
        if folder.exists() and not self.corpus.is_saved(folder):
            self.run.set_aside(folder, "it is not the encoded corpus")
        self.corpus.save(folder)

    def _save_features(self) -> None:
        """Learns and stores what the embeddings start from; again if the file is damaged."""
        if not self._own or not starts_from_words(self.space):
            return
        data = self.corpus.fingerprint
        tokens, _ = features_size(self.space, self.corpus)
        path = self.run.features(data)
        if self.run.load_features(data, tokens) is None:
            if self._embeddings is not None:
                features = self._embeddings.vectors[:tokens]
            else:
                features = self._learn()
            write_atomically(path, lambda file: file.write(npy(features)))
        self._features = str(path.absolute())

    def _learn(self) -> Vectors:
        if self._learned is not None:
            with suppress(BrokenProcessPool):  # its worker was killed
                return self._learned()
        return word_features(self.corpus, *features_size(self.space, self.corpus))

    def facts(self) -> dict[str, Any]:
        """The content of run.json."""
        declared = self.oracle.get_space().get_config()["space"]
        identity = {
            **self.settings.identity(),
            "data_fingerprint": self.corpus.fingerprint,
            **{f"space.{hp['config']['name']}": hp["config"] for hp in declared},
            **{f"space.{name}": spec_text(spec) for name, spec in self.space.items()},
            "shape": [self.shape.vocabulary_size, self.shape.classes, self.shape.max_length],
            "tried_first": list(getattr(self.oracle, "first", ())),
        }
        if self._embeddings is not None:
            identity["embeddings"] = fingerprint(self._embeddings.vectors)
        return {
            "identity": identity,
            "settings": self.settings.model_dump(mode="json"),
            "data": {name: fact for name, fact in self.corpus.facts.items() if name != "audit"},
            "class_names": list(self.corpus.class_names),
            "version": __version__,
            "machine": machine(),
            "started_at": now(),
        }

    def _check_kept_weights(self) -> None:
        """Trains a leading trial or a final again if its weights are gone or cannot be read."""
        leading = ranked(self.records.values())[: self.settings.keep]
        there = [self.finals[name] for name in self._finals_wanted() if name in self.finals]
        for record in (*leading, *(final for final in there if final.status == "completed")):
            if self.run.load_weights(record.trial_id) is None:
                self.warn(
                    f"the weights of trial {record.trial_id} are missing: it is trained again"
                )
                self._remember(replace(record, status="running", history=(), ended_at=None))

    def _remove_unneeded(self) -> None:
        """Removes the weights of trials that are not leading, and the states of ended ones."""
        there = [self.records[trial_id] for trial_id in self._with_weights]
        for record in ranked(there)[self.settings.keep :]:
            self.run.remove_weights(record.trial_id)
            self._with_weights.discard(record.trial_id)
        for record in [self.records[trial_id] for trial_id in self._with_state]:
            needed = record.status == "running" or self._keeps_states or self._may_go_on(record)
            if not needed:
                self.run.remove_state(record.trial_id)
                self._with_state.discard(record.trial_id)
        wanted = self._finals_wanted() if self.finals else []
        for record in self.finals.values():
            if record.status != "running":
                self.run.remove_state(record.trial_id)
            if record.trial_id not in wanted:
                self.run.remove_weights(record.trial_id)

    def _may_go_on(self, record: TrialRecord) -> bool:
        """Whether a trial was stopped early and may be wanted later."""
        return record.status == "pruned" and self._ladder.may_go_on(record, self.settings.trials)

    def _promoted(self) -> TrialRecord | None:
        return self._ladder.promoted()

    def _trial_of(self, record: TrialRecord) -> Any:
        """KerasTuner's view of a record."""
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
            self.oracle.score_trial(trial)
        return trial

    def _metrics(self, epoch: Epoch) -> dict[str, float]:
        """What KerasTuner is told of an epoch."""
        objective = self.settings.objective
        return {
            "loss": epoch.loss,
            objective: signed(objective, epoch.score),
            "val_loss": epoch.val_loss,
            "val_accuracy": epoch.val_accuracy,
        }

    def _unfinished(self) -> list[TrialRecord]:
        known = (*self.records.values(), *self.finals.values())
        return [record for record in known if record.status == "running"]

    def _finals_wanted(self) -> list[str]:
        """The ids of the finals there should be, as the trials stand."""
        return finals.wanted(self.records.values(), self.settings.finals, self.settings.final_seeds)

    def _next_final(self) -> str | None:
        """The id of the next final to train."""
        return next((name for name in self._finals_wanted() if not self._has_final(name)), None)

    def _has_final(self, name: str) -> bool:
        """Whether there is a final, and of as many epochs as its trial is best after."""
        final, best = self.finals.get(name), self.records[trial_of(name)].best
        if final is None or final.status != "completed" or best is None:
            return final is not None
        return len(final.history) == best.epoch

    # -- the loop --------------------------------------------------------------------------

    def _drive(self, places: Slots, stop: StopRequest) -> None:
        """Keeps every slot busy until nothing is left to do."""
        # Built by Keras, in the workers; None where the compiled code trains.
        hypermodel = None if self.compiled else self.hypermodel
        places.prepare(self._given, hypermodel)
        self._waiting = deque(self._job(record) for record in self._unfinished())
        running: dict[Slot, tuple[_Job, Future[Progress]]] = {}
        while True:
            places.refresh()
            self._slot_count = max(1, len(places))
            for slot in places:
                if stop or self._out_of_time or slot in running:
                    continue
                job = self._next([job for job, _ in running.values()])
                if job is None:
                    break
                running[slot] = job, self._submit(slot, job)
            busy = {slot: job.so_far for slot, (job, _) in running.items()}
            self.under_way = [busy.get(slot) for slot in dict.fromkeys([*places, *busy])]
            self.watch(self)
            if not running:
                if len(places) or stop or self._out_of_time:
                    break
                time.sleep(POLL_SECONDS)  # until a machine is there
                continue
            futures = [future for _, future in running.values()]
            wait(futures, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
            for slot, (job, future) in list(running.items()):
                if future.done():
                    del running[slot]
                    others = [other for other, _ in running.values()]
                    following = self._take_in(slot, job, future, others, bool(stop))
                    if following is not None:
                        running[slot] = job, following
                elif not slot.ready:  # a trial's time begins when its worker has started
                    job.submitted_at = time.monotonic()
                elif self._is_late(job):
                    job.timed_out = True
                    slot.kill()
        if stop:
            assert stop.signal_number is not None
            raise Interrupted(
                f"stopped; {sum(r.status != 'running' for r in self.records.values())} of "
                f"{self.settings.trials} trials are finished and everything is saved. "
                "The same command continues",
                stop.signal_number,
            )

    def _given(self) -> dict[str, Any]:
        """What other machines get of this one's files: all but the test rows."""
        nothing = np.empty(0, np.int32)
        none = Split(nothing, np.zeros(1, np.int64), nothing, np.empty(0, np.int64))
        given: dict[str, Any] = {
            self._corpus_folder(): replace(self.corpus, test=none, unlabelled=none)
        }
        if self._features is not None:
            given[self._features] = np.load(self._features)
        return given

    def _corpus_folder(self) -> str:
        return str(self.run.corpus(self.corpus.fingerprint).absolute())

    @property
    def _out_of_time(self) -> bool:
        return time.monotonic() > self._deadline

    def _next(self, running: list[_Job]) -> _Job | None:
        """The next trial to train: an unfinished one, one that deserves more epochs, a new one."""
        while self._waiting:
            job = self._waiting.popleft()
            # Both if it was killed between an epoch and the decision about it.
            if job.is_over(self.settings.patience):
                self._keep(job, "completed")
            elif self._is_weak(job, [*self._waiting, *running]):
                self._keep(job, "pruned")
            else:
                return job
        if (promoted := self._promoted()) is not None:
            return self._reopened(promoted)
        proposed = self._propose(bool(running))
        if proposed is None and all(job.record.is_final for job in running):
            return self._final()
        return proposed

    def _final(self) -> _Job | None:
        """The next final, recorded before anything else happens."""
        name = self._next_final()
        if name is None:
            return None
        trial = self.records[trial_of(name)]
        record = TrialRecord(
            trial_id=name,
            status="running",
            values=trial.values,
            seed=oracles.trial_seed(self.settings.seed, name),
            space=trial.space,
            batch_size=trial.batch_size,
            started_at=now(),
        )
        self._store(record)
        return self._job(record)

    def _is_weak(self, job: _Job, others: list[_Job]) -> bool:
        """Whether a running trial is stopped, to be promoted later or not."""
        if job.record.is_final or len(job.history) <= job.record.granted:
            return False
        running = [other.history for other in others if not other.record.is_final]
        return self._ladder.stops(job.history, running)

    def _reopened(self, record: TrialRecord) -> _Job:
        """A stopped trial on its way again."""
        trial = self.oracle.trials[record.trial_id]
        oracles.reopen(self.oracle, trial)
        self._store(
            replace(
                record, status="running", history=(), ended_at=None, granted=len(record.history)
            )
        )
        return self._job(self.records[record.trial_id])

    def _propose(self, others_running: bool) -> _Job | None:
        """A new trial from the oracle, recorded before anything else happens."""
        self._give_up_if_all_fail()
        if not self.remaining_trials:
            return None
        trial_id = oracles.next_trial_id(self.oracle.trials)
        trial = self.oracle.create_trial(trial_id)
        if trial.status != "RUNNING":  # STOPPED: exhausted; IDLE: it waits for results
            if trial.status == "STOPPED" and not others_running:
                self.warn(f"the search space is exhausted after {len(self.records)} trials")
            return None
        record = TrialRecord(
            trial_id=trial.trial_id,
            status="running",
            values=dict(trial.hyperparameters.values),
            seed=oracles.trial_seed(self.settings.seed, int(trial.trial_id)),
            space=trial.hyperparameters.get_config(),
            batch_size=self._configuration(trial.hyperparameters.values).batch_size,
            started_at=now(),
        )
        self._store(record)
        return self._job(record)

    def _job(self, record: TrialRecord) -> _Job:
        """A trial ready to go on from what is saved of it."""
        self.trials_begun += 1
        if record.is_final:
            best = self.records[trial_of(record.trial_id)].best
            assert best is not None
            job = _Job(None, record, best.epoch)
        else:
            longest = int(record.values.get("tuner/epochs", self.settings.max_epochs))
            job = _Job(self.oracle.trials[record.trial_id], record, longest)
        saved = self.run.load_state(record.trial_id)
        if saved is not None:
            job.history, job.state = saved
            job.predicted = job.state.pop("predicted")
            kept = {k: v for k, v in job.state.items() if k.startswith("best/")}
            for name in kept:
                del job.state[name]
            job.best = _weights(kept or job.state, "best" if kept else "weights")
        elif parent := record.values.get("tuner/trial_id"):
            inherited = self.run.load_state(parent)
            if inherited is not None:
                history, job.state = inherited
                job.state = {
                    k: v for k, v in job.state.items() if not k.startswith(("best/", "predicted"))
                }
                job.first_epoch = history[-1].epoch
        return job

    def _submit(self, slot: Slot, job: _Job) -> "Future[Progress]":
        """Sends the next epoch of a trial to a worker."""
        done = job.done_epochs
        held = slot.holds == (job.record.trial_id, done)
        slot.holds = None
        job.submitted_at = time.monotonic()
        return slot.submit(
            train,
            Work(
                corpus=self._corpus_folder(),
                configuration=self.configuration(job.record),
                hypermodel=None if self.compiled else self.hypermodel,
                shape=self.shape,
                trial_id=job.record.trial_id,
                values=job.record.values,
                seed=job.record.seed,
                batch_size=job.record.batch_size,
                from_epoch=done,
                to_epoch=done + 1,
                threads=slot.threads(self._trials_at_a_time()),
                objective=self.settings.objective,
                class_weights=self._class_weights,
                features=self._features,
                state=None if held else job.state,
            ),
        )

    def _trials_at_a_time(self) -> int:
        """How many trials share the cores: towards the end there are fewer than slots."""
        if self.remaining_trials or self._next_final():
            return self._slot_count
        return min(self._slot_count, len(self._unfinished()))

    def configuration(self, record: TrialRecord) -> Configuration:
        """A trial's hyperparameters; of a HyperModel of somebody's own, those of the same name."""
        return self._configuration(record.values)

    def _configuration(self, values: dict[str, Any]) -> Configuration:
        if not self._own:  # whose shape says how texts are cut
            shape = self.shape
            cut = {"vocabulary_size": shape.vocabulary_size, "max_length": shape.max_length}
            values = {**cut, **values}
        return Configuration.of(values)

    def _take_in(
        self, slot: Slot, job: _Job, future: "Future[Progress]", others: list[_Job], stopping: bool
    ) -> "Future[Progress] | None":
        """Deals with what a worker gave back; returns the trial's next epoch, if there is one."""
        try:
            progress = future.result()
        except BrokenProcessPool as error:
            slot.replace()
            self._after_death(job, lost=isinstance(error, MachineLost))
            return None
        except StateMissing:  # the process was replaced between two epochs
            slot.holds = None
            return None if stopping else self._submit(slot, job)
        except Exception as error:
            slot.holds = None
            size = self.configuration(job.record).batch_size
            if _out_of_memory(error) and job.record.batch_size == size > 1:
                return self._with_half_batches(slot, job, stopping)
            self._fail(job, one_line(error), "".join(traceback.format_exception(error)))
            return None
        job.history += progress.epochs
        self.epochs_trained += len(progress.epochs)
        job.state = progress.state
        job.record = replace(job.record, parameters=progress.parameters)
        slot.holds = (job.record.trial_id, job.done_epochs)
        if job.so_far.best == job.history[-1]:
            job.best = _weights(progress.state, "weights")
            job.predicted = progress.probabilities
        over = job.is_over(self.settings.patience)
        # A final that is out of time goes on when the run does.
        late = self._out_of_time
        weak = not over and ((late and not job.record.is_final) or self._is_weak(job, others))
        # The worker trains on while this process writes.
        following = None if over or weak or stopping or late else self._submit(slot, job)
        if not over or self._keeps_states:  # of a trial that is over, its weights are saved
            self._save_progress(job)
        if over or weak:
            self._keep(job, "completed" if over else "pruned")
            slot.trial_ended()
        return following

    def _save_progress(self, job: _Job) -> None:
        assert job.state is not None and job.best is not None and job.predicted is not None
        state = {**job.state, "predicted": job.predicted}
        if job.so_far.best != job.history[-1]:
            state.update({f"best/{n:04d}": array for n, array in enumerate(job.best)})
        self.run.save_state(job.record.trial_id, job.history, state)

    # -- how trials end --------------------------------------------------------------------

    def _keep(self, job: _Job, status: Status) -> None:
        """Ends a trial, or stops it for the time being; then its state stays while it may go on."""
        assert job.best is not None and job.predicted is not None
        self.run.save_weights(job.record.trial_id, job.best)
        self.run.save_predictions(job.record.trial_id, job.predicted)
        record = replace(
            job.record,
            status=status,
            history=job.history,
            ended_at=now(),
            parameters=job.record.parameters or sum(array.size for array in job.best),
        )
        self._store(record)
        self._remove_unneeded()
        for epoch in record.history if not record.is_final else ():
            self.oracle.update_trial(record.trial_id, self._metrics(epoch), step=epoch.epoch)
        self._end(job, record)

    def _fail(self, job: _Job, reason: str, details: str) -> None:
        self.run.save_error(job.record.trial_id, details)
        record = replace(
            job.record, status="failed", history=job.history, ended_at=now(), error=reason
        )
        self._store(record)
        self.run.remove_state(record.trial_id)
        self._end(job, record)

    def _end(self, job: _Job, record: TrialRecord) -> None:
        if record.is_final:
            self.after_trial(self, record)
            return
        job.trial.status = "FAILED" if record.status == "failed" else "COMPLETED"
        job.trial.message = record.error
        self.oracle.end_trial(job.trial)
        self._save_oracle()
        self.after_trial(self, record)
        self.on_trial_end(job.trial)

    def on_trial_end(self, trial: Any) -> None:
        """Called after a trial ended and is recorded; for subclasses."""

    def _after_death(self, job: _Job, *, lost: bool) -> None:
        """Has a trial go on whose worker died, unless the trial is to blame.

        Args:
            job: the trial.
            lost: whether the whole machine is gone.
        """
        if job.timed_out:
            reason = f"it took longer than the trial timeout of {self.settings.trial_timeout:g} s"
            self._fail(job, reason, reason + "\n")
            return
        job.deaths, job.losses = job.deaths + (not lost), job.losses + lost
        epoch = job.done_epochs + 1
        if job.deaths > MOST_DEATHS or job.losses > MOST_LOSSES:
            reason = (
                f"its worker process was killed {job.deaths} times"
                + (f" and its machine lost {job.losses} times" if job.losses else "")
                + f", last in epoch {epoch}"
            )
            self._fail(job, reason, reason + "\n")
            return
        self.warn(
            f"the {'machine' if lost else 'worker'} of trial {job.record.trial_id} "
            f"{'was lost' if lost else 'died'} in epoch {epoch}; "
            "the trial goes on from its last epoch"
        )
        job.record = replace(job.record, attempts=job.record.attempts + 1)
        self._store(job.record)
        self._waiting.appendleft(job)

    def _with_half_batches(
        self, slot: Slot, job: _Job, stopping: bool
    ) -> "Future[Progress] | None":
        """Starts a trial that ran out of memory once more, with half as many rows a batch."""
        half = job.record.batch_size // 2
        note = f"out of memory with batches of {job.record.batch_size} rows, retried with {half}"
        self.warn(f"trial {job.record.trial_id}: {note}")
        job.record = replace(
            job.record,
            batch_size=half,
            attempts=job.record.attempts + 1,
            notes=(*job.record.notes, note),
        )
        job.history, job.state, job.best, job.predicted = (), None, None, None
        self.run.remove_state(job.record.trial_id)
        self._store(job.record)
        return None if stopping else self._submit(slot, job)

    def _is_late(self, job: _Job) -> bool:
        limit = self.settings.trial_timeout
        if limit is None or job.timed_out:
            return False
        before = sum(epoch.seconds for epoch in job.history)
        return before + time.monotonic() - job.submitted_at > limit

    def _give_up_if_all_fail(self) -> None:
        ended = [record for record in self.records.values() if record.status != "running"]
        errors = {record.error for record in ended}
        if len(ended) >= ALIKE_FAILURES and len(errors) == 1 and None not in errors:
            raise NothingUsable(
                f"the first {len(ended)} trials all failed alike: {errors.pop()} "
                f"(the whole traceback: {self.run.folder(ended[0].trial_id) / 'error.txt'})"
            )

    # -- writing ---------------------------------------------------------------------------

    def _store(self, record: TrialRecord) -> None:
        self.run.save_record(record)
        self._remember(record)
        self._save_oracle()

    def _remember(self, record: TrialRecord) -> None:
        if record.is_final:
            self.finals[record.trial_id] = record
            return
        self.records[record.trial_id] = record
        self._ladder.put(record)
        for names in (self._with_weights, self._with_state):
            (names.discard if record.status == "failed" else names.add)(record.trial_id)

    def _save_oracle(self) -> None:
        if not isinstance(self.oracle, oracles.FromTrials):
            write_json(self.run.path / "oracle.json", self.oracle.get_state())


def _weights(state: Arrays, kind: str) -> Weights:
    """The arrays named kind/0, kind/1, … in order."""
    names = sorted(
        (name for name in state if name.startswith(f"{kind}/")),
        key=lambda name: int(Path(name).name),
    )
    return [state[name] for name in names]


def _out_of_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError"
