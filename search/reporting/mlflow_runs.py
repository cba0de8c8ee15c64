"""A search as runs of MLflow: one parent, and one child for each trial.

Everything here brings MLflow up to what a record says, whatever is there already. So it does not
matter which calls were lost, and a search that is resumed goes on with the runs that it has.
"""

import hashlib
import json
import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from search.settings import Settings
from search.tuning.objective import to_score
from search.tuning.records import TrialRecord, of_network, trial_of

SEARCH = "bilstm_search.id"  # tag of the parent: which search it is
TRIAL = "trial_id"
PARENT = "mlflow.parentRunId"  # by which MLflow nests runs
MODEL = "model"
MODEL_HASH = "model_sha256"
FILES = ("leaderboard.csv", "report.html", "MODEL_CARD.md", "best_model.json")
MOST_PARAMS = 100  # that MLflow takes at once
LONGEST_VALUE = 5000  # characters of a parameter or tag
STATUS = {"running": "RUNNING", "failed": "FAILED"}  # of MLflow; of all others FINISHED


@dataclass
class _Child:
    """A trial's run, as it stands in MLflow.

    Attributes:
        run_id: its id.
        described: whether its hyperparameters are there.
        losses: val_loss of each epoch.
        ended: status and number of epochs of the trial when it ended, or None.
        folds: the finals that are there.
    """

    run_id: str
    described: bool = False
    losses: list[float] = field(default_factory=list)
    ended: tuple[str, int] | None = None
    folds: set[int] = field(default_factory=set)


class Runs:
    """The runs of one search.

    Every method may raise what MLflow raises.

    Args:
        client: a `mlflow.MlflowClient`.
        experiment: the id of the experiment.
        settings: the settings of the search.
        facts: the content of run.json.
    """

    def __init__(
        self, client: Any, experiment: str, settings: Settings, facts: Mapping[str, Any]
    ) -> None:
        self._client = client
        self._experiment = experiment
        self._objective = settings.objective
        self._results = settings.results
        known = [facts["identity"], facts["started_at"]]
        own = hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()
        [*found] = self._search(SEARCH, own)
        if found:
            self.run_id = found[0].info.run_id
            client.update_run(self.run_id, status="RUNNING")
            self._model_hash = found[0].data.tags.get(MODEL_HASH)
        else:
            tags = {SEARCH: own, "version": str(facts["version"])}
            self.run_id = self._create(settings.results.absolute().name, tags)
            self._model_hash = None
        if not (found and found[0].data.params):
            params = {**settings.identity(), "data": str(settings.data)}
            self._log_params(self.run_id, {k: v for k, v in params.items() if v is not None})
        self._children = {
            run.data.tags[TRIAL]: self._known(run)
            for run in self._search(PARENT, self.run_id)
            if TRIAL in run.data.tags
        }

    @property
    def address(self) -> str:
        """Experiment and run, as in the address of MLflow's page."""
        return f"#/experiments/{self._experiment}/runs/{self.run_id}"

    def bring_up(self, record: TrialRecord) -> None:
        """Logs what is missing of a trial or final."""
        if record.is_final:
            self._bring_up_final(record)
            return
        child = self._child(record)
        if not child.described:
            self._log_params(child.run_id, {**of_network(record.values), "seed": record.seed})
            child.described = True
        new = record.history[len(child.losses) :]
        now = _milliseconds()
        metrics = []
        for epoch in new:
            scores = {"loss": epoch.loss, "val_loss": epoch.val_loss}
            scores |= {"val_accuracy": epoch.val_accuracy, "epoch_seconds": epoch.seconds}
            scores[self._objective] = to_score(self._objective, epoch.score)
            metrics += [(name, value, now, epoch.epoch) for name, value in scores.items()]
        if metrics:
            if child.ended is not None:  # a pruned trial that goes on
                self._client.update_run(child.run_id, status="RUNNING")
                child.ended = None
            self._log_metrics(child.run_id, metrics)
            child.losses += [epoch.val_loss for epoch in new]
        ended = record.status, len(record.history)
        if record.status != "running" and child.ended != ended:
            self._end(child, record)
            child.ended = ended

    def best_so_far(self, score: float, trials: int) -> None:
        """Logs the best score of the search after so many trials."""
        value = to_score(self._objective, score)
        self._log_metrics(
            self.run_id, [(f"best_{self._objective}", value, _milliseconds(), trials)]
        )

    def end(self, status: str) -> None:
        """Ends the parent and the children that are still running.

        Args:
            status: FINISHED, KILLED or FAILED.
        """
        for child in self._children.values():
            if child.ended is None:
                self._client.set_terminated(child.run_id, "KILLED")
        self._log_files()
        self._client.set_terminated(self.run_id, status)

    def conclude(self, facts: Mapping[str, Any], model: Path) -> None:
        """Logs the scores of the exported model, the files of the search, and the model.

        Args:
            facts: the content of best_model.json.
            model: best_model.keras.
        """
        now = _milliseconds()
        metrics = [
            (name, float(value), now, 0)
            for name, value in facts.items()
            if re.match("(val|test)_(?!rows)", name)
            and isinstance(value, int | float)
            and not isinstance(value, bool)
        ]
        self._log_metrics(self.run_id, metrics)
        best = {f"best.{name}": value for name, value in facts["hyperparameters"].items()}
        tags = {"best_trial": facts["trial_id"], "mlflow.note.content": facts["verdict"], **best}
        self._log_tags(self.run_id, tags)
        self._log_files()
        if self._model_hash != facts["sha256"]:
            self._log_model(model)
            self._model_hash = facts["sha256"]
            self._log_tags(self.run_id, {MODEL_HASH: facts["sha256"]})

    # -- a trial ---------------------------------------------------------------------------

    def _known(self, run: Any) -> _Child:
        """What MLflow has of a trial."""
        run_id, data = run.info.run_id, run.data
        child = _Child(run_id, described=bool(data.params))
        history = self._client.get_metric_history
        if "val_loss" in data.metrics:
            latest = {metric.step: metric.value for metric in history(run_id, "val_loss")}
            child.losses = [latest[step] for step in sorted(latest)]
        if self._fold_metric in data.metrics:
            child.folds = {metric.step for metric in history(run_id, self._fold_metric)}
        if "status" in data.tags and run.info.status not in ("RUNNING", "KILLED"):
            child.ended = data.tags["status"], len(child.losses)
        return child

    @property
    def _fold_metric(self) -> str:
        return f"fold_{self._objective}"

    def _child(self, record: TrialRecord) -> _Child:
        """The run of a trial; a new one where it began again from its first epoch."""
        child = self._children.get(record.trial_id)
        if child is not None:
            losses = [epoch.val_loss for epoch in record.history[: len(child.losses)]]
            # Of a trial that is under way, a record without epochs says nothing.
            if not losses and record.status == "running":
                return child
            if len(losses) == len(child.losses) and all(map(_equal, losses, child.losses)):
                return child
            self._client.delete_run(child.run_id)
        begun = int(datetime.fromisoformat(record.started_at).timestamp() * 1000)
        run_id = self._create(record.trial_id, {PARENT: self.run_id, TRIAL: record.trial_id}, begun)
        self._children[record.trial_id] = child = _Child(run_id)
        return child

    def _end(self, child: _Child, record: TrialRecord) -> None:
        """Ends the run of a trial."""
        metrics: dict[str, float] = {"epochs": len(record.history)}
        if record.best is not None:
            metrics[f"best_{self._objective}"] = to_score(self._objective, record.best.score)
            metrics["best_epoch"] = record.best.epoch
        if record.parameters is not None:
            metrics["parameters"] = record.parameters
        now = _milliseconds()
        self._log_metrics(child.run_id, [(name, value, now, 0) for name, value in metrics.items()])
        tags = {"status": record.status, "error": record.error, "notes": "; ".join(record.notes)}
        self._log_tags(child.run_id, {name: value for name, value in tags.items() if value})
        ended = record.ended_at and int(datetime.fromisoformat(record.ended_at).timestamp() * 1000)
        self._client.set_terminated(child.run_id, STATUS.get(record.status, "FINISHED"), ended)

    def _bring_up_final(self, final: TrialRecord) -> None:
        """Logs the score of a fold with its trial."""
        child = self._children.get(trial_of(final.trial_id))
        number = int(final.trial_id.partition("-")[2])
        if child is None or final.status != "completed" or final.best is None:
            return
        if number and number not in child.folds:  # 0 holds nothing out
            value = to_score(self._objective, final.best.score)
            metric = (self._fold_metric, value, _milliseconds(), number)
            self._log_metrics(child.run_id, [metric])
            child.folds.add(number)

    # -- MLflow ----------------------------------------------------------------------------

    def _search(self, tag: str, value: str) -> list[Any]:
        """The runs with a tag, the newest first."""
        found: list[Any] = []
        token = None
        while True:
            page = self._client.search_runs(
                [self._experiment], f"tags.`{tag}` = '{value}'", page_token=token
            )
            found += page
            token = page.token
            if not token:
                return found

    def _create(self, name: str, tags: Mapping[str, str], begun: int | None = None) -> str:
        from mlflow.tracking.context.registry import resolve_tags

        known = resolve_tags({"mlflow.source.name": "bilstm-search", **tags})
        run = self._client.create_run(self._experiment, begun, known, run_name=name)
        return str(run.info.run_id)

    def _log_params(self, run_id: str, values: Mapping[str, Any]) -> None:
        from mlflow.entities import Param

        params = [Param(_key(name), str(value)[:LONGEST_VALUE]) for name, value in values.items()]
        for begin in range(0, len(params), MOST_PARAMS):
            self._client.log_batch(run_id, params=params[begin : begin + MOST_PARAMS])

    def _log_metrics(self, run_id: str, metrics: list[tuple[str, float, int, int]]) -> None:
        from mlflow.entities import Metric

        self._client.log_batch(run_id, metrics=[Metric(_key(one[0]), *one[1:]) for one in metrics])

    def _log_tags(self, run_id: str, tags: Mapping[str, Any]) -> None:
        from mlflow.entities import RunTag

        some = [RunTag(_key(name), str(value)[:LONGEST_VALUE]) for name, value in tags.items()]
        for begin in range(0, len(some), MOST_PARAMS):
            self._client.log_batch(run_id, tags=some[begin : begin + MOST_PARAMS])

    def _log_files(self) -> None:
        for name in FILES:
            if (self._results / name).is_file():
                self._client.log_artifact(self.run_id, str(self._results / name))

    def _log_model(self, model: Path) -> None:
        from search.packaging.pyfunc import save_pyfunc

        with TemporaryDirectory() as temporary:
            folder = Path(temporary) / MODEL
            save_pyfunc(model, folder)
            logged = self._client.create_logged_model(
                self._experiment, name=MODEL, source_run_id=self.run_id
            )
            self._client.log_model_artifacts(logged.model_id, str(folder))
            self._client.finalize_logged_model(logged.model_id, "READY")


def _milliseconds() -> int:
    return int(time.time() * 1000)


def _equal(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=1e-6) or (math.isnan(one) and math.isnan(other))


def _key(name: str) -> str:
    """A name without characters that MLflow refuses."""
    return re.sub(r"[^\w\-. :/]", "_", name)
