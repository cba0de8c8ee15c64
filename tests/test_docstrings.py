"""Every public name has a docstring, and its example works."""

import shutil

import pandas as pd
import pytest

import search
from search.packaging import parity
from search.tuning import places
from tests.conftest import FEWER_TEXTS, SAMPLE, kept
from tests.examples import public, run_example

PUBLIC = public()
ELSEWHERE = {"MLflowTracker"}  # tests/reporting/test_mlflow.py has a server


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the examples run: with reviews, and one quick search that all of them find done."""
    with pytest.MonkeyPatch.context() as patch:
        here = tmp_path_factory.mktemp("examples")
        patch.chdir(here)
        patch.setattr(places, "slots", kept)
        patch.setattr(parity, "TEXTS", FEWER_TEXTS)
        patch.setattr(parity, "SECONDS", 0.02)
        shutil.copy(SAMPLE, "reviews.csv")
        run_example(search.conclude)
        yield here


@pytest.mark.parametrize("name", [name for name in PUBLIC if name not in ELSEWHERE])
def test_examples(name, folder):
    reviews = pd.read_csv("reviews.csv")
    texts, labels = reviews["text"].tolist(), reviews["label"].tolist()
    run_example(PUBLIC[name], search=search, texts=texts, labels=labels)
