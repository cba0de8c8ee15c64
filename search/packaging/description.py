"""The description of a model file: its member classifier.json."""

import hashlib
import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from search.corpus.batches import InputConfig, Truncation
from search.corpus.encode import Tokens
from search.corpus.ngrams import Kind
from search.evaluation.mixture import Mixture
from search.files import write_atomically
from search.network.space import FIELDS, Configuration, check_values
from search.network.weights import Shape
from search.settings import LONGEST_LABEL

DESCRIPTION, VOCABULARY = "classifier.json", "vocabulary.txt"
SEAL = "seal"  # key in classifier.json: the hash of its other entries

MOST_CLASSES = 10_000
MOST_TOKENS = FIELDS["vocabulary_size"].metadata["highest"]
MOST_READ = FIELDS["max_length"].metadata["highest"]
MOST_NETWORKS, MOST_MODELS, MOST_BUCKETS = 100, 10, 100_000_000

Network = Literal["bilstm", "custom"]
"""Whether the network is the one of `search.network.build`, or that of a user's HyperModel."""

Name = Annotated[str, Field(max_length=LONGEST_LABEL)]


class _Confidence(BaseModel):
    """The confidence below which the classifier abstains."""

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False)
    confidence: float = Field(ge=0, le=1)


class _Ngrams(BaseModel):
    """An n-gram model; its coefficients are among the weights."""

    model_config = ConfigDict(frozen=True, extra="allow")
    kind: Kind
    buckets: int = Field(gt=0, le=MOST_BUCKETS)
    rows: int | None = Field(None, gt=0, le=MOST_BUCKETS, description="None: a row for each bucket")


class _Mixture(BaseModel):
    """The mixture of networks and n-gram models; see `search.evaluation.mixture.Mixture`."""

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False)
    weights: tuple[float, ...]
    bias: tuple[float, ...]
    models: tuple[_Ngrams, ...] = Field(max_length=MOST_MODELS)


class Description(BaseModel):
    """The metadata that are needed to use a model; best_model.json has the same for the best model.

    The file also has metadata for people, which are not checked: data, seeds, versions, scores.
    """

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False)

    network: Network
    networks: int = Field(1, gt=0, le=MOST_NETWORKS, description="whose probabilities are averaged")
    class_names: tuple[Name, ...] = Field(min_length=2, max_length=MOST_CLASSES)
    hyperparameters: dict[str, Any]
    temperature: float = Field(gt=0, le=1e6)
    mixture: _Mixture | None = None
    abstain: _Confidence | None
    tokens: Tokens
    vocabulary_size: int = Field(gt=0, le=MOST_TOKENS)
    max_length: int = Field(gt=0, le=MOST_READ)
    cut: Truncation
    hashes: dict[str, str] = Field(description="SHA-256 of the members config.json, …")

    @field_validator("hyperparameters")
    @classmethod
    def _in_their_ends(cls, values: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        if info.data.get("network") == "bilstm":  # another network may use the names otherwise
            check_values(values)
        return values

    @property
    def input_config(self) -> InputConfig:
        """Vocabulary size, maximum length and truncation of the networks' input."""
        return InputConfig(self.vocabulary_size, self.max_length, self.cut)

    @property
    def configuration(self) -> Configuration:
        """The hyperparameters; only for networks of the kind "bilstm"."""
        return Configuration.of(self.hyperparameters)

    @property
    def shape(self) -> Shape:
        """The sizes of the network that the data determine."""
        return Shape(self.vocabulary_size, len(self.class_names), self.max_length)


def table_name(number: int) -> str:
    """The name of the layer with the coefficients of an n-gram model, counted from 0."""
    return f"ngrams_{number}"


def places_name(number: int) -> str:
    """The name of the layer with the table row of each bucket of an n-gram model."""
    return f"places_{number}"


def facts_of(mixture: Mixture) -> dict[str, Any]:
    """The description of a mixture; the coefficients of its models are among the weights."""
    return {
        "weights": list(mixture.weights),
        "bias": list(mixture.bias),
        "models": [
            {"kind": model.kind, "buckets": len(model.places), "rows": len(model.table)}
            for model in mixture.models
        ],
    }


def describe(path: Path, facts: dict[str, Any], vocabulary: Sequence[str] | None) -> None:
    """Adds the members classifier.json and vocabulary.txt to a .keras file that Keras wrote.

    Args:
        path: the file; replaced atomically.
        facts: the fields of `Description` except the hashes, and any others.
        vocabulary: the tokens, at least as many as the networks know; token i has the id i + 2.
            None if they are in config.json, as in version 0.1.
    """
    content = io.BytesIO(path.read_bytes())
    with zipfile.ZipFile(content, "a", zipfile.ZIP_DEFLATED) as archive:
        if vocabulary is not None:
            known = vocabulary[: facts["vocabulary_size"] - 2]
            archive.writestr(VOCABULARY, "".join(f"{token}\n" for token in known))
        hashes = {name: sha256_of(archive.read(name)) for name in archive.namelist()}
        whole = {**facts, "hashes": hashes}
        text = json.dumps({**whole, SEAL: seal(whole)}, indent=2, ensure_ascii=False)
        archive.writestr(DESCRIPTION, text)
    write_atomically(path, lambda file: file.write(content.getvalue()))


def seal(facts: dict[str, Any]) -> str:
    """The hash of a description. It covers the whole file, since all other hashes are in it."""
    plain = {name: value for name, value in facts.items() if name != SEAL}
    return sha256_of(json.dumps(plain, sort_keys=True, separators=(",", ":")).encode())


def sha256_of(content: bytes) -> str:
    """The SHA-256 hash of bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()
