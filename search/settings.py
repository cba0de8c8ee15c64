"""One validated, frozen settings object for a run."""

import math
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveInt,
    ValidationError,
    ValidationInfo,
    field_serializer,
    field_validator,
    model_validator,
)

from search.errors import SettingsError
from search.memory import EXPECTED, InMemory, in_memory, texts_in_memory
from search.startup import at_home

NO_TEXTS = "none"  # as `unlabelled`: not even those that come with the data; as `test`: no rows
Algorithm = Literal["random", "grid", "bayesian", "hyperband", "tpe"]
Objective = Literal["val_accuracy", "val_loss", "val_auc", "val_f1", "val_balanced_accuracy"]
Format = Literal["saved_model", "onnx", "litert"]
Device = Literal["auto", "cpu", "gpu"]
Quote = Literal["double", "single", "none"]
FEWEST_ROWS = 10  # of a class: 8 to train on, 1 to validate, 1 to test
LONGEST_LABEL = 2_000  # characters
LONGEST_SHOWN = 60  # characters of a value that cannot be


_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def duration(text: str) -> float:
    """Parses a time such as "90", "90s", "30m", "1.5h" or "2d" into seconds.

    Raises:
        ValueError: the text has another form, or the time is not above 0.
    """
    number, unit = (text[:-1], text[-1]) if text[-1:] in _UNITS else (text, "s")
    try:
        seconds = float(number) * _UNITS[unit]
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise ValueError(f"expected a time above 0, such as 90s, 30m or 2h, found {text!r}")
    return seconds


class Settings(BaseModel):
    """All settings of a run, with the names of the command's options.

    Two runs with equal `identity()` on equal data make the same trials, so a results directory
    belongs to one identity. The other settings (number of trials, number of workers, …) may change
    whenever a run is resumed.

    `data`, `validation` and `test` may also be data in memory: a pandas DataFrame, a pair
    (texts, labels), a list of pairs or of dicts, a dict of columns, an Arrow table, a Hugging Face
    Dataset or a tf.data.Dataset of pairs; `data` also a DatasetDict with these splits; and
    `unlabelled` a DataFrame, a Dataset, a Series or an array of str.

    Raises:
        SettingsError: options have invalid values; the message lists all of them.

    Examples:
        >>> import search
        >>> settings = search.Settings(data="reviews.csv", trials=10, timeout="30m")
        >>> settings.timeout
        1800.0
        >>> space = {"dropout": (0.1, 0.5), "pooling": ["max", "mean"]}
        >>> search.Settings(data=(texts, labels), set=space).set
        ('dropout=0.1..0.5', 'pooling=max,mean,')
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    data: str | InMemory = Field(
        "rotten-tomatoes", description="a data set's name, a file, a folder, a pattern, an address"
    )
    text_column: str | None = Field(None, description="a name, a number, or several joined by ,")
    label_column: str | None = Field(None, description="a name or a number")
    group_column: str | None = Field(
        None, description="a name or a number; rows of one group stay in one split, and in one fold"
    )
    labels: Path | None = Field(None, description="of the texts in `data`, one a line")
    encoding: str | None = Field(None, description="of files; None for UTF-8 or a byte-order mark")
    delimiter: str | None = Field(None, description="between columns; None to recognise it")
    quote: Quote | None = Field(None, description="around cells; None to recognise it")
    no_header: bool = Field(False, description="the first line of a table is a row")
    min_class_rows: int = Field(
        FEWEST_ROWS, ge=FEWEST_ROWS, description="classes with fewer rows are left out"
    )
    validation: str | InMemory | None = Field(None, description="a file, a folder or an address")
    test: str | InMemory | None = Field(
        None, description="a file, a folder or an address; none for no test rows at all"
    )
    unlabelled: tuple[str, ...] | InMemory | None = Field(
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
    space: str = Field(
        "core", description="core, wide or a TOML file; or a dict: core with such a `set`"
    )
    set: tuple[str, ...] = Field(
        (),
        description="name=value, name=low..high, name=a,b; or a dict, where a tuple is the ends of "
        "a range and a list has some values",
    )
    try_: tuple[str, ...] = Field(
        (),
        validation_alias=AliasChoices("try_", "try"),
        description="name=value,name=value,…; or a dict, or several (`try` is a word of Python)",
    )
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
    finals: NonNegativeInt | None = Field(
        None, description="trials that are cross-validated; 0: none; None: 2, or 1 if that is long"
    )
    folds: int | None = Field(
        None, ge=2, le=20, description="of cross-validation; None: 5, or 3 of much text"
    )
    single: bool = Field(
        False, description="export one network that is trained on all rows, not those of the folds"
    )
    prefer_small: bool = Field(
        False, description="the smallest network within one standard error of the best"
    )

    top: PositiveInt = Field(1, description="models that are exported, the runners-up included")
    export: tuple[Format, ...] = Field((), description="more formats of the best model")

    results: Path = Path("results")
    workers: PositiveInt | None = None
    cluster: str | None = Field(None, description="a Ray cluster: auto, HOST:PORT, ray://…")
    device: Device = Field(
        "auto",
        description="auto: compiled code on CPUs, and your own HyperModel on a GPU that is there; "
        "cpu: hide GPUs; gpu: train all networks with Keras on this machine's GPU",
    )
    cpus_per_trial: float = Field(1, gt=0, description="of a cluster")
    gpus_per_trial: float = Field(0, ge=0, description="of a cluster; also a share of one")
    keep: PositiveInt = 5
    tensorboard: bool = Field(False, description="write what TensorBoard shows")
    # Not written to run.json: it may have a password in it.
    mlflow: str | None = Field(
        None, exclude=True, description="an MLflow tracking server; empty: MLflow's own default"
    )
    trial_timeout: float | None = Field(None, gt=0, description='seconds, or "10m"')
    timeout: float | None = Field(None, gt=0, description='seconds, or "30m"')
    retry_failed: bool = Field(False, description="begin trials again that failed")

    @model_validator(mode="wrap")
    @classmethod
    def _checked(cls, values: Any, handler: Callable[[Any], Self]) -> Self:
        if isinstance(values, dict) and isinstance(values.get("space"), Mapping):
            if values.get("set"):
                raise SettingsError("--space: expected a name or a file beside --set, found a dict")
            values = {**values, "space": "core", "set": values["space"]}
        try:
            return handler(values)
        except ValidationError as error:
            problems = dict.fromkeys(_told(problem, cls) for problem in error.errors())
            raise SettingsError("; ".join(problems)) from None

    @field_validator("data", "validation", "test", mode="before")
    @classmethod
    def _is_data(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, str) and len(value.splitlines()) > 1:
            raise ValueError("expected a path, found a text of several lines; save it as a file")
        if isinstance(value, str) and value:  # "" is a variable that is not set
            return at_home(value)
        if value is None and info.field_name != "data":
            return value
        if isinstance(value, Path):
            return str(at_home(value))
        if (found := in_memory(value)) is None:
            raise ValueError(f"expected {EXPECTED}")
        if found.kind == "splits" and info.field_name != "data":
            raise ValueError(f"expected one data set, found several: {found}")
        return found

    @field_validator("unlabelled", mode="before")
    @classmethod
    def _are_texts(cls, value: Any) -> Any:
        if isinstance(value, str | Path):
            return (str(value),)
        return texts_in_memory(value) or value

    @field_serializer("data", "validation", "test", "unlabelled")
    def _name(self, value: Any) -> Any:
        return str(value) if isinstance(value, InMemory) else value

    @field_validator("set", mode="before")
    @classmethod
    def _are_changes(cls, value: Any) -> Any:
        if isinstance(value, Mapping):
            return tuple(f"{name}={_written(one)}" for name, one in value.items())
        return (value,) if isinstance(value, str) else value

    @field_validator("try_", mode="before")
    @classmethod
    def _are_trials(cls, value: Any) -> Any:
        several = (value,) if isinstance(value, str | Mapping) else value
        if not isinstance(several, tuple | list):
            return value
        return tuple(
            ",".join(f"{name}={one}" for name, one in trial.items())
            if isinstance(trial, Mapping)
            else trial
            for trial in several
        )

    @field_validator("objective", mode="before")
    @classmethod
    def _is_objective(cls, value: Any) -> Any:
        # Of KerasTuner's Objective; which direction is better is known here.
        return value.name if hasattr(value, "name") and hasattr(value, "direction") else value

    @field_validator("export", mode="before")
    @classmethod
    def _are_formats(cls, value: Any) -> Any:
        return tuple(value.split(",")) if isinstance(value, str) else value

    @field_validator("timeout", "trial_timeout", mode="before")
    @classmethod
    def _is_time(cls, value: Any) -> Any:
        return duration(value) if isinstance(value, str) else value

    @field_validator("results", mode="before")
    @classmethod
    def _is_named(cls, value: Any) -> Any:
        if value == "":
            raise ValueError("expected a directory")
        return at_home(value)

    @field_validator("positive")
    @classmethod
    def _is_of_f1(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and info.data.get("objective") != "val_f1":
            raise ValueError("it needs the objective val_f1")
        return value

    def identity(self) -> dict[str, Any]:
        """Returns the settings that decide which trials are made and how each is trained."""
        chosen = {"tuner", "seed", "max_parameters", "max_epochs", "min_epochs", "reduction"}
        chosen |= {"patience", "objective", "positive", "class_weight", "folds"}
        return self.model_dump(mode="json", include=chosen)


def _written(spec: Any) -> str:
    """Returns the space of one hyperparameter in a dict in the syntax of `--set`."""
    if isinstance(spec, tuple) and len(spec) == 2:
        return f"{spec[0]}..{spec[1]}"
    return "".join(f"{value}," for value in spec) if isinstance(spec, tuple | list) else str(spec)


def _told(problem: Mapping[str, Any], settings: type[BaseModel]) -> str:
    """Describes one of pydantic's errors in terms of the options."""
    name, kind = str(problem["loc"][0]), problem["type"]
    if kind == "extra_forbidden":
        options = [field.rstrip("_") for field in settings.model_fields]
        close = get_close_matches(name, options, n=1)
        return f"there is no setting {name!r}" + (f"; did you mean {close[0]!r}?" if close else "")
    limits = problem.get("ctx", {})
    expected = {
        "value_error": str(limits.get("error")),
        "greater_than": f"expected a number above {limits.get('gt', 0):g}",
        "greater_than_equal": f"expected {limits.get('ge', 0):g} or more",
        "less_than_equal": f"expected {limits.get('le', 0):g} or less",
        "literal_error": f"expected {limits.get('expected')}",
        "int_from_float": "expected a whole number",
    }.get(kind, problem["msg"].replace("Input should be", "expected"))
    flag = "--" + name.rstrip("_").replace("_", "-")
    found = problem["input"]
    shown = repr(found) if len(repr(found)) <= LONGEST_SHOWN else f"a {type(found).__name__}"
    return f"{flag}: {expected}" + ("" if ", found " in expected else f", found {shown}")
