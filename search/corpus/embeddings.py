"""Reads pretrained word vectors in the text format of GloVe, word2vec and fastText.

Each line has a word and its numbers, separated by spaces; word2vec and fastText begin with a line
of the number of words and the size of the vectors.
"""

import itertools
import lzma
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from search.corpus.compression import opened
from search.corpus.encode import OOV
from search.corpus.encodings import not_decoded
from search.corpus.store import Corpus
from search.corpus.tokens import code_points, spelled
from search.errors import DataError

MOST_NUMBERS = 4096  # of a word; as many as `embedding_dim` can be
LONGEST_LINE = 1_000_000  # bytes, of a word and so many numbers


@dataclass(frozen=True)
class Embeddings:
    """Pretrained vectors of a corpus' tokens.

    Attributes:
        vectors: float32, (vocabulary with padding and OOV, size); zeros for tokens without one.
        tokens: number of tokens with a vector.
        coverage: share of the training texts' running tokens with a vector.
    """

    vectors: npt.NDArray[np.float32]
    tokens: int
    coverage: float


def read_embeddings(path: Path, corpus: Corpus) -> Embeddings:
    """Reads the vectors of the tokens of a corpus.

    Args:
        path: a text file, also with .gz or .zst. A token (case-folded) that is missing there takes
            the vector of its first other spelling, such as one with capitals.
        corpus: whose tokens are looked up.

    Raises:
        DataError: the file cannot be read, or a line is not a word and its numbers.
    """
    places = {token: place for place, token in enumerate(corpus.vocabulary, start=2)}
    lines = _lines(path)
    first, beginning = next(lines, (0, ""))
    if not first:
        raise DataError(f"{path}: the file is empty")
    if _is_header(beginning):
        first, beginning = next(lines, (2, ""))
    size = len(beginning.rstrip().split(" ")) - 1
    if not 1 <= size <= MOST_NUMBERS:
        raise DataError(
            f"{path}: line {first}: expected a word and its numbers, such as "
            f"'film 0.12 -0.5', at most {MOST_NUMBERS:,} of them, found {beginning[:40]!r}"
        )
    vectors = np.zeros((len(places) + 2, size), np.float32)
    exact = np.zeros(len(vectors), np.bool_)
    found = np.zeros(len(vectors), np.bool_)
    for number, line in itertools.chain([(first, beginning)], lines):
        if not line.strip():
            continue
        word, *numbers = line.rstrip().rsplit(" ", size)  # a word may have spaces
        place = places.get(word) or places.get(_folded(word))
        if len(numbers) == size and place is None:
            continue
        try:
            vector = np.array(numbers, np.float32)
        except ValueError:
            vector = np.empty(0, np.float32)
        if len(vector) != size or not np.isfinite(vector).all():
            raise DataError(
                f"{path}: line {number}: expected a word and {size} numbers as on line "
                f"{first}, found {line[:40]!r}"
            )
        assert place is not None
        if not exact[place] and (word in places or not found[place]):
            vectors[place], found[place], exact[place] = vector, True, word in places
    if not found.any():
        raise DataError(f"{path}: none of its words is in the texts; are they of one language?")
    running = np.asarray(corpus.train.ids)
    running = running[running != OOV]
    return Embeddings(vectors, int(found.sum()), float(found[running].mean()))


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a file and their numbers, one at a time: these files are larger than memory.

    A line ends with "\\n" alone: a vector's word may have another character that ends lines.
    """
    try:
        with opened(path) as file:
            for number, content in enumerate(iter(lambda: file.readline(LONGEST_LINE), b""), 1):
                try:
                    text = content.decode("utf-8-sig" if number == 1 else "utf-8")
                    yield number, text.removesuffix("\n")
                except UnicodeDecodeError as error:
                    raise not_decoded(
                        str(path), content, error.start, "utf-8", None, number - 1
                    ) from error
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise DataError(f"{path}: cannot be read: {error.strerror}") from error
        raise DataError(f"{path}: cannot be decompressed: {error}") from error


def _folded(word: str) -> str:
    """A word as it stands in a vocabulary."""
    return word.lower() if word.isascii() else spelled(code_points([word])[0])


def _is_header(line: str) -> bool:
    """Whether a line is "words numbers"."""
    parts = line.split()
    return len(parts) == 2 and all(part.isdigit() for part in parts)
