"""Arrow files that hold more than their size justifies, and those that are as they should be."""

import tracemalloc

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import search
from search.corpus.sources import read
from search.errors import DataError

ROWS = [(f"film {i}, was {('dull', 'warm')[i % 2]}", "ab"[i % 2]) for i in range(30)]
LONG = "x " * 50_000
COUNT = 200_000


def written(path, columns, compression=None, batches=1):
    table = pa.table(columns)
    options = pa.ipc.IpcWriteOptions(compression=compression)
    kind = pa.ipc.new_stream if path.name.startswith("stream") else pa.ipc.new_file
    with kind(path, table.schema, options=options) as file:
        for _ in range(batches):
            file.write_table(table)
    return path


def same_value(count=COUNT):
    return pa.DictionaryArray.from_arrays(pa.array([0] * count, pa.int32()), pa.array([LONG]))


BOMBS = {
    "one value": lambda: {"text": same_value(), "label": ["a"] * COUNT},
    "a long text, over and over": lambda: {"text": [LONG] * 1500, "label": ["a"] * 1500},
    "views": lambda: {"text": pa.array([LONG] * 1500, pa.string_view()), "label": ["a"] * 1500},
    "runs": lambda: {
        name: pa.RunEndEncodedArray.from_arrays(pa.array([2 * 10**9], pa.int32()), pa.array(["a"]))
        for name in ("text", "label")
    },
    "nothing": lambda: {name: pa.nulls(2 * 10**9) for name in ("text", "label")},
}


@pytest.mark.parametrize("name", ["r.arrow", "stream.arrow"])
@pytest.mark.parametrize("bomb", BOMBS)
def test_what_holds_more_than_its_size_justifies(tmp_path, name, bomb):
    path = written(tmp_path / name, BOMBS[bomb](), "zstd")
    before = pa.total_allocated_bytes()
    tracemalloc.start()
    with pytest.raises(DataError, match=r"arrow: .* holds more than \S+ bytes, which no texts"):
        read(str(path))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 50_000_000 and pa.total_allocated_bytes() - before < 100_000_000


@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
@pytest.mark.parametrize("name", ["r.arrow", "stream.arrow"])
def test_any_compression_and_kind_of_text(tmp_path, name, compression):
    texts, labels = map(list, zip(*ROWS, strict=True))
    for kind in (pa.string(), pa.large_string(), pa.string_view(), pa.binary_view()):
        array = pa.array([t.encode() if "binary" in str(kind) else t for t in texts], kind)
        columns = {"text": array, "label": pa.array(labels).dictionary_encode()}
        table = read(str(written(tmp_path / name, columns, compression, batches=2)))
        assert list(table.itertuples(index=False, name=None)) == ROWS * 2


def test_damage_is_told(tmp_path):
    texts, labels = map(list, zip(*ROWS, strict=True))
    content = written(tmp_path / "r.arrow", {"text": texts, "label": labels}, "lz4").read_bytes()
    for place in range(0, len(content), 7):
        changed = bytearray(content)
        changed[place] ^= 0x81
        (tmp_path / "r.arrow").write_bytes(changed)
        try:
            read(str(tmp_path / "r.arrow"))
        except DataError:
            continue


@pytest.mark.parametrize("name", ["data.arrow", "data.parquet", "a frame"])
def test_numbers_of_32_bits_keep_their_spelling(tmp_path, name):
    scores = pa.array([(0.1, 0.7)[i % 2] for i in range(30)], pa.float32())
    columns = {"text": [text for text, _ in ROWS], "label": scores}
    if name == "a frame":
        source = pa.table(columns).to_pandas()
    elif name == "data.arrow":
        source = str(written(tmp_path / name, columns))
    else:
        pq.write_table(pa.table(columns), source := tmp_path / name)
    assert search.load_corpus(source).class_names == ("0.1", "0.7")
