"""The end of a search: exports the best model, and evaluates it once on the test rows."""

import errno
import threading
from collections.abc import Mapping
from concurrent.futures import Future, wait
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd

from search.corpus.ngrams import Kind
from search.display import counted
from search.errors import NothingUsable
from search.evaluation.baselines import Baseline, baselines
from search.evaluation.calibration import expected_calibration_error
from search.evaluation.comparison import compared, smallest_of_equals
from search.evaluation.leaderboard import NOBODY, leaderboard, write_leaderboard
from search.evaluation.measures import interval, of_each_class, unit, values_of
from search.evaluation.mistakes import mistakes, slice_lines, slices
from search.evaluation.mixture import ngram_evidence, ngram_scores
from search.evaluation.ngram_models import Fitted, fitted_models, number_of_fits
from search.evaluation.statistics import verdict, wilson_interval
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
from search.packaging.model_card import write_card
from search.packaging.parity import started
from search.packaging.saving import measures, save_ensemble, save_runners_up, weights_id
from search.packaging.text_model import sha256
from search.progress import Progress, Say, silent
from search.reporting.report import read_report
from search.tables import write_table
from search.tuning.finals import fold_summary
from search.tuning.objective import Labels, Numbers, evaluate, score, to_score
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

    Example:
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


@dataclass(frozen=True)
class NgramFits:
    """The n-gram models of a search that are being fitted in the background.

    Attributes:
        models: the models, when all are fitted.
        done: as many entries as fits are done.
    """

    models: Future[dict[Kind, Fitted]]
    done: list[None]


_begun: "WeakKeyDictionary[Study, NgramFits]" = WeakKeyDictionary()
"""Of each search that `prepare` was called for."""


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


def prepare(study: Study) -> None:
    """Starts in the background, once per study, what `conclude` needs and no final influences.

    That is the process that checks the exported file, which takes long to import TensorFlow, and
    the n-gram models. While the last finals are trained, some cores are idle.
    """
    if study in _begun:
        return
    started()
    fits = _begun[study] = NgramFits(Future(), [])

    def fit() -> None:
        try:
            counts, done = class_counts(study), fits.done
            fits.models.set_result(fitted_models(study.corpus, counts, lambda: done.append(None)))
        except BaseException as error:
            fits.models.set_exception(error)

    # A daemon, unlike the threads of an executor: stopping a search does not wait for it.
    threading.Thread(target=fit, daemon=True).start()


def _prepared(study: Study, tell: Say) -> dict[Kind, Fitted]:
    """The models that `prepare` has begun to fit, once they are fitted."""
    prepare(study)
    fits = _begun[study]
    progress = Progress(tell, "fitting n-gram models", number_of_fits(study.corpus), "fits")
    while not fits.models.done():
        wait([fits.models], timeout=1)
        progress(len(fits.done))
    return fits.models.result()


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
            return _prepared(study, tell)

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
    strongest = _strongest(study, fitted)
    return {
        **saved.facts,
        **_tested(study, ensemble, models, fitted, strongest),
        "calibration_error": dict(zip(("before", "after"), errors, strict=True)),
        "weak_slices": error_analysis(study, ensemble, answers["model"], strongest),
        "size_bytes": path.stat().st_size,
        "size_bytes_single": path.stat().st_size - ensemble.bytes_beyond_one,
        "sha256": sha256(path),
        "parity": saved.proof["parity"],
        "formats": {"keras": saved.proof},
    }


def _tested(
    study: Study,
    ensemble: Ensemble,
    models: Mapping[Kind, Fitted],
    fitted: list[Baseline],
    strongest: Baseline,
) -> dict[str, Any]:
    """Evaluates model and baselines on the test rows: the only place that uses them."""
    test = study.corpus.test
    if not len(test):
        theirs = strongest.answers[np.searchsorted(study.corpus.held_out, ensemble.rows)]
        found = _compared(study, ensemble.labels, ensemble.answers, strongest, theirs)
        return {
            **dict.fromkeys(("test_accuracy", "test_accuracy_ci", "test_loss")),
            "test_rows": 0,
            "classes": of_each_class(ensemble.answers, ensemble.labels, study.corpus.class_names),
            "baselines": [_baseline_facts(study, baseline, None) for baseline in fitted],
            "verdict": f"out of fold, {found}; no rows were kept for a test",
        }
    study.run.open_test(weights_id(ensemble.records))
    objective = study.settings.objective
    each, mixture = ensemble.networks_say(test), ensemble.mixture
    networks = np.mean(each, axis=0)
    ngrams = ngram_evidence(ngram_scores(mixture.models, test.texts))
    mine = mixture.mix(networks, ngrams)
    single = [evaluate("val_accuracy", mixture.mix(one, ngrams), test.labels) for one in each]
    accuracy = evaluate("val_accuracy", mine, test.labels)
    scores = ngram_scores((kind.model for kind in models.values()), test.texts)
    said = {baseline.name: baseline.predict(scores) for baseline in fitted}
    return {
        **measures(mine, test.labels, "test_", study.positive),
        f"{objective.replace('val_', 'test_', 1)}_ci": interval(
            objective, mine, test.labels, study.positive
        ),
        "test_accuracy": accuracy,
        "test_accuracy_ci": wilson_interval(accuracy * len(test), len(test)),
        "test_loss": evaluate("val_loss", mine, test.labels),
        "test_rows": len(test),
        "test_accuracy_networks": evaluate("val_accuracy", networks, test.labels),
        "test_loss_networks": evaluate("val_loss", networks, test.labels),
        "test_accuracy_single": float(np.mean(single)),
        "classes": of_each_class(mine, test.labels, study.corpus.class_names),
        "baselines": [_baseline_facts(study, baseline, said[baseline.name]) for baseline in fitted],
        "verdict": _compared(study, test.labels, mine, strongest, said[strongest.name]),
    }


def _baseline_facts(study: Study, baseline: Baseline, tested: Numbers | None) -> dict[str, Any]:
    """The facts of a baseline, for best_model.json.

    Args:
        study: the run.
        baseline: the fitted baseline.
        tested: its probabilities of the test rows, if there are any.
    """
    objective = study.settings.objective
    test, judged = study.corpus.test, study.judged
    known = baseline.answers[-len(judged) :], judged.labels
    on_test: dict[str, float | None] = {"test_accuracy": None}
    if tested is not None:
        on_test["test_accuracy"] = evaluate("val_accuracy", tested, test.labels)
        on_test |= measures(tested, test.labels, "test_", study.positive)
    return {
        "name": baseline.name,
        objective: evaluate(objective, *known, study.positive),
        "val_accuracy": evaluate("val_accuracy", *known),
        "val_loss": evaluate("val_loss", *known),
        **on_test,
        "parameters": baseline.parameters,
        "seconds": baseline.seconds,
        "values": baseline.values,
    }


def _compared(
    study: Study, labels: Labels, mine: Numbers, strongest: Baseline, theirs: Numbers
) -> str:
    """The verdict: a paired test of the model against the strongest baseline."""
    objective, spent = study.settings.objective, (*study.records.values(), *study.finals.values())
    return verdict(
        values_of(objective, mine, labels, study.positive),
        values_of(objective, theirs, labels, study.positive),
        "the model",
        strongest.name,
        sum(epoch.seconds for record in spent for epoch in record.history),
        strongest.seconds,
        len(labels),
        unit(objective, study.settings.positive),
    )


def _strongest(study: Study, fitted: list[Baseline]) -> Baseline:
    """The baseline with the best out-of-fold score."""
    corpus, objective, of = study.corpus, study.settings.objective, study.positive
    labels = corpus.fold_labels[corpus.held_out]
    return max(fitted, key=lambda baseline: score(objective, baseline.answers, labels, of))


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
