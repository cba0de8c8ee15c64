"""One trial's network as a .keras file: calibrated, described, and proved before it counts."""

import shutil
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import numpy as np

from search.compiled.lstm import with_stock_layers
from search.corpus import Corpus
from search.corpus.batches import Reading, evaluation_batches
from search.corpus.encode import decode, encode
from search.corpus.store import Split
from search.errors import ModelError, ResultsError
from search.evaluation.calibration import abstain_threshold, temperature, tempered
from search.evaluation.measures import interval
from search.evaluation.statistics import wilson_interval
from search.files import flush_folder, temporary
from search.packaging.modelfile import ModelFile, describe
from search.packaging.parity import MADE, TEXTS, check_parity, hard_texts, started
from search.packaging.text_model import save_model, takes_temperature, whitespace_model
from search.tuning.engine import Engine, FastEngine, KerasEngine, Probabilities, predict
from search.tuning.finals import finals_of
from search.tuning.objective import Labels, Numbers, measured
from search.tuning.records import TrialRecord, ranked, trial_of
from search.tuning.rundir import now
from search.tuning.study import Study
from search.version import __version__


@dataclass(frozen=True)
class Saved:
    """A model that was saved.

    Attributes:
        facts: what its file says of it.
        engine: the same network, before tempering, in what the trials were scored with.
        reading: what it sees of a text.
        validation, calibrated: what it says of the validation rows, before and after tempering.
        proof: what `check_parity` returned.
    """

    facts: dict[str, Any]
    engine: Engine
    reading: Reading
    validation: Probabilities
    calibrated: Numbers
    proof: dict[str, Any]


def save_trial(study: Study, record: TrialRecord, path: Path) -> Saved:
    """Writes a trial's, or a final's, network as a .keras file; if it is not right, there is none.

    Raises:
        SearchError: what the file says is not what the search said.
    """
    started()  # it imports TensorFlow while the network is built here
    corpus, configuration = study.corpus, study.configuration(record.values)
    plain = with_stock_layers(study.model_of(record))
    reading = study.shape.reading(configuration)
    engine = _engine(study, record, plain)
    validation, labels = probabilities(engine, corpus.validation, reading), corpus.validation.labels
    divisor = temperature(validation, labels) if takes_temperature(plain) else 1.0
    calibrated = tempered(validation, divisor)
    threshold = abstain_threshold(calibrated, labels)
    epoch = record.best
    assert epoch is not None
    objective, rows, names = study.settings.objective, len(corpus.validation), corpus.class_names
    facts = {
        "trial_id": trial_of(record.trial_id),
        "weights": record.trial_id,
        "network": "bilstm" if study.ours else "custom",
        "hyperparameters": record.values,
        "class_names": list(names),
        "output": (
            f"probability of {names[1]!r}, shape (texts, 1)"
            if len(names) == 2
            else f"probabilities in the order of class_names, shape (texts, {len(names)})"
        ),
        "objective": objective,
        "class_weight": study.settings.class_weight,
        **measures(validation, labels, "val_"),
        f"{objective}_ci": interval(objective, validation, labels),
        "val_accuracy": epoch.val_accuracy,
        "val_accuracy_ci": wilson_interval(epoch.val_accuracy * rows, rows),
        "val_loss": epoch.val_loss,
        "val_rows": rows,
        "temperature": divisor,
        "abstain": None if threshold is None else asdict(threshold),
        "best_epoch": epoch.epoch,
        "parameters": record.parameters,
        "vocabulary_size": reading.vocabulary_size,
        "max_length": reading.max_length,
        "cut": reading.cut,
        "tokens": corpus.tokens,
        "data": study.settings.data,
        "data_fingerprint": corpus.fingerprint,
        "seed": study.settings.seed,
        "trial_seed": record.seed,
        "versions": {
            "bilstm-search": __version__,
            **{name: version(name) for name in ("tensorflow", "keras", "keras-tuner")},
        },
        "created_at": now(),
    }
    folder = temporary(path)
    folder.mkdir()
    try:
        partial = folder / path.name
        save_model(whitespace_model(plain, corpus, reading, divisor), partial)
        describe(partial, facts, None)
        texts, wanted, written = _tried(corpus, engine, reading, validation)
        proof = check_parity(partial, "keras", texts, wanted, divisor, timed=written)
        partial.replace(path)
    finally:
        shutil.rmtree(folder)
    flush_folder(path.parent)
    return Saved(facts, engine, reading, validation, calibrated, proof)


def model_behind(study: Study, trial: TrialRecord) -> TrialRecord:
    """Whose weights stand for a trial: its best final, or its own where it has none."""
    return next(iter(ranked(finals_of(trial.trial_id, study.finals_in_force()))), trial)


def save_runners_up(study: Study, best_first: list[TrialRecord]) -> tuple[Path, ...]:
    """Writes runners_up/TRIAL.keras for the trials after the best one that `settings.top` asks for.

    Those that are there stay as they are, and others are removed.

    Returns:
        Their paths, best first.
    """
    run, name = study.run, "runners_up"
    folder = run.path / name
    wanted = [model_behind(study, trial) for trial in best_first[1 : study.settings.top]]
    paths = {folder / f"{trial_of(record.trial_id)}.keras": record for record in wanted}
    if paths:
        run.artefacts.claim([name])
        folder.mkdir(exist_ok=True)
    for path, record in paths.items():
        if not _is_of(path, record):
            save_trial(study, record, path)
    for file in run.artefacts.made.get(name, ()):
        if folder / file not in paths:
            (folder / file).unlink(missing_ok=True)
    if paths:
        run.artefacts.record(name)
    else:
        run.artefacts.remove(name)
    return tuple(paths)


def _is_of(path: Path, record: TrialRecord) -> bool:
    """Whether a file is whole and has the weights of a trial or a final."""
    try:
        return bool(ModelFile(path).description.model_dump()["weights"] == record.trial_id)
    except (ModelError, KeyError):
        return False


def _tried(
    corpus: Corpus, engine: Engine, reading: Reading, validation: Probabilities
) -> tuple[list[str], Probabilities, int]:
    """Validation texts and then hard ones, what the search says of them, and where those begin."""
    split = corpus.validation
    rows = np.linspace(0, len(split) - 1, min(TEXTS - MADE, len(split))).astype(int)
    written = decode((split.ids, split.offsets), rows.tolist(), corpus.tokens, corpus.vocabulary)
    made = hard_texts(corpus.vocabulary, TEXTS - len(written))
    ids, offsets = encode(np.array(made, dtype=object), corpus.tokens, corpus.vocabulary)
    hard = Split(ids, offsets, np.empty(0, np.int32), np.arange(len(made)))
    expected = np.concatenate([validation[rows], probabilities(engine, hard, reading)])
    return written + made, expected, len(written)


def _engine(study: Study, record: TrialRecord, plain: keras.Model) -> Engine:
    """A model's weights in what the trials were scored with."""
    if not study.compiled:
        return KerasEngine(plain)
    engine = FastEngine(study.configuration(record.values), study.shape, record.seed)
    engine.assign(plain.get_weights())
    return engine


def probabilities(engine: Engine, split: Split, reading: Reading) -> Probabilities:
    """Probabilities of all rows of one side, shape (rows, outputs)."""
    if not len(split):
        raise ResultsError("there are no rows to score")
    return predict(engine, evaluation_batches(split, reading), len(split))


def measures(probabilities: Numbers, labels: Labels, before: str) -> dict[str, float | None]:
    """What more there is to say of predictions than accuracy and loss.

    Args:
        probabilities: shape (rows, 1) or (rows, classes).
        labels: class indices, shape (rows,).
        before: what the names begin with.
    """
    found = {}
    for objective in ("val_balanced_accuracy", "val_f1", "val_auc"):
        value = measured(objective, probabilities, labels)
        name = before + objective.removeprefix("val_")
        found[name] = value if np.isfinite(value) else None
    return found
