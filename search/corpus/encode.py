"""Texts to the token ids of Keras' TextVectorization, once for a whole run.

0 pads, 1 is every unknown token (OOV), and from 2 on come the tokens of the training texts, most
frequent first. So a vocabulary of V tokens is the first V of a larger one, and a trial that wants
fewer tokens maps ids >= V to 1; nothing is tokenized again.
"""

import itertools
import string
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Tokens = Literal["whitespace", "character"]
Texts = npt.NDArray[np.object_]
Encoded = tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]

LARGEST_VOCABULARY = 80_000
PADDING, OOV = 0, 1

# Scripts that do not put spaces between words: Thai, Lao, Myanmar, Khmer, kana, Han.
UNSPACED = (
    *((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF)),
    *((0x3040, 0x30FF), (0x3400, 0x9FFF), (0x20000, 0x3FFFF)),
)
PUNCTUATION = string.punctuation.encode()
_SAMPLE = 1_000  # texts looked at to tell the script


def token_kind(texts: npt.NDArray[np.object_]) -> Tokens:
    """Words between spaces, or characters where most letters are of a script without spaces."""
    letters = [ord(c) for text in texts[:_SAMPLE] for c in text[:500] if c.isalpha()]
    unspaced = sum(any(low <= c <= high for low, high in UNSPACED) for c in letters)
    return "character" if unspaced > len(letters) / 2 else "whitespace"


def text_vectorization(tokens: Tokens, vocabulary: list[str] | None = None, **options: Any) -> Any:
    """A TextVectorization layer: lower case (ASCII), no ASCII punctuation.

    Args:
        tokens: what a token is.
        vocabulary: known tokens without padding and OOV, or None to adapt it.
        **options: further arguments of keras.layers.TextVectorization.
    """
    import keras

    return keras.layers.TextVectorization(
        standardize="lower_and_strip_punctuation",
        split=tokens,
        vocabulary=vocabulary,
        output_mode="int",
        **options,
    )


def learn_vocabulary(
    tokens: Tokens, *collections: npt.NDArray[np.object_]
) -> tuple[tuple[str, ...], list[Encoded]]:
    """The tokens of some texts, and the texts in ids.

    Args:
        tokens: what a token is.
        collections: str, shape (rows,) each. A token seen only in validation or test must stay
            unknown, so these are the training texts and others that are not scored.

    Returns:
        vocabulary: the tokens of the first collection, most frequent first (of equals, as
            TextVectorization has it, the last in the alphabet first), then those that only the
            next one has, ...; without the entries for padding and OOV.
        encoded: the collections, as `encode` returns them.
    """
    numbers = defaultdict[bytes, int](itertools.count().__next__)  # a new token, the next number
    found = []
    order: list[int] = []
    for texts in collections:
        new = len(numbers)
        number = numbers.__getitem__
        rows = [np.fromiter(map(number, _tokenize(text, tokens)), np.int32) for text in texts]
        raw = np.concatenate([np.empty(0, np.int32), *rows])
        found.append((raw, np.fromiter(map(len, rows), np.int64, len(rows))))
        counts = np.bincount(raw, minlength=len(numbers)).tolist()
        names = list(itertools.islice(numbers, new, None))
        order += sorted(
            range(new, len(numbers)), key=lambda n: (counts[n], names[n - new]), reverse=True
        )
    known = list(numbers)
    del order[LARGEST_VOCABULARY - 2 :]
    ids = np.full(len(numbers), OOV, np.int32)
    ids[order] = np.arange(2, len(order) + 2)
    return tuple(known[n].decode() for n in order), [_filled(ids[r], n) for r, n in found]


def encode(texts: npt.NDArray[np.object_], tokens: Tokens, vocabulary: tuple[str, ...]) -> Encoded:
    """Encodes texts as one flat array of ids.

    A text with no token left after cleaning becomes one OOV token: a network needs a last state.

    Args:
        texts: str, shape (rows,).
        tokens: what a token is.
        vocabulary: as `learn_vocabulary` returns it.

    Returns:
        ids: int32, shape (tokens,), the texts one after another.
        offsets: int64, shape (rows + 1,); text i is ids[offsets[i]:offsets[i + 1]].
    """
    return encode_known(texts, tokens, numbered(vocabulary))


def numbered(vocabulary: Iterable[str]) -> dict[bytes, int]:
    """The id of every known token, in UTF-8."""
    return {token.encode(): n for n, token in enumerate(vocabulary, start=2)}


def encode_known(
    texts: Sequence[str] | Texts, tokens: Tokens, numbers: dict[bytes, int], most: int | None = None
) -> Encoded:
    """As `encode`, with the ids that `numbered` gave, for texts that come a few at a time.

    Args:
        texts, tokens: as for `encode`.
        numbers: ids by token.
        most: how many of the first tokens of a text are enough; None for all.
    """
    rows = [[numbers.get(token, OOV) for token in _tokenize(text, tokens, most)] for text in texts]
    lengths = np.fromiter(map(len, rows), np.int64, len(rows))
    ids = np.fromiter(itertools.chain.from_iterable(rows), np.int32, lengths.sum())
    return _filled(ids, lengths)


def decode(
    encoded: Encoded, rows: Iterable[int], tokens: Tokens, vocabulary: tuple[str, ...]
) -> list[str]:
    """Some rows' texts, of their known tokens; an unknown one is the replacement character."""
    ids, offsets = encoded
    words = ("", "\N{REPLACEMENT CHARACTER}", *vocabulary)
    between = " " if tokens == "whitespace" else ""
    return [between.join(words[i] for i in ids[offsets[r] : offsets[r + 1]]) for r in rows]


def _tokenize(text: str, tokens: Tokens, most: int | None = None) -> list[bytes]:
    """What TextVectorization makes of a text, which knows ASCII's letters and spaces only.

    TensorFlow takes ten times as long (`tests/corpus/test_encode.py` holds the two together).
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
