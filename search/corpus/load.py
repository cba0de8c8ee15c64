"""From a source to an encoded corpus: read, clean, split, learn the vocabulary, encode."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from search.corpus.audit import audit, leaking_rows
from search.corpus.duplicates import near_duplicates
from search.corpus.encode import OOV, encode, learn_vocabulary, token_kind
from search.corpus.labels import Reviews, clean
from search.corpus.sources import OTHER_TEXTS, read, read_texts
from search.corpus.split import Rows, folded, split
from search.corpus.store import Corpus, Split, fingerprint
from search.errors import DataError
from search.settings import NO_TEXTS, Settings
from search.untrusted import opened

Texts = npt.NDArray[np.object_]


def load_corpus(settings: Settings) -> Corpus:
    """Reads, splits and encodes the data of a run. Nothing is written.

    The vocabulary is learned from the training side and the unlabelled texts alone.

    Raises:
        DataError: the data cannot be used; the message says where and what to do.
    """
    return encode_sides(settings, read_sides(settings), read_unlabelled(settings))


def encode_sides(settings: Settings, sides: dict[str, Reviews], more: Texts) -> Corpus:
    """Encodes what `read_sides` and `read_unlabelled` read.

    An unlabelled text that is also one of validation or test is left out.
    """
    train = sides["train"]
    more = _without(more, [*sides["validation"].texts, *sides["test"].texts])
    tokens = token_kind(train.texts)
    vocabulary, (known, unlabelled) = learn_vocabulary(tokens, train.texts, more)
    if not any(word != OOV for word in known[0]):
        raise DataError(
            f"{settings.data}: no training text has a word in it, such as "
            f"{train.texts[0][:40]!r}; is another column the text?"
        )
    encoded = {}
    for name, part in sides.items():
        ids, offsets = known if part is train else encode(part.texts, tokens, vocabulary)
        rows = np.asarray(part.where, dtype=np.int64)
        encoded[name] = Split(ids=ids, offsets=offsets, labels=part.labels, rows=rows)
    encoded["unlabelled"] = Split(
        *unlabelled, labels=np.empty(0, np.int32), rows=np.arange(len(more))
    )
    names = train.class_names
    corpus = Corpus(
        **encoded,
        class_names=names,
        vocabulary=vocabulary,
        tokens=tokens,
        fingerprint=fingerprint(
            names, *(array for part in sides.values() for array in (part.texts, part.labels)), more
        ),
        facts={
            "source": settings.data,
            "dropped_rows": train.dropped,
            "rows": {side: len(part) for side, part in encoded.items()},
            "class_rows": {
                side: np.bincount(part.labels, minlength=len(names)).tolist()
                for side, part in sides.items()
            },
            "tokens": tokens,
            "vocabulary_size": len(vocabulary) + 2,
        },
    )
    corpus.facts["audit"] = audit(sides, corpus).to_json()
    return corpus


def read_sides(settings: Settings) -> dict[str, Reviews]:
    """The cleaned texts of train, validation and test, before anything is encoded.

    `where` of each row is its 0-based number among the cleaned rows of its source.
    """
    columns = (settings.text_column, settings.label_column)
    reviews = clean(read(settings.data, *columns), settings.data)
    given = {}
    for side, path in (("validation", settings.validation), ("test", settings.test)):
        if path is not None:
            given[side] = clean(_read_file(path, settings), str(path), reviews.class_names)
    groups = near_duplicates(np.concatenate([r.texts for r in (reviews, *given.values())]))
    reviews, *others = _numbered((reviews, *given.values()), groups)
    given = dict(zip(given, others, strict=True))
    try:
        parts = split(
            reviews.texts,
            reviews.labels,
            settings.seed,
            validation="validation" not in given,
            test="test" not in given,
            groups=reviews.groups,
        )
    except DataError as error:
        raise DataError(f"{settings.data}: {error}") from None
    sides = {"train": _take(reviews, parts.train)}
    for side in ("validation", "test"):
        everything = given.get(side)
        rows = getattr(parts, side) if everything is None else np.arange(len(everything.texts))
        sides[side] = _take(reviews if everything is None else everything, rows)
    if settings.remove_leaks:
        for side, leaking in leaking_rows(sides).items():
            rows = np.setdiff1d(np.arange(len(sides[side].texts)), leaking)
            left = _take(sides[side], rows)
            missing = set(sides[side].labels.tolist()) - set(left.labels.tolist())
            if missing:
                names = ", ".join(repr(left.class_names[label]) for label in sorted(missing))
                raise DataError(f"without near-duplicates no row of {side} is of class {names}")
            sides[side] = left
    return sides


def read_unlabelled(settings: Settings) -> Texts:
    """The texts without labels that a run may learn words from; none is empty."""
    sources = settings.unlabelled
    if sources is None:
        sources = OTHER_TEXTS.get(settings.data, ())
    elif sources == (NO_TEXTS,):
        sources = ()
    elif NO_TEXTS in sources:
        raise DataError(f"--unlabelled {NO_TEXTS} excludes other texts, found {sources}")
    if "" in sources:
        raise DataError("--unlabelled: expected a file, a folder or a data set, found ''")
    named = Path(settings.data).is_file()
    column = settings.text_column if named else None
    return np.concatenate(
        [np.empty(0, object), *(read_texts(source, column) for source in sources)]
    )


def _without(texts: Texts, scored: list[str]) -> Texts:
    """The texts that are not among those which are scored."""
    known = {folded(text) for text in scored}
    return np.array([text for text in texts if folded(text) not in known], dtype=object)


def _read_file(path: Path, settings: Settings) -> pd.DataFrame:
    try:
        opened(path).close()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    named = Path(settings.data).is_file()  # column names given for a file hold for its companions
    return read(
        str(path),
        settings.text_column if named else None,
        settings.label_column if named else None,
    )


def _numbered(parts: Iterable[Reviews], groups: Rows) -> Iterator[Reviews]:
    """Reviews with their groups, and numbers as their places."""
    begin = 0
    for part in parts:
        rows = len(part.texts)
        where = np.arange(rows).astype(object)
        yield replace(part, where=where, groups=groups[begin : begin + rows])
        begin += rows


def _take(reviews: Reviews, rows: Rows) -> Reviews:
    return Reviews(
        texts=reviews.texts[rows],
        labels=reviews.labels[rows],
        class_names=reviews.class_names,
        where=reviews.where[rows],
        dropped=reviews.dropped,
        groups=None if reviews.groups is None else reviews.groups[rows],
    )
