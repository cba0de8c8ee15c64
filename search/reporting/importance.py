"""The importance of hyperparameters, computed by Optuna."""

from collections.abc import Iterable, Sequence
from typing import Any

from search.tuning.records import TrialRecord

FEWEST = 10  # trials; with fewer nothing is said
RELIABLE = 60  # trials; with fewer a caution is


def importances(records: Sequence[TrialRecord]) -> dict[str, float]:
    """The importance of each hyperparameter for the score, largest first.

    PED-ANOVA (Watanabe et al. 2023): how much the distribution of a hyperparameter's values among
    the better trials differs from that among all. Pruned trials count with the score they had.

    Args:
        records: usable trials.

    Returns:
        By name, adding up to 1; empty if there are too few trials, or all have the same score.
    """
    import warnings

    import optuna

    spaces = searched(records)
    kept = [r for r in records if r.best is not None and spaces.keys() <= r.values.keys()]
    scores = [r.best.score for r in kept if r.best is not None]
    if len(kept) < FEWEST or len(set(scores)) < 2 or not spaces:
        return {}
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study.add_trials(
            [
                optuna.trial.create_trial(
                    params={n: _told(spec, record.values[n]) for n, spec in spaces.items()},
                    distributions={n: _distribution(spec) for n, spec in spaces.items()},
                    value=score,
                )
                for record, score in zip(kept, scores, strict=True)
            ]
        )
        evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=0.25)
        found = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {name: float(share) for name, share in found.items()}


def searched(records: Iterable[TrialRecord]) -> dict[str, dict[str, Any]]:
    """The hyperparameters with more than one possible value.

    Returns:
        By name: KerasTuner's description (values, or min_value, max_value, sampling), and its
        "kind": Int, Float, Choice or Boolean.
    """
    declared = [
        {"kind": p["class_name"], **p["config"]} for r in records for p in r.space.get("space", ())
    ]
    return {
        p["name"]: p
        for p in declared
        if p["kind"] in ("Int", "Float", "Choice", "Boolean")
        and len(p.get("values", (0, 1))) > 1
        and p.get("min_value", 0) != p.get("max_value", 1)
    }


def _distribution(spec: dict[str, Any]) -> Any:
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    if spec["kind"] == "Boolean":
        return CategoricalDistribution((False, True))
    if spec["kind"] == "Choice":
        # Numbers are as far apart as their places in the order: 16, 32, 64.
        if _in_order(spec):
            return IntDistribution(0, len(spec["values"]) - 1)
        return CategoricalDistribution(tuple(spec["values"]))
    return FloatDistribution(
        spec["min_value"], spec["max_value"], log=spec.get("sampling") == "log"
    )


def _told(spec: dict[str, Any], value: Any) -> Any:
    if spec["kind"] == "Choice" and _in_order(spec):
        return spec["values"].index(value)
    if spec["kind"] in ("Int", "Float"):  # a step's last decimal may lead out of the range
        return min(max(float(value), spec["min_value"]), spec["max_value"])
    return value


def _in_order(spec: dict[str, Any]) -> bool:
    return not any(isinstance(value, (str, bool)) for value in spec["values"])
