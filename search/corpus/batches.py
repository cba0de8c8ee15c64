"""Batches of rows of similar length, padded to their own longest row.

With one fixed length, most of a batch would be padding. Here an epoch's rows are shuffled, divided
into pools, sorted by length within each pool and divided into batches, and the batches are
shuffled. So there is little padding, and the order of training stays random.

Of very many rows, an epoch has only a part: scores come, and trials are compared, before a network
has seen them all. It sees each once before it sees one again.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from search.corpus.encode import OOV
from search.corpus.store import Split

POOL = 50  # batches; larger pools pad less and mix less
EPOCH_ROWS = 50_000  # at most; sentences take five to ten seconds
EVALUATION_TOKENS = 16_384  # tokens, with padding, in a batch that is only scored

Ids = npt.NDArray[np.int32]
Truncation = Literal["head", "tail", "both"]


@dataclass(frozen=True)
class InputConfig:
    """How texts are truncated, and how many tokens a network knows.

    Attributes:
        vocabulary_size: ids >= this become OOV.
        max_length: longer texts are truncated to this many tokens.
        cut: which tokens are kept: the first ("head"), the last ("tail"), or half from each end
            ("both"; an odd one from the head).
    """

    vocabulary_size: int
    max_length: int
    cut: Truncation = "head"

    @property
    def head(self) -> int:
        """How many of the first tokens of a longer text are kept."""
        return {"head": self.max_length, "tail": 0, "both": -(-self.max_length // 2)}[self.cut]


def training_batches(
    split: Split,
    input_config: InputConfig,
    *,
    batch_size: int,
    word_dropout: float,
    seed: int,
    epoch: int,
) -> Iterator[tuple[Ids, Ids]]:
    """Yields the batches of one epoch, in an order that depends on seed and epoch only.

    They have all rows, or `EPOCH_ROWS` of more.

    Args:
        split: the rows.
        input_config: vocabulary size and truncation.
        batch_size: rows per batch; the last of an epoch may have fewer.
        word_dropout: share of the tokens that are replaced by OOV.
        seed: non-negative.
        epoch: counted from 0.

    Yields:
        ids: int32, shape (batch, longest), padded with 0 on the right.
        labels: int32, shape (batch,).
    """
    lengths = np.minimum(split.lengths, input_config.max_length)
    generator = np.random.default_rng([seed, epoch])
    if len(split) <= EPOCH_ROWS:
        order = generator.permutation(len(split))
    else:
        order = _in_turn(len(split), seed, epoch)
    pool = POOL * batch_size
    for start in range(0, len(order), pool):
        rows = order[start : start + pool]
        order[start : start + pool] = rows[np.argsort(lengths[rows], kind="stable")]
    starts = np.arange(0, len(order), batch_size)
    for start in generator.permutation(starts):
        rows = order[start : start + batch_size]
        ids = padded(split, rows, input_config)
        if word_dropout:
            ids[(generator.random(ids.shape, np.float32) < word_dropout) & (ids != 0)] = OOV
        yield ids, split.labels[rows]


def _in_turn(rows: int, seed: int, epoch: int) -> npt.NDArray[np.int64]:
    """The rows of an epoch of `EPOCH_ROWS`: of all rows in random order, and again in another."""
    begin = epoch * EPOCH_ROWS
    first, last = begin // rows, (begin + EPOCH_ROWS - 1) // rows
    orders = [
        np.random.default_rng([seed, number, rows]).permutation(rows)
        for number in range(first, last + 1)
    ]
    begin -= first * rows
    return np.concatenate(orders)[begin : begin + EPOCH_ROWS]


def evaluation_batches(
    split: Split, input_config: InputConfig
) -> list[tuple[npt.NDArray[np.int64], Ids]]:
    """Returns all rows in batches of about equal work, shortest rows first.

    Returns:
        A list of (rows, ids): int64 of shape (batch,) and int32 of shape (batch, longest).
    """
    lengths = np.minimum(split.lengths, input_config.max_length)
    order = np.argsort(lengths, kind="stable")
    batches = []
    start = 0
    while start < len(order):
        end = start + max(1, EVALUATION_TOKENS // max(int(lengths[order[start]]), 1))
        # The last row of the batch is its longest: shrink until the padded batch fits.
        while end - start > 1 and (min(end, len(order)) - start) * int(
            lengths[order[min(end, len(order)) - 1]]
        ) > (EVALUATION_TOKENS):
            end = start + (min(end, len(order)) - start + 1) // 2
        rows = order[start : min(end, len(order))]
        batches.append((rows, padded(split, rows, input_config)))
        start = min(end, len(order))
    return batches


def padded(split: Split, rows: npt.NDArray[np.int64], input_config: InputConfig) -> Ids:
    """Returns rows as one matrix: int32, shape (rows, longest), padded with 0 on the right."""
    starts = split.offsets[rows]
    whole = split.offsets[rows + 1] - starts
    lengths = np.minimum(whole, input_config.max_length)
    columns = np.arange(lengths.max())
    inside = columns < lengths[:, np.newaxis]
    # What comes after the head is shifted, in a longer text, so that it ends with the text.
    shift = np.where(columns < input_config.head, 0, (whole - lengths)[:, np.newaxis])
    places = np.where(inside, starts[:, np.newaxis] + columns + shift, 0)
    ids = split.ids[places]
    ids[ids >= input_config.vocabulary_size] = OOV
    ids[~inside] = 0
    return ids
