"""A search as a scikit-learn classifier."""

import signal
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from search.corpus.load import load_corpus
from search.display import counted
from search.errors import InputError, Interrupted
from search.memory import InMemory
from search.packaging.classifier import as_texts, load, most_probable
from search.packaging.explanation import Explanation
from search.reporting.report import framed, read_report
from search.settings import NO_TEXTS, Algorithm, Objective, Settings
from search.startup import tensorflow_silenced

if TYPE_CHECKING:  # TensorFlow, which what was fitted does not need
    from search.conclusion import Outcome
    from search.tuning.tuner import SearchTuner

USUAL = {name: field.default for name, field in Settings.model_fields.items()}
"""The defaults of all settings, which are those of the command."""

Labels = npt.NDArray[Any]
OWN = {"random_state": "seed"}  # parameters whose setting has another name


@dataclass(frozen=True)
class Page:
    """A page of HTML, displayed in a notebook."""

    html: str = field(repr=False)

    def _repr_html_(self) -> str:
        return framed(self.html)


class TextClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A scikit-learn classifier that searches for the best small recurrent network on `fit`.

    It works in `Pipeline`, `GridSearchCV`, `cross_val_score` and `clone`, and can be pickled. It
    keeps no test rows: cross-validate it, or keep some rows yourself. Its scores are those of
    out-of-fold predictions.

    Args:
        trials: total number of trials.
        timeout: time limit of the search: seconds, or a string such as "30m".
        space: the search space: "core", "wide", a TOML file, or a dict, in which a tuple is a range
            and a list has choices: {"dropout": (0.1, 0.5), "pooling": ["max", "mean"]}.
        objective: the score to optimise: val_accuracy, val_balanced_accuracy, val_f1, ….
        class_weight: "balanced" gives every class the same weight in training.
        tuner: the search algorithm: tpe, random, grid, bayesian or hyperband.
        max_epochs: maximum number of epochs of a trial.
        max_parameters: maximum number of trainable parameters of a network.
        finals: number of trials that are cross-validated; None for 2, or 1 where that takes long.
        folds: number of cross-validation folds.
        workers: number of trials in parallel; by default what cores and memory allow.
        results: a directory for all results. Fitting the same data again resumes the search there.
            Without it nothing is left on the disk.
        random_state: an int, None or a RandomState.

    Attributes:
        classes_: the labels, sorted, shape (classes,).
        model_: the model, as `search.load` returns it; `model_.save(path)` writes the .keras file.
        best_params_: hyperparameters of the best trial.
        best_score_: the model's out-of-fold value of the objective.
        leaderboard_: every trial and baseline, best first, as a DataFrame.
        report_: the report, displayed in a notebook; its HTML is `report_.html`.
        facts_: the content of best_model.json.

    Examples:
        >>> import search
        >>> classifier = search.TextClassifier(trials=3).fit(texts, labels)
        >>> classifier.predict(["a warm and funny film"])
        array(['positive'], dtype='<U8')
        >>> classifier.best_score_
        0.8
        >>> classifier.leaderboard_[["rank", "trial_id", "val_accuracy"]].head(1)
           rank trial_id  val_accuracy
        0     7     0000           0.8
    """

    def __init__(
        self,
        trials: int = USUAL["trials"],
        timeout: float | str | None = USUAL["timeout"],
        space: str | Mapping[str, Any] = USUAL["space"],
        *,
        objective: Objective = USUAL["objective"],
        class_weight: str | None = USUAL["class_weight"],
        tuner: Algorithm = USUAL["tuner"],
        max_epochs: int = USUAL["max_epochs"],
        max_parameters: int | None = USUAL["max_parameters"],
        finals: int | None = USUAL["finals"],
        folds: int | None = USUAL["folds"],
        workers: int | None = USUAL["workers"],
        results: str | Path | None = None,
        random_state: int | np.random.RandomState | None = USUAL["seed"],
    ) -> None:
        self.trials = trials
        self.timeout = timeout
        self.space = space
        self.objective = objective
        self.class_weight = class_weight
        self.tuner = tuner
        self.max_epochs = max_epochs
        self.max_parameters = max_parameters
        self.finals = finals
        self.folds = folds
        self.workers = workers
        self.results = results
        self.random_state = random_state

    def fit(
        self,
        X: Iterable[str],
        y: Sequence[Any] | Labels,
        X_val: Iterable[str] | None = None,
        y_val: Sequence[Any] | Labels | None = None,
        groups: Sequence[Any] | None = None,
        unlabelled: Iterable[str] | None = None,
        callbacks: Iterable[Any] = (),
    ) -> Self:
        """Searches, and fits the best model.

        Ctrl-C finishes the current epoch and makes a model of the best trial so far; a second
        Ctrl-C abandons the epoch. If no trial has ended yet, KeyboardInterrupt is raised.

        Args:
            X: texts: a list, Series, array, … of str. Texts without any word are left out.
            y: their labels: str, int, bool or whole numbers as float.
            X_val: texts to validate on; by default a tenth of X.
            y_val: their labels.
            groups: the group of each text of X, such as its author, or None. Rows of one group are
                never split between training and validation, nor between folds.
            unlabelled: further texts to learn word features from.
            callbacks: objects that are told of each epoch and each trial: see `search.Callback`.

        Raises:
            TypeError: X is not a list of texts.
            ValueError: another argument or a setting is invalid; the message says which.
            NothingUsable: no trial completed.

        Examples:
            >>> classifier = search.TextClassifier(trials=3, results="mine")
            >>> classifier = classifier.fit(texts, labels)
            >>> classifier = classifier.fit(texts, labels)  # resumes it: nothing is left to do
        """
        texts, labels, kept = self._rows(X, y)
        self.classes_, codes = np.unique(labels, return_inverse=True)
        names = tuple(map(str, self.classes_.tolist()))
        columns: list[Sequence[Any]] = [texts, codes.tolist()]
        if groups is not None:
            shared = list(groups)
            if len(shared) != len(kept):
                raise ValueError(
                    f"expected a group for each of {counted(len(kept), 'text')}, found "
                    f"{counted(len(shared), 'group')}"
                )
            # Only which are equal matters; as numbers, of whatever kind they are.
            numbers = {one: number for number, one in enumerate(dict.fromkeys(shared))}
            columns.append(
                [
                    None if pd.isna(one) else numbers[one]
                    for one, keep in zip(shared, kept, strict=True)
                    if keep
                ]
            )
        data = InMemory(tuple(columns), "pair", names)
        validation = None
        if X_val is not None or y_val is not None:
            if X_val is None or y_val is None:
                raise ValueError("expected both X_val and y_val, found one of them")
            texts, labels, _ = self._rows(X_val, y_val)
            if len(unknown := np.setdiff1d(labels, self.classes_)):
                raise ValueError(f"y_val has a label that y has not: {unknown.tolist()[0]!r}")
            codes = np.searchsorted(self.classes_, labels)
            validation = InMemory((texts, codes.tolist()), "pair", names)
        more = None if unlabelled is None else InMemory(as_texts(unlabelled), "texts")
        with TemporaryDirectory() as folder, _value_errors():
            settings = Settings(
                **self._settings(),
                data=data,
                validation=validation,
                test=NO_TEXTS,
                unlabelled=more,
                group_column=None if groups is None else "group",
                results=Path(self.results or Path(folder) / "results"),
            )
            outcome = _searched(settings, callbacks)
            self.model_ = load(outcome.model)
            self.report_ = Page(read_report(settings.results).html())
        self.facts_, self.leaderboard_ = outcome.best, outcome.leaderboard
        self.best_params_ = outcome.best["hyperparameters"]
        self.best_score_ = outcome.best[self.objective]
        return self

    def predict(self, X: Iterable[str], abstain: bool = False) -> Labels:
        """Returns the most probable label of each text.

        Args:
            X: texts: a list, Series, array, … of str.
            abstain: whether to return None for texts whose confidence is below the threshold above
                which 95% of the out-of-fold predictions were correct. Without such a threshold, all
                are None.

        Returns:
            Shape (texts,); with `abstain` an object array.

        Raises:
            NotFittedError: `fit` was not called.
            TypeError: X is not a list of texts.

        Examples:
            >>> classifier = search.TextClassifier(trials=3, results="mine").fit(texts, labels)
            >>> classifier.predict(["a warm and funny film"])
            array(['positive'], dtype='<U8')
            >>> sure = classifier.predict(texts, abstain=True)  # a label or None for each
        """
        every = self.predict_proba(X)
        return most_probable(self.model_.description, self.classes_, every, abstain=abstain)

    def predict_proba(self, X: Iterable[str]) -> npt.NDArray[np.float64]:
        """Returns the probability of every label; for the argument and errors see `predict`.

        Returns:
            float64, shape (texts, classes), in the order of `classes_`.

        Examples:
            >>> classifier = search.TextClassifier(trials=3, results="mine").fit(texts, labels)
            >>> classifier.predict_proba(["a warm and funny film"])
            array([[0.1, 0.9]])
        """
        check_is_fitted(self)
        return self.model_.predict_proba(X)

    def explain(self, text: str) -> Explanation:
        """Returns which words decided the prediction for a text; displayed in a notebook.

        Raises:
            NotFittedError: `fit` was not called.
            TypeError: it is not a text.

        Examples:
            >>> classifier = search.TextClassifier(trials=3, results="mine").fit(texts, labels)
            >>> found = classifier.explain("a warm and funny film")
            >>> [word for word, weight in found.words]
            ['a', 'warm', 'and', 'funny', 'film']
        """
        check_is_fitted(self)
        found = self.model_.explain(text)
        names = list(self.model_.description.class_names)
        return replace(found, label=self.classes_[names.index(found.label)])

    def _settings(self) -> dict[str, Any]:
        """The parameters that are settings, by their names there."""
        values = {OWN.get(name, name): value for name, value in self.get_params().items()}
        del values["results"]
        if not isinstance(self.random_state, int | np.integer):
            generator = check_random_state(self.random_state)
            values["seed"] = int(generator.randint(2**31 - 1))
        return values

    def _rows(self, X: Iterable[str], y: Any) -> tuple[list[str], Labels, npt.NDArray[np.bool_]]:
        """Texts and their labels, but for texts without anything in them, and which those are."""
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None"
            )
        texts, labels = as_texts(X), column_or_1d(_plain(y))
        if len(texts) != len(labels):
            raise ValueError(
                f"expected as many labels as texts, found {counted(len(texts), 'text')} and "
                f"{counted(len(labels), 'label')}"
            )
        if (missing := pd.isna(labels)).any():
            raise ValueError(
                f"expected a label for each text, found none in place {missing.argmax()}"
            )
        if labels.dtype == object:
            named = [isinstance(one, str) for one in labels]
            if any(named) and not all(named):
                one, other = labels[named.index(True)], labels[named.index(False)]
                raise ValueError(f"expected labels of one type, found {one!r} and {other!r}")
            if not any(named):
                labels = np.array(labels.tolist())  # of numbers, numbers
        check_classification_targets(labels)
        kept = np.array([bool(text.strip()) for text in texts], dtype=bool)
        if not kept.any():
            raise ValueError("expected texts, found none that is not empty")
        return [text for text, keep in zip(texts, kept, strict=True) if keep], labels[kept], kept

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        return tags


def _plain(y: Any) -> Any:
    """Labels as NumPy has them: of an iterator, and of a type of pandas if none is missing."""
    y = list(y) if isinstance(y, Iterator) else y
    if isinstance(y, list | tuple):
        cells = pd.Series(list(y), dtype="<U8")
        # Of texts and NaN, NumPy makes the class "nan".
        return cells.to_numpy() if cells.isna().any() else y
    kind = getattr(getattr(y, "dtype", None), "numpy_dtype", None)
    return y if kind is None or pd.isna(y).any() else y.to_numpy(dtype=kind)


def _searched(settings: Settings, callbacks: Iterable[Any]) -> "Outcome":
    """Searches; after Ctrl-C with what there is until then."""
    with tensorflow_silenced():
        from search.pipeline import conclude, tune

    seen: dict[str, SearchTuner] = {}

    def watch(tuner: "SearchTuner") -> None:
        seen["tuner"] = tuner

    say: Callable[[str], None] = lambda message: warnings.warn(message, stacklevel=2)  # noqa: E731
    try:
        corpus = load_corpus(settings)
        return conclude(tune(settings, corpus, callbacks=callbacks, watch=watch, warn=say))
    except Interrupted as stop:
        if stop.exit_code != 128 + signal.SIGINT:
            raise SystemExit(stop.exit_code) from None
        tuner = seen.get("tuner")
        if tuner is None or not tuner.best_first():
            raise KeyboardInterrupt from None
        ended = counted(sum(r.status != "running" for r in tuner.records.values()), "trial")
        say(f"interrupted: this is the best model of {ended} of {settings.trials}")
        return conclude(tuner)


@contextmanager
def _value_errors() -> Iterator[None]:
    """Has what cannot be raise ValueError, as scikit-learn's users expect."""
    try:
        yield
    except InputError as error:
        raise ValueError(str(error)) from error
