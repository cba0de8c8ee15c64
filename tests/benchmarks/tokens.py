"""What it costs that a model file reads every script: the tokens of version 0.1 and today's.

One network of 64 features and units behind both tokenizers, in `model.predict` and in
`search.predict`, in turns, on sentences and on reviews of about 1,300 characters.

Usage: python -m tests.benchmarks.tokens [TURNS]
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import keras
import tensorflow as tf

from search.corpus.sources import read_texts
from search.packaging.classifier import load_classifier
from tests.conftest import exported

KNOWN, LONGEST = 10_000, 400  # tokens: known ones, and of a text
SENTENCES, REVIEWS = 4_000, 400
LENGTHS = (1_000, 1_600)  # characters of a review, on average about 1,300


def models(folder: Path, texts: list[str]) -> dict[str, Path]:
    """A file with the tokens of version 0.1, and one with today's."""
    options = {"embedding_dim": 64, "lstm_units": 64, "vocabulary_size": KNOWN}
    return {
        name: exported(
            folder / f"{name}.keras", tokens=tokens, texts=texts, longest=LONGEST, **options
        )
        for name, tokens in (("0.1", "whitespace"), ("today", "unicode"))
    }


def compared(run: dict[str, Callable[[list[str]], object]], texts: list[str], turns: int) -> str:
    """The medians of both, in texts a second, and how much longer today's takes."""
    seconds: dict[str, list[float]] = {name: [] for name in run}
    for turn in range(turns + 1):
        for name, answer in run.items():
            started = time.perf_counter()
            answer(texts)
            if turn > 0:  # the first one traces, or compiles
                seconds[name].append(time.perf_counter() - started)
    old, new = (median(taken) for taken in seconds.values())
    return f"{len(texts) / old:,.0f} and {len(texts) / new:,.0f} texts a second: {new / old:.2f}"


def main() -> None:
    turns = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    reviews = [str(text) for text in read_texts("imdb")]
    long = [text for text in reviews if LENGTHS[0] <= len(text) <= LENGTHS[1]][:REVIEWS]
    sentences = [str(text) for text in read_texts("rotten-tomatoes")][:SENTENCES]
    with tempfile.TemporaryDirectory() as folder:
        files = models(Path(folder), reviews[:5_000])
        loaded = {name: keras.models.load_model(path) for name, path in files.items()}
        in_keras = {
            name: lambda texts, model=model: model.predict(tf.constant(texts), verbose=0)
            for name, model in loaded.items()
        }
        ours = {name: load_classifier(path).score for name, path in files.items()}
        for what, texts in (("sentences", sentences), ("reviews", long)):
            print(f"model.predict, {what}: {compared(in_keras, texts, turns)}", flush=True)
            print(f"search.predict, {what}: {compared(ours, texts, turns)}", flush=True)


if __name__ == "__main__":
    main()
