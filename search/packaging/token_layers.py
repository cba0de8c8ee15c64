"""Tokens in a Keras model: what `search.corpus.tokens` says, in tensors.

Texts come as character numbers (batch, characters): a row of the table of all characters, 0 for
none. A 0 is read as a separator, so that padding changes nothing. Everything is plain arithmetic of
64-bit integers that wraps, sums, comparisons and look-ups, which every runtime has; units of all
texts stand in one flat row, because each text begins and ends with a separator, and no token and
no n-gram reaches over two.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from search.corpus.batches import Reading
from search.corpus.characters import (
    ALONE,
    FOLLOWER,
    KNOWN,
    LETTER,
    MARK,
    MOST_FOLDED,
    SEPARATOR,
    UNKNOWN,
    table,
)
from search.corpus.encode import OOV
from search.corpus.ngrams import SPACE, STEM
from search.corpus.tokens import BASE, MOST_CHARACTERS, signed, token_hashes
from search.packaging.key_table import key_table, looked_up

INVERSE = pow(BASE, -1, 1 << 64)
STEP = 256  # of a power of BASE, to look it up in two tables instead of one large one
BEHIND = 2  # separators behind a text: so also an n-gram with the first of them has a next unit


@cache
def known_characters() -> tuple[str, ...]:
    """All characters with a row of their own; their numbers are 2, 3, …"""
    kinds, points = table()
    codes = np.concatenate([np.arange(low, high) for low, high in KNOWN])
    other = (kinds[codes] == ALONE) & (points[codes, 0] == UNKNOWN)
    return tuple(map(chr, codes[~other].tolist()))


def _folds() -> npt.NDArray[np.float32]:
    """Of every character number its kind, how many folded code points it has, and these."""
    codes = np.array([ord(character) for character in known_characters()])
    kinds, points = table()
    rows = np.concatenate(
        [kinds[codes, None], (points[codes] > 0).sum(1)[:, None], points[codes]], 1
    )
    none, other = [SEPARATOR, 1, SPACE, 0, 0], [ALONE, 1, UNKNOWN, 0, 0]
    return np.concatenate([[none, other], rows]).astype(np.float32)


def _powers(base: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """base^i and base^(STEP · i), for i below STEP."""
    low, high = ([signed(pow(base, i * by, 1 << 64)) for i in range(STEP)] for by in (1, STEP))
    return np.array(low), np.array(high)


def power(base: int, exponents: Any) -> Any:
    """Whole powers, below STEP², of a whole number, int64."""
    low, high = _powers(base)
    exponents = ops.cast(exponents, "int32")  # LiteRT divides no 64-bit integers
    return ops.take(low, ops.mod(exponents, STEP)) * ops.take(high, exponents // STEP)


def before(rows: Any, axis: int = 0) -> Any:
    """The sum of all numbers that stand before each."""
    return ops.cumsum(rows, axis=axis) - rows


def later(rows: Any, by: int) -> Any:
    """What stands so many places later in a row; 0 behind its end."""
    outer = [[0, 0]] * (len(rows.shape) - 1)
    return ops.pad(rows, [*outer, [0, by]])[..., by:]


def below(most: Any, row: Any) -> Any:
    """0, 1, … below a number that is known when the model runs, and below the length of a row."""
    places = ops.cumsum(ops.ones_like(row, dtype="int64")) - 1
    return ops.nonzero(ops.less(places, most))[0]


@dataclass(frozen=True)
class Units:
    """The units of all texts in one flat row; tensors.

    Attributes:
        kind: int64, (units,).
        place: int64, (units,): how many code points of its text stand before it.
        prefix: int64, (units,): the sum of these, c_i · BASE^i.
        first, count: int64, (texts,): where each text begins, and how many units it has.
    """

    kind: Any
    place: Any
    prefix: Any
    first: Any
    count: Any


def units(characters: Any) -> Units:
    """The units of texts.

    Args:
        characters: numbers of characters, (texts, characters), 0 behind the end of each.
    """
    characters = ops.cast(characters[:, :MOST_CHARACTERS], "int32")
    characters = ops.pad(characters, [[0, 0], [1, BEHIND]])
    folds = _folds()
    layer = keras.layers.Embedding(*folds.shape, trainable=False, name="folds")
    row = ops.cast(layer(characters), "int64")
    layer.set_weights([folds])
    kind, width = row[..., 0], row[..., 1]
    value = row[..., 2]
    for number in range(1, MOST_FOLDED):
        value = value + row[..., 2 + number] * signed(pow(BASE, number, 1 << 64))
    place = before(width, axis=1)
    prefix = before(value * power(BASE, place), axis=1)
    begins = ops.not_equal(kind, FOLLOWER)
    where = ops.nonzero(ops.reshape(begins, [-1]))[0]
    kind, place, prefix = (ops.take(ops.reshape(x, [-1]), where) for x in (kind, place, prefix))
    count = ops.sum(ops.cast(begins, "int64"), axis=1)
    return Units(kind, place, prefix, before(count), count)


@dataclass(frozen=True)
class Tokens:
    """The tokens of all texts in one flat row; tensors.

    Attributes:
        hashes: int64, (tokens + 1,), the last one of no token.
        first, count: int64, (texts,): where each text begins, and how many tokens it has.
    """

    hashes: Any
    first: Any
    count: Any

    def at(self, columns: Any) -> Any:
        """The hashes of tokens of each text, (texts, columns); beyond its own any others.

        Args:
            columns: which tokens of a text, (columns,) or (texts, columns).
        """
        places = ops.minimum(self.first[:, None] + columns, ops.sum(self.count))
        return ops.take(self.hashes, places)


def tokens(of: Units) -> Tokens:
    """The tokens of texts, without marks."""
    return _tokens(of, SEPARATOR, None)


def stems(of: Units) -> Tokens:
    """The tokens of texts, marks among them; the hashes are of the first units of each."""
    return _tokens(of, ALONE, STEM)


def _tokens(of: Units, mark: int, most: int | None) -> Tokens:
    """Tokens: what kind a mark is, and how many units of a token count."""
    own_kind = ops.where(ops.equal(of.kind, MARK), mark, of.kind)
    previous = ops.pad(own_kind, [[1, 0]], constant_values=SEPARATOR)
    kind = ops.pad(own_kind, [[0, 1]], constant_values=SEPARATOR)
    apart = ops.equal(kind, ALONE) | ops.not_equal(previous, LETTER)
    begins = ops.not_equal(kind, SEPARATOR) & apart
    # The last unit is a separator: all tokens are before it. (The sum of all would do as well, if
    # it wrapped in onnxruntime.)
    where = ops.concatenate([ops.nonzero(begins)[0], ops.sum(of.count, keepdims=True) - 1])
    own = ops.where(ops.equal(own_kind, SEPARATOR), 0, later(of.prefix, 1) - of.prefix)
    sums = before(own)
    upto, inverse = ops.take(sums, where), power(INVERSE, ops.take(of.place, where))
    end = later(upto, 1)  # what separates two tokens adds nothing to a sum
    if most is not None:
        end = ops.take(sums, ops.minimum(where + most, later(where, 1)))
    hashes = (end - upto) * inverse
    begins = ops.cast(begins, "int64")
    first = ops.take(before(begins), of.first)
    total = ops.sum(begins, keepdims=True)
    return Tokens(hashes, first, ops.concatenate([first[..., 1:], total]) - first)


def token_ids(of: Tokens, vocabulary: Sequence[str], reading: Reading) -> Any:
    """The ids of the tokens of texts, cut as `search.corpus.batches.padded` cuts them.

    Args:
        of: the tokens.
        vocabulary: the token with the id i + 2 in place i; of them, the network knows the first.
        reading: how many it knows, and what of a text it sees.

    Returns:
        int32, (texts, longest), 0 behind the end of each. No token is one unknown one.
    """
    known = token_hashes(vocabulary[: reading.vocabulary_size - 2])
    count = ops.maximum(of.count, 1)
    columns = below(ops.minimum(ops.max(count), reading.max_length), of.hashes)
    left_out = ops.maximum(count - reading.max_length, 0)[:, None]
    places = columns + ops.where(ops.less(columns, reading.head), 0, left_out)
    ids = ops.maximum(looked_up(of.at(places), key_table(known), "vocabulary"), OOV)
    ids = ops.where(ops.less(places, of.count[:, None]), ids, OOV)
    return ops.cast(ops.where(ops.less(places, count[:, None]), ids, 0), "int32")
