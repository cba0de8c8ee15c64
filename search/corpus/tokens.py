"""The tokenizer, for any language, the same in Python and in the exported model.

A text is a sequence of units: a character with its combining marks (accents, vowel signs). A token
is a run of letters, or a unit of its own: a Han character, an emoji, a question mark. Other
punctuation and white space only separates tokens; with `marks`, each punctuation mark is a token,
too. See `search.corpus.characters`.

A token is identified by a hash of its folded code points c_0, c_1, …: the sum of c_i · BASE^i in
64-bit arithmetic that wraps. It is the difference of two prefix sums over the text, which is how
the exported model computes it (`search.packaging.token_layers`), also for character n-grams.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from search.corpus.characters import ALONE, FOLLOWER, MARK, MOST_FOLDED, SEPARATOR, table

BASE = 6364136223846793005  # odd, so that its powers have inverses (Knuth's MMIX multiplier)
MOST_CHARACTERS = 16_384  # of a text; what comes after them is not read
AT_A_TIME = 2_000  # texts whose characters are in memory at once

Texts = Sequence[str] | npt.NDArray[np.object_]
Hashes = npt.NDArray[np.int64]
Offsets = npt.NDArray[np.int64]


def signed(number: int) -> int:
    """Converts an integer to signed 64 bits, with wrap-around."""
    number %= 1 << 64
    return number - (1 << 64) if number >> 63 else number


def spelled(codes: npt.NDArray[np.uint32]) -> str:
    """Folds code points into a string: a token's entry in a vocabulary."""
    points = table()[1][codes]
    return str(points[points > 0].astype("<u4").tobytes(), "utf-32-le")


def spellings(flat: npt.NDArray[np.uint32], first: Offsets, end: Offsets) -> list[str]:
    """As `spelled`, of the tokens at flat[first[i] : end[i]]."""
    lengths = end - first
    starts = np.cumsum(lengths) - lengths
    places = np.arange(lengths.sum()) + np.repeat(first - starts, lengths)
    points = table()[1][flat[places]]
    bounds = np.concatenate([[0], np.cumsum(np.count_nonzero(points, axis=1))])
    text = str(points[points > 0].astype("<u4").tobytes(), "utf-32-le")
    begins, ends = bounds[starts].tolist(), bounds[starts + lengths].tolist()
    return [text[begin:stop] for begin, stop in zip(begins, ends, strict=True)]


def token_hash(token: str) -> int:
    """The hash of a token in the spelling of `spelled`."""
    return signed(sum(ord(c) * pow(BASE, i, 1 << 64) for i, c in enumerate(token)))


def token_hashes(tokens: Sequence[str]) -> Hashes:
    """As `token_hash`, of many tokens."""
    lengths = np.fromiter(map(len, tokens), np.int64, len(tokens))
    if not len(lengths):
        return np.empty(0, np.int64)
    points = np.frombuffer("".join(tokens).encode("utf-32-le"), np.uint32).astype(np.int64)
    starts = np.cumsum(lengths) - lengths
    powers = np.cumprod(np.r_[1, np.full(lengths.max() - 1, BASE)], dtype=np.int64)
    places = np.arange(len(points)) - np.repeat(starts, lengths)
    return np.add.reduceat(points * powers[places], starts)


def code_points(texts: Texts) -> tuple[npt.NDArray[np.uint32], Offsets]:
    """Returns the code points of all texts, concatenated, and their offsets.

    Half a surrogate pair counts as an unknown character.
    """
    parts = [str(text)[:MOST_CHARACTERS] for text in texts]
    lengths = np.fromiter(map(len, parts), np.int64, len(parts))
    flat = np.frombuffer("".join(parts).encode("utf-32-le", "surrogatepass"), np.uint32)
    return flat, np.concatenate([[0], np.cumsum(lengths)])


def hashed(texts: Texts) -> tuple[Hashes, Offsets]:
    """Tokenizes texts.

    Returns:
        hashes: shape (tokens,), of all texts, concatenated.
        offsets: shape (texts + 1,); text i has hashes[offsets[i]:offsets[i + 1]].
    """
    hashes, offsets = [np.empty(0, np.int64)], [np.zeros(1, np.int64)]
    for begin in range(0, len(texts), AT_A_TIME):
        found, _, _, counts = spans(*code_points(texts[begin : begin + AT_A_TIME]))
        hashes.append(found)
        offsets.append(offsets[-1][-1] + np.cumsum(counts))
    return np.concatenate(hashes), np.concatenate(offsets)


def spans(
    flat: npt.NDArray[np.uint32], bounds: Offsets, *, marks: bool = False
) -> tuple[Hashes, Offsets, Offsets, Offsets]:
    """Tokenizes what `code_points` returned.

    Args:
        flat, bounds: that.
        marks: whether punctuation marks are tokens.

    Returns:
        hashes: shape (tokens,).
        first, end: shape (tokens,), the position of each token in `flat`.
        counts: shape (texts,), number of tokens in each text.
    """
    result: tuple[Hashes, Offsets, Offsets, Offsets] = _spans(
        flat, bounds, _kinds(marks), table()[1]
    )
    return result


@cache
def _kinds(marks: bool) -> npt.NDArray[np.int8]:
    """Kinds of all code points, with marks as tokens or as separators."""
    kinds = table()[0].copy()
    kinds[kinds == MARK] = ALONE if marks else SEPARATOR
    return kinds


@numba.njit(cache=True, nogil=True)
def _spans(flat: Any, bounds: Any, kinds: Any, points: Any) -> Any:
    hashes = np.empty(len(flat), np.int64)
    first, end = np.empty(len(flat), np.int64), np.empty(len(flat), np.int64)
    counts = np.empty(len(bounds) - 1, np.int64)
    total = 0
    for text in range(len(bounds) - 1):
        before = total
        previous = SEPARATOR  # the kind of the unit before
        value, power = np.int64(0), np.int64(1)
        for place in range(bounds[text], bounds[text + 1]):
            kind = kinds[flat[place]]
            if kind != FOLLOWER:
                apart = kind == ALONE or previous in (ALONE, SEPARATOR)
                if kind != SEPARATOR and apart:  # a token begins
                    first[total] = place
                    total += 1
                    value, power = np.int64(0), np.int64(1)
                previous = kind
            if previous != SEPARATOR:  # also a follower behind a letter
                for number in range(MOST_FOLDED):
                    point = points[flat[place], number]
                    if point:
                        value += point * power
                        power *= BASE
                hashes[total - 1] = value
                end[total - 1] = place + 1
        counts[text] = total - before
    return hashes[:total].copy(), first[:total].copy(), end[:total].copy(), counts
