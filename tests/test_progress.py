"""Lines on how far something is."""

import numpy as np

import search
from search import progress
from search.corpus.duplicates import near_duplicates
from search.corpus.encode import learn_vocabulary
from search.progress import Progress
from tests.conftest import SAMPLE

TEXTS = np.array([f"a review with the number {n} of its own" for n in range(50)], dtype=object)


def test_what_is_done_soon_is_not_told_of():
    lines = []
    told = Progress(lines.append, "counting", 100, "texts")
    for done in range(100):
        told(done)
    near_duplicates(TEXTS, lines.append)
    learn_vocabulary(TEXTS, tell=lines.append)
    assert lines == []


def test_a_line_every_few_seconds_and_how_long_the_rest_may_take(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    lines = []
    told = Progress(lines.append, "counting", 1_000, "texts")
    for second in range(11):
        now[0] = 100.0 + second
        told(100 * second)
    assert lines == [
        "counting: 400 of 1,000 texts; about 6 s left",
        "counting: 800 of 1,000 texts; about 2 s left",
    ]


def test_reading_and_fitting_tell_of_themselves(monkeypatch, tune, tmp_path):
    monkeypatch.setattr(progress, "SECONDS", 0)
    lines = []
    near_duplicates(TEXTS, lines.append)
    learn_vocabulary(TEXTS, tell=lines.append)
    assert lines[0].startswith("finding the words: 0 of 50 texts")
    assert lines[-2].startswith("looking for near-duplicates: 32 of 32 parts")
    assert lines[-1].startswith("encoding: 0 of 50 texts")
    settings = search.Settings(data=SAMPLE, trials=1, max_epochs=1, finals=0, results=tmp_path)
    fitting = []
    search.conclude(tune(settings, search.load_corpus(settings)), progress=fitting.append)
    assert fitting and all(line.startswith("fitting n-gram models: ") for line in fitting)
    assert fitting[-1].startswith("fitting n-gram models: 36 of 36 fits")
