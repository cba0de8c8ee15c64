"""The state of a run: settings, corpus, results directory, and the records of its trials.

Only the loop changes it, through `put`. Evaluation, packaging and the view get the study, never
the tuner.
"""

from collections.abc import Callable, Iterable
from typing import Any

import keras_tuner
import numpy as np

from search.corpus import Corpus
from search.corpus.batches import EPOCH_ROWS
from search.corpus.folds import joined
from search.corpus.store import Split
from search.errors import ResultsError
from search.network.adopted import built
from search.network.hypermodel import SentimentHyperModel
from search.network.space import Configuration, Space
from search.network.weights import Shape, operations
from search.settings import Settings
from search.tuning import finals
from search.tuning.early_stopping import Halving, RungTable
from search.tuning.objective import positive_class
from search.tuning.parts import judged_out_of_fold
from search.tuning.records import TrialRecord, ranked, trial_of
from search.tuning.rundir import RunDirectory


def whole_shape(corpus: Corpus) -> Shape:
    """The shape of a network with the whole vocabulary that truncates no text."""
    longest = int(corpus.train.lengths.max())
    return Shape(len(corpus.vocabulary) + 2, len(corpus.class_names), longest)


class Study:
    """The state of one run.

    Args:
        settings: the run's settings.
        corpus: the data.
        hypermodel: builds the networks. An attribute `shape` (a `Shape`) limits vocabulary and
            text length.
        gpu: whether to train on a GPU.
        own_epochs: whether the algorithm decides how many epochs a trial has, as hyperband does.
            Then no trial is pruned, and all checkpoints are kept, since a later trial may continue
            from one.
        warn: called with one sentence for each problem that was handled.

    Attributes:
        run: the results directory.
        ours: whether the networks are this project's own, not those of a user's HyperModel.
        compiled: whether compiled code trains them, not Keras.
        may_judge_by_folds: whether `judges_by_folds` is possible on this data with these networks.
        judges_by_folds: whether a trial has a network for each fold, and its scores are those of
            the out-of-fold predictions of all training and validation rows; otherwise of the
            validation rows. These are the judged rows. A run that is taken up stays as it was.
        positive: index of the class whose F1 is the objective; None for other objectives.
        shape: vocabulary size, classes and maximum length.
        space: the search space; empty for a user's HyperModel.
        records: the trials by id.
        finals: the finals by id, including those that are not wanted any more.
        rungs: the ended trials at each rung of successive halving.
        keeps_states: whether the checkpoints of ended trials are kept.
        trials_begun: number of trials that this process has started or resumed.
        epochs_trained: number of epochs that this process has trained, of each network.
        under_way: the record that each worker trains, with its epochs so far; None if it is idle.
    """

    def __init__(
        self,
        settings: Settings,
        corpus: Corpus,
        hypermodel: keras_tuner.HyperModel,
        *,
        gpu: bool = False,
        own_epochs: bool = False,
        warn: Callable[[str], None] = lambda message: None,
    ) -> None:
        self.settings = settings
        self.corpus = corpus
        self.hypermodel = hypermodel
        self.warn = warn
        self.run = RunDirectory(settings.results, warn)
        self.ours = type(hypermodel) is SentimentHyperModel
        # Keras trains a user's HyperModel, and everything on GPUs that were asked for; a GPU that
        # is merely there would be slower (tests/benchmarks/gpu.py).
        self.compiled = self.ours and not gpu
        usual = whole_shape(corpus).of(Configuration())
        self.positive = positive_class(settings, corpus.class_names)
        self.shape: Shape = getattr(hypermodel, "shape", usual)
        self.space: Space = hypermodel.space if self.ours else {}
        self.run_id: str | None = None
        self.records: dict[str, TrialRecord] = {}
        self.finals: dict[str, TrialRecord] = {}
        self.trials_begun = 0
        self.epochs_trained = 0
        self.under_way: list[TrialRecord | None] = []
        self.keeps_states = own_epochs
        reduction = 1 if own_epochs else settings.reduction
        self.may_judge_by_folds = self.compiled and not own_epochs and judged_out_of_fold(corpus)
        self.judges_by_folds = (
            self.may_judge_by_folds and finals.usual_finalists(settings.finals) > 0
        )
        self._halving = Halving(settings.min_epochs, reduction, settings.max_epochs)
        self.rungs = RungTable(self._halving)
        # Trials that may have such files, so that not every trial is checked after each one.
        self._with_weights: set[str] = set()
        self._with_state: set[str] = set()
        self._tokens: dict[int, float] = {}  # of an epoch, by the longest text that is read whole
        self._entered: tuple[Any, Any] | None = None

    # -- the directory ---------------------------------------------------------------------

    def restore(self, run: str, records: Iterable[TrialRecord]) -> None:
        """Takes over what is in the directory: see `search.tuning.resumption`.

        Args:
            run: the `run_id` of the run there.
            records: of its trials and finals.
        """
        found = list(records)
        self.run_id, self._entered = run, self.there()
        self.records = {record.trial_id: record for record in found if not record.is_final}
        self.finals = {record.trial_id: record for record in found if record.is_final}
        self.rungs = RungTable(self._halving, self.records.values())
        self._with_weights, self._with_state = set(self.records), set(self.records)

    def there(self) -> tuple[Any, Any]:
        """Identity and start of the run in the directory."""
        facts = self.run.read_json(self.run.run_file) or {}
        return facts.get("identity"), facts.get("started_at")

    def check_it_is_there(self) -> None:
        """Checks that the directory still holds the run that was entered.

        Raises:
            ResultsError: it was moved, removed, or another run was begun in its place.
        """
        if self._entered is not None and self.there() != self._entered:
            raise ResultsError(
                f"{self.run.path}: does not hold this run any more: it was moved or removed, or "
                "another one was begun there with --overwrite. What is there now can be resumed "
                "with its own settings"
            )

    # -- how it stands ---------------------------------------------------------------------

    @property
    def remaining_trials(self) -> int:
        """The number of trials still to be proposed."""
        return max(0, self.settings.trials - len(self.records))

    def unfinished(self) -> list[TrialRecord]:
        """The trials and finals with the status "running"."""
        known = (*self.records.values(), *self.finals.values())
        return [record for record in known if record.status == "running"]

    def best_first(self) -> list[TrialRecord]:
        """The usable trials, best first: by the mean of their finals, then by their own score."""
        return finals.final_ranking(self.records.values(), self.finals_in_force())

    @property
    def folds(self) -> int:
        """The number of cross-validation folds."""
        return int(self.corpus.folds.max()) + 1

    def finals_wanted(self) -> list[str]:
        """The ids of all finals that the settings ask for, in training order."""
        settings, records = self.settings, self.records.values()
        return finals.wanted(
            *(records, settings.finals, self.folds),
            single=settings.single,
            cost=lambda record: self.epoch_cost(record.values),
        )

    def finals_in_force(self) -> dict[str, TrialRecord]:
        """The records of the finals that the settings ask for, as far as there are any."""
        return {name: self.finals[name] for name in self.finals_wanted() if name in self.finals}

    def finals_progress(self) -> tuple[int, int]:
        """How many of the wanted finals have ended, and how many are wanted."""
        wanted = self.finals_wanted()
        there = [self.finals[name] for name in wanted if name in self.finals]
        return sum(final.status != "running" for final in there), len(wanted)

    def next_final(self) -> str | None:
        """The id of the next final to train; None if there is none."""
        return next((name for name in self.finals_wanted() if not self._is_settled(name)), None)

    def _is_settled(self, name: str) -> bool:
        final = self.finals.get(name)
        completed = final is not None and final.status == "completed"
        if completed and not self.run.trial(name).has_weights():
            return False  # they were removed while other trials were better
        return finals.is_settled(final, self.records[trial_of(name)])

    # -- how trials are judged -------------------------------------------------------------

    @property
    def judged(self) -> Split:
        """The rows whose predictions are a trial's score."""
        corpus = self.corpus
        both = self.judges_by_folds
        return joined(corpus.train, corpus.validation) if both else corpus.validation

    @property
    def judged_rows(self) -> int:
        """The number of these rows."""
        return len(self.corpus.validation) + self.judges_by_folds * len(self.corpus.train)

    def fold_of(self, record: TrialRecord) -> int | None:
        """What a trial or final holds out: see `TrainTask.fold`."""
        if self.judges_by_folds and not record.is_final:
            return finals.EVERY_FOLD
        return finals.fold_of(record.trial_id)

    def networks_of(self, record: TrialRecord) -> int:
        """The number of networks that a trial or final trains side by side."""
        return self.folds if self.fold_of(record) == finals.EVERY_FOLD else 1

    def epoch_cost(self, values: dict[str, Any]) -> float:
        """The floating-point operations of an epoch; 0 if the network is not this project's own."""
        if not self.ours:
            return 0.0
        configuration = Configuration.of(values)
        longest = self.shape.of(configuration).max_length
        if longest not in self._tokens:
            lengths = self.corpus.train.lengths
            share = min(1.0, EPOCH_ROWS / max(1, len(lengths)))
            self._tokens[longest] = share * float(np.minimum(lengths, longest).sum())
        return operations(configuration, self.shape, self._tokens[longest])

    # -- networks --------------------------------------------------------------------------

    def configuration(self, values: dict[str, Any]) -> Configuration:
        """The configuration of a trial; of a user's HyperModel, the values with the same names."""
        if not self.ours:  # texts are truncated by the shape of the HyperModel
            shape = self.shape
            cut = {"vocabulary_size": shape.vocabulary_size, "max_length": shape.max_length}
            values = {**cut, **values}
        return Configuration.of(values)

    def models_of(self, record: TrialRecord) -> list[Any]:
        """Returns the Keras models of a trial or final, with the weights of its best epoch.

        Each maps token ids, (batch, time), to probabilities. There are `networks_of` of them.

        Raises:
            ResultsError: the weights were not kept.
        """
        weights = self.run.trial(record.trial_id).load_weights()
        if weights is None:
            raise ResultsError(
                f"the weights of trial {record.trial_id} are not kept; only those of the best "
                f"{self.settings.keep} trials are (setting `keep`)"
            )
        hp = keras_tuner.HyperParameters.from_config(record.space)
        hp.values = dict(record.values)
        models, count = [], len(weights) // self.networks_of(record)
        for first in range(0, len(weights), count):
            model = built(self.hypermodel, hp)
            model.set_weights(weights[first : first + count])
            models.append(model)
        return models

    # -- what changes ----------------------------------------------------------------------

    def put(self, record: TrialRecord) -> None:
        """Writes and remembers the record of a trial or final."""
        self.run.trial(record.trial_id).save_record(record)
        self.remember(record)

    def remember(self, record: TrialRecord) -> None:
        """Remembers the record of a trial or final that is written already, or not yet."""
        if record.is_final:
            self.finals[record.trial_id] = record
            return
        self.records[record.trial_id] = record
        self.rungs.put(record)
        for names in (self._with_weights, self._with_state):
            (names.discard if record.status == "failed" else names.add)(record.trial_id)

    def _needs_state(self, record: TrialRecord) -> bool:
        """Whether a trial may be resumed, or another one may continue from it."""
        if record.status == "running" or self.keeps_states:
            return True
        return record.status == "pruned" and self.rungs.may_go_on(record, self.settings.trials)

    def remove_unneeded(self) -> None:
        """Removes weights of trials that are not leading, and checkpoints of ended trials."""
        there = [self.records[trial_id] for trial_id in self._with_weights]
        for record in ranked(there)[self.settings.keep :]:
            self.run.trial(record.trial_id).remove_weights()
            self._with_weights.discard(record.trial_id)
        for record in [self.records[trial_id] for trial_id in self._with_state]:
            if not self._needs_state(record):
                self.run.trial(record.trial_id).remove_state()
                self._with_state.discard(record.trial_id)
        wanted = self.finals_wanted() if self.finals else []
        for record in self.finals.values():
            if record.status != "running":
                self.run.trial(record.trial_id).remove_state()
            if record.trial_id not in wanted:
                self.run.trial(record.trial_id).remove_weights()
