"""Records of trials and their epochs, as plain values: the content of trial.json."""

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt, TypeAdapter

Checked = ConfigDict(extra="forbid", allow_inf_nan=False)
"""Pydantic checks the types of these dataclasses when a file is read."""

Status = Literal["running", "completed", "pruned", "failed"]


@dataclass(frozen=True)
class Epoch:
    """The results of one epoch of a trial.

    Attributes:
        epoch: counted from 1.
        loss: mean training loss.
        val_loss: mean cross-entropy on the judged rows: see `Study`.
        val_accuracy: accuracy on the judged rows.
        seconds: wall-clock time of training and validation.
        score: the objective on the judged rows; a loss is negated, so that higher is better.
        scoring_seconds: wall-clock time of validation alone; None if it was not measured.
    """

    __pydantic_config__: ClassVar[ConfigDict] = Checked

    epoch: PositiveInt
    loss: float
    val_loss: float
    val_accuracy: float
    seconds: float
    score: float
    scoring_seconds: float | None = None


@dataclass(frozen=True)
class TrialRecord:
    """The record of a trial or final.

    Attributes:
        trial_id: the trial's number, with at least four digits, such as 0007; a final has its own
            number after a hyphen, such as 0007-2.
        status: "running" also if the process that trained it was stopped; "pruned" if it was
            stopped early and may be resumed.
        values: hyperparameters by name.
        seed: random seed of the trial, derived from the run's seed and the trial's number.
        space: keras_tuner.HyperParameters.get_config() when the trial was proposed.
        history: finished epochs, oldest first; empty while it is running, since its epochs are in
            the checkpoint then.
        parameters: number of trainable parameters; None before the network was built.
        batch_size: rows per training batch; halved once if memory runs out.
        granted: minimum epochs before pruning: those it had when it was promoted.
        attempts: how often the trial was started, including the current attempt.
        error: why it failed, in one line.
        machine_fault: whether the machine is to blame for a failure, as when a file could not be
            opened; the trial is retried when the run resumes.
        notes: short sentences about what happened to it, such as a smaller batch size.
        started_at, ended_at: ISO 8601 with the time zone.
        run: which run it is of: see `run_id`.
    """

    __pydantic_config__: ClassVar[ConfigDict] = Checked

    trial_id: Annotated[str, Field(pattern=r"^\d+(-\d+)?$")]
    status: Status
    values: dict[str, bool | int | float | str]
    seed: int
    space: dict[str, Any]
    batch_size: PositiveInt
    started_at: str
    ended_at: str | None = None
    history: tuple[Epoch, ...] = ()
    parameters: int | None = None
    granted: NonNegativeInt = 0
    attempts: NonNegativeInt = 1
    error: str | None = None
    machine_fault: bool = False
    notes: tuple[str, ...] = field(default=())
    run: str | None = None

    @property
    def number(self) -> int:
        return int(trial_of(self.trial_id))

    @property
    def is_final(self) -> bool:
        """Whether this is a final, not a trial: see `search.tuning.finals`."""
        return "-" in self.trial_id

    @cached_property  # found once: every ranking asks every trial
    def best(self) -> Epoch | None:
        """The epoch whose weights are kept: `best_epoch` of a trial, the last epoch of a final."""
        if self.is_final:
            return self.history[-1] if self.history else None
        return best_epoch(self.history)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> Self:
        """Returns the record that `to_json` wrote.

        Raises:
            ValueError: it is invalid.
        """
        record: Self = TypeAdapter(cls).validate_python(plain)
        for moment in (record.started_at, record.ended_at):
            if moment is not None and datetime.fromisoformat(moment).tzinfo is None:
                raise ValueError(f"the time {moment!r} is without its zone")
        if record.status != "running" and record.ended_at is None:
            raise ValueError(f"it is {record.status}, and has not ended")
        epochs = [epoch.epoch for epoch in record.history]
        if epochs != sorted(set(epochs)):
            raise ValueError(f"its epochs are {epochs}")
        if record.status in ("completed", "pruned") and not epochs:
            raise ValueError(f"it is {record.status} without an epoch")
        for declared in SPACE.validate_python(record.space.get("space", [])):
            value = record.values.get(declared.config.name)
            if declared.class_name in ("Float", "Int") and isinstance(value, str):
                raise ValueError(f"its {declared.config.name} is {value[:40]!r}")
        return record


class _Config(BaseModel):
    """The config of a hyperparameter, as KerasTuner writes it."""

    name: str
    values: list[bool | int | float | str] = Field(["any"], min_length=1)
    min_value: float = 0
    max_value: float = 1
    step: float | None = None


class _Declared(BaseModel):
    class_name: str
    config: _Config


SPACE = TypeAdapter(list[_Declared])
EPOCHS = TypeAdapter(tuple[Epoch, ...])


def now(timespec: str = "milliseconds") -> str:
    """The current time in ISO 8601 with the time zone."""
    return datetime.now().astimezone().isoformat(timespec=timespec)


def run_id(identity: Mapping[str, Any]) -> str:
    """A hash of the identity of a run, so that its trials are known where its record is lost."""
    plain = json.dumps(identity, sort_keys=True, default=str)
    return hashlib.sha256(plain.encode()).hexdigest()[:16]


def trial_of(name: str) -> str:
    """The id of the trial that a final, or a trial itself, belongs to."""
    return name.partition("-")[0]


def of_network(values: Mapping[str, Any]) -> dict[str, Any]:
    """Hyperparameters without the entries of KerasTuner's algorithms."""
    return {name: value for name, value in values.items() if not name.startswith("tuner/")}


def best_epoch(history: tuple[Epoch, ...]) -> Epoch | None:
    """The epoch with the highest score; of equals, that with the lowest val_loss."""
    return min(history, key=lambda e: (-e.score, e.val_loss, e.epoch), default=None)


def ranked(records: Iterable[TrialRecord]) -> list[TrialRecord]:
    """Usable trials, best first: by score, then val_loss, then the earlier trial."""
    return sorted(_usable(records), key=_merit)


def best_of(records: Iterable[TrialRecord]) -> TrialRecord | None:
    """The first of `ranked`."""
    return min(_usable(records), key=_merit, default=None)


def _usable(records: Iterable[TrialRecord]) -> Iterator[TrialRecord]:
    return (record for record in records if record.status in ("completed", "pruned"))


def _merit(record: TrialRecord) -> tuple[float, float, int]:
    """Sort key; smaller is better."""
    best = record.best
    if best is None:
        return (math.inf, math.inf, record.number)
    return (-best.score, best.val_loss, record.number)
