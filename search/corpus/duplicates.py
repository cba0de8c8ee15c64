"""Near-duplicates: texts that are copies of each other but for small edits.

A text is the set of its shingles, which are the pairs of neighbouring words, and two texts are
alike as far as their sets overlap (Jaccard similarity). Comparing all pairs of 30,000 texts is too
much, so candidates come from `search.corpus.minhash`. The exact similarity decides.
"""

import re
import unicodedata
from hashlib import blake2b
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from search.corpus.characters import UNSPACED
from search.corpus.minhash import BANDS, MIX, Offsets, Words, candidates, shingles, signatures
from search.progress import Progress, Say, silent

FEWEST_WORDS = 5  # of a text that can be more than equal: below, one word makes another text
ALIKE = 0.4  # similarity from which two texts are near-duplicates: one of six words changed
RELATED = 0.2  # similarity that all texts of a group have to its founder
SHORT = 10  # words; of a shorter text, a large part may be a phrase that many texts have
RARE, FEWEST_RARE = 3, 2  # short texts must share so many shingles that so few others have
SLACK = 0.15  # how far below ALIKE a signature's estimate may be; 2.5 standard deviations
AT_A_TIME = 10_000  # texts whose words are in memory as they are written
SPACE, FNV_BASIS, FNV_PRIME = 32, np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
ORDERED = 5  # words by which texts are ordered at first; the rest is rarely needed

_BREAK = re.compile(r"<br\s*/?>")
_ONE_UNSPACED = "[" + "".join(f"{chr(low)}-{chr(high)}" for low, high in UNSPACED) + "]"
_CHARACTER = re.compile(f"({_ONE_UNSPACED})(?=({_ONE_UNSPACED}?))")
_APOSTROPHES = "'’ʼ"
_ASCII = bytes(c if c > 127 or chr(c).isalnum() else ord(" ") for c in range(256))


def near_duplicates(texts: npt.NDArray[np.object_], tell: Say = silent) -> npt.NDArray[np.int64]:
    """Groups texts that differ by small edits: a word, punctuation, case, an added sentence.

    Texts with fewer than `FEWEST_WORDS` words must be equal, punctuation and case aside; those with
    fewer than `SHORT` must share more than phrases that many texts have. Chains of
    near-duplicates are one group as long as all are related to one of them.

    Args:
        texts: str, shape (rows,).
        tell: called with a line every few seconds, where it takes longer.

    Returns:
        Group numbers, shape (rows,), from 0 in the order in which the groups first occur. The
        groups depend on the texts alone: not on their order, the machine or a seed.
    """
    words, offsets = _hashed(texts, tell)
    copy_of, first = _distinct(words, offsets)
    different = first[np.diff(offsets)[first] >= FEWEST_WORDS]
    # In an order of their own, so that the rows' order has no say.
    long = _in_order(words, offsets, different)
    own = np.concatenate([[0], np.cumsum(np.diff(offsets)[long])])
    joined = np.arange(len(first))
    numbers = np.searchsorted(first, long)  # among the different texts
    words = _taken(words, offsets, long, own)
    joined[numbers] = numbers[_joined(words, own, tell)]
    return as_they_occur(joined[copy_of])


def as_they_occur(keys: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Numbers distinct keys from 0, in the order of their first occurrence."""
    import pandas as pd  # here, because a worker needs none, and must start soon

    return pd.factorize(keys)[0].astype(np.int64)


def words_of(text: str) -> list[bytes]:
    """The words of a text without case, punctuation and line breaks.

    Scripts without spaces have overlapping pairs of characters for words. A text of punctuation
    alone keeps it: ":)" is not ":(".
    """
    return _written(text).split()


def _written(text: str) -> bytes:
    """The words of a text, in UTF-8, with spaces between, before and behind them."""
    text = text.casefold()
    plain = _BREAK.sub(" ", text) if "<br" in text else text
    if not plain.isascii():
        plain = unicodedata.normalize("NFKC", plain).casefold().translate(_OTHER_CHARACTERS)
        plain = _CHARACTER.sub(r" \1\2 ", plain)
    written = plain.encode().translate(_ASCII, b"'")
    if not written or written.isspace():
        return " ".join(text.split()).encode(errors="surrogatepass")
    return written


class _OtherCharacters(dict[int, str]):
    """What `str.translate` makes of a character; ASCII is left to `_ASCII`."""

    def __missing__(self, code: int) -> str:
        character, kind = chr(code), unicodedata.category(chr(code))
        if character in _APOSTROPHES or kind == "Cf":  # it's, its; a zero-width joiner
            self[code] = ""
        elif code < 128 or kind[0] in "LMN":
            self[code] = character
        else:  # an emoji is a word
            self[code] = f" {character} " if kind == "So" else " "
        return self[code]


_OTHER_CHARACTERS = _OtherCharacters()


def _hashed(texts: npt.NDArray[np.object_], tell: Say) -> tuple[Words, Offsets]:
    """The hashes of the words of all texts, concatenated, and their offsets.

    A word's hash is 64 bits of BLAKE2b. Compiled code tells words apart by a hash that is quickly
    computed, so that each different word is hashed by BLAKE2b once.
    """
    import pandas as pd

    hashes: dict[int, int] = {}  # by the quick ones
    parts, lengths = [np.empty(0, np.uint64)], [np.zeros(1, np.int64)]
    progress = Progress(tell, "finding the words", len(texts), "texts")
    for begin in range(0, len(texts), AT_A_TIME):
        progress(begin)
        written = [_written(text) for text in texts[begin : begin + AT_A_TIME]]
        sizes = np.fromiter(map(len, written), np.int64, len(written))
        flat = b"".join(written)
        keys, first, end, counts = _words(np.frombuffer(flat, np.uint8), np.cumsum(sizes))
        numbers, different = pd.factorize(keys)
        places = np.empty(len(different), np.int64)
        places[numbers] = np.arange(len(keys))  # where each word is, once
        known = different.tolist()
        for key, place in zip(known, places.tolist(), strict=True):
            if key not in hashes:
                word = blake2b(flat[first[place] : end[place]], digest_size=8)
                hashes[key] = int.from_bytes(word.digest(), "little")
        found = np.fromiter(map(hashes.__getitem__, known), np.uint64, len(known))
        parts.append(found[numbers])
        lengths.append(counts)
    return np.concatenate(parts), np.cumsum(np.concatenate(lengths))


@numba.njit(cache=True, nogil=True)
def _words(flat: Any, ends: Any) -> Any:
    """The words of texts, which are between spaces.

    Args:
        flat: uint8, (bytes,), all texts, concatenated.
        ends: int64, (texts,), where each ends in it.

    Returns:
        keys: uint64, (words,), a hash of each (Fowler, Noll & Vo).
        first, end: int64, (words,), where it is in `flat`.
        counts: int64, (texts,), how many words each text has.
    """
    most = len(flat) // 2 + len(ends)
    keys, first, end = np.empty(most, np.uint64), np.empty(most, np.int64), np.empty(most, np.int64)
    counts = np.empty(len(ends), np.int64)
    total = place = 0
    for text in range(len(ends)):
        before = total
        while place < ends[text]:
            if flat[place] == SPACE:
                place += 1
                continue
            key, first[total] = FNV_BASIS, place
            while place < ends[text] and flat[place] != SPACE:
                key = (key ^ np.uint64(flat[place])) * FNV_PRIME
                place += 1
            keys[total], end[total] = key, place
            total += 1
        counts[text] = total - before
    return keys[:total].copy(), first[:total].copy(), end[:total].copy(), counts


@numba.njit(cache=True, nogil=True)
def _distinct(words: Any, offsets: Any) -> Any:
    """The number of each text among the different ones, and the first row of each of these."""
    count = len(offsets) - 1
    size = 16
    while size < 2 * count:
        size *= 2
    slots = np.full(size, -1, np.int64)
    numbers, first, found = np.empty(count, np.int64), np.empty(count, np.int64), 0
    for row in range(count):
        begin, length = offsets[row], offsets[row + 1] - offsets[row]
        key = np.uint64(length)
        for place in range(begin, begin + length):
            key = (key ^ words[place]) * MIX
            key ^= key >> np.uint64(29)
        slot = np.int64(key & np.uint64(size - 1))
        while slots[slot] >= 0:
            other = first[slots[slot]]
            same = offsets[other + 1] - offsets[other] == length
            place = 0
            while same and place < length:
                same = words[offsets[other] + place] == words[begin + place]
                place += 1
            if same:
                break
            slot = (slot + 1) % size
        if slots[slot] < 0:
            slots[slot], first[found] = found, row
            found += 1
        numbers[row] = slots[slot]
    return numbers, first[:found].copy()


def _in_order(words: Words, offsets: Offsets, rows: Offsets) -> Offsets:
    """Rows of `FEWEST_WORDS` or more, by the bytes of their words."""
    begins = offsets[rows]
    keys = [words[begins + place].byteswap() for place in range(ORDERED)]
    order = np.lexsort(keys[::-1])
    rows, keys = rows[order], [key[order] for key in keys]
    same = np.ones(max(len(rows) - 1, 0), bool)
    for key in keys:
        same &= key[1:] == key[:-1]
    edges = np.flatnonzero(np.diff(np.concatenate([[False], same, [False]]).astype(np.int8)))
    for begin, end in edges.reshape(-1, 2):  # of runs that are equal so far
        rows[begin : end + 1] = sorted(
            rows[begin : end + 1].tolist(),
            key=lambda row: words[offsets[row] : offsets[row + 1]].tobytes(),
        )
    return rows


@numba.njit(cache=True, nogil=True)
def _taken(words: Any, offsets: Any, rows: Any, own: Any) -> Any:
    """The words of some rows, which begin at `own`."""
    result = np.empty(own[-1], np.uint64)
    for number in range(len(rows)):
        begin = offsets[rows[number]]
        for place in range(own[number + 1] - own[number]):
            result[own[number] + place] = words[begin + place]
    return result


def _joined(words: Words, offsets: Offsets, tell: Say) -> Offsets:
    """The founder of each text's group; a text without near-duplicates is its own.

    The most similar are joined first, and of two groups the smaller joins the larger if all its
    texts are related to the larger one's founder: else texts of one template would chain up to a
    group of texts that share nothing.
    """
    progress = Progress(tell, "looking for near-duplicates", BANDS, "parts")
    pairs = candidates(signatures(words, offsets), ALIKE - SLACK, progress)
    found = shingles(words, offsets)
    common = _common(found, offsets)
    founders: Offsets = _founders(found, offsets, common, *pairs)
    return founders


def _common(found: Words, offsets: Offsets) -> Words:
    """The shingles of short texts that are in more than `RARE` of them, in order.

    "How can I change my address" and "how can I change my currency" are alike, but so are a hundred
    other questions: what they share says nothing of where they come from.
    """
    lengths = np.diff(offsets)
    short = np.sort(found[np.repeat(lengths < SHORT, lengths - 1)])
    begins = np.flatnonzero(np.concatenate([[True], short[1:] != short[:-1]])[: len(short)])
    return short[begins[np.diff(begins, append=len(short)) > RARE]]


@numba.njit(cache=True, nogil=True)
def _founders(found: Any, offsets: Any, common: Any, first: Any, second: Any) -> Any:
    """As `_joined`, from shingles, which it reorders, common ones, and pairs of candidates."""
    count = len(offsets) - 1
    sizes = np.full(count, -1, np.int64)  # of the set of a text's shingles, once it is in order
    founder, last, members = np.arange(count), np.arange(count), np.ones(count, np.int64)
    following = np.full(count, -1, np.int64)  # in a group, from its founder on
    for pair in range(len(first)):
        a, b = first[pair], second[pair]
        large, small = founder[a], founder[b]
        if large == small:
            continue
        both, rare = _shared(found, offsets, sizes, common, a, b)
        if both / (sizes[a] + sizes[b] - both) < ALIKE:
            continue
        shorter = min(offsets[a + 1] - offsets[a], offsets[b + 1] - offsets[b])
        if shorter < SHORT and rare < FEWEST_RARE:  # they share only a phrase
            continue
        if members[small] > members[large]:
            large, small = small, large
        related, row = True, small
        while related and row >= 0:
            both, _ = _shared(found, offsets, sizes, common, large, row)
            related = both / (sizes[large] + sizes[row] - both) >= RELATED
            row = following[row]
        if related:
            row = small
            while row >= 0:
                founder[row] = large
                row = following[row]
            following[last[large]], last[large] = small, last[small]
            members[large] += members[small]
    return founder


@numba.njit(cache=True, nogil=True)
def _shared(found: Any, offsets: Any, sizes: Any, common: Any, a: int, b: int) -> Any:
    """How many different shingles two texts share, and how many of these are not common ones."""
    for text in (a, b):
        if sizes[text] < 0:
            own = found[offsets[text] - text : offsets[text + 1] - text - 1]
            _sort(own)
            kept = 1
            for place in range(1, len(own)):
                if own[place] != own[kept - 1]:
                    own[kept] = own[place]
                    kept += 1
            sizes[text] = kept
    i, j = offsets[a] - a, offsets[b] - b
    end, stop = i + sizes[a], j + sizes[b]
    both = rare = 0
    while i < end and j < stop:
        if found[i] == found[j]:
            both += 1
            low, high = 0, len(common)
            while low < high:
                middle = (low + high) // 2
                if common[middle] < found[i]:
                    low = middle + 1
                else:
                    high = middle
            rare += low == len(common) or common[low] != found[i]
        if found[i] <= found[j]:
            less = found[i]
            j += found[j] == less
            i += 1
        else:
            j += 1
    return both, rare


@numba.njit(cache=True, nogil=True)
def _sort(numbers: Any) -> None:
    """Sorts a few numbers in place (Shell 1959); numba's own sort takes seconds to compile."""
    gap = 1
    while gap < len(numbers) // 3:
        gap = 3 * gap + 1
    while gap:
        for place in range(gap, len(numbers)):
            moved, to = numbers[place], place
            while to >= gap and numbers[to - gap] > moved:
                numbers[to] = numbers[to - gap]
                to -= gap
            numbers[to] = moved
        gap //= 3
