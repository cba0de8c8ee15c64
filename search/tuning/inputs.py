"""The training data as files, which the workers map into memory."""

from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from search.corpus import Corpus
from search.corpus.embeddings import Embeddings
from search.corpus.store import Split, without_texts
from search.corpus.words import Vectors, word_features
from search.files import npy, write_atomically
from search.network.space import features_size, starts_from_words
from search.tuning.rundir import RunDirectory
from search.tuning.study import Study


@dataclass(frozen=True)
class Inputs:
    """The files that trials are trained on.

    Attributes:
        corpus: the folder of the encoded corpus.
        features: the .npy file of the initial embeddings; None if they are drawn at random.
    """

    corpus: str
    features: str | None


def save_inputs(
    study: Study, embeddings: Embeddings | None, learned: Callable[[], Vectors] | None
) -> Inputs:
    """Writes the encoded corpus and the word features, unless they are there undamaged.

    Args:
        study: the run, which has entered its directory.
        embeddings: the word vectors of `embedding_init` "file", if that is used.
        learned: returns the word features, if another process computes them already.
    """
    corpus, features = _saved_corpus(study.run, study.corpus), None
    if study.ours and starts_from_words(study.space):
        features = str(_saved_features(study, embeddings, learned).absolute())
    return Inputs(str(corpus.absolute()), features)


def _saved_corpus(run: RunDirectory, corpus: Corpus) -> Path:
    folder = run.cache(corpus.fingerprint).corpus
    if folder.exists() and not corpus.is_saved(folder):
        run.set_aside(folder, "it is not the encoded corpus")
    corpus.save(folder)
    return folder


def _saved_features(
    study: Study, embeddings: Embeddings | None, learned: Callable[[], Vectors] | None
) -> Path:
    tokens, numbers = features_size(study.space, study.corpus)
    cache = study.run.cache(study.corpus.fingerprint)
    if cache.load_features(tokens) is None:
        found: npt.NDArray[Any] | None = None
        if embeddings is not None:
            found = embeddings.vectors[:tokens]
        elif learned is not None:
            with suppress(BrokenProcessPool):  # the worker that learns them was killed
                found = learned()
        if found is None:
            found = word_features(study.corpus, tokens, numbers)
        write_atomically(cache.features, npy(found))
    return cache.features


def payload_for_nodes(inputs: Inputs, corpus: Corpus) -> dict[str, Any]:
    """Contents of these files by path, for other machines; without test rows and texts."""
    nothing = np.empty(0, np.int32)
    none = Split(nothing, np.zeros(1, np.int64), nothing, np.empty(0, np.int64))
    payload: dict[str, Any] = {inputs.corpus: replace(without_texts(corpus), test=none)}
    if inputs.features is not None:
        payload[inputs.features] = np.load(inputs.features)
    return payload
