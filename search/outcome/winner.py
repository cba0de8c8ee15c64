"""The end of a search: the best trial becomes a file, and the test rows are looked at, once."""

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import pandas as pd

from search.corpus.batches import Reading, evaluation_batches
from search.corpus.store import Split
from search.errors import NothingUsable, ResultsError
from search.files import write_json
from search.network.lstm import with_stock_layers
from search.outcome.export import check_parity, save_model, sha256, text_model
from search.outcome.leaderboard import leaderboard, write_leaderboard
from search.outcome.statistics import wilson_interval
from search.tuning.engine import Engine, FastEngine, KerasEngine, Probabilities, predict
from search.tuning.finals import finals_of
from search.tuning.records import TrialRecord, ranked
from search.tuning.rundir import now
from search.tuning.training import score
from search.tuning.tuner import SearchTuner
from search.version import __version__


@dataclass(frozen=True)
class Outcome:
    """What a search left.

    Attributes:
        leaderboard: every trial that ended, best first.
        best: the content of best_model.json.
        model: the path of best_model.keras.
        table: the path of leaderboard.csv.
    """

    leaderboard: pd.DataFrame
    best: dict[str, Any]
    model: Path
    table: Path


def record_leaderboard(tuner: SearchTuner, record: TrialRecord | None = None) -> pd.DataFrame:
    """Writes leaderboard.csv as it now stands, and returns it."""
    table = leaderboard(
        tuner.records.values(), len(tuner.corpus.validation), tuner.finals_in_force()
    )
    write_leaderboard(tuner.run.leaderboard, table)
    return table


def conclude(tuner: SearchTuner) -> Outcome:
    """Exports the best trial and measures it on the test rows.

    If the best trial is already exported, its file and its facts stay as they are, and the test
    rows are not looked at again.

    Raises:
        NothingUsable: no trial completed; no model is written.
    """
    with tuner.run.claimed():
        table = record_leaderboard(tuner)
        best_first = tuner.best_first()
        if not best_first:
            errors = [record.error for record in tuner.records.values() if record.error]
            raise NothingUsable(
                f"none of {len(tuner.records)} trials completed"
                + (f"; the last one failed with {errors[-1]}" if errors else "")
            )
        best = _model_of(tuner, best_first[0])
        facts = _exported(tuner, best) or _export(tuner, best)
    return Outcome(table, facts, tuner.run.best_model, tuner.run.leaderboard)


def _model_of(tuner: SearchTuner, trial: TrialRecord) -> TrialRecord:
    """Whose weights stand for a trial: its best final, or its own where it has none."""
    return next(iter(ranked(finals_of(trial.trial_id, tuner.finals_in_force()))), trial)


def _exported(tuner: SearchTuner, best: TrialRecord) -> dict[str, Any] | None:
    """The facts of the exported model, if it is whole and of the best trial."""
    facts = tuner.run.read_json(tuner.run.best_model_facts)
    path = tuner.run.best_model
    if facts is None or facts.get("weights") != best.trial_id or not path.is_file():
        return None
    return facts if facts.get("sha256") == sha256(path) else None


def _export(tuner: SearchTuner, best: TrialRecord) -> dict[str, Any]:
    plain = with_stock_layers(tuner.model_of(best))
    path = tuner.run.best_model
    # Until the new facts are written there are none: a kill leaves no facts of another file.
    tuner.run.best_model_facts.unlink(missing_ok=True)
    configuration = tuner.configuration(best)
    reading = tuner.shape.reading(configuration)
    save_model(text_model(plain, tuner.corpus, reading), path)
    engine = _engine(tuner, best, plain)
    validation = probabilities(engine, tuner.corpus.validation, reading)
    difference = check_parity(path, tuner.corpus, validation)
    test = tuner.corpus.test
    test_loss, test_accuracy = score(probabilities(engine, test, reading), test.labels)
    epoch = best.best
    assert epoch is not None
    rows = len(tuner.corpus.validation)
    names = tuner.corpus.class_names
    facts = {
        "trial_id": best.trial_id.partition("-")[0],
        "weights": best.trial_id,
        "hyperparameters": best.values,
        "class_names": list(names),
        "output": (
            f"probability of {names[1]!r}, shape (texts, 1)"
            if len(names) == 2
            else f"probabilities in the order of class_names, shape (texts, {len(names)})"
        ),
        "val_accuracy": epoch.val_accuracy,
        "val_accuracy_ci": wilson_interval(epoch.val_accuracy * rows, rows),
        "val_loss": epoch.val_loss,
        "val_rows": rows,
        "test_accuracy": test_accuracy,
        "test_accuracy_ci": wilson_interval(test_accuracy * len(test), len(test)),
        "test_loss": test_loss,
        "test_rows": len(test),
        "best_epoch": epoch.epoch,
        "parameters": best.parameters,
        "vocabulary_size": reading.vocabulary_size,
        "max_length": reading.max_length,
        "cut": reading.cut,
        "tokens": tuner.corpus.tokens,
        "data": tuner.settings.data,
        "data_fingerprint": tuner.corpus.fingerprint,
        "seed": tuner.settings.seed,
        "trial_seed": best.seed,
        "versions": {
            "bilstm-search": __version__,
            **{name: version(name) for name in ("tensorflow", "keras", "keras-tuner")},
        },
        "created_at": now(),
        "size_bytes": path.stat().st_size,
        "sha256": sha256(path),
        "parity": difference,
    }
    write_json(tuner.run.best_model_facts, facts)
    return facts


def _engine(tuner: SearchTuner, record: TrialRecord, plain: keras.Model) -> Engine:
    """A model's weights in what the trials were scored with."""
    if not tuner.compiled:
        return KerasEngine(plain)
    engine = FastEngine(tuner.configuration(record), tuner.shape, record.seed)
    engine.assign(plain.get_weights())
    return engine


def probabilities(engine: Engine, split: Split, reading: Reading) -> Probabilities:
    """Probabilities of all rows of one side, shape (rows, outputs)."""
    if not len(split):
        raise ResultsError("there are no rows to score")
    return predict(engine, evaluation_batches(split, reading), len(split))
