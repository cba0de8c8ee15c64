"""A .keras file as it lies on the disk: what it says of itself, and its parts, read safely.

A .keras file is a zip of config.json (the layers), model.weights.h5 and metadata.json. An exported
one has a fourth member, `classifier.json`, which Keras passes over: the classes, the temperature,
from which confidence on an answer can be relied upon, and where the model comes from. It also has
the hashes of the other members, so that a file which was changed says so.

Nothing in here runs anything that a file contains: JSON and plain arrays of known shapes are read.
"""

import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError

from search.corpus.batches import Cut, Reading
from search.corpus.encode import Tokens
from search.errors import ModelError
from search.files import write_atomically
from search.network.space import Configuration
from search.network.weights import Shape, Weights, sizes

DESCRIPTION = "classifier.json"
CONFIG, WEIGHTS = "config.json", "model.weights.h5"
DIRECTIONS = ("forward", "backward")

Network = Literal["bilstm", "custom"]
"""Which network it is: the one of `search.network.build`, or that of a HyperModel of one's own."""


class _Confidence(BaseModel):
    """From which confidence on answers are as often right as was asked for."""

    model_config = ConfigDict(frozen=True, extra="allow")
    confidence: float = Field(ge=0, le=1)


class Description(BaseModel):
    """What a model file says of itself; best_model.json says the same of the best model.

    Where the model comes from is there besides, for people: data, seeds, versions, scores.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    network: Network
    class_names: tuple[str, ...] = Field(min_length=2)
    hyperparameters: dict[str, Any]
    temperature: float = Field(gt=0)
    abstain: _Confidence | None
    tokens: Tokens
    vocabulary_size: PositiveInt
    max_length: PositiveInt
    cut: Cut
    hashes: dict[str, str] = Field(description="SHA-256 of the members config.json, …")

    @property
    def reading(self) -> Reading:
        """What the network sees of a text."""
        return Reading(self.vocabulary_size, self.max_length, self.cut)

    @property
    def configuration(self) -> Configuration:
        """The hyperparameters of a network of the kind "bilstm"."""
        return Configuration.of(self.hyperparameters)

    @property
    def shape(self) -> Shape:
        """What the data dictated of the network."""
        return Shape(self.vocabulary_size, len(self.class_names), self.max_length)


def describe(path: Path, facts: dict[str, Any]) -> None:
    """Adds `facts` to a .keras file that Keras wrote, as its member classifier.json.

    Args:
        path: the file; it is replaced, whole or not at all.
        facts: what `Description` asks for, but for the hashes, and more.
    """
    content = io.BytesIO(path.read_bytes())
    with zipfile.ZipFile(content, "a") as archive:
        hashes = {name: _sha256(archive.read(name)) for name in (CONFIG, WEIGHTS)}
        text = json.dumps({**facts, "hashes": hashes}, indent=2, ensure_ascii=False)
        archive.writestr(DESCRIPTION, text)
    write_atomically(path, lambda file: file.write(content.getvalue()))


class ModelFile:
    """An exported .keras file, read whole and found unchanged.

    Args:
        path: the file. If best_model.json stands beside a best_model.keras, its hash must be that
            of the file, too.

    Raises:
        ModelError: there is no such file, or it is not what this project exported.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ModelError(
                f"{path}: cannot be read: {error.strerror}; `python -m search.run` makes a model, "
                "--results DIR or --model FILE says where one is"
            ) from error
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                names = archive.namelist()
                if DESCRIPTION not in names:
                    raise ModelError(
                        f"{path}: there is no {DESCRIPTION} in it: it is not a model that this "
                        "project exported, or Keras has saved it anew. Its classes are unknown; "
                        "keras.models.load_model still loads it"
                    )
                parts = {name: archive.read(name) for name in (DESCRIPTION, CONFIG, WEIGHTS)}
            self.description = Description(**json.loads(parts[DESCRIPTION]))
            self.config: dict[str, Any] = json.loads(parts[CONFIG])
        except zipfile.BadZipFile as error:
            raise ModelError(
                f"{path}: not a .keras file, or only a part of one ({error}); copy it again"
            ) from error
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise self._changed(f"{DESCRIPTION}: {where}: {first['msg']}") from error
        except (ValueError, KeyError, TypeError, NotImplementedError, RuntimeError) as error:
            # Not JSON, no such member, no object; a compression or an encryption that Keras has not
            raise self._changed(str(error)) from error
        for name in (CONFIG, WEIGHTS):
            if self.description.hashes.get(name) != _sha256(parts[name]):
                raise self._changed(f"{name} is not the one that was exported")
        self._weights = parts[WEIGHTS]
        self._check_recorded(hashlib.sha256(content).hexdigest())

    def _check_recorded(self, found: str) -> None:
        facts = self.path.with_suffix(".json")
        if not facts.is_file():
            return
        try:
            recorded = json.loads(facts.read_text(encoding="utf-8"))["sha256"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelError(
                f"{facts}: cannot be read ({error}), so that {self.path.name} cannot be checked; "
                "`python -m search.run` with the settings of that run writes both anew"
            ) from error
        if recorded != found:
            raise self._changed(f"its SHA-256 is not the one in {facts.name}")

    def _changed(self, why: str) -> ModelError:
        return ModelError(
            f"{self.path}: was damaged or changed after it was exported ({why}); copy it again, or "
            "export it again with `python -m search.run` and the settings of its run"
        )

    def vocabulary(self) -> tuple[str, ...]:
        """The known tokens; token i has the id i + 2.

        Raises:
            ModelError: there is no such layer in config.json.
        """
        try:
            layers = self.config["config"]["layers"]
            (layer,) = [one for one in layers if one["name"] == "tokens"]
            return tuple(str(token) for token in layer["config"]["vocabulary"])
        except (KeyError, TypeError, ValueError) as error:
            raise self._changed(f"{CONFIG}: {error!r}") from error

    def weights(self) -> Weights:
        """The weights of a network of the kind "bilstm", as `Engine`s take them.

        Raises:
            ModelError: they have other names, shapes or types.
        """
        import h5py

        try:
            layers = range(self.description.configuration.layers)
            bilstms = ["bidirectional" + (f"_{n}" if n else "") for n in layers]
            cells = [f"{name}/{way}_layer/cell" for name in bilstms for way in DIRECTIONS]
            names = ["embedding/vars/0"]
            names += [f"{cell}/vars/{number}" for cell in cells for number in range(3)]
            names += ["dense/vars/0", "dense/vars/1"]
            shapes = sizes(self.description.configuration, self.description.shape)
            with h5py.File(io.BytesIO(self._weights), "r") as file:
                pairs = zip(names, shapes, strict=True)
                return [self._array(file, f"layers/{name}", shape) for name, shape in pairs]
        except (OSError, KeyError, ValueError, TypeError) as error:
            raise self._changed(f"{WEIGHTS}: {error}") from error

    def _array(self, file: Any, name: str, shape: tuple[int, ...]) -> Any:
        """One dataset, if it is a plain one: HDF5 can point at other files."""
        import h5py

        item = file
        for part in name.split("/"):
            there = isinstance(item, h5py.Group)
            if not there or item.get(part, getclass=True, getlink=True) is not h5py.HardLink:
                raise ValueError(f"{name} is not in it")
            item = item[part]
        plain = isinstance(item, h5py.Dataset) and not item.is_virtual and not item.external
        if not plain or item.shape != shape or item.dtype != np.float32:
            raise ValueError(f"{name} is not an array of shape {shape}")
        return item[()]

    def refuse_foreign_code(self) -> None:
        """Looks whether all layers and operations are Keras' own.

        Raises:
            ModelError: one is not.
        """
        for module, name in _classes(self.config):
            if module.split(".")[0] != "keras" or name == "Lambda":
                raise ModelError(
                    f"{self.path}: has a part {module}.{name}, which is not one of Keras' own; "
                    "such a file is not loaded, because loading it could run foreign code"
                )


def _classes(config: Any) -> list[tuple[str, str]]:
    """Module and name of every class that a config names."""
    if isinstance(config, list):
        return [found for part in config for found in _classes(part)]
    if not isinstance(config, dict):
        return []
    found = [found for part in config.values() for found in _classes(part)]
    if config.get("module") is not None and "class_name" in config:
        found.append((str(config["module"]), str(config["class_name"])))
    return found


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
