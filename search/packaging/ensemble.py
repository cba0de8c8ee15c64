"""The model that is exported: the networks of a trial's finals, mixed with n-gram models.

With `--single` it has one network that was trained on all rows instead of those of the folds.

Its scores before the test are those of out-of-fold predictions: each row is predicted by the
network and the n-gram models that have not seen its label. The model has the mean of such networks,
which together have seen all rows, and n-gram models of all rows, so these scores are cautious.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import keras
import numpy as np
import numpy.typing as npt

from search.compiled.lstm import with_stock_layers
from search.corpus.batches import InputConfig, evaluation_batches
from search.corpus.ngrams import KINDS, Kind
from search.corpus.store import Split
from search.errors import ResultsError
from search.evaluation.calibration import temperature
from search.evaluation.mixture import (
    Floats,
    Mixture,
    Probabilities,
    linear_evidence,
    mixed,
    network_evidence,
)
from search.evaluation.ngram_models import Fitted
from search.evaluation.stacking import cross_fitted, stacked
from search.network.space import Ngrams
from search.tuning.engine import Engine, FastEngine, KerasEngine, predict
from search.tuning.finals import EVERY_FOLD, final_id, finals_of
from search.tuning.objective import balanced_weights
from search.tuning.parts import parts_of
from search.tuning.records import TrialRecord
from search.tuning.study import Study

OF_NGRAMS: dict[Ngrams, tuple[Kind, ...]] = {
    "both": KINDS,
    "words": ("words", "stems"),
    "characters": ("characters",),
    "none": (),
}
"""Which kinds of n-grams the hyperparameter `ngrams` names."""


@dataclass(frozen=True)
class Ensemble:
    """The networks of one configuration, mixed with n-gram models.

    Attributes:
        records: of the networks: a trial's finals, its final on all rows, or the trial itself,
            which may be several networks, if it has no finals.
        networks: Keras models from token ids to probabilities.
        engines: the same networks in the engine that scored the trials.
        input_config: their vocabulary size and truncation.
        mixture: the n-gram models, and the weights of all members.
        rows: indices of the rows with out-of-fold predictions, in training and then validation
            rows, (rows,).
        labels: of these rows, (rows,).
        unmixed: out-of-fold probabilities of the networks, (rows, outputs).
        answers: out-of-fold probabilities of the mixture, (rows, outputs); what it weighs is fitted
            to other rows, too.
        left_out: share of all rows that each single network was not trained on.
    """

    records: tuple[TrialRecord, ...]
    networks: tuple[keras.Model, ...]
    engines: tuple[Engine, ...]
    input_config: InputConfig
    mixture: Mixture
    rows: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int32]
    unmixed: Floats
    answers: Probabilities
    left_out: float

    def networks_say(self, split: Split) -> list[Probabilities]:
        """Returns the probabilities of each network, (rows, outputs)."""
        return [_answers(engine, split, self.input_config) for engine in self.engines]

    @property
    def bytes_beyond_one(self) -> int:
        """How much smaller a file with one network would be, by the weights of the others."""
        return sum(w.nbytes for network in self.networks[1:] for w in network.get_weights())

    def says(self, split: Split) -> Probabilities:
        """The model's probabilities of rows that come with their texts, (rows, outputs)."""
        return self.mixture.probabilities(np.mean(self.networks_say(split), axis=0), split.texts)


def records_behind(study: Study, trial: TrialRecord) -> tuple[TrialRecord, ...]:
    """The records whose networks are exported for a trial: its finals, or the trial itself."""
    refit = study.finals_in_force().get(final_id(trial.trial_id, 0))
    if refit is not None and refit.status == "completed":
        return (refit,)
    return _out_of_fold_records(study, trial)


def _out_of_fold_records(study: Study, trial: TrialRecord) -> tuple[TrialRecord, ...]:
    """The records whose networks have rows that they were not trained on."""
    return tuple(finals_of(trial.trial_id, study.finals_in_force())) or (trial,)


def ensemble_of(study: Study, trial: TrialRecord, models: Mapping[Kind, Fitted]) -> Ensemble:
    """Returns the ensemble of a trial.

    Args:
        study: the run.
        trial: a usable trial.
        models: fitted n-gram models; those that the hyperparameter `ngrams` names are mixed in.
    """
    records, configuration = records_behind(study, trial), study.configuration(trial.values)
    networks = tuple(model for record in records for model in _networks(study, record))
    engines = tuple(_engine(study, trial, network) for network in networks)
    input_config = study.shape.input_config(configuration)
    corpus = study.corpus
    answering = _out_of_fold_records(study, trial)
    held_out = [_held_out(study, record) for record in answering]
    answered = [
        _out_of_fold(study, record, len(rows), engines[0].outputs)
        for record, rows in zip(answering, held_out, strict=True)
    ]
    rows = np.concatenate(held_out)
    order = np.argsort(rows)
    rows, unmixed = rows[order], np.concatenate(answered)[order].astype(np.float64)
    labels = corpus.fold_labels[rows]
    places = np.searchsorted(corpus.held_out, rows)
    used = [models[kind] for kind in (OF_NGRAMS[configuration.ngrams] if study.ours else ())]
    members = [network_evidence(unmixed)]
    for model in used:
        members += [linear_evidence(scores[places]) for scores in (model.presence, model.tfidf)]
    if used:
        counts = class_counts(study)[labels]
        weights, bias = stacked(members, labels, counts)
        answers = cross_fitted(members, labels, counts, np.asarray(corpus.folds)[rows])
    else:
        weights, bias = (1 / temperature(unmixed, labels),), (0.0,) * len(corpus.class_names)
        answers = mixed(members, weights, bias)
    mixture = Mixture(weights, bias, tuple(model.model for model in used)).without_idle_models()
    folds = sum(study.networks_of(record) for record in answering)
    of_folds = len(corpus.held_out) / len(corpus.folds)
    left_out = of_folds / folds if answering[0].is_final or folds > 1 else 0.0
    return Ensemble(
        records=records,
        networks=networks,
        engines=engines,
        input_config=input_config,
        mixture=mixture,
        rows=rows,
        labels=labels,
        unmixed=unmixed,
        answers=answers,
        left_out=left_out,
    )


def restore_predictions(study: Study, trials: Iterable[TrialRecord]) -> None:
    """Recomputes lost predictions of the judged rows of trials whose weights are kept."""
    for trial in trials:
        files = study.run.trial(trial.trial_id)
        known = files.load_predictions(study.judged_rows) is not None
        if known or not files.has_weights():
            continue
        files.save_predictions(_held_out_answers(study, trial))
        study.warn(f"the validation predictions of trial {trial.trial_id} were computed again")


def class_counts(study: Study) -> npt.NDArray[np.float64]:
    """The weight of each class, (classes,)."""
    labels, classes = study.corpus.train.labels, len(study.corpus.class_names)
    balanced = study.settings.class_weight is not None
    return np.array(balanced_weights(labels, classes)) if balanced else np.ones(classes)


def _held_out(study: Study, record: TrialRecord) -> npt.NDArray[np.int64]:
    """Indices of the rows that a trial or final holds out, in training and then validation."""
    train, validation = len(study.corpus.train), len(study.corpus.validation)
    fold = study.fold_of(record)
    if fold == EVERY_FOLD:
        return np.arange(train + validation)
    if fold is not None:
        return np.flatnonzero(np.asarray(study.corpus.folds) == fold)
    return train + np.arange(validation)


def _out_of_fold(study: Study, record: TrialRecord, rows: int, outputs: int) -> Probabilities:
    """The probabilities of the rows that a trial or final holds out, as they were kept."""
    kept = study.run.trial(record.trial_id).load_predictions(rows)
    if kept is not None and kept.shape[1] == outputs:
        return kept
    return _held_out_answers(study, record)


def _held_out_answers(study: Study, record: TrialRecord) -> Probabilities:
    """The same, computed: each row by the network that was not trained on it."""
    input_config = study.shape.input_config(study.configuration(record.values))
    engines = [_engine(study, record, network) for network in _networks(study, record)]
    parts = parts_of(study.corpus, study.fold_of(record))
    rows = sum(len(part.places) for part in parts)
    answers = np.empty((rows, engines[0].outputs), np.float32)
    for part, engine in zip(parts, engines, strict=True):
        answers[part.places] = _answers(engine, part.held_out, input_config)
    return answers


def _networks(study: Study, record: TrialRecord) -> list[keras.Model]:
    return [with_stock_layers(model) for model in study.models_of(record)]


def _answers(engine: Engine, split: Split, input_config: InputConfig) -> Probabilities:
    if not len(split):
        raise ResultsError("there are no rows to score")
    return predict(engine, evaluation_batches(split, input_config), len(split))


def _engine(study: Study, record: TrialRecord, plain: keras.Model) -> Engine:
    """Returns a Keras model's network in the engine that scored the trials."""
    if not study.compiled:
        return KerasEngine(plain)
    return FastEngine(study.configuration(record.values), study.shape, plain.get_weights())
