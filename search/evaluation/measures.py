"""The objective in the terms of statistics: by row, with its interval, in its unit."""

from collections.abc import Mapping, Sequence
from typing import Any

from search.evaluation.statistics import Values, bootstrap_interval, row_values, wilson_interval
from search.settings import Objective
from search.tuning.objective import Labels, Numbers, by_class, named, right, signed, statistic

LEARNING = 0.25  # measured: from half of rotten-tomatoes to all of it the errors fall by 0.23


def values_of(
    objective: Objective, probabilities: Numbers, labels: Labels, positive: int | None = None
) -> Values:
    """What a model's score owes to each row, for `search.evaluation.statistics` to compare.

    Whether each row is right, where the objective is the accuracy; else `row_values`. For the
    arguments see `search.tuning.objective.statistic`.
    """
    if objective == "val_accuracy":
        return right(probabilities, labels)
    value = statistic(objective, probabilities, labels, positive)
    return signed(objective, 1) * row_values(value, len(labels))


def interval(
    objective: Objective, probabilities: Numbers, labels: Labels, positive: int | None = None
) -> tuple[float, float]:
    """The 95% interval of an objective's value, not signed: by Wilson or by the bootstrap."""
    if objective == "val_accuracy":
        return wilson_interval(float(right(probabilities, labels).sum()), len(labels))
    value = statistic(objective, probabilities, labels, positive)
    return bootstrap_interval(value, len(labels), seed=0)


def with_all_rows(
    objective: Objective, ends: tuple[float, float], left_out: float
) -> tuple[float, float]:
    """The interval of a model, from that of answers out of fold: its better end is farther.

    Answers out of fold are those of networks that learned from fewer rows than the model did, and
    are worse for it. Errors fall with the number of rows as a power of it (Hestness et al. 2017),
    here by `LEARNING`.

    Args:
        objective: what the interval is of.
        ends: of the answers.
        left_out: the share of rows that each network has not learned from, and the model has.
    """
    low, high = ends
    less = (1 - left_out) ** LEARNING
    return (low * less, high) if objective == "val_loss" else (low, 1 - (1 - high) * less)


def of_each_class(
    probabilities: Numbers, labels: Labels, class_names: Sequence[str]
) -> list[dict[str, Any]]:
    """How many rows each class has, and its precision, recall and F1; None where that is 0 / 0.

    Args:
        probabilities: shape (rows, 1), of the second of two classes, or (rows, classes).
        labels: class indices, shape (rows,).
        class_names: in order.
    """
    given = by_class(probabilities).argmax(axis=1)

    def share(part: int, whole: int) -> float | None:
        return part / whole if whole else None

    found = []
    for number, name in enumerate(class_names):
        hits = int(((given == number) & (labels == number)).sum())
        rows, said = int((labels == number).sum()), int((given == number).sum())
        found.append(
            {
                "class": name,
                "rows": rows,
                "precision": share(hits, said),
                "recall": share(hits, rows),
                "f1": share(2 * hits, rows + said),
            }
        )
    return found


def unit(objective: Objective, positive: str | None = None) -> str:
    """What a difference of scores is told in: see `verdict`."""
    if objective == "val_loss":
        return "nats of log-likelihood"
    return "points" if objective == "val_accuracy" else f"points of {named(objective, positive)}"


def told_gap(objective: Objective, best: Mapping[str, Any]) -> str | None:
    """What to say where the test rows are worse than the validation rows let expect.

    Args:
        objective: of the run.
        best: the content of best_model.json.

    Returns:
        A sentence; None where the test value is in validation's interval, or better, or where
        there are no test rows.
    """
    if not best["test_rows"]:
        return None
    found, (low, high) = best[objective.replace("val", "test", 1)], best[f"{objective}_ci"]
    worse = found > high if objective == "val_loss" else found < low
    if not worse:
        return None
    measure = named(objective, best.get("positive"))
    return (
        f"the test {measure} of {found:.4f} is worse than the validation rows' interval "
        f"({low:.4f} to {high:.4f}): believe the test rows. The usual reasons: they are of another "
        "time, source or mix of classes; texts of one author or subject are in training and "
        "validation both; or many trials were compared on few validation rows"
    )


def told_bias(objective: Objective, bias: Mapping[str, Any]) -> str:
    """A selection bias, as best_model.json has it, in a sentence."""
    scale, digits, worse = (100, 1, " points less")
    if objective == "val_loss":
        scale, digits, worse = (1, 3, " more")
    expected, low, high = (f"{scale * bias[n]:.{digits}f}" for n in ("estimate", "low", "high"))
    return (
        f"the best {objective} of {bias['trials']} trial{'s' * (bias['trials'] > 1)} is to be "
        f"taken for {expected}{worse} (95% interval {low} to {high}): it was chosen on these rows"
    )
