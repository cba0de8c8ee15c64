"""The tokenizer of models exported by version 0.1: that of Keras' TextVectorization.

Lower case and punctuation of ASCII alone; words between spaces, or characters.
"""

import itertools
import string
from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from search.corpus.encode import OOV, Encoded

OldTokens = Literal["whitespace", "character"]

PUNCTUATION = string.punctuation.encode()


def numbered(vocabulary: Iterable[str]) -> dict[bytes, int]:
    """The id of every known token, in UTF-8."""
    return {token.encode(): n for n, token in enumerate(vocabulary, start=2)}


def encode_known(
    texts: Sequence[str], tokens: OldTokens, numbers: dict[bytes, int], most: int | None = None
) -> Encoded:
    """As `search.corpus.encode.encode` does, with the ids that `numbered` gave.

    Args:
        texts: shape (rows,).
        tokens: what a token is.
        numbers: ids by token.
        most: maximum number of tokens of a text; None for all.
    """
    rows = [[numbers.get(token, OOV) for token in _tokenize(text, tokens, most)] for text in texts]
    lengths = np.fromiter(map(len, rows), np.int64, len(rows))
    ids = np.fromiter(itertools.chain.from_iterable(rows), np.int32, lengths.sum())
    return _filled(ids, lengths)


def _tokenize(text: str, tokens: OldTokens, most: int | None = None) -> list[bytes]:
    """Tokenizes a text as TextVectorization does, which lower-cases ASCII letters only.

    TensorFlow takes ten times as long; `tests/packaging/test_old_tokens.py` compares the two.
    """
    clean = text.encode(errors="replace").lower().translate(None, PUNCTUATION)
    if tokens == "whitespace":
        return clean.split() if most is None else clean.split(None, most)[:most]
    return [character.encode() for character in clean.decode()[:most]]


def _filled(ids: npt.NDArray[np.int32], lengths: npt.NDArray[np.int64]) -> Encoded:
    """Ids and offsets, with an OOV token in every empty text."""
    empty = lengths == 0
    ids = np.insert(ids, (np.cumsum(lengths) - lengths)[empty], OOV)
    offsets = np.concatenate([[0], np.cumsum(np.where(empty, 1, lengths))]).astype(np.int64)
    return ids, offsets
