"""Words, stems, pieces of words and pairs, hashed into buckets: what n-gram models see of a text.

A bucket is an n-gram's 64-bit hash modulo a prime number, so that no n-gram has to be listed, and
the exported model computes the same with a few operations (`search.packaging.text_model`).

Words: every token and every pair of neighbouring tokens. Stems: the first units of every token, so
that the forms of a word are one (Can et al. 2008), every punctuation mark, two and three
neighbours, and the shapes of every three: capitals, digits, marks; a text's beginning and its end
are neighbours, too. Characters: two to five units in a row (see `search.corpus.tokens`), marks
among them, and white space at either end, but not inside.
"""

from collections.abc import Sequence
from typing import Any, Literal

import numba
import numpy as np
import numpy.typing as npt
from scipy import sparse

from search.corpus.characters import (
    CAPITAL,
    DIGIT,
    FOLLOWER,
    MOST_FOLDED,
    SEPARATOR,
    SIGN,
    SMALL,
    looks,
    table,
)
from search.corpus.tokens import AT_A_TIME, BASE, Hashes, Offsets, Texts, code_points, signed, spans

Kind = Literal["words", "stems", "characters"]
KINDS: tuple[Kind, ...] = ("words", "stems", "characters")
STEM = 5  # units
BEGINNING, END = signed(0x8E51_2C1B_9D37_64A5), signed(0xC2B7_49D6_1F83_5E0D)  # odd, else any
# Shapes of words: small, Capital, CAPITALS, and one less for each digit of a number.
LOW, CAPITALISED, UPPER, NUMBER = -1, -2, -3, -4
MOST_DIGITS = 4  # that are told apart
SIZES = (2, 3, 4, 5)  # units of a character n-gram
MIX = signed(0x9E3779B97F4A7C15)  # of a pair's first word: Fibonacci hashing (Knuth)
MOST_COUNTED = 16  # occurrences of an n-gram in a text
SPACE = 0x20  # what a separator folds to

Found = tuple[npt.NDArray[np.int32], Offsets]
"""The buckets of the n-grams of some texts, one text after another, and how many each has."""


def counted(texts: Texts, kind: Kind, buckets: int) -> sparse.csr_array:
    """How often each n-gram occurs.

    Args:
        texts: shape (texts,).
        kind: which n-grams.
        buckets: a prime number.

    Returns:
        (texts, buckets), float32; a count above `MOST_COUNTED` is that. Columns are sorted.
    """
    indices, data, sizes = [np.empty(0, np.int32)], [np.empty(0, np.float32)], [np.zeros(1, int)]
    find = {"words": _words, "stems": _stems, "characters": _characters}[kind]
    for begin in range(0, len(texts), AT_A_TIME):
        part = texts[begin : begin + AT_A_TIME]
        found, counts = find(part, buckets)
        ends = np.cumsum(counts)
        for end, count in zip(ends.tolist(), counts.tolist(), strict=True):
            found[end - count : end].sort()
        first = np.ones(len(found), bool)
        first[1:] = found[1:] != found[:-1]
        first[ends[ends < len(found)]] = True
        places = np.flatnonzero(first)
        often = np.diff(places, append=len(found))
        data.append(np.minimum(often, MOST_COUNTED).astype(np.float32))
        indices.append(found[places])
        sizes.append(np.bincount(np.searchsorted(ends, places, "right"), minlength=len(part)))
    offsets = np.cumsum(np.concatenate(sizes)).astype(np.int32)  # as liblinear wants them
    content = np.concatenate(data), np.concatenate(indices), offsets
    return sparse.csr_array(content, shape=(len(texts), buckets))


def _words(texts: Texts, buckets: int) -> Found:
    words, _, _, counts = spans(*code_points(texts))
    rows = _rows(counts)
    pairs = _chained(words[:-1], words[1:]), rows[1:]
    return _in_buckets([(words, rows), _of_one_row(*pairs, rows[:-1])], len(texts), buckets)


def _stems(texts: Texts, buckets: int) -> Found:
    flat, bounds = code_points(texts)
    _, first, end, counts = spans(flat, bounds, marks=True)
    stems = _first_units(flat, first, end, *table())
    shapes = _shapes(flat, first, end, table()[0], looks(), stems)
    inside = counts + 2 * (counts > 0)  # a text without a token has no ends, either
    rows = _rows(inside)
    pairs, triples = _neighbours(stems, inside)
    parts = [
        (stems, _rows(counts)),
        _of_one_row(pairs, rows[1:], rows[:-1]),
        _of_one_row(triples, rows[2:], rows[:-2]),
        _of_one_row(_neighbours(shapes, inside)[1], rows[2:], rows[:-2]),
    ]
    return _in_buckets(parts, len(texts), buckets)


def _neighbours(hashes: Hashes, inside: Offsets) -> tuple[Hashes, Hashes]:
    """Two and three neighbours of each text's tokens and its ends, and across texts.

    Args:
        hashes: of the tokens.
        inside: the number of tokens and ends of each text.
    """
    last = np.cumsum(inside)[inside > 0] - 1
    first = last + 1 - inside[inside > 0]
    ends = np.empty(inside.sum(), np.int64)
    ends[first], ends[last] = BEGINNING, END
    tokens = np.ones(len(ends), bool)
    tokens[first] = tokens[last] = False
    ends[tokens] = hashes
    pairs = _chained(ends[:-1], ends[1:])
    return pairs, _chained(pairs[:-1], ends[2:])


def _rows(counts: Offsets) -> Offsets:
    """The text of each thing, of which there are so many in each text."""
    return np.repeat(np.arange(len(counts)), counts)


def _of_one_row(hashes: Hashes, rows: Offsets, others: Offsets) -> tuple[Hashes, Offsets]:
    """The hashes of neighbours that are in one text."""
    same = rows == others
    return hashes[same], rows[same]


def _chained(left: Hashes, right: Hashes) -> Hashes:
    """The hashes of neighbours as one."""
    return left * MIX + right


def _in_buckets(parts: Sequence[tuple[Hashes, Offsets]], texts: int, buckets: int) -> Found:
    """The buckets of hashes, each with its text."""
    hashes, rows = (np.concatenate(both) for both in zip(*parts, strict=True))
    order = np.argsort(rows.astype(np.uint16), kind="stable")  # which takes as long as a copy
    return (hashes[order] % buckets).astype(np.int32), np.bincount(rows, minlength=texts)


@numba.njit(cache=True, nogil=True)
def _first_units(flat: Any, first: Any, end: Any, kinds: Any, points: Any) -> Any:
    """The hash of the first `STEM` units of each token."""
    hashes = np.empty(len(first), np.int64)
    for token in range(len(first)):
        value, power = np.int64(0), np.int64(1)
        units = 0
        for place in range(first[token], end[token]):
            units += kinds[flat[place]] != FOLLOWER
            if units > STEM:
                break
            for number in range(MOST_FOLDED):
                point = points[flat[place], number]
                if point:
                    value += point * power
                    power *= BASE
        hashes[token] = value
    return hashes


@numba.njit(cache=True, nogil=True)
def _shapes(flat: Any, first: Any, end: Any, kinds: Any, looks: Any, stems: Any) -> Any:
    """The shape of each token; that of a sign is its own hash."""
    shapes = np.empty(len(first), np.int64)
    for token in range(len(first)):
        units, tall = 0, 0
        for place in range(first[token], end[token]):
            if kinds[flat[place]] != FOLLOWER:
                units += 1
                tall += looks[flat[place]] in (CAPITAL, DIGIT)
        look = looks[flat[first[token]]]
        if look == SIGN:
            shapes[token] = stems[token]
        elif look == DIGIT:
            shapes[token] = NUMBER - min(units, MOST_DIGITS)
        elif look == SMALL:
            shapes[token] = LOW
        else:
            shapes[token] = UPPER if tall == units > 1 else CAPITALISED
    return shapes


def _characters(texts: Texts, buckets: int) -> Found:
    flat, bounds = code_points(texts)
    kinds, points = table()
    found, counts = _pieces(flat, bounds, kinds, points, buckets)
    return found, counts


@numba.njit(cache=True, nogil=True)
def _pieces(flat: Any, bounds: Any, kinds: Any, points: Any, buckets: int) -> Any:
    sizes = len(SIZES)
    # A text has one separator more at either end than it has units, and at most so many n-grams.
    found = np.empty(sizes * (len(flat) + 2 * (len(bounds) - 1)), np.int32)
    counts = np.empty(len(bounds) - 1, np.int64)
    total = 0
    for text in range(len(bounds) - 1):
        begin, end = bounds[text], bounds[text + 1]
        # Each unit's code points as a sum that begins with BASE^0, its width, and its kind.
        sums = np.empty(end - begin + 2, np.int64)
        widths = np.empty(end - begin + 2, np.int64)
        apart = np.empty(end - begin + 2, np.bool_)
        sums[0], widths[0], apart[0] = SPACE, BASE, True  # a width is kept as a power of BASE
        units = 1
        for place in range(begin, end):
            kind = kinds[flat[place]]
            if kind != FOLLOWER:
                sums[units], widths[units], apart[units] = 0, 1, kind == SEPARATOR
                units += 1
            for number in range(MOST_FOLDED):
                point = points[flat[place], number]
                if point:
                    sums[units - 1] += point * widths[units - 1]
                    widths[units - 1] *= BASE
        sums[units], widths[units], apart[units] = SPACE, BASE, True
        units += 1
        before = total
        for first in range(units):
            value, power = np.int64(0), np.int64(1)
            for number in range(SIZES[-1]):
                last = first + number
                if last >= units or (number > 1 and apart[last - 1]):
                    break
                value += sums[last] * power
                power *= widths[last]
                if number + 1 >= SIZES[0] and not (number == 1 and apart[first] and apart[last]):
                    found[total] = value % buckets
                    total += 1
        counts[text] = total - before
    return found[:total].copy(), counts
