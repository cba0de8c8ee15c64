"""Reads exported .keras files without running any code from them.

A .keras file is a zip archive of config.json (the layers), model.weights.h5 and metadata.json. An
exported one has two more members, which Keras ignores:

- `vocabulary.txt`: one known token a line; line i, counted from 0, has the id i + 2. (Files of
  version 0.1 have their tokens in config.json.)
- `classifier.json`: class names, temperature, the confidence below which to abstain, and where the
  model comes from. It has the hashes of the other members and one of its own content, so that
  changes are detected.

A file may be hostile, so only JSON and plain arrays of known shapes are read. Numbers are checked
against limits, and memory is allocated for the bytes that are there, not for what a header claims.
"""

import io
import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from search.errors import ModelError
from search.evaluation.mixture import Mixture, NgramModel
from search.network.weights import Weights, network_name, sizes
from search.packaging.description import (
    DESCRIPTION,
    MOST_TOKENS,
    SEAL,
    VOCABULARY,
    Description,
    places_name,
    seal,
    sha256_of,
    table_name,
)
from search.untrusted import content_of, members, object_of

CONFIG, WEIGHTS = "config.json", "model.weights.h5"
DIRECTIONS = ("forward", "backward")
MOST_LAYERS = 10_000
WIDTHS = ("units", "filters", "input_dim", "output_dim")  # of Keras' layers


class ModelFile:
    """An exported .keras file, read into memory and checked against its hashes.

    Args:
        path: the file. If there is a JSON file of the same name, as best_model.json is for
            best_model.keras, the hash recorded there must match, too.

    Attributes:
        content: the bytes of the file.
        description: its metadata.
        config: its config.json.

    Raises:
        ModelError: the file cannot be read, was not exported by this project, or was changed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            content = content_of(path)
        except OSError as error:
            raise ModelError(
                f"{path}: cannot be read: {error.strerror}; `python -m search.run` makes a model, "
                "--results DIR or --model FILE says where one is"
            ) from error
        self.content = content
        try:
            parts = members(content)
        except ValueError as error:
            raise ModelError(
                f"{path}: not a .keras file, or only a part of one ({error}); copy it again"
            ) from error
        if DESCRIPTION not in parts:
            raise ModelError(
                f"{path}: there is no {DESCRIPTION} in it: it is not a model that this "
                "project exported, or Keras has saved it anew. Its classes are unknown; "
                "keras.models.load_model still loads it"
            )
        try:
            plain = object_of(parts.pop(DESCRIPTION))
            self.description = Description(**plain)
            self.config = object_of(parts[CONFIG])
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise self._changed(f"{DESCRIPTION}: {where}: {first['msg'][:200]}") from error
        except (ValueError, KeyError, TypeError) as error:  # no JSON, no such member, odd names
            raise self._changed(str(error)) from error
        if plain.get(SEAL) != seal(plain):
            raise self._changed(f"{DESCRIPTION} is not the one that was exported")
        for name in {CONFIG, WEIGHTS} | parts.keys() | self.description.hashes.keys():
            if name not in parts or self.description.hashes.get(name) != sha256_of(parts[name]):
                raise self._changed(f"{name} is not the one that was exported")
        self._weights, self._tokens = parts[WEIGHTS], parts.get(VOCABULARY)
        self._check_recorded(sha256_of(content))

    def _check_recorded(self, found: str) -> None:
        facts = self.path.with_suffix(".json")
        if not facts.is_file():
            return
        try:
            recorded = object_of(content_of(facts))["sha256"]
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
        """Returns the known tokens; token i has the id i + 2.

        Raises:
            ModelError: they are missing, or not as many as the metadata say.
        """
        try:
            if self.description.tokens == "unicode":
                lines = (self._tokens or b"").decode().split("\n")
                if lines.pop() or len(lines) != self.description.vocabulary_size - 2:
                    raise ValueError("the vocabulary is not as large as that of the networks")
                return tuple(lines)
            layers = self.config["config"]["layers"]
            (layer,) = [one for one in layers if one["name"] == "tokens"]
            tokens = layer["config"]["vocabulary"]
            if not isinstance(tokens, list) or len(tokens) > MOST_TOKENS:
                raise ValueError("the vocabulary is no list of words")
            return tuple(str(token) for token in tokens)
        except (KeyError, TypeError, ValueError) as error:
            raise self._changed(f"{CONFIG}: {error!r}") from error

    def networks(self) -> list[Weights]:
        """Returns the weights of each network, of the kind "bilstm", as an `Engine` takes them.

        Raises:
            ModelError: their names, shapes or types are not the expected ones.
        """
        configuration, count = self.description.configuration, self.description.networks
        parts = [("embedding", "vars/0")]
        for number in range(configuration.layers):
            cells = [f"{way}_layer/cell/vars/{n}" for way in DIRECTIONS for n in range(3)]
            parts += [(f"bilstm{number + 1 if number else ''}", cell) for cell in cells]
        parts += [("probability", "vars/0"), ("probability", "vars/1")]
        shapes = sizes(configuration, self.description.shape)
        with self._numbers(count * sum(map(math.prod, shapes))) as (file, layers):
            found = []
            for number in range(count):
                place, own = "", layers
                if count > 1:
                    place, own = _place(layers, network_name(number))
                names = [f"{place}{_place(own, name)[0]}{part}" for name, part in parts]
                pairs = zip(names, shapes, strict=True)
                found.append([self._array(file, name, shape) for name, shape in pairs])
            return found

    def mixture(self) -> Mixture | None:
        """Returns the mixture of networks and n-gram models; None if there is none.

        Raises:
            ModelError: its arrays do not match the metadata.
        """
        facts = self.description.mixture
        if facts is None:
            return None
        columns, shapes = 2 * self.description.shape.outputs + 1, []
        for number, model in enumerate(facts.models):
            if model.rows is not None:
                shapes.append((places_name(number), (model.buckets + 1, 1)))
            shapes.append((table_name(number), ((model.rows or model.buckets + 1) + 1, columns)))
        with self._numbers(sum(math.prod(shape) for _, shape in shapes)) as (file, layers):
            if len(facts.weights) != 1 + 2 * len(facts.models):
                raise ValueError("the mixture has not a weight for each member")
            if len(facts.bias) != len(self.description.class_names):
                raise ValueError("the mixture has not a bias for each class")
            arrays = {
                name: self._array(file, f"{_place(layers, name)[0]}vars/0", shape)
                for name, shape in shapes
            }
        models = []
        for number, model in enumerate(facts.models):
            table = arrays[table_name(number)]
            table, intercepts = table[:-1], table[-1, :-1].reshape(2, -1)
            if model.rows is None:  # as earlier versions wrote it: the row of zeros is the last one
                table = np.roll(table, 1, axis=0)
                places = np.arange(1, len(table), dtype=np.int32)
            else:
                places = arrays[places_name(number)][:-1, 0].astype(np.int32)
                if places.min() < 0 or places.max() >= len(table):
                    raise self._changed(f"{WEIGHTS}: an n-gram has no row in {table_name(number)}")
            models.append(NgramModel(model.kind, places, table, intercepts))
        return Mixture(facts.weights, facts.bias, tuple(models))

    @contextmanager
    def _numbers(self, count: int) -> Iterator[tuple[Any, list[Any]]]:
        """Opens the weights: the HDF5 file, and the layers of config.json, for a block.

        Args:
            count: how many float32 numbers will be read; the file must be large enough for them.

        Raises:
            ModelError: it is smaller, or anything read in the block is invalid.
        """
        import h5py

        try:
            if 4 * count > len(self._weights):
                raise ValueError("there are fewer numbers in it than it says")
            with h5py.File(io.BytesIO(self._weights), "r") as file:
                yield file, self.config["config"]["layers"]
        except (OSError, KeyError, ValueError, TypeError, AttributeError) as error:
            raise self._changed(f"{WEIGHTS}: {error}") from error

    def _array(self, file: Any, name: str, shape: tuple[int, ...]) -> Any:
        """Reads a dataset. It must be stored in the file itself: HDF5 can link to other files."""
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
        # Not compressed and not sparse: a few bytes could stand for gigabytes.
        if item.chunks is not None or item.id.get_storage_size() != 4 * math.prod(shape):
            raise ValueError(f"the numbers of {name} are not there")
        array = item[()]
        if not np.isfinite(array).all():
            raise ValueError(f"{name} has numbers that are not finite")
        return array

    def refuse_foreign_code(self) -> None:
        """Checks that all layers and operations are Keras' own.

        Raises:
            ModelError: one is not; loading it could run foreign code.
        """
        for part in _parts(self.config):
            module, name = part.get("module"), part.get("class_name")
            if module is None or name is None:
                continue
            if str(module).split(".")[0] != "keras" or name == "Lambda":
                raise ModelError(
                    f"{self.path}: has a part {module}.{name}, which is not one of Keras' own; "
                    "such a file is not loaded, because loading it could run foreign code"
                )

    def refuse_empty_width(self) -> None:
        """Checks that no layer is larger than the weights in the file, before Keras allocates it.

        Raises:
            ModelError: one is.
        """
        layers = [part for part in _parts(self.config) if "class_name" in part]
        if len(layers) > MOST_LAYERS:
            raise self._changed(f"{CONFIG}: there are {len(layers)} parts in it")
        for part in _parts(self.config):
            widths = [part[name] for name in WIDTHS if isinstance(part.get(name), int)]
            if math.prod(map(abs, widths)) > len(self._weights):
                raise self._changed(f"{CONFIG}: a layer is wider than there are weights: {widths}")


def _place(layers: list[Any], name: str) -> tuple[str, list[Any]]:
    """Finds the weights of a layer in the HDF5 file, where Keras counts the layers of each class.

    Returns:
        The prefix of their names, and the layers inside the layer.
    """
    before = Counter[str]()
    for layer in layers:
        kind = str(layer["class_name"]).lower()
        if layer["name"] == name:
            number = f"_{before[kind]}" if before[kind] else ""
            return f"layers/{kind}{number}/", layer["config"].get("layers", [])
        before[kind] += 1
    raise KeyError(name)


def _parts(config: Any) -> Iterator[dict[str, Any]]:
    """Yields every object in a config, at any depth."""
    waiting = [config]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            yield part
            waiting += part.values()
        elif isinstance(part, list):
            waiting += part
