"""The tokens that a model knows, and their ids."""

from collections.abc import Sequence

import numpy as np

from search.corpus.encode import OOV, Encoded
from search.corpus.tokens import Hashes, Offsets, token_hashes


class Vocabulary:
    """The ids of known tokens, for texts that come a few at a time.

    Args:
        tokens: the hash of the token of each id, from 2 on.
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
        """The ids of tokens, with an OOV token in every empty text: a network needs a last state.

        Args:
            hashes, offsets: as `hashed` returns them.

        Returns:
            ids: int32, shape (tokens,), the texts one after another.
            offsets: int64, shape (rows + 1,); text i is ids[offsets[i]:offsets[i + 1]].
        """
        ids = np.full(len(hashes), OOV, np.int32)
        if len(self._sorted):
            places = np.searchsorted(self._sorted, hashes)
            places[places == len(self._sorted)] = 0
            known = self._sorted[places] == hashes
            ids[known] = self._ids[places[known]]
        lengths = np.diff(offsets)
        empty = lengths == 0
        ids = np.insert(ids, offsets[:-1][empty], OOV)
        return ids, np.concatenate([[0], np.cumsum(np.where(empty, 1, lengths))]).astype(np.int64)
