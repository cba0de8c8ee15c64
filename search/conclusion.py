"""The end of a search: exports the best model, and evaluates it once on the test rows."""

import errno
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from search.corpus.ngrams import Kind
from search.display import counted
from search.errors import NothingUsable
from search.evaluation.baselines import Baseline, baselines
from search.evaluation.calibration import expected_calibration_error
from search.evaluation.comparison import compared, smallest_of_equals
from search.evaluation.leaderboard import NOBODY, leaderboard, write_leaderboard
from search.evaluation.mistakes import mistakes, slice_lines, slices
from search.evaluation.ngram_models import Fitted
from search.files import write_json
from search.packaging.deciding import deciding_words
from search.packaging.ensemble import (
    Ensemble,
    class_counts,
    ensemble_of,
    records_behind,
    restore_predictions,
)
from search.packaging.formats import export_best, remove_exports
from search.packaging.judging import judge, strongest_of
from search.packaging.model_card import write_card
from search.packaging.preparation import prepared_models
from search.packaging.saving import save_ensemble, save_runners_up, weights_id
from search.packaging.text_model import sha256
from search.progress import Say, silent
from search.reporting.report import read_report
from search.tables import write_table
from search.tuning.finals import fold_summary
from search.tuning.objective import Numbers, to_score
from search.tuning.records import TrialRecord
from search.tuning.study import Study

BY_ROW = ("errors.csv", "slices.csv")

HELD = {errno.EACCES, errno.EPERM, errno.EBUSY, errno.ETXTBSY}  # of a file, not of a disk


@dataclass(frozen=True)
class Outcome:
    """The results of a search. In a notebook it displays the report.

    Attributes:
        leaderboard: every ended trial and the baselines, best first.
        best: the content of best_model.json.
        model: path of best_model.keras.
        table: path of leaderboard.csv.
        tested: how many models of this run were evaluated on the test rows.
        runners_up: paths of the exported runners-up, best first.

    Examples:
        >>> import search
        >>> settings = search.Settings(data="reviews.csv", trials=3)
        >>> tuner = search.tune(settings, search.load_corpus(settings))
        >>> outcome = search.conclude(tuner)
        >>> outcome.best["val_accuracy"]  # its 95% interval: outcome.best["val_accuracy_ci"]
        0.8
        >>> outcome.leaderboard[["rank", "trial_id", "val_accuracy"]].head(1)
           rank trial_id  val_accuracy
        0     3     0000           0.8
    """

    leaderboard: pd.DataFrame
    best: dict[str, Any]
    model: Path
    table: Path
    tested: int
    runners_up: tuple[Path, ...] = ()

    def _repr_html_(self) -> str:
        """The report, in a notebook."""
        return read_report(self.table.parent)._repr_html_()


def record_leaderboard(
    study: Study,
    tied: Mapping[str, bool] = NOBODY,
    exported: Mapping[str, Any] = NOBODY,
) -> pd.DataFrame:
    """Writes leaderboard.csv, and returns it; for the arguments see `leaderboard`.

    If another program holds the file, or it is write-protected, that is only a warning: it is
    written again after the next trial and at the end.
    """
    rows = study.judged_rows
    finals = study.finals_in_force()
    objective = study.settings.objective
    table = leaderboard(study.records.values(), rows, finals, tied, exported, objective)
    try:
        write_leaderboard(study.run.leaderboard, table)
    except OSError as error:
        if error.errno not in HELD:
            raise
        study.warn(
            f"{study.run.leaderboard} could not be written ({error.strerror}): is it open in "
            "another program, or write-protected? It is tried again"
        )
    return table


def conclude(study: Study, tell: Say = silent) -> Outcome:
    """Exports the best model, and evaluates it and the baselines on the test rows.

    It also exports the formats and the runners-up of the settings; the latter are not evaluated on
    test rows. If the best model is exported already, its file and its facts stay as they are, and
    the test rows are not used again. `tell` is called with a line every few seconds while it waits.

    Raises:
        ResultsError: the directory holds another run by now.
        NothingUsable: no trial completed; no model is written.
        ParityError: a file does not give the probabilities that the search computed; it is not
            written.
    """
    with study.run.claimed():
        study.check_it_is_there()
        best_first = study.best_first()
        if not best_first:
            record_leaderboard(study)
            failed = [record for record in study.records.values() if record.error]
            raise NothingUsable(
                f"none of {counted(len(study.records), 'trial')} completed"
                + (f"; the last one failed with {failed[-1].error}" if failed else "")
            ) from (study.run.trial(failed[-1].trial_id).failure() if failed else None)
        restore_predictions(study, best_first)
        chosen = best_first[0]
        if study.settings.prefer_small:
            chosen = smallest_of_equals(study, best_first)

        def models() -> dict[Kind, Fitted]:
            return prepared_models(study, tell)

        facts = _exported(study, chosen) or _export(study, chosen, models())
        tied, bias = compared(study, best_first)
        finals = fold_summary(chosen.trial_id, study.finals_in_force())
        if finals is not None:
            mean = to_score(study.settings.objective, finals.mean)
            facts["finals"] = {**asdict(finals), "mean": mean}
        else:
            facts["finals"] = None
        facts |= {"best_trial": best_first[0].trial_id, "selection_bias": bias}
        if facts != study.run.read_json(study.run.best_model_facts):
            write_json(study.run.best_model_facts, facts)
        table = record_leaderboard(study, tied, facts)
        tested = study.run.test_openings()
        runners_up = save_runners_up(study, best_first, models)
        missing = [
            name
            for name in study.settings.export
            if name not in facts["formats"] or not study.run.artefacts.is_whole(name)
        ]
        if missing:
            facts = export_best(study.run, missing)
        write_card(study.run)
    path = study.run.best_model
    return Outcome(table, facts, path, study.run.leaderboard, tested, runners_up)


def _exported(study: Study, chosen: TrialRecord) -> dict[str, Any] | None:
    """The facts of the exported model, if it is undamaged and of the chosen trial."""
    facts = study.run.read_json(study.run.best_model_facts)
    path, weights = study.run.best_model, weights_id(records_behind(study, chosen))
    if facts is None or facts.get("weights") != weights or not path.is_file():
        return None
    if not all(map(study.run.artefacts.is_whole, BY_ROW)):
        return None
    if not study.run.cache(study.corpus.fingerprint).has_answers():
        return None
    return facts if facts.get("sha256") == sha256(path) else None


def _export(study: Study, chosen: TrialRecord, models: Mapping[Kind, Fitted]) -> dict[str, Any]:
    path, corpus = study.run.best_model, study.corpus
    # Until the new facts are written there are none: a kill leaves no facts of another file.
    study.run.best_model_facts.unlink(missing_ok=True)
    remove_exports(study.run)
    ensemble = ensemble_of(study, chosen, models)
    saved = save_ensemble(study, ensemble, path)
    fitted = baselines(corpus, models, class_counts(study))
    judged, rows = study.judged_rows, len(corpus.validation)
    kept = {baseline.name: baseline.answers[-judged:] for baseline in fitted}
    study.run.cache(corpus.fingerprint).save_baselines(kept)
    answers = {"networks": ensemble.unmixed[-rows:], "model": ensemble.answers[-rows:]}
    study.run.cache(corpus.fingerprint).save_answers(answers)
    kinds = (ensemble.unmixed, ensemble.answers)
    errors = (expected_calibration_error(p, ensemble.labels) for p in kinds)
    strongest = strongest_of(study, fitted)
    return {
        **saved.facts,
        **judge(study, ensemble, models, fitted, strongest),
        "calibration_error": dict(zip(("before", "after"), errors, strict=True)),
        "weak_slices": error_analysis(study, ensemble, answers["model"], strongest),
        "size_bytes": path.stat().st_size,
        "size_bytes_single": path.stat().st_size - ensemble.bytes_beyond_one,
        "sha256": sha256(path),
        "parity": saved.proof["parity"],
        "formats": {"keras": saved.proof},
    }


def error_analysis(
    study: Study, ensemble: Ensemble, answers: Numbers, strongest: Baseline
) -> list[str]:
    """Writes errors.csv and slices.csv of the validation rows; returns sentences on weak slices."""
    corpus, input_config = study.corpus, ensemble.input_config
    texts = corpus.validation.texts
    wrong = mistakes(corpus, input_config, texts, answers, strongest.answers[-len(texts) :])
    if study.compiled:  # Keras alone would take too long
        wrong["decided_by"] = deciding_words(study, ensemble, wrong)
    table = slices(corpus, input_config, texts, answers)
    for name, content in zip(BY_ROW, (wrong, table), strict=True):
        write_table(study.run.path / name, content)
        study.run.artefacts.record(name)
    return slice_lines(table)
