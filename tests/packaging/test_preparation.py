"""What the end of a search begins before it."""

from functools import cache

import search
from search.packaging import parity, preparation
from search.packaging.ensemble import class_counts
from tests.conftest import SAMPLE


def test_what_no_final_decides_is_begun_while_they_are_trained(tmp_path, monkeypatch):
    checking = cache(parity.Runtimes)  # that of the other tests goes on
    monkeypatch.setattr(preparation, "started", checking)
    settings = search.Settings(
        data=SAMPLE, trials=2, max_epochs=1, finals=1, folds=3, workers=1, results=tmp_path / "r"
    )
    corpus = search.load_corpus(settings)
    begun = {}

    class Noted:
        def after_trial(self, tuner, record):
            process = checking.cache_info().currsize
            begun[record.trial_id] = tuner.study in preparation._begun, bool(process)

    tuner = search.tune(settings, corpus, callbacks=[Noted()])
    finals = [name for name in begun if "-" in name]
    assert len(finals) == 3 and all(begun[name] == (True, True) for name in finals)
    assert not any(any(begun[name]) for name in begun if name not in finals)
    early = preparation._begun[tuner.study].models.result(timeout=60)
    again = preparation.fitted_models(corpus, class_counts(tuner.study))
    assert {kind: model.presence.tobytes() for kind, model in early.items()} == {
        kind: model.presence.tobytes() for kind, model in again.items()
    }
    checking().close()
