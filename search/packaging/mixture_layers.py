"""The mixture of `search.evaluation.mixture` as operations of a Keras model."""

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from search.corpus.characters import SEPARATOR
from search.corpus.ngrams import BEGINNING, END, MIX, MOST_COUNTED, SIZES
from search.evaluation.mixture import SMALLEST, Mixture, NgramModel
from search.packaging.description import places_name, table_name
from search.packaging.key_table import modulo
from search.packaging.token_layers import INVERSE, Tokens, Units, before, below, later, power, stems


def mixed(mixture: Mixture, networks: Any, units: Units, tokens: Tokens) -> Any:
    """As `Mixture.probabilities`: float32, (texts, outputs).

    Args:
        mixture: what is mixed, and how; of its n-gram models, that in place i has the names
            `places_name(i)` and `table_name(i)`.
        networks: mean probabilities of the networks, float32, (texts, outputs).
        units, tokens: of the texts.
    """
    two = networks.shape[1] == 1
    every = ops.concatenate([1 - networks, networks], axis=1) if two else networks
    members = [ops.log(ops.clip(every, SMALLEST, 1 - SMALLEST))]
    for number, model in enumerate(mixture.models):
        for scores in _scores(model, units, tokens, number):
            members.append(ops.pad(scores, [[0, 0], [1, 0]]) if two else ops.log_sigmoid(scores))
    weighted = zip(mixture.weights, members, strict=True)
    total = sum(weight * member for weight, member in weighted)
    total = ops.add(total, np.array([mixture.bias], np.float32))
    if two:
        return ops.sigmoid(total[:, 1:] - total[:, :1])
    return ops.softmax(total, axis=1)


def stored(model: NgramModel) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """A model as the two arrays that `ModelFile.mixture` reads.

    Returns:
        (buckets + 1, 1): the places, which float32 tells apart, and 0 for what is no n-gram; and
        (2 + n-grams, 2 · outputs + 1): the table, and the intercepts as its last row.
    """
    last = np.zeros((1, model.table.shape[1]), np.float32)
    last[0, :-1] = model.intercepts.ravel()
    places = np.append(model.places, 0)[:, np.newaxis].astype(np.float32)
    return places, np.concatenate([model.table, last])


def _scores(model: NgramModel, units: Units, tokens: Tokens, number: int) -> tuple[Any, Any]:
    """As `NgramModel.scores`: by presence and by TF-IDF, float32, (texts, outputs) each."""
    outputs, buckets = model.outputs, len(model.places)
    if model.kind == "words":
        found = _word_ngrams(tokens, buckets)
    elif model.kind == "stems":
        found = _stem_ngrams(*stems(units), buckets)
    else:
        found = _character_ngrams(units, buckets)
    found = ops.sort(found, axis=1)
    last, times = _runs(found)
    often = last * (1 + ops.log(ops.cast(ops.minimum(times, MOST_COUNTED), "float32")))
    places, table = stored(model)
    rows = ops.cast(_looked_up(places, found, places_name(number))[..., 0], "int32")
    numbers = _looked_up(table, rows, table_name(number))
    sums = ops.matmul(ops.stack([last, often, often * often], axis=1), numbers)
    length = ops.maximum(ops.sqrt(sums[:, 2, 2 * outputs :]), 1e-9)
    tfidf = sums[:, 1, outputs : 2 * outputs] / length
    return ops.add(sums[:, 0, :outputs], model.intercepts[:1]), ops.add(tfidf, model.intercepts[1:])


def _looked_up(array: npt.NDArray[np.float32], rows: Any, name: str) -> Any:
    """Some rows of an array that the layer of this name holds."""
    layer = keras.layers.Embedding(*array.shape, trainable=False, name=name)
    found = layer(rows)
    layer.set_weights([array])
    return found


def _runs(found: Any) -> tuple[Any, Any]:
    """Of numbers in rising order, (texts, n-grams): whether one is the last of equal ones, and how
    many these are; float32 and int64."""
    after = ops.pad(found, [[0, 0], [0, 1]], constant_values=-1)[:, 1:]
    last = ops.cast(ops.not_equal(found, after), "int64")
    ends = ops.pad(ops.nonzero(ops.reshape(last, [-1]))[0], [[1, 0]], constant_values=-1)
    lengths = later(ends, 1) - ends
    runs = before(ops.sum(last, axis=1))[:, None] + before(last, axis=1)
    return ops.cast(last, "float32"), ops.take(lengths, runs)


def _word_ngrams(tokens: Tokens, buckets: int) -> Any:
    """As `search.corpus.ngrams` has them: int32, (texts, n-grams), `buckets` for none."""
    columns = below(ops.maximum(ops.max(tokens.count), 1), tokens.hashes)
    hashes, count = tokens.at(columns), tokens.count[:, None]
    pairs = hashes * MIX + later(hashes, 1)
    return _in_buckets(columns, ((hashes, count), (pairs, count - 1)), buckets)


def _stem_ngrams(stems: Tokens, shapes: Tokens, buckets: int) -> Any:
    """As `_word_ngrams`."""
    columns = below(ops.max(stems.count) + 1, stems.hashes)
    count = stems.count[:, None]

    def chained(of: Tokens) -> tuple[Any, Any, Any]:
        """The hashes, those of each with the one before it, and those with the next one, too."""
        row = ops.where(ops.less(columns, count), of.at(columns), END)
        previous = ops.pad(row, [[0, 0], [1, 0]], constant_values=BEGINNING)[:, :-1]
        pairs = previous * MIX + row
        return row, pairs, pairs * MIX + later(row, 1)

    single, pairs, triples = chained(stems)
    with_end = ops.where(ops.equal(count, 0), 0, count + 1)
    of_shapes = (chained(shapes)[2], count)
    rows = ((single, count), (pairs, with_end), (triples, count), of_shapes)
    return _in_buckets(columns, rows, buckets)


def _in_buckets(columns: Any, rows: Iterable[tuple[Any, Any]], buckets: int) -> Any:
    """Buckets of hashes, (texts, columns) each, of which a text has as many as stands beside."""
    found = [
        ops.where(ops.less(columns, most), modulo(row, buckets), buckets) for row, most in rows
    ]
    return ops.cast(ops.concatenate(found, axis=1), "int32")


def _character_ngrams(units: Units, buckets: int) -> Any:
    """As `_word_ngrams`."""
    within = ops.not_equal(units.kind, SEPARATOR)
    inverse = power(INVERSE, units.place)
    inside, found = ops.ones_like(within), []
    for size in SIZES:
        # Two in a row are not both separators; of more, none is one but the first and the last.
        inside = inside & later(within, size - 2) if size > 2 else inside
        there = inside if size > 2 else within | later(within, 1)
        sums = (later(units.prefix, size) - units.prefix) * inverse
        found.append(ops.where(there, modulo(sums, buckets), buckets))
    columns = below(ops.max(units.count), units.kind)
    # The last unit of a text is a separator behind another one: no n-gram begins with it.
    places = units.first[:, None] + ops.minimum(columns, units.count[:, None] - 1)
    rows = ops.take(ops.cast(ops.stack(found, axis=1), "int32"), places, axis=0)
    return keras.layers.Reshape((-1,))(rows)
