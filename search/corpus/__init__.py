"""Reviews in, batches out: reading, labels, split, vocabulary, token ids."""

from search.corpus.load import load_corpus
from search.corpus.store import Corpus, Split

__all__ = ["Corpus", "Split", "load_corpus"]
