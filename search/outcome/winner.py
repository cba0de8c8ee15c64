"""The end of a search: the best trial becomes a file, and the test rows are looked at, once."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import pandas as pd

from search.corpus.batches import Reading, evaluation_batches
from search.corpus.encode import decode
from search.corpus.load import read_sides
from search.corpus.store import Split
from search.errors import NothingUsable, ResultsError, SearchError
from search.files import write_json
from search.network.lstm import with_stock_layers
from search.outcome.baselines import Baseline, baselines
from search.outcome.calibration import (
    abstain_threshold,
    expected_calibration_error,
    temperature,
    tempered,
)
from search.outcome.comparison import compared, smallest_of_equals
from search.outcome.export import check_parity, save_model, sha256, takes_temperature, text_model
from search.outcome.leaderboard import NOBODY, leaderboard, write_leaderboard
from search.outcome.measures import interval, unit, values_of
from search.outcome.mistakes import mistakes, slice_lines, slices
from search.outcome.report import read_report
from search.outcome.statistics import verdict, wilson_interval
from search.tables import write_table
from search.tuning.engine import Engine, FastEngine, KerasEngine, Probabilities, predict
from search.tuning.finals import finals_of, standing
from search.tuning.objective import Labels, Numbers, measured, score, signed
from search.tuning.records import TrialRecord, ranked, trial_of
from search.tuning.rundir import now
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
        tested: how many models of this run were measured on the test rows.
    """

    leaderboard: pd.DataFrame
    best: dict[str, Any]
    model: Path
    table: Path
    tested: int

    def _repr_html_(self) -> str:
        """The report, in a notebook."""
        return read_report(self.table.parent)._repr_html_()


def record_leaderboard(
    tuner: SearchTuner,
    tied: Mapping[str, bool] = NOBODY,
    baselines: Sequence[Mapping[str, Any]] = (),
) -> pd.DataFrame:
    """Writes leaderboard.csv as it now stands, and returns it; for the arguments see there."""
    rows = len(tuner.corpus.validation)
    finals = tuner.finals_in_force()
    objective = tuner.settings.objective
    table = leaderboard(tuner.records.values(), rows, finals, tied, baselines, objective)
    write_leaderboard(tuner.run.leaderboard, table)
    return table


def conclude(tuner: SearchTuner) -> Outcome:
    """Exports the best trial's network and measures it, and the baselines, on the test rows.

    If that network is already exported, its file and its facts stay as they are, and the test rows
    are not looked at again.

    Raises:
        NothingUsable: no trial completed; no model is written.
    """
    with tuner.run.claimed():
        best_first = tuner.best_first()
        if not best_first:
            record_leaderboard(tuner)
            errors = [record.error for record in tuner.records.values() if record.error]
            raise NothingUsable(
                f"none of {len(tuner.records)} trials completed"
                + (f"; the last one failed with {errors[-1]}" if errors else "")
            )
        chosen = best_first[0]
        if tuner.settings.prefer_small:
            chosen = smallest_of_equals(tuner, best_first)
        best = _model_of(tuner, chosen)
        facts = _exported(tuner, best) or _export(tuner, best)
        tied, bias = compared(tuner, best_first)
        finals = standing(chosen.trial_id, tuner.finals_in_force())
        if finals is not None:
            mean = signed(tuner.settings.objective, finals.mean)
            facts["finals"] = {**asdict(finals), "mean": mean}
        else:
            facts["finals"] = None
        facts |= {"best_trial": best_first[0].trial_id, "selection_bias": bias}
        if facts != tuner.run.read_json(tuner.run.best_model_facts):
            write_json(tuner.run.best_model_facts, facts)
        table = record_leaderboard(tuner, tied, facts["baselines"])
        tested = tuner.run.test_openings()
    return Outcome(table, facts, tuner.run.best_model, tuner.run.leaderboard, tested)


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
    reading = tuner.shape.reading(tuner.configuration(best))
    corpus = tuner.corpus
    engine = _engine(tuner, best, plain)
    validation, labels = probabilities(engine, corpus.validation, reading), corpus.validation.labels
    divisor = temperature(validation, labels) if takes_temperature(plain) else 1.0
    save_model(text_model(plain, corpus, reading, divisor), path)
    difference = check_parity(path, corpus, validation, divisor)
    calibrated = tempered(validation, divisor)
    objective = tuner.settings.objective
    balanced = tuner.settings.class_weight is not None
    fitted = baselines(corpus, objective, balanced=balanced)
    tuner.run.save_baselines(corpus.fingerprint, {b.name: b.validation for b in fitted})
    errors = (expected_calibration_error(p, labels) for p in (validation, calibrated))
    threshold = abstain_threshold(calibrated, labels)
    epoch = best.best
    assert epoch is not None
    rows, names = len(corpus.validation), corpus.class_names
    return {
        "trial_id": trial_of(best.trial_id),
        "weights": best.trial_id,
        "hyperparameters": best.values,
        "class_names": list(names),
        "output": (
            f"probability of {names[1]!r}, shape (texts, 1)"
            if len(names) == 2
            else f"probabilities in the order of class_names, shape (texts, {len(names)})"
        ),
        "objective": objective,
        "class_weight": tuner.settings.class_weight,
        **_measures(validation, labels, "val_"),
        f"{objective}_ci": interval(objective, validation, labels),
        "val_accuracy": epoch.val_accuracy,
        "val_accuracy_ci": wilson_interval(epoch.val_accuracy * rows, rows),
        "val_loss": epoch.val_loss,
        "val_rows": rows,
        **_tested(tuner, best, engine, reading, divisor, fitted),
        "temperature": divisor,
        "calibration_error": dict(zip(("before", "after"), errors, strict=True)),
        "abstain": None if threshold is None else asdict(threshold),
        "weak_slices": where_it_fails(tuner, reading, calibrated, fitted),
        "best_epoch": epoch.epoch,
        "parameters": best.parameters,
        "vocabulary_size": reading.vocabulary_size,
        "max_length": reading.max_length,
        "cut": reading.cut,
        "tokens": corpus.tokens,
        "data": tuner.settings.data,
        "data_fingerprint": corpus.fingerprint,
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


def _measures(probabilities: Numbers, labels: Labels, before: str) -> dict[str, float | None]:
    """What more there is to say of predictions than accuracy and loss."""
    found = {}
    for objective in ("val_balanced_accuracy", "val_f1", "val_auc"):
        value = measured(objective, probabilities, labels)
        name = before + objective.removeprefix("val_")
        found[name] = value if np.isfinite(value) else None
    return found


def _tested(
    tuner: SearchTuner,
    best: TrialRecord,
    engine: Engine,
    reading: Reading,
    divisor: float,
    fitted: list[Baseline],
) -> dict[str, Any]:
    """What the test rows say of the winner and of the baselines: nothing else looks at them."""
    tuner.run.open_test(best.trial_id)
    test, validation = tuner.corpus.test, tuner.corpus.validation
    objective = tuner.settings.objective
    mine = tempered(probabilities(engine, test, reading), divisor)
    accuracy = measured("val_accuracy", mine, test.labels)
    facts: list[dict[str, Any]] = []
    values = {}
    for baseline in fitted:
        known = baseline.validation, validation.labels
        theirs = tempered(baseline.predict(test), temperature(*known))
        values[baseline.name] = values_of(objective, theirs, test.labels)
        facts.append(
            {
                "name": baseline.name,
                objective: measured(objective, *known),
                "val_accuracy": measured("val_accuracy", *known),
                "val_loss": measured("val_loss", *known),
                "test_accuracy": measured("val_accuracy", theirs, test.labels),
                **_measures(theirs, test.labels, "test_"),
                "parameters": baseline.coefficients.size + baseline.intercept.size,
                "seconds": baseline.seconds,
                "values": baseline.values,
            }
        )
    strongest = _strongest(tuner, fitted)
    spent = (*tuner.records.values(), *tuner.finals.values())
    return {
        **_measures(mine, test.labels, "test_"),
        f"{objective.replace('val_', 'test_', 1)}_ci": interval(objective, mine, test.labels),
        "test_accuracy": accuracy,
        "test_accuracy_ci": wilson_interval(accuracy * len(test), len(test)),
        "test_loss": measured("val_loss", mine, test.labels),
        "test_rows": len(test),
        "baselines": facts,
        "verdict": verdict(
            values_of(objective, mine, test.labels),
            values[strongest.name],
            "the network",
            strongest.name,
            sum(epoch.seconds for record in spent for epoch in record.history),
            strongest.seconds,
            len(test),
            unit(objective),
        ),
    }


def _strongest(tuner: SearchTuner, fitted: list[Baseline]) -> Baseline:
    """The baseline that is best on the validation rows."""
    objective, labels = tuner.settings.objective, tuner.corpus.validation.labels
    return max(fitted, key=lambda baseline: score(objective, baseline.validation, labels))


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


def where_it_fails(
    tuner: SearchTuner, reading: Reading, calibrated: Numbers, fitted: list[Baseline]
) -> list[str]:
    """Writes errors.csv and slices.csv, of the validation rows; returns what to say of them."""
    corpus = tuner.corpus
    strongest = _strongest(tuner, fitted)
    other = tempered(
        strongest.validation, temperature(strongest.validation, corpus.validation.labels)
    )
    texts = _validation_texts(tuner)
    wrong = mistakes(corpus, reading, texts, calibrated, other)
    table = slices(corpus, reading, texts, calibrated)
    write_table(tuner.run.path / "errors.csv", wrong)
    write_table(tuner.run.path / "slices.csv", table)
    return slice_lines(table)


def _validation_texts(tuner: SearchTuner) -> npt.NDArray[np.object_]:
    """The validation rows as they were read; their known tokens if they cannot be read again."""
    split = tuner.corpus.validation
    with contextlib.suppress(SearchError):
        side = read_sides(tuner.settings)["validation"]
        if np.array_equal(side.where, split.rows):
            return side.texts
    corpus, rows = tuner.corpus, range(len(split))
    known = decode((split.ids, split.offsets), rows, corpus.tokens, corpus.vocabulary)
    return np.array(known, dtype=object)
