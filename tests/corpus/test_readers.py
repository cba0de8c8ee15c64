"""Every format gives the same rows; what is no text in it is refused by name."""

import bz2
import contextlib
import datetime
import gzip
import json
import lzma
import zipfile

import datasets
import numpy as np
import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest
import zstandard

from search.corpus.columns import NoLabels
from search.corpus.sources import read, read_texts
from search.errors import DataError

ROWS = [(f"film {i}, was {('dull', 'warm')[i % 2]}\nand long", "ab"[i % 2]) for i in range(30)]
FRAME = pd.DataFrame(ROWS, columns=["text", "label"])
LINES = "".join(json.dumps(dict(zip(("text", "label"), row, strict=True))) + "\n" for row in ROWS)


def arrow_stream(path):
    table = pa.Table.from_pandas(FRAME)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as stream:
        stream.write_table(table)


WRITERS = {
    "r.json": lambda path: path.write_text(LINES),
    "array.json": lambda path: FRAME.to_json(path, orient="records"),
    "indented.json": lambda path: FRAME.to_json(path, orient="records", indent=2),
    "r.ndjson": lambda path: path.write_text(LINES),
    "r.xlsx": lambda path: FRAME.to_excel(path, index=False),
    "r.ods": lambda path: FRAME.to_excel(str(path), index=False),  # of a Path it is .xlsx
    "r.feather": lambda path: feather.write_feather(FRAME, path),
    "r.arrow": arrow_stream,
    "r.csv": lambda path: FRAME.to_csv(path, index=False),
    "r.tab": lambda path: FRAME.to_csv(path, index=False, sep="\t"),
    "R.CSV": lambda path: FRAME.to_csv(path, index=False),
}
PACKERS = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}


def rows(source, *columns):
    return list(read(str(source), *columns).itertuples(index=False, name=None))


@pytest.mark.parametrize("name", WRITERS)
def test_formats(tmp_path, name):
    WRITERS[name](tmp_path / name)
    assert rows(tmp_path / name) == ROWS


@pytest.mark.parametrize("compression", [*PACKERS, ".zst", ".zip", "zip of another name"])
def test_compressions(tmp_path, compression):
    content = FRAME.to_csv(index=False).encode()
    path = tmp_path / f"r.csv{compression}"
    if compression.endswith(("zip", "name")):
        path = path if compression == ".zip" else tmp_path / "archive.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("inside/r.csv", content)
            archive.writestr("__MACOSX/inside/._r.csv", b"\0")
    else:
        path.write_bytes({**PACKERS, ".zst": zstandard.compress}[compression](content))
    assert rows(path) == ROWS


def test_archives_of_several_files_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "r.zip", "w") as archive:
        archive.writestr("a.csv", "x")
        archive.writestr("b.csv", "x")
    with pytest.raises(DataError, match=r"found 2 in it \(a.csv, b.csv\); unpack it"):
        read(str(tmp_path / "r.zip"))


def test_a_damaged_archive_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "r.zip", "w") as archive:
        archive.writestr("r.csv", FRAME.to_csv(index=False))
    content = (tmp_path / "r.zip").read_bytes()
    for place in range(content.rindex(b"PK\x01\x02"), len(content)):
        changed = bytearray(content)
        changed[place : place + 20] = bytes(20)[: len(content) - place]
        (tmp_path / "r.zip").write_bytes(changed)
        with contextlib.suppress(DataError):  # or it does not matter
            read(str(tmp_path / "r.zip"))


def test_half_of_a_compressed_file_is_refused(tmp_path):
    for ending, pack in {**PACKERS, ".zst": zstandard.compress}.items():
        path = tmp_path / f"r.csv{ending}"
        path.write_bytes(pack(FRAME.to_csv(index=False).encode() * 50)[:-20])
        with pytest.raises(DataError, match="cannot be decompressed"):
            read(str(path))


def test_fasttext(tmp_path):
    path = tmp_path / "r.txt"
    path.write_text("__label__a a fine film\n__label__b dull\n", encoding="utf-8")
    assert rows(path) == [("a fine film", "a"), ("dull", "b")]
    path.write_text("__label__a __label__b a fine film\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"row 1: expected one label, .* found two labels"):
        read(str(path))


def test_a_workbook_of_two_sheets_is_refused(tmp_path):
    path = tmp_path / "r.xlsx"
    with pd.ExcelWriter(path) as book:
        FRAME.to_excel(book, sheet_name="train", index=False)
        FRAME.to_excel(book, sheet_name="test", index=False)
    with pytest.raises(DataError, match=r"one sheet with rows, found 2 \(train, test\)"):
        read(str(path))


NUMBERS = [43211503, 43211507, 1, 10**17 + 1]


@pytest.mark.parametrize("name", ["r.parquet", "r.xlsx", "r.jsonl"])
def test_numbers_are_labels_in_full(tmp_path, name):
    labels = NUMBERS[: 3 if name == "r.xlsx" else 4]  # a workbook's numbers end at 15 digits
    frame = pd.DataFrame({"text": [f"t{n}" for n in labels], "label": labels})
    path = tmp_path / name
    {"r.parquet": frame.to_parquet, "r.xlsx": lambda p: frame.to_excel(p, index=False)}.get(
        name, lambda p: frame.to_json(p, orient="records", lines=True)
    )(path)
    assert [label for _, label in rows(path)] == list(map(str, labels))


def test_whole_numbers_stay_such_where_one_is_missing(tmp_path):
    frame = pd.DataFrame({"text": list("abc"), "label": [1, None, 0]})  # floats for pandas
    frame.to_parquet(tmp_path / "r.parquet")
    assert [label for _, label in rows(tmp_path / "r.parquet")] == ["1", None, "0"]


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        ([b"fine", b"caf\xe9"], r"row 2: .* column 'text', found bytes that are not UTF-8"),
        ([["a", "b"], ["c"]], r"row 1: .* column 'text', found a list \(\['a', 'b'\]\)"),
        ([{"a": 1}, {"a": 2}], r"none has a usual name. Its columns are: text.a, label"),
        ([datetime.date(2026, 1, 1)] * 2, r"row 1: .* column 'text', found a date"),
        ([1.5, 2.5], r"column 'text' has numbers only \(1.5\)"),
    ],
    ids=["bytes", "lists", "objects", "dates", "numbers"],
)
def test_what_is_no_text(tmp_path, cells, told):
    path = tmp_path / "r.parquet"
    pq.write_table(pa.table({"text": cells, "label": ["a", "b"]}), path)
    with pytest.raises(DataError, match=told):
        read(str(path))


NESTED = pa.table(
    {"doc": [{"said": {"text": t}, "id": 1} for t, _ in ROWS], "label": FRAME["label"]}
)


@pytest.mark.parametrize("name", ["r.parquet", "r.feather"])
def test_fields_of_structs(tmp_path, name):
    {"r.parquet": pq.write_table, "r.feather": feather.write_feather}[name](NESTED, tmp_path / name)
    assert rows(tmp_path / name) == rows(tmp_path / name, "doc.said.text") == ROWS


def test_classes_of_fields_of_structs(tmp_path):
    label = datasets.ClassLabel(names=["dull", "warm"])
    features = datasets.Features({"r": {"text": datasets.Value("string"), "label": label}})
    nested = [{"r": {"text": f"film {n}", "label": n % 2}} for n in range(20)]
    stored = datasets.Dataset.from_list(nested, features=features)
    pq.write_table(stored.data.table, tmp_path / "r.parquet")
    assert rows(tmp_path / "r.parquet")[:2] == [("film 0", "dull"), ("film 1", "warm")]


def test_bytes_that_are_text_are_decoded(tmp_path):
    path = tmp_path / "r.parquet"
    pq.write_table(pa.table({"text": ["café".encode(), None], "label": [True, False]}), path)
    assert rows(path) == [("café", "true"), (None, "false")]


def test_half_a_surrogate_pair_is_replaced_and_told_once(tmp_path):
    path = tmp_path / "r.jsonl"
    path.write_text(r'{"text": "fine \ud83d", "label": 1}' "\n" * 3, encoding="utf-8")
    told = []
    assert read(str(path), tell=told.append)["text"].tolist() == ["fine �"] * 3
    assert [line for line in told if "half a surrogate" in line] == [
        f"{path}: 3 cells have half a surrogate pair in them, which is read as �"
    ]


def test_several_files_and_patterns(tmp_path):
    for number in (1, 2):
        FRAME.iloc[(number - 1) * 15 : number * 15].to_parquet(tmp_path / f"part-{number}.parquet")
    pattern, listed = (
        tmp_path / "part-*.parquet",
        f"{tmp_path}/part-1.parquet,{tmp_path}/part-2.parquet",
    )
    for source in (pattern, listed, tmp_path):
        table = read(str(source))
        assert list(table.itertuples(index=False, name=None)) == ROWS
        assert table.index[15] == f"{tmp_path}/part-2.parquet row 1"
    with pytest.raises(DataError, match="no file has a name of this pattern"):
        read(str(tmp_path / "x-*.csv"))


ENCODED = "text,label\n" + "".join(f"ein schöner Film {i},{i % 2}\n" for i in range(20))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_byte_order_marks(tmp_path, encoding):
    path = tmp_path / "r.csv"
    path.write_bytes(ENCODED.encode(encoding))
    assert rows(path)[3] == ("ein schöner Film 3", "1")
    assert len(read_texts(str(path))) == 20


def test_other_encodings_are_named_and_not_guessed(tmp_path):
    from search.corpus.dialect import Form

    path = tmp_path / "r.csv"
    for encoding, text in (
        ("cp1252", ENCODED),
        ("cp1251", ENCODED.replace("schöner", "плохой фильм")),
    ):
        path.write_bytes(text.encode(encoding))
        with pytest.raises(
            DataError, match=rf"line 2 has the byte .*--encoding {encoding}; or save"
        ):
            read(str(path))
        assert (
            "ö" in ENCODED and "�" not in read(str(path), form=Form(encoding=encoding))["text"][1]
        )
    with pytest.raises(DataError, match="--encoding klingon: there is no such encoding"):
        read(str(path), form=Form(encoding="klingon"))


def test_texts_and_labels_in_two_files(tmp_path):
    from search.corpus.reading import read_splits
    from search.settings import Settings

    (tmp_path / "t.txt").write_text("".join(f"film {i} x{i * 7}\n" for i in range(40)))
    (tmp_path / "y.txt").write_text("good\nbad\n" * 20)
    settings = Settings(data=str(tmp_path / "t.txt"), labels=tmp_path / "y.txt")
    splits = read_splits(settings)
    texts = [text for split in splits.values() for text in split.texts]
    labels = [split.class_names[y] for split in splits.values() for y in split.labels]
    assert {(t, y) for t, y in zip(texts, labels, strict=True)} == {
        (f"film {i} x{i * 7}", ("good", "bad")[i % 2]) for i in range(40)
    }
    (tmp_path / "y.txt").write_text("good\nbad\n" * 19)
    with pytest.raises(DataError, match=r"each of the 40 lines of .*t.txt, found 38"):
        read_splits(settings)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (gzip.compress(LINES.encode()), "compressed by gzip: give it the ending .gz"),
        (zstandard.compress(LINES.encode()), "compressed by Zstandard"),
        (b"PAR1" + bytes(99), "a Parquet file: give it the ending .parquet"),
        (b"PK\x03\x04" + bytes(99), "a zip archive or a workbook"),
        (b"\xd0\xcf\x11\xe0" + bytes(99), "an old workbook or document of Office"),
        (b"\x80\x04\x95" + bytes(99), "a pickle, which is not read"),
        (b"<!DOCTYPE html>\n<html></html>\n", "it is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid 1\n", "git lfs pull"),
        (b"text,label\nfi\0ne,1\n" + b"fine,1\n" * 9, "line 2 has a NUL character"),
    ],
)
def test_what_a_file_is_whatever_its_name_says(tmp_path, content, message):
    (tmp_path / "r.csv").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read(str(tmp_path / "r.csv"))


def test_the_endings_of_fasttexts_own_files(tmp_path):
    path = tmp_path / "cooking.train"
    path.write_text("".join(f"__label__{y}\t{' '.join(t.split())}\n" for t, y in ROWS))
    assert rows(path) == [(" ".join(t.split()), y) for t, y in ROWS]


def test_the_one_table_of_an_archive(tmp_path):
    path = tmp_path / "archive.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("reviews/README.md", "what it is")
        archive.writestr("reviews/r.csv", FRAME.to_csv(index=False))
    assert rows(path) == ROWS


@pytest.mark.parametrize("ending", ["xlsx", "ods"])
def test_a_workbook_with_a_title(tmp_path, ending):
    path, told = tmp_path / f"r.{ending}", []
    lines = [["Reviews of 2024", None, None], [None] * 3, ["id", "Review Text", "Rating"]]
    lines += [[number, *row] for number, row in enumerate(ROWS)]
    pd.DataFrame(lines).to_excel(str(path), index=False, header=False)
    table = read(str(path), tell=told.append)
    assert list(table.itertuples(index=False, name=None)) == ROWS
    assert "a header, 2 rows above it passed over; text: Review Text, label: Rating" in told[0]


def test_a_workbook_of_two_columns_with_unusual_names(tmp_path):
    FRAME.set_axis(["Satz", "Ton"], axis=1).to_excel(tmp_path / "r.xlsx", index=False)
    assert rows(tmp_path / "r.xlsx") == ROWS


def test_merged_cells_and_formulas_are_told(tmp_path):
    """A program that is not Excel sees no value in them."""
    book = openpyxl.Workbook()
    book.active.append(["text", "label"])
    for row, (text, _) in enumerate(ROWS):
        book.active.append([text, f"=1+{row}"])
    book.active.merge_cells("A2:A4")
    book.save(tmp_path / "r.xlsx")
    told = []
    table = read(str(tmp_path / "r.xlsx"), tell=told.append)
    assert table["label"].isna().all() and table["text"].isna().sum() == 2
    assert "1 area of merged cells, of which only the first has the value" in told[0]
    assert "30 formulas without their values: open and save it once" in told[0]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("r.xls", "found .xls; save it as .xlsx"),
        ("r.sqlite", "found .sqlite; save its table as .csv or .parquet"),
        ("r.gsheet", "only a link to a table of Google"),
        ("r.docx", "found .docx; save its texts as .csv"),
        ("r.pdf.gz", "found .gz with .pdf in it; save its texts"),
        ("r.what", "found .what$"),
    ],
)
def test_files_of_other_kinds(tmp_path, name, told):
    (tmp_path / name).write_bytes(b"content")
    with pytest.raises(DataError, match=told):
        read(str(tmp_path / name))


def test_a_large_file_of_one_column_is_refused_by_its_head(tmp_path):
    path = tmp_path / "r.csv"
    path.write_text("text\n" + "a text of a line, and no label\n".replace(",", "") * 200_000)
    with pytest.raises(NoLabels, match=r"found one column \('text'\); .*--labels"):
        read(str(path))
    assert len(read_texts(str(path))) == 200_000


@pytest.mark.parametrize("ending", PACKERS)
def test_streams_one_behind_the_other(tmp_path, ending):
    """As programs write them that compress in parallel, and tapes fill them up."""
    path, pack = tmp_path / f"r.csv{ending}", PACKERS[ending]
    half = len(FRAME) // 2
    first = pack(FRAME[:half].to_csv(index=False).encode())
    second = pack(FRAME[half:].to_csv(index=False, header=False).encode())
    path.write_bytes(first + bytes(64) + second + bytes(200_000))
    assert rows(path) == ROWS
    path.write_bytes(first + b"\xff" + second[1:])
    with pytest.raises(DataError, match="cannot be decompressed"):
        read(str(path))


def test_empty_files_among_others(tmp_path):
    """As Spark leaves them, of partitions without rows."""
    FRAME.to_csv(tmp_path / "part-1.csv", index=False)
    (tmp_path / "part-0.csv").touch()
    (tmp_path / "part-2.csv").write_text("text,label\n")
    told = []
    assert len(read(str(tmp_path), tell=told.append)) == len(FRAME)
    assert [line.rpartition("/")[2] for line in told[1:]] == [
        "part-0.csv: the file is empty; passed over",
        "part-2.csv: there are no rows in it; passed over",
    ]
    (tmp_path / "part-1.csv").unlink()
    with pytest.raises(DataError, match=r"part-0.csv: the file is empty"):
        read(str(tmp_path))


@pytest.mark.parametrize("kind", ["texts", "few of them", "large"])
def test_texts_of_parquet_that_are_not_utf_8(tmp_path, kind):
    """As other programs write them that do not look at what they write."""
    content = b"finecaf\xe9"
    offsets = pa.py_buffer(np.array([0, 4, 8], np.int64 if kind == "large" else np.int32))
    of_kind = pa.large_string() if kind == "large" else pa.string()
    texts = pa.Array.from_buffers(of_kind, 2, [None, offsets, pa.py_buffer(content)])
    if kind == "few of them":
        texts = pa.DictionaryArray.from_arrays(pa.array([0, 1]), texts)
    pq.write_table(pa.table({"text": texts, "label": ["a", "b"]}), tmp_path / "r.parquet")
    with pytest.raises(DataError, match=r"row 2: .* column 'text', found bytes that are not UTF-8"):
        read(str(tmp_path / "r.parquet"))
