"""The model that users keep: raw text in, probabilities out, plain Keras layers only."""

import hashlib
from pathlib import Path
from typing import Any

import keras

from search.corpus import Corpus
from search.corpus.batches import Reading
from search.corpus.encode import OOV, text_vectorization
from search.files import TEMPORARY, flush_folder


def text_model(
    network: keras.Model, corpus: Corpus, reading: Reading, temperature: float = 1.0
) -> keras.Model:
    """Puts the tokenizer in front of a network.

    Args:
        network: plain Keras layers, token ids (batch, time) to probabilities.
        corpus: whose vocabulary.
        reading: how many of its tokens the network knows, and where it cuts a text.
        temperature: what the network's logits are divided by; its own weights stay as they are.

    Returns:
        A functional model: string tensor (batch,) to probabilities (batch, outputs). It shows the
        network's layers one by one, unless one has a name that is taken; then the network is one.

    Raises:
        ValueError: a temperature other than 1 for a network that `takes_temperature` says no of.
    """
    text = keras.Input((), dtype="string", name="text")
    known = list(corpus.vocabulary[: reading.vocabulary_size - 2])
    ids = text_vectorization(corpus.tokens, known, name="tokens")(text)
    # A text without tokens is one OOV token, as in training: make a first column, and its id >= 1.
    ids = keras.ops.pad(ids, [[0, 0], [0, 1]])
    ids = keras.ops.concatenate([keras.ops.maximum(ids[:, :1], OOV), ids[:, 1:]], axis=1)
    ids = _cut(ids, reading)
    outputs = network.outputs if temperature == 1 else _tempered_output(network, temperature)
    whole = keras.Model(network.inputs, outputs, name=network.name)
    try:
        return keras.Model(text, whole.call([ids]), name="sentiment")
    except ValueError:  # two layers or operations of one name
        return keras.Model(text, whole([ids]), name="sentiment")


def takes_temperature(network: keras.Model) -> bool:
    """Whether a network ends in a Dense layer with one sigmoid, or with a softmax over classes."""
    last = network.layers[-1]
    return bool(
        type(last) is keras.layers.Dense
        and len(network.outputs) == 1
        and last.output is network.outputs[0]
        and last.activation
        is (keras.activations.sigmoid if last.units == 1 else keras.activations.softmax)
    )


def _tempered_output(network: keras.Model, temperature: float) -> Any:
    """The output of a copy of the last layer, its logits divided by the temperature."""
    if not takes_temperature(network):
        raise ValueError(f"{network.name}: expected a last layer Dense with sigmoid or softmax")
    last = network.layers[-1]
    copy = keras.layers.Dense.from_config(last.get_config())
    output = copy(last.input)
    copy.set_weights([weight / temperature for weight in last.get_weights()])
    return output


def _cut(ids: Any, reading: Reading) -> Any:
    """As `search.corpus.batches.padded` cuts: ids (batch, time), padded on the right."""
    if reading.cut == "head":
        return ids[:, : reading.max_length]
    ops = keras.ops
    places = ops.cumsum(ops.ones_like(ids), axis=1)[:, : reading.max_length] - 1
    lengths = ops.sum(ops.cast(ops.not_equal(ids, 0), ids.dtype), axis=1, keepdims=True)
    shift = ops.maximum(lengths - reading.max_length, 0)
    return ops.take_along_axis(ids, places + ops.where(places < reading.head, 0, shift), axis=1)


def save_model(model: keras.Model, path: Path) -> None:
    """Writes a .keras file, whole or not at all."""
    temporary = path.with_name(f"{path.stem}{TEMPORARY}.keras")  # Keras insists on the ending
    try:
        model.save(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    flush_folder(path.parent)


def sha256(path: Path) -> str:
    """The hash of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
