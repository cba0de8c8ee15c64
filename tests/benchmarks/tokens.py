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

from search.corpus.encode import learn_vocabulary
from search.corpus.sources import read_texts
from search.network.space import Configuration
from search.network.weights import Shape
from search.packaging.classifier import load_classifier
from search.packaging.description import describe
from search.packaging.text_model import save_model, text_model
from tests.compiled.test_network import pair
from tests.packaging.old_models import old_vocabulary, whitespace_model

KNOWN, SENTENCES, REVIEWS = 10_000, 4_000, 400
LENGTHS = (1_000, 1_600)  # characters of a review, on average about 1,300


def models(folder: Path, texts: list[str]) -> dict[str, Path]:
    """A file with the tokens of version 0.1, and one with today's."""
    vocabulary, _ = learn_vocabulary(texts)
    known = {"0.1": old_vocabulary("whitespace", texts)[:KNOWN], "today": vocabulary[:KNOWN]}
    files = {}
    for name, words in known.items():
        configuration = Configuration(embedding_dim=64, lstm_units=64)
        shape = Shape(len(words) + 2, 2, 400)
        network, input_config = pair(configuration, shape)[0], shape.input_config(configuration)
        old = name == "0.1"
        files[name] = folder / f"{name}.keras"
        save_model(
            whitespace_model(network, "whitespace", words, input_config)
            if old
            else text_model([network], words, input_config),
            files[name],
        )
        facts = {
            "network": "bilstm",
            "networks": 1,
            "class_names": ("negative", "positive"),
            "hyperparameters": {"embedding_dim": 64, "lstm_units": 64},
            "temperature": 1.0,
            "mixture": None,
            "abstain": None,
            "tokens": "whitespace" if old else "unicode",
            "vocabulary_size": input_config.vocabulary_size,
            "max_length": input_config.max_length,
            "cut": input_config.cut,
            "data": "imdb",
        }
        describe(files[name], facts, None if old else words)
    return files


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
