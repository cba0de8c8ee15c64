"""A model at work on files and in a pipe, as a user of the command has it.

One network is trained for an epoch on IMDB and exported. Then, in turns, the whole command
`python -m search.predict --file` and a script with Keras' `model.predict` add answers to the same
CSV file: both times are from the start of the process to the file on disk. Last, sentences go
through `python -m search.predict` on one core.

Usage: python -m tests.benchmarks.files [TURNS]
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import pandas as pd

from search.corpus.sources import read_texts
from tests.benchmarks.run import MIDDLE
from tests.conftest import ROOT
from tests.end_to_end.test_predict import piped_on_one_core

STOCK = """
import sys
import keras, numpy as np, pandas as pd, tensorflow as tf
model = keras.models.load_model(sys.argv[1])
table = pd.read_csv(sys.argv[2])
positive = model.predict(tf.constant(table["text"]), verbose=0)[:, 0]
table["label"] = np.where(positive > 0.5, "positive", "negative")
table["probability"] = np.maximum(positive, 1 - positive)
table.to_csv(sys.argv[3], index=False)
"""


def python(*arguments: object) -> float:
    """Seconds that a command takes."""
    started = time.perf_counter()
    command = [sys.executable, *map(str, arguments)]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def whole_files(model: Path, data: str, turns: int) -> str:
    """Both sides on all texts of a data set."""
    table = pd.DataFrame({"text": read_texts(data)})
    file, out = model.parent / f"{data}.csv", model.parent / "answers.csv"
    table.to_csv(file, index=False)
    ours, stock = [], []
    for _ in range(turns):
        stock.append(python("-c", STOCK, model, file, out))
        ours.append(
            python("-m", "search.predict", "--model", model, "--file", file, "--output", out)
        )
        assert len(pd.read_csv(out)) == len(table)
    return (
        f"{data}, {len(table):,} texts: model.predict {median(stock):.1f} s, search.predict "
        f"{median(ours):.1f} s, {median(stock) / median(ours):.1f} times as fast"
    )


def pipe(model: Path) -> str:
    """The sentences of rotten-tomatoes."""
    out, seconds = piped_on_one_core(model, read_texts("rotten-tomatoes"))
    lines = out.count("\n")
    return f"a pipe on one core: {lines:,} sentences in {seconds:.1f} s, {lines / seconds:,.0f}/s"


def main(turns: int = 3) -> None:
    with tempfile.TemporaryDirectory() as directory:
        sets = [part for name, value in MIDDLE.items() for part in ("--set", f"{name}={value}")]
        python(
            *("-m", "search.run", "--data", "imdb", "--trials", 1, "--max-epochs", 1),
            *("--finals", 0, "-q", "--results", directory, *sets),
        )
        model = Path(directory) / "best_model.keras"
        for data in ("imdb", "rotten-tomatoes"):
            print(whole_files(model, data, turns), flush=True)
        print(pipe(model))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
