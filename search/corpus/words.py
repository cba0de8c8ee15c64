"""What is known of words before anything is trained: where an embedding starts from.

Three views, in columns: how telling a word is of the classes, which words stand near it, and which
texts it stands in. Words of opposite sentiment stand near the same words ("a good film", "a bad
film") but not in the same texts, which is why both are there.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from search.corpus.cooccurrence import document_vectors, neighbour_vectors
from search.corpus.polarity import polarity
from search.corpus.store import Corpus, Split

Vectors = npt.NDArray[np.float32]

POLARITY_WEIGHT = 3.0  # of its columns, against one of the others
NEIGHBOURS, DOCUMENTS = 2, 1  # columns of each in turn


def word_features(corpus: Corpus, vocabulary_size: int, most: int) -> Vectors:
    """Features of every token, from the training texts and the unlabelled ones.

    Args:
        corpus: validation and test rows are not looked at.
        vocabulary_size: ids from this one on count as OOV.
        most: columns; fewer where there are fewer tokens.

    Returns:
        (vocabulary_size, columns), the most telling first, so that the first k of them are the
        features of length k. First come the columns of `polarity`; those of the other two views
        have a standard deviation of 1. A token of which nothing is known has zeros.
    """
    train, unlabelled = corpus.train, corpus.unlabelled
    ids = np.concatenate([train.ids, unlabelled.ids])
    offsets = np.concatenate([train.offsets, train.offsets[-1] + unlabelled.offsets[1:]])
    turn = NEIGHBOURS + DOCUMENTS
    numbers = [-(-most * share // turn) for share in (NEIGHBOURS, DOCUMENTS)]
    inputs = (ids, offsets, vocabulary_size)
    with ThreadPoolExecutor(1) as other:  # SciPy and NumPy compute without the interpreter lock
        neighbours = other.submit(neighbour_vectors, *inputs, numbers[0])
        telling = polarity(train, unlabelled, len(corpus.class_names), vocabulary_size)
        beside, near = document_vectors(*inputs, numbers[1]), neighbours.result()
    # Two of the one, one of the other, and so on, as far as both go.
    places = [
        (column // NEIGHBOURS * turn + column % NEIGHBOURS) for column in range(near.shape[1])
    ]
    places += [column * turn + NEIGHBOURS for column in range(beside.shape[1])]
    views = np.concatenate([near, beside], axis=1)[:, np.argsort(places)]
    return np.concatenate([POLARITY_WEIGHT * telling, views], axis=1)[:, :most]


def features_without(features: Vectors, train: Split, unlabelled: Split, classes: int) -> Vectors:
    """Word features for a network that is trained on other rows than those they were learned from.

    Only how telling a word is comes from labels; which words and texts it is near does not.

    Args:
        features: as `word_features` returns them.
        train: the rows that the network is trained on.
        unlabelled: the corpus' further texts.
        classes: how many.
    """
    telling = POLARITY_WEIGHT * polarity(train, unlabelled, classes, len(features))
    columns = min(telling.shape[1], features.shape[1])
    return np.concatenate([telling[:, :columns], features[:, columns:]], axis=1)
