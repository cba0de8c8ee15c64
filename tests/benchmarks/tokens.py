"""What it costs that a model file reads every script: the tokens of version 0.1 and today's.

One network of 64 features and units behind both tokenizers, in `model.predict`, in `search.predict`
and in the exports to ONNX and LiteRT, in turns, on sentences and on reviews of about 1,300
characters. Version 0.1 exported the network alone, and its README had the tokenizer in Python.

Usage: python -m tests.benchmarks.tokens [TURNS]
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import keras
import numpy as np

from search.corpus.sources import read_texts
from search.packaging.classifier import load_classifier
from search.packaging.old_tokens import encode_known, numbered
from search.packaging.parity import started
from search.packaging.runtimes import BATCH, Run, batches, code_points, litert, onnx
from tests.conftest import exported

KNOWN, LONGEST = 10_000, 400  # tokens: known ones, and of a text
SENTENCES, REVIEWS = 4_000, 400
LENGTHS = (1_000, 1_600)  # characters of a review, on average about 1,300
FILES = {"onnx": "model.onnx", "litert": "model.tflite"}

Answer = Callable[[list[str]], object]


def models(folder: Path, texts: list[str]) -> dict[str, Path]:
    """A file with the tokens of version 0.1, and one with today's."""
    options = {"embedding_dim": 64, "lstm_units": 64, "vocabulary_size": KNOWN}
    return {
        name: exported(
            folder / f"{name}.keras", tokens=tokens, texts=texts, longest=LONGEST, **options
        )
        for name, tokens in (("0.1", "whitespace"), ("today", "unicode"))
    }


def exports(files: dict[str, Path], format: str) -> dict[str, Answer]:
    """Both models in another format, from texts on."""
    folders = {name: path.with_name(f"{name}-{format}") for name, path in files.items()}
    for folder in folders.values():
        folder.mkdir()
    old = keras.models.load_model(files["0.1"])
    tokens = old.get_layer("tokens")
    keras.Model(tokens.output, old.outputs).export(
        folders["0.1"] / FILES[format],
        format=format,
        input_signature=[
            keras.InputSpec(
                shape=(1 if format == "litert" else None, None), dtype="int64", name="ids"
            )
        ],
        verbose=False,
    )
    path, target = str(files["today"]), str(folders["today"])
    metadata = {"version": "", "input": ""}
    started().ask(do="convert", format=format, path=path, target=target, metadata=metadata)
    known = numbered(tokens.get_vocabulary()[2:])

    def ids(texts: list[str]) -> np.ndarray:
        flat, offsets = encode_known(texts, "whitespace", known)
        lengths = np.diff(offsets)
        rows = np.zeros((len(texts), lengths.max()), np.int64)
        rows[np.arange(rows.shape[1]) < lengths[:, None]] = flat
        return rows

    run = {"onnx": onnx, "litert": litert}[format]
    read = {"0.1": ids, "today": code_points}
    return {name: in_batches(run(folder, read[name])) for name, folder in folders.items()}


def in_batches(run: Run) -> Answer:
    """Answers for `BATCH` texts at a time."""
    return lambda texts: [
        run(texts[begin : begin + BATCH]) for begin in range(0, len(texts), BATCH)
    ]


def compared(run: dict[str, Answer], texts: list[str], turns: int) -> str:
    """The best turn of both, in texts a second, and how much longer today's takes."""
    seconds: dict[str, list[float]] = {name: [] for name in run}
    processor: dict[str, list[float]] = {name: [] for name in run}
    for turn in range(turns + 1):
        for name, answer in run.items():
            wall, busy = time.perf_counter(), time.process_time()
            answer(texts)
            if turn > 0:  # the first one traces, or compiles
                seconds[name].append(time.perf_counter() - wall)
                processor[name].append(time.process_time() - busy)
    old, new = (min(taken) for taken in seconds.values())
    old_busy, new_busy = (median(taken) for taken in processor.values())
    return (
        f"{len(texts) / old:,.0f} and {len(texts) / new:,.0f} texts a second: {new / old:.2f}, "
        f"processor time {new_busy / old_busy:.2f}"
    )


def main() -> None:
    turns = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    reviews = [str(text) for text in read_texts("imdb")]
    long = [text for text in reviews if LENGTHS[0] <= len(text) <= LENGTHS[1]][:REVIEWS]
    sentences = [str(text) for text in read_texts("rotten-tomatoes")][:SENTENCES]
    with tempfile.TemporaryDirectory() as folder:
        files = models(Path(folder), reviews[:5_000])
        loaded = {name: keras.models.load_model(path) for name, path in files.items()}
        ways: dict[str, dict[str, Answer]] = {
            "model.predict": {
                name: lambda texts, model=model: model.predict(batches(texts), verbose=0)
                for name, model in loaded.items()
            },
            "search.predict": {name: load_classifier(path).score for name, path in files.items()},
            "ONNX": exports(files, "onnx"),
            "LiteRT": exports(files, "litert"),
        }
        for way, run in ways.items():
            for what, texts in (("sentences", sentences), ("reviews", long)):
                print(f"{way}, {what}: {compared(run, texts, turns)}", flush=True)


if __name__ == "__main__":
    main()
