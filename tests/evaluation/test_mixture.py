"""The mixture: n-gram models as scikit-learn has them, and one sum of logarithms."""

import numpy as np
import pytest
from scipy.special import expit, logit

from search.corpus.ngrams import counted
from search.evaluation.mixture import (
    Mixture,
    NgramModel,
    linear_evidence,
    mixed,
    network_evidence,
)

TEXTS = ["a fine film, a fine cast", "dull", "", "so so so long"]


def model(outputs, kind="words", buckets=8191, seed=0):
    generator = np.random.default_rng(seed)
    table = generator.normal(size=(buckets, 2 * outputs + 1)).astype(np.float32)
    table[:, -1] = np.square(table[:, -1])
    table[0] = 0
    places = generator.permutation(buckets).astype(np.int32)
    intercepts = generator.normal(size=(2, outputs)).astype(np.float32)
    return NgramModel(kind, places, table, intercepts)


@pytest.mark.parametrize("outputs", [1, 3])
def test_scores_are_what_they_say(outputs):
    ngrams = model(outputs)
    counts = counted(TEXTS, "words", 8191)
    presence, tfidf = ngrams.scores(counts)
    for row in range(len(TEXTS)):
        found, often = counts[[row]].indices, counts[[row]].data
        part = ngrams.table[ngrams.places[found]].astype(float)
        assert presence[row] == pytest.approx(part[:, :outputs].sum(0) + ngrams.intercepts[0])
        weights = 1 + np.log(often)
        length = np.sqrt((weights**2 * part[:, -1]).sum()) or 1
        expected = (weights[:, None] * part[:, outputs:-1]).sum(0) / length
        assert tfidf[row] == pytest.approx(expected + ngrams.intercepts[1], abs=1e-6)


def test_one_network_with_weight_1_is_itself():
    p = np.array([[0.2], [0.7], [0.5]])
    assert mixed([network_evidence(p)], [1.0], [0, 0]) == pytest.approx(p, abs=1e-6)
    p = np.array([[0.2, 0.5, 0.3], [0.1, 0.1, 0.8]])
    assert mixed([network_evidence(p)], [1.0], [0, 0, 0]) == pytest.approx(p, abs=1e-6)


def test_two_classes_are_a_sum_of_log_odds():
    p, scores = np.array([[0.2], [0.7]]), np.array([[1.5], [-0.3]])
    found = mixed([network_evidence(p), linear_evidence(scores)], [0.5, 2.0], [0.1, 0.4])
    assert found == pytest.approx(expit(0.5 * logit(p) + 2 * scores + 0.3), abs=1e-6)


@pytest.mark.parametrize("outputs", [1, 3])
def test_a_sure_network_is_finite(outputs):
    p = np.zeros((4, outputs))
    p[:, 0] = [0, 1, 0, 1]
    weights = (0.4, 0.3, 0.2, 0.1, 0.0)
    both = (model(outputs), model(outputs, "characters"))
    found = Mixture(weights, (0.0,) * max(2, outputs), both).probabilities(p, TEXTS)
    assert found.shape == p.shape and found.dtype == np.float32 and np.isfinite(found).all()


def test_models_that_weigh_nothing_are_left_out():
    members = [model(1, seed=0), model(1, "stems", seed=1), model(1, "characters", seed=2)]
    whole = Mixture((0.4, 0.0, 0.0, 0.0, 0.3, 0.2, 0.0), (0.1, -0.1), tuple(members))
    found = whole.without_idle_models()
    assert [one.kind for one in found.models] == ["stems", "characters"]
    p = np.array([[0.2], [0.7], [0.5], [0.9]])
    assert found.probabilities(p, TEXTS) == pytest.approx(whole.probabilities(p, TEXTS))
