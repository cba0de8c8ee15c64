"""Builds the exported model: raw text in, probabilities out, plain Keras layers only."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from search.corpus.batches import InputConfig
from search.evaluation.mixture import Mixture
from search.files import TEMPORARY, flush_folder
from search.network.build import averaged
from search.network.precision import single_precision
from search.packaging.mixture_layers import mixed
from search.packaging.token_layers import known_characters, token_ids, tokens, units

CHARACTERS = "characters"  # name of the layer that maps a text to character indices


@single_precision()
def text_model(
    networks: Sequence[keras.Model],
    vocabulary: Sequence[str],
    input_config: InputConfig,
    mixture: Mixture | None = None,
    temperature: float = 1.0,
) -> keras.Model:
    """Joins the tokenizer, the networks and the n-gram models into one Keras model.

    Args:
        networks: models of plain Keras layers that map token ids, (batch, time), to probabilities,
            (batch, outputs). Their probabilities are averaged.
        vocabulary: the tokens; token i has the id i + 2.
        input_config: vocabulary size, maximum length and truncation of the networks' input.
        mixture: the n-gram models and the weights of all members; None for the networks alone.
        temperature: divides the logits of the network; only for a single one without a mixture. The
            given network is not changed.

    Returns:
        A functional model that maps a string tensor, (batch,), to probabilities, (batch, outputs).
        The layers of a single network are layers of this model, unless a name is taken twice;
        several networks are one layer each.

    Raises:
        ValueError: a temperature other than 1 for several networks, or for a network for which
            `takes_temperature` is false.
    """
    text = keras.Input((), dtype="string", name="text")
    characters = keras.layers.TextVectorization(
        standardize=None,
        split="character",
        vocabulary=np.array(known_characters()),
        name=CHARACTERS,
    )(text)
    in_units = units(characters)
    in_tokens = tokens(in_units)
    ids = token_ids(in_tokens, vocabulary, input_config)

    def finished(answers: Any) -> keras.Model:
        if mixture is not None:
            answers = mixed(mixture, answers, in_units, in_tokens)
        return keras.Model(text, answers, name="sentiment")

    if len(networks) > 1:
        if temperature != 1:
            raise ValueError("a temperature needs a single network")
        return finished(averaged(networks, ids))
    (network,) = networks
    output = network.outputs[0] if temperature == 1 else _tempered_output(network, temperature)
    whole = keras.Model(network.inputs, output, name=network.name)
    try:
        return finished(whole.call([ids]))
    except ValueError:  # two layers or operations with the same name
        return finished(whole([ids]))


def takes_temperature(network: keras.Model) -> bool:
    """Whether the last layer is a Dense with one sigmoid, or with a softmax over the classes."""
    last = network.layers[-1]
    return bool(
        type(last) is keras.layers.Dense
        and len(network.outputs) == 1
        and last.output is network.outputs[0]
        and last.activation
        is (keras.activations.sigmoid if last.units == 1 else keras.activations.softmax)
    )


def _tempered_output(network: keras.Model, temperature: float) -> Any:
    """The output of a copy of the last layer whose logits are divided by the temperature."""
    if not takes_temperature(network):
        raise ValueError(f"{network.name}: expected a last layer Dense with sigmoid or softmax")
    last = network.layers[-1]
    copy = keras.layers.Dense.from_config(last.get_config())
    output = copy(last.input)
    copy.set_weights([weight / temperature for weight in last.get_weights()])
    return output


def save_model(model: keras.Model, path: Path) -> None:
    """Writes a .keras file atomically."""
    temporary = path.with_name(f"{path.stem}{TEMPORARY}.keras")  # Keras requires this ending
    try:
        model.save(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    flush_folder(path.parent)


def sha256(path: Path) -> str:
    """The SHA-256 hash of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
