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
    """Of every character number its kind, its look, its number of folded points, and these."""
    codes = np.array([ord(character) for character in known_characters()])
    kinds, points = table()
    widths = (points[codes] > 0).sum(1)
    rows = np.column_stack([kinds[codes], looks()[codes], widths, points[codes]])
    none, other = [SEPARATOR, SMALL, 1, SPACE, 0, 0], [ALONE, SIGN, 1, UNKNOWN, 0, 0]
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
        kind, look: int64, (units,).
        place: int64, (units,): how many code points of its text stand before it.
        prefix: int64, (units,): the sum of these, c_i · BASE^i.
        first, count: int64, (texts,): where each text begins, and how many units it has.
    """

    kind: Any
    look: Any
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
    row = _Row(of, SEPARATOR)
    return row.tokens((later(row.upto, 1) - row.upto) * row.inverse)


def stems(of: Units) -> tuple[Tokens, Tokens]:
    """The tokens of texts, marks among them: by the hashes of their first units, and by shape."""
    row = _Row(of, ALONE)
    next_one = later(row.where, 1)
    end = ops.take(row.sums, ops.minimum(row.where + STEM, next_one))
    hashes = (end - row.upto) * row.inverse

    def number(of_units: Any) -> Any:
        """How many units of each token there are."""
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
    """Where in the row of all units tokens begin.

    Attributes:
        kind: of each unit, with marks as the given kind.
        where: int64, (tokens + 1,): the first unit of each; the last one is a separator, and all
            tokens are before it. (The number of units would do as well, if it wrapped in
            onnxruntime.)
        sums: what stands before each unit, of tokens alone: what separates two adds nothing.
        upto: the same at `where`.
        inverse: what makes a hash of a difference of two sums, at `where`.
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
