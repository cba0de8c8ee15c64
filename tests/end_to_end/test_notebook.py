"""Real notebooks, in a real kernel: a HyperModel from a cell, and what goes wrong in one."""

import re

import nbformat
import pytest
from nbclient import NotebookClient

from tests.conftest import SAMPLE

HYPERMODEL = """
import os, keras, keras_tuner, search
from pathlib import Path

WIDTH, KERNEL = 8, os.getpid()

class Unlucky(Exception):
    def __init__(self, first, second):
        super().__init__(first)

def embedding():
    return keras.layers.Embedding(20_000, WIDTH, mask_zero=True)

class Mine(keras_tuner.HyperModel):
    def __init__(self, fails=False):
        self.fails = fails

    def build(self, hp):
        if self.fails and os.getpid() != KERNEL:
            raise Unlucky("only in a worker", 2)  # here
        ids = keras.Input((None,), dtype="int32")
        x = keras.layers.GlobalMaxPooling1D()(embedding()(ids))
        x = keras.layers.Dense(hp.Choice("units", [4, 8]))(x)
        model = keras.Model(ids, keras.layers.Dense(1, activation="sigmoid")(x))
        model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy")
        return model
"""
SEARCH = f"""
settings = search.Settings(
    data={str(SAMPLE)!r}, trials=2, max_epochs=1, finals=0, workers=1, set="ngrams=none",
)
corpus = search.load_corpus(settings)
"""


def executed(folder, *cells):
    """Runs cells one after another, as in Jupyter; what each shows, errors with their causes."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=600, resources=resources, allow_errors=True).execute()
    return [
        "".join(
            output.get("text", "")
            or output.get("data", {}).get("text/html", "")
            or output.get("data", {}).get("text/plain", "")
            or re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(output.get("traceback", ())))
            for output in cell.outputs
        )
        for cell in notebook.cells
    ]


@pytest.mark.slow  # the fast ones of its kind are in tests/tuning/test_foreign.py
def test_a_hypermodel_of_a_cell_and_its_errors(tmp_path):
    *_, searched, made, failed = executed(
        tmp_path,
        HYPERMODEL,
        SEARCH,
        "tuner = search.tune(settings, corpus, hypermodel=Mine())",
        "tuner.records",
        "failing = settings.model_copy(update={'results': Path('failing')})\n"
        "search.conclude(search.tune(failing, corpus, hypermodel=Mine(fails=True)))",
    )
    assert searched.count("<table") == 1  # drawn in place
    assert "<p>2 of 2 trials</p>" in searched and searched.count("<td>000") == 2
    assert made.count("status='completed'") == 2 and "error=None" in made
    assert "none of 2 trials completed; the last one failed with" in failed
    assert 'raise Unlucky("only in a worker", 2)  # here' in failed
    assert "Unlucky: only in a worker" in failed
