"""How good a model is, for its card: metrics, speed, classes, slices."""

from typing import Any

import pandas as pd

from search.display import markdown
from search.evaluation.measures import describe_bias, describe_gap
from search.tuning.objective import display_name


def metrics_section(best: dict[str, Any]) -> list[str]:
    """The scores of the model, of its networks alone, and of the baselines; its speed."""
    low, high = best["val_accuracy_ci"]
    lines = ["| | accuracy | 95% interval | cross-entropy | rows |", "|---|---|---|---|---|"]
    if best["test_rows"]:
        test_low, test_high = best["test_accuracy_ci"]
        lines.append(
            f"| test | {best['test_accuracy']:.4f} | {test_low:.4f} to {test_high:.4f} | "
            f"{best['test_loss']:.4f} | {best['test_rows']} |"
        )
    lines += [
        f"| out of fold | {best['val_accuracy']:.4f} | {low:.4f} to {high:.4f} | "
        f"{best['val_loss']:.4f} | {best['val_rows']} |",
        *_before_mixing(best),
        *(
            f"| {b['name']}, test | {b['test_accuracy']:.4f} | | | {best['test_rows']} |"
            for b in best["baselines"]
            if best["test_rows"]
        ),
        "",
        f"On the test rows {best['verdict']}." if best["test_rows"] else _sentence(best["verdict"]),
    ]
    finals, mean = best["finals"], ""
    if best["networks"] > 1:
        mean = f"It is the mean of {best['networks']} networks, each trained on all folds but one."
        if single := best.get("test_accuracy_single"):
            mean += (
                f" With one of them alone it has an accuracy of {single:.4f} on the test rows, on "
                f"average, and {best['size_bytes_single']:,} bytes: see `--single`."
            )
    elif finals is not None:
        mean = (
            "It is one network, trained on all training and validation rows. What is said of "
            f"these rows are the answers of {finals['folds']} others, each trained on all "
            "folds but one."
        )
    if finals is None:
        lines += [mean] if mean else []
    else:
        measure = display_name(best["objective"], best["positive"])
        lines.append(
            f"{mean} Alone, their {measure} on the fold that they had not seen is "
            f"{finals['mean']:.4f} on average (standard deviation {finals['std']:.4f})."
        )
    if (bias := best["selection_bias"]) is not None:
        lines.append(_sentence(describe_bias(best["objective"], bias)))
    if (gap := describe_gap(best["objective"], best)) is not None:
        lines.append(_sentence(gap))
    error = best["calibration_error"]
    lines.append(
        f"The expected calibration error was {error['before']:.4f} before the networks were mixed "
        f"and calibrated, and is {error['after']:.4f} now."
    )
    if best["abstain"] is not None:
        kept = best["abstain"]
        lines.append(
            f"Of the validation rows that were given a probability of {kept['confidence']:.4f} or "
            f"more, which are {kept['coverage']:.1%}, {kept['precision']:.1%} are right (at least "
            f"{kept['low']:.1%} with 97.5% confidence). `python -m search.predict` marks the rest "
            "with `abstain`."
        )
    return [*lines, *_speed(best)]


def _speed(best: dict[str, Any]) -> list[str]:
    return [
        "",
        "Speed on the machine of the search, of validation texts: ",
        "",
        *("| format | one text, median | 95% below | texts/s | bytes |", "|---|---|---|---|---|"),
        *(
            f"| {name} | {m['median_ms']:.2f} ms | {m['p95_ms']:.2f} ms | "
            f"{m['texts_per_second']:,.0f} | {m.get('size_bytes', best['size_bytes']):,} |"
            for name, m in best["formats"].items()
        ),
    ]


def _before_mixing(best: dict[str, Any]) -> list[str]:
    """The scores of the networks alone, before mixing and calibration."""
    rows = {"test": ("test", "test_rows"), "out of fold": ("val", "val_rows")}
    return [
        f"| networks alone, uncalibrated, {name} | {best[f'{split}_accuracy_networks']:.4f} | | "
        f"{best[f'{split}_loss_networks']:.4f} | {best[count]} |"
        for name, (split, count) in rows.items()
        if best[count]
    ]


def _sentence(clause: str) -> str:
    return f"{clause[:1].upper()}{clause[1:]}."


def classes_section(best: dict[str, Any]) -> list[str]:
    """The table of classes: on the test rows, or out of fold if there are none."""

    def shown(value: float | None) -> str:
        return "" if value is None else f"{value:.4f}"

    return [
        f"On the {'test rows' if best['test_rows'] else 'rows out of fold'}:",
        "",
        *("| class | rows | precision | recall | F1 |", "|---|---|---|---|---|"),
        *(
            f"| {markdown(c['class'])} | {c['rows']} | {shown(c['precision'])} | "
            f"{shown(c['recall'])} | {shown(c['f1'])} |"
            for c in best["classes"]
        ),
    ]


def slices_section(slices: pd.DataFrame) -> list[str]:
    """The table of slices; nothing if there are none."""
    if slices.empty:
        return []
    return [
        "Of the validation rows; “below” where a slice is worse than the rest, with a p-value of "
        "at most 0.05 that is corrected for the number of slices.",
        "",
        *("| slice | rows | accuracy | 95% interval | the rest | |", "|---|---|---|---|---|---|"),
        *(
            f"| {markdown(row['slice'])} | {row['rows']} | {row['accuracy']:.4f} | "
            f"{row['low']:.4f} to {row['high']:.4f} | {row['rest_accuracy']:.4f} | "
            f"{'below' if row['below_rest'] else ''} |"
            for row in slices.to_dict("records")
        ),
    ]
