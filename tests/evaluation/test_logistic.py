"""Logistic regression: the optimum that scikit-learn finds, the same in every thread."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from search.evaluation import logistic


def drawn(seed=0, rows=300, columns=400):
    generator = np.random.default_rng(seed)
    matrix = sparse.random_array((rows, columns), density=0.05, rng=generator, format="csr")
    labels = (matrix @ generator.normal(size=columns) + generator.normal(size=rows) * 0.3) > 0
    matrix.indices, matrix.indptr = matrix.indices.astype(np.int32), matrix.indptr.astype(np.int32)
    return matrix, labels, generator


@pytest.mark.parametrize("c", [0.03, 1.0, 30.0])
def test_it_is_the_optimum_that_scikit_learn_finds(c):
    matrix, labels, generator = drawn()
    scale, counts = generator.uniform(0.5, 2, 400), generator.uniform(0.5, 2, 300)
    rows = np.sort(generator.choice(300, 250, replace=False))
    coefficients, intercept = logistic.fit(matrix, scale, rows, labels, c * counts)
    scaled = (matrix @ sparse.diags_array(scale)).tocsr()[rows]
    theirs = LogisticRegression(C=c, solver="liblinear", dual=True, tol=1e-8, max_iter=100_000)
    theirs.fit(scaled, labels[rows], counts[rows])
    expected = theirs.decision_function(scaled)
    found = logistic.scores(matrix, rows, coefficients, intercept)
    assert found == pytest.approx(matrix[rows] @ coefficients + intercept)
    assert np.abs(found - expected).max() < 0.02 * np.abs(expected).max()


def test_threads_side_by_side_do_not_change_it():
    matrix, labels, _ = drawn(1)
    rows, scale = np.arange(300), np.ones(400)

    def fitted(_):
        return logistic.fit(matrix, scale, rows, labels, np.ones(300))[0]

    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(fitted, range(12)))
    assert all(np.array_equal(found[0], other) for other in found)


def test_rows_of_nothing():
    matrix = sparse.csr_array((6, 3))
    matrix.indices, matrix.indptr = matrix.indices.astype(np.int32), matrix.indptr.astype(np.int32)
    labels = np.array([True, True, True, True, False, False])
    _, intercept = logistic.fit(matrix, np.ones(3), np.arange(6), labels, np.full(6, 100.0))
    assert intercept == pytest.approx(np.log(2), abs=0.1)
