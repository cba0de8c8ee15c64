"""Word vectors from co-occurrence counts, in seconds and without labels.

Positive pointwise mutual information of words that occur near each other, or of words and the
texts they occur in, with smoothed context frequencies, and its truncated singular value
decomposition (Levy, Goldberg & Dagan 2015).
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from search.blas import one_thread
from search.corpus.encode import OOV

Vectors = npt.NDArray[np.float32]

WINDOW = 5  # words to each side; a word d places away counts 1/d
SMOOTHING = 0.75  # exponent of the context frequencies, against the weight of rare ones
MOST_TOKENS = 20_000_000  # of the texts that are looked at
ROUNDS = 2  # of the randomised decomposition (Halko, Martinsson & Tropp 2011)
MORE = 10  # vectors than are asked for, in it


def neighbour_vectors(
    ids: npt.NDArray[np.int32], offsets: npt.NDArray[np.int64], vocabulary_size: int, most: int
) -> Vectors:
    """Computes a vector for every token, from the tokens that occur near it.

    Args:
        ids: token ids of all texts, concatenated.
        offsets: (texts + 1,), text i is ids[offsets[i]:offsets[i + 1]].
        vocabulary_size: ids >= this count as OOV.
        most: maximum size of a vector; it is smaller if there are fewer tokens.

    Returns:
        (vocabulary_size, size), the most informative columns first, so that the first k columns
        are the vectors of size k; standard deviation 1 over the tokens that have a vector.
        Padding, OOV and tokens that never occur near another have zeros.
    """
    return _vectors(_information(_near(ids, offsets, vocabulary_size)), most)


def document_vectors(
    ids: npt.NDArray[np.int32], offsets: npt.NDArray[np.int64], vocabulary_size: int, most: int
) -> Vectors:
    """Computes a vector for every token, from the texts it occurs in; see `neighbour_vectors`."""
    return _vectors(_information(_inside(ids, offsets, vocabulary_size)), most)


def _vectors(information: sparse.csr_matrix, most: int) -> Vectors:
    """The truncated decomposition of how much each row's token tells of each column."""
    size = min(most, min(information.shape) - 1)
    if not information.nnz or size < 1:
        return np.zeros((information.shape[0], max(size, 0)), np.float32)
    left, values = _decomposed(information, size)
    vectors = left * np.sqrt(values)
    known = np.diff(information.indptr) > 0
    vectors[~known] = 0
    return scaled(vectors, known)


def scaled(numbers: npt.NDArray[np.floating[Any]], known: npt.NDArray[np.bool_]) -> Vectors:
    """Numbers with standard deviation 1 over the known rows; as they are where those are alike."""
    spread = numbers[known].std() if known.any() else 0.0
    alike = spread <= 1e-3 * np.abs(numbers).max(initial=0)
    result: Vectors = (numbers if alike else numbers / spread).astype(np.float32)
    return result


@one_thread
def _decomposed(matrix: sparse.csr_matrix, size: int) -> tuple[Vectors, Vectors]:
    """The leading left singular vectors and values, by subspace iteration.

    scikit-learn's `randomized_svd` does the same, but spends three quarters of its time on LU, QR
    and singular value decompositions of tall matrices, where the Gram matrix is enough.
    """
    width = min(size + MORE, min(matrix.shape))
    start = np.random.default_rng(0).standard_normal((matrix.shape[1], width))
    basis = _orthonormal(matrix @ start.astype(np.float32))
    across = matrix.T.tocsr()
    for _ in range(ROUNDS):
        basis = _orthonormal(matrix @ _orthonormal(across @ basis))
    seen = across @ basis
    values, turned = np.linalg.eigh((seen.T @ seen).astype(np.float64))
    leading = np.argsort(-values)[:size]
    left: Vectors = basis @ turned[:, leading].astype(np.float32)
    return left, np.sqrt(np.maximum(values[leading], 0)).astype(np.float32)


def _orthonormal(tall: Vectors) -> Vectors:
    """A basis of what the columns span; columns of zeros where they span less."""
    values, vectors = np.linalg.eigh((tall.T @ tall).astype(np.float64))
    there = values > 1e-6 * values.max(initial=0)
    scale = np.where(there, 1 / np.sqrt(np.where(there, values, 1)), 0)
    basis: Vectors = tall @ (vectors * scale).astype(np.float32)
    return basis


def _inside(
    ids: npt.NDArray[np.int32], offsets: npt.NDArray[np.int64], vocabulary_size: int
) -> sparse.csr_matrix:
    """Sparse matrix, (tokens, texts): 1 where a token occurs in a text."""
    ids, texts = _first(ids, offsets)
    known = (ids > OOV) & (ids < vocabulary_size)
    shape = (vocabulary_size, int(texts[-1]) + 1 if len(texts) else 1)
    ones = np.ones(int(known.sum()), np.float32)
    inside = sparse.coo_matrix((ones, (ids[known], texts[known])), shape=shape).tocsr()
    inside.data[:] = 1
    return inside


def _first(
    ids: npt.NDArray[np.int32], offsets: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """The tokens of as many texts as are looked at, and the text that each stands in."""
    texts = int(np.searchsorted(offsets, MOST_TOKENS, side="right")) - 1
    return ids[: offsets[texts]], np.repeat(np.arange(texts), np.diff(offsets[: texts + 1]))


def _near(
    ids: npt.NDArray[np.int32], offsets: npt.NDArray[np.int64], vocabulary_size: int
) -> sparse.csr_matrix:
    """Co-occurrence counts of tokens within a window, symmetric."""
    ids, text = _first(ids, offsets)
    ids = np.where(ids >= vocabulary_size, OOV, ids)
    shape = (vocabulary_size, vocabulary_size)
    counts = sparse.csr_matrix(shape, dtype=np.float32)
    for distance in range(1, min(WINDOW, len(ids) - 1) + 1):
        first, second = ids[:-distance], ids[distance:]
        near = (text[:-distance] == text[distance:]) & (first > OOV) & (second > OOV)
        weight = np.full(int(near.sum()), 1 / distance, np.float32)
        pairs = sparse.coo_matrix((weight, (first[near], second[near])), shape=shape)
        counts = counts + pairs.tocsr()
    return counts + counts.T


def _information(counts: sparse.csr_matrix) -> sparse.csr_matrix:
    """Positive pointwise mutual information: max(0, log(P(a, b) / (P(a) P(b))))."""
    pairs = counts.tocoo()
    words = np.bincount(pairs.row, pairs.data, counts.shape[0])
    contexts = np.bincount(pairs.col, pairs.data, counts.shape[1]) ** SMOOTHING
    information = np.log(
        pairs.data * contexts.sum() / (words[pairs.row] * contexts[pairs.col])
    ).astype(np.float32)
    positive = information > 0
    return sparse.csr_matrix(
        (information[positive], (pairs.row[positive], pairs.col[positive])), shape=counts.shape
    )
