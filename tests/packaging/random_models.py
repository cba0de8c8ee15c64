"""What model files are made of without a search."""

import numpy as np

from search.evaluation.mixture import Mixture, NgramModel


def some_mixture(classes, seed=0, kinds=("words", "stems", "characters")):
    """A mixture of n-gram models that tell texts apart."""
    outputs = 1 if classes == 2 else classes
    generator = np.random.default_rng(seed)
    models = []
    for kind, buckets in zip(kinds, (1_009, 907, 2_003), strict=False):
        idf = generator.uniform(1, 9, (buckets, 1))
        presence, tfidf = generator.normal(size=(2, buckets, outputs))
        table = np.hstack([0.1 * presence, 2 * tfidf * idf, idf**2]).astype(np.float32)
        intercepts = generator.normal(size=(2, outputs)).astype(np.float32)
        places = np.random.default_rng(buckets).permutation(buckets).astype(np.int32)
        places[places >= buckets // 2] = 0  # some have no n-gram
        table = table[: buckets // 2]
        table[0] = 0
        models.append(NgramModel(kind, places, table, intercepts))
    bias = tuple(generator.uniform(-0.2, 0.2, classes).tolist())
    return Mixture((0.6, *(0.1, 0.3) * len(models)), bias, tuple(models))
