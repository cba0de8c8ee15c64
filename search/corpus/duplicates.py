"""Near-duplicates: texts that are copies of each other but for small edits.

A text is the set of its shingles, which are the pairs of neighbouring words, and two texts are
alike as far as their sets overlap (Jaccard similarity). Comparing all pairs of 30,000 texts is too
much, so candidates come from MinHash signatures (Broder 1997, "On the resemblance and containment
of documents"): two sets have the same smallest hash with the probability of their similarity.
Signatures are cut into bands, and texts that are equal in a band are candidates (Leskovec,
Rajaraman & Ullman, "Mining of Massive Datasets", section 3.4). The exact similarity decides.
"""

import re
import unicodedata
from collections.abc import Iterator
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from search.corpus.characters import UNSPACED

FEWEST_WORDS = 5  # of a text that can be more than equal: below, one word makes another text
ALIKE = 0.4  # similarity from which two texts are near-duplicates: one of six words changed
RELATED = 0.2  # similarity that all texts of a group have to its founder
SHORT = 10  # words; of a shorter text, a large part may be a phrase that many texts have
RARE, FEWEST_RARE = 3, 2  # short texts must share so many shingles that so few others have
BANDS, BAND = 32, 2  # 1 - (1 - 0.4**2) ** 32: of pairs just above ALIKE, 99.6% are candidates
NEIGHBOURS = 3  # of a text in its bucket; the union of neighbours is the bucket
SLACK = 0.15  # how far below ALIKE a signature's estimate may be; 2.5 standard deviations
CHUNK = 1 << 15  # words: what fits into a core's cache

Words = npt.NDArray[np.uint64]
Signatures = npt.NDArray[np.uint32]

_SPACE = np.uint64(32)
_BREAK = re.compile(r"<br\s*/?>")
_ONE_UNSPACED = "[" + "".join(f"{chr(low)}-{chr(high)}" for low, high in UNSPACED) + "]"
_CHARACTER = re.compile(f"({_ONE_UNSPACED})(?=({_ONE_UNSPACED}?))")
_APOSTROPHES = "'’ʼ"
_ASCII = bytes(c if c > 127 or chr(c).isalnum() else ord(" ") for c in range(256))


def near_duplicates(texts: npt.NDArray[np.object_]) -> npt.NDArray[np.int64]:
    """Groups texts that differ by small edits: a word, punctuation, case, an added sentence.

    Texts with fewer than `FEWEST_WORDS` words must be equal, punctuation and case aside; those with
    fewer than `SHORT` must share more than phrases that many texts have. Chains of
    near-duplicates are one group as long as all are related to one of them.

    Args:
        texts: str, shape (rows,).

    Returns:
        Group numbers, shape (rows,), from 0 in the order in which the groups first occur. The
        groups depend on the texts alone: not on their order, the machine or a seed.
    """
    hashes = _WordHashes()
    different: dict[bytes, int] = {}
    rows: list[Words] = []
    copy_of = np.empty(len(texts), np.int64)
    for row, text in enumerate(texts):
        words = np.fromiter(map(hashes.__getitem__, words_of(text)), np.uint64)
        copy_of[row] = different.setdefault(words.tobytes(), len(different))
        if len(rows) < len(different):
            rows.append(words)
    long = [number for number, words in enumerate(rows) if len(words) >= FEWEST_WORDS]
    long.sort(key=lambda number: rows[number].tobytes())  # so that the rows' order has no say
    joined = np.arange(len(rows))
    joined[long] = np.array(long, np.int64)[_joined([rows[number] for number in long])]
    _, first, groups = np.unique(joined[copy_of], return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[groups]


def words_of(text: str) -> list[bytes]:
    """The words of a text without case, punctuation and line breaks.

    Scripts without spaces have overlapping pairs of characters for words. A text of punctuation
    alone keeps it: ":)" is not ":(".
    """
    text = text.casefold()
    plain = _BREAK.sub(" ", text)
    if not plain.isascii():
        plain = unicodedata.normalize("NFKC", plain).casefold().translate(_OTHER_CHARACTERS)
        plain = _CHARACTER.sub(r" \1\2 ", plain)
    words = plain.encode().translate(_ASCII, b"'").split()
    return words or text.encode(errors="surrogatepass").split()


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


class _WordHashes(dict[bytes, int]):
    """64 bits for each word, the same in every process; Python's own hashes differ."""

    def __missing__(self, word: bytes) -> int:
        self[word] = number = int.from_bytes(blake2b(word, digest_size=8).digest(), "little")
        return number


def _joined(rows: list[Words]) -> npt.NDArray[np.int64]:
    """The founder of each text's group; a text without near-duplicates is its own.

    The most similar are joined first, and of two groups the smaller joins the larger if all its
    texts are related to the larger one's founder: else texts of one template would chain up to a
    group of texts that share nothing.
    """
    founder = list(range(len(rows)))
    members = {row: [row] for row in founder}
    shingles: dict[int, frozenset[int]] = {}
    common = _common(rows)

    def of(row: int) -> frozenset[int]:
        if row not in shingles:
            shingles[row] = frozenset(_shingles([rows[row]])[0].tolist())
        return shingles[row]

    def similarity(a: int, b: int) -> float:
        both = len(of(a) & of(b))
        return both / (len(of(a)) + len(of(b)) - both)

    def only_a_phrase(a: int, b: int) -> bool:
        short = min(len(rows[a]), len(rows[b])) < SHORT
        return short and len((of(a) & of(b)) - common) < FEWEST_RARE

    for a, b in _candidates(_signatures(rows)):
        large, small = founder[a], founder[b]
        if large == small or similarity(a, b) < ALIKE or only_a_phrase(a, b):
            continue
        if len(members[small]) > len(members[large]):
            large, small = small, large
        if all(similarity(large, row) >= RELATED for row in members[small]):
            for row in members[small]:
                founder[row] = large
            members[large] += members.pop(small)
    return np.array(founder, np.int64)


def _common(rows: list[Words]) -> frozenset[int]:
    """The shingles of short texts that are in more than `RARE` of them.

    "How can I change my address" and "how can I change my currency" are alike, but so are a hundred
    other questions: what they share says nothing of where they come from.
    """
    short = [row for row in rows if len(row) < SHORT]
    if not short:
        return frozenset()
    found, counts = np.unique(_shingles(short)[0], return_counts=True)
    return frozenset(found[counts > RARE].tolist())


def _shingles(rows: list[Words]) -> tuple[Words, npt.NDArray[np.int64]]:
    """The pairs of neighbouring words of all texts, and where each text's begin."""
    words = np.concatenate(rows)
    lengths = np.fromiter(map(len, rows), np.int64, len(rows))
    pairs = words[:-1] * np.uint64(0x9E3779B97F4A7C15) + words[1:]  # modulo 2**64
    within = np.ones(len(pairs), bool)
    within[np.cumsum(lengths)[:-1] - 1] = False  # the last word of a text, the first of the next
    return pairs[within], np.cumsum(lengths - 1) - (lengths - 1)


def _signatures(rows: list[Words]) -> Signatures:
    """MinHash: (hash functions, texts), the smallest hash of each text's shingles.

    Each function multiplies by an odd number and keeps the upper half of the 64 bits.
    """
    factors = np.random.default_rng(0).integers(2**63, size=BANDS * BAND, dtype=np.uint64) * 2 + 1
    signatures = np.empty((len(factors), len(rows)), np.uint32)
    ends = np.cumsum([0, *map(len, rows)])
    begin = 0
    while begin < len(rows):
        end = max(begin + 1, int(np.searchsorted(ends, ends[begin] + CHUNK)))
        shingles, starts = _shingles(rows[begin:end])
        for number, factor in enumerate(factors):
            hashes = (shingles * factor >> _SPACE).astype(np.uint32)
            np.minimum.reduceat(hashes, starts, out=signatures[number, begin:end])
        begin = end
    return signatures


def _candidates(signatures: Signatures) -> Iterator[tuple[int, int]]:
    """Pairs of texts that may be near-duplicates, by falling estimate of their similarity."""
    count = signatures.shape[1]
    found = [np.empty(0, np.int64)]
    for band in signatures.reshape(BANDS, BAND, count).astype(np.uint64):
        bucket = band[0] << _SPACE | band[1]
        order = np.argsort(bucket, kind="stable")
        bucket = bucket[order]
        for step in range(1, NEIGHBOURS + 1):
            same = np.flatnonzero(bucket[step:] == bucket[:-step])
            found.append(order[same] * count + order[same + step])  # the lower row first: stable
    first, second = np.divmod(np.unique(np.concatenate(found)), max(count, 1))
    estimate = np.empty(len(first))
    for begin in range(0, len(first), CHUNK):
        part = slice(begin, begin + CHUNK)
        equal = signatures[:, first[part]] == signatures[:, second[part]]
        estimate[part] = equal.mean(axis=0)
    order = np.argsort(-estimate, kind="stable")
    order = order[estimate[order] >= ALIKE - SLACK]
    return zip(first[order].tolist(), second[order].tolist(), strict=True)
