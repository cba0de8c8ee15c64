"""Which of many texts may be alike, by MinHash signatures in compiled code.

The shingles of a text are its pairs of neighbouring words. Two sets of shingles have the same
smallest hash with the probability of their similarity (Broder 1997, "On the resemblance and
containment of documents"). Signatures of many such hashes are cut into bands, and texts that are
equal in a band are candidates (Leskovec, Rajaraman & Ullman, "Mining of Massive Datasets", section
3.4).
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

BANDS, BAND = 32, 2  # 1 - (1 - 0.4**2) ** 32: of pairs alike by 0.4, 99.6% are candidates
NEIGHBOURS = 3  # of a text in its bucket; the union of neighbours is the bucket
THREADS = 2
MIX = np.uint64(0x9E3779B97F4A7C15)  # of a pair's first word: Fibonacci hashing (Knuth)

Words = npt.NDArray[np.uint64]
Offsets = npt.NDArray[np.int64]
Signatures = npt.NDArray[np.uint32]

_UPPER = np.uint64(32)


@numba.njit(cache=True, nogil=True)
def shingles(words: Any, offsets: Any) -> Any:
    """The shingles of texts.

    Args:
        words: uint64, (words,), hashes of the words of all texts, concatenated.
        offsets: int64, (texts + 1,); text i is words[offsets[i]:offsets[i + 1]]; none is empty.

    Returns:
        uint64, (words - texts,): those of text i are at offsets[i] - i to offsets[i + 1] - i - 1.
    """
    result = np.empty(len(words) - len(offsets) + 1, np.uint64)
    total = 0
    for text in range(len(offsets) - 1):
        for place in range(offsets[text], offsets[text + 1] - 1):
            result[total] = words[place] * MIX + words[place + 1]  # modulo 2**64
            total += 1
    return result


def signatures(words: Words, offsets: Offsets) -> Signatures:
    """The signature of each text, (texts, BANDS * BAND): the smallest hashes of its shingles.

    Args:
        words, offsets: as for `shingles`; every text has two words or more.
    """
    count = BANDS * BAND
    factors = np.random.default_rng(0).integers(2**63, size=count, dtype=np.uint64) * 2 + 1
    found: Signatures = _smallest(words, offsets, factors)
    return found


@numba.njit(cache=True, nogil=True)
def _smallest(words: Any, offsets: Any, factors: Any) -> Any:
    """Each function multiplies by an odd number and keeps the upper half of the 64 bits."""
    result = np.full((len(offsets) - 1, len(factors)), np.uint32(0xFFFFFFFF), np.uint32)
    for text in range(len(offsets) - 1):
        for place in range(offsets[text], offsets[text + 1] - 1):
            shingle = words[place] * MIX + words[place + 1]
            for number in range(len(factors)):
                found = np.uint32((shingle * factors[number]) >> _UPPER)
                result[text, number] = min(result[text, number], found)
    return result


def candidates(
    hashes: Signatures, least: float, progress: Callable[[int], None] = lambda bands: None
) -> tuple[npt.NDArray[np.int64], ...]:
    """Pairs of texts that may be near-duplicates, by falling estimate of their similarity.

    Args:
        hashes: what `signatures` returned.
        least: estimate from which on a pair is one.
        progress: called with the number of bands that were looked at.

    Returns:
        The first and the second text of each pair, (pairs,) each.
    """
    equal = int(np.ceil(least * hashes.shape[1]))

    def of_band(band: int) -> npt.NDArray[np.int64]:
        bucket = hashes[:, band * BAND].astype(np.uint64) << _UPPER | hashes[:, band * BAND + 1]
        found: npt.NDArray[np.int64] = _neighbours(bucket, hashes, equal)
        return found

    with ThreadPoolExecutor(THREADS) as side_by_side:
        bands = []
        for found in side_by_side.map(of_band, range(BANDS)):
            bands.append(found)
            progress(len(bands))
    found = np.concatenate(bands)
    del bands
    found.sort()
    once = np.ones(len(found), bool)
    once[1:] = found[1:] != found[:-1]
    texts = max(len(hashes), 1)
    return np.divmod(found[once] % texts**2, texts)


@numba.njit(cache=True, nogil=True)
def _neighbours(bucket: Any, hashes: Any, equal: int) -> Any:
    """The pairs of texts in one bucket that are equal in so many hashes.

    Each is (different hashes · texts + first) · texts + second, which has 63 bits up to 370
    million texts.
    """
    count, width = hashes.shape
    size = 16
    while size < 2 * count:
        size *= 2
    slots = np.full(size, -1, np.int64)  # the last text of each bucket
    before = np.empty(count, np.int64)  # of each text, the one before it in its bucket
    found, total = np.empty(16, np.int64), 0
    for second in range(count):
        key = bucket[second] * MIX
        slot = np.int64((key ^ (key >> _UPPER)) & np.uint64(size - 1))
        while slots[slot] >= 0 and bucket[slots[slot]] != bucket[second]:
            slot = (slot + 1) % size
        first = before[second] = slots[slot]
        slots[slot] = second
        for _ in range(NEIGHBOURS):
            if first < 0:
                break
            hits = 0
            for number in range(width):
                hits += hashes[first, number] == hashes[second, number]
            if hits >= equal:
                if total == len(found):
                    found = np.append(found, np.empty(total, np.int64))
                found[total] = ((width - hits) * count + first) * count + second
                total += 1
            first = before[first]
    return found[:total].copy()
