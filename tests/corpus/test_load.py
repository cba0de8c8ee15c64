"""A run's data as a whole: which rows come into which split."""

import numpy as np
import pandas as pd
import pytest

import search
from search import progress
from search.errors import DataError
from search.tuning.objective import check_measurable
from tests.conftest import SAMPLE


def test_without_test_rows_all_others_are_there(tmp_path):
    settings = search.Settings(data=SAMPLE, test="none", objective="val_auc")
    corpus = search.load_corpus(settings)
    rows = {"train": 270, "validation": 30, "test": 0, "unlabelled": 0}
    assert corpus.facts["rows"] == rows
    assert set(corpus.train.rows) | set(corpus.validation.rows) == set(range(1, 301))
    assert not any("test" in line for line in corpus.facts["audit"]["lines"])
    check_measurable(settings, corpus)
    corpus.save(tmp_path / "corpus")
    assert corpus.is_saved(tmp_path / "corpus")
    assert len(np.unique(corpus.folds)) == 5


def grouped(size):
    """The sample, so many rows of which are of one film; the last of none."""
    frame = pd.read_csv(SAMPLE)
    frame["film"] = [None if row > 290 else f"film {row // size}" for row in range(300)]
    return frame


@pytest.mark.parametrize("test", [None, "none"])
@pytest.mark.parametrize("size", [3, 20])
def test_a_group_stays_on_one_side_and_in_one_fold(size, test):
    frame = grouped(size)
    settings = search.Settings(data=frame, group_column="film", test=test)
    corpus = search.load_corpus(settings)
    splits = {split: getattr(corpus, split) for split in ("train", "validation", "test")}
    films = {
        split: set(frame["film"].iloc[part.rows - 1].dropna()) for split, part in splits.items()
    }
    assert not films["train"] & films["validation"] and not films["test"] & films["train"]
    assert sum(len(part) for part in splits.values()) == 300
    assert all(len(splits[split]) >= 15 for split in ("validation", "test")[: 2 - (test == "none")])
    both = np.concatenate([corpus.train.rows, corpus.validation.rows]) - 1
    by_film = pd.Series(corpus.folds).groupby(frame["film"].iloc[both].to_numpy()).nunique()
    assert (by_film == 1).all() and len(np.unique(corpus.folds)) > 1
    again = search.load_corpus(settings)
    assert again.fingerprint == corpus.fingerprint
    assert again.fingerprint != search.load_corpus(search.Settings(data=frame)).fingerprint


def test_groups_in_a_file(tmp_path):
    grouped(10).to_csv(tmp_path / "films.csv", index=False)
    settings = search.Settings(data=tmp_path / "films.csv", group_column="film")
    in_memory = settings.model_copy(update={"data": search.Settings(data=grouped(10)).data})
    assert search.load_corpus(settings).fingerprint == search.load_corpus(in_memory).fingerprint


def test_groups_that_cannot_be_divided(tmp_path):
    frame = pd.read_csv(SAMPLE).assign(film=lambda table: table["label"])
    with pytest.raises(DataError, match="2 groups cannot be divided so that every class is"):
        search.load_corpus(search.Settings(data=frame, group_column="film"))
    with pytest.raises(DataError, match="--group-column cannot be used with rotten-tomatoes"):
        search.load_corpus(search.Settings(group_column="film"))
    with pytest.raises(DataError, match="there is no column 'movie'"):
        search.load_corpus(search.Settings(data=frame, group_column="movie"))


def test_with_many_rows_every_step_is_told_of(monkeypatch):
    lines = []
    search.load_corpus(search.Settings(data=SAMPLE), lines.append)
    assert not any(line.startswith(("splitting", "encoding", "auditing")) for line in lines)
    monkeypatch.setattr(progress, "MANY_TEXTS", 300)
    search.load_corpus(search.Settings(data=SAMPLE), lines.append)
    assert lines[-3:] == ["splitting 300 texts", "encoding 300 texts", "auditing 300 texts"]
