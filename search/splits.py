"""The usual names of the parts of a data set: of folders, files and data in memory."""

from collections.abc import Iterable

SPLIT_NAMES = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing"),
}
UNLABELLED = ("unsup", "unsupervised", "unlabeled", "unlabelled")


def splits_among(names: Iterable[str]) -> dict[str, str]:
    """Which of some names stands for which split; where several do, the most usual."""
    known = {name.lower(): name for name in names}
    return {
        split: next(known[name] for name in usual if name in known)
        for split, usual in SPLIT_NAMES.items()
        if not known.keys().isdisjoint(usual)
    }
