"""From a source to an encoded corpus: read, clean, split, learn the vocabulary, encode."""

from pathlib import Path

import numpy as np
import pandas as pd

from search.corpus.encode import encode, learn_vocabulary, token_kind
from search.corpus.labels import Reviews, clean
from search.corpus.sources import read
from search.corpus.split import Rows, split
from search.corpus.store import Corpus, Split, fingerprint
from search.errors import DataError
from search.settings import Settings


def load_corpus(settings: Settings) -> Corpus:
    """Reads, splits and encodes the data of a run. Nothing is written.

    The vocabulary is learned from the training side alone.

    Raises:
        DataError: the data cannot be used; the message says where and what to do.
    """
    return encode_sides(settings, read_sides(settings))


def encode_sides(settings: Settings, sides: dict[str, Reviews]) -> Corpus:
    """Encodes what `read_sides` read; only from here on TensorFlow is needed."""
    train = sides["train"]
    tokens = token_kind(train.texts)
    vocabulary = learn_vocabulary(train.texts, tokens)
    encoded = {}
    for name, part in sides.items():
        ids, offsets = encode(part.texts, tokens, vocabulary)
        rows = np.asarray(part.where, dtype=np.int64)
        encoded[name] = Split(ids=ids, offsets=offsets, labels=part.labels, rows=rows)
    names = train.class_names
    return Corpus(
        **encoded,
        class_names=names,
        vocabulary=vocabulary,
        tokens=tokens,
        fingerprint=fingerprint(
            names, *(array for part in sides.values() for array in (part.texts, part.labels))
        ),
        facts={
            "source": settings.data,
            "dropped_rows": train.dropped,
            "rows": {side: len(part.texts) for side, part in sides.items()},
            "class_rows": {
                side: np.bincount(part.labels, minlength=len(names)).tolist()
                for side, part in sides.items()
            },
            "tokens": tokens,
            "vocabulary_size": len(vocabulary) + 2,
        },
    )


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
    try:
        parts = split(
            reviews.texts,
            reviews.labels,
            settings.seed,
            validation="validation" not in given,
            test="test" not in given,
        )
    except DataError as error:
        raise DataError(f"{settings.data}: {error}") from None
    sides = {"train": _take(reviews, parts.train)}
    for side in ("validation", "test"):
        everything = given.get(side)
        rows = getattr(parts, side) if everything is None else np.arange(len(everything.texts))
        sides[side] = _take(reviews if everything is None else everything, rows)
    return sides


def _read_file(path: Path, settings: Settings) -> pd.DataFrame:
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    named = Path(settings.data).is_file()  # column names given for a file hold for its companions
    return read(
        str(path),
        settings.text_column if named else None,
        settings.label_column if named else None,
    )


def _take(reviews: Reviews, rows: Rows) -> Reviews:
    return Reviews(
        texts=reviews.texts[rows],
        labels=reviews.labels[rows],
        class_names=reviews.class_names,
        where=rows.astype(object),
        dropped=reviews.dropped,
    )
