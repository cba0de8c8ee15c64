"""Objects of the user that are told of epochs and trials."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter

import pandas as pd
import pytest

import search
from search.errors import Interrupted, NothingUsable, SettingsError
from tests.conftest import SAMPLE
from tests.faults.misbehaving import AlwaysRaises
from tests.made import quick_settings


class Noted(search.Callback):
    """Notes what it is told, and what is on the disk meanwhile."""

    def __init__(self):
        self.told, self.saved, self.error, self.outcome = [], [], [], None

    def before_search(self, tuner):
        self.told.append(("begin", len(tuner.records)))

    def after_epoch(self, tuner, record):
        self.told.append(("epoch", record.trial_id, record.history[-1].epoch))
        folder = tuner.study.run.trial(record.trial_id)
        state = folder.load_state()
        kept = json.loads((folder.path / "trial.json").read_text())["history"]
        self.saved.append(len(state[0] if state else kept) == len(record.history))

    def after_trial(self, tuner, record):
        self.told.append(("trial", record.trial_id, record.status))
        assert record.trial_id in (tuner.study.run.leaderboard).read_text() or record.is_final

    def after_search(self, tuner, error):
        self.error.append(error)

    def after_conclusion(self, tuner, outcome):
        self.outcome = outcome

    def epochs(self):
        return [tuple(rest) for kind, *rest in self.told if kind == "epoch"]


class Fails:
    """One that has a mistake."""

    def __init__(self):
        self.calls = 0

    def after_epoch(self, tuner, record):
        self.calls += 1
        raise KeyError("missing")


def test_what_is_told(tmp_path, quick_corpus, tune):
    noted, fails, said = Noted(), Fails(), []
    wanted = quick_settings(tmp_path / "r")
    tuner = tune(wanted, quick_corpus, callbacks=[fails, noted], warn=said.append)
    finals = tuner.study.finals
    assert noted.told[0] == ("begin", 0)
    everything = {**tuner.records, **finals}
    trained = [
        (name, epoch.epoch) for name, record in everything.items() for epoch in record.history
    ]
    assert sorted(noted.epochs()) == sorted(trained) and all(noted.saved)
    assert len(finals) == 2
    for name, record in everything.items():
        mine = [one for one in noted.told if one[1] == name]
        assert mine[-1] == ("trial", name, record.status)
    assert noted.error == [None] and noted.outcome is None
    # A mistake of one costs nothing, and is told once.
    assert fails.calls == len(trained)
    (sentence,) = (one for one in said if "Fails" in one)
    assert sentence.startswith("Fails.after_epoch failed with KeyError: 'missing' (test_callbacks")
    outcome = search.conclude(tuner)
    assert noted.outcome is outcome
    # The same again: nothing is left to do, and nothing is told twice.
    again = Noted()
    tune(wanted, quick_corpus, callbacks=[again])
    assert again.told == [("begin", 3)] and again.error == [None]


def test_a_search_that_is_resumed_tells_no_epoch_twice(tmp_path, quick_corpus):
    noted = Noted()
    wanted = quick_settings(tmp_path / "r", max_epochs=3, reduction=1, finals=0, trials=2)

    class Stops(search.Callback):
        def after_epoch(self, tuner, record):
            if record.history[-1].epoch == 2:
                os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted) as stopped:
        search.tune(wanted, quick_corpus, callbacks=[noted, Stops()], warn=lambda message: None)
    assert noted.error == [stopped.value]
    tuner = search.tune(wanted, quick_corpus, callbacks=[noted])
    trained = [(n, e.epoch) for n, record in tuner.records.items() for e in record.history]
    assert sorted(noted.epochs()) == sorted(trained)
    ends = Counter(one[1] for one in noted.told if one[0] == "trial")
    assert set(ends.values()) == {1}


def test_an_error_before_the_search_ends_it(tmp_path, quick_corpus, tune):
    class Refuses:
        def before_search(self, tuner):
            raise ConnectionError("nobody is there")

    first, last = Noted(), Noted()
    with pytest.raises(ConnectionError, match="nobody is there"):
        tune(quick_settings(tmp_path / "r"), quick_corpus, callbacks=[first, Refuses(), last])
    assert first.told == [("begin", 0)] and str(first.error[0]) == "nobody is there"
    assert last.told == [] and last.error == []


def test_it_is_told_that_nothing_worked(tmp_path, quick_corpus, tune):
    noted = Noted()
    with pytest.raises(NothingUsable) as error:
        tune(
            quick_settings(tmp_path / "r", trials=9), quick_corpus, hypermodel=AlwaysRaises(),
            callbacks=[noted], warn=lambda message: None,
        )  # fmt: skip
    assert noted.error == [error.value]
    assert {status for _, _, status in noted.told[1:]} == {"failed"}


@pytest.mark.parametrize("wrong", [Noted, object(), print])
def test_what_is_none_is_refused(tmp_path, quick_corpus, wrong):
    with pytest.raises(SettingsError, match=r"objects with some of the methods before_search, aft"):
        search.tune(quick_settings(tmp_path / "r"), quick_corpus, callbacks=[wrong])
    assert not (tmp_path / "r").exists()


def test_a_classifier_tells_it_too():
    noted = Noted()
    frame = pd.read_csv(SAMPLE)
    classifier = search.TextClassifier(trials=1, max_epochs=1, finals=0, workers=1)
    classifier.fit(frame["text"], frame["label"], callbacks=[noted])
    assert noted.told == [("begin", 0), ("epoch", "0000", 1), ("trial", "0000", "completed")]
    assert noted.outcome.best == classifier.facts_


KILLED = f"""
import os, signal, sys
import search

class Killed(search.Callback):
    def after_epoch(self, tuner, record):
        with open("told", "a") as file:
            print(record.trial_id, record.history[-1].epoch, file=file)
        if sys.argv[1] == record.trial_id:
            os.kill(os.getpid(), signal.SIGKILL)

settings = search.Settings(
    data={str(SAMPLE)!r}, results="r", trials=4, max_epochs=2, reduction=1, finals=0, workers=1
)
search.tune(settings, search.load_corpus(settings), callbacks=[Killed()])
"""


@pytest.mark.slow
def test_a_killed_search_tells_no_epoch_twice(tmp_path):
    (tmp_path / "script.py").write_text(KILLED)
    codes = [
        subprocess.run([sys.executable, "script.py", fatal], cwd=tmp_path).returncode
        for fatal in ("0001", "0002", "none")
    ]
    assert codes == [-signal.SIGKILL, -signal.SIGKILL, 0]
    told = (tmp_path / "told").read_text().splitlines()
    assert sorted(told) == sorted({*told}) and len(told) >= 6
