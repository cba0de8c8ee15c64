"""An exported model at work: texts in, classes out, without TensorFlow where that can be.

The network of this project runs in the compiled code that trained it, which starts in a second and
is several times as fast as `model.predict`. Any other network is run by Keras.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

from search.corpus.batches import evaluation_batches
from search.corpus.encode import Encoded, Vocabulary
from search.corpus.store import Split
from search.corpus.tokens import hashed
from search.errors import ModelError
from search.files import write_atomically
from search.packaging.explanation import Explanation, explained
from search.packaging.modelfile import Description, ModelFile
from search.packaging.old_tokens import encode_known, numbered
from search.startup import tensorflow_silenced
from search.tuning.engine import FastEngine, Probabilities, predict
from search.tuning.objective import by_class

AT_A_TIME = 10_000  # texts, so that memory has an end
BEST_MODEL = "best_model.keras"


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
    """A model that classifies texts, as scikit-learn's classifiers do::

        model = search.load("results")
        model.predict(["a warm and funny film"])         # array(['positive'])
        model.predict_proba(["a warm and funny film"])   # shape (1, 2), in the order of classes_

    It can be pickled.

    Attributes:
        description: what its file says of it.
        score: texts to probabilities, as the model in the file gives them.
        content: its file.
    """

    description: Description
    score: Callable[[Sequence[str]], Probabilities]
    content: bytes = field(repr=False)

    @property
    def classes_(self) -> npt.NDArray[np.str_]:
        """The names of the classes, shape (classes,)."""
        return np.array(self.description.class_names)

    def predict(self, texts: Iterable[str], *, abstain: bool = False) -> npt.NDArray[Any]:
        """The most probable class of each text.

        Args:
            texts: a list, a Series, an array, … of str.
            abstain: None in place of every answer that is less sure than it must be for 95% to be
                right, as on the validation rows; where no answer was sure enough there, of all.

        Returns:
            str, shape (texts,); with `abstain` an object array.

        Raises:
            TypeError: it is one text and no list of them, or has something else in it.
        """
        every = self.predict_proba(texts)
        return self.chosen(self.classes_, every, abstain=abstain)

    def chosen(
        self, classes: npt.NDArray[Any], every: npt.NDArray[np.float64], *, abstain: bool
    ) -> npt.NDArray[Any]:
        """The most probable of some classes; for the rest see `predict`.

        Args:
            classes: one for each column, shape (classes,).
            every: probabilities, shape (texts, classes).
            abstain: see `predict`.
        """
        found: npt.NDArray[Any] = classes[every.argmax(axis=1)]
        if abstain:
            least = self.description.abstain
            found = found.astype(object)
            found[every.max(axis=1) < (np.inf if least is None else least.confidence)] = None
        return found

    def predict_proba(self, texts: Iterable[str]) -> npt.NDArray[np.float64]:
        """The probability of every class; for the argument see `predict`.

        Returns:
            Shape (texts, classes), in the order of `classes_`.
        """
        some = as_texts(texts)
        parts = [np.empty((0, len(self.description.class_names)))]
        for begin in range(0, len(some), AT_A_TIME):
            parts.append(self.classify(some[begin : begin + AT_A_TIME]).probabilities)
        return np.concatenate(parts)

    def explain(self, text: str) -> Explanation:
        """Which words carried the answer to one text; it shows itself in a notebook.

        Raises:
            TypeError: it is no text.
        """
        [one] = as_texts([text])
        return explained(self.predict_proba, self.description.class_names, one)

    def save(self, path: str | Path) -> None:
        """Writes the .keras file that it was loaded from, atomically."""
        write_atomically(Path(path), lambda file: file.write(self.content))

    def __reduce__(self) -> tuple[Callable[[bytes], "Classifier"], tuple[bytes]]:
        return restored, (self.content,)

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


def as_texts(texts: Iterable[str]) -> list[str]:
    """Texts as a list of str, whatever holds them.

    Raises:
        TypeError: it is one text and no list of them, or has something else in it.
    """
    if isinstance(texts, str):
        raise TypeError(f"expected a list of texts, found one text: write [{texts[:20]!r}]")
    if texts is None or isinstance(texts, bytes | dict) or not isinstance(texts, Iterable):
        raise TypeError(f"expected a list of texts, found {type(texts).__name__}")
    if getattr(texts, "ndim", 1) != 1:
        raise TypeError(
            f"expected texts in one dimension, found the shape {texts.shape}"  # type: ignore[attr-defined]
            "; of a table take one column, such as frame['text']"
        )
    found = list(texts)
    for row, text in enumerate(found):
        if not isinstance(text, str):
            raise TypeError(f"expected texts, found {text!r} in place {row}")
    return found


def load(path: str | Path) -> Classifier:
    """Loads a model that a search exported, in a second and without TensorFlow.

    Args:
        path: a results directory, whose best model is meant, or a .keras file.

    Raises:
        ModelError: there is none, or it is not as it was exported.
    """
    path = Path(path)
    return load_classifier(path / BEST_MODEL if path.is_dir() else path)


def restored(content: bytes) -> Classifier:
    """The classifier in the content of a .keras file."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / BEST_MODEL
        path.write_bytes(content)
        return load_classifier(path)


def load_classifier(path: Path) -> Classifier:
    """Loads an exported .keras file.

    Raises:
        ModelError: it is not one, or not as it was exported.
    """
    file = ModelFile(path)
    own = file.description.network == "bilstm"
    score = _compiled(file) if own else _keras(file)
    return Classifier(file.description, score, file.content)


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
