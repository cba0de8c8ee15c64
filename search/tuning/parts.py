"""Which rows the networks of a trial or final are trained on, and which they predict.

A final, and a trial where there are many validation rows, is one network. Where there are few, a
trial is a network for each fold, trained side by side on all other folds: with 30 validation rows
the best of 20 trials is mostly the luckiest, with 270 rows out of fold much less so.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from search.corpus.folds import joined, taken
from search.corpus.store import Corpus, Split
from search.tuning.finals import EVERY_FOLD, NO_FOLD

FEW_VALIDATION_ROWS = 500  # from here on an accuracy of 0.8 has a standard error below 1.8 points
MOST_TOKENS = 100_000  # of training and validation texts: with more, epochs take too long for that


@dataclass(frozen=True)
class Part:
    """The rows of one network.

    Attributes:
        seen: those it is trained on.
        held_out: those it predicts.
        places: where these stand among all that the trial or final predicts, (held-out rows,).
    """

    seen: Split
    held_out: Split
    places: npt.NDArray[np.int64]


def judged_out_of_fold(corpus: Corpus) -> bool:
    """Whether trials on this data are better judged by all folds than by the validation rows.

    They are with fewer than `FEW_VALIDATION_ROWS` validation rows, because differences between
    trials are smaller than the error of their scores. But a trial takes as many times as long as
    there are folds, so not where training and validation texts have more than `MOST_TOKENS` tokens:
    a thousand long articles, or much training data beside a small validation file. Nor where some
    rows are in no fold.
    """
    tokens, folds = len(corpus.train.ids) + len(corpus.validation.ids), int(corpus.folds.max()) + 1
    few = len(corpus.validation) < FEW_VALIDATION_ROWS and tokens <= MOST_TOKENS
    return few and folds > 1 and len(corpus.held_out) == len(corpus.folds)


def parts_of(corpus: Corpus, fold: int | None) -> tuple[Part, ...]:
    """Returns the rows of each network of a trial or final.

    Args:
        corpus: the data.
        fold: which fold is held out, `EVERY_FOLD`, `NO_FOLD`, or None; see `TrainTask`.

    Returns:
        One part, or with `EVERY_FOLD` one for each fold. Their networks together predict all
        training and then validation rows.
    """
    train, validation = corpus.train, corpus.validation
    if fold is None:
        return (Part(train, validation, np.arange(len(validation))),)
    both = joined(train, validation)
    if fold == NO_FOLD:  # what it answers for it has seen: it is no measure of anything
        return (Part(both, validation, np.arange(len(validation))),)
    folds = np.asarray(corpus.folds)

    def part(number: int) -> tuple[Split, Split, npt.NDArray[np.int64]]:
        places = np.flatnonzero(folds == number)
        return taken(both, np.flatnonzero(folds != number)), taken(both, places), places

    if fold == EVERY_FOLD:
        return tuple(Part(*part(number)) for number in range(int(folds.max()) + 1))
    seen, held_out, _ = part(fold)
    return (Part(seen, held_out, np.arange(len(held_out))),)


def labels_of(parts: Sequence[Part]) -> npt.NDArray[np.int32]:
    """The labels of all rows that the networks predict, (rows,), at their places."""
    labels = np.empty(sum(len(part.places) for part in parts), np.int32)
    for part in parts:
        labels[part.places] = part.held_out.labels
    return labels
