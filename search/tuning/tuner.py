"""A KerasTuner tuner that trains in worker processes.

KerasTuner's own loop is not used: `search.tuning.loop` trains, and `search.tuning.study` has the
state of the run.
"""

import math
import time
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from typing import Any

import keras_tuner
from keras_tuner.engine.trial import Trial

from search.corpus import Corpus
from search.corpus.embeddings import Embeddings
from search.corpus.store import fingerprint
from search.corpus.words import Vectors
from search.display import counted
from search.network.adopted import check_hypermodel, check_search, check_tuner
from search.network.build import mean_of
from search.network.hypermodel import SentimentHyperModel
from search.network.space import CORE, Space
from search.settings import Settings
from search.tuning import oracles
from search.tuning.agenda import Agenda
from search.tuning.algorithms import make_oracle
from search.tuning.callbacks import Callbacks
from search.tuning.executors import LocalSlots
from search.tuning.inputs import save_inputs
from search.tuning.interrupts import stop_requests
from search.tuning.loop import Loop
from search.tuning.objective import check_measurable
from search.tuning.places import slots_for
from search.tuning.proposals import Proposals
from search.tuning.records import TrialRecord
from search.tuning.resumption import take_up
from search.tuning.slots import Slots
from search.tuning.study import Study, whole_shape

Listener = Callable[["SearchTuner", TrialRecord], None]


class SearchTuner(keras_tuner.Tuner):
    """Searches the hyperparameters of a text classifier.

    What a KerasTuner tuner has works here too: `search_space_summary`, `results_summary`,
    `get_best_hyperparameters`, `get_best_models`, a HyperModel or an Oracle of your own.

    Args:
        settings: the run's settings.
        corpus: the data, from `load_corpus`.
        space: the search space; see `search.network.spacefile.chosen_space`.
        embeddings: the word vectors of `embedding_init` "file", if that is used.
        learned: returns the word features, if another process computes them already.
        hypermodel: builds the network from token ids (int, (batch, time), 0 pads on the right).
            The default is `SentimentHyperModel`. Your own may be defined anywhere, also in a
            script or a notebook cell; its attribute `shape` (a `Shape`), if it has one, limits
            vocabulary and text length.
        oracle: proposes trials; the default is the algorithm `settings.tuner`.
        callbacks: objects with some of the methods of `Callback`.
        after_trial: called with the tuner and the record of every trial that has ended, before the
            callbacks; an exception in it ends the search.
        watch: called with the tuner several times a second while it searches.
        warn: called with one sentence for each problem that was handled.
        progress: called with a sentence on how trials are judged, where there are few rows.

    Attributes:
        settings: the run's settings.
        study: the state of the run.
        callbacks: what calls the callbacks.

    Examples:
        >>> import search
        >>> settings = search.Settings(data="reviews.csv", trials=3)
        >>> tuner = search.tune(settings, search.load_corpus(settings))
        >>> best = tuner.get_best_hyperparameters()[0]
        >>> best.values["lstm_units"]
        32
        >>> [(record.trial_id, record.status) for record in tuner.best_first()]
        [('0000', 'completed')]
        >>> network = tuner.get_best_models()[0]  # a keras.Model of token ids
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
        callbacks: Iterable[Any] = (),
        after_trial: Listener = lambda tuner, record: None,
        watch: Callable[["SearchTuner"], None] = lambda tuner: None,
        warn: Callable[[str], None] = lambda message: None,
        progress: Callable[[str], None] = lambda message: None,
    ) -> None:
        check_measurable(settings, corpus)
        check_tuner(self, SearchTuner)
        self.settings = settings
        self.callbacks = Callbacks(callbacks, warn)
        self.after_trial = after_trial
        self.watch = watch
        self._progress = progress
        self._embeddings = embeddings
        self._learned = learned
        shape = whole_shape(corpus)
        if hypermodel is not None:
            check_hypermodel(hypermodel)
        hypermodel = hypermodel or SentimentHyperModel(
            shape.vocabulary_size, shape.classes, shape.max_length, space
        )
        oracle = oracle or make_oracle(
            settings.tuner,
            trials=settings.trials,
            seed=settings.seed,
            max_epochs=settings.max_epochs,
            objective=settings.objective,
        )
        results = settings.results.absolute()
        super().__init__(oracle, hypermodel, directory=results.parent, project_name=results.name)
        self.study = Study(
            settings,
            corpus,
            self.hypermodel,
            gpu=settings.gpus_per_trial > 0 or settings.device == "gpu",
            own_epochs=isinstance(oracle, oracles.Hyperband),
            warn=warn,
        )
        self._proposals = Proposals(oracle, self.study)

    def search(
        self,
        *data: Any,
        workers: Slots | None = None,
        overwrite: bool = False,
        train: bool = True,
        **options: Any,
    ) -> None:
        """Searches until there are `settings.trials` trials in the results directory.

        Args:
            *data: must be empty: what KerasTuner takes here is in settings and corpus.
            **options: must be empty, likewise.
            workers: slots to train in; by default those of the settings, for this search only.
            overwrite: whether to move an older run in the directory aside first.
            train: False to train nothing: unfinished trials end with the epochs they have.

        Raises:
            SettingsError: data or options of `keras.Model.fit` are given.
            ResultsError: the directory is in use, unusable, or of another run.
            NothingUsable: the first trials all failed in the same way.
            Interrupted: Ctrl-C, SIGTERM or SIGHUP; everything is saved.
        """
        check_search(data, options)
        timeout, study = self.settings.timeout, self.study
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        if not train:
            workers, deadline = LocalSlots(), -math.inf
        with study.run.claimed():
            searched = self._proposals.identity()
            if self._embeddings is not None:
                searched["embeddings"] = fingerprint(self._embeddings.vectors)
            take_up(study, searched, overwrite=overwrite)
            inputs = save_inputs(study, self._embeddings, self._learned)
            self._proposals.restore(study.records.values())
            agenda = Agenda(study, self._proposals)
            self.callbacks.before_search(self)
            if agenda.is_empty():
                return
            if study.judges_by_folds:
                few = len(study.corpus.validation)
                self._progress(
                    f"trials are judged on {study.judged_rows} rows out of fold, by a network for "
                    f"each of {study.folds} folds: {counted(few, 'validation row')} "
                    f"{'is' if few == 1 else 'are'} too few"
                )
            with (
                stop_requests() as stop,
                slots_for(self.settings, study.warn)
                if workers is None
                else nullcontext(workers) as slots,
            ):
                Loop(
                    study,
                    agenda,
                    self._proposals,
                    inputs,
                    slots,
                    stop=stop,
                    deadline=deadline,
                    epoch_ended=lambda record: self.callbacks.report("after_epoch", self, record),
                    ended=self._ended,
                    watch=lambda: self.watch(self),
                ).run()

    def _ended(self, record: TrialRecord) -> None:
        self.after_trial(self, record)
        self.callbacks.report("after_trial", self, record)
        if not record.is_final:
            self.on_trial_end(self.oracle.trials[record.trial_id])

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
        return str(self.study.run.trial(trial_id).path)

    def save(self) -> None:
        """Nothing: every trial is written when it changes."""

    def load_model(self, trial: Any) -> Any:
        """Returns a trial's Keras model (token ids in), with the weights of its best epoch.

        Where trials are judged by folds, it is the mean of the folds' networks.

        Raises:
            ResultsError: its weights were not kept.
        """
        return mean_of(self.study.models_of(self.records[trial.trial_id]))

    def get_best_hyperparameters(self, num_trials: int = 1) -> list[Any]:
        """The hyperparameters of the best trials, as `best_first` has them."""
        return [trial.hyperparameters for trial in self._best_trials(num_trials)]

    def get_best_models(self, num_models: int = 1) -> list[Any]:
        """The networks of the best trials, as `best_first` has them: see `load_model`."""
        return [self.load_model(trial) for trial in self._best_trials(num_models)]

    def _best_trials(self, count: int) -> list[Trial]:
        return [self.oracle.trials[record.trial_id] for record in self.best_first()[:count]]

    def on_trial_end(self, trial: Any) -> None:
        """Called after a trial ended and is recorded; for subclasses."""

    @property
    def remaining_trials(self) -> int:
        """The number of trials still to be proposed."""
        return self.study.remaining_trials

    # -- state of the run --------------------------------------------------------------------

    @property
    def records(self) -> dict[str, TrialRecord]:
        """The trials by their ids."""
        return self.study.records

    @property
    def compiled(self) -> bool:
        """Whether compiled code trains the networks, not Keras."""
        return self.study.compiled

    @property
    def under_way(self) -> list[TrialRecord | None]:
        """The record that each worker trains, with its epochs so far; None if it is idle."""
        return self.study.under_way

    def best_first(self) -> list[TrialRecord]:
        """The usable trials, best first: by the mean of their finals, then by their own score."""
        return self.study.best_first()
