"""One validated, frozen settings object for a run."""

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt, ValidationError

from search.errors import SettingsError

EmbeddingInit = Literal["ppmi", "random"]
Algorithm = Literal["random", "grid", "bayesian", "hyperband", "tpe"]


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

    data: str = Field("rotten-tomatoes", description="a data set's name, a file or a folder")
    text_column: str | None = None
    label_column: str | None = None
    validation: Path | None = None
    test: Path | None = None

    trials: PositiveInt = 20
    tuner: Algorithm = "random"
    seed: int = 0
    max_epochs: PositiveInt = 10
    patience: NonNegativeInt = 2
    batch_size: PositiveInt = 64
    embedding_init: EmbeddingInit = "ppmi"

    results: Path = Path("results")
    workers: PositiveInt | None = None
    keep: PositiveInt = 5
    trial_timeout: float | None = Field(None, gt=0, description="seconds")

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
        chosen = {"tuner", "seed", "max_epochs", "patience", "batch_size", "embedding_init"}
        return self.model_dump(mode="json", include=chosen)
