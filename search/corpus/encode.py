"""Texts to token ids with Keras' TextVectorization, once for a whole run.

Ids are those of TextVectorization: 0 pads, 1 is every unknown token (OOV), and from 2 on the
tokens of the training texts, most frequent first. So a vocabulary of V tokens is the first V of a
larger one, and a trial that wants fewer tokens maps ids >= V to 1; nothing is tokenized again.
"""

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Tokens = Literal["whitespace", "character"]

LARGEST_VOCABULARY = 80_000
PADDING, OOV = 0, 1

# Scripts that do not put spaces between words: Thai, Lao, Myanmar, Khmer, kana, Han.
_UNSPACED = (
    *((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF)),
    *((0x3040, 0x30FF), (0x3400, 0x9FFF), (0x20000, 0x3FFFF)),
)
_SAMPLE = 1_000  # texts looked at to tell the script


def token_kind(texts: npt.NDArray[np.object_]) -> Tokens:
    """Words between spaces, or characters where most letters are of a script without spaces."""
    letters = [ord(c) for text in texts[:_SAMPLE] for c in text[:500] if c.isalpha()]
    unspaced = sum(any(low <= c <= high for low, high in _UNSPACED) for c in letters)
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


def learn_vocabulary(texts: npt.NDArray[np.object_], tokens: Tokens) -> tuple[str, ...]:
    """The tokens of `texts`, most frequent first, without the entries for padding and OOV.

    Args:
        texts: training texts only: a token seen only in validation or test must stay unknown.
        tokens: what a token is.
    """
    import tensorflow as tf

    layer = text_vectorization(tokens, max_tokens=LARGEST_VOCABULARY)
    # In batches: adapting on one array of strings is 150 times slower (Keras 3.15).
    layer.adapt(tf.data.Dataset.from_tensor_slices(texts.astype(str)).batch(1024))
    return tuple(str(token) for token in layer.get_vocabulary(include_special_tokens=False))


def encode(
    texts: npt.NDArray[np.object_], tokens: Tokens, vocabulary: tuple[str, ...]
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
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
    import tensorflow as tf

    layer = text_vectorization(tokens, list(vocabulary), ragged=True)
    pieces: list[npt.NDArray[np.int32]] = []
    lengths: list[npt.NDArray[np.int64]] = []
    for batch in tf.data.Dataset.from_tensor_slices(texts.astype(str)).batch(1024):
        ragged = layer(batch)
        pieces.append(ragged.flat_values.numpy().astype(np.int32))
        lengths.append(ragged.row_lengths().numpy())
    ids, length = np.concatenate(pieces), np.concatenate(lengths)
    empty = length == 0
    ids = np.insert(ids, (np.cumsum(length) - length)[empty], OOV)
    offsets = np.concatenate([[0], np.cumsum(np.where(empty, 1, length))]).astype(np.int64)
    return ids, offsets
