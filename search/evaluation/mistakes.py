"""Error analysis: wrong predictions one by one, and slices of the data where the model is weak.

Both use the validation rows. The test rows are kept for one final number.
"""

import re

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import hypergeom

from search.corpus import Corpus
from search.corpus.batches import InputConfig
from search.corpus.encode import OOV
from search.evaluation.statistics import wilson_interval
from search.tuning.objective import Numbers, by_class, correct, row_losses

SURE = 0.9  # probability from which two models that agree are believed more than a label
RARE = 0.5  # of an even share of the training rows; a class with fewer is rare
SIGNIFICANT = 0.05
SHOWN = 3  # slices in a summary

# What no other language has among its most frequent words.
ENGLISH, FREQUENT = {"the", "and", "of", "to"}, 50
NEGATION = re.compile(
    r"\b(?:no|not|none|nor|neither|never|nobody|nothing|nowhere|without|cannot"
    r"|hardly|barely|scarcely)\b"
    r"|n['’]t\b"
    r"|\b(?:do|does|did|is|are|was|were|has|have|had|would|could|should|wo|ca)nt\b",
    re.IGNORECASE,
)

Texts = npt.NDArray[np.object_]
Members = dict[str, npt.NDArray[np.bool_]]


def mistakes(
    corpus: Corpus,
    input_config: InputConfig,
    texts: Texts,
    probabilities: Numbers,
    baseline: Numbers,
) -> pd.DataFrame:
    """Returns the validation rows that a model predicts wrongly: the content of errors.csv.

    A row is likely mislabelled if the model and the baseline both give the same other class a
    probability of at least `SURE`. That is a reason to look, not a proof: irony misleads both.

    Args:
        corpus: its validation rows.
        input_config: vocabulary size and truncation of the networks.
        texts: str, shape (rows,), of the validation rows.
        probabilities: calibrated ones, shape (rows, 1) or (rows, classes).
        baseline: another model's probabilities, calibrated, too; of the same shape or (rows, 2).

    Returns:
        A row for each mistake, likely mislabelled ones first, then by falling loss:
        row (as in `Split.rows`), text, label and predicted (class names), probability (of the
        predicted class), loss, baseline_predicted, baseline_probability (of the network's class),
        baseline_agrees (with the network), likely_mislabelled, slices (see `slices`; separated by
        semicolons).
    """
    split, names = corpus.validation, np.array(corpus.class_names, dtype=object)
    mine, other = by_class(probabilities), by_class(baseline)
    labels, predicted, rows = np.asarray(split.labels), mine.argmax(axis=1), np.arange(len(split))
    probability, also = mine[rows, predicted], other[rows, predicted]
    members = _members(corpus, input_config, texts)
    table = pd.DataFrame(
        {
            "row": np.asarray(split.rows),
            "text": texts,
            "label": names[labels],
            "predicted": names[predicted],
            "probability": probability,
            "loss": row_losses(mine, labels),
            "baseline_predicted": names[other.argmax(axis=1)],
            "baseline_probability": also,
            "baseline_agrees": other.argmax(axis=1) == predicted,
            "likely_mislabelled": (probability >= SURE) & (also >= SURE),
            "slices": [
                ";".join(name for name, inside in members.items() if inside[row]) for row in rows
            ],
        }
    )
    wrong: pd.DataFrame = table[predicted != labels]
    return wrong.sort_values(
        ["likely_mislabelled", "loss"], ascending=False, kind="stable", ignore_index=True
    )


def slices(
    corpus: Corpus, input_config: InputConfig, texts: Texts, probabilities: Numbers
) -> pd.DataFrame:
    """Returns the accuracy on slices of the validation rows: the content of slices.csv.

    The slices: quartiles of text length; texts with a negation, if the corpus looks English (the,
    and, of and to are among its 50 most frequent words); texts by their share of unknown words
    (none, up to the median of the others, above it); each class; and all rare classes together, if
    there are several (a class is rare if it has less than half of an even share of the training
    rows). A slice of no rows or of all rows is left out.

    Args:
        corpus, input_config, texts, probabilities: as for `mistakes`.

    Returns:
        A row for each slice: slice (its name), rows, accuracy, low and high (its 95% interval),
        rest_accuracy (of all other rows), p_value, below_rest. The p-value is that of Fisher's
        exact test for a lower accuracy than the rest's (Fisher 1935), corrected for the number of
        slices (Holm 1979); below_rest says whether it is at most `SIGNIFICANT`.
    """
    is_right = correct(probabilities, corpus.validation.labels)
    count, good = len(is_right), int(is_right.sum())
    found = []
    for name, inside in _members(corpus, input_config, texts).items():
        rows, hits = int(inside.sum()), int(is_right[inside].sum())
        low, high = wilson_interval(hits, rows)
        rest = (good - hits) / (count - rows)
        chance = float(hypergeom.cdf(hits, count, good, rows))
        found.append((name, rows, hits / rows, low, high, rest, chance))
    columns = ["slice", "rows", "accuracy", "low", "high", "rest_accuracy", "p_value"]
    table = pd.DataFrame(found, columns=columns)
    table["p_value"] = _holm(table["p_value"].to_numpy(dtype=np.float64))
    table["below_rest"] = table["p_value"] <= SIGNIFICANT
    return table


def slice_lines(table: pd.DataFrame) -> list[str]:
    """Describes the slices that are significantly worse, those with the most lost rows first.

    Args:
        table: as `slices` returns it.

    Returns:
        At most `SHOWN` sentences; none if there is no such slice.
    """
    worse = table[table["below_rest"]]
    lost = worse["rows"] * (worse["rest_accuracy"] - worse["accuracy"])
    return [
        f"weak on {row['slice']}: accuracy {row['accuracy']:.4f} on {row['rows']} rows, "
        f"{row['rest_accuracy']:.4f} on the others"
        for row in worse.loc[lost.sort_values(ascending=False).index[:SHOWN]].to_dict("records")
    ]


def _members(corpus: Corpus, input_config: InputConfig, texts: Texts) -> Members:
    """Which validation rows are in each slice: bool, shape (rows,), by the slice's name."""
    split = corpus.validation
    labels, lengths = np.asarray(split.labels), split.lengths
    members: Members = {}

    quarter = np.searchsorted(np.quantile(lengths, [0.25, 0.5, 0.75]), lengths)
    for number in np.unique(quarter):
        inside = quarter == number
        ends = np.unique([lengths[inside].min(), lengths[inside].max()])
        members[f"texts of {'-'.join(map(str, ends))} words"] = inside

    if set(corpus.vocabulary[:FREQUENT]) >= ENGLISH:
        members["negation"] = np.array([bool(NEGATION.search(text)) for text in texts])

    ids = np.asarray(split.ids)
    unknown = ((ids == OOV) | (ids >= input_config.vocabulary_size)).astype(np.int64)
    share = np.add.reduceat(unknown, split.offsets[:-1]) / lengths
    middle = np.median(share[share > 0]) if share.any() else 0.0
    members["no unknown words"] = share == 0
    members[f"up to {middle:.1%} unknown words"] = (share > 0) & (share <= middle)
    members[f"over {middle:.1%} unknown words"] = share > middle

    for number, name in enumerate(corpus.class_names):
        members[f"class {name.replace(';', ',')}"] = labels == number
    classes = len(corpus.class_names)
    trained = np.bincount(corpus.train.labels, minlength=classes)
    rare = np.flatnonzero(trained < RARE * trained.sum() / classes)
    if len(rare) > 1:
        members["rare classes"] = np.isin(labels, rare)
    return {name: inside for name, inside in members.items() if 0 < inside.sum() < len(split)}


def _holm(chances: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """P-values with Holm's correction for multiple tests, shape (tests,)."""
    order = np.argsort(chances)
    corrected = np.maximum.accumulate(chances[order] * np.arange(len(chances), 0, -1))
    result = np.empty(len(chances))
    result[order] = np.minimum(corrected, 1)
    return result
