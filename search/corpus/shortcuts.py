"""Shortcuts: tokens that predict the class but are not what should be learned.

Geirhos et al. 2020.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from search.corpus.encode import OOV, Encoded
from search.corpus.labels import Reviews
from search.corpus.split import Rows

SHORTCUT_ROWS = 0.01  # of train: fewer do not matter
SHORTCUT_CLASS_ROWS = 0.2  # of a class: words of sentiment do not stand in as many ...
SHORTCUT_PURITY = 0.98  # ... and hardly in other classes
SHORTCUT_CHANCE = 0.001  # that by chance any token of the data looks like one

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Shortcut:
    """A token that predicts a class on its own.

    Attributes:
        token, class_name: the token and the class.
        class_share: share of the class' training rows that have the token.
        purity: share of the training rows with the token that are of the class.
    """

    token: str
    class_name: str
    class_share: float
    purity: float

    def __str__(self) -> str:
        return (
            f"{self.token!r} (in {self.class_share:.0%} of {self.class_name!r}, to which "
            f"{self.purity:.1%} of the texts with it belong)"
        )


def shortcuts(encoded: Encoded, train: Reviews, vocabulary: tuple[str, ...]) -> Iterator[Shortcut]:
    """The shortcuts of the training rows, the most frequent first.

    Args:
        encoded: the rows' token ids.
        train: the rows.
        vocabulary: the token with the id i + 2 in place i.
    """
    ids, offsets = encoded
    row = np.repeat(np.arange(len(train.labels)), np.diff(offsets))
    shape = len(train.class_names), int(ids.max()) + 1
    class_rows = np.bincount(train.labels, minlength=shape[0])

    def by_class(rows: npt.NDArray[np.integer], tokens: npt.NDArray[np.integer]) -> Rows:
        codes = train.labels[rows].astype(np.int64) * shape[1] + tokens
        return np.bincount(codes, minlength=shape[0] * shape[1]).reshape(shape)

    # A token occurs at least as often as there are texts with it: few deserve to be counted.
    enough = np.maximum(SHORTCUT_CLASS_ROWS * class_rows, 1)
    frequent = (by_class(row, ids) >= enough[:, None]).any(axis=0)
    frequent[: OOV + 1] = False
    counted = frequent[ids]
    codes = np.sort(row[counted] * shape[1] + ids[counted])
    texts = by_class(*np.divmod(codes[np.diff(codes, prepend=-1) > 0], shape[1]))
    together, inside, of = texts.sum(axis=0), texts.max(axis=0), texts.argmax(axis=0)
    purity = inside / np.maximum(together, 1)
    share = inside / np.maximum(class_rows[of], 1)
    evidence = together * _divergence(purity, class_rows[of] / len(train.labels))
    wanted = (
        (together >= SHORTCUT_ROWS * len(train.labels))
        & (inside >= enough[of])
        & (purity >= SHORTCUT_PURITY)
        & (evidence > np.log(shape[1] / SHORTCUT_CHANCE))  # Chernoff's bound, for all tokens
    )
    for token in sorted(np.flatnonzero(wanted).tolist(), key=lambda token: -share[token]):
        name = train.class_names[of[token]]
        yield Shortcut(vocabulary[token - 2], name, float(share[token]), float(purity[token]))


def _divergence(found: Floats, expected: Floats) -> Floats:
    """Of two shares (Kullback & Leibler); 0 where less is found than expected."""
    with np.errstate(divide="ignore", invalid="ignore"):
        yes = found * np.log(found / expected)
        no = (1 - found) * np.log((1 - found) / (1 - expected))
    result: Floats = np.where(found > expected, yes + np.nan_to_num(no), 0)
    return result
