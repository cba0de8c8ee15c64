"""Converts labels in any spelling to class indices, and refuses what cannot be learned.

A class has the name that its file gives it: 007 stays 007. Spellings that differ only in case,
white space, invisible characters or Unicode normalization are one class, which is reported. So are
1, 1.0 and 01, if all labels are numbers. The most frequent spelling is the name, except that 1.0
is named 1. Classes are sorted numerically if all are numbers, and alphabetically otherwise. So the
second of two classes, whose probability the model predicts, is 1, True, pos, positive, yes, good.
"""

import itertools
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Context, Decimal

import numpy as np
import numpy.typing as npt
import pandas as pd

from search.corpus.columns import LONGEST_NAME, NoLabels
from search.corpus.split import folded
from search.display import counted
from search.errors import DataError
from search.settings import FEWEST_ROWS, LONGEST_LABEL

MOST_CLASSES = 1_000
MANY_CLASSES = 100  # and where few of so many have rows enough, they are no labels
FEWEST_TEXTS = 3  # different ones of a class: one for each split
MOST_DROPPED = 0.2  # of all rows
SHOWN_CLASSES = 5
MISSING = {"nan", "<na>", "nat", "null", "none", "n/a", "#n/a", "na", "undefined", "\\n"}
"""What programs write for a cell without a value; MySQL writes \\N."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,3})?", re.ASCII | re.IGNORECASE)
_WHOLE = re.compile(r"^(0|-?[1-9]\d*)\.0+$", re.ASCII)


@dataclass(frozen=True)
class Reviews:
    """Cleaned, labelled texts.

    Attributes:
        texts: object array of str, shape (rows,); none is empty.
        labels: int32 array, shape (rows,), indices into class_names.
        class_names: the classes in order.
        where: object array, shape (rows,): row number or file of each review in its source.
        dropped: how many rows of the source had no text or no label.
        groups: int64 array, shape (rows,): equal numbers are near-duplicates, in all splits of a
            run; None where nobody has looked.
        rare: classes that were left out because they have too few rows.
        shared: object array, shape (rows,): what rows share that must stay in one split, or None
            where a row shares nothing; None where nobody named it.
        bound: int64 array, shape (rows,): equal numbers must stay in one split, because of what
            they share or because they are near-duplicates; None where `shared` is.
    """

    texts: npt.NDArray[np.object_]
    labels: npt.NDArray[np.int32]
    class_names: tuple[str, ...]
    where: npt.NDArray[np.object_]
    dropped: int
    groups: npt.NDArray[np.int64] | None = None
    rare: tuple[str, ...] = ()
    shared: npt.NDArray[np.object_] | None = None
    bound: npt.NDArray[np.int64] | None = None


def clean(
    table: pd.DataFrame,
    source: str,
    class_names: tuple[str, ...] | None = None,
    rare: tuple[str, ...] = (),
    fewest: int = FEWEST_ROWS,
    tell: Callable[[str], None] = lambda message: None,
) -> Reviews:
    """Drops rows without text or label and numbers the classes.

    Args:
        table: columns `text` and `label`, as `sources.read` returns them.
        source: what to call it in messages.
        class_names: the classes that there are, when they come from other data.
        rare: classes whose rows are left out, when they come from other data.
        fewest: rows of a class; those with fewer are left out.
        tell: gets a sentence for what was read as one class, and for what was left out.

    Raises:
        DataError: more than a fifth of the rows dropped, one class, too many, too small ones, or
            a label that is not among `class_names`.
    """
    text = table["text"].fillna("").astype(str).str.strip()
    label = table["label"].fillna("").astype(str).str.strip()
    there = text.map(_shows)
    kept = there & ~label.isin([value for value in label.unique() if not _plain(value)])
    dropped = int((~kept).sum())
    if kept.any() < there.any():
        raise NoLabels(f"{source}: no row has a label")
    if dropped > MOST_DROPPED * len(table):
        first = table.index[~kept][0]
        raise DataError(
            f"{source}: {dropped} of {len(table)} rows have no text or no label, more than a "
            f"fifth; the first is at {_place(first)}. Remove them, or name other columns"
        )
    if dropped:
        tell(
            f"{source}: {counted(dropped, 'row')} of {len(table):,} left out, without a text or a "
            f"label; the first is at {_place(table.index[~kept][0])}"
        )
    if kept.any():
        _refuse_long(label[kept], source)
    # All splits must be read alike: "1.0" here and "1" there are one class.
    given = [*(class_names or ()), *rare]
    together = _keys([*given, *label[kept].tolist()])
    known, keys = together[: len(given)], pd.Series(together[len(given) :], label[kept].index)
    if class_names is None:
        names = _names(label[kept], keys, source, tell)
        _tell_of_several(names.values(), source, tell)
        _tell_of_missing(names, keys, source, tell)
        rare = _rare(names, keys, text[kept], source, fewest)
        left_out = set(rare)
        names = {key: name for key, name in names.items() if name not in left_out}
    else:
        if not len(keys):
            raise DataError(f"{source}: there are no rows in it")
        unknown = keys[~keys.isin(known)]
        if len(unknown):
            raise DataError(
                f"{source}: the label {label[kept][unknown.index[0]]!r} at "
                f"{_place(unknown.index[0])} is not one of the classes: {', '.join(class_names)}"
            )
        names = dict(zip(known, class_names, strict=False))
    common = keys.isin(names).to_numpy()
    if rows := int((~common).sum()):
        listed = ", ".join(map(repr, rare[:SHOWN_CLASSES])) + (", …" if len(rare) > 5 else "")
        classes = "class" if len(rare) == 1 else "classes"
        tell(
            f"{source}: {counted(rows, 'row')} left out, of {len(rare)} {classes} with fewer "
            f"than {fewest} rows or {FEWEST_TEXTS} different texts ({listed}); see --min-class-rows"
        )
    position = {key: index for index, key in enumerate(names)}
    return Reviews(
        texts=text[kept][common].to_numpy(dtype=object),
        labels=np.array([position[key] for key in keys[common].tolist()], np.int32),
        class_names=tuple(names.values()),
        where=table.index[kept][common].to_numpy(dtype=object),
        dropped=dropped,
        rare=rare,
        shared=_shared(table[kept][common]),
    )


def exact(table: pd.DataFrame, source: str, class_names: tuple[str, ...], fewest: int) -> Reviews:
    """Rows of a program that knows its classes: all are taken as they are.

    Args:
        table: as for `clean`; the labels are indices into `class_names`, and no text is empty.
        source: what to call it in messages.
        class_names: the classes.
        fewest: rows that each must have.

    Raises:
        DataError: there is one class, or one has fewer rows or a name that is too long.
    """
    labels = np.array(table["label"].astype(int), np.int32)
    counts = np.bincount(labels, minlength=len(class_names))
    if len(class_names) < 2:
        raise DataError(
            f"{source}: every label is {class_names[0]!r}; a classifier needs two classes"
        )
    _refuse_long(pd.Series(class_names)[labels].set_axis(table.index), source)
    if counts.min() < fewest:
        raise DataError(
            f"{source}: the class {class_names[counts.argmin()]!r} has "
            f"{counted(int(counts.min()), 'row')}; at least {fewest} are needed for each class"
        )
    texts = table["text"].str.strip().to_numpy(dtype=object)
    where, shared = table.index.to_numpy(dtype=object), _shared(table)
    return Reviews(texts, labels, class_names, where, dropped=0, shared=shared)


def _refuse_long(labels: pd.Series, source: str) -> None:
    """Refuses labels that are longer than the name of a class may be in a model file."""
    lengths = labels.map(len)
    if lengths.max() > LONGEST_LABEL:
        raise DataError(
            f"{source}: the label at {_place(lengths.idxmax())} has {lengths.max():,} characters, "
            f"more than {LONGEST_LABEL:,}; is another column the label?"
        )


def _shared(table: pd.DataFrame) -> npt.NDArray[np.object_] | None:
    return table["group"].to_numpy(dtype=object) if "group" in table else None


def _place(index: object) -> str:
    return f"row {index}" if isinstance(index, (int, np.integer)) else str(index)


def _keys(labels: Iterable[str]) -> list[str]:
    """What decides whether two labels are the same class."""
    plain = {label: _plain(label) for label in dict.fromkeys(labels)}
    if all(_NUMBER.fullmatch(key) for key in plain.values()):
        plain = {label: _value(key) for label, key in plain.items()}
    return [plain[label] for label in labels]


def _plain(label: str) -> str:
    """A label without what does not show."""
    seen = label
    if not label.isascii():
        seen = "".join(character for character in label if not _is_invisible(character))
    folded_case = " ".join(seen.split()).casefold().replace("i\u0307", "i")  # of Turkish İ
    return unicodedata.normalize("NFKC", folded_case)


def _shows(text: str) -> bool:
    """Whether there is anything to see in a text."""
    return any(not (letter.isspace() or _is_invisible(letter)) for letter in text)


def _is_invisible(character: str) -> bool:
    """Whether a character shows nothing: a format character, or what chooses between glyphs."""
    return unicodedata.category(character) == "Cf" or "\ufe00" <= character <= "\ufe0f"


def _value(number: str) -> str:
    """A number's value, exactly: of 1, 1.0 and 01 the same."""
    value = Decimal(number)
    whole = Context(prec=len(number))  # decimal's own is of 28 digits
    return str(value.normalize(whole)) if value else "0"  # not -0


def _names(
    labels: pd.Series, keys: pd.Series, source: str, tell: Callable[[str], None]
) -> dict[str, str]:
    """The classes in order: each one's key, and its most frequent spelling."""
    names, merged = dict[str, str](), list[str]()
    rows: dict[str, Counter[str]] = {}
    for (key, label), count in Counter(zip(keys.tolist(), labels.tolist(), strict=True)).items():
        rows.setdefault(key, Counter())[label] = count
    for key, counts in sorted(rows.items()):
        spellings = list(counts)
        if len(spellings) > 1:
            spellings.sort(key=lambda s: (-counts[s], any(map(_is_invisible, s)), len(s), s))
            others = ", ".join(ascii(s) if not s.isascii() else repr(s) for s in spellings[1:6])
            more = ", …" if len(spellings) > 6 else ""
            merged.append(f"{source}: read as one class with {spellings[0]!r}: {others}{more}")
        names[key] = spellings[0]
    for line in merged[:MANY_CLASSES]:
        tell(line)
    if len(merged) > MANY_CLASSES:
        tell(f"{source}: the same in {len(merged) - MANY_CLASSES:,} other classes")
    if all(_NUMBER.fullmatch(key) for key in names):
        # A program wrote 1.0 where there was 1, because another row of the column had none.
        whole = {key: _WHOLE.sub(r"\1", names[key]) for key in names}
        return {key: whole[key] for key in sorted(names, key=Decimal)}
    return {key: names[key] for key in sorted(names)}


def _rare(
    names: dict[str, str], keys: pd.Series, texts: pd.Series, source: str, fewest: int
) -> tuple[str, ...]:
    """The classes with too few rows or texts; refuses what is left if it cannot be learned."""
    counts = keys.value_counts()
    different = _different_texts(keys, texts)
    rare = tuple(
        name for key, name in names.items() if counts[key] < fewest or different[key] < FEWEST_TEXTS
    )
    left = sorted({*names.values()} - {*rare})
    if len(names) == 1:
        raise DataError(
            f"{source}: every label is {next(iter(names.values()))!r}; a classifier needs two "
            "classes"
        )
    if len(left) > MOST_CLASSES or len(names) > MANY_CLASSES > 2 * len(left):
        examples = ", ".join(name[:LONGEST_NAME] for name in [*names.values()][:SHOWN_CLASSES])
        raise DataError(
            f"{source}: {len(names):,} different labels ({examples}, …), of which "
            f"{len(left):,} have {fewest} rows; is another column the label?"
        )
    if len(left) < 2:
        rarest = min(names, key=lambda key: (counts[key] >= fewest, different[key], counts[key]))
        few = different[rarest]
        raise DataError(
            f"{source}: the class {names[rarest][:LONGEST_NAME]!r} has "
            + counted(int(counts[rarest]), "row")
            + (f" of {counted(few, 'text')}" if few < FEWEST_TEXTS else "")
            + f"; at least {fewest} rows of {FEWEST_TEXTS} different texts are needed for each "
            "class, and two such classes"
        )
    return rare


def _different_texts(keys: pd.Series, texts: pd.Series) -> dict[str, int]:
    """How many different texts each class has, counted as far as it matters."""
    found: dict[str, set[str]] = {key: set() for key in keys.unique()}
    wanting = set(found)
    for key, text in zip(keys, texts, strict=True):
        if not wanting:
            break
        if key in wanting:
            found[key].add(folded(text))
            if len(found[key]) == FEWEST_TEXTS:
                wanting.remove(key)
    return {key: len(known) for key, known in found.items()}


def _tell_of_several(names: Iterable[str], source: str, tell: Callable[[str], None]) -> None:
    """Tells of labels that are several in one cell, such as "food|service", which are classes."""
    classes = set(names)
    for name, mark in itertools.product(sorted(classes), "|;,"):
        parts = [part.strip() for part in name.split(mark)]
        if len(parts) > 1 and classes.issuperset(parts):
            tell(
                f"{source}: {name!r} looks like several labels; a text has one here, so each "
                "combination of them is a class of its own"
            )
            return


def _tell_of_missing(
    names: dict[str, str], keys: pd.Series, source: str, tell: Callable[[str], None]
) -> None:
    """Tells of classes whose names are what programs write where there is no label."""
    for key in sorted(MISSING & names.keys()):
        rows = counted(int((keys == key).sum()), "row")
        tell(
            f"{source}: the label {names[key]!r} of {rows} is read as a class; if it means that "
            "there is no label, remove these rows"
        )
