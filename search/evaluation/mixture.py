"""A log-linear mixture of networks and n-gram models.

A network sees order, negation and concession; n-gram models know every word, every pair of words
and every piece of one that tells classes apart. Mixed log-linearly they are better than any of
them, and how much each counts is fitted on answers out of fold: `search.evaluation.stacking`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.special import log_expit, softmax

from search.corpus.ngrams import Kind, counted
from search.corpus.tokens import Texts

Floats = npt.NDArray[np.floating[Any]]
Probabilities = npt.NDArray[np.float32]
NgramScores = Sequence[tuple[Floats, Floats]]

SMALLEST = 1e-3  # probability of a network that counts: float32 knows 1 - p too roughly below it


@dataclass(frozen=True)
class NgramModel:
    """Two linear models of the same n-grams: of their presence, and of their TF-IDF weights.

    Attributes:
        kind: which n-grams.
        places: int32, (buckets,): the row of the table that an n-gram in a bucket has. Most buckets
            have none, so that few n-grams share one: theirs is row 0.
        table: float32, (1 + n-grams, 2 · outputs + 1): coefficients of an n-gram's presence, those
            of its TF-IDF weight times its idf, and the square of its idf. Row 0 is zero.
        intercepts: float32, (2, outputs), of the one and of the other.
    """

    kind: Kind
    places: npt.NDArray[np.int32]
    table: npt.NDArray[np.float32]
    intercepts: npt.NDArray[np.float32]

    @property
    def outputs(self) -> int:
        return int(self.intercepts.shape[1])

    def scores(self, counts: Any) -> tuple[Floats, Floats]:
        """Computes the log-odds of each class against the others.

        Args:
            counts: sparse, (texts, buckets), of `counted`.

        Returns:
            By presence and by TF-IDF, (texts, outputs) each: the sum of the coefficients of all
            n-grams there; and Σ (1 + log n) c idf / √(Σ ((1 + log n) idf)²), where n is how often
            an n-gram occurs.
        """
        outputs, table = self.outputs, self.table.astype(np.float64)
        found = (counts.data.astype(np.float64), self.places[counts.indices], counts.indptr)
        often = sparse.csr_array(found, shape=(counts.shape[0], len(table)))
        there = often.copy()
        there.data = np.ones_like(there.data)
        often.data = 1 + np.log(often.data)
        squares = often.copy()
        squares.data = often.data**2
        presence = there @ table[:, :outputs] + self.intercepts[0]
        length = np.sqrt(squares @ table[:, 2 * outputs :])
        tfidf = (often @ table[:, outputs : 2 * outputs]) / np.maximum(length, 1e-9)
        return presence, tfidf + self.intercepts[1]


@dataclass(frozen=True)
class Mixture:
    """A log-linear mixture of the networks' mean and n-gram models.

    Attributes:
        weights: of the networks' mean, and of each n-gram model its presence's and its TF-IDF's;
            none is negative.
        bias: added to the classes' logarithms, (classes,).
        models: the n-gram models; there may be none.
    """

    weights: tuple[float, ...]
    bias: tuple[float, ...]
    models: tuple[NgramModel, ...]

    def without_idle_models(self) -> "Mixture":
        """Returns the same mixture without n-gram models that weigh nothing in it."""
        pairs = list(zip(self.weights[1::2], self.weights[2::2], strict=True))
        kept = [number for number, pair in enumerate(pairs) if any(pair)]
        weights = (self.weights[0], *(weight for number in kept for weight in pairs[number]))
        return Mixture(weights, self.bias, tuple(self.models[number] for number in kept))

    def probabilities(self, networks: Floats, texts: Texts) -> Probabilities:
        """Computes the mixed probabilities.

        Args:
            networks: mean probabilities of the networks, (texts, outputs).
            texts: the same, as they were written.

        Returns:
            float32, (texts, outputs), as a network gives them.
        """
        return self.mix(networks, ngram_evidence(ngram_scores(self.models, texts)))

    def mix(self, networks: Floats, ngrams: Sequence[Floats]) -> Probabilities:
        """The same, from what `ngram_evidence` says of the texts."""
        return mixed([network_evidence(networks), *ngrams], self.weights, self.bias)


def network_evidence(probabilities: Floats) -> Floats:
    """Log-probabilities of all classes, (rows, classes), from (rows, outputs)."""
    p = probabilities.astype(np.float64)
    p = np.concatenate([1 - p, p], axis=1) if p.shape[1] == 1 else p
    evidence: Floats = np.log(np.clip(p, SMALLEST, 1 - SMALLEST))
    return evidence


def linear_evidence(scores: Floats) -> Floats:
    """The same from log-odds, (rows, outputs), up to a constant per row."""
    if scores.shape[1] == 1:
        return np.concatenate([np.zeros_like(scores), scores], axis=1)
    evidence: Floats = log_expit(scores)
    return evidence


def ngram_scores(models: Iterable[NgramModel], texts: Texts) -> NgramScores:
    """The scores of texts by each n-gram model: see `NgramModel.scores`."""
    return [model.scores(counted(texts, model.kind, len(model.places))) for model in models]


def ngram_evidence(scores: NgramScores) -> list[Floats]:
    """The same of n-gram models: of each its presence's and its TF-IDF's, (texts, classes) each."""
    return [linear_evidence(one) for both in scores for one in both]


def mixed(
    members: Sequence[Floats], weights: Sequence[float], bias: Sequence[float]
) -> Probabilities:
    """Softmax of the weighted sum of evidence and bias; of two classes, the second's probability.

    Args:
        members: evidence of each, (rows, classes).
        weights: of the members.
        bias: of the classes.
    """
    total = np.tensordot(np.asarray(weights), np.stack(members), 1) + np.asarray(bias)
    p: Probabilities = softmax(total, axis=1).astype(np.float32)
    return p if p.shape[1] > 2 else p[:, 1:]
