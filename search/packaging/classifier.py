"""An exported model at work: texts in, classes out, without TensorFlow where that can be.

The network of this project runs in the compiled code that trained it, which starts in a second and
is several times as fast as `model.predict`. Any other network is run by Keras.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from search.corpus.batches import evaluation_batches
from search.corpus.encode import Encoded, Vocabulary
from search.corpus.store import Split
from search.corpus.tokens import hashed
from search.errors import ModelError
from search.packaging.modelfile import Description, ModelFile
from search.packaging.old_tokens import encode_known, numbered
from search.startup import tensorflow_silenced
from search.tuning.engine import FastEngine, Probabilities, predict
from search.tuning.objective import by_class


@dataclass(frozen=True)
class Answers:
    """What a model says of some texts.

    Attributes:
        labels: the most probable class of each.
        probability: of that class, float64, shape (texts,).
        abstain: bool, shape (texts,): whether the answer is too unsure to be relied upon; None
            where no confidence was large enough for that on the validation rows.
        probabilities: of every class in the order of the class names, shape (texts, classes).
    """

    labels: list[str]
    probability: npt.NDArray[np.float64]
    abstain: npt.NDArray[np.bool_] | None
    probabilities: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Classifier:
    """A model that classifies texts.

    Attributes:
        description: what its file says of it.
        score: texts to probabilities, as the model in the file gives them.
    """

    description: Description
    score: Callable[[Sequence[str]], Probabilities]

    def classify(self, texts: Sequence[str]) -> Answers:
        """The answers for some texts, at least one."""
        every = by_class(self.score(texts))
        names = self.description.class_names
        if every.shape != (len(texts), len(names)) or not np.isfinite(every).all():
            raise ModelError(
                f"the model's answers are not probabilities of its {len(names)} classes: it is "
                "damaged, or its network and its description are of different models"
            )
        found, probability = every.argmax(axis=1), every.max(axis=1)
        least = self.description.abstain
        abstain = None if least is None else probability < least.confidence
        return Answers([names[number] for number in found], probability, abstain, every)


def load_classifier(path: Path) -> Classifier:
    """Loads an exported .keras file.

    Raises:
        ModelError: it is not one, or not as it was exported.
    """
    file = ModelFile(path)
    own = file.description.network == "bilstm"
    return Classifier(file.description, _compiled(file) if own else _keras(file))


def _compiled(file: ModelFile) -> Callable[[Sequence[str]], Probabilities]:
    """Networks of `search.network.build` in compiled code, mixed with what else answers."""
    description, reading = file.description, file.description.reading
    engines = []
    for weights in file.networks():  # they prove that the networks are as large as it says
        engine = FastEngine(description.configuration, description.shape, seed=0)
        engine.assign(weights)
        engines.append(engine)
    mixture, ids_of = file.mixture(), _reader(file)

    def score(texts: Sequence[str]) -> Probabilities:
        ids, offsets = ids_of(texts)
        split = Split(ids, offsets, np.empty(0, np.int32), np.arange(len(texts)))
        batches = evaluation_batches(split, reading)
        every = [predict(engine, batches, len(texts)) for engine in engines]
        mean: Probabilities = np.mean(every, axis=0)
        return mean if mixture is None else mixture.probabilities(mean, texts)

    return score


def _reader(file: ModelFile) -> Callable[[Sequence[str]], Encoded]:
    """From texts to the ids of their tokens, as `search.corpus.encode.encode` gives them."""
    tokens, vocabulary = file.description.tokens, file.vocabulary()
    if tokens != "unicode":
        known, reading = numbered(vocabulary), file.description.reading
        most = reading.max_length if reading.cut == "head" else None  # the rest is not looked at
        return lambda texts: encode_known(texts, tokens, known, most)
    of_tokens = Vocabulary.of(vocabulary)
    return lambda texts: of_tokens.encode(*hashed(texts))


def _keras(file: ModelFile) -> Callable[[Sequence[str]], Probabilities]:
    """Any network, run by Keras."""
    file.refuse_foreign_code()
    file.refuse_empty_width()
    with tensorflow_silenced():
        import keras
        import tensorflow as tf
    try:
        model: Any = keras.models.load_model(file.path, compile=False, safe_mode=True)
    except Exception as error:  # whatever the code of a layer raises
        line = " ".join(str(error).split())[:300]
        raise ModelError(f"{file.path}: Keras cannot load it: {line}") from error
    if not all(np.isfinite(weight).all() for weight in model.get_weights()):
        raise ModelError(f"{file.path}: has weights that are not finite; copy or export it again")

    def score(texts: Sequence[str]) -> Probabilities:
        return np.asarray(model.predict(tf.constant(list(texts)), verbose=0))

    return score
