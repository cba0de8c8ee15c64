"""What is known of a trial, as plain values: the content of trial.json."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt, TypeAdapter

Checked = ConfigDict(extra="forbid", allow_inf_nan=False)
"""What is read from a file is held against the types that stand here."""

Status = Literal["running", "completed", "pruned", "failed"]


@dataclass(frozen=True)
class Epoch:
    """What one epoch of a trial gave.

    Attributes:
        epoch: counted from 1.
        loss: mean training loss.
        val_loss: mean cross-entropy on the validation rows.
        val_accuracy: share of validation rows whose class was right.
        seconds: wall-clock time of training and validation.
        score: what the search makes as large as it can: the objective on the validation rows, a
            loss with its sign turned.
        scoring_seconds: of validation alone; None where it was not measured.
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
    """A trial.

    Attributes:
        trial_id: its number with at least four digits; never changes. Behind a hyphen, the number
            of a final.
        status: "running" also when the run that trained it was stopped; "pruned" when it was
            stopped early, for the time being.
        values: hyperparameters by name.
        seed: of the trial; it follows from the run's seed and the trial's number.
        space: keras_tuner.HyperParameters.get_config() when the trial was made.
        history: finished epochs, oldest first; empty for a running trial, whose epochs lie with
            its state.
        parameters: trainable numbers of the network; None before it was built.
        batch_size: rows of a training batch; halved once after running out of memory.
        granted: epochs up to which it is not stopped early: those it had when it was promoted.
        attempts: how often the trial was started, the present one included.
        error: why it failed, in one line.
        machine_fault: whether the machine failed and not the trial, as when a file could not be
            opened; it is tried again when the run is continued.
        notes: what happened to it on the way, in short sentences.
        started_at, ended_at: ISO 8601 with the time zone.
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

    @property
    def number(self) -> int:
        return int(trial_of(self.trial_id))

    @property
    def is_final(self) -> bool:
        """Whether a trial is trained once more with another seed: see `search.tuning.finals`."""
        return "-" in self.trial_id

    @cached_property  # found once: every ranking asks every trial
    def best(self) -> Epoch | None:
        """The epoch whose weights are kept: see `best_epoch`; the last one of a final."""
        if self.is_final:
            return self.history[-1] if self.history else None
        return best_epoch(self.history)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> Self:
        """Reads what `to_json` wrote.

        Raises:
            ValueError: it is something else.
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
    """Of a hyperparameter, as KerasTuner writes it."""

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
    """The time, ISO 8601 with the time zone; several trials may end in a second."""
    return datetime.now().astimezone().isoformat(timespec=timespec)


def trial_of(name: str) -> str:
    """The id of the trial that a final, or a trial itself, belongs to."""
    return name.partition("-")[0]


def best_epoch(history: tuple[Epoch, ...]) -> Epoch | None:
    """The epoch with the highest score; of equals, that with the lowest val_loss."""
    return min(history, key=lambda e: (-e.score, e.val_loss, e.epoch), default=None)


def ranked(records: Iterable[TrialRecord]) -> list[TrialRecord]:
    """Trials that can be used, best first: score, then val_loss, then the earlier trial."""
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
