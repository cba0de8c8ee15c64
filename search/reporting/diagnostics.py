"""Figures of the exported model: confusion matrix, calibration, slices and mistakes."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from markupsafe import Markup

from search.display import visible
from search.evaluation.calibration import expected_calibration_error
from search.evaluation.statistics import wilson_interval
from search.packaging.explanation import marked
from search.reporting.archive import Archive
from search.reporting.charts import LEFT, RIGHT, TOP, WIDTH, Chart, Figure, Scale, across, up
from search.tuning.objective import Floats, Labels, by_class

BINS = 10  # of the reliability diagram, equally many rows in each
SHOWN_CLASSES = 20  # of a confusion matrix; of more, the pairs that are confused most are listed
SHOWN_PAIRS = 20
LONGEST = 400  # characters of a text that are shown


@dataclass(frozen=True)
class Predicted:
    """One model's predictions of the validation rows.

    Attributes:
        name: of the trial or final.
        raw, calibrated: probabilities of all classes, shape (rows, classes).
        labels: class indices, shape (rows,).
    """

    name: str
    raw: Floats
    calibrated: Floats
    labels: Labels


def predicted(archive: Archive) -> Predicted | None:
    """The predictions of the exported model, or of the leading trial if there is none yet."""
    if archive.labels is None:
        return None
    if archive.best:
        name, kept = str(archive.best.get("trial_id")), archive.answers
        raw, calibrated = kept.get("networks"), kept.get("model")
    elif archive.ranked:
        name = archive.ranked[0].trial_id
        raw = calibrated = archive.predictions(name)
    else:
        return None
    rows = len(archive.labels)
    if raw is None or calibrated is None or not len(raw) == len(calibrated) == rows:
        return None
    return Predicted(name, by_class(raw), by_class(calibrated), archive.labels)


def confusion(archive: Archive, model: Predicted) -> Figure:
    """The confusion matrix."""
    names = [visible(name) for name in archive.class_names]
    size = len(names)
    given = model.calibrated.argmax(axis=1)
    matrix = np.bincount(model.labels * size + given, minlength=size * size).reshape(size, size)
    wrong = matrix - np.diag(np.diag(matrix))
    most = np.unravel_index(int(wrong.argmax()), wrong.shape)
    text = (
        f"{int(np.trace(matrix)):,} of {len(given):,} validation rows are given their class. "
        + (
            f"Most often confused: {names[most[0]]} taken for {names[most[1]]}, "
            f"{wrong[most]:,} rows."
            if wrong.any()
            else "None is confused."
        )
    )
    title = f"Confusion matrix of {model.name}"
    if size > SHOWN_CLASSES:
        order = np.argsort(-wrong, axis=None)[:SHOWN_PAIRS]
        pairs = [divmod(int(n), size) for n in order if wrong.flat[int(n)]]
        table = pd.DataFrame(
            {
                "class": [names[a] for a, _ in pairs],
                "taken for": [names[b] for _, b in pairs],
                "rows": [int(wrong[a, b]) for a, b in pairs],
            }
        )
        return Figure("confusion", title, Markup(""), text, table)
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    cells = Markup("")
    for true, row in enumerate(matrix):
        cells += Markup("<tr><th scope=row><bdi>{}</bdi></th>").format(names[true])
        for taken, count in enumerate(row):
            cells += Markup('<td class="{}" style="--share:{}">{}<small>{}</small></td>').format(
                "hit" if taken == true else "miss",
                f"{share[true, taken]:.3f}",
                f"{count:,}",
                f"{share[true, taken]:.0%}",
            )
        cells += Markup("</tr>")
    heads = Markup("").join(Markup("<th scope=col><bdi>{}</bdi></th>").format(n) for n in names)
    drawing = Markup(
        '<div class="scroll" tabindex="0" role="region" aria-label="confusion matrix">'
        '<table class="confusion"><thead><tr><td></td><th scope=colgroup colspan="{}">taken for'
        "</th></tr><tr><th scope=col>class</th>{}</tr></thead><tbody>{}</tbody></table></div>"
    ).format(size, heads, cells)
    return Figure("confusion", title, drawing, text)


def reliability(model: Predicted) -> Figure:
    """The reliability diagram: accuracy against confidence."""
    sure = model.calibrated.max(axis=1)
    right = model.calibrated.argmax(axis=1) == model.labels
    bins = max(1, min(BINS, len(sure) // 10))
    edges = np.quantile(sure, np.arange(1, bins) / bins)
    place = np.searchsorted(edges, sure, side="right")
    lowest = min(float(sure.min()), 0.5)
    x = Scale(lowest - 0.02, 1.02, LEFT, WIDTH - RIGHT)
    y = up([lowest, 1.0, *(right[place == n].mean() for n in np.unique(place))])
    chart = Chart(x, y, "confidence", "share that is right")
    chart.line([(x(lowest), y(lowest)), (x(1), y(1))], "line ideal")
    found = []
    for number in np.unique(place):
        inside = place == number
        rows, hits = int(inside.sum()), int(right[inside].sum())
        low, high = wilson_interval(hits, rows)
        at = x(float(sure[inside].mean()))
        chart.line(
            [(at, y(max(low, y.low))), (at, y(min(high, y.high)))],
            "line interval",
        )
        chart.dot(at, y(hits / rows), "dot best", radius=4)
        found.append((float(sure[inside].mean()), hits / rows, low, high, rows))
    before = expected_calibration_error(model.raw, model.labels)
    after = expected_calibration_error(model.calibrated, model.labels)
    text = (
        "Each dot is a share of the validation rows, with its 95% interval; on the broken line "
        f"confidence is what it says. Calibration error {after:.3f}"
        + (f", {before:.3f} before calibration." if abs(after - before) > 1e-9 else ".")
    )
    columns = ["confidence", "share that is right", "low", "high", "rows"]
    numbers = pd.DataFrame(found, columns=columns).round(4)
    title = f"Reliability of {model.name}"
    return Figure("reliability", title, chart.svg(text), text, numbers)


def slices(archive: Archive) -> Figure | None:
    """The accuracy on each slice, with intervals."""
    table = archive.slices
    if table is None or table.empty:
        return None
    row, left = 24, 190
    height = TOP + row * len(table) + 40
    x = across([*table["low"], *table["high"]])
    x = Scale(x.low, x.high, left, WIDTH - RIGHT)
    chart = Chart(None, None, height=height)
    for value, name in x.ticks():
        chart.line([(x(value), TOP), (x(value), height - 40)], "grid")
        chart.text(x(value), height - 24, name, "tick middle")
    chart.text((left + WIDTH) / 2, height - 6, "accuracy", "label middle")
    for n, found in enumerate(table.to_dict("records")):
        y = TOP + row * n + row / 2
        weak = " weak" if found["below_rest"] else ""
        chart.text(left - 8, y + 4, found["slice"], "tick end" + weak)
        chart.line([(x(found["low"]), y), (x(found["high"]), y)], "line interval" + weak)
        chart.dot(x(found["accuracy"]), y, "dot best" + weak, radius=4)
    weak_ones = [visible(name) for name in table.loc[table["below_rest"], "slice"]]
    text = f"Accuracy of the exported model on {len(table)} kinds of validation rows. " + (
        f"Significantly worse than on the rest: {', '.join(weak_ones)}."
        if weak_ones
        else "On none is it significantly worse than on the rest."
    )
    return Figure("slices", "Accuracy by kind of text", chart.svg(text), text, table.round(4))


def worst(archive: Archive, most: int) -> pd.DataFrame | None:
    """The first mistakes of errors.csv, with the columns that people look at; texts as HTML."""
    table = archive.mistakes
    if table is None or table.empty:
        return None
    columns = ["row", "text", "label", "predicted", "probability", "likely_mislabelled"]
    shown = table.head(most)[columns]
    texts = [t if len(t) <= LONGEST else t[:LONGEST] + " …" for t in shown["text"].astype(str)]
    words = table["decided_by"].astype(str) if "decided_by" in table else [""] * len(table)
    pages = [marked(text, decided) for text, decided in zip(texts, words, strict=False)]
    return shown.assign(text=pd.Series(pages, index=shown.index, dtype=object))
