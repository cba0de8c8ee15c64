"""One validated, frozen settings object for a run."""

import math
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveInt,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from search.errors import SettingsError

NO_TEXTS = "none"  # as `unlabelled`: not even those that come with the data
Algorithm = Literal["random", "grid", "bayesian", "hyperband", "tpe"]
Objective = Literal["val_accuracy", "val_loss", "val_auc", "val_f1", "val_balanced_accuracy"]
Format = Literal["saved_model", "onnx", "litert"]
Quote = Literal["double", "single", "none"]
FEWEST_ROWS = 10  # of a class: 8 to train on, 1 to validate, 1 to test


_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def duration(text: str) -> float:
    """Seconds, from "90", "90s", "30m", "1.5h" or "2d".

    Raises:
        ValueError: it is something else.
    """
    number, unit = (text[:-1], text[-1]) if text[-1:] in _UNITS else (text, "s")
    try:
        seconds = float(number) * _UNITS[unit]
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise ValueError(f"expected a time above 0, such as 90s, 30m or 2h, not {text!r}")
    return seconds


class Settings(BaseModel):
    """Everything a user decides about a run.

    Two runs with equal `identity()` on equal data make the same trials, so a results directory
    belongs to one identity. The other settings (how many trials, how many workers, where) may
    change whenever a run is continued.

    Raises:
        SettingsError: through `Settings.checked`, with one line a problem.
        pydantic.ValidationError: through the constructor (it is a ValueError).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: str = Field(
        "rotten-tomatoes", description="a data set's name, a file, a folder, a pattern, an address"
    )
    text_column: str | None = Field(None, description="a name, a number, or several joined by ,")
    label_column: str | None = Field(None, description="a name or a number")
    labels: Path | None = Field(None, description="of the texts in `data`, one a line")
    encoding: str | None = Field(None, description="of files; None for UTF-8 or a byte-order mark")
    delimiter: str | None = Field(None, description="between columns; None to recognise it")
    quote: Quote | None = Field(None, description="around cells; None to recognise it")
    no_header: bool = Field(False, description="the first line of a table is a row")
    min_class_rows: int = Field(
        FEWEST_ROWS, ge=FEWEST_ROWS, description="classes with fewer rows are left out"
    )
    validation: Path | str | None = Field(None, description="a file, a folder or an address")
    test: Path | str | None = Field(None, description="a file, a folder or an address")
    unlabelled: tuple[str, ...] | None = Field(
        None, description="further texts; None for those that come with a named data set"
    )

    remove_leaks: bool = Field(
        False, description="train without near-duplicates of validation and test rows"
    )
    embeddings: Path | None = Field(None, description="a text file of word vectors")

    trials: PositiveInt = 20
    tuner: Algorithm = "tpe"
    objective: Objective = "val_accuracy"
    positive: str | None = Field(
        None, description="the class whose F1 the objective val_f1 is; None: the mean of all"
    )
    class_weight: Literal["balanced"] | None = Field(
        None, description="of a row's loss; balanced: all classes count as much in training"
    )
    seed: int = 0
    space: str = Field("core", description="core, wide or a TOML file")
    fixed: tuple[str, ...] = Field((), description="name=value, name=low..high, name=a,b")
    tried_first: tuple[str, ...] = Field((), description="name=value,name=value,…")
    warm_start: Path | None = Field(None, description="an earlier run's results")
    max_parameters: PositiveInt | None = None
    max_epochs: PositiveInt = 10
    min_epochs: PositiveInt = 1
    reduction: PositiveInt = Field(2, description="of trials at a rung; 1 stops none early")
    # By replay of recorded curves, 1 costs 0.24 points of accuracy; 3 costs a tenth more epochs and
    # gains nothing.
    patience: NonNegativeInt = Field(
        2, description="epochs in a row without a better one, after which a trial is over"
    )
    finals: NonNegativeInt = Field(2, description="trials that are cross-validated; 0: none")
    folds: int | None = Field(
        None, ge=2, le=20, description="of cross-validation; None: 5, or 3 of much text"
    )
    prefer_small: bool = Field(
        False, description="the smallest network within one standard error of the best"
    )

    top: PositiveInt = Field(1, description="models that are exported, the runners-up included")
    export: tuple[Format, ...] = Field((), description="more formats of the best model")

    results: Path = Path("results")
    workers: PositiveInt | None = None
    cluster: str | None = Field(None, description="a Ray cluster: auto, HOST:PORT, ray://…")
    cpus_per_trial: float = Field(1, gt=0, description="of a cluster")
    gpus_per_trial: float = Field(0, ge=0, description="of a cluster; also a share of one")
    keep: PositiveInt = 5
    tensorboard: bool = Field(False, description="write what TensorBoard shows")
    trial_timeout: float | None = Field(None, gt=0, description="seconds")
    timeout: float | None = Field(None, gt=0, description="seconds")
    retry_failed: bool = Field(False, description="begin trials again that failed")

    @field_validator("results", mode="before")
    @classmethod
    def _is_named(cls, value: Any) -> Any:
        if value == "":
            raise ValueError("expected a directory")
        return value

    @field_validator("positive")
    @classmethod
    def _is_of_f1(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and info.data.get("objective") != "val_f1":
            raise ValueError("only the objective val_f1 is of one class")
        return value

    @classmethod
    def checked(cls, **values: Any) -> Self:
        """Makes settings, with one short line for each value that cannot be."""
        try:
            return cls(**values)
        except ValidationError as error:
            problems = [
                f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}, "
                f"not {problem['input']!r}"
                for problem in error.errors()
            ]
            raise SettingsError("; ".join(problems)) from None

    def identity(self) -> dict[str, Any]:
        """The settings that decide what the trials are and how each is trained."""
        chosen = {"tuner", "seed", "max_parameters", "max_epochs", "min_epochs", "reduction"}
        chosen |= {"patience", "objective", "positive", "class_weight", "folds"}
        return self.model_dump(mode="json", include=chosen)
