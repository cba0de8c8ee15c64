"""The tokenizer as operations of a Keras model: the same tokens as in `search.corpus.tokens`.

The input is character indices, (batch, characters): rows of the table of known characters, with 0
for padding. Padding counts as a separator, so it changes nothing.

Only operations that every runtime has are used: 64-bit integer arithmetic with overflow, sums,
comparisons and look-ups. The units (a character with its combining marks) of all texts are in one
flat tensor. Each text begins and ends with a separator there, so that no token or n-gram spans two
texts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from search.corpus.batches import InputConfig
from search.corpus.characters import (
    ALONE,
    CAPITAL,
    DIGIT,
    FOLLOWER,
    KNOWN,
    LETTER,
    MARK,
    MOST_FOLDED,
    SEPARATOR,
    SIGN,
    SMALL,
    UNKNOWN,
    looks,
    table,
)
from search.corpus.encode import OOV
from search.corpus.ngrams import (
    CAPITALISED,
    LOW,
    MOST_DIGITS,
    NUMBER,
    SPACE,
    STEM,
    UPPER,
)
from search.corpus.tokens import BASE, MOST_CHARACTERS, signed, token_hashes
from search.packaging.key_table import key_table, looked_up

INVERSE = pow(BASE, -1, 1 << 64)
STEP = 256  # exponents are split into quotient and remainder by it: two small tables of powers
BEHIND = 2  # separators after a text, so that an n-gram with the first one has a next unit


@cache
def known_characters() -> tuple[str, ...]:
    """All characters with a row of their own in the table; their indices are 2, 3, …"""
    kinds, points = table()
    codes = np.concatenate([np.arange(low, high) for low, high in KNOWN])
    other = (kinds[codes] == ALONE) & (points[codes, 0] == UNKNOWN)
    return tuple(map(chr, codes[~other].tolist()))


def _folds() -> npt.NDArray[np.float32]:
    """For each character index: kind, look, number of folded code points, and the code points."""
    codes = np.array([ord(character) for character in known_characters()])
    kinds, points = table()
    widths = (points[codes] > 0).sum(1)
    rows = np.column_stack([kinds[codes], looks()[codes], widths, points[codes]])
    none, other = [SEPARATOR, SMALL, 1, SPACE, 0, 0], [ALONE, SIGN, 1, UNKNOWN, 0, 0]
    return np.concatenate([[none, other], rows]).astype(np.float32)


def _powers(base: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Tables of base^i and base^(STEP · i), for i < STEP, modulo 2^64."""
    low, high = ([signed(pow(base, i * by, 1 << 64)) for i in range(STEP)] for by in (1, STEP))
    return np.array(low), np.array(high)


def power(base: int, exponents: Any) -> Any:
    """base^exponents, int64, modulo 2^64; exponents are below STEP²."""
    low, high = _powers(base)
    exponents = ops.cast(exponents, "int32")  # LiteRT cannot divide 64-bit integers
    return ops.take(low, ops.mod(exponents, STEP)) * ops.take(high, exponents // STEP)


def before(rows: Any, axis: int = 0) -> Any:
    """The exclusive cumulative sum: for each element, the sum of those before it."""
    return ops.cumsum(rows, axis=axis) - rows


def later(rows: Any, by: int) -> Any:
    """Shifts rows to the left: each element is the one `by` places later, 0 past the end."""
    outer = [[0, 0]] * (len(rows.shape) - 1)
    return ops.pad(rows, [*outer, [0, by]])[..., by:]


def below(most: Any, row: Any) -> Any:
    """0, 1, …, below `most`, a scalar tensor, and below the length of `row`: a dynamic range."""
    places = ops.cumsum(ops.ones_like(row, dtype="int64")) - 1
    return ops.nonzero(ops.less(places, most))[0]


@dataclass(frozen=True)
class Units:
    """The units of all texts in one flat tensor.

    Attributes:
        kind, look: int64, (units,), as in `search.corpus.characters`.
        place: int64, (units,), number of code points before the unit in its text.
        prefix: int64, (units,), hash of these code points: the sum of c_i · BASE^i.
        first, count: int64, (texts,), index of each text's first unit, and its number of units.
    """

    kind: Any
    look: Any
    place: Any
    prefix: Any
    first: Any
    count: Any


def units(characters: Any) -> Units:
    """Computes the units of texts.

    Args:
        characters: character indices, (texts, characters), padded with 0.
    """
    characters = ops.cast(characters[:, :MOST_CHARACTERS], "int32")
    characters = ops.pad(characters, [[0, 0], [1, BEHIND]])
    folds = _folds()
    layer = keras.layers.Embedding(*folds.shape, trainable=False, name="folds")
    row = ops.cast(layer(characters), "int64")
    layer.set_weights([folds])
    kind, look, width, value = (row[..., column] for column in range(4))
    for number in range(1, MOST_FOLDED):
        value = value + row[..., 3 + number] * signed(pow(BASE, number, 1 << 64))
    place = before(width, axis=1)
    prefix = before(value * power(BASE, place), axis=1)
    begins = ops.not_equal(kind, FOLLOWER)
    where = ops.nonzero(ops.reshape(begins, [-1]))[0]
    kind, look, place, prefix = (
        ops.take(ops.reshape(x, [-1]), where) for x in (kind, look, place, prefix)
    )
    count = ops.sum(ops.cast(begins, "int64"), axis=1)
    return Units(kind, look, place, prefix, before(count), count)


@dataclass(frozen=True)
class Tokens:
    """The tokens of all texts in one flat tensor.

    Attributes:
        hashes: int64, (tokens + 1,); the last one belongs to no token.
        first, count: int64, (texts,), index of each text's first token, and its number of tokens.
    """

    hashes: Any
    first: Any
    count: Any

    def at(self, columns: Any) -> Any:
        """Gathers token hashes of each text, (texts, columns).

        Args:
            columns: positions in a text, (columns,) or (texts, columns). Past the end of a text
                the result is arbitrary.
        """
        places = ops.minimum(self.first[:, None] + columns, ops.sum(self.count))
        return ops.take(self.hashes, places)


def tokens(of: Units) -> Tokens:
    """Computes the tokens of texts; marks are separators."""
    row = _Row(of, SEPARATOR)
    return row.tokens((later(row.upto, 1) - row.upto) * row.inverse)


def stems(of: Units) -> tuple[Tokens, Tokens]:
    """Computes the tokens of texts, marks included: as stems, and as shapes of words."""
    row = _Row(of, ALONE)
    next_one = later(row.where, 1)
    end = ops.take(row.sums, ops.minimum(row.where + STEM, next_one))
    hashes = (end - row.upto) * row.inverse

    def number(of_units: Any) -> Any:
        """Counts the units of each token for which `of_units` is true."""
        return later(sums := ops.take(before(ops.cast(of_units, "int64")), row.where), 1) - sums

    count = number(ops.not_equal(row.kind, SEPARATOR))
    tall = number(ops.equal(of.look, CAPITAL) | ops.equal(of.look, DIGIT))
    look = ops.take(of.look, row.where)
    upper = ops.equal(tall, count) & ops.greater(count, 1)
    shapes = ops.where(upper, UPPER, CAPITALISED)
    shapes = ops.where(ops.equal(look, SMALL), LOW, shapes)
    digits = NUMBER - ops.minimum(count, MOST_DIGITS)
    shapes = ops.where(ops.equal(look, DIGIT), digits, ops.cast(shapes, "int64"))
    return row.tokens(hashes), row.tokens(ops.where(ops.equal(look, SIGN), hashes, shapes))


class _Row:
    """The boundaries of tokens in the tensor of all units.

    Attributes:
        kind: (units,), kind of each unit; marks have the given kind.
        where: int64, (tokens + 1,), index of each token's first unit. The last entry is a separator
            after all tokens, since the number of units is out of range in onnxruntime.
        sums: (units,), like `prefix`, but separators add nothing.
        upto: `sums` at `where`.
        inverse: at `where`, the factor that turns a difference of two sums into a hash, which does
            not depend on the token's place in the text.
    """

    def __init__(self, of: Units, mark: int) -> None:
        self.kind = ops.where(ops.equal(of.kind, MARK), mark, of.kind)
        previous = ops.pad(self.kind, [[1, 0]], constant_values=SEPARATOR)
        kind = ops.pad(self.kind, [[0, 1]], constant_values=SEPARATOR)
        apart = ops.equal(kind, ALONE) | ops.not_equal(previous, LETTER)
        begins = ops.not_equal(kind, SEPARATOR) & apart
        last = ops.sum(of.count, keepdims=True) - 1
        self.where = ops.concatenate([ops.nonzero(begins)[0], last])
        own = ops.where(ops.equal(self.kind, SEPARATOR), 0, later(of.prefix, 1) - of.prefix)
        self.sums = before(own)
        self.upto = ops.take(self.sums, self.where)
        self.inverse = power(INVERSE, ops.take(of.place, self.where))
        begins = ops.cast(begins, "int64")
        self._first = ops.take(before(begins), of.first)
        total = ops.sum(begins, keepdims=True)
        self._count = ops.concatenate([self._first[..., 1:], total]) - self._first

    def tokens(self, hashes: Any) -> Tokens:
        return Tokens(hashes, self._first, self._count)


def token_ids(of: Tokens, vocabulary: Sequence[str], input_config: InputConfig) -> Any:
    """Looks up token ids, and truncates texts as `search.corpus.batches.padded` does.

    Args:
        of: the tokens.
        vocabulary: the tokens; token i has the id i + 2.
        input_config: vocabulary size, maximum length and truncation.

    Returns:
        int32, (texts, longest), padded with 0. A text without tokens is one unknown token.
    """
    known = token_hashes(vocabulary[: input_config.vocabulary_size - 2])
    count = ops.maximum(of.count, 1)
    columns = below(ops.minimum(ops.max(count), input_config.max_length), of.hashes)
    left_out = ops.maximum(count - input_config.max_length, 0)[:, None]
    places = columns + ops.where(ops.less(columns, input_config.head), 0, left_out)
    ids = ops.maximum(looked_up(of.at(places), key_table(known), "vocabulary"), OOV)
    ids = ops.where(ops.less(places, of.count[:, None]), ids, OOV)
    return ops.cast(ops.where(ops.less(places, count[:, None]), ids, 0), "int32")
