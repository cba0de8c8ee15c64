"""Inference with an exported model, without TensorFlow if possible.

The network of this project runs in the compiled code that trained it, which starts in a second and
is several times as fast as `model.predict`. Other networks run in Keras.
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
from search.packaging.description import Description
from search.packaging.explanation import Explanation, explained
from search.packaging.modelfile import ModelFile
from search.packaging.old_tokens import encode_known, numbered
from search.startup import tensorflow_silenced
from search.tuning.engine import FastEngine, Probabilities, predict
from search.tuning.objective import by_class

AT_A_TIME = 10_000  # texts, so that memory has an end
BEST_MODEL = "best_model.keras"


@dataclass(frozen=True)
class Answers:
    """A model's predictions for some texts.

    Attributes:
        labels: the most probable class of each text.
        probability: its probability, float64, shape (texts,).
        abstain: bool, shape (texts,): whether the confidence is below the threshold above which
            95% of the validation predictions were correct; None if there is no such threshold.
        probabilities: of every class in the order of the class names, shape (texts, classes).
    """

    labels: list[str]
    probability: npt.NDArray[np.float64]
    abstain: npt.NDArray[np.bool_] | None
    probabilities: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Classifier:
    """A finished model with the prediction methods of a scikit-learn classifier.

    `search.load` returns it. It can be pickled.

    Attributes:
        description: the metadata in its file.
        score: maps texts to probabilities, (texts, outputs).
        content: the bytes of its file.

    Examples:
        >>> import search
        >>> model = search.load("results")
        >>> model.predict(["a warm and funny film", "dull, and far too long"])
        array(['positive', 'negative'], dtype='<U8')
    """

    description: Description
    score: Callable[[Sequence[str]], Probabilities]
    content: bytes = field(repr=False)

    @property
    def classes_(self) -> npt.NDArray[np.str_]:
        """The names of the classes, shape (classes,).

        Examples:
            >>> search.load("results").classes_
            array(['negative', 'positive'], dtype='<U8')
        """
        return np.array(self.description.class_names)

    def predict(self, texts: Iterable[str], *, abstain: bool = False) -> npt.NDArray[Any]:
        """Returns the most probable class of each text.

        Args:
            texts: a list, Series, array, … of str.
            abstain: whether to return None for texts whose confidence is below the threshold above
                which 95% of the validation predictions were correct. Without such a threshold, all
                are None.

        Returns:
            str, shape (texts,); with `abstain` an object array.

        Raises:
            TypeError: `texts` is a single text, or contains something other than texts.

        Examples:
            >>> model = search.load("results")
            >>> model.predict(["a warm and funny film"])
            array(['positive'], dtype='<U8')
            >>> sure = model.predict(texts, abstain=True)  # a label or None for each
        """
        every = self.predict_proba(texts)
        return most_probable(self.description, self.classes_, every, abstain=abstain)

    def predict_proba(self, texts: Iterable[str]) -> npt.NDArray[np.float64]:
        """Returns the probability of every class; for the argument see `predict`.

        Returns:
            float64, shape (texts, classes), in the order of `classes_`.

        Examples:
            >>> search.load("results").predict_proba(["a warm and funny film"])
            array([[0.1, 0.9]])
        """
        some = as_texts(texts)
        parts = [np.empty((0, len(self.description.class_names)))]
        for begin in range(0, len(some), AT_A_TIME):
            parts.append(self.classify(some[begin : begin + AT_A_TIME]).probabilities)
        return np.concatenate(parts)

    def explain(self, text: str) -> Explanation:
        """Returns which words decided the prediction for a text; displayed in a notebook.

        Raises:
            TypeError: it is not a text.

        Examples:
            >>> found = search.load("results").explain("a warm and funny film")
            >>> found.label, found.probability
            ('positive', 0.9)
            >>> [word for word, weight in found.words]
            ['a', 'warm', 'and', 'funny', 'film']
        """
        [one] = as_texts([text])
        return explained(self.predict_proba, self.description.class_names, one)

    def save(self, path: str | Path) -> None:
        """Writes the .keras file that the model was loaded from, atomically.

        Raises:
            ValueError: the name does not end in .keras, without which Keras does not load it.
            OSError: the file cannot be written; one that was there is unchanged.

        Examples:
            >>> search.load("results").save("copy.keras")
        """
        if Path(path).suffix != ".keras":
            raise ValueError(
                f"expected a name that ends in .keras, found {str(path)!r}; other formats are "
                "written by `python -m search.export` from the results directory"
            )
        write_atomically(Path(path), lambda file: file.write(self.content))

    def __reduce__(self) -> tuple[Callable[[bytes], "Classifier"], tuple[bytes]]:
        return restored, (self.content,)

    def classify(self, texts: Sequence[str]) -> Answers:
        """Returns labels, probabilities and whether to abstain, of one or more texts.

        Raises:
            ModelError: the model is damaged.

        Examples:
            >>> answers = search.load("results").classify(["a warm and funny film"])
            >>> answers.labels, answers.probability
            (['positive'], array([0.9]))
        """
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


def most_probable(
    description: Description,
    classes: npt.NDArray[Any],
    every: npt.NDArray[np.float64],
    *,
    abstain: bool,
) -> npt.NDArray[Any]:
    """Returns the most probable class of each row of probabilities; see `Classifier.predict`.

    Args:
        description: of the model.
        classes: the labels of the columns, shape (classes,).
        every: probabilities, shape (texts, classes).
        abstain: see `Classifier.predict`.
    """
    found: npt.NDArray[Any] = classes[every.argmax(axis=1)]
    if abstain:
        least = description.abstain
        found = found.astype(object)
        found[every.max(axis=1) < (np.inf if least is None else least.confidence)] = None
    return found


def as_texts(texts: Iterable[str]) -> list[str]:
    """Converts a list, Series, array, … of texts to a list of str.

    Raises:
        TypeError: it is a single text, or contains something other than texts.
    """
    if isinstance(texts, str):
        raise TypeError(f"expected a list of texts, found one text: write [{texts[:20]!r}]")
    if isinstance(texts, set | frozenset):
        raise TypeError("expected texts in an order, found a set, which has none")
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
            missing = str(text) in ("None", "nan", "<NA>")
            remedy = "; remove rows without a text" if missing else ""
            raise TypeError(f"expected texts, found {text!r} in place {row}{remedy}")
    return found


def load(path: str | Path) -> Classifier:
    """Loads a model that a search exported, in a second and without TensorFlow.

    Args:
        path: a results directory, for its best model, or a .keras file.

    Raises:
        ModelError: there is no model, or its file is damaged or was not exported by a search.

    Returns:
        The model: `predict`, `predict_proba`, `classify`, `explain`, `save` and `classes_`.

    Examples:
        >>> import search
        >>> model = search.load("results")
        >>> model.predict(["a warm and funny film", "dull, and far too long"])
        array(['positive', 'negative'], dtype='<U8')
        >>> model.predict_proba(["a warm and funny film"])  # in the order of model.classes_
        array([[0.1, 0.9]])
    """
    path = Path(path)
    return load_classifier(path / BEST_MODEL if path.is_dir() else path)


def restored(content: bytes) -> Classifier:
    """Restores a classifier from the bytes of its .keras file."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / BEST_MODEL
        path.write_bytes(content)
        return load_classifier(path)


def load_classifier(path: Path) -> Classifier:
    """Loads an exported .keras file.

    Raises:
        ModelError: it is damaged, or was not exported by a search.
    """
    file = ModelFile(path)
    own = file.description.network == "bilstm"
    score = _compiled(file) if own else _keras(file)
    return Classifier(file.description, score, file.content)


def _compiled(file: ModelFile) -> Callable[[Sequence[str]], Probabilities]:
    """Scores texts with networks in compiled code, mixed with the n-gram models."""
    description, input_config = file.description, file.description.input_config
    engines = [
        FastEngine(description.configuration, description.shape, weights)
        for weights in file.networks()  # they prove that the networks are as large as it says
    ]
    mixture, ids_of = file.mixture(), _reader(file)

    def score(texts: Sequence[str]) -> Probabilities:
        ids, offsets = ids_of(texts)
        split = Split(ids, offsets, np.empty(0, np.int32), np.arange(len(texts)))
        batches = evaluation_batches(split, input_config)
        every = [predict(engine, batches, len(texts)) for engine in engines]
        mean: Probabilities = np.mean(every, axis=0)
        return mean if mixture is None else mixture.probabilities(mean, texts)

    return score


def _reader(file: ModelFile) -> Callable[[Sequence[str]], Encoded]:
    """Returns a function from texts to token ids; see `search.corpus.encode.encode`."""
    tokens, vocabulary = file.description.tokens, file.vocabulary()
    if tokens != "unicode":
        known, input_config = numbered(vocabulary), file.description.input_config
        # The rest of a longer text is not looked at.
        most = input_config.max_length if input_config.cut == "head" else None
        return lambda texts: encode_known(texts, tokens, known, most)
    of_tokens = Vocabulary.of(vocabulary)
    return lambda texts: of_tokens.encode(*hashed(texts))


def _keras(file: ModelFile) -> Callable[[Sequence[str]], Probabilities]:
    """Scores texts with Keras."""
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
