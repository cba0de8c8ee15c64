"""The search space: the only place that names a hyperparameter, its range, scale and default.

To add a hyperparameter: one field in `Configuration`, its range in `core` or `wide`, and its use
where it takes effect (`build.py` and `compiled/network.py` for the network, `batches.py` for what
it reads).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal, Self

import numpy as np

from search.corpus.batches import Truncation
from search.corpus.store import Corpus
from search.network import steps

Pooling = Literal["max", "mean", "last"]
Ngrams = Literal["both", "words", "characters", "none"]
EmbeddingInit = Literal["words", "neighbours", "file", "random"]
Value = int | float | str


@dataclass(frozen=True)
class Range:
    """A range of numbers from `low` to `high`, both included; integers if the default is one.

    Attributes:
        low, high: the bounds.
        step: between neighbouring values, counted from `low`; None for a continuous range.
        log: whether to sample on a logarithmic scale.
    """

    low: int | float
    high: int | float
    step: int | float | None = None
    log: bool = False


Spec = Value | tuple[Value, ...] | Range
"""What is searched of one hyperparameter: nothing (its value), some values, or a range."""

Space = dict[str, Spec]
"""What is searched, by name; a hyperparameter that is not in it has its default."""


def _number(default: int | float, lowest: float, highest: float) -> Any:
    """A numeric field with the bounds of its valid values."""
    return field(default=default, metadata={"lowest": lowest, "highest": highest})


def _one_of(default: str, *values: str) -> Any:
    """A field with its valid choices."""
    return field(default=default, metadata={"values": values})


@dataclass(frozen=True)
class Configuration:
    """The hyperparameters of one network and its training. The defaults are a good first guess.

    Attributes:
        embedding_dim: size of the embedding of a token.
        lstm_units: units of each of the two directions.
        dropout: rate of the spatial dropout on the embedding and of the dropout on the LSTM's
            outputs.
        learning_rate: initial learning rate of Adam.
        pooling: of the LSTM's outputs over time: maximum or mean of each unit, or the last output.
        layers: number of stacked bidirectional LSTMs.
        vocabulary_size: number of token ids, most frequent first, including padding and OOV.
        max_length: longer texts are truncated to this many tokens.
        cut: which part of a longer text is kept: its head, its tail, or half of each.
        batch_size: texts in a training batch.
        embedding_dropout: rate of the spatial dropout on the embedding, if it differs from
            `dropout`; -1 if it does not.
        word_dropout: share of the tokens that are replaced by OOV in training.
        weight_decay: decoupled weight decay of every kernel, times the learning rate (AdamW,
            Loshchilov & Hutter 2019); biases and the embedding have none.
        clipnorm: gradients are clipped to this global norm; 0 for no clipping.
        learning_rate_decay: factor of the learning rate after every epoch.
        label_smoothing: share of a label that is spread over all classes.
        embedding_init: initial embedding: all word features (words), those that need no labels
            (neighbours), vectors of a file (file), or random. See `search.corpus.words`.
        ngrams: which n-gram models are mixed into the exported model: of words and their stems, of
            characters, both or none; a trial's own score is its network's alone. See
            `search.evaluation.ngram_models`.
    """

    embedding_dim: int = _number(64, 1, 4096)
    lstm_units: int = _number(32, 1, 4096)
    dropout: float = _number(0.5, 0, 0.95)
    learning_rate: float = _number(2e-3, 1e-7, 1)
    pooling: Pooling = _one_of("max", "max", "mean", "last")
    layers: int = _number(1, 1, 4)
    vocabulary_size: int = _number(50_000, 3, 80_000)
    max_length: int = _number(1000, 1, 100_000)
    cut: Truncation = _one_of("head", "head", "tail", "both")
    batch_size: int = _number(64, 1, 65_536)
    embedding_dropout: float = _number(-1.0, -1, 0.95)
    word_dropout: float = _number(0.0, 0, 0.95)
    weight_decay: float = _number(0.0, 0, 1)
    clipnorm: float = _number(0.0, 0, 1e6)
    learning_rate_decay: float = _number(1.0, 0.01, 1)
    label_smoothing: float = _number(0.0, 0, 0.9)
    embedding_init: EmbeddingInit = _one_of("words", "words", "neighbours", "file", "random")
    ngrams: Ngrams = _one_of("both", "both", "words", "characters", "none")

    @classmethod
    def of(cls, values: dict[str, Any]) -> Self:
        """Returns the configuration of hyperparameters by name; unknown names are ignored."""
        return cls(**{f.name: values[f.name] for f in fields(cls) if f.name in values})


FIELDS = {f.name: f for f in fields(Configuration)}


def check_values(values: Mapping[str, Any]) -> None:
    """Checks that hyperparameters are valid; unknown names are ignored.

    Raises:
        ValueError: one has another type or is out of bounds.
    """
    for name in FIELDS.keys() & values.keys():
        value, usual, limits = values[name], FIELDS[name].default, FIELDS[name].metadata
        if "values" in limits:
            fits, expected = value in limits["values"], ", ".join(limits["values"])
        else:
            number = (int,) if isinstance(usual, int) else (int, float)
            fits = isinstance(value, number) and not isinstance(value, bool)
            fits = fits and limits["lowest"] <= value <= limits["highest"]
            expected = f"{limits['lowest']} to {limits['highest']}"
        if not fits:
            raise ValueError(f"{name}: expected {expected}, found {str(value)[:40]!r}")


CORE: Space = {
    "embedding_dim": (32, 64, 128),
    "lstm_units": (16, 32, 64, 128),
    "dropout": Range(0.0, 0.7, step=0.1),
    "learning_rate": Range(3e-4, 1e-2, log=True),
}
"""What makes the most difference, whatever the texts."""

KNOWN_GOOD: tuple[Mapping[str, Value], ...] = (
    {"embedding_dropout": 0.5},
    {"lstm_units": 16, "learning_rate": 3e-3, "dropout": 0.3, "embedding_dropout": 0.3},
    {
        "embedding_dim": 128,
        "lstm_units": 64,
        "learning_rate": 2e-3,
        "dropout": 0.4,
        "embedding_dropout": 0.4,
    },
)
"""What is tried first: the defaults, and what differs from them in others that often do well.

The others learn fast: of some that were tried by replay (tests/benchmarks/replay.py), these came to
the result of random search after the fewest epochs.
"""

_MOST_TOKENS = 1000  # of a text, however long


def core(corpus: Corpus) -> Space:
    """The default space: `CORE`, with smaller batches for small data."""
    size = max(8, 2 ** int(np.log2(max(1, len(corpus.train) / 60))))
    usual = Configuration.batch_size
    return CORE if size >= usual else {**CORE, "batch_size": size}


def wide(corpus: Corpus) -> Space:
    """The larger space: `CORE` and further hyperparameters, with ranges that follow the corpus."""
    rows = len(corpus.train)
    known = min(len(corpus.vocabulary) + 2, FIELDS["vocabulary_size"].metadata["highest"])
    sizes = [size for size in (5_000, 10_000, 20_000, 30_000, 50_000) if size < 0.9 * known]
    space: Space = {
        **CORE,
        "embedding_dim": (32, 64, 128, 256),
        "pooling": ("max", "mean", "last"),
        "layers": (1, 2),
        "vocabulary_size": (*sizes, known),
        "batch_size": tuple(b for b in (8, 16, 32, 64, 128, 256) if 10 <= rows / b <= 500),
        "embedding_dropout": Range(0.0, 0.7, step=0.1),
        "word_dropout": (0.0, 0.05, 0.1, 0.2),
        "weight_decay": (0.0, 1e-4, 1e-3, 1e-2),
        "clipnorm": (0.0, 1.0),
        "learning_rate_decay": (1.0, 0.9, 0.7, 0.5),
        "label_smoothing": (0.0, 0.05, 0.1),
        "embedding_init": ("words", "neighbours", "random"),
    }
    # Where texts are cut only matters where many are long.
    long = np.percentile(corpus.train.lengths, 99)
    lengths = [length for length in (100, 200, 400, 800) if length < 0.8 * long]
    if lengths:
        longest = min(_MOST_TOKENS, int(corpus.train.lengths.max()))
        space |= {"max_length": (*lengths, longest), "cut": ("head", "tail", "both")}
    for name in ("vocabulary_size", "batch_size"):
        found = space[name]
        if isinstance(found, tuple) and len(found) < 2:  # nothing to choose
            space |= {name: found[0]} if found else core(corpus)
    return space


def features_size(space: Space, corpus: Corpus) -> tuple[int, int]:
    """The number of tokens and of features per token that the largest network starts from."""
    tokens = min(most(space, "vocabulary_size"), len(corpus.vocabulary) + 2)
    return tokens, most(space, "embedding_dim")


def starts_from_words(space: Space) -> bool:
    """Whether any configuration of the space initialises its embedding with word features."""
    return space.get("embedding_init") != "random"


def default(name: str, spec: Spec) -> Value:
    """The default of a hyperparameter, or the value of its space that is nearest to it."""
    usual: Any = FIELDS[name].default
    if isinstance(spec, Range):
        inside = min(max(float(usual), spec.low), spec.high)
        if spec.step:
            inside = steps.nearest(spec.low, spec.high, spec.step, inside)
        return int(inside) if isinstance(usual, int) else float(inside)
    if not isinstance(spec, tuple):
        return spec
    if usual in spec or isinstance(usual, str):
        return usual if usual in spec else spec[0]
    return min(spec, key=lambda value: abs(float(value) - float(usual)))


def declare(hp: Any, space: Space = CORE) -> Configuration:
    """Declares the space on `hp` and reads the values it holds.

    Args:
        hp: keras_tuner.HyperParameters; values that it does not hold yet become defaults.
        space: what is searched.
    """
    return Configuration(**{name: _declared(hp, name, spec) for name, spec in space.items()})


def starting_points(
    space: Space, requested: Sequence[Mapping[str, Value]]
) -> list[dict[str, Value]]:
    """Returns the configurations to try first: the user's, then `KNOWN_GOOD`.

    Args:
        space: what is searched; where a value is not in it, the default of the space takes its
            place.
        requested: the user's, hyperparameters by name; those left out have their defaults.

    Returns:
        Distinct configurations, each with all hyperparameters of the space.
    """
    found: list[dict[str, Value]] = []
    for point in (*requested, *KNOWN_GOOD):
        values = {
            name: point[name]
            if name in point and inside(point[name], spec)
            else default(name, spec)
            for name, spec in space.items()
        }
        if values not in found:
            found.append(values)
    return found


def inside(value: Value, spec: Spec) -> bool:
    """Whether a value is in the space of its hyperparameter."""
    if isinstance(spec, tuple):
        return value in spec
    if isinstance(spec, Range):
        return not isinstance(value, str) and spec.low <= value <= spec.high
    return value == spec


def _declared(hp: Any, name: str, spec: Spec) -> Any:
    if isinstance(spec, Range):
        number = hp.Int if isinstance(FIELDS[name].default, int) else hp.Float
        scale = {"sampling": "log"} if spec.log else {"step": spec.step} if spec.step else {}
        return number(name, spec.low, spec.high, default=default(name, spec), **scale)
    if isinstance(spec, tuple):
        return hp.Choice(name, list(spec), default=default(name, spec))
    return hp.Fixed(name, spec)


def smallest(space: Space) -> dict[str, Any]:
    """The smallest value of every numeric hyperparameter, and the first choice of every other."""
    ends = {name: spec.low if isinstance(spec, Range) else spec for name, spec in space.items()}
    return {
        name: (spec[0] if isinstance(spec[0], str) else min(spec))
        if isinstance(spec, tuple)
        else spec
        for name, spec in ends.items()
    }


def most(space: Space, name: str) -> int:
    """The largest value that an integer hyperparameter can have."""
    usual: Any = FIELDS[name].default
    spec = space.get(name, usual)
    if isinstance(spec, Range):
        return int(spec.high)
    return int(max(spec)) if isinstance(spec, tuple) else int(spec)
