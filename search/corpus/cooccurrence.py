"""Word vectors from co-occurrence counts, in seconds and without labels.

Positive pointwise mutual information of words that occur near each other, or of words and the
texts they occur in, with smoothed context frequencies, and its truncated singular value
decomposition (Levy, Goldberg & Dagan 2015).
"""

from typing import Any

import numba
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
LEAST_SPREAD = 0.05  # of numbers' mean; those that differ less are alike


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
    there = numbers[known]
    mean, spread = (np.abs(there.mean()), there.std()) if there.size else (0.0, 0.0)
    # A few tokens may differ by a thousandth, which is no reason to make them huge.
    alike = spread <= LEAST_SPREAD * mean
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
    """Co-occurrence counts of tokens within a window, symmetric; columns in no order."""
    ids, texts = _first(ids, offsets)
    known = np.where(ids < vocabulary_size, ids, OOV)
    return sparse.csr_matrix(
        _counted_near(known, texts, vocabulary_size), shape=(vocabulary_size, vocabulary_size)
    )


@numba.njit(cache=True, nogil=True)
def _counted_near(ids: Any, texts: Any, vocabulary_size: int) -> Any:
    """Data, columns and row offsets of the counts: row by row, so that one row is all it holds."""
    # The places of each token, one token after another (counting sort).
    begins = np.zeros(vocabulary_size + 1, np.int64)
    for place in range(len(ids)):
        begins[ids[place] + 1] += 1
    begins = np.cumsum(begins)
    places, free = np.empty(len(ids), np.int64), begins.copy()
    for place in range(len(ids)):
        places[free[ids[place]]] = place
        free[ids[place]] += 1
    counts = np.zeros(vocabulary_size)
    offsets = np.zeros(vocabulary_size + 1, np.int64)
    columns, data = np.empty(len(ids), np.int32), np.empty(len(ids), np.float32)
    total = 0
    for token in range(OOV + 1, vocabulary_size):
        row = total
        # Every context of a row is new at most once, so that there is room for a row beforehand.
        most = min(vocabulary_size, 2 * WINDOW * (begins[token + 1] - begins[token]))
        if row + most > len(columns):
            columns = np.append(columns, np.empty(len(columns) + most, np.int32))
            data = np.append(data, np.empty(len(data) + most, np.float32))
        for number in range(begins[token], begins[token + 1]):
            place = places[number]
            for step in range(-WINDOW, WINDOW + 1):
                other = place + step
                if step == 0 or other < 0 or other >= len(ids) or texts[other] != texts[place]:
                    continue
                context = ids[other]
                if context <= OOV:
                    continue
                if counts[context] == 0:
                    columns[total] = context
                    total += 1
                counts[context] += 1 / abs(step)
        for number in range(row, total):
            data[number] = counts[columns[number]]
            counts[columns[number]] = 0
        offsets[token + 1] = total
    return data[:total].copy(), columns[:total].copy(), offsets


def _information(counts: sparse.csr_matrix) -> sparse.csr_matrix:
    """Positive pointwise mutual information: max(0, log(P(a, b) / (P(a) P(b))))."""
    words = np.asarray(counts.sum(axis=1, dtype=np.float64)).ravel()
    contexts = np.bincount(counts.indices, counts.data, counts.shape[1]) ** SMOOTHING
    found = _informative(counts.data, counts.indices, counts.indptr, words, contexts)
    return sparse.csr_matrix(found, shape=counts.shape)


@numba.njit(cache=True, nogil=True)
def _informative(data: Any, columns: Any, offsets: Any, words: Any, contexts: Any) -> Any:
    """Data, columns and row offsets of what is positive."""
    information, where = np.empty(len(data), np.float32), np.empty(len(data), np.int32)
    ends, total = np.zeros_like(offsets), 0
    all_contexts = contexts.sum()
    for row in range(len(words)):
        for place in range(offsets[row], offsets[row + 1]):
            column = columns[place]
            value = np.log(data[place] * all_contexts / (words[row] * contexts[column]))
            if value > 0:
                information[total], where[total] = value, column
                total += 1
        ends[row + 1] = total
    return information[:total].copy(), where[:total].copy(), ends
