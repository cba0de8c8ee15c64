"""Many trials: memory and the time of a trial stay as they are at the start."""

import os
import time

import numpy as np
import psutil
import pytest

import search
from tests.conftest import SAMPLE


def run_many(tmp_path, trials):
    settings = search.Settings(
        data=str(SAMPLE), results=tmp_path / "r", trials=trials, max_epochs=1, workers=2
    )
    parent, workers, ends = [], [], []
    me = psutil.Process(os.getpid())

    class Measured:
        def after_trial(self, tuner, record):
            ends.append(time.perf_counter())
            parent.append(me.memory_info().rss)
            children = [p.memory_info().rss for p in me.children(recursive=True)]
            workers.append(sum(sorted(children)[-2:]))

    tuner = search.tune(settings, search.load_corpus(settings), callbacks=[Measured()])
    assert len(tuner.records) == trials
    return np.diff(ends), np.array(parent), np.array(workers)


@pytest.mark.slow
def test_three_hundred_trials(tmp_path):
    seconds, parent, workers = run_many(tmp_path, 300)
    # The first fifty see every size of network for the first time.
    early, late = np.median(seconds[50:120]), np.median(seconds[-70:])
    print(
        f"a trial: {early:.3f} s, at the end {late:.3f} s; "
        f"parent {parent[60] / 1e6:.0f} → {parent[-1] / 1e6:.0f} MB; "
        f"workers {workers[60] / 1e6:.0f} → {workers[-1] / 1e6:.0f} MB"
    )
    assert late < 1.3 * early
    assert parent[-1] - parent[60] < 100e6
    assert workers[-1] - workers[60] < 150e6


def test_weights_of_few_trials_are_kept(tmp_path, tune):
    settings = search.Settings(
        data=str(SAMPLE),
        results=tmp_path / "r",
        trials=8,
        max_epochs=1,
        keep=3,
        finals=0,
    )
    tuner = tune(settings, search.load_corpus(settings))
    kept = {path.parent.name for path in (tmp_path / "r").glob("trials/*/best.npz")}
    assert kept == {trial.trial_id for trial in tuner.oracle.get_best_trials(3)}
    assert len(tuner.get_best_models(3)) == 3
    with pytest.raises(search.SearchError, match=r"not kept.*best 3 trials"):
        tuner.get_best_models(4)
