"""Logs for TensorBoard: each trial's curves, and the table of the HParams plugin.

`tensorboard --logdir results/tensorboard`. The files are TensorBoard's own, written without
TensorFlow: one for each trial, whole or not at all.
"""

import importlib.util
import io
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from search.errors import SettingsError
from search.files import write_atomically
from search.reporting.importance import searched
from search.tuning.records import TrialRecord

SCALARS = ("loss", "val_loss", "val_accuracy")
FOLDER = "tensorboard"


def check_installed() -> None:
    """Checks that TensorBoard is installed, without importing it.

    Raises:
        SettingsError: it is not.
    """
    if importlib.util.find_spec("tensorboard") is None:
        raise SettingsError(
            "--tensorboard needs the package tensorboard: pip install -c constraints.txt -e "
            "'.[tensorboard]'"
        )


class Board:
    """Writes TensorBoard logs.

    Args:
        results: the results directory.
    """

    def __init__(self, results: Path) -> None:
        self._folder = results / FOLDER
        self._written: dict[str, int] = {}

    def __call__(self, records: Iterable[TrialRecord]) -> None:
        """Writes the trials that are new or have more epochs.

        Args:
            records: of all trials; running ones and those without an epoch are left out.
        """
        known = [r for r in records if r.history and r.status != "running"]
        if known and not self._written:
            _write(self._folder / _name(0), [_event(known[0].started_at, _experiment(known))])
        for record in known:
            if self._written.get(record.trial_id) != len(record.history):
                self._write_trial(record)
                self._written[record.trial_id] = len(record.history)

    def _write_trial(self, record: TrialRecord) -> None:
        from tensorboard.plugins.hparams import summary_v2 as hparams
        from tensorboard.plugins.scalar.summary_v2 import scalar_pb

        begun = datetime.fromisoformat(record.started_at).timestamp()
        values = {n: v for n, v in record.values.items() if isinstance(v, (bool, int, float, str))}
        events = [_event(record.started_at, hparams.hparams_pb(values, record.trial_id, begun))]
        for epoch in record.history:
            for name in SCALARS:
                summary = scalar_pb(name, getattr(epoch, name))
                events.append(_event(record.ended_at or record.started_at, summary, epoch.epoch))
        folder = self._folder / record.trial_id
        old = list(folder.glob(_name("*"))) if folder.exists() else []
        new = folder / _name(len(record.history))
        _write(new, events)
        for path in old:
            if path != new:
                path.unlink()


def _name(number: int | str) -> str:
    # TensorBoard reads what has "tfevents" in its name, and a file that it has read never again.
    return f"events.out.tfevents.{number}"


def _experiment(records: list[TrialRecord]) -> Any:
    """The search space, for the HParams plugin."""
    from tensorboard.plugins.hparams import summary_v2 as hp

    params = []
    for name, spec in searched(records).items():
        if spec["kind"] == "Float":
            domain = hp.RealInterval(float(spec["min_value"]), float(spec["max_value"]))
        elif spec["kind"] == "Int":
            domain = hp.IntInterval(spec["min_value"], spec["max_value"])
        else:
            domain = hp.Discrete(list(spec.get("values", (False, True))))
        params.append(hp.HParam(name, domain))
    return hp.hparams_config_pb(params, [hp.Metric(name) for name in SCALARS])


def _event(at: str, summary: Any, step: int = 0) -> Any:
    from tensorboard.compat.proto.event_pb2 import Event

    return Event(wall_time=datetime.fromisoformat(at).timestamp(), step=step, summary=summary)


def _write(path: Path, events: list[Any]) -> None:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.summary.writer.record_writer import RecordWriter

    buffer = io.BytesIO()
    writer = RecordWriter(buffer)
    first = Event(wall_time=events[0].wall_time, file_version="brain.Event:2")
    for event in (first, *events):
        writer.write(event.SerializeToString())
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda file: file.write(buffer.getvalue()))
