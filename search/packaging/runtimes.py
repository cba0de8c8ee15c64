"""Converts and runs exported models where nothing of this project is: `python -I runtimes.py`.

A program of its own, which imports TensorFlow, Keras, onnxruntime and LiteRT as a user of the files
does. `search.packaging.parity` starts it and talks to it: a JSON object a line, and one back.

    {"do": "run", "format": "onnx", "path": "…", "texts": ["…", …], "timed": 30}
        {"probabilities": [[…], …], "median_ms": …, "p95_ms": …, "texts_per_second": …}
    {"do": "convert", "format": "onnx", "path": "….keras", "target": "…"}
        {}
    anything that goes wrong
        {"error": "…"}
"""

import importlib
import json
import os
import string
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

BATCH = 32  # texts at a time
ONE_BY_ONE = 100  # texts that are timed alone, at most,
SECONDS = 1.0  # and for about how long

Run = Callable[[list[str]], Any]
Ids = npt.NDArray[np.int64]


def tokenizer(folder: Path) -> Callable[[list[str]], Ids]:
    """From texts to token ids, 0 after a text's end: what stands before ONNX and LiteRT models."""
    words = (folder / "vocabulary.txt").read_bytes().decode().split("\n")
    by_character = json.loads((folder / "classifier.json").read_bytes())["tokens"] == "character"
    known = {word.replace("\\n", "\n").encode(): number for number, word in enumerate(words)}
    punctuation = string.punctuation.encode()

    def ids(texts: list[str]) -> Ids:
        clean = [t.encode(errors="replace").lower().translate(None, punctuation) for t in texts]
        split = [
            [character.encode() for character in text.decode()] if by_character else text.split()
            for text in clean
        ]
        result = np.zeros((len(texts), max(1, *map(len, split))), np.int64)
        for row, tokens in zip(result, split, strict=True):
            row[: len(tokens)] = [known.get(token, 1) for token in tokens]
        return result

    return ids


def keras_file(path: Path) -> Run:
    """model.predict of a .keras file."""
    keras, tf = importlib.import_module("keras"), importlib.import_module("tensorflow")
    model = keras.models.load_model(path)
    return lambda texts: model.predict(tf.constant(texts), batch_size=BATCH, verbose=0)


def saved_model(path: Path) -> Run:
    """The serving signature of a SavedModel."""
    tf = importlib.import_module("tensorflow")
    loaded = tf.saved_model.load(str(path))
    serve = loaded.signatures["serving_default"]
    (name,) = serve.structured_input_signature[1]

    def run(texts: list[str], kept: Any = loaded) -> Any:  # its variables live as long as it does
        (output,) = serve(**{name: tf.constant(texts)}).values()
        return output.numpy()

    return run


def onnx(path: Path) -> Run:
    """onnxruntime."""
    runtime = importlib.import_module("onnxruntime")
    session = runtime.InferenceSession(path / "model.onnx", providers=["CPUExecutionProvider"])
    ids, name = tokenizer(path), session.get_inputs()[0].name
    return lambda texts: session.run(None, {name: ids(texts)})[0]


def litert(path: Path) -> Run:
    """LiteRT, which reads one text at a time."""
    interpreters = importlib.import_module("ai_edge_litert.interpreter")
    interpreter = interpreters.Interpreter(str(path / "model.tflite"))
    ids = tokenizer(path)
    place = interpreter.get_input_details()[0]["index"]
    output = interpreter.get_output_details()[0]["index"]

    def one(text: str) -> Any:
        row = ids([text])
        interpreter.resize_tensor_input(place, row.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(place, row)
        interpreter.invoke()
        return interpreter.get_tensor(output)[0]

    return lambda texts: np.stack([one(text) for text in texts])


LOADERS = {"keras": keras_file, "saved_model": saved_model, "onnx": onnx, "litert": litert}


def run(format: str, path: str, texts: list[str], timed: int) -> dict[str, Any]:
    """The probabilities of some texts, and how long the first `timed` ones take."""
    model = LOADERS[format](Path(path))
    # Keras makes batches by itself, and takes as long to begin as for some hundred texts.
    at_once = len(texts) if format == "keras" else BATCH
    given = [model(texts[begin : begin + at_once]) for begin in range(0, len(texts), at_once)]
    probabilities = np.concatenate(given).tolist()
    texts = texts[:timed]
    started = time.perf_counter()  # everything is warm now
    for begin in range(0, len(texts), BATCH):
        model(texts[begin : begin + BATCH])
    whole = time.perf_counter() - started
    times: list[float] = []
    while len(times) < ONE_BY_ONE and (sum(times) < SECONDS or len(times) < 2):
        started = time.perf_counter()
        model([texts[len(times) % len(texts)]])
        times.append(time.perf_counter() - started)
    return {
        "probabilities": probabilities,
        "median_ms": 1000 * float(np.median(times)),
        "p95_ms": 1000 * float(np.quantile(times, 0.95)),
        "texts_per_second": len(texts) / whole,
    }


def convert(format: str, path: str, target: str) -> dict[str, Any]:
    """Writes a .keras file in another format; `target` is a folder that is there."""
    keras = importlib.import_module("keras")
    model = keras.models.load_model(path)
    folder = Path(target)
    if format == "saved_model":
        model.export(folder, format="tf_saved_model", verbose=False)
        return {}
    tokens = model.get_layer("tokens")
    network = keras.Model(tokens.output, model.outputs)  # the whole but for the tokens
    # TensorFlow's dynamic batches take operations that LiteRT alone has not.
    shape = (1, None) if format == "litert" else (None, None)
    signature = [keras.InputSpec(shape=shape, dtype="int64", name="ids")]
    name = "model.tflite" if format == "litert" else "model.onnx"
    network.export(folder / name, format=format, input_signature=signature, verbose=False)
    words = [word.replace("\n", "\\n") for word in tokens.get_vocabulary()]
    (folder / "vocabulary.txt").write_bytes("\n".join(words).encode())
    return {}


def main() -> None:
    """Answers until the standard input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print is no answer
    for line in sys.stdin.buffer:
        request = json.loads(line)
        work = convert if request.pop("do") == "convert" else run
        try:
            answer = work(**request)
        except Exception as error:  # whatever a library raises is told to the other side
            answer = {"error": f"{type(error).__name__}: {' '.join(str(error).split())[:800]}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
