"""Model files that somebody hostile could hand to `predict`: more than a hundred of them.

All but the clumsiest have hashes that fit, because whoever makes such a file can make those, too.
A case takes the members of a good file, and returns the bytes of a bad one.
"""

import hashlib
import io
import json
import math
import struct
import zipfile
from collections.abc import Callable
from typing import Any

import h5py
import numpy as np

from search.packaging.description import DESCRIPTION, SEAL, seal
from search.packaging.modelfile import CONFIG, WEIGHTS

Members = dict[str, bytes]
Case = Callable[[Members], bytes]

NAN = math.nan


def zipped(parts: Members, **options: Any) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", **options) as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    return content.getvalue()


def forged(parts: Members) -> bytes:
    """A zip of these members, whose hashes fit wherever there can be any."""
    try:
        facts = json.loads(parts[DESCRIPTION])
        facts["hashes"] = {
            name: hashlib.sha256(part).hexdigest()
            for name, part in parts.items()
            if name != DESCRIPTION
        }
        facts[SEAL] = seal(facts)
        parts = {**parts, DESCRIPTION: json.dumps(facts).encode()}
    except (ValueError, TypeError, RecursionError):
        pass
    return zipped(parts)


def said(*path: str, value: object = None, missing: bool = False) -> Case:
    """Something else at a place of classifier.json."""

    def make(parts: Members) -> bytes:
        facts = json.loads(parts[DESCRIPTION])
        place = facts
        for name in path[:-1]:
            place = place[name]
        if missing:
            del place[path[-1]]
        else:
            place[path[-1]] = value
        return forged({**parts, DESCRIPTION: json.dumps(facts).encode()})

    return make


def member(name: str, content: bytes) -> Case:
    return lambda parts: forged({**parts, name: content})


def layers(change: Callable[[dict[str, Any]], None], network: str = "bilstm") -> Case:
    """Another config.json."""

    def make(parts: Members) -> bytes:
        config, facts = json.loads(parts[CONFIG]), json.loads(parts[DESCRIPTION])
        for layer in config["config"]["layers"]:
            change(layer)
        facts["network"] = network
        changed = {CONFIG: json.dumps(config).encode(), DESCRIPTION: json.dumps(facts).encode()}
        return forged({**parts, **changed})

    return make


def wider(kind: str, name: str, value: object) -> Case:
    """A network for Keras to build, a layer of which is enormous."""

    def change(layer: dict[str, Any]) -> None:
        if layer["class_name"] == kind:
            layer["config"][name] = value

    return layers(change, "custom")


def foreign(module: str, name: str) -> Case:
    def change(layer: dict[str, Any]) -> None:
        if layer["class_name"] == "Dense":
            layer |= {"module": module, "class_name": name}

    return layers(change, "custom")


def weights(change: Callable[[h5py.File, str], None], network: str = "bilstm") -> Case:
    """Another model.weights.h5: `change` gets the file and the name of the embedding in it."""

    def make(parts: Members) -> bytes:
        content = io.BytesIO(parts[WEIGHTS])
        with h5py.File(content, "r+") as file:
            names = [f"layers/{n}/vars/0" for n in file["layers"] if n.startswith("embedding")]
            # Beside that of the network there are the tables of characters and of known words.
            change(file, next(name for name in names if file[name].shape[1] == 8))
        facts = json.loads(parts[DESCRIPTION])
        facts["network"] = network
        return forged(
            {**parts, WEIGHTS: content.getvalue(), DESCRIPTION: json.dumps(facts).encode()}
        )

    return make


def number(value: float) -> Callable[[h5py.File, str], None]:
    def change(file: h5py.File, name: str) -> None:
        file[name][3, 1] = value

    return change


def instead(**options: Any) -> Callable[[h5py.File, str], None]:
    """Another dataset in the place of one, of the same shape."""

    def change(file: h5py.File, name: str) -> None:
        shape = file[name].shape
        del file[name]
        if "data" in options:
            file.create_dataset(name, data=options["data"](shape))
        else:
            file.create_dataset(name, **{"shape": shape, "dtype": "f4", **options})

    return change


def link(target: Any) -> Callable[[h5py.File, str], None]:
    def change(file: h5py.File, name: str) -> None:
        del file[name]
        file[name] = target

    return change


def virtual(file: h5py.File, name: str) -> None:
    shape = file[name].shape
    layout = h5py.VirtualLayout(shape=shape, dtype="f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", shape=shape)
    del file[name]
    file.create_virtual_dataset(name, layout)


def enormous(**options: Any) -> Case:
    """A network of 22 GB, none of which is there: it is filled with zeros when it is read."""

    def make(parts: Members) -> bytes:
        facts = json.loads(parts[DESCRIPTION])
        facts |= {"vocabulary_size": 80_000}
        facts["hyperparameters"] |= {"vocabulary_size": 80_000, "embedding_dim": 4096}
        content = io.BytesIO(parts[WEIGHTS])
        with h5py.File(content, "r+") as file:
            name = "layers/embedding/vars/0"
            del file[name]
            file.create_dataset(name, shape=(80_000, 4096), dtype="f4", **options)
        changed = {WEIGHTS: content.getvalue(), DESCRIPTION: json.dumps(facts).encode()}
        return forged({**parts, **changed})

    return make


def bomb(parts: Members) -> bytes:
    """640 kB that say and hold 640 MB."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in parts.items():
            if name != WEIGHTS:
                archive.writestr(name, part)
        with archive.open(WEIGHTS, "w", force_zip64=True) as file:
            for _ in range(64):
                file.write(bytes(10_000_000))
    return content.getvalue()


def twice(parts: Members) -> bytes:
    content = io.BytesIO(forged(parts))
    with zipfile.ZipFile(content, "a") as archive:
        archive.filelist.append(archive.filelist[-1])
        archive._didModify = True
    return content.getvalue()


def marked(offset: int, value: int) -> Case:
    """Every entry of the zip's directory with one number changed."""

    def make(parts: Members) -> bytes:
        content = bytearray(forged(parts))
        place = content.find(b"PK\x01\x02")
        while place >= 0:
            struct.pack_into("<H", content, place + offset, value)
            place = content.find(b"PK\x01\x02", place + 4)
        return bytes(content)

    return make


def deep(text: str) -> bytes:
    return (text * 100_000).encode()


BAD_NUMBERS: tuple[object, ...] = ("a", -1, 0, 10**9, 1.5, None, [], {}, NAN, 10**400)
CASES: dict[str, Case] = {}
for _name in ("layers", "lstm_units", "embedding_dim"):
    for _value in BAD_NUMBERS:
        _text = str(_value)[:9]
        CASES[f"{_name} = {_text}"] = said("hyperparameters", _name, value=_value)
for _name in ("vocabulary_size", "max_length", "temperature"):
    for _value in BAD_NUMBERS:
        if (_name, _value) != ("temperature", 1.5):
            CASES[f"{_name} is {str(_value)[:9]}"] = said(_name, value=_value)
for _name, _values in {
    "network": ("own", 5, None, ["bilstm"]),
    "class_names": ([], ["one"], "ab", [1, 2], {"a": 1}, None, ["x" * 10**6, "b"], ["a"] * 10**5),
    "abstain": ({}, {"confidence": 7}, {"confidence": NAN}, "always", []),
    "tokens": ("bytes", None, 7),
    "cut": ("middle", None, ["head"]),
    "hyperparameters": (None, [], "many", {"pooling": 5}, {"pooling": "sum"}),
}.items():
    for _number, _value in enumerate(_values):
        CASES[f"{_name}: {_number}"] = said(_name, value=_value)
    CASES[f"no {_name}"] = said(_name, missing=True)
CASES |= {
    "description empty": member(DESCRIPTION, b""),
    "description a list": member(DESCRIPTION, b"[]"),
    "description null": member(DESCRIPTION, b"null"),
    "description deep": member(DESCRIPTION, deep("[")),
    "description deep objects": member(DESCRIPTION, deep('{"a":')),
    "description no UTF-8": member(DESCRIPTION, b"\xff\xfe{}"),
    "description noise": member(DESCRIPTION, np.random.default_rng(0).bytes(1000)),
    "layers empty": member(CONFIG, b""),
    "layers a list": member(CONFIG, b"[]"),
    "layers deep": member(CONFIG, deep("[")),
    "no layer": member(CONFIG, b'{"config": {"layers": []}}'),
    "layers that are numbers": member(CONFIG, b'{"config": {"layers": [1, 2]}}'),
    "weights empty": member(WEIGHTS, b""),
    "weights noise": member(WEIGHTS, b"\x89HDF\r\n\x1a\n" + np.random.default_rng(1).bytes(9000)),
    "weights cut": lambda parts: forged({**parts, WEIGHTS: parts[WEIGHTS][:-20_000]}),
    "not a number": weights(number(math.nan)),
    "infinity": weights(number(math.inf)),
    "float64": weights(instead(dtype="f8")),
    "another shape": weights(instead(shape=(5, 5))),
    "one row": weights(instead(shape=(1, 8))),
    "chunks of nothing": weights(instead(chunks=(1, 8))),
    "never written": weights(instead()),
    "packed": weights(instead(chunks=True, compression="gzip")),
    "text": weights(instead(data=lambda shape: np.full(shape, b"text"))),
    "a group": weights(lambda file, name: (file.pop(name), file.create_group(name))),
    "a soft link": weights(link(h5py.SoftLink("/layers/dense/vars/0"))),
    "a link outwards": weights(link(h5py.ExternalLink("/etc/passwd", "x"))),
    "a virtual dataset": weights(virtual),
    "numbers elsewhere": weights(instead(external=[("/dev/zero", 0, h5py.h5f.UNLIMITED)])),
    "22 GB of chunks": enormous(chunks=(1, 4096)),
    "22 GB never written": enormous(),
    "a bomb": bomb,
    "two of one name": twice,
    "encrypted": marked(8, 1),
    "an unknown compression": marked(10, 77),
    "LZMA": lambda parts: zipped(parts, compression=zipfile.ZIP_LZMA),
    "nothing": lambda parts: b"",
    "a pickle": lambda parts: b"\x80\x04\x95" + bytes(100),
    "noise": lambda parts: b"PK\x03\x04" + np.random.default_rng(2).bytes(50_000),
    "a zip of others": lambda parts: zipped({"hello.txt": b"hello"}),
    "no weights": lambda parts: forged({n: p for n, p in parts.items() if n != WEIGHTS}),
    "no layers": lambda parts: forged({n: p for n, p in parts.items() if n != CONFIG}),
}

KERAS: dict[str, Case] = {
    "an embedding of 10**9 words": wider("Embedding", "input_dim", 10**9),
    "an embedding of 10**9 numbers": wider("Embedding", "output_dim", 10**9),
    "an output of 10**9": wider("Dense", "units", 10**9),
    "units that are text": wider("Dense", "units", "many"),
    "an output of -1": wider("Dense", "units", -1),
    "weights that are no numbers": weights(number(math.nan), "custom"),
    "code of the system": foreign("os", "system"),
    "a lambda": foreign("keras.layers", "Lambda"),
    "code that is Keras'": foreign("keras.src.utils.file_utils", "get_file"),
}
"""Those that Keras itself is to load."""
