"""Three baselines that every search is compared with.

A network that was searched for has to beat what needs no search: the most frequent class, and
logistic regression on words and pairs of words, weighted either by TF-IDF or by how much more
frequent they are in a class (Wang & Manning 2012, "Baselines and Bigrams").

They are fitted to the training rows, and C is chosen on the validation rows. The test rows are
not touched before `Baseline.predict` is given them.
"""

import time
import warnings
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse
from scipy.special import expit, logit
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from search.blas import one_thread
from search.corpus.encode import OOV, PADDING
from search.corpus.polarity import log_count_ratio
from search.corpus.store import Corpus, Split
from search.settings import Objective
from search.tuning.engine import Probabilities
from search.tuning.objective import balanced_weights, score

TFIDF_C = (1.0, 3.0, 10.0, 30.0, 100.0)  # its rows have length 1, so its weights are large
NAIVE_BAYES_C = (0.1, 0.3, 1.0, 3.0, 10.0)
PRIOR = 1.0  # added to the number of a class's texts that have an n-gram
PASSES = 200  # over the training texts; those of rotten-tomatoes and imdb take 8 to 40

Keys = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Baseline:
    """A fitted baseline: a linear function of a text's n-grams.

    Attributes:
        name: what it is called in tables.
        validation: probabilities of the validation rows, as `predict` gives them.
        values: what was chosen, and from what.
        seconds: what it took.
        ngrams: shape (n-grams,), as `_ngrams` writes them.
        idf: inverse document frequencies, shape (n-grams,); None where only presence counts.
        coefficients: shape (n-grams, outputs).
        intercept: shape (outputs,).
    """

    name: str
    validation: Probabilities
    values: dict[str, str | int | float]
    seconds: float
    ngrams: Keys
    idf: Floats | None
    coefficients: Floats
    intercept: Floats

    def predict(self, split: Split) -> Probabilities:
        """Probabilities, as the network gives them.

        Args:
            split: any rows of the corpus; their labels are not read.

        Returns:
            Shape (rows, 1), of the second of two classes, or (rows, classes).
        """
        weights = _weights(_counts(split, self.ngrams), self.idf)
        return _probabilities(weights @ self.coefficients + self.intercept)


def baselines(
    corpus: Corpus, objective: Objective = "val_accuracy", *, balanced: bool = False
) -> list[Baseline]:
    """Fits all three; the same corpus gives the same numbers.

    Args:
        corpus: the data.
        objective: what C is chosen for.
        balanced: let all classes count as much in training.
    """
    counts = np.ones(len(corpus.class_names))
    if balanced:
        counts = np.array(balanced_weights(corpus.train.labels, len(corpus.class_names)))
    rows = counts[corpus.train.labels]
    return [
        _most_frequent(corpus),
        _logistic(corpus, "TF-IDF", TFIDF_C, objective, rows, tfidf=True),
        _logistic(corpus, "naive Bayes weights", NAIVE_BAYES_C, objective, rows, tfidf=False),
    ]


def _most_frequent(corpus: Corpus) -> Baseline:
    """Gives every row the classes' shares of the training rows."""
    started = time.perf_counter()
    shares = _targets(corpus).mean(axis=0)
    most_frequent = int(np.bincount(corpus.train.labels).argmax())
    return Baseline(
        name="most frequent class",
        validation=_probabilities(np.tile(logit(shares), (len(corpus.validation), 1))),
        values={"class": corpus.class_names[most_frequent]},
        seconds=time.perf_counter() - started,
        ngrams=np.empty(0, np.int64),
        idf=None,
        coefficients=np.empty((0, len(shares))),
        intercept=logit(shares),
    )


def _logistic(
    corpus: Corpus,
    name: str,
    grid: tuple[float, ...],
    objective: Objective,
    counts: Floats,
    *,
    tfidf: bool,
) -> Baseline:
    """Logistic regression, one class against the others; each training row counts as `counts` says.

    Of the values of C in `grid`, it has the one of highest validation score, then lowest loss.
    """
    started = time.perf_counter()
    keys, _ = _ngrams(corpus.train)
    ngrams = pd.unique(keys) if len(keys) else np.array([PADDING])  # a matrix needs a column
    occurrences, targets = _counts(corpus.train, ngrams), _targets(corpus)
    if tfidf:
        texts = np.bincount(occurrences.indices, minlength=len(ngrams))
        idf = np.log((1 + len(corpus.train)) / (1 + texts)) + 1
        ratios = np.ones((len(ngrams), targets.shape[1]))
    else:
        idf = None
        ratios = log_count_ratio(_weights(occurrences, None), targets, PRIOR)
    train = _weights(occurrences, idf)
    validation = _weights(_counts(corpus.validation, ngrams), idf)
    scaled = [_with(train, train.data * ratio[train.indices]) for ratio in ratios.T]

    def fitted(c: float) -> Baseline:
        fits = [_fit(x, target, counts, c) for x, target in zip(scaled, targets.T, strict=True)]
        coefficients = np.stack([fit.coef_[0] for fit in fits], axis=1) * ratios
        intercept = np.concatenate([fit.intercept_ for fit in fits])
        return Baseline(
            name=name,
            validation=_probabilities(validation @ coefficients + intercept),
            values={"C": c, "ngrams": "1-2", "features": len(ngrams)},
            seconds=time.perf_counter() - started,
            ngrams=ngrams,
            idf=idf,
            coefficients=coefficients,
            intercept=intercept,
        )

    def merit(baseline: Baseline) -> tuple[float, float]:
        scored = baseline.validation, corpus.validation.labels
        return score(objective, *scored), score("val_loss", *scored)

    best = max(map(fitted, grid), key=merit)
    return replace(best, seconds=time.perf_counter() - started)


@one_thread
def _fit(
    x: sparse.csr_array, target: npt.NDArray[np.bool_], counts: Floats, c: float
) -> LogisticRegression:
    """Regularised logistic regression by liblinear (Fan et al. 2008).

    With many more n-grams than texts, coordinate descent in the dual is by far the fastest: on
    imdb it takes 0.7 s, Newton's method 4 s, L-BFGS 10 s. With few n-grams it may hardly move, but
    there Newton's method needs a handful of steps.
    """
    model = LogisticRegression(
        C=c, solver="liblinear", dual=True, tol=1e-2, max_iter=PASSES, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(x, target, counts)
    if model.n_iter_[0] >= PASSES:
        model.set_params(dual=False, tol=1e-4).fit(x, target, counts)
    return model


def _targets(corpus: Corpus) -> npt.NDArray[np.bool_]:
    """Whether a training row is of a class, (rows, outputs): of the second of two, or of each."""
    numbers = range(len(corpus.class_names))
    return np.stack([corpus.train.labels == n for n in numbers[len(numbers) == 2 :]], axis=1)


def _probabilities(scores: Floats) -> Probabilities:
    """Probabilities from log-odds of one class against the others, (rows, outputs)."""
    odds = expit(scores)
    if odds.shape[1] > 1:
        odds /= odds.sum(axis=1, keepdims=True)
    probabilities: Probabilities = odds.astype(np.float32)
    return probabilities


def _ngrams(split: Split) -> tuple[Keys, npt.NDArray[np.int32]]:
    """All words and pairs of neighbouring words in the texts.

    Returns:
        keys: a word's id; for a pair 2³² times the first id plus the second. What is unknown is
            no word.
        rows: which text each stands in.
    """
    ids = np.asarray(split.ids, np.int64)
    rows = np.repeat(np.arange(len(split), dtype=np.int32), split.lengths)
    word = ids > OOV
    pair = word[:-1] & word[1:] & (rows[:-1] == rows[1:])
    pairs = (ids[:-1][pair] << 32) | ids[1:][pair]
    return np.concatenate([ids[word], pairs]), np.concatenate([rows[word], rows[:-1][pair]])


def _counts(split: Split, ngrams: Keys) -> sparse.csr_array:
    """(texts, n-grams): how often a text has an n-gram."""
    keys, rows = _ngrams(split)
    columns = pd.Index(ngrams).get_indexer(pd.Index(keys)).astype(np.int32)  # -1: not among them
    found = columns >= 0
    return sparse.csr_array(
        (np.ones(found.sum()), (rows[found], columns[found])), (len(split), len(ngrams))
    )


def _weights(counts: sparse.csr_array, idf: Floats | None) -> sparse.csr_array:
    """What an n-gram counts in a text: (1 + log tf) idf in rows of length 1, or 1."""
    if idf is None:
        return _with(counts, np.ones(counts.nnz))
    weights = (1 + np.log(counts.data)) * idf[counts.indices]
    rows = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
    return _with(counts, weights / np.sqrt(np.bincount(rows, weights**2))[rows])


def _with(matrix: sparse.csr_array, data: Floats) -> sparse.csr_array:
    """The same places with other numbers."""
    return sparse.csr_array((data, matrix.indices, matrix.indptr), matrix.shape)
