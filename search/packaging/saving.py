"""Saves a trial's networks as one .keras file, with metadata, after a check of its output."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from search.corpus import Corpus
from search.corpus.encode import encode
from search.corpus.ngrams import Kind
from search.corpus.store import Split
from search.errors import ModelError, SearchError
from search.evaluation.calibration import abstain_threshold
from search.evaluation.measures import interval, with_all_rows
from search.evaluation.ngram_models import Fitted
from search.evaluation.statistics import wilson_interval
from search.files import flush_folder, temporary_folder
from search.packaging.description import describe, facts_of
from search.packaging.ensemble import Ensemble, ensemble_of, records_behind
from search.packaging.modelfile import ModelFile
from search.packaging.parity import MADE, TEXTS, check_parity, started, tried_texts
from search.packaging.text_model import save_model, text_model
from search.tuning.engine import Probabilities
from search.tuning.objective import Labels, Numbers, evaluate
from search.tuning.records import TrialRecord, now, trial_of
from search.tuning.rundir import UNPROVEN
from search.tuning.study import Study
from search.version import __version__


@dataclass(frozen=True)
class Saved:
    """A saved model.

    Attributes:
        facts: the metadata in its file.
        proof: the result of `check_parity`.
    """

    facts: dict[str, Any]
    proof: dict[str, Any]


def save_ensemble(study: Study, ensemble: Ensemble, path: Path) -> Saved:
    """Writes the networks and n-gram models of a trial as one .keras file.

    Raises:
        ParityError: the file gives other probabilities than the search; it is kept as `UNPROVEN`.
    """
    started()  # it imports TensorFlow while the network is built here
    corpus, input_config, answers = study.corpus, ensemble.input_config, ensemble.answers
    labels, mixture = ensemble.labels, ensemble.mixture
    first = ensemble.records[0]
    assert first.best is not None
    threshold = abstain_threshold(answers, labels)
    objective, names = study.settings.objective, corpus.class_names
    accuracy = evaluate("val_accuracy", answers, labels)
    alone = evaluate("val_accuracy", ensemble.unmixed, labels)
    of_model = ensemble.left_out, len(ensemble.networks)
    facts = {
        "trial_id": trial_of(first.trial_id),
        "weights": weights_id(ensemble.records),
        "network": "bilstm" if study.ours else "custom",
        "networks": len(ensemble.networks),
        "hyperparameters": first.values,
        "class_names": list(names),
        "output": (
            f"probability of {names[1]!r}, shape (texts, 1)"
            if len(names) == 2
            else f"probabilities in the order of class_names, shape (texts, {len(names)})"
        ),
        "objective": objective,
        "positive": study.settings.positive,
        "class_weight": study.settings.class_weight,
        **measures(answers, labels, "val_", study.positive),
        f"{objective}_ci": with_all_rows(
            objective, interval(objective, answers, labels, study.positive), *of_model
        ),
        "val_accuracy": accuracy,
        "val_accuracy_ci": with_all_rows(
            "val_accuracy", wilson_interval(accuracy * len(labels), len(labels)), *of_model
        ),
        "val_loss": evaluate("val_loss", answers, labels),
        "val_rows": len(labels),
        "val_accuracy_networks": alone,
        "val_loss_networks": evaluate("val_loss", ensemble.unmixed, labels),
        "abstain": None if threshold is None else asdict(threshold),
        "best_epoch": first.best.epoch,
        "parameters": first.parameters,
        "vocabulary_size": input_config.vocabulary_size,
        "max_length": input_config.max_length,
        "cut": input_config.cut,
        "tokens": "unicode",
        "temperature": 1.0,
        "mixture": facts_of(mixture),
        "data": str(study.settings.data),
        "data_fingerprint": corpus.fingerprint,
        "seed": study.settings.seed,
        "trial_seed": first.seed,
        "versions": {
            "bilstm-search": __version__,
            **{name: version(name) for name in ("tensorflow", "keras", "keras-tuner")},
        },
        "created_at": now(),
    }
    with temporary_folder(path) as folder:
        partial = folder / path.name
        save_model(text_model(ensemble.networks, corpus.vocabulary, input_config, mixture), partial)
        describe(partial, facts, corpus.vocabulary)
        texts, wanted, written = _tried(corpus, ensemble)
        try:
            proof = check_parity(partial, "keras", texts, wanted, timed=written)
        except SearchError as error:  # hours of search are not lost for it
            unproven = path.with_name(UNPROVEN)
            partial.replace(unproven)
            raise SearchError(
                f"{error}. The model is kept as {unproven}: do not trust it"
            ) from error
        partial.replace(path)
        path.with_name(UNPROVEN).unlink(missing_ok=True)
    flush_folder(path.parent)
    return Saved(facts, proof)


def weights_id(records: Sequence[TrialRecord]) -> str:
    """The id of a model: the ids of its networks' trials or finals."""
    return ",".join(record.trial_id for record in records)


def save_runners_up(
    study: Study, best_first: list[TrialRecord], models: Callable[[], Mapping[Kind, Fitted]]
) -> tuple[Path, ...]:
    """Writes runners_up/TRIAL.keras for as many of the next best trials as `settings.top` wants.

    Existing files of these trials are kept, and others are removed.

    Args:
        study: the run.
        best_first: its trials.
        models: returns the fitted n-gram models.

    Returns:
        Their paths, best first.
    """
    run, name = study.run, "runners_up"
    folder = run.path / name
    wanted = best_first[1 : study.settings.top]
    paths = {folder / f"{record.trial_id}.keras": record for record in wanted}
    if paths:
        run.artefacts.claim([name])
        folder.mkdir(exist_ok=True)
    for path, record in paths.items():
        if not _is_of(path, weights_id(records_behind(study, record))):
            save_ensemble(study, ensemble_of(study, record, models()), path)
    for file in run.artefacts.made.get(name, ()):
        if folder / file not in paths:
            (folder / file).unlink(missing_ok=True)
    if paths:
        run.artefacts.record(name)
    else:
        run.artefacts.remove(name)
    return tuple(paths)


def _is_of(path: Path, weights: str) -> bool:
    """Whether a file is undamaged and has these weights."""
    try:
        return bool(ModelFile(path).description.model_dump()["weights"] == weights)
    except (ModelError, KeyError):
        return False


def _tried(corpus: Corpus, ensemble: Ensemble) -> tuple[list[str], Probabilities, int]:
    """Validation texts and then hard ones, their expected probabilities, and where those begin."""
    split = corpus.validation
    rows = np.linspace(0, len(split) - 1, min(TEXTS - MADE, len(split))).astype(int)
    written = [str(text) for text in split.texts[rows]]
    texts = tried_texts(written, corpus.vocabulary)
    ids, offsets = encode(texts, corpus.vocabulary)
    tried = Split(
        ids, offsets, np.empty(0, np.int32), np.arange(len(texts)), np.array(texts, dtype=object)
    )
    return texts, ensemble.says(tried), len(written)


def measures(
    probabilities: Numbers, labels: Labels, before: str, positive: int | None
) -> dict[str, float | None]:
    """Computes further scores of predictions, besides accuracy and loss, by name.

    Args:
        probabilities: shape (rows, 1) or (rows, classes).
        labels: class indices, shape (rows,).
        before: prefix of the names, such as "test_".
        positive: index of the class whose F1 is computed; None for the mean of all.
    """
    found = {}
    for objective in ("val_balanced_accuracy", "val_f1", "val_auc"):
        value = evaluate(objective, probabilities, labels, positive)
        name = before + objective.removeprefix("val_")
        found[name] = value if np.isfinite(value) else None
    return found
