"""Converts and runs exported models without this package: `python -I runtimes.py`.

A program of its own, which imports TensorFlow, Keras, onnxruntime and LiteRT as a user of the files
does. `search.packaging.parity` starts it and talks to it: a JSON object a line, and one back.

    {"do": "run", "format": "onnx", "path": "…", "texts": ["…", …], "timed": 30,
     "seconds": 0.5}
        {"probabilities": [[…], …], "median_ms": …, "p95_ms": …, "texts_per_second": …}
    {"do": "convert", "format": "onnx", "path": "….keras", "target": "…", "metadata": {"…": "…"}}
        {}
    anything that goes wrong
        {"error": "…"}
"""

import contextlib
import gc
import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

BATCH = 32  # texts at a time
ONE_BY_ONE = 100  # texts that are timed alone, at most
OUTPUT = "probabilities"  # of an ONNX file
PAGE = 256  # code points; most pages have no character that a model knows

Run = Callable[[list[str]], Any]
Read = Callable[[list[str]], npt.NDArray[Any]]


def code_points(texts: list[str]) -> npt.NDArray[np.int32]:
    """What ONNX and LiteRT models take: a text's characters in a row, and 0 behind its end."""
    result = np.zeros((len(texts), max(1, *map(len, texts))), np.int32)
    for row, text in zip(result, texts, strict=True):
        row[: len(text)] = [ord(character) for character in text]
    return result


def batches(texts: list[str]) -> Any:
    """What Keras makes of a tensor of texts, but without autotuning.

    At its end an iterator waits for the thread that tunes it, which sleeps for 10, 20, 40, … ms in
    turn: up to as long as all texts have taken.
    """
    tf = importlib.import_module("tensorflow")
    options = tf.data.Options()
    options.autotune.enabled = False
    return tf.data.Dataset.from_tensor_slices(texts).batch(BATCH).with_options(options)


def keras_file(path: Path) -> Run:
    """model.predict of a .keras file."""
    keras, tf = importlib.import_module("keras"), importlib.import_module("tensorflow")
    model = keras.models.load_model(path)
    # Keras traces the model for the first batch, and again for one of another size: seconds each.
    model.make_predict_function()
    model.predict_function.get_concrete_function([tf.TensorSpec((None,), tf.string)])

    def run(texts: list[str]) -> Any:
        # Who has one text at a time gives a tensor.
        given = tf.constant(texts) if len(texts) == 1 else batches(texts)
        return model.predict(given, verbose=0)

    return run


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


def onnx(path: Path, read: Read = code_points) -> Run:
    """onnxruntime; `read` makes the model's input of texts."""
    runtime = importlib.import_module("onnxruntime")
    session = runtime.InferenceSession(path / "model.onnx", providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda texts: session.run(None, {name: read(texts)})[0]


def litert(path: Path, read: Read = code_points) -> Run:
    """LiteRT, which reads one text at a time; `read` makes the model's input of texts."""
    interpreters = importlib.import_module("ai_edge_litert.interpreter")
    interpreter = interpreters.Interpreter(str(path / "model.tflite"))
    place = interpreter.get_input_details()[0]["index"]
    output = interpreter.get_output_details()[0]["index"]

    def one(text: str) -> Any:
        row = read([text])
        interpreter.resize_tensor_input(place, row.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(place, row)
        interpreter.invoke()
        return interpreter.get_tensor(output)[0]

    return lambda texts: np.stack([one(text) for text in texts])


LOADERS = {"keras": keras_file, "saved_model": saved_model, "onnx": onnx, "litert": litert}


def run(format: str, path: str, texts: list[str], timed: int, seconds: float) -> dict[str, Any]:
    """The probabilities of some texts, and how long the first `timed` ones take.

    Single texts are timed for about so many seconds.
    """
    model = LOADERS[format](Path(path))
    # Keras makes batches by itself, and takes as long to begin as for some hundred texts.
    at_once = len(texts) if format == "keras" else BATCH
    given = [model(texts[begin : begin + at_once]) for begin in range(0, len(texts), at_once)]
    probabilities = np.concatenate(given).tolist()
    texts = texts[:timed]
    started = time.perf_counter()  # everything is warm now
    for begin in range(0, len(texts), at_once):
        model(texts[begin : begin + at_once])
    whole = time.perf_counter() - started
    times: list[float] = []
    while len(times) < ONE_BY_ONE and (sum(times) < seconds or len(times) < 2):
        started = time.perf_counter()
        model([texts[len(times) % len(texts)]])
        times.append(time.perf_counter() - started)
    return {
        "probabilities": probabilities,
        "median_ms": 1000 * float(np.median(times)),
        "p95_ms": 1000 * float(np.quantile(times, 0.95)),
        "texts_per_second": len(texts) / whole,
    }


def from_code_points(model: Any, batch: int | None) -> Any:
    """A model that takes code points, int32, (texts, characters), instead of texts.

    Args:
        model: has a TextVectorization "characters", which makes numbers of a text's characters.
        batch: how many texts it takes; None for any number.
    """
    keras = importlib.import_module("keras")
    ops, characters = keras.ops, model.get_layer("characters")
    known = [ord(character) for character in characters.get_vocabulary()[2:]]
    numbers = np.ones(sys.maxunicode + 1, np.float32)  # 1 is any other character,
    numbers[0] = 0  # 0 none
    numbers[known] = np.arange(2, len(known) + 2)
    pages, page = np.unique(numbers.reshape(-1, PAGE), axis=0, return_inverse=True)

    def looked_up(table: npt.NDArray[Any], places: Any) -> Any:
        layer = keras.layers.Embedding(table.size, 1)
        found = ops.cast(layer(places)[..., 0], "int32")
        layer.set_weights([table.reshape(-1, 1)])
        return found

    points = keras.Input((None,), batch, dtype="int32", name="code_points")
    begin = looked_up(page, points // PAGE) * PAGE
    ids = looked_up(pages, begin + ops.mod(points, PAGE))
    return keras.Model(points, keras.Model(characters.output, model.outputs[0])(ids))


def _unpack_nothing() -> None:
    """LiteRT has all that such a model does, but for the way in which Keras takes the one column
    out of what `ops.nonzero` finds in a row."""
    numpy = importlib.import_module("keras.src.backend.tensorflow.numpy")
    tf = importlib.import_module("tensorflow")

    def nonzero(row: Any) -> list[Any]:
        return [tf.cast(tf.where(tf.cast(row, "bool"))[:, 0], "int32")]

    numpy.nonzero = nonzero  # type: ignore[attr-defined]


def _describe(path: Path, metadata: dict[str, str]) -> None:
    """Names inputs and outputs of an ONNX file and their dimensions, and adds metadata."""
    onnx = importlib.import_module("onnx")
    model = onnx.load(path)
    [given], [answer] = model.graph.input, model.graph.output
    for node in model.graph.node:
        for names in (node.input, node.output):
            names[:] = [OUTPUT if name == answer.name else name for name in names]
    answer.name = OUTPUT
    for value, dimensions in ((given, ("texts", "characters")), (answer, ("texts",))):
        for number, name in enumerate(dimensions):
            value.type.tensor_type.shape.dim[number].dim_param = name
    model.producer_name, model.producer_version = "bilstm-search", metadata["version"]
    model.model_version = 1
    model.graph.name, model.doc_string = "text_classifier", metadata["input"]
    onnx.helper.set_model_props(model, metadata)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def convert(format: str, path: str, target: str, metadata: dict[str, str]) -> dict[str, Any]:
    """Writes a .keras file in another format.

    Args:
        format: its name.
        path: the file.
        target: a folder that is there.
        metadata: what an ONNX file says of itself.
    """
    keras = importlib.import_module("keras")
    model = keras.models.load_model(path)
    folder = Path(target)
    if format == "saved_model":
        model.export(folder, format="tf_saved_model", verbose=False)
        return {}
    if format == "litert":
        _unpack_nothing()
    # TensorFlow's dynamic batches take operations that LiteRT alone has not.
    whole = from_code_points(model, 1 if format == "litert" else None)
    name = "model.tflite" if format == "litert" else "model.onnx"
    signature = [keras.InputSpec(shape=whole.input_shape, dtype="int32", name="code_points")]
    whole.export(folder / name, format=format, input_signature=signature, verbose=False)
    if format == "onnx":
        _describe(folder / name, metadata)
    return {}


def main() -> None:
    """Answers until the standard input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print is no answer
    for name in ("pandas", "sklearn"):  # no model needs what Keras takes a second to import
        sys.modules[name] = None  # type: ignore[assignment]
    gc.disable()  # among what imports make is no garbage, and to look for it takes its time
    with contextlib.suppress(Exception):  # what fails here fails again, and is told, when asked
        importlib.import_module("keras")  # seconds, in which nobody waits for it yet
    gc.freeze()  # nor look for any there while models are loaded and traced
    gc.enable()
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
