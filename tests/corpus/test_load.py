"""A run's data as a whole: which rows come to which side."""

import numpy as np

import search
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
