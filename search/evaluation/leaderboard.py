"""The leaderboard: one row per trial, its columns, their order, and leaderboard.csv.

The row of an exported model comes first, whatever its rank. So the first row always has
hyperparameters, and `table[table["kind"] == "trial"]` always has the trials.
"""

from collections.abc import Iterable, Mapping
from io import BytesIO
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd

from search.errors import ResultsError, one_line
from search.evaluation.statistics import wilson_interval
from search.settings import Objective
from search.tables import as_it_was, write_table
from search.tuning.finals import final_ranking, fold_summary
from search.tuning.objective import to_score
from search.tuning.records import TrialRecord

COLUMNS = (
    "rank",
    "trial_id",
    "status",
    "val_accuracy",
    "val_accuracy_ci_low",
    "val_accuracy_ci_high",
    "val_loss",
    "val_mean",
    "val_std",
    "n_folds",
    "tied_with_best",
    "kind",
    "selected",
    "best_epoch",
    "epochs",
    "train_seconds",
    "parameters",
    "seed",
    "started_at",
)
"""The columns before the hyperparameters (`hp_…`); `error` comes last."""

TRIAL_IDS = ("trial_id", "hp_tuner/trial_id")  # the second: what KerasTuner's Hyperband promoted
WHOLE_NUMBERS = ("rank", "n_folds", "best_epoch", "epochs", "parameters", "seed")
"""Columns of whole numbers that may be missing: pandas' Int64; whole hyperparameters are, too."""

SHARES = (
    "val_accuracy",
    "val_accuracy_ci_low",
    "val_accuracy_ci_high",
    "val_loss",
    "train_seconds",
)

NOBODY: Mapping[str, Any] = MappingProxyType({})


def leaderboard(
    records: Iterable[TrialRecord],
    judged_rows: int,
    finals: Mapping[str, TrialRecord] = NOBODY,
    tied: Mapping[str, bool] = NOBODY,
    exported: Mapping[str, Any] = NOBODY,
    objective: Objective = "val_accuracy",
) -> pd.DataFrame:
    """Returns the table of all ended trials: best first, failures last.

    `kind` is trial, baseline, or ensemble (a model of several networks or n-gram models).
    `selected` marks the exported model.

    Args:
        records: of trials; running ones are left out.
        judged_rows: number of rows that val_accuracy is of, for its 95% interval.
        finals: by id; they give `val_mean` and `val_std`, and their mean decides the rank.
        tied: by trial id, whether a trial is not significantly different from the best one.
        exported: the content of best_model.json. Its baselines get rows before the first trial that
            is worse. The model gets the first row: that of its trial if it is that trial's single
            network, otherwise a row of its own with the trial's hyperparameters.
        objective: decides the rank. It has a column after val_loss, unless it is val_loss or
            val_accuracy; `val_mean` and `val_std` are means of it.
    """
    ended = [record for record in records if record.status != "running"]
    best_first = final_ranking(ended, finals)
    failed = sorted((r for r in ended if r.status == "failed"), key=lambda r: r.number)
    tried: dict[str, list[Any]] = {}
    for record in ended:
        for name, value in record.values.items():
            tried.setdefault(f"hp_{name}", []).append(value)
    rows = []
    for record in best_first:
        row = _row(record, judged_rows, objective)
        if (found := fold_summary(record.trial_id, finals)) is not None:
            mean = to_score(objective, found.mean)
            row |= {"val_mean": mean, "val_std": found.std, "n_folds": found.folds}
        rows.append(row)
    others = [_baseline_row(b, judged_rows, objective) for b in exported.get("baselines", ())]
    selected = exported.get("trial_id")
    if exported and is_ensemble(exported):
        others.append(_ensemble_row(exported, objective))
        selected = others[-1]["trial_id"]
    for other in others:
        score = to_score(objective, other[objective])
        worse = (
            n
            for n, row in enumerate(rows)
            if to_score(objective, row.get("val_mean", row[objective])) < score
        )
        rows.insert(next(worse, len(rows)), other)
    for rank, row in enumerate(rows, start=1):
        name = row["trial_id"]
        row |= {"rank": rank, "tied_with_best": tied.get(name), "selected": name == selected}
    rows.sort(key=lambda row: not row["selected"])
    rows += [_row(record, judged_rows, objective) for record in failed]
    columns = list(COLUMNS)
    if objective not in columns:
        columns.insert(columns.index("val_loss") + 1, objective)
    frame = pd.DataFrame(rows, columns=[*columns, *tried, "error"])
    # Baselines have none; for the sake of their rows pandas would make 64.0 of 64.
    whole = [name for name, values in tried.items() if all(type(v) is int for v in values)]
    return frame.astype(dict.fromkeys((*WHOLE_NUMBERS, *whole), "Int64"))


def is_ensemble(exported: Mapping[str, Any]) -> bool:
    """Whether a model is more than one network, by the content of best_model.json."""
    return exported.get("networks", 1) > 1 or bool(exported.get("mixture", {}).get("models"))


def _ensemble_row(exported: Mapping[str, Any], objective: Objective) -> dict[str, Any]:
    low, high = exported["val_accuracy_ci"]
    return {
        "trial_id": f"{exported['trial_id']}-ensemble",
        "kind": "ensemble",
        "status": "completed",
        "val_accuracy": exported["val_accuracy"],
        "val_accuracy_ci_low": low,
        "val_accuracy_ci_high": high,
        "val_loss": exported["val_loss"],
        objective: exported[objective],
        **{f"hp_{name}": value for name, value in exported["hyperparameters"].items()},
    }


def _baseline_row(
    baseline: Mapping[str, Any], judged_rows: int, objective: Objective
) -> dict[str, Any]:
    low, high = wilson_interval(baseline["val_accuracy"] * judged_rows, judged_rows)
    return {
        "trial_id": baseline["name"],
        "kind": "baseline",
        "status": "completed",
        objective: baseline[objective],
        "val_accuracy": baseline["val_accuracy"],
        "val_accuracy_ci_low": low,
        "val_accuracy_ci_high": high,
        "val_loss": baseline["val_loss"],
        "train_seconds": round(baseline["seconds"], 2),
        "parameters": baseline["parameters"],
    }


def _row(record: TrialRecord, judged_rows: int, objective: Objective) -> dict[str, Any]:
    best = record.best if record.status != "failed" else None
    row: dict[str, Any] = {
        "trial_id": record.trial_id,
        "kind": "trial",
        "selected": False,
        "status": record.status,
        "epochs": len(record.history),
        "train_seconds": round(sum(epoch.seconds for epoch in record.history), 2),
        "parameters": record.parameters,
        "seed": record.seed,
        "started_at": record.started_at,
        "error": record.error,
        **{f"hp_{name}": value for name, value in record.values.items()},
    }
    if best is not None:
        low, high = wilson_interval(best.val_accuracy * judged_rows, judged_rows)
        row |= {
            objective: to_score(objective, best.score),
            "val_accuracy": best.val_accuracy,
            "val_accuracy_ci_low": low,
            "val_accuracy_ci_high": high,
            "val_loss": best.val_loss,
            "best_epoch": best.epoch,
        }
    return row


def write_leaderboard(path: Path, table: pd.DataFrame) -> None:
    """Writes the table as CSV; a reader sees the old file or the new one."""
    write_table(path, table)


def read_leaderboard(results: Path | str = "results") -> pd.DataFrame:
    """Reads leaderboard.csv as a DataFrame: trial ids are strings, ranks nullable integers.

    Args:
        results: the results directory.

    Raises:
        ResultsError: there is no leaderboard.csv, or it is damaged.

    Examples:
        >>> import search
        >>> table = search.read_leaderboard("results")
        >>> trials = table[table["kind"] == "trial"]
        >>> trials[["trial_id", "status"]].to_records(index=False).tolist()
        [('0000', 'completed')]
    """
    path = Path(results) / "leaderboard.csv"
    if not path.is_file():
        raise ResultsError(f"{path}: no such file; run `python -m search.run` first")
    content = path.read_bytes()  # once: a search may write the next one meanwhile
    try:
        # "None" and "NA" are choices, too: only an empty cell is missing.
        table = pd.read_csv(
            BytesIO(content),
            dtype=dict.fromkeys(TRIAL_IDS, str),
            keep_default_na=False,
            na_values=[""],
        )
        table[[*COLUMNS]].astype(
            dict.fromkeys(WHOLE_NUMBERS, "Int64") | dict.fromkeys(SHARES, float)
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ResultsError(
            f"{path}: is not a leaderboard, or a damaged one ({one_line(error, 200)}); "
            "`python -m search.run` with the settings of its run writes it anew"
        ) from error
    hyperparameters = pd.read_csv(
        BytesIO(content),
        usecols=[name for name in table if str(name).startswith("hp_")],
        dtype=dict.fromkeys(TRIAL_IDS, "string"),
        dtype_backend="numpy_nullable",
        keep_default_na=False,
        na_values=[""],
    )
    for name in table.select_dtypes(["object", "string"]):
        table[name] = table[name].map(as_it_was, na_action="ignore")
    whole = hyperparameters.select_dtypes("Int64").columns
    return table.astype(dict.fromkeys((*WHOLE_NUMBERS, *whole), "Int64"))
