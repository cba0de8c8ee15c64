"""The usual names of the parts of a data set: of folders, files and data in memory."""

from collections.abc import Iterable

SIDES = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing"),
}
UNLABELLED = ("unsup", "unsupervised", "unlabeled", "unlabelled")


def sides_among(names: Iterable[str]) -> dict[str, str]:
    """Which of some names stands for which side; where several do, the most usual."""
    known = {name.lower(): name for name in names}
    return {
        side: next(known[name] for name in usual if name in known)
        for side, usual in SIDES.items()
        if not known.keys().isdisjoint(usual)
    }
