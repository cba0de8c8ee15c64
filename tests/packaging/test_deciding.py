"""The words of a mistake are asked of a network that has not learned from it."""

import numpy as np
import pandas as pd

import search
from search.evaluation.ngram_models import fitted_models
from search.packaging import deciding
from search.packaging.ensemble import class_counts, ensemble_of
from search.packaging.explanation import explained
from tests.conftest import SAMPLE


def test_the_network_that_is_asked_gave_the_wrong_answer(tmp_path, tune, monkeypatch):
    settings = search.Settings(
        data=str(SAMPLE), trials=1, max_epochs=2, finals=1, folds=2, workers=1,
        set="ngrams=none", results=tmp_path / "r",
    )  # fmt: skip
    corpus = search.load_corpus(settings)
    tuner = tune(settings, corpus)
    study = tuner.study
    ensemble = ensemble_of(study, study.best_first()[0], fitted_models(corpus, class_counts(study)))
    rows = len(corpus.validation)
    table = pd.DataFrame(
        {
            "row": corpus.validation.rows,
            "text": corpus.validation.texts,
            "predicted": corpus.class_names[1],
        }
    )
    asked = []

    def noted(says, labels, text, **options):
        found = explained(says, labels, text, **options)
        asked.append(found.probability)
        return found

    monkeypatch.setattr(deciding, "explained", noted)
    lines = deciding.deciding_words(study, ensemble, table)
    assert len(lines) == rows and any(lines) and not any(lines[deciding.MOST :])
    # A row's answer out of fold is that of the network that held it out.
    np.testing.assert_allclose(asked, ensemble.unmixed[-rows:][: deciding.MOST, 0], atol=1e-6)
