"""Every hash is found with its id, and no other is."""

import keras
import numpy as np
import pytest

from search.corpus.tokens import token_hash, token_hashes
from search.packaging.key_table import PIECE, key_table, looked_up


def test_hashes_of_many_tokens_are_those_of_each():
    vocabulary = ["film", "a", "\U0001f600", "很", "straße", "x" * 300]
    assert token_hashes(vocabulary).tolist() == [token_hash(token) for token in vocabulary]
    assert token_hashes([]).tolist() == []


@pytest.mark.parametrize("count", [0, 1, 2, 7, 5_000])
def test_looked_up(count):
    generator = np.random.default_rng(count)
    hashes = generator.integers(-(1 << 63), 1 << 63, 2 * count + 3)
    known = hashes[:count]
    table = key_table(known)
    assert table.nbytes <= 16 * (2.4 * count + 9) and table.max() < PIECE
    given = keras.Input((None,), dtype="int64")
    model = keras.Model(given, looked_up(given, table, "known"))
    close = np.concatenate([known ^ 1, known + PIECE, known + PIECE**2, [0, 1]])
    found = model(np.concatenate([hashes, close])[None])[0]
    assert found[:count].numpy().tolist() == list(range(2, count + 2))
    assert not found[count:].numpy().any()


def test_every_bit_of_a_hash_counts():
    given = keras.Input((None,), dtype="int64")
    hashes = np.array([-1, -(1 << 63), (1 << 63) - 1, 0, PIECE - 1], np.int64)
    model = keras.Model(given, looked_up(given, key_table(hashes), "known"))
    assert model(hashes[None])[0].numpy().tolist() == [2, 3, 4, 5, 6]
    for bit in range(64):
        other = hashes ^ np.array(1 << bit, np.uint64).astype(np.int64)
        wanted = [2 + hashes.tolist().index(h) if h in hashes else 0 for h in other.tolist()]
        assert model(other[None])[0].numpy().tolist() == wanted
