"""The kinds of characters: part of a word, a token of its own, punctuation, a combining mark.

Everything here is a function of one code point, so that it fits into a table, and so into the
exported model: see `search.packaging.text_model`. A code point has a kind and up to three folded
code points: its compatibility decomposition (NFKD) after full case folding. So "GREAT", full-width
"ＧＲＥＡＴ" and "great" are one word, and "ö" is one letter, written as one code point or as two.
"""

import sys
import unicodedata
from functools import cache

import numpy as np
import numpy.typing as npt

SEPARATOR, LETTER, FOLLOWER, ALONE, MARK = range(5)
"""Kinds. A follower belongs to the character before it: accents, vowel signs, joiners. Marks are
punctuation and signs: they separate words, but some n-grams count them."""

SMALL, CAPITAL, DIGIT, SIGN = range(4)
"""Looks, for the shapes of words. What has no case looks small."""

MOST_FOLDED = 3  # code points; two dozen characters, as the ligature of a whole phrase, have more
UNKNOWN = 0xFFFD  # what a character folds to that is not in the table

UNSPACED = (
    *((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF)),
    *((0x3040, 0x30FF), (0x31F0, 0x31FF), (0x3400, 0x9FFF), (0xF900, 0xFAFF), (0xFF66, 0xFF9D)),
    (0x20000, 0x3FFFF),
)
"""Thai, Lao, Myanmar, Khmer, kana, Han: they put no spaces between words, so each character of
them is a token."""

KNOWN = ((1, 0xD800), (0xF900, 0x10000), (0x1D400, 0x1D800), (0x1E900, 0x1E960), (0x1F000, 0x1FB00))
"""Ranges whose characters are in the table; any other is a token of its own that nobody knows."""

HAN = ((0x3400, 0x4DC0), (0x4E00, 0x9FFD))
HANGUL = (0xAC00, 0xD7A4)  # syllables, of two or three letters each (The Unicode Standard, 3.12)

QUESTIONS = "?？؟⸮՞፧"  # asks something in any of these scripts, and that tells classes apart
SKIN = range(0x1F3FB, 0x1F400)  # tones of emoji: followers, so that 👍🏽 is 👍
DOTTED_I = "\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}"  # folds to i, as in Turkish lower case
APOSTROPHES = "‘’‚‛`´"  # of typesetters and of other keyboards
QUOTES = "„‟"  # besides those that Unicode calls opening or closing ones


def kind(character: str) -> int:
    """The kind of a character: `LETTER`, `ALONE`, `FOLLOWER`, `MARK` or `SEPARATOR`."""
    code = ord(character)
    if not any(low <= code < high for low, high in KNOWN):
        return ALONE
    category = unicodedata.category(character)
    if category == "Cf" or code in SKIN or 0xFE00 <= code <= 0xFE0F:
        return SEPARATOR if character == "\N{ZERO WIDTH SPACE}" else FOLLOWER
    if category[0] == "M":
        return FOLLOWER
    if category[0] in "LN":
        return ALONE if any(low <= code <= high for low, high in UNSPACED) else LETTER
    if category in ("So", "Sc") or character in QUESTIONS:
        return ALONE
    if category == "Cn":
        return ALONE
    return MARK if category[0] in "PS" else SEPARATOR


def folded(character: str) -> tuple[int, ...]:
    """The folded code points of a character, at most three; none if it is ignored."""
    code, found = ord(character), kind(character)
    if (
        not any(low <= code < high for low, high in KNOWN)
        or unicodedata.category(character) == "Cn"
    ):
        return (UNKNOWN,)
    if found == SEPARATOR:
        return (0x20,)
    if unicodedata.category(character) == "Cf" or code in SKIN or 0xFE00 <= code <= 0xFE0F:
        return ()
    if character == DOTTED_I:
        return (ord("i"),)
    if character in QUESTIONS:
        return (ord("?"),)
    if found == MARK and (typed := _typed(character)):
        return (ord(typed),)
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", character).casefold())
    dropped = (SEPARATOR,) if found == MARK else (SEPARATOR, MARK)
    kept = [c for c in plain if kind(c) not in dropped]
    return tuple(map(ord, kept[:MOST_FOLDED])) or (UNKNOWN,)


def _typed(mark: str) -> str | None:
    """The key for a quotation mark or a dash; None for any other mark."""
    category = unicodedata.category(mark)
    if mark in APOSTROPHES:
        return "'"
    if category in ("Pi", "Pf") or mark in QUOTES:
        return '"'
    return "-" if category == "Pd" else None


@cache
def table() -> tuple[npt.NDArray[np.int8], npt.NDArray[np.int32]]:
    """The kind, (0x110000,), and folded code points, (0x110000, 3), of each code point; 0: none."""
    kinds = np.full(sys.maxunicode + 1, ALONE, np.int8)
    points = np.zeros((sys.maxunicode + 1, MOST_FOLDED), np.int32)
    points[:, 0] = UNKNOWN
    alike = set()  # what needs no look, one by one: two thirds of the time
    for low, high in HAN:
        points[low:high, 0] = np.arange(low, high)
        alike |= set(range(low, high))
    syllables = np.arange(*HANGUL)
    first, rest = np.divmod(syllables - HANGUL[0], 588)
    last = rest % 28
    kinds[syllables] = LETTER
    points[syllables] = np.stack(
        [0x1100 + first, 0x1161 + rest // 28, np.where(last > 0, 0x11A7 + last, 0)], axis=1
    )
    alike |= set(range(*HANGUL))
    for low, high in KNOWN:
        for code in range(low, high):
            if code not in alike:
                kinds[code] = kind(chr(code))
                found = folded(chr(code))
                points[code] = (*found, *(0,) * (MOST_FOLDED - len(found)))
    return kinds, points


@cache
def looks() -> npt.NDArray[np.int8]:
    """What every code point looks like, (0x110000,)."""
    found = np.full(sys.maxunicode + 1, SIGN, np.int8)
    for low, high in (*HAN, HANGUL):
        found[low:high] = SMALL
    known = np.concatenate([np.arange(low, high) for low, high in KNOWN])
    for code in known[found[known] == SIGN].tolist():
        category = unicodedata.category(chr(code))
        if category[0] == "N":
            found[code] = DIGIT
        elif category[0] not in "PS" and category != "Cn":
            found[code] = CAPITAL if category in ("Lu", "Lt") else SMALL
    return found
