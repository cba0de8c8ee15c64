"""The whole search as two functions: `tune` and `conclude`."""

import multiprocessing
import time
from collections.abc import Callable, Iterable
from typing import Any

import keras_tuner

from search import conclusion
from search.conclusion import Outcome, record_leaderboard
from search.corpus import Corpus
from search.corpus.embeddings import read_embeddings
from search.corpus.load import load_corpus
from search.corpus.words import Vectors
from search.errors import Interrupted, NothingUsable, SettingsError
from search.network.space import inside
from search.network.spacefile import chosen_space
from search.packaging.preparation import prepare
from search.progress import Say, silent
from search.reporting.mlflow_tracker import MLflowTracker
from search.reporting.notebook import Live, is_notebook
from search.reporting.report import Rewriting
from search.reporting.tensorboard import Board, check_installed
from search.settings import Settings
from search.tuning.places import choose_device
from search.tuning.records import TrialRecord
from search.tuning.slots import Slots
from search.tuning.study import Study
from search.tuning.tuner import SearchTuner

SHORT = 0.02  # seconds in which a file may be written after every trial


def tune(
    settings: Settings,
    corpus: Corpus,
    *,
    hypermodel: keras_tuner.HyperModel | None = None,
    oracle: keras_tuner.Oracle | None = None,
    overwrite: bool = False,
    train: bool = True,
    callbacks: Iterable[Any] = (),
    show: Callable[[SearchTuner, TrialRecord], None] | None = None,
    watch: Callable[[SearchTuner], None] = lambda tuner: None,
    warn: Say = print,
    progress: Say = silent,
    workers: Slots | None = None,
    learned: Callable[[], Vectors] | None = None,
) -> SearchTuner:
    """Searches, or resumes the search in `settings.results`.

    In a notebook, a live table shows the best trials.

    Args:
        settings: the run's settings.
        corpus: the data, from `load_corpus`.
        hypermodel: a KerasTuner HyperModel instead of `SentimentHyperModel`.
        oracle: a KerasTuner Oracle instead of the algorithm `settings.tuner`.
        overwrite: whether to move an older run in the directory aside and start a new one.
        train: False to train nothing: unfinished trials end with the epochs they have.
        callbacks: objects that are told of each epoch and each trial: see `search.Callback`.
        show: prints that a trial has ended; called with the tuner and the trial's record. By
            default each failed trial is reported to `warn`.
        watch: called with the tuner several times a second while it searches.
        warn: called with one sentence for each problem that was handled.
        progress: called with a sentence for each step.
        workers: slots to train in; by default those of the settings, for this search only.
        learned: returns the word features of the corpus, if another process computes them already.

    Returns:
        The tuner, with all its trials: `get_best_hyperparameters()`, `get_best_models()`, ….

    Raises:
        SettingsError: the settings contradict each other or the data.
        ResultsError: the directory is in use, unusable, or holds another run.
        NothingUsable: the first trials all failed in the same way.
        Interrupted: Ctrl-C, SIGTERM or SIGHUP; everything is saved.

    Examples:
        >>> import search
        >>> settings = search.Settings(data="reviews.csv", trials=3)
        >>> corpus = search.load_corpus(settings)
        >>> tuner = search.tune(settings, corpus)
        >>> outcome = search.conclude(tuner)
    """

    if not (isinstance(settings, Settings) and isinstance(corpus, Corpus)):
        found = f"{type(settings).__name__} and {type(corpus).__name__}"
        raise SettingsError(
            f"tune: expected Settings(data=…) and the Corpus that load_corpus gives, found {found}"
        )
    if settings.cluster is None and multiprocessing.current_process().daemon:
        raise SettingsError(
            "a search starts processes, which Python forbids to daemons such as those of a "
            "multiprocessing.Pool; use concurrent.futures.ProcessPoolExecutor or joblib instead"
        )
    choose_device(settings)
    rewrite_report = Rewriting(settings.results, warn)
    rewrite_leaderboard = _Leaderboard()
    board = Board(settings.results) if settings.tensorboard else None
    if settings.tensorboard:
        check_installed()
    if settings.mlflow is not None:
        callbacks = [MLflowTracker(settings.mlflow, tell=progress), *callbacks]
    live = Live() if is_notebook() else None

    def listen(tuner: SearchTuner, record: TrialRecord) -> None:
        rewrite_leaderboard(tuner.study)
        rewrite_report()
        if board is not None:
            board(tuner.records.values())
        if show is not None:
            show(tuner, record)
        elif record.status == "failed":
            warn(f"trial {record.trial_id} failed: {record.error}")

    def look(tuner: SearchTuner) -> None:
        if any(record is not None and record.is_final for record in tuner.study.under_way):
            prepare(tuner.study)
        if live is not None:
            live(tuner.study)
        watch(tuner)

    space = chosen_space(settings.space, settings.set, corpus)
    embeddings = None
    if settings.embeddings is not None:
        embeddings = read_embeddings(settings.embeddings, corpus)
        numbers = embeddings.vectors.shape[1]
        space |= {"embedding_init": "file", "embedding_dim": numbers}
        progress(
            f"{settings.embeddings}: vectors of {numbers} numbers for {embeddings.tokens:,} "
            f"tokens, which are {embeddings.coverage:.1%} of the training texts"
        )
    elif inside("file", space.get("embedding_init", "")):
        raise SettingsError("embedding_init = file needs --embeddings FILE")
    tuner = SearchTuner(
        settings,
        corpus,
        space=space,
        embeddings=embeddings,
        learned=learned,
        hypermodel=hypermodel,
        oracle=oracle,
        callbacks=callbacks,
        after_trial=listen,
        watch=look,
        warn=warn,
        progress=progress,
    )
    try:
        tuner.search(workers=workers, overwrite=overwrite, train=train)
    except BaseException as error:
        if isinstance(error, Interrupted | NothingUsable):
            rewrite_leaderboard.finish(tuner.study)
            rewrite_report(last=True)
        tuner.callbacks.report("after_search", tuner, error)
        raise
    finally:
        if live is not None:
            live(tuner.study, last=True)
    rewrite_leaderboard.finish(tuner.study)
    if board is not None:
        board(tuner.records.values())  # all of them, also where nothing was left to do
    tuner.callbacks.report("after_search", tuner, None)
    return tuner


class _Leaderboard:
    """Writes leaderboard.csv after every trial; with thousands, in at most 5% of the time."""

    def __init__(self) -> None:
        self._next, self._due = 0.0, False

    def __call__(self, study: Study) -> None:
        self._due = True
        if time.monotonic() >= self._next:
            self.finish(study)

    def finish(self, study: Study) -> None:
        """Writes it, if a trial has ended since."""
        if not self._due:
            return
        begun = time.monotonic()
        record_leaderboard(study)
        done = time.monotonic()
        self._due = False
        if done - begun > SHORT:
            self._next = done + 20 * (done - begun)


def conclude(tuner: SearchTuner | Study, progress: Say = silent) -> Outcome:
    """Exports the best model, evaluates it on the test rows, and writes the report.

    Args:
        tuner: the tuner that `tune` returned, or its study (then no callback is told).
        progress: called with a line every few seconds, while n-gram models are fitted.

    Returns:
        Leaderboard, facts and paths of the results.

    Raises:
        ResultsError: the directory holds another run by now.
        NothingUsable: no trial completed; no model is written.
        ParityError: the exported file does not give the probabilities that the search computed.

    Examples:
        >>> import search
        >>> settings = search.Settings(data="reviews.csv", trials=3)
        >>> tuner = search.tune(settings, search.load_corpus(settings))
        >>> outcome = search.conclude(tuner)
        >>> outcome.model
        PosixPath('results/best_model.keras')
    """
    study = tuner.study if isinstance(tuner, SearchTuner) else tuner
    try:
        outcome = conclusion.conclude(study, progress)
    finally:
        Rewriting(study.settings.results, study.warn)(last=True)
    if isinstance(tuner, SearchTuner):
        tuner.callbacks.report("after_conclusion", tuner, outcome)
    return outcome


__all__ = ["Outcome", "conclude", "load_corpus", "tune"]
