"""A hash table from 64-bit hashes to token ids that every runtime can read, in rows of float32.

ONNX and LiteRT have no hash tables, and Keras none of integers without a list of them in its
config. So this is cuckoo hashing (Pagh & Rodler 2004): a hash is in one of two rows or absent, and
a lookup takes two rows and two comparisons. A row has the hash in three pieces, each of which is
exact in float32, and the id.
"""

from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from search.corpus.tokens import Hashes, signed

PIECE = 1 << 22  # of a hash, in a float32
SECOND = signed(0xD6E8FEB86659FD93)  # odd; a hash times this has its other row
ROOM = 2.3  # rows for a hash; below 2, a place is not always found
STEPS = 500  # hashes that are moved to make room for one, before the table is made larger

Slots = npt.NDArray[np.int64]


def key_table(hashes: Hashes) -> npt.NDArray[np.float32]:
    """Places hashes, each different; that in place i gets the id i + 2.

    Returns:
        float32, (rows, 4): three pieces of a hash, the lowest first, and its id; 0 where none is.
    """
    size = int(ROOM * len(hashes)) | 1
    while (held := _placed(*_choices(hashes, size), size)) is None:
        size += 2
    table = np.zeros((size, 4), np.float32)
    full = held >= 0
    keys = hashes[held[full]]
    table[full] = np.stack(
        [keys % PIECE, keys // PIECE % PIECE, keys // PIECE**2 % PIECE, held[full] + 2], axis=1
    )
    return table


def _choices(hashes: Hashes, size: int) -> tuple[Slots, Slots]:
    return hashes % size, hashes * np.int64(SECOND) % size


def _placed(first: Slots, second: Slots, size: int) -> Slots | None:
    """Which hash each row holds, -1 for none; None if one finds no room."""
    either = (first + second).tolist()
    held = [-1] * size
    for number, row in enumerate(first.tolist()):
        for _ in range(STEPS):
            held[row], number = number, held[row]
            if number < 0:
                break
            row = either[number] - row  # the other row of the hash that stood there
        else:
            return None
    return np.array(held)


def modulo(numbers: Any, by: int) -> Any:
    """The remainder, 0 or more, in a Keras model; that of onnxruntime can be less."""
    remainder = keras.ops.mod(numbers, by)
    return keras.ops.where(keras.ops.less(remainder, 0), remainder + by, remainder)


def looked_up(hashes: Any, table: npt.NDArray[np.float32], name: str) -> Any:
    """The ids of hashes in a Keras model: int64 of any shape; 0 for one that is not there."""
    ops = keras.ops
    layer = keras.layers.Embedding(*table.shape, trainable=False, name=name)
    found = 0
    for choice in (hashes, hashes * SECOND):
        row = ops.cast(layer(modulo(choice, len(table))), "int64")
        key = row[..., 0] + row[..., 1] * PIECE + row[..., 2] * PIECE**2
        found = ops.maximum(found, ops.where(ops.equal(key, hashes), row[..., 3], 0))
    layer.set_weights([table])
    return found
