"""N-gram models out of fold: what words, their stems and pieces and pairs tell of the classes.

Six linear models, each one class against the others: of words, of stems and of characters, by
presence, NB-weighted (Wang & Manning 2012), and by TF-IDF. Each is fitted once for every fold, on
the other folds, so that every row gets scores from a model that has not seen its label;
and once more on all rows: that one is used on other texts.

Of very many rows, only some are held out (see `search.corpus.folds`), and these and as many others
as memory and time allow are all that the models are fitted to.

They are baselines, and they are mixed with the networks: see `search.evaluation.mixture`.
"""

import itertools
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from search.blas import one_thread
from search.corpus.ngrams import KINDS, Kind, counted
from search.corpus.polarity import log_count_ratio
from search.corpus.store import Corpus
from search.evaluation import logistic
from search.evaluation.mixture import NgramModel
from search.tuning.machine import cores

PRIOR = 1.0  # added to the number of a class's texts that have an n-gram
# Texts that an n-gram must stand in.
FEWEST_TEXTS: dict[Kind, int] = {"words": 1, "stems": 2, "characters": 2}
PRESENCE_C: dict[Kind, tuple[float, ...]] = {
    "words": (0.1, 0.3, 1.0, 3.0),
    "stems": (0.1, 0.3, 1.0, 3.0),
    "characters": (0.03, 0.1, 0.3),
}
TFIDF_C = (3.0, 10.0, 30.0, 100.0)  # rows have length 1, so weights are large
PRIMES = (8_191, 32_749, 131_071, 262_139, 524_287, 1_048_573, 2_097_143, 4_194_301)
ROOM = 4  # buckets for each n-gram, so that few share one
LARGEST_TABLE = 24_000_000  # numbers; what has more is fitted to n-grams of more texts
MOST_NGRAMS = 40_000_000  # of one kind in all texts that models are fitted to ...
ENOUGH_ROWS = 30_000  # ... but so many texts are taken, however long they are
LOOKED_AT = 1_000  # texts, evenly from all, to see how many n-grams one has
MOST_TRIED = 60_000  # rows that C is chosen on
FEWER_PASSES = 12  # over more rows than that, where each takes seconds
MOST_THREADS = 4  # fits side by side, each with some arrays of its own
AT_A_TIME = 10_000  # rows whose weights are computed at once
ABSENT_LOG_ODDS = -20.0  # of a class that a fold has no row of

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Fitted:
    """The two models of one kind of n-grams.

    Attributes:
        model: fitted to all rows.
        presence, tfidf: out-of-fold scores of the rows `Corpus.held_out`, (rows, outputs).
        regularisation: the C chosen for each of the two.
        features: how many n-grams there are.
        seconds: what it took of one core, whatever else the machine does.
    """

    model: NgramModel
    presence: Floats
    tfidf: Floats
    regularisation: tuple[float, float]
    features: int
    seconds: float


def number_of_fits(corpus: Corpus) -> int:
    """How many times `fitted_models` calls `done`."""
    classes = len(corpus.class_names)
    return 2 * len(KINDS) * (int(corpus.folds.max()) + 2) * (1 if classes == 2 else classes)


def fitted_models(
    corpus: Corpus, counts: npt.NDArray[np.float64], done: Callable[[], None] = lambda: None
) -> dict[Kind, Fitted]:
    """Fits the models of all kinds, side by side; of very many rows, those of one kind at a time.

    Args:
        corpus: the data; test rows are not looked at, and of a row's label only models of other
            folds know.
        counts: how much a row of each class counts, (classes,).
        done: called after each fit, from any thread.
    """
    few = len(corpus.folds) <= ENOUGH_ROWS  # of many, one matrix at a time is enough for a machine
    threads = 1 if few else min(cores(), MOST_THREADS)
    with ThreadPoolExecutor(len(KINDS) if few else 1) as side_by_side:  # without Python's lock
        found = side_by_side.map(lambda kind: fitted(corpus, kind, counts, done, threads), KINDS)
        return dict(zip(KINDS, found, strict=True))


@one_thread
def fitted(
    corpus: Corpus,
    kind: Kind,
    counts: npt.NDArray[np.float64],
    done: Callable[[], None] = lambda: None,
    threads: int = 1,
) -> Fitted:
    """Fits the models of one kind, in so many threads; see `fitted_models`."""
    started = time.thread_time()
    taken, classes = _taken(corpus, kind), len(corpus.class_names)
    texts = corpus.fold_texts[taken]
    labels = corpus.fold_labels[taken]
    folds = np.asarray(corpus.folds)[taken]
    outputs = 1 if classes == 2 else classes
    often = _counted(texts, kind)
    buckets = often.shape[1]
    columns, used = _used(often, FEWEST_TEXTS[kind], LARGEST_TABLE // (2 * outputs + 1))
    del often  # it may be hundreds of megabytes
    idf = np.log((1 + used.shape[0]) / (1 + np.bincount(used.indices, minlength=len(columns)))) + 1
    there = _like(used, np.ones(used.nnz))
    tfidf = _tfidf(used, idf)
    del used
    weights, even = counts[labels], np.ones(len(columns))
    scores = np.zeros((2, len(labels), outputs))
    table, intercepts = np.zeros((len(columns), 2 * outputs)), np.zeros((2, outputs))
    chosen: tuple[float, float]

    def fit(fold: int | None, output: int, number: int) -> float:
        """Fits one model; returns the seconds that it took."""
        begun = time.thread_time()
        rows, held_out = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        positive = labels == (1 if outputs == 1 else output)
        view, scale = (tfidf, even) if number else (there, _ratio(there, rows, positive))
        coefficients, intercept = _fit(view, scale, rows, positive, chosen[number] * weights)
        if fold is not None:
            found = logistic.scores(view, held_out, coefficients, intercept)
            scores[number, held_out, output] = found
        else:
            table[:, number * outputs + output] = coefficients
            intercepts[number, output] = intercept
        done()
        return time.thread_time() - begun

    every = itertools.product((*range(folds.max() + 1), None), range(outputs), range(2))
    with ThreadPoolExecutor(threads) as side_by_side:
        (presence_c, spent), (tfidf_c, more) = _regularisation(
            kind, there, tfidf, labels == classes - 1, weights, folds, side_by_side
        )
        chosen = presence_c, tfidf_c
        seconds = spent + more + sum(side_by_side.map(fit, *zip(*every, strict=True)))
    table[:, outputs:] *= idf[:, np.newaxis]
    places = np.zeros(buckets, np.int32)
    places[columns] = 1 + np.arange(len(columns))
    whole = np.zeros((1 + len(columns), 2 * outputs + 1), np.float32)
    whole[1:, :-1], whole[1:, -1] = table, idf**2
    model = NgramModel(kind, places, whole, intercepts.astype(np.float32))
    presence, sure = scores[:, folds >= 0]
    return Fitted(
        model, presence, sure, chosen, len(columns), seconds + time.thread_time() - started
    )


def _taken(corpus: Corpus, kind: Kind) -> npt.NDArray[np.int64]:
    """The rows that models are fitted to, in order: those held out, and others as far as they may.

    All of them, unless they are very many.
    """
    texts, held_out = corpus.fold_texts, corpus.held_out
    if len(texts) <= max(ENOUGH_ROWS, len(held_out)):
        return np.arange(len(texts))
    looked_at = texts[:: -(-len(texts) // LOOKED_AT)]
    ngrams = counted(looked_at, kind, PRIMES[-1]).nnz / len(looked_at)
    most = max(ENOUGH_ROWS, int(MOST_NGRAMS / max(ngrams, 1)))
    others = np.setdiff1d(np.arange(len(texts)), held_out)
    rest = min(len(others), max(0, most - len(held_out)))
    drawn = np.random.default_rng(0).choice(others, rest, replace=False)
    return np.sort(np.concatenate([held_out, drawn]))


def _counted(texts: npt.NDArray[np.object_], kind: Kind) -> sparse.csr_array:
    """Counts in as many buckets as there should be."""
    often = counted(texts, kind, PRIMES[-1])
    needed = ROOM * len(np.unique(often.indices))
    enough = next((p for p in PRIMES if p >= needed), PRIMES[-1])
    return often if enough == PRIMES[-1] else counted(texts, kind, enough)


def _used(
    often: sparse.csr_array, fewest: int, most: int
) -> tuple[npt.NDArray[np.int64], sparse.csr_array]:
    """The buckets that enough texts have, and the counts of these.

    Args:
        often: the counts, (texts, buckets).
        fewest: in how many texts an n-gram must be; in more if that leaves too many n-grams.
        most: n-grams.
    """
    texts = np.bincount(often.indices, minlength=often.shape[1])
    while len(columns := np.flatnonzero(texts >= fewest)) > most:
        fewest += 1
    if not len(columns):
        columns = np.arange(1)  # a matrix needs a column
    used = often[:, columns].tocsr()
    indices, offsets = used.indices.astype(np.int32), used.indptr.astype(np.int32)
    return columns, sparse.csr_array((used.data, indices, offsets), used.shape)


def _tfidf(often: sparse.csr_array, idf: Floats) -> sparse.csr_array:
    """(1 + log n) idf, in rows of length 1."""
    result = np.empty(often.nnz)
    for begin in range(0, often.shape[0], AT_A_TIME):
        offsets = often.indptr[begin : begin + AT_A_TIME + 1]
        part = slice(offsets[0], offsets[-1])
        weights = (1 + np.log(often.data[part].astype(np.float64))) * idf[often.indices[part]]
        rows = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
        length = np.sqrt(np.bincount(rows, weights**2, len(offsets) - 1))
        result[part] = weights / np.maximum(length, 1e-9)[rows]
    return _like(often, result)


def _like(matrix: sparse.csr_array, data: Floats) -> sparse.csr_array:
    """The same places with other numbers."""
    return sparse.csr_array((data, matrix.indices, matrix.indptr), matrix.shape)


def _regularisation(
    kind: Kind,
    there: sparse.csr_array,
    tfidf: sparse.csr_array,
    positive: npt.NDArray[np.bool_],
    weights: Floats,
    folds: npt.NDArray[np.int8],
    side_by_side: ThreadPoolExecutor,
) -> Iterable[tuple[float, float]]:
    """The C of each of the two models with the smallest cross-entropy on the first fold.

    They are chosen once, for one class: the optimum is flat, and one fold is enough to see it. From
    the smallest C on, the first that is no better ends it: the larger, the longer a fit takes. With
    each C are the seconds that it took to choose it.
    """
    rows, held_out = np.flatnonzero(folds != 0), np.flatnonzero(folds == 0)
    if len(rows) > MOST_TRIED:
        rows = np.sort(np.random.default_rng(0).choice(rows, MOST_TRIED, replace=False))
    sign = np.where(positive[held_out], 1.0, -1.0)

    def best(view: sparse.csr_array, scale: Floats, grid: tuple[float, ...]) -> tuple[float, float]:
        begun, chosen, lowest = time.thread_time(), grid[0], np.inf
        for c in grid:
            coefficients, intercept = _fit(view, scale, rows, positive, c * weights)
            odds = logistic.scores(view, held_out, coefficients, intercept)
            loss = np.average(np.logaddexp(0, -sign * odds), weights=weights[held_out])
            if loss >= lowest:
                break
            chosen, lowest = c, loss
        return chosen, time.thread_time() - begun

    ratio = _ratio(there, rows, positive)
    scales = ratio, np.ones_like(ratio)
    return side_by_side.map(best, (there, tfidf), scales, (PRESENCE_C[kind], TFIDF_C))


def _ratio(
    there: sparse.csr_array, rows: npt.NDArray[np.int64], positive: npt.NDArray[np.bool_]
) -> Floats:
    """The log-count ratio of each n-gram, (columns,), of some rows."""
    counts = np.zeros(len(positive))
    counts[rows] = 1
    return log_count_ratio(there, positive, PRIOR, counts)


def _fit(
    view: sparse.csr_array,
    scale: Floats,
    rows: npt.NDArray[np.int64],
    positive: npt.NDArray[np.bool_],
    penalties: Floats,
) -> tuple[Floats, float]:
    """As `logistic.fit`."""
    of_class = positive[rows]
    if of_class.all() or not of_class.any():  # nothing to learn
        return np.zeros(len(scale)), -ABSENT_LOG_ODDS if of_class.all() else ABSENT_LOG_ODDS
    passes = logistic.PASSES if len(rows) <= MOST_TRIED else FEWER_PASSES
    return logistic.fit(view, scale, rows, positive, penalties, passes)
