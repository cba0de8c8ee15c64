"""Encodes texts as token ids, once for a whole run.

Id 0 is padding, 1 is any unknown token (OOV), and from 2 on come the tokens of the training texts,
most frequent first. So a smaller vocabulary of V ids is a prefix of a larger one, and a trial with
fewer tokens maps ids >= V to 1. No trial tokenizes again.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from search.corpus.tokens import (
    AT_A_TIME,
    Hashes,
    Offsets,
    Texts,
    code_points,
    hashed,
    spans,
    spellings,
    token_hashes,
)
from search.progress import Progress, Say, silent

Tokens = Literal["unicode", "whitespace", "character"]
"""What a token is; the last two are those of models that version 0.1 exported."""

Encoded = tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]

LARGEST_VOCABULARY = 80_000
PADDING, OOV = 0, 1


def learn_vocabulary(
    *collections: Texts, tell: Say = silent
) -> tuple[tuple[str, ...], list[Encoded]]:
    """Learns a vocabulary from texts, and encodes them.

    Args:
        collections: texts, shape (rows,) each. A token seen only in validation or test must stay
            unknown, so these are the training texts and others that are not scored.
        tell: called with a line every few seconds, where it takes longer.

    Returns:
        vocabulary: the tokens of the first collection, most frequent first (of equals, the one
            that occurs first), then those that only the next one has, …; spelled as by `spelled`;
            without the entries for padding and OOV.
        encoded: the collections, as `encode` returns them.
    """
    names: dict[int, str] = {}
    found = []
    order: list[int] = []
    for texts in collections:
        numbers, tokens, offsets = _numbered(texts, names, tell)
        found.append((numbers, tokens, offsets))
        counts = np.bincount(numbers, minlength=len(tokens))
        frequent = tokens[np.argsort(-counts, kind="stable")]
        known = set(order)
        order += [token for token in frequent.tolist() if token not in known]
    del order[LARGEST_VOCABULARY - 2 :]
    vocabulary = Vocabulary(order)
    encoded = [
        with_empty_texts(vocabulary.ids(tokens)[numbers], offsets)
        for numbers, tokens, offsets in found
    ]
    return tuple(names[token] for token in order), encoded


def _numbered(
    texts: Texts, names: dict[int, str], tell: Say
) -> tuple[npt.NDArray[np.int32], Hashes, Offsets]:
    """Tokenizes texts, and numbers the tokens in the order in which they occur.

    Args:
        texts: to tokenize.
        names: gets the spelling of each token, by its hash.
        tell: called with a line every few seconds.

    Returns:
        numbers: shape (tokens,), of all texts, concatenated.
        hashes: of token 0, 1, ….
        offsets: shape (texts + 1,), as `hashed` returns them.
    """
    import pandas as pd  # here, because a model at work encodes texts, and must start soon

    order: dict[int, int] = {}
    parts, offsets = [np.empty(0, np.int32)], [np.zeros(1, np.int64)]
    progress = Progress(tell, "encoding", len(texts), "texts")
    for begin in range(0, len(texts), AT_A_TIME):
        progress(begin)
        flat, bounds = code_points(texts[begin : begin + AT_A_TIME])
        found, first, end, counts = spans(flat, bounds)
        numbers, different = pd.factorize(found)
        places = np.empty(len(different), np.int64)
        places[numbers] = np.arange(len(found))  # where each token is, once
        before, tokens = len(order), different.tolist()
        known = (order.setdefault(token, len(order)) for token in tokens)
        mine = np.fromiter(known, np.int32, len(tokens))
        new = mine >= before
        spelled = spellings(flat, first[places[new]], end[places[new]])
        names.update(zip(different[new].tolist(), spelled, strict=True))
        parts.append(mine[numbers])
        offsets.append(offsets[-1][-1] + np.cumsum(counts))
    hashes = np.fromiter(order, np.int64, len(order))
    return np.concatenate(parts), hashes, np.concatenate(offsets)


class Vocabulary:
    """Maps tokens to ids, for texts that arrive in small batches.

    Args:
        tokens: the hash of each token; the first has the id 2.
    """

    def __init__(self, tokens: Sequence[int] | Hashes) -> None:
        hashes = np.array(tokens, np.int64)
        order = np.argsort(hashes)
        self._sorted = hashes[order]
        self._ids = (order + 2).astype(np.int32)

    @classmethod
    def of(cls, vocabulary: Sequence[str]) -> "Vocabulary":
        """From tokens as `learn_vocabulary` returns them."""
        return cls(token_hashes(vocabulary))

    def encode(self, hashes: Hashes, offsets: Offsets) -> Encoded:
        """Encodes tokenized texts; an empty text becomes one OOV token, so that no row is empty.

        Args:
            hashes, offsets: as `hashed` returns them.

        Returns:
            ids: int32, shape (tokens,), the texts one after another.
            offsets: int64, shape (rows + 1,); text i is ids[offsets[i]:offsets[i + 1]].
        """
        return with_empty_texts(self.ids(hashes), offsets)

    def ids(self, hashes: Hashes) -> npt.NDArray[np.int32]:
        """The id of each token."""
        ids = np.full(len(hashes), OOV, np.int32)
        if len(self._sorted):
            places = np.searchsorted(self._sorted, hashes)
            places[places == len(self._sorted)] = 0
            known = self._sorted[places] == hashes
            ids[known] = self._ids[places[known]]
        return ids


def with_empty_texts(ids: npt.NDArray[np.int32], offsets: Offsets) -> Encoded:
    """Returns the same texts, with one OOV token in every empty one."""
    lengths = np.diff(offsets)
    empty = lengths == 0
    ids = np.insert(ids, offsets[:-1][empty], OOV)
    return ids, np.concatenate([[0], np.cumsum(np.where(empty, 1, lengths))]).astype(np.int64)


def encode(texts: Texts, vocabulary: Sequence[str]) -> Encoded:
    """Encodes texts as one flat array of ids; see `Vocabulary.encode`."""
    return Vocabulary.of(vocabulary).encode(*hashed(texts))


def decode(encoded: Encoded, rows: Iterable[int], vocabulary: tuple[str, ...]) -> list[str]:
    """Decodes rows to texts of their known tokens; unknown ones are the replacement character."""
    ids, offsets = encoded
    words = ("", "\N{REPLACEMENT CHARACTER}", *vocabulary)
    return [" ".join(words[i] for i in ids[offsets[r] : offsets[r + 1]]) for r in rows]
