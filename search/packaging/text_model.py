"""The model that users keep: raw text in, probabilities out, plain Keras layers only."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from search.corpus.batches import Reading
from search.evaluation.mixture import Mixture
from search.files import TEMPORARY, flush_folder
from search.network.build import averaged
from search.packaging.mixture_layers import mixed
from search.packaging.token_layers import known_characters, token_ids, tokens, units

CHARACTERS = "characters"  # the layer that makes numbers of a text's characters


def text_model(
    networks: Sequence[keras.Model],
    vocabulary: Sequence[str],
    reading: Reading,
    mixture: Mixture | None = None,
    temperature: float = 1.0,
) -> keras.Model:
    """Puts what reads a text in front of networks, and what mixes their answers behind them.

    Args:
        networks: plain Keras layers, token ids (batch, time) to probabilities (batch, outputs); the
            mean of these counts.
        vocabulary: the token with the id i + 2 in place i.
        reading: how many of its tokens the networks know, and where they cut a text.
        mixture: what else answers, and what each answer weighs; None for the networks alone.
        temperature: without a mixture, what the logits of one network are divided by; its own
            weights stay as they are.

    Returns:
        A functional model: string tensor (batch,) to probabilities (batch, outputs). It shows the
        layers of one network one by one, unless one has a name that is taken; several networks are
        one layer each.

    Raises:
        ValueError: a temperature other than 1 for several networks, or for one that
            `takes_temperature` says no of.
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
    ids = token_ids(in_tokens, vocabulary, reading)

    def finished(answers: Any) -> keras.Model:
        if mixture is not None:
            answers = mixed(mixture, answers, in_units, in_tokens)
        return keras.Model(text, answers, name="sentiment")

    if len(networks) > 1:
        if temperature != 1:
            raise ValueError("a temperature is for one network")
        return finished(averaged(networks, ids))
    (network,) = networks
    output = network.outputs[0] if temperature == 1 else _tempered_output(network, temperature)
    whole = keras.Model(network.inputs, output, name=network.name)
    try:
        return finished(whole.call([ids]))
    except ValueError:  # two layers or operations of one name
        return finished(whole([ids]))


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
