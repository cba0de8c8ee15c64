"""Data that somebody hostile, or something broken, could hand to a search: more than 60.

Each case is a function of a folder, which has good.csv in it; it returns the options and the name
that the message must have in it.
"""

import gzip
import json
import os
import random
import struct
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

GOOD = "text,label\n" + "".join(
    f"review number {i} is {('bad', 'good')[i % 2]},{i % 2}\n" for i in range(60)
)
LONG = "x" * 300
ENDLESS = 2_000_000_000  # bytes that a bomb unpacks to

Case = Callable[[Path], tuple[list[str], str]]


def zeros(count: int, compress: str) -> bytes:
    """So many spaces, compressed, without having them in memory."""
    block = b" " * 10_000_000
    if compress == "gz":
        one = gzip.compress(block)
        return one * (count // len(block))  # members one after another are one file
    one = zstandard.ZstdCompressor().compress(block)
    return one * (count // len(block))


def content(name: str, data: bytes | str, option: str = "--data") -> Case:
    def make(folder: Path) -> tuple[list[str], str]:
        (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())
        return [option, name], name

    return make


def no_file(kind: str, option: str, name: str) -> Case:
    """A pipe, a device, a link to nothing or to itself, a folder, or a name that cannot be."""

    def make(folder: Path) -> tuple[list[str], str]:
        path = folder / name
        match kind:
            case "pipe":
                os.mkfifo(path)
            case "zero":
                path.symlink_to("/dev/zero")
            case "dangling":
                path.symlink_to("nowhere")
            case "loop":
                path.symlink_to(name)
            case "folder":
                path.mkdir()
        return [option, name], name

    return make


def in_a_class(kind: str) -> Case:
    """The same, beside the texts of a class."""

    def make(folder: Path) -> tuple[list[str], str]:
        for label in ("neg", "pos"):
            (folder / "reviews" / label).mkdir(parents=True)
            for number in range(20):
                path = folder / "reviews" / label / f"{number}.txt"
                path.write_text(f"a {label} review, number {number}")
        no_file(kind, "", "x.txt")(folder / "reviews" / "pos")
        return ["--data", "reviews"], "x.txt"

    return make


def same_value(compression: str, *, nested: bool = False) -> Case:
    """A Parquet file of 6 kB and 200,000 rows, all of one text of 100,000 characters."""

    def make(folder: Path) -> tuple[list[str], str]:
        numbers = pa.array([0] * 200_000, pa.int32())
        text = pa.DictionaryArray.from_arrays(numbers, pa.array(["x " * 50_000]))
        if nested:
            text = pa.StructArray.from_arrays([text], ["text"])
        table = pa.table({"text": text, "label": ["a"] * 200_000})
        pq.write_table(table, folder / "r.parquet", compression=compression)
        return ["--data", "r.parquet"], "r.parquet"

    return make


def arrow_of_nothing(folder: Path) -> tuple[list[str], str]:
    """Two billion rows in 500 bytes."""
    rows = pa.table({name: pa.nulls(2_000_000_000) for name in ("text", "label")})
    with pa.ipc.new_file(folder / "r.arrow", rows.schema) as file:
        file.write_table(rows)
    return ["--data", "r.arrow"], "r.arrow"


def last_cell(folder: Path) -> tuple[list[str], str]:
    """A workbook of 5 kB, whose one cell is the last that there may be."""
    book = openpyxl.Workbook()
    book.active["XFD1048576"] = "x"
    book.save(folder / "r.xlsx")
    return ["--data", "r.xlsx"], "r.xlsx"


def parquet(change: Callable[[bytearray], bytes | bytearray]) -> Case:
    def make(folder: Path) -> tuple[list[str], str]:
        rows = [(f"review number {i}", "ab"[i % 2]) for i in range(60)]
        table = pa.table({"text": [t for t, _ in rows], "label": [y for _, y in rows]})
        pq.write_table(table, folder / "r.parquet")
        path = folder / "r.parquet"
        path.write_bytes(change(bytearray(path.read_bytes())))
        return ["--data", "r.parquet"], "r.parquet"

    return make


def footer_of(size: int) -> Case:
    """A footer that says it is so large."""
    return parquet(lambda data: data[:-8] + struct.pack("<I", size) + b"PAR1")


def zipped(folder: Path) -> tuple[list[str], str]:
    with zipfile.ZipFile(folder / "r.csv", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("r.csv", " " * 10_000_000)
    return ["--data", "r.csv"], "r.csv"


def broken_start(values: object) -> Case:
    """An earlier run's results with a trial whose values are no hyperparameters."""

    def make(folder: Path) -> tuple[list[str], str]:
        record = {
            "trial_id": "0000", "status": "completed", "values": values, "seed": 0, "space": {},
            "batch_size": 8, "started_at": "", "notes": [],
            "history": [{"epoch": 1, "loss": 1, "val_loss": 1, "val_accuracy": 1, "seconds": 1,
                         "score": 1}],
        }  # fmt: skip
        (folder / "earlier" / "trials" / "0000").mkdir(parents=True)
        path = folder / "earlier" / "trials" / "0000" / "trial.json"
        path.write_text(json.dumps(record))
        return ["--data", "good.csv", "--warm-start", "earlier"], "earlier"

    return make


def with_good(case: Case) -> Case:
    """Good data, and something else besides."""

    def make(folder: Path) -> tuple[list[str], str]:
        options, name = case(folder)
        return ["--data", "good.csv", *options], name

    return make


def deep(kind: str, key: str) -> str:
    nested = "[" * 100_000 + "]" * 100_000 if kind == "[" else '{"a":' * 100_000 + "}" * 100_000
    return json.dumps({"text": "fine", "label": "a"}) + f'\n{{"{key}": {nested}}}\n'


RANDOM = random.Random(0).randbytes(100_000)
ROLES = {  # an option that takes a file, and the name of one
    "--data": "r.csv",
    "--validation": "v.csv",
    "--test": "t.csv",
    "--unlabelled": "u.txt",
    "--embeddings": "e.txt",
    "--space": "s.toml",
}

CASES: dict[str, Case] = {}
for _option, _name in ROLES.items():
    for _kind in ("pipe", "zero", "dangling", "loop", "long"):
        _case = no_file(_kind, _option, LONG + _name if _kind == "long" else _name)
        CASES[f"{_option[2:]}: {_kind}"] = _case if _option == "--data" else with_good(_case)
for _kind in ("pipe", "zero"):
    CASES[f"in a class: {_kind}"] = in_a_class(_kind)
for _option in ("--validation", "--test", "--embeddings", "--space"):
    CASES[f"{_option[2:]}: folder"] = with_good(no_file("folder", _option, ROLES[_option]))
for _key in ("text", "label", "other"):
    for _kind in "[{":
        CASES[f"deep JSON, {_kind} as {_key}"] = content("r.jsonl", deep(_kind, _key))
for _ending in ("csv", "tsv", "jsonl"):
    for _compress in ("gz", "zst"):
        _data = partial(zeros, ENDLESS, _compress)
        _name = f"r.{_ending}.{_compress}"
        CASES[f"bomb {_name}"] = lambda folder, d=_data, n=_name: content(n, d())(folder)
CASES |= {
    "bomb as further texts": with_good(
        lambda folder: content("u.txt.gz", zeros(ENDLESS, "gz"), "--unlabelled")(folder)
    ),
    "bomb as embeddings": with_good(
        lambda folder: content("e.txt.zst", zeros(ENDLESS, "zst"), "--embeddings")(folder)
    ),
    "bomb of one value": same_value("snappy"),
    "bomb of one value, compressed": same_value("zstd"),
    "bomb of one value in a struct": same_value("zstd", nested=True),
    "Arrow rows of nothing": arrow_of_nothing,
    "the last cell of a workbook": last_cell,
    "Parquet cut": parquet(lambda data: data[: len(data) // 2]),
    "Parquet with a footer of 4 GB": footer_of(2**32 - 1),
    "Parquet with a footer of nothing": footer_of(0),
    "Parquet of zeros": parquet(lambda data: b"PAR1" + bytes(len(data)) + b"PAR1"),
    "a zip that is called .csv": zipped,
    "noise.csv": content("r.csv", RANDOM),
    "noise.parquet": content("r.parquet", b"PAR1" + RANDOM + b"PAR1"),
    "noise.csv.gz": content("r.csv.gz", b"\x1f\x8b\x08" + RANDOM),
    "noise.csv.zst": content("r.csv.zst", b"\x28\xb5\x2f\xfd" + RANDOM),
    "a number of 100,000 digits": content("r.jsonl", '{"text": ' + "9" * 100_000 + "}\n"),
    "punctuation only": content(
        "r.csv",
        "text,label\n" + "".join(f'"{"!;."[i % 3] * (i + 1)}",{i % 2}\n' for i in range(60)),
    ),
    "a million columns": content("r.csv", "," * 1_000_000 + "\n"),
    "a JSON object of a field for each row": content(
        "r.json", "[" + ",".join(f'{{"k{i}": 1}}' for i in range(100_000)) + "]"
    ),
    "labels of a thousand characters": content(
        "r.csv", "text,label\n" + "".join(f"t {i},{'x' * 500}{i}\n" for i in range(20_000))
    ),
    "vectors of a million numbers": with_good(
        content("e.txt", "review" + " 1" * 1_000_000 + "\n", "--embeddings")
    ),
    "vectors that are not numbers": with_good(
        content("e.txt", "review nan inf\n", "--embeddings")
    ),
    "vectors of noise": with_good(content("e.txt", RANDOM, "--embeddings")),
    "a range of endless steps": with_good(
        content("s.toml", "dropout = {low = 0.0, high = 0.5, step = 1e-320}", "--space")
    ),
    "a warm start of lists": broken_start({"dropout": [1, 2], "lstm_units": [16]}),
    "a warm start of text": broken_start("dropout"),
    "a space of noise": with_good(content("s.toml", RANDOM, "--space")),
}  # fmt: skip
