"""Compares two runs: settings, cost, results, and which winner is better."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from search.evaluation.statistics import SIGNIFICANT, Correct, paired_difference
from search.reporting.archive import Archive, read_array
from search.reporting.diagnostics import predicted

FEWEST = 10  # rows that a test is made on
UNSAID = {"results", "workers", "keep"}  # settings that change no result

Pair = tuple[Any, Any]


@dataclass(frozen=True)
class Comparison:
    """The comparison of two runs, A and B.

    Attributes:
        differences: settings and parts of the space that differ, by name.
        facts: by name: state, trials, epochs, seconds, winner, its scores and hyperparameters.
        rows: number of validation rows that both runs have.
        difference: B's accuracy minus A's on these rows; None if there are none.
        interval: its 95% interval.
        p_value: of McNemar's exact test.
        verdict: the result in one sentence, or why there is no test.
    """

    differences: dict[str, Pair]
    facts: dict[str, Pair]
    rows: int
    difference: float | None
    interval: tuple[float, float] | None
    p_value: float | None
    verdict: str


def compare(a: Archive, b: Archive) -> Comparison:
    """Compares two runs by their records."""
    first, second = _facts(a), _facts(b)
    facts = {name: (first.get(name), second.get(name)) for name in {**first, **second}}
    correct, reason = _shared(a, b)
    if correct is None:
        return Comparison(_differences(a, b), facts, 0, None, None, None, reason)
    difference, low, high, p = paired_difference(correct[1], correct[0])
    relation = "not distinguishable from"
    if p < SIGNIFICANT:
        relation = "better than" if difference > 0 else "worse than"
    rows = len(correct[0])
    verdict = (
        f"the winner of B is {relation} that of A: {100 * difference:+.1f} points on {rows} "
        f"validation rows that both have (95% interval {100 * low:+.1f} to {100 * high:+.1f}, "
        f"p = {p:.2g}); both were chosen on such rows"
    )
    return Comparison(_differences(a, b), facts, rows, difference, (low, high), p, verdict)


def _differences(a: Archive, b: Archive) -> dict[str, Pair]:
    asked = []
    for archive in (a, b):
        space = {
            name: value
            for name, value in archive.facts["identity"].items()
            if name.startswith("space.") or name == "data_fingerprint"
        }
        settings = {k: v for k, v in archive.facts["settings"].items() if k not in UNSAID}
        asked.append({**settings, **space})
    first, second = asked
    names = [*first, *(name for name in second if name not in first)]
    return {
        name: (first.get(name), second.get(name))
        for name in names
        if first.get(name) != second.get(name)
    }


def _facts(archive: Archive) -> dict[str, Any]:
    best: Mapping[str, Any] = archive.best
    records = (*archive.trials, *archive.finals.values())
    facts = {
        "state": archive.state,
        "trials": len(archive.ended),
        "failed": sum(record.status == "failed" for record in archive.ended),
        "epochs": sum(len(record.history) for record in records),
        "seconds of training": round(sum(e.seconds for r in records for e in r.history), 1),
        "winner": best.get("trial_id"),
        "validation accuracy": best.get("val_accuracy"),
        "test accuracy": best.get("test_accuracy"),
        "parameters": best.get("parameters"),
    }
    if not best and archive.ranked:
        leader = archive.ranked[0]
        assert leader.best is not None
        facts |= {"winner": leader.trial_id, "validation accuracy": leader.best.val_accuracy}
        facts["parameters"] = leader.parameters
    winner = next((r for r in archive.trials if r.trial_id == facts["winner"]), None)
    return facts | {f"its {k}": v for k, v in (winner.values if winner else {}).items()}


def _shared(a: Archive, b: Archive) -> tuple[tuple[Correct, Correct] | None, str]:
    """Which common validation rows each winner predicts correctly, or why that is unknown."""
    found = []
    for name, archive in (("A", a), ("B", b)):
        model = predicted(archive)
        rows = read_array(archive.cache / "validation_rows.npy")
        offsets = read_array(archive.cache / "validation_offsets.npy")
        reason = f"no paired test: the predictions of {name}'s winner are not kept"
        if model is None or rows is None or offsets is None:
            return None, reason
        if rows.shape != model.labels.shape or offsets.shape != (len(rows) + 1,):
            return None, reason
        names = np.array(archive.class_names, dtype=object)
        right = model.calibrated.argmax(axis=1) == model.labels
        # What a row is, as far as it is known here: the same number, class and length.
        kinds = zip(rows.tolist(), names[model.labels], np.diff(offsets).tolist(), strict=True)
        found.append(dict(zip(kinds, right.tolist(), strict=True)))
    both = [row for row in found[0] if row in found[1]]
    numbers = [{number for number, _, _ in one} for one in found]
    if len(both) < FEWEST or len(both) < len(numbers[0] & numbers[1]):
        return None, f"no paired test: fewer than {FEWEST} validation rows are the same in both"
    return (_correct(found[0], both), _correct(found[1], both)), ""


def _correct(right: dict[Any, bool], rows: list[Any]) -> npt.NDArray[np.bool_]:
    return np.array([right[row] for row in rows], dtype=np.bool_)
