"""Reviews in, batches out: reading, labels, split, vocabulary, token ids."""

from search.corpus.store import Corpus, Split

__all__ = ["Corpus", "Split"]
