"""Word vectors that somebody else learned: the text format of GloVe, word2vec and fastText.

A line for each word, the word first and its numbers behind it, separated by spaces; word2vec and
fastText begin with a line that says how many words and numbers there are.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from search.corpus.encode import OOV
from search.corpus.sources import content
from search.corpus.store import Corpus
from search.errors import DataError

MOST_NUMBERS = 4096  # of a word; as many as `embedding_dim` can be


@dataclass(frozen=True)
class Embeddings:
    """Vectors of a corpus' tokens.

    Attributes:
        vectors: float32, (vocabulary with padding and OOV, numbers); zeros where there is none.
        tokens: how many tokens have one.
        coverage: share of the training texts' running tokens that have one.
    """

    vectors: npt.NDArray[np.float32]
    tokens: int
    coverage: float


def read_embeddings(path: Path, corpus: Corpus) -> Embeddings:
    """Reads the vectors of the tokens of a corpus.

    Args:
        path: a text file, also with .gz or .zst. A word that is not there as it is, as a token is
            (lower case), is taken from its first spelling with capitals.
        corpus: whose tokens.

    Raises:
        DataError: the file cannot be read, or a line is not a word and its numbers.
    """
    places = {token: place for place, token in enumerate(corpus.vocabulary, start=2)}
    # A vector's text may have a character that splitlines() takes for the end of a line.
    lines = content(path).split("\n")
    first = 1 if _is_header(lines[0]) else 0
    size = len(lines[first].rstrip().split(" ")) - 1 if len(lines) > first else 0
    if not 1 <= size <= MOST_NUMBERS:
        raise DataError(
            f"{path}: line {first + 1}: expected a word and its numbers, such as "
            f"'film 0.12 -0.5', at most {MOST_NUMBERS:,} of them, found "
            f"{lines[first][:40] if len(lines) > first else ''!r}"
        )
    vectors = np.zeros((len(places) + 2, size), np.float32)
    exact = np.zeros(len(vectors), np.bool_)
    found = np.zeros(len(vectors), np.bool_)
    for number, line in enumerate(lines[first:], start=first + 1):
        if not line.strip():
            continue
        word, *numbers = line.rstrip().rsplit(" ", size)  # a word may have spaces
        place = places.get(word) or places.get(word.lower())
        if len(numbers) == size and place is None:
            continue
        try:
            vector = np.array(numbers, np.float32)
        except ValueError:
            vector = np.empty(0, np.float32)
        if len(vector) != size or not np.isfinite(vector).all():
            raise DataError(
                f"{path}: line {number}: expected a word and {size} numbers as on line "
                f"{first + 1}, found {line[:40]!r}"
            )
        assert place is not None
        if not exact[place] and (word in places or not found[place]):
            vectors[place], found[place], exact[place] = vector, True, word in places
    if not found.any():
        raise DataError(f"{path}: none of its words is in the texts; are they of one language?")
    running = np.asarray(corpus.train.ids)
    running = running[running != OOV]
    return Embeddings(vectors, int(found.sum()), float(found[running].mean()))


def _is_header(line: str) -> bool:
    """Whether a line is "words numbers"."""
    parts = line.split()
    return len(parts) == 2 and all(part.isdigit() for part in parts)
