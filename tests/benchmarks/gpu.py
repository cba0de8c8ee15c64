"""The same network on a GPU with cuDNN, and in our compiled code on all cores.

`python -m tests.benchmarks.gpu pack FILE` writes the token ids of both packaged corpora; where the
GPU is, `python -m tests.benchmarks.gpu FILE` measures rows a second in training, PyTorch installed
and KERAS_BACKEND=torch:

- ours: one network on two cores, and as many as there are cores at once, each on one,
- Keras: the model of `search.network.build`, `train_on_batch`,
- cuDNN: the same network written in PyTorch, one alone and several processes at once.

Batches are the same on all sides: 64 rows (or more) of about equal length. A line of JSON for each.
"""

import argparse
import json
import multiprocessing
import os
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from search.corpus.batches import training_batches
from search.corpus.store import Split
from search.network.space import Configuration
from search.network.weights import Shape, initial_weights

SIZES = (64, 128, 256)  # of the embedding and of the LSTM
WARM, SECONDS = 10, 3.0  # batches before the clock starts; how long it runs
LENGTH = 400
MANY = 4  # processes on one GPU


def pack(path: str) -> None:
    """Writes the training rows of rotten-tomatoes and 5,000 of imdb."""
    from search.corpus.load import load_corpus
    from search.settings import Settings

    arrays = {}
    for name in ("rotten-tomatoes", "imdb"):
        train = load_corpus(Settings(data=name)).train
        end = min(len(train), 5_000 if name == "imdb" else len(train))
        arrays[f"{name}/ids"] = train.ids[: train.offsets[end]]
        arrays[f"{name}/offsets"], arrays[f"{name}/labels"] = (
            train.offsets[: end + 1],
            train.labels[:end],
        )
    np.savez_compressed(path, **arrays)


def unpacked(path: str) -> dict[str, Split]:
    with np.load(path) as arrays:
        return {
            name: Split(
                *(arrays[f"{name}/{part}"] for part in ("ids", "offsets", "labels")),
                np.arange(len(arrays[f"{name}/labels"])),
                np.empty(0, object),
            )
            for name in ("rotten-tomatoes", "imdb")
        }


def batches(split: Split, shape: Shape, size: int) -> list[tuple[np.ndarray, np.ndarray]]:
    input_config = shape.input_config(Configuration())
    return list(
        training_batches(split, input_config, batch_size=size, word_dropout=0.0, seed=0, epoch=0)
    )


def rows_a_second(
    step: Callable[[Any, Any], Any], data: list[Any], wait: Callable[[], None]
) -> float:
    for ids, labels in data[:WARM]:
        step(ids, labels)
    wait()
    started, rows = time.perf_counter(), 0
    while time.perf_counter() - started < SECONDS:
        for ids, labels in data[:50]:
            step(ids, labels)
            rows += len(labels)
            if time.perf_counter() - started > SECONDS:
                break
        wait()
    return rows / (time.perf_counter() - started)


def configured(size: int) -> Configuration:
    return replace(Configuration(), embedding_dim=size, lstm_units=size, dropout=0.3)


def ours(task: tuple[Split, Shape, int, int], gate: Any = None) -> float:
    from search.compiled.threads import allow
    from search.tuning.engine import FastEngine

    split, shape, size, threads = task
    allow(threads)
    weights = initial_weights(configured(size), shape, 0)
    engine = FastEngine(configured(size), shape, weights)

    def step(ids: Any, labels: Any) -> None:
        engine.train_epoch([(ids, labels)], 0, 0)

    data = batches(split, shape, 64)
    for batch in data[:3]:
        step(*batch)
    if gate is not None:
        gate.wait()
    return rows_a_second(step, data, lambda: None)


def with_keras(split: Split, shape: Shape, size: int, batch: int) -> float:
    import torch

    from search.network.build import build

    model = build(configured(size), shape)
    return rows_a_second(model.train_on_batch, batches(split, shape, batch), torch.cuda.synchronize)


def with_cudnn(task: tuple[Split, Shape, int, int], gate: Any = None) -> float:
    import torch

    split, shape, size, batch = task
    configuration = configured(size)

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = torch.nn.Embedding(shape.vocabulary_size, size, padding_idx=0)
            self.lstm = torch.nn.LSTM(size, size, batch_first=True, bidirectional=True)
            self.dense = torch.nn.Linear(2 * size, 1)

        def forward(self, ids: Any, lengths: Any, inside: Any) -> Any:
            x = torch.nn.functional.dropout1d(self.embedding(ids).transpose(1, 2), 0.3).transpose(
                1, 2
            )
            packed = torch.nn.utils.rnn.pack_padded_sequence(
                x, lengths, batch_first=True, enforce_sorted=False
            )
            x = torch.nn.utils.rnn.pad_packed_sequence(self.lstm(packed)[0], batch_first=True)[0]
            x = (x + 2 * (inside - 1)).max(1).values
            return self.dense(torch.nn.functional.dropout(x, 0.3))[:, 0]

    network = Network().cuda()
    adam = torch.optim.Adam(network.parameters(), configuration.learning_rate, fused=True)
    loss_of = torch.nn.functional.binary_cross_entropy_with_logits

    def step(ids: Any, labels: Any) -> None:
        lengths = torch.from_numpy((ids != 0).sum(1)).clamp(min=1)
        on_gpu = torch.from_numpy(ids.astype(np.int64)).cuda(non_blocking=True)
        inside = (on_gpu != 0)[..., None].float()
        target = torch.from_numpy(labels.astype(np.float32)).cuda(non_blocking=True)
        adam.zero_grad(set_to_none=True)
        loss_of(network(on_gpu, lengths, inside), target).backward()
        adam.step()

    data = batches(split, shape, batch)
    for one in data[:3]:
        step(*one)
    if gate is not None:
        gate.wait()
    return rows_a_second(step, data, torch.cuda.synchronize)


def _child(function: Callable[..., float], task: Any, gate: Any, found: Any) -> None:
    found.put(function(task, gate))


def at_once(function: Callable[..., float], task: Any, processes: int) -> float:
    """Rows a second of all together."""
    context = multiprocessing.get_context("spawn")
    gate, found = context.Barrier(processes), context.Queue()
    children = [
        context.Process(target=_child, args=(function, task, gate, found)) for _ in range(processes)
    ]
    for child in children:
        child.start()
    total = sum(found.get(timeout=120) for _ in children)
    for child in children:
        child.join()
    return total


def measure(path: str, what: list[str]) -> None:
    cores = len(os.sched_getaffinity(0))

    def say(side: str, corpus: str, size: int, batch: int, processes: int, speed: float) -> None:
        row = {"side": side, "data": corpus, "size": size, "batch": batch, "processes": processes}
        print(json.dumps(row | {"rows_a_second": round(speed)}), flush=True)

    for corpus, split in unpacked(path).items():
        shape = Shape(int(split.ids.max()) + 1, 2, LENGTH)
        for size in SIZES:
            if "ours" in what:
                say("ours", corpus, size, 64, 1, ours((split, shape, size, 2)))
                say("ours", corpus, size, 64, cores, at_once(ours, (split, shape, size, 1), cores))
            if "keras" in what:
                for batch in (64, 256):
                    say("keras", corpus, size, batch, 1, with_keras(split, shape, size, batch))
            if "cudnn" in what:
                for batch in (64, 256):
                    say("cudnn", corpus, size, batch, 1, with_cudnn((split, shape, size, batch)))
                speed = at_once(with_cudnn, (split, shape, size, 64), MANY)
                say("cudnn", corpus, size, 64, MANY, speed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("action", help="pack, or a file that it wrote")
    parser.add_argument("file", nargs="?", help="what to write")
    parser.add_argument("--sides", default="ours,keras,cudnn")
    options = parser.parse_args()
    if options.action == "pack":
        pack(options.file)
    else:
        measure(options.action, options.sides.split(","))


if __name__ == "__main__":
    main()
