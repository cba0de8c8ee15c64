"""From a source to an encoded corpus: read, clean, split, learn the vocabulary, encode."""

from dataclasses import replace
from typing import Any

import numpy as np

from search.corpus.audit import audit
from search.corpus.encode import OOV, encode, learn_vocabulary
from search.corpus.folds import drawn_folds, usual_folds
from search.corpus.labels import Reviews
from search.corpus.reading import Texts, read_splits, read_unlabelled, unlabelled_sources
from search.corpus.split import folded
from search.corpus.store import Corpus, Split, fingerprint
from search.errors import DataError
from search.progress import Say, silent, tell_step
from search.settings import Settings


def load_corpus(settings: Settings | Any, tell: Say = silent) -> Corpus:
    """Reads, audits, splits and encodes the data of a run. Nothing is written.

    The vocabulary is learned from the training and unlabelled texts alone.

    Args:
        settings: of the run; or its data alone, as `Settings.data` takes them.
        tell: called with a sentence for everything that was detected in the data.

    Returns:
        The encoded corpus; `corpus.facts["audit"]` has the findings of the audit.

    Raises:
        SettingsError: the settings are invalid.
        DataError: the data cannot be used; the message says where, and what to do.

    Examples:
        >>> import pandas, search
        >>> corpus = search.load_corpus("reviews.csv")
        >>> corpus.facts["rows"]
        {'train': 240, 'validation': 30, 'test': 30, 'unlabelled': 0}
        >>> frame = pandas.read_csv("reviews.csv")
        >>> same = search.load_corpus(search.Settings(data=frame, text_column="text"))
    """
    if not isinstance(settings, Settings):
        settings = Settings(data=settings)
    splits = read_splits(settings, tell)
    corpus = encode_splits(settings, splits, read_unlabelled(settings, tell), tell)
    return audited(corpus, splits, tell)


def encode_splits(
    settings: Settings, splits: dict[str, Reviews], more: Texts, tell: Say = silent
) -> Corpus:
    """Encodes the texts of `read_splits` and `read_unlabelled`, without an audit.

    Unlabelled texts that are also in validation or test are left out. `tell` is called with a line
    every few seconds.
    """
    train = splits["train"]
    count = sum(len(part.texts) for part in splits.values())
    tell_step(tell, "encoding", count)
    more = _without(more, [*splits["validation"].texts, *splits["test"].texts])
    vocabulary, (known, unlabelled) = learn_vocabulary(train.texts, more, tell=tell)
    if not any(word != OOV for word in known[0]):
        raise DataError(
            f"{settings.data}: no training text has a word in it, such as "
            f"{train.texts[0][:40]!r}; is another column the text?"
        )
    encoded = {}
    for name, part in splits.items():
        ids, offsets = known if part is train else encode(part.texts, vocabulary)
        rows = np.asarray(part.where, dtype=np.int64)
        encoded[name] = Split(ids, offsets, part.labels, rows, part.texts)
    encoded["unlabelled"] = Split(
        *unlabelled, labels=np.empty(0, np.int32), rows=np.arange(1, len(more) + 1)
    )
    folds = drawn_folds(
        train, splits["validation"], settings.seed, settings.folds or usual_folds(encoded["train"])
    )
    names = train.class_names
    return Corpus(
        **encoded,
        class_names=names,
        vocabulary=vocabulary,
        folds=folds,
        fingerprint=fingerprint(
            names,
            *(array for part in splits.values() for array in (part.texts, part.labels)),
            more,
            *([] if train.bound is None else [train.bound, splits["validation"].bound]),
        ),
        facts={
            "source": str(settings.data),
            "unlabelled_from": [str(s) for s in unlabelled_sources(settings)] if len(more) else [],
            "dropped_rows": train.dropped,
            "rows": {name: len(part) for name, part in encoded.items()},
            "class_rows": {
                name: np.bincount(part.labels, minlength=len(names)).tolist()
                for name, part in splits.items()
            },
            "vocabulary_size": len(vocabulary) + 2,
            "folds": int(folds.max()) + 1,
        },
    )


def audited(corpus: Corpus, splits: dict[str, Reviews], tell: Say = silent) -> Corpus:
    """Returns the corpus of `encode_splits` with the findings of the audit among its facts."""
    tell_step(tell, "auditing", sum(len(part.texts) for part in splits.values()))
    return replace(corpus, facts={**corpus.facts, "audit": audit(splits, corpus).to_json()})


def _without(texts: Texts, scored: list[str]) -> Texts:
    """The texts that are not among those which are scored."""
    if not len(texts):
        return texts
    known = {folded(text) for text in scored}
    return np.array([text for text in texts if folded(text) not in known], dtype=object)
