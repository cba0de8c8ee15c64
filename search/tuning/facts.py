"""Pydantic models of the JSON files of a run, one for each, to check them when they are read.

A file that was truncated, emptied or changed is detected here: the run that owns it sets it aside,
and other readers skip it. Unknown keys are kept.
"""

from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    field_validator,
    model_validator,
)

from search.errors import SettingsError
from search.settings import Objective, Settings
from search.untrusted import object_of

Number = Annotated[float, Field(strict=True)]
Whole = Annotated[int, Field(strict=True)]
Count = Annotated[Whole, Field(ge=0)]
Positive = Annotated[Whole, Field(gt=0)]
"""Numbers that are such in the file, and not texts of digits: it is used as it is."""

Pair = tuple[Number, Number]
Scalar = bool | int | float | str | None

_ENDS = TypeAdapter(Pair)
_MEASURE = TypeAdapter[float | None](Number | None)


class _Record(BaseModel):
    model_config = ConfigDict(extra="allow", allow_inf_nan=False)


class _Data(_Record):
    rows: dict[str, Count] = {}
    dropped_rows: Count = 0
    unlabelled_from: list[str] = []


class _Opening(_Record):
    weights: str
    at: str


class RunFacts(_Record):
    """run.json."""

    identity: dict[str, Any]
    settings: dict[str, Any] = {}
    data: _Data = Field(default_factory=_Data)
    class_names: list[str] = Field(["", ""], min_length=2)
    machine: dict[str, Scalar] = {}
    version: str = ""
    started_at: str = ""
    test_opened: list[_Opening] = []

    @field_validator("settings")
    @classmethod
    def _are_settings(cls, values: dict[str, Any]) -> dict[str, Any]:
        try:
            Settings(**{name: v for name, v in values.items() if name in Settings.model_fields})
        except SettingsError as error:
            raise ValueError(str(error)) from None
        return values


class _Finals(_Record):
    folds: Positive
    mean: Number
    std: Number


class _Bias(_Record):
    estimate: Number
    low: Number
    high: Number
    trials: Positive


class _Calibration(_Record):
    before: Number
    after: Number


class _Abstain(_Record):
    confidence: Number
    precision: Number
    coverage: Number


class _Baseline(_Record):
    name: str
    val_accuracy: Number = Field(ge=0, le=1)
    val_loss: Number
    test_accuracy: Number | None = Field(ge=0, le=1)
    parameters: Whole
    seconds: Number


class _Class(_Record):
    rows: Count
    precision: Number | None
    recall: Number | None
    f1: Number | None


class _Mixture(_Record):
    models: list[dict[str, Scalar]] = []


class ModelFacts(_Record):
    """best_model.json."""

    trial_id: str
    weights: str
    hyperparameters: dict[str, Scalar]
    class_names: list[str] = Field(min_length=2)
    val_accuracy: Number = Field(ge=0, le=1)
    val_accuracy_ci: Pair
    test_accuracy: Number | None = Field(ge=0, le=1)
    test_accuracy_ci: Pair | None
    val_rows: Positive
    test_rows: Count = Field(description="0: no rows were kept for a test")
    temperature: Number = Field(gt=0)
    baselines: list[_Baseline]
    calibration_error: _Calibration
    weak_slices: list[str]
    verdict: str
    abstain: _Abstain | None = None
    finals: _Finals | None = None
    selection_bias: _Bias | None = None
    formats: dict[str, dict[str, Number]] = {}
    parameters: Whole = 0
    versions: dict[str, str] = {}
    data: str = ""
    data_fingerprint: str = ""
    created_at: str = ""
    output: str = ""
    network: str = ""
    size_bytes: Whole = 0
    tokens: str = ""
    cut: str = ""
    vocabulary_size: Whole = 0
    max_length: Whole = 0
    test_loss: Number | None = 0
    val_loss: Number = 0
    networks: Positive = 1
    classes: list[_Class] = []
    mixture: _Mixture = Field(default_factory=_Mixture)
    objective: Objective = "val_accuracy"
    positive: str | None = None

    @model_validator(mode="after")
    def _has_measures(self) -> Self:
        """Checks the scores whose names depend on the objective: numbers and intervals."""
        for name, value in (self.model_extra or {}).items():
            if name.startswith(("val_", "test_")):
                (_ENDS if name.endswith("_ci") else _MEASURE).validate_python(value)
        return self


class AuditFacts(_Record):
    """audit.json."""

    lines: list[str] = []


class OwnerFacts(_Record):
    """owner.json."""

    pid: Positive
    host: str
    started_at: str


MODELS: dict[str, type[_Record]] = {
    "run.json": RunFacts,
    "best_model.json": ModelFacts,
    "audit.json": AuditFacts,
    "owner.json": OwnerFacts,
}


def record_of(path: Path, content: bytes) -> dict[str, Any]:
    """Parses a JSON file and checks it against its model.

    Args:
        path: its name selects the model in `MODELS`; without one, any JSON object is valid.
        content: of the file.

    Raises:
        ValueError: it is not valid.
    """
    plain = object_of(content)
    if path.name in MODELS:
        MODELS[path.name].model_validate(plain)  # whose error is a ValueError
    return plain
