"""From data to batches: reading, labels, audit, split, vocabulary, token ids."""

from search.corpus.store import Corpus, Split

__all__ = ["Corpus", "Split"]
