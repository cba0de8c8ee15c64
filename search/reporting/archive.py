"""Reads the records of a results directory, without changing anything in it.

The run may be finished, killed or still running. Files that are missing or damaged are skipped, and
no lock is needed. TensorFlow is not imported.
"""

import socket
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import psutil
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from search.errors import ResultsError
from search.evaluation.leaderboard import leaderboard, read_leaderboard
from search.evaluation.measures import values_of
from search.evaluation.statistics import tied_with_best
from search.settings import Objective
from search.tables import read_table
from search.tuning.facts import record_of
from search.tuning.finals import final_ranking
from search.tuning.finals import wanted as finals_wanted
from search.tuning.objective import display_name
from search.tuning.records import EPOCHS, TrialRecord
from search.tuning.trialdir import check_predictions, readable_records
from search.untrusted import array_of, arrays_of, content_of

State = Literal["running", "stopped", "finished"]
SLICES = ("rows", "accuracy", "low", "high", "rest_accuracy", "p_value")
MISTAKES = ("row", "probability", "loss")
TEXTS = ("text", "label", "predicted", "likely_mislabelled")
UNREADABLE = (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile)


@dataclass(frozen=True)
class Archive:
    """The records of one run.

    Attributes:
        path: the results directory.
        facts: run.json.
        state: "running" while a process writes there; "stopped" if it ended before the model was
            exported.
        trials: by number; running ones have their epochs so far.
        finals: by id.
        table: the leaderboard.
        best: best_model.json; empty before there is one.
        audit: audit.json; empty where there is none.
        slices, mistakes: slices.csv and errors.csv; None before there are any.
        labels: class indices of the validation rows, shape (rows,); None if they are lost.
        judged: those of the rows that trials are judged on, which end with the validation rows;
            None if they are lost.
    """

    path: Path
    facts: Mapping[str, Any]
    state: State
    trials: tuple[TrialRecord, ...]
    finals: Mapping[str, TrialRecord]
    table: pd.DataFrame
    best: Mapping[str, Any]
    audit: Mapping[str, Any]
    slices: pd.DataFrame | None
    mistakes: pd.DataFrame | None
    labels: npt.NDArray[np.int32] | None
    judged: npt.NDArray[np.int32] | None

    @property
    def objective(self) -> Objective:
        """The objective of the search."""
        objective: Objective = self.facts["settings"].get("objective", "val_accuracy")
        return objective

    @property
    def positive(self) -> str | None:
        """The class whose F1 is the objective; None for the mean of all."""
        positive: str | None = self.facts["settings"].get("positive")
        return positive

    @property
    def measure(self) -> str:
        """The name of the score that trials are ranked by, for people."""
        turned = " with its sign turned" if self.objective == "val_loss" else ""
        rows = "out-of-fold" if judged_by_folds(self.facts) else "validation"
        return f"{rows} {display_name(self.objective, self.positive)}{turned}"

    @property
    def judged_rows(self) -> int:
        """The number of rows that trials are judged on."""
        return judged_rows(self.facts)

    @property
    def class_names(self) -> list[str]:
        return [str(name) for name in self.facts["class_names"]]

    @property
    def ended(self) -> list[TrialRecord]:
        """Trials that are not running."""
        return [record for record in self.trials if record.status != "running"]

    @property
    def ranked(self) -> list[TrialRecord]:
        """Usable trials, best first."""
        return final_ranking(self.ended, self.finals)

    @property
    def cache(self) -> Path:
        """The folder of the encoded corpus, which may be missing."""
        return _cache(self.path, self.facts)

    def predictions(self, name: str) -> npt.NDArray[np.float32] | None:
        """A trial's probabilities of the validation rows, shape (rows, outputs)."""
        if self.labels is None or self.judged is None:
            return None
        found = _predictions(self.path, name, len(self.judged))
        return None if found is None else found[-len(self.labels) :]

    @property
    def answers(self) -> dict[str, npt.NDArray[Any]]:
        """The exported model's validation probabilities: see `DataCache.save_answers`."""
        path = self.cache.with_name(f"{self.cache.name}-answers.npz")
        with suppress(*UNREADABLE):
            found = arrays_of(content_of(path))
            for probabilities in found.values():
                check_predictions(probabilities, len(probabilities))
            return found
        return {}


def read_archive(results: Path | str = "results") -> Archive:
    """Reads the records of a run.

    Raises:
        ResultsError: there is no run in the directory.
    """
    path = Path(results)
    facts = _json(path / "run.json")
    if not {"identity", "settings", "class_names", "data", "machine"} <= facts.keys():
        found = "cannot be read" if (path / "run.json").exists() else "no such file"
        raise ResultsError(
            f"{path / 'run.json'}: {found}; expected the results directory of a search, which "
            "`python -m search.run` makes"
        )
    records = [_with_epochs_so_far(path, record) for record in readable_records(path)]
    trials = tuple(record for record in records if not record.is_final)
    ended = [record for record in trials if record.status != "running"]
    settings = facts["settings"]
    # As many as the settings ask for: a run that was made longer may have others.
    wanted = finals_wanted(
        ended,
        settings.get("finals", 0),
        facts["data"].get("folds", 0),
        single=settings.get("single", False),
    )
    finals = {r.trial_id: r for r in records if r.is_final and r.trial_id in wanted}
    best = _json(path / "best_model.json")
    judged = labels = _labels(path, facts, "validation")
    if judged_by_folds(facts):
        trained = _labels(path, facts, "train")
        judged = None if labels is None or trained is None else np.concatenate([trained, labels])
    return Archive(
        path=path,
        facts=facts,
        state=_state(path, best),
        trials=trials,
        finals=finals,
        table=_table(path, facts, ended, finals, best, judged),
        best=best,
        audit=_json(path / "audit.json"),
        slices=_csv(path / "slices.csv", SLICES, ("slice", "below_rest")),
        mistakes=_csv(path / "errors.csv", MISTAKES, TEXTS),
        labels=labels,
        judged=judged,
    )


def judged_by_folds(facts: Mapping[str, Any]) -> bool:
    """Whether trials are judged out of fold, by run.json: see `Study`."""
    return bool(facts["identity"].get("judged_by") == "folds")


def judged_rows(facts: Mapping[str, Any]) -> int:
    """The number of rows that trials are judged on, by run.json."""
    rows = facts["data"]["rows"]
    return int(rows["validation"] + judged_by_folds(facts) * rows.get("train", 0))


def _labels(path: Path, facts: Mapping[str, Any], split: str) -> npt.NDArray[np.int32] | None:
    """Class indices of the rows of a split, (rows,); None if they are lost or damaged."""
    found = read_array(_cache(path, facts) / f"{split}_labels.npy")
    if found is None or found.ndim != 1 or found.dtype.kind != "i" or not len(found):
        return None
    sound = ((found >= 0) & (found < len(facts["class_names"]))).all()
    return found if sound else None


def _state(path: Path, best: Mapping[str, Any]) -> State:
    if _lives(_json(path / "owner.json")):
        return "running"
    return "finished" if best else "stopped"


def _lives(owner: Mapping[str, Any]) -> bool:
    """Whether the process that owner.json names runs; a killed one leaves the file behind."""
    if owner.get("host") != socket.gethostname():
        return False
    with suppress(psutil.Error, KeyError, ValueError):
        began = psutil.Process(owner["pid"]).create_time()
        # Its number may be another process's by now.
        return abs(began - datetime.fromisoformat(owner["started_at"]).timestamp()) < 2
    return False


def _table(
    path: Path,
    facts: Mapping[str, Any],
    ended: list[TrialRecord],
    finals: Mapping[str, TrialRecord],
    best: Mapping[str, Any],
    judged: npt.NDArray[np.int32] | None,
) -> pd.DataFrame:
    """leaderboard.csv, or the same table from the records if the file is out of date."""
    table, objective = None, facts["settings"].get("objective", "val_accuracy")
    with suppress(ResultsError, *UNREADABLE):
        table = read_leaderboard(path)
    if table is None or not {record.trial_id for record in ended} <= set(table["trial_id"]):
        rows = judged_rows(facts)
        exported = best if objective in best else {}  # a model of another objective is not ranked
        table = leaderboard(ended, rows, finals, exported=exported, objective=objective)
    if table["tied_with_best"].notna().any() or judged is None:
        return table
    predicted = {n: _predictions(path, n, len(judged)) for n in table["trial_id"]}
    names, positive = list(facts["class_names"]), facts["settings"].get("positive")
    of = names.index(positive) if positive in names else None
    known = {n: values_of(objective, p, judged, of) for n, p in predicted.items() if p is not None}
    leader = next((r.trial_id for r in final_ranking(ended, finals)), None)
    if leader in known:
        names = list(known)
        tied = tied_with_best(np.stack(list(known.values())), names.index(leader))
        table["tied_with_best"] = table["trial_id"].map(
            dict(zip(names, map(bool, tied), strict=True))
        )
    return table


def _with_epochs_so_far(path: Path, record: TrialRecord) -> TrialRecord:
    """A running trial with its epochs so far, from its checkpoint."""
    if record.status == "running":
        with suppress(*UNREADABLE):
            state = arrays_of(content_of(path / "trials" / record.trial_id / "state.npz"))
            return replace(record, history=EPOCHS.validate_json(state["history"].tobytes()))
    return record


def _predictions(path: Path, name: str, rows: int) -> npt.NDArray[np.float32] | None:
    found = read_array(path / "trials" / name / "validation.npy")
    with suppress(ValueError):
        if found is not None:
            check_predictions(found, rows)
            return found
    return None


def _cache(path: Path, facts: Mapping[str, Any]) -> Path:
    return path / "cache" / str(facts.get("identity", {}).get("data_fingerprint"))[:16]


def read_array(path: Path) -> npt.NDArray[Any] | None:
    """The array of an .npy file; None if it is missing or damaged."""
    with suppress(*UNREADABLE):
        return array_of(content_of(path))
    return None


def _json(path: Path) -> dict[str, Any]:
    with suppress(*UNREADABLE):
        return record_of(path, content_of(path))
    return {}


def _csv(path: Path, numbers: Sequence[str], others: Sequence[str]) -> pd.DataFrame | None:
    """A table that has these columns; the last of the others says yes or no."""
    with suppress(*UNREADABLE):
        table = read_table(path)
        flag = table[others[-1]]
        sound = all(is_numeric_dtype(table[name]) for name in numbers) and set(others) <= set(table)
        if sound and (is_bool_dtype(flag) or table.empty):
            return table
    return None
