"""Sends a search to an MLflow tracking server while it runs.

A thread of its own talks to the server, so that no epoch waits for it. What it sends is brought up
to the newest record of each trial. If the server vanishes, nothing is lost: when it answers again,
or when the search is resumed, what is missing is sent.
"""

import os
import re
import threading
from typing import Any

from search.errors import Interrupted, SettingsError, one_line
from search.progress import Say, silent
from search.reporting.mlflow_runs import Runs
from search.startup import check_modules
from search.tuning.callbacks import Callback
from search.tuning.records import TrialRecord

EXPERIMENT = "bilstm-search"  # unless MLFLOW_EXPERIMENT_NAME says another
RETRY_SECONDS = 15.0
ENVIRONMENT = {
    # The thread tries again by itself, and the end of a search must not wait for minutes.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    # Standard output is for results.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
"""What MLflow reads, unless the user set it."""


class MLflowTracker(Callback):
    """A callback that logs a search to MLflow: one parent run, and a child run for each trial.

    A search that is resumed continues its runs.

    Args:
        uri: the tracking server, such as http://127.0.0.1:5000, or a database, such as
            sqlite:///mlflow.db. None or "" is MLflow's own default: MLFLOW_TRACKING_URI, or a
            database in the current directory.
        tell: called with a sentence that says where the parent run is.

    Raises:
        SettingsError: MLflow is not installed, or does not answer there.

    Examples:
        >>> import search
        >>> tracker = search.MLflowTracker("http://127.0.0.1:5000")
        >>> settings = search.Settings(data="reviews.csv", trials=3)
        >>> corpus = search.load_corpus(settings)
        >>> tuner = search.tune(settings, corpus, callbacks=[tracker])
    """

    def __init__(self, uri: str | None = None, *, tell: Say = silent) -> None:
        check_modules("--mlflow", ["mlflow"], "mlflow")
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        import mlflow

        self.uri = uri or mlflow.get_tracking_uri()
        self._tell = tell
        self._runs: Runs | None = None
        try:
            self._client = mlflow.MlflowClient(self.uri)
            self._experiment = self._found_experiment()
        except Exception as error:  # whatever MLflow, requests or a database raises
            raise self._unusable(error) from error

    def before_search(self, tuner: Any) -> None:
        """Finds or makes the parent run, and begins to send what it does not have."""
        facts = tuner.study.run.read_json(tuner.study.run.run_file)
        try:
            self._runs = Runs(self._client, self._experiment, tuner.settings, facts)
        except Exception as error:
            raise self._unusable(error) from error
        where = f"{self.uri}/{self._runs.address}" if self.uri.startswith("http") else self.uri
        self._tell(f"MLflow: {_masked(where)}")
        self._sender = _Sender(self._runs)
        for record in (*tuner.records.values(), *tuner.study.finals.values()):
            if record.history or record.status != "running":
                self._sender.put(record)
        self._told = False

    def after_epoch(self, tuner: Any, record: TrialRecord) -> None:
        """Sends the epoch."""
        if not record.is_final:
            self._sender.put(record)
        self._tell_problem(tuner)

    def after_trial(self, tuner: Any, record: TrialRecord) -> None:
        """Sends how the trial ended."""
        best = tuner.study.best_first()[:1]
        ended = sum(one.status != "running" for one in tuner.records.values())
        score = None if not best or best[0].best is None else (best[0].best.score, ended)
        self._sender.put(record, None if record.is_final else score)
        self._tell_problem(tuner)

    def after_search(self, tuner: Any, error: BaseException | None) -> None:
        """Waits until everything is sent, and ends the runs."""
        stopped = "KILLED" if isinstance(error, Interrupted) else "FAILED"
        self._sender.close("FINISHED" if error is None else stopped)
        self._tell_problem(tuner)

    def after_conclusion(self, tuner: Any, outcome: Any) -> None:
        """Sends scores, leaderboard, report and model."""
        assert self._runs is not None
        if self._sender.problem is not None:  # it was told, and did not answer at the end either
            return
        try:
            self._runs.conclude(outcome.best, outcome.model)
        except Exception as error:
            self._sender.problem = error
            self._tell_problem(tuner)

    def _found_experiment(self) -> str:
        if given := os.environ.get("MLFLOW_EXPERIMENT_ID"):
            return str(self._client.get_experiment(given).experiment_id)
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT)
        found = self._client.get_experiment_by_name(name)
        return str(found.experiment_id if found else self._client.create_experiment(name))

    def _unusable(self, error: Exception) -> SettingsError:
        return SettingsError(
            f"--mlflow: {_masked(self.uri)} cannot be used: {_masked(one_line(error, 300))}. Is "
            "the tracking server running, and the address right?"
        )

    def _tell_problem(self, tuner: Any) -> None:
        problem = self._sender.problem
        if problem is not None and not self._told:
            self._told = True
            tuner.study.warn(
                f"MLflow at {_masked(self.uri)} does not take what it is sent "
                f"({_masked(one_line(problem, 200))}); the search continues. What is missing is "
                "sent when it answers again, or by the same command later"
            )


class _Sender:
    """A thread that sends records to MLflow.

    Args:
        runs: the runs of the search.

    Attributes:
        problem: what the last attempt failed with; None if it did not.
    """

    def __init__(self, runs: Runs) -> None:
        self.problem: Exception | None = None
        self._runs = runs
        self._waiting: dict[str, TrialRecord] = {}  # the newest of each trial
        self._best: tuple[float, int] | None = None
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def put(self, record: TrialRecord, best: tuple[float, int] | None = None) -> None:
        """Has a record sent.

        Args:
            record: of a trial or final.
            best: the best score of the search, and the number of trials that have ended.
        """
        with self._changed:
            self._waiting[record.trial_id] = record
            self._best = best or self._best
            self._changed.notify()

    def close(self, status: str) -> None:
        """Sends what is left, and ends the runs with a status; if MLflow answers."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()
        if self.problem is None:
            try:
                self._runs.end(status)
            except Exception as error:
                self.problem = error

    def _run(self) -> None:
        while True:
            with self._changed:
                if self.problem is not None and not self._closed:
                    self._changed.wait_for(lambda: self._closed, RETRY_SECONDS)
                while not (self._waiting or self._best or self._closed):
                    self._changed.wait()
                last = self._closed
                waiting, self._waiting = self._waiting, {}
                best, self._best = self._best, None
            try:
                for name in list(waiting):
                    self._runs.bring_up(waiting[name])
                    del waiting[name]
                if best is not None:
                    self._runs.best_so_far(*best)
                self.problem = None
            except Exception as error:
                self.problem = error
                with self._changed:
                    self._waiting = {**waiting, **self._waiting}
                    self._best = self._best or best
            if last:
                return


def _masked(text: str) -> str:
    """Text without the passwords of addresses in it."""
    return re.sub(r"//[^/@\s]+@", "//…@", text)
