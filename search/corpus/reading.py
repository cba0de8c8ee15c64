"""Reads and splits the data of a run, without encoding them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from search.corpus.columns import NoLabels
from search.corpus.dialect import Form
from search.corpus.duplicates import near_duplicates
from search.corpus.folders import class_folders, layout
from search.corpus.labels import Reviews, clean, exact
from search.corpus.named import OTHER_TEXTS, is_named
from search.corpus.overlaps import leaking_rows
from search.corpus.sources import read, read_labelled_lines, read_texts
from search.corpus.split import Rows, kept_together, split, tied
from search.errors import DataError
from search.memory import InMemory
from search.progress import Say, silent, tell_step
from search.settings import NO_TEXTS, Settings

Texts = npt.NDArray[np.object_]


def read_splits(settings: Settings, tell: Say = silent) -> dict[str, Reviews]:
    """Reads and splits the data, without encoding it: train, validation and test by name.

    `where` of each row is its number in its file, from 1; without one, its number among the rows
    that were kept. `tell` is called with a sentence for everything that was detected.
    """
    laid = laid_out(settings, tell)
    reviews = _reviews(laid.data, laid, tell)
    given = dict[str, Reviews]()
    if laid.test == NO_TEXTS:
        given["test"] = _take(reviews, np.arange(0))
    for name, source in (("validation", laid.validation), ("test", laid.test)):
        if source is None or name in given:
            continue
        try:
            given[name] = _reviews(source, laid, tell, reviews.class_names, reviews.rare)
        except NoLabels as error:
            if getattr(settings, name) is not None:
                raise NoLabels(
                    f"{error}. A {name} split needs labels; search.predict classifies texts without"
                ) from None
            tell(
                f"{source}: passed over, because its texts have no labels; a part of the training "
                f"rows is the {name} split"
            )
    groups = near_duplicates(np.concatenate([r.texts for r in (reviews, *given.values())]), tell)
    reviews, *others = _bound(list(_numbered((reviews, *given.values()), groups)))
    given = dict(zip(given, others, strict=True))
    tell_step(tell, "splitting", len(reviews.texts))
    try:
        parts = split(
            reviews.texts,
            reviews.labels,
            settings.seed,
            validation="validation" not in given,
            test="test" not in given,
            groups=reviews.groups,
            bound=reviews.bound,
        )
    except DataError as error:
        raise DataError(f"{settings.data}: {error}") from None
    splits = {"train": _take(reviews, parts.train)}
    for name in ("validation", "test"):
        everything = given.get(name)
        rows = getattr(parts, name) if everything is None else np.arange(len(everything.texts))
        splits[name] = _take(reviews if everything is None else everything, rows)
    if settings.remove_leaks:
        for name, leaking in leaking_rows(splits).items():
            rows = np.setdiff1d(np.arange(len(splits[name].texts)), leaking)
            left = _take(splits[name], rows)
            missing = set(splits[name].labels.tolist()) - set(left.labels.tolist())
            if missing:
                names = ", ".join(repr(left.class_names[label]) for label in sorted(missing))
                raise DataError(f"without near-duplicates no row of {name} is of class {names}")
            splits[name] = left
    return splits


def laid_out(settings: Settings, tell: Say = silent) -> Settings:
    """Returns the settings with the train, validation and test parts of the data, if it has some.

    A folder may have them, and a data set in memory. A split that the user named is kept.
    """
    if isinstance(settings.data, InMemory):
        if settings.data.kind != "splits":
            return settings
        splits = settings.data.content
        unlabelled = splits.get("unlabelled")
        tell("; ".join(f"{name}: {part}" for name, part in splits.items()))
    else:
        folder = Path(settings.data)
        found = layout(folder) if folder.is_dir() else None
        if found is None:
            return settings
        tell(f"{folder}: {found.described(folder)}")
        splits = {name: ",".join(paths) for name, paths in found.splits.items()}
        unlabelled = found.unlabelled
    changed = {"data": splits["train"]}
    for name in ("validation", "test"):
        if getattr(settings, name) is None:
            changed[name] = splits.get(name)
    if settings.unlabelled is None and unlabelled:
        changed["unlabelled"] = unlabelled
    return settings.model_copy(update=changed)


def unlabelled_sources(settings: Settings) -> Sequence[str | InMemory]:
    """The sources of the further texts of a run.

    Raises:
        DataError: "none" stands beside others.
    """
    sources: Sequence[str | InMemory] | InMemory | None = laid_out(settings).unlabelled
    if isinstance(sources, InMemory):
        return (sources,)
    if sources is None:
        data = settings.data
        named = not isinstance(data, InMemory) and is_named(data)
        return OTHER_TEXTS.get(str(data), ()) if named else ()
    if sources == (NO_TEXTS,):
        return ()
    if NO_TEXTS in sources:
        raise DataError(f"--unlabelled {NO_TEXTS} excludes other texts, found {sources}")
    return sources


def read_unlabelled(settings: Settings, tell: Say = silent) -> Texts:
    """Reads the unlabelled texts to learn word features from; none is empty."""
    sources = unlabelled_sources(settings)
    if "" in sources:
        raise DataError("--unlabelled: expected a file, a folder or a data set, found ''")
    column = settings.text_column if _has_columns(settings.data) else None
    form = form_of(settings)
    return np.concatenate(
        [np.empty(0, object), *(read_texts(source, column, form, tell) for source in sources)]
    )


def form_of(settings: Settings) -> Form:
    """The options for reading files: encoding, delimiter, quotes, header."""
    return Form(settings.encoding, settings.delimiter, settings.quote, settings.no_header)


def _reviews(
    source: str | InMemory,
    laid: Settings,
    tell: Say,
    names: tuple[str, ...] | None = None,
    rare: tuple[str, ...] = (),
) -> Reviews:
    """The cleaned rows of one split; `names` and `rare` are the classes, where they are known."""
    table, fewest = _read(source, laid, tell), laid.min_class_rows
    if isinstance(source, InMemory) and source.classes is not None:
        return exact(table, str(source), source.classes, fewest if names is None else 0)
    cleaned = clean(table, str(source), names, rare, fewest, tell)
    pa.default_memory_pool().release_unused()  # of pandas' columns: as much as the texts have
    return cleaned


def _read(source: str | InMemory, laid: Settings, tell: Say) -> pd.DataFrame:
    """One split; columns named for the data hold for its companions, if both are tables."""
    form = form_of(laid)
    if source == laid.data and laid.labels is not None:
        if isinstance(source, InMemory):
            raise DataError(f"--labels cannot be used with {source}, which has its own labels")
        if laid.group_column is not None:
            raise DataError("--group-column cannot be used with --labels: there are no columns")
        return read_labelled_lines(source, laid.labels, form, tell)
    columns = (laid.text_column, laid.label_column)
    group = laid.group_column if source == laid.data else None
    if source != laid.data and not (_has_columns(source) and _has_columns(laid.data)):
        columns = (None, None)
    return read(source, *columns, form, tell, group)


def _has_columns(source: str | InMemory) -> bool:
    """Whether a source is tables, and not folders of classes or a named data set."""
    if isinstance(source, InMemory):
        return True
    folder = Path(source)
    return not is_named(source) and not (folder.is_dir() and class_folders(folder))


def _numbered(parts: Iterable[Reviews], groups: Rows) -> Iterator[Reviews]:
    """Reviews with their groups, and numbers as their places, from 1."""
    begin = 0
    for part in parts:
        rows = len(part.texts)
        numbers = [
            row if isinstance(row, (int, np.integer)) else number  # in a folder, files have none
            for number, row in enumerate(part.where, start=1)
        ]
        where = np.array(numbers, dtype=object)
        yield replace(part, where=where, groups=groups[begin : begin + rows])
        begin += rows


def _bound(parts: list[Reviews]) -> list[Reviews]:
    """Reviews with what must stay in one split, where the first of them share something."""
    if parts[0].shared is None:
        return parts
    every = [part.groups for part in parts if part.groups is not None]
    near = kept_together(np.concatenate([part.texts for part in parts]), np.concatenate(every))
    alone = [np.full(len(part.texts), None, object) for part in parts[1:]]
    numbers = tied(near, np.concatenate([parts[0].shared, *alone]))
    ends = np.cumsum([len(part.texts) for part in parts])[:-1]
    return [
        replace(part, bound=bound)
        for part, bound in zip(parts, np.split(numbers, ends), strict=True)
    ]


def _take(reviews: Reviews, rows: Rows) -> Reviews:
    return Reviews(
        texts=reviews.texts[rows],
        labels=reviews.labels[rows],
        class_names=reviews.class_names,
        where=reviews.where[rows],
        dropped=reviews.dropped,
        groups=None if reviews.groups is None else reviews.groups[rows],
        bound=None if reviews.bound is None else reviews.bound[rows],
    )
