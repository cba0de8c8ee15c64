"""Takes up a run in its directory: a new one, or the same one again after a stop or a kill."""

from dataclasses import replace
from typing import Any

import keras_tuner

from search.errors import ResultsError, one_line
from search.files import write_json
from search.network.space import check_values
from search.network.spacefile import spec_text
from search.network.weights import sizes
from search.tuning.machine import machine_facts
from search.tuning.records import TrialRecord, now, ranked, run_id, trial_of
from search.tuning.study import Study
from search.version import __version__


def take_up(study: Study, searched: dict[str, Any], *, overwrite: bool = False) -> None:
    """Starts a run in its directory, or resumes the same run there.

    Args:
        study: the run, without records yet.
        searched: what the algorithm and its space add to the identity of a run.
        overwrite: whether to move an older run aside first.

    Raises:
        ResultsError: the directory holds another run.
    """
    if not overwrite:
        _judge_as_begun(study, searched)
    facts = _facts(study, searched)
    study.run.enter(facts, overwrite=overwrite)
    write_json(study.run.path / "audit.json", study.corpus.facts.get("audit"))
    records = study.run.records(lambda record: _check(study, record))
    study.restore(run_id(facts["identity"]), records)
    _try_failed_again(study)
    _check_kept_weights(study)
    _forget_finals_without_trial(study)
    study.remove_unneeded()


def _judge_as_begun(study: Study, searched: dict[str, Any]) -> None:
    """Judges trials as the run in the directory began to; where run.json is lost, by them.

    Raises:
        ResultsError: it is lost, and they are of a run with other settings or data.
    """
    begun, _ = study.there()
    if begun is not None:
        study.judges_by_folds = study.may_judge_by_folds and begun.get("judged_by") == "folds"
        return
    runs = {record.run for record in study.run.records()} - {None}
    for judges in (study.judges_by_folds, not study.judges_by_folds):
        study.judges_by_folds = judges and study.may_judge_by_folds
        if not runs or run_id(_facts(study, searched)["identity"]) in runs:
            return
    raise ResultsError(
        f"{study.run.path}: holds trials of a run with other settings or other data, and its "
        "run.json is lost. Start anew with --overwrite (the old run is moved aside), or choose "
        "another directory with --results DIR"
    )


def _facts(study: Study, searched: dict[str, Any]) -> dict[str, Any]:
    """The content of run.json; for `searched` see `take_up`."""
    corpus, shape = study.corpus, study.shape
    return {
        "identity": {
            **study.settings.identity(),
            "data_fingerprint": corpus.fingerprint,
            **({"judged_by": "folds"} if study.judges_by_folds else {}),
            **searched,
            **{f"space.{name}": spec_text(spec) for name, spec in study.space.items()},
            "shape": [shape.vocabulary_size, shape.classes, shape.max_length],
        },
        "settings": study.settings.model_dump(mode="json"),
        "data": {name: fact for name, fact in corpus.facts.items() if name != "audit"},
        "class_names": list(corpus.class_names),
        "version": __version__,
        "machine": machine_facts(),
        "started_at": now(),
    }


def _check(study: Study, record: TrialRecord) -> None:
    """Checks that a record belongs to a search.

    Raises:
        ValueError: its space cannot be read, or values are missing or out of bounds.
    """
    try:
        keras_tuner.HyperParameters.from_config(record.space)
    except Exception as error:  # whatever KerasTuner stumbles over
        raise ValueError(f"its space cannot be read: {one_line(error)}") from error
    if study.ours:
        check_values(record.values)
        if missing := study.space.keys() - record.values.keys():
            raise ValueError(f"it has no {', '.join(sorted(missing))}")


def _try_failed_again(study: Study) -> None:
    """Marks failed trials for a retry: those with a machine fault, or all with retry_failed.

    Their files stay until they are started: a kill before leaves them as they were.
    """
    for record in (*study.records.values(), *study.finals_in_force().values()):
        again = record.machine_fault or study.settings.retry_failed
        if record.status == "failed" and again:
            study.warn(f"trial {record.trial_id} is retried: it failed with {record.error}")
            fresh = replace(record, status="running", history=(), ended_at=None, error=None)
            attempts = record.attempts + 1
            study.remember(replace(fresh, machine_fault=False, attempts=attempts))


def _check_kept_weights(study: Study) -> None:
    """Marks leading trials and finals for training again if their weights are lost."""
    leading = ranked(study.records.values())[: study.settings.keep]
    there = study.finals_in_force().values()
    for record in (*leading, *(final for final in there if final.status == "completed")):
        if not _has_its_weights(study, record):
            study.warn(f"the weights of trial {record.trial_id} are missing: it is trained again")
            study.remember(replace(record, status="running", history=(), ended_at=None))


def _has_its_weights(study: Study, record: TrialRecord) -> bool:
    """Whether a trial's weights are saved and have the shapes of its network."""
    weights = study.run.trial(record.trial_id).load_weights()
    if weights is None or not study.ours:
        return weights is not None
    wanted = sizes(study.configuration(record.values), study.shape)
    return [weight.shape for weight in weights] == wanted * study.networks_of(record)


def _forget_finals_without_trial(study: Study) -> None:
    """Drops unfinished finals whose trial is lost or is to be trained again."""
    known = {name for name, record in study.records.items() if record.best is not None}
    study.finals = {
        name: final
        for name, final in study.finals.items()
        if final.status != "running" or trial_of(name) in known
    }
