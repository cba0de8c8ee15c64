"""The lines that a search prints: one for each trial that has ended, and the result."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from search.commands import show
from search.display import counted, visible
from search.settings import Objective

if TYPE_CHECKING:
    from search.conclusion import Outcome
    from search.tuning.records import TrialRecord
    from search.tuning.study import Study

SHOWN_TRIALS = 10


def trial_line(study: "Study", record: "TrialRecord") -> str:
    """Returns one line about an ended trial."""
    from search.tuning.objective import to_score
    from search.tuning.records import best_of

    objective, total = study.settings.objective, study.settings.trials
    ended = [r for r in study.records.values() if r.status != "running"]
    if record.best is None or record.status == "failed":
        result = f"failed: {record.error}"
    else:
        leader = best_of(ended)
        assert leader is not None and leader.best is not None
        result = (
            f"{objective} {to_score(objective, record.best.score):.4f} "
            f"(best {to_score(objective, leader.best.score):.4f}, trial {leader.trial_id}), "
            f"{'stopped after ' if record.status == 'pruned' else ''}"
            f"{counted(len(record.history), 'epoch')}, "
            f"{sum(e.seconds for e in record.history):.1f} s"
        )
    return f"[{len(ended)}/{total}] trial {record.trial_id}: {result}"


def final_line(study: "Study", record: "TrialRecord") -> str:
    """Returns one line about an ended final."""
    from search.tuning.objective import to_score

    objective = study.settings.objective
    done, wanted = study.finals_progress()
    trial, _, number = record.trial_id.partition("-")
    if record.best is None or record.status == "failed":
        result = f"failed: {record.error}"
    elif number == "0":
        result = f"trained for {counted(len(record.history), 'epoch')}"
    else:
        result = f"{objective} {to_score(objective, record.best.score):.4f}"
    part = f"fold {number}" if number != "0" else "all rows"
    return f"[final {done}/{wanted}] trial {trial}, {part}: {result}"


def values_line(values: Mapping[str, Any]) -> str:
    """A trial's hyperparameters in one line, without the entries of KerasTuner's algorithms."""
    from search.tuning.records import of_network

    return visible(
        ", ".join(
            f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
            for name, value in of_network(values).items()
        )
    )


def print_outcome(outcome: "Outcome") -> None:
    """Prints the result to stdout."""
    from search.evaluation.measures import describe_bias, describe_gap

    table = outcome.leaderboard
    best = outcome.best
    objective = best["objective"]
    means = ["val_mean"] if table["n_folds"].notna().any() else []
    # The score stands before the long names: a narrow terminal cuts off what comes after them.
    score, *others = dict.fromkeys((objective, *means, "val_accuracy", "val_loss"))
    columns = ["rank", score, "trial_id", "kind", "status", *others]
    columns += ["tied_with_best", "best_epoch", "epochs"]
    hyperparameters = [name for name in table.columns if name.startswith("hp_")]
    shown = table[[*columns, "train_seconds", *hyperparameters]].head(SHOWN_TRIALS)
    show(shown.to_string(index=False, na_rep="", float_format=lambda x: f"{x:.4g}"), table=True)
    if len(table) > SHOWN_TRIALS:
        show(f"… and {len(table) - SHOWN_TRIALS} more")
    title = f"best: trial {best['trial_id']}"
    if best["trial_id"] != best["best_trial"]:
        title = (
            f"chosen: trial {best['trial_id']}, the smallest within one standard error of "
            f"trial {best['best_trial']}"
        )
    lines = [f"\n{title}", *_score_lines(best, objective, "val", "out-of-fold")]
    if (folds := best["networks"]) > 1 or best["finals"] is not None:
        mean = f"the mean of the networks of its {folds} folds"
        lines[0] += f", {mean if folds > 1 else 'one network trained on all rows'}"
        if best["mixture"]["models"]:
            lines[0] += ", and n-gram models"
    lines.insert(1, f"hyperparameters: {values_line(best['hyperparameters'])}")
    if best["finals"] is not None:
        lines.append(
            f"its networks alone, on the fold held out: mean {best['finals']['mean']:.4f}, "
            f"standard deviation {best['finals']['std']:.4f}"
        )
    if best["selection_bias"] is not None:
        lines.append(describe_bias(objective, best["selection_bias"]))
    lines += best["weak_slices"]
    lines += [
        *(_score_lines(best, objective, "test", "test") if best["test_rows"] else ()),
        *([gap] if (gap := describe_gap(objective, best)) else []),
        best["verdict"],
    ]
    if outcome.tested > 1:
        lines.append(f"the test rows were looked at for {outcome.tested} models in this run")
    lines += [f"leaderboard: {outcome.table}", f"model: {outcome.model}"]
    lines += [f"runner-up: {path}" for path in outcome.runners_up]
    lines += [f"{name}: {outcome.model.with_name(name)}" for name in best["formats"]][1:]
    lines.append(f"report: {outcome.table.parent / 'report.html'}")
    show("\n".join(lines))


def _score_lines(best: dict[str, Any], objective: Objective, split: str, name: str) -> list[str]:
    """The objective and the accuracy on one split, with their intervals, one line each."""
    from search.tuning.objective import display_name

    lines = []
    for one in dict.fromkeys((objective, "val_accuracy")):
        key = one.replace("val", split, 1)
        low, high = best[f"{key}_ci"]
        lines.append(
            f"{name} {display_name(one, best['positive'])}: {best[key]:.4f} "
            f"(95% interval {low:.4f} to {high:.4f}, {best[f'{split}_rows']} rows)"
        )
    return lines
