"""The same measurements of this package; each function runs in a process like a worker."""

import json
import os
import sys
import tempfile
import time
from pathlib import Path

from search.tuning.worker import start_worker

if __name__ == "__main__":
    start_worker()  # a worker's threads, before TensorFlow is imported

import numpy as np
import psutil

import search
from search.corpus.batches import evaluation_batches
from search.corpus.store import Corpus, Split
from search.network.space import Configuration
from search.network.weights import initial_weights
from search.tuning.engine import FastEngine
from search.tuning.engine import predict as score
from search.tuning.training import TrainTask, train
from tests.benchmarks.plain import everything, shape_of


def first_rows(split: Split, rows: int) -> Split:
    return Split(
        split.ids[: split.offsets[rows]],
        split.offsets[: rows + 1],
        split.labels[:rows],
        split.rows[:rows],
    )


def cut(folder: str, rows: int) -> str:
    """A corpus of which only the first training rows are left, so that both train on the same."""
    corpus = Corpus.open(Path(folder))
    if rows == len(corpus.train):
        return folder
    target = Path(f"{folder}-{rows}")
    changed = {**vars(corpus), "train": first_rows(corpus.train, rows)}
    Corpus(**changed).save(target)
    return str(target)


def epochs(folder: str, configuration: dict, batch_size: int, count: int, rows: int, seed: int = 0):
    """Seconds of each epoch of one trial, and the best validation accuracy."""
    folder = cut(folder, rows)
    shape = shape_of(Corpus.open(Path(folder)))
    network = Configuration(**configuration)
    done = [
        train(TrainTask(folder, network, None, shape, "0", {}, seed, batch_size, e, e + 1, 2))
        for e in range(count)
    ]
    records = [progress.epochs[0] for progress in done]
    return {
        "seconds": [record.seconds for record in records],
        "val_accuracy": max(record.val_accuracy for record in records),
    }


def trials(data: str, batch_size: int, count: int, max_epochs: int, workers: int, threads=None):
    """Seconds of whole trials, and of what is not epochs, of a search with warm workers."""
    from search.tuning.executors import slots

    os.environ.pop("TF_NUM_INTEROP_THREADS")  # the tuner shares the cores out
    if threads:
        os.environ["TF_NUM_INTEROP_THREADS"] = threads
    with tempfile.TemporaryDirectory() as directory, slots(workers) as places:
        settings = search.Settings(
            data=data,
            trials=count,
            max_epochs=max_epochs,
            tuner="random",
            reduction=1,
            finals=0,
            set=(f"batch_size={batch_size}", "pooling=last", "embedding_init=random"),
            results=Path(directory) / "results",
            workers=workers,
        )
        for place in places:
            place.warm_up()
        corpus = search.load_corpus(settings)
        for place in places:
            place.submit(os.getpid).result()
        ends, spent, sizes = [], [], []

        class Measured:
            def after_trial(self, tuner, record):
                ends.append(time.perf_counter())
                spent.append(sum(epoch.seconds for epoch in record.history))
                values = record.values
                sizes.append([values["embedding_dim"], values["lstm_units"]])

        started = time.perf_counter()
        tuner = search.tune(settings, corpus, workers=places, callbacks=[Measured()])
        seconds = np.diff([started, *ends])
        best = max(r.best.val_accuracy for r in tuner.records.values())
    return {
        "seconds": seconds.tolist(),
        "beside": (seconds - np.array(spent)).tolist() if workers == 1 else None,
        "sizes": sizes,
        "val_accuracy": [best],
    }


def predict(folder: str, configuration: dict, expected: str):
    """Seconds of the fast path, and its largest difference from stock predict."""
    corpus = Corpus.open(Path(folder))
    shape = shape_of(corpus)
    split = everything(corpus)
    network = Configuration(**configuration)
    input_config = shape.input_config(network)
    engine = FastEngine(network, shape, initial_weights(network, shape, 0))
    score(engine, evaluation_batches(first_rows(split, 64), input_config), 64)
    started = time.perf_counter()
    probabilities = score(engine, evaluation_batches(split, input_config), len(split))
    seconds = time.perf_counter() - started
    return {
        "seconds": seconds,
        "difference": float(np.abs(probabilities - np.load(expected)).max()),
    }


def memory(folder: str, count: int):
    """Resident bytes after the first and after the last of many tiny trials in one process."""
    folder = cut(folder, 64)
    shape = shape_of(Corpus.open(Path(folder)))
    sizes = [(e, u) for e in (32, 64, 128) for u in (16, 32, 64, 128)]
    resident = []
    for number in range(count + len(sizes)):
        embedding_dim, lstm_units = sizes[number % len(sizes)]
        network = Configuration(embedding_dim, lstm_units)
        train(TrainTask(folder, network, None, shape, str(number), {}, number, 64, 0, 1, 2))
        resident.append(psutil.Process().memory_info().rss)
    return {"first": resident[len(sizes) - 1], "last": resident[-1]}


if __name__ == "__main__":
    function = {"epochs": epochs, "trials": trials, "predict": predict, "memory": memory}
    print(json.dumps(function[sys.argv[1]](**json.loads(sys.argv[2]))))
