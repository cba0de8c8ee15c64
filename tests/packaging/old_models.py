"""Model files as version 0.1 exported them: `search.predict` still reads them."""

import keras
import tensorflow as tf

from search.corpus.encode import OOV
from search.packaging import text_model


def text_vectorization(tokens, vocabulary=None, **options):
    """A TextVectorization layer: lower case (ASCII), no ASCII punctuation."""
    return keras.layers.TextVectorization(
        standardize="lower_and_strip_punctuation",
        split=tokens,
        vocabulary=vocabulary,
        output_mode="int",
        **options,
    )


def old_vocabulary(tokens, texts):
    """Their known tokens, without padding and OOV."""
    layer = text_vectorization(tokens)
    layer.adapt(tf.data.Dataset.from_tensor_slices(list(map(str, texts))).batch(1024))
    return tuple(layer.get_vocabulary()[2:])


def whitespace_model(network, tokens, vocabulary, input_config, temperature=1.0):
    """The tokenizer of version 0.1 in front of a network."""
    text = keras.Input((), dtype="string", name="text")
    known = list(vocabulary[: input_config.vocabulary_size - 2])
    ids = text_vectorization(tokens, known, name="tokens")(text)
    # A text without tokens is one OOV token, as in training: make a first column, and its id >= 1.
    ids = keras.ops.pad(ids, [[0, 0], [0, 1]])
    ids = keras.ops.concatenate([keras.ops.maximum(ids[:, :1], OOV), ids[:, 1:]], axis=1)
    ids = _cut(ids, input_config)
    outputs = network.outputs
    if temperature != 1:
        outputs = text_model._tempered_output(network, temperature)
    whole = keras.Model(network.inputs, outputs, name=network.name)
    try:
        return keras.Model(text, whole.call([ids]), name="sentiment")
    except ValueError:  # two layers or operations of one name
        return keras.Model(text, whole([ids]), name="sentiment")


def _cut(ids, input_config):
    """As `search.corpus.batches.padded` cuts: ids (batch, time), padded on the right."""
    if input_config.cut == "head":
        return ids[:, : input_config.max_length]
    ops = keras.ops
    places = ops.cumsum(ops.ones_like(ids), axis=1)[:, : input_config.max_length] - 1
    lengths = ops.sum(ops.cast(ops.not_equal(ids, 0), ids.dtype), axis=1, keepdims=True)
    shift = ops.maximum(lengths - input_config.max_length, 0)
    return ops.take_along_axis(
        ids, places + ops.where(places < input_config.head, 0, shift), axis=1
    )
