"""What a search reports to objects of the user: its start, each epoch, each trial, its end."""

import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from search.errors import SettingsError, one_line
from search.tuning.records import TrialRecord


class Callback:
    """What a search reports. A subclass, or any other object, has the methods that it needs.

    They are called in the process of the search, one at a time, and should be quick: the search
    waits for them. An exception in `before_search` ends the search, of which nothing is lost yet.
    An exception in another method is reported once, and the search continues.

    Examples:
        >>> import search
        >>> class Progress(search.Callback):
        ...     def after_epoch(self, tuner, record):
        ...         print(record.trial_id, record.history[-1].val_accuracy)
        >>> settings = search.Settings(data="reviews.csv", trials=3, results="other_results")
        >>> corpus = search.load_corpus(settings)
        >>> tuner = search.tune(settings, corpus, callbacks=[Progress()])
        0000 0.5
        0000 0.6
    """

    def before_search(self, tuner: Any) -> None:
        """Called before the first epoch.

        Args:
            tuner: the `SearchTuner`, with `settings`, and `records`: the trials so far, of a
                search that is resumed.
        """

    def after_epoch(self, tuner: Any, record: TrialRecord) -> None:
        """Called after an epoch, once it is saved.

        An epoch is never reported twice, also not by a resumed search, unless its trial starts
        again from its first epoch; `record.attempts` counts these.

        Args:
            tuner: the tuner.
            record: of the trial or final (`record.is_final`); the epoch is `record.history[-1]`.
        """

    def after_trial(self, tuner: Any, record: TrialRecord) -> None:
        """Called after a trial or final, once leaderboard.csv is written.

        A pruned trial may be resumed, and is reported again when it ends again.

        Args:
            tuner: the tuner.
            record: of the trial or final: `status`, `values`, `history`, `best`, `error`.
        """

    def after_search(self, tuner: Any, error: BaseException | None) -> None:
        """Called after the last trial, however the search ends.

        Args:
            tuner: the tuner.
            error: what it ends with, such as `search.errors.Interrupted`, or None.
        """

    def after_conclusion(self, tuner: Any, outcome: Any) -> None:
        """Called at the end of `search.conclude`, when model and report are written.

        Args:
            tuner: the tuner.
            outcome: the `Outcome` that `search.conclude` returns.
        """


METHODS = tuple(name for name in vars(Callback) if not name.startswith("_"))


class Callbacks:
    """Calls the callbacks of a search.

    Args:
        callbacks: objects with some of the methods of `Callback`.
        warn: called with one sentence for each callback that failed.

    Raises:
        SettingsError: an object has none of these methods.
    """

    def __init__(self, callbacks: Iterable[Any], warn: Callable[[str], None]) -> None:
        self._callbacks = list(callbacks)
        self._warn = warn
        self._begun: list[Any] = []
        self._failed: list[Any] = []
        for one in self._callbacks:
            if isinstance(one, type) or not any(callable(getattr(one, m, None)) for m in METHODS):
                raise SettingsError(
                    f"callbacks: expected objects with some of the methods {', '.join(METHODS)}, "
                    f"found {f'the class {one.__name__}' if isinstance(one, type) else repr(one)}"
                )

    def before_search(self, tuner: Any) -> None:
        """See `Callback`; what one of them raises is raised."""
        for one in self._callbacks:
            if hasattr(one, "before_search"):
                one.before_search(tuner)
            self._begun.append(one)

    def report(self, method: str, *arguments: Any) -> None:
        """Calls a method of all callbacks whose search has begun.

        Args:
            method: one of `METHODS`.
            arguments: its arguments.
        """
        for one in self._begun:
            if not hasattr(one, method):
                continue
            try:
                getattr(one, method)(*arguments)
            except Exception as error:
                if not any(one is other for other in self._failed):
                    self._failed.append(one)
                    self._warn(
                        f"{type(one).__name__}.{method} failed with {one_line(error)} "
                        f"({_place(error)}); the search continues, and no further error of this "
                        "callback is shown"
                    )


def _place(error: BaseException) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(last.filename).name}, line {last.lineno}"
