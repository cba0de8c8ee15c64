"""Word vectors from the texts alone: a first idea of which words are alike, in a second.

Positive pointwise mutual information of words that stand near each other, with smoothed context
frequencies, and its truncated singular value decomposition (Levy, Goldberg & Dagan 2015). Labels
are never looked at.
"""

import numpy as np
import numpy.typing as npt
from scipy import sparse

from search.corpus.encode import OOV

WINDOW = 5  # words to each side; a word d places away counts 1/d
SMOOTHING = 0.75  # exponent of the context frequencies, against the weight of rare ones
MOST_TOKENS = 20_000_000  # of the texts that are looked at
ROUNDS = 3  # of the randomised decomposition (Halko, Martinsson & Tropp 2011)


def word_vectors(
    ids: npt.NDArray[np.int32], offsets: npt.NDArray[np.int64], vocabulary_size: int, most: int
) -> npt.NDArray[np.float32]:
    """Learns a vector for every token.

    Args:
        ids: token ids of all texts, one after another.
        offsets: (texts + 1,), text i is ids[offsets[i]:offsets[i + 1]].
        vocabulary_size: ids from this one on count as OOV.
        most: numbers in a vector; fewer where there are fewer tokens.

    Returns:
        (vocabulary_size, numbers), the most telling numbers first, so that the first k of them
        are the vectors of length k; standard deviation 1 over the tokens that have a vector.
        Padding, OOV and tokens that never stand near another have zeros.
    """
    information = _information(_counts(ids, offsets, vocabulary_size))
    size = min(most, vocabulary_size - 1)
    if not information.nnz or size < 1:
        return np.zeros((vocabulary_size, max(size, 0)), np.float32)
    from sklearn.utils.extmath import randomized_svd

    left, values, _ = randomized_svd(information, size, n_iter=ROUNDS, random_state=0)
    vectors = left * np.sqrt(values)
    known = np.diff(information.indptr) > 0
    vectors[~known] = 0
    result: npt.NDArray[np.float32] = (vectors / vectors[known].std()).astype(np.float32)
    return result


def _counts(
    ids: npt.NDArray[np.int32], offsets: npt.NDArray[np.int64], vocabulary_size: int
) -> sparse.csr_matrix:
    """How often two tokens stand near each other in a text, symmetric."""
    texts = int(np.searchsorted(offsets, MOST_TOKENS, side="right")) - 1
    lengths = np.diff(offsets[: texts + 1])
    ids = np.where(ids[: offsets[texts]] >= vocabulary_size, OOV, ids[: offsets[texts]])
    text = np.repeat(np.arange(texts), lengths)
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
    """The positive part of log(P(a, b) / (P(a) P(b)))."""
    pairs = counts.tocoo()
    size = counts.shape[0]
    words = np.bincount(pairs.row, pairs.data, size)
    contexts = np.bincount(pairs.col, pairs.data, size) ** SMOOTHING
    information = np.log(
        pairs.data * contexts.sum() / (words[pairs.row] * contexts[pairs.col])
    ).astype(np.float32)
    positive = information > 0
    return sparse.csr_matrix(
        (information[positive], (pairs.row[positive], pairs.col[positive])), shape=counts.shape
    )
