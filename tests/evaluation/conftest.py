"""What several tests of search/evaluation need: a corpus, and the n-gram models of it."""

import numpy as np
import pytest

import search
from search.corpus.ngrams import Kind
from search.corpus.store import Corpus
from search.evaluation.ngram_models import Fitted, fitted_models
from tests.conftest import SAMPLE

EVEN = np.ones(2)


@pytest.fixture(scope="session")
def sample() -> Corpus:
    return search.load_corpus(search.Settings(data=str(SAMPLE)))


@pytest.fixture(scope="session")
def models(sample: Corpus) -> dict[Kind, Fitted]:
    return fitted_models(sample, EVEN)
