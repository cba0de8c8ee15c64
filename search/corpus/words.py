"""Word features, computed before training, that initialise the embedding.

They have three parts, in columns: how strongly a word indicates each class, which words it occurs
near, and which texts it occurs in. Words of opposite sentiment occur near the same words ("a good
film", "a bad film") but not in the same texts, which is why both are used.
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
    """Computes features of every token from the training and unlabelled texts.

    Args:
        corpus: validation and test rows are not used.
        vocabulary_size: ids >= this count as OOV.
        most: maximum number of columns; there are fewer if there are fewer tokens.

    Returns:
        (vocabulary_size, columns), the most informative first, so that the first k columns are the
        features of size k. The columns of `polarity` come first; those of the other two parts have
        a standard deviation of 1. A token without any information has zeros.
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
    """Word features for a cross-validation fold, without the labels of the rows held out.

    Only the columns of `polarity` use labels, so only these are computed again.

    Args:
        features: as `word_features` returns them.
        train: the rows that the network is trained on.
        unlabelled: the corpus' further texts.
        classes: number of classes.
    """
    telling = POLARITY_WEIGHT * polarity(train, unlabelled, classes, len(features))
    columns = min(telling.shape[1], features.shape[1])
    return np.concatenate([telling[:, :columns], features[:, columns:]], axis=1)
