"""The objective in statistical terms: per row, with its interval, in its unit."""

from collections.abc import Mapping, Sequence
from typing import Any

from search.evaluation.resampling import bootstrap_interval, row_values
from search.evaluation.statistics import Values, wilson_interval
from search.settings import Objective
from search.tuning.objective import (
    Labels,
    Numbers,
    by_class,
    correct,
    display_name,
    statistic,
    to_score,
)

LEARNING = 0.25  # measured: from half of rotten-tomatoes to all of it the errors fall by 0.23
AVERAGING = 0.98  # of the errors with one network are left with several; measured: 0.95 to 1.00


def values_of(
    objective: Objective, probabilities: Numbers, labels: Labels, positive: int | None = None
) -> Values:
    """Each row's contribution to a model's score, (rows,), for `search.evaluation.statistics`.

    For the accuracy, whether each row is correct (bool); else `row_values`, of which higher is
    better. For the arguments see `search.tuning.objective.statistic`.
    """
    if objective == "val_accuracy":
        return correct(probabilities, labels)
    value = statistic(objective, probabilities, labels, positive)
    return to_score(objective, 1) * row_values(value, len(labels))


def interval(
    objective: Objective, probabilities: Numbers, labels: Labels, positive: int | None = None
) -> tuple[float, float]:
    """The 95% interval of an objective's value, in its own sign: by Wilson or by the bootstrap."""
    if objective == "val_accuracy":
        return wilson_interval(float(correct(probabilities, labels).sum()), len(labels))
    value = statistic(objective, probabilities, labels, positive)
    return bootstrap_interval(value, len(labels), seed=0)


def with_all_rows(
    objective: Objective, ends: tuple[float, float], left_out: float, networks: int = 1
) -> tuple[float, float]:
    """Extends an out-of-fold interval at its better end, to that of a model of all rows.

    Out-of-fold predictions are those of single networks trained on fewer rows than the model, and
    therefore a little worse. Errors fall as a power of the number of rows (Hestness et al. 2017),
    here with the exponent `LEARNING`, and with the mean of several networks.

    Args:
        objective: whose interval it is.
        ends: the out-of-fold interval, (low, high).
        left_out: the share of rows that each network was not trained on, and the model was.
        networks: how many the model has.
    """
    low, high = ends
    less = (1 - left_out) ** LEARNING * (AVERAGING if networks > 1 else 1)
    return (low * less, high) if objective == "val_loss" else (low, 1 - (1 - high) * less)


def of_each_class(
    probabilities: Numbers, labels: Labels, class_names: Sequence[str]
) -> list[dict[str, Any]]:
    """Returns each class's rows, precision, recall and F1; None for those that are 0 / 0.

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
    """The unit in which a difference of scores is given: see `verdict`."""
    if objective == "val_loss":
        return "nats of log-likelihood"
    if objective == "val_accuracy":
        return "points"
    return f"points of {display_name(objective, positive)}"


def describe_gap(objective: Objective, best: Mapping[str, Any]) -> str | None:
    """Describes a test score that is below the interval of the validation score.

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
    measure = display_name(objective, best.get("positive"))
    return (
        f"the test {measure} of {found:.4f} is worse than the validation rows' interval "
        f"({low:.4f} to {high:.4f}): believe the test rows. The usual reasons: they are of another "
        "time, source or mix of classes; texts of one author or subject are in training and "
        "validation both; or many trials were compared on few validation rows"
    )


def describe_bias(objective: Objective, bias: Mapping[str, Any]) -> str:
    """Describes a selection bias, as best_model.json has it, in one sentence."""
    scale, digits, wrong = (100, 1, " points too high")
    if objective == "val_loss":
        scale, digits, wrong = (1, 3, " too low")
    expected, low, high = (f"{scale * bias[n]:.{digits}f}" for n in ("estimate", "low", "high"))
    return (
        f"the best {objective} of {bias['trials']} trial{'s' * (bias['trials'] > 1)} is probably "
        f"about {expected}{wrong} (95% interval {low} to {high}), because it was selected on these "
        "rows"
    )
