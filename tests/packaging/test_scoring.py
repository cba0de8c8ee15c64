"""A file comes back with the answers beside its rows, and otherwise as it was."""

import bz2
import csv
import gzip
import json
import lzma
import subprocess
import sys
from dataclasses import replace

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from search.corpus import sources as reviews
from search.corpus.dialect import Form
from search.errors import DataError
from search.packaging import copies
from search.packaging.classifier import load_classifier
from search.packaging.scoring import check_files, score_file, target_of
from tests.conftest import SAMPLE

ROWS = [
    ("01", "a warm, funny film"),
    ("2.50", 'he said "no"\nand left'),
    ("", ""),
    ("NA", "😀 ÜBER"),
]
ADDED = ["label", "probability", "abstain"]


@pytest.fixture(scope="module")
def classifier(model_file):
    return load_classifier(model_file)


def table(ending):
    """The bytes of a file with the columns id and text."""
    if ending.startswith(".jsonl"):
        content = "".join(json.dumps({"id": i, "text": t}) + "\n" for i, t in ROWS).encode()
    else:
        frame = pd.DataFrame(ROWS, columns=["id", "text"])
        separator = "\t" if ending.startswith(".tsv") else ","
        content = frame.to_csv(index=False, sep=separator).encode()
    if ending.endswith(".gz"):
        return gzip.compress(content)
    return zstandard.compress(content) if ending.endswith(".zst") else content


def read(path):
    if ".jsonl" in path.name:
        return pd.read_json(path, lines=True, dtype=False)
    separator = "\t" if ".tsv" in path.name else ","
    return pd.read_csv(path, sep=separator, dtype={"id": str}, keep_default_na=False)


@pytest.mark.parametrize(
    "ending", [".csv", ".tsv", ".jsonl", ".csv.gz", ".jsonl.gz", ".csv.zst", ".jsonl.zst"]
)
def test_every_format(tmp_path, classifier, ending):
    source = tmp_path / f"reviews{ending}"
    source.write_bytes(table(ending))
    target = target_of(source)
    assert target == tmp_path / f"reviews.predicted{ending}"
    check_files(source, target)
    found = score_file(source, target, classifier)
    frame, answers = read(target), classifier.classify([text for _, text in ROWS])
    assert list(frame) == ["id", "text", *ADDED]
    assert list(frame[["id", "text"]].itertuples(index=False, name=None)) == ROWS
    assert frame["label"].tolist() == answers.labels
    assert frame["probability"].tolist() == pytest.approx(answers.probability.tolist(), abs=1e-6)
    assert frame["abstain"].tolist() == answers.abstain.tolist()
    assert found == {
        "rows": 4, "empty": 1, "abstained": answers.abstain.sum(), "columns": ADDED,
        "labels": pd.Series(answers.labels).value_counts().to_dict(),
    }  # fmt: skip
    assert {p.name for p in tmp_path.iterdir()} == {source.name, target.name}


def test_parquet(tmp_path, classifier):
    """Types, nulls and the other columns stay; a dictionary of texts is texts."""
    source, target = tmp_path / "r.parquet", tmp_path / "out.parquet"
    texts = ["fine", None, "dull"] * 1500
    before = pa.table(
        {
            "when": pa.array([1, None, 3] * 1500, pa.timestamp("ms")),
            "text": pa.array(texts).dictionary_encode(),
            "parts": pa.array([["a"], [], None] * 1500),
        }
    )
    pq.write_table(before, source, row_group_size=700)
    found = score_file(source, target, classifier)
    after = pq.read_table(target)
    assert after.column_names == ["when", "text", "parts", *ADDED]
    assert after.select(["when", "parts"]).equals(before.select(["when", "parts"]))
    assert after["text"].to_pylist() == texts
    fine, missing, dull = classifier.classify(["fine", "", "dull"]).labels
    assert after["label"].to_pylist() == [fine, missing, dull] * 1500
    assert [str(field.type) for field in after.schema][3:] == ["string", "double", "bool"]
    assert found["rows"] == 4500 and found["empty"] == 1500


def test_a_field_of_structs_in_parquet(tmp_path, classifier):
    """They stay structs in the copy."""
    source, target = tmp_path / "r.parquet", tmp_path / "out.parquet"
    before = pa.table({"review": [{"text": "fine", "id": 1}, None, {"text": "dull", "id": 2}]})
    pq.write_table(before, source)
    score_file(source, target, classifier)
    after = pq.read_table(target)
    assert after.select(["review"]).equals(before)
    assert after["label"].to_pylist() == list(classifier.classify(["fine", "", "dull"]).labels)


@pytest.mark.parametrize("name", ["r.txt", "texts"])
@pytest.mark.parametrize("end", ["", "\n"])
def test_a_file_of_one_text_a_line(tmp_path, classifier, name, end):
    """Commas are no columns, and a blank line is a text without words."""
    texts = ["fine, and warm, film", "", "dull", 'a "text" of 3; more']
    (tmp_path / name).write_text("\n".join(texts) + end)
    found = score_file(tmp_path / name, tmp_path / "o.csv", classifier)
    table = pd.read_csv(tmp_path / "o.csv", keep_default_na=False)
    assert table["text"].tolist() == texts and found["empty"] == 1
    assert table["label"].tolist() == list(classifier.classify(texts).labels)


def test_json_stays_as_it_was_to_the_letter(tmp_path, classifier):
    source, target = tmp_path / "r.jsonl", tmp_path / "o.jsonl"
    lines = [
        '{"text": "\\ud800 fine", "n": 1.0, "big": 123456789012345678901234567890}',
        '  { "text" : null,"n":1e0 }  ',
        "",
        '{"other": [1, {"text": 2}]}',
        "{}",
        '{"text": 12}',
    ]
    source.write_text("\n".join(lines), encoding="utf-8")
    score_file(source, target, classifier)
    for before, after in zip(filter(None, lines), target.read_text().splitlines(), strict=True):
        assert after.startswith(before.strip()[:-1].rstrip())
        whole = json.loads(after)
        assert {k: v for k, v in whole.items() if k not in ADDED} == json.loads(before)
        assert list(whole)[-3:] == ADDED


def test_names_that_are_taken(tmp_path, classifier):
    source, target = tmp_path / "r.csv", tmp_path / "o.csv"
    source.write_text("text,label\nfine,1\n", encoding="utf-8")
    assert score_file(source, target, classifier)["columns"] == [f"predicted_{n}" for n in ADDED]
    assert list(pd.read_csv(target)) == ["text", "label", *(f"predicted_{n}" for n in ADDED)]
    with pytest.raises(DataError, match=r"already.*rename"):
        score_file(target, tmp_path / "again.csv", classifier)
    assert not (tmp_path / "again.csv").exists()


def test_no_threshold_leaves_abstain_empty(tmp_path, classifier):
    from dataclasses import replace

    description = classifier.description.model_copy(update={"abstain": None})
    source = tmp_path / "r.csv"
    source.write_text("text\nfine\n", encoding="utf-8")
    found = score_file(source, tmp_path / "o.csv", replace(classifier, description=description))
    assert found["abstained"] is None
    assert (tmp_path / "o.csv").read_text().splitlines()[1].endswith(",")


TEXTS = [f"film {i}, was {('dull', 'warm')[i % 2]}" for i in range(12)]
LABELS = [("bad", "good")[i % 2] for i in range(12)]
PAIRS = list(zip(TEXTS, LABELS, strict=True))
FRAME = pd.DataFrame(PAIRS, columns=["text", "label"])
OBJECTS = FRAME.to_json(orient="records", lines=True).encode()

# name: (file, bytes or a writer, form, whether the answers have a header)
TRAINED = {
    "semicolons": ("r.csv", FRAME.to_csv(index=False, sep=";").encode(), {}, True),
    "no header": ("r.tsv", FRAME.to_csv(index=False, header=False, sep="\t").encode(), {}, False),
    "numbers of columns": (
        "r.csv",
        FRAME.to_csv(index=False, header=False).encode(),
        {"no_header": True, "text_column": "1"},
        False,
    ),
    "marks never closed": (
        "r.tsv", b"text\tlabel\n" + b"".join(f'"{t}\t{y}\n'.encode() for t, y in PAIRS), {}, True,
    ),
    "apostrophes": ("r.csv", "".join(f"{y};'{t}; long'\n" for t, y in PAIRS).encode(), {}, False),
    "UTF-16": ("r.csv", FRAME.to_csv(index=False).encode("utf-16"), {}, True),
    "Windows": ("r.csv", FRAME.to_csv(index=False).encode("cp1252"), {"encoding": "cp1252"}, True),
    "old Mac": ("r.csv", FRAME.to_csv(index=False, lineterminator="\r").encode(), {}, True),
    "fastText": ("r.txt", "".join(f"__label__{y} {t}\n" for t, y in PAIRS).encode(), {}, True),
    "no ending": ("SMS", FRAME.to_csv(index=False, sep="\t").encode(), {}, True),
    "JSON lines": ("r.ndjson", OBJECTS, {}, True),
    "called JSON": ("r.json", OBJECTS, {}, True),
    "an array": ("r.json", FRAME.to_json(orient="records").encode(), {}, True),
    "bzip2": ("r.csv.bz2", bz2.compress(FRAME.to_csv(index=False).encode()), {}, True),
    "xz": ("r.jsonl.xz", lzma.compress(OBJECTS), {}, True),
    "a title above": ("r.csv", b"Reviews of 2024\n" + FRAME.to_csv(index=False).encode(), {}, True),
    "unknown names": (
        "r.csv", FRAME.set_axis(["Satz", "Ton"], axis=1).to_csv(index=False).encode(), {}, True,
    ),
    "fields of objects": (
        "r.jsonl",
        "".join(f'{{"id": {{"n": 1}}, "review": {{"text": "{t}"}}, "label": "{y}"}}\n'
                for t, y in PAIRS).encode(),
        {}, True,
    ),
    "a workbook": ("r.xlsx", lambda path: FRAME.to_excel(path, index=False), {}, True),
    "Feather": ("r.feather", lambda path: FRAME.to_feather(path), {}, True),
    "two columns": (
        "r.csv", FRAME.to_csv(index=False).encode(), {"text_column": "text,label"}, True,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TRAINED)
def test_what_trains_is_also_scored(tmp_path, classifier, name):
    """Row for row as `read` reads it."""
    file, content, form, header = TRAINED[name]
    source, column = tmp_path / file, form.get("text_column")
    content(source) if callable(content) else source.write_bytes(content)
    rest = Form(**{key: value for key, value in form.items() if key != "text_column"})
    label = "2" if column == "1" else "label" if column else None
    rows = reviews.read(str(source), None if column == "text,label" else column, label, rest)
    texts = rows["text"].tolist()
    if column == "text,label":
        texts = [f"{text} {label}" for text, label in PAIRS]
    told, target = [], target_of(source)
    check_files(source, target)
    found = score_file(source, target, classifier, column, form=rest, tell=told.append)
    assert found["rows"] == 12 and len(told) == 1 and f"{source}: " in told[0]
    wanted = classifier.classify(texts).labels
    if target.name.startswith("r.predicted.") and ("json" in target.name or "nd" in target.name):
        answers = pd.read_json(target, lines=True)["predicted_label"].tolist()
    else:
        dialect = {"sep": None, "engine": "python", "quotechar": "'" if "apo" in name else '"'}
        if file.endswith(".tsv"):
            dialect |= {"quoting": csv.QUOTE_NONE, "sep": "\t"}
        table = pd.read_csv(target, header=0 if header else None, **dialect)
        answers = table.iloc[:, 2].tolist()
        assert len(table.columns) == 5
    assert answers == wanted


BAD = {
    "no text column": ("r.csv", b"a,b\n1,2\n", "a, b.*--text-column"),
    "empty": ("r.csv", b"", "the file is empty"),
    "twice the same column": ("r.csv", b"text,text\na,b\n", "'text' 2 times"),
    "too many fields": ("r.csv", b"text,n\na,1\na,b,2\n", "line 3: expected 2 fields, found 3"),
    "open quotation mark": (
        "r.csv",
        b'text,n\n"a,1\nb,2\n',
        "line 2 on, line 3: .*quotation mark missing",
    ),
    "mark in a text": ("r.csv", b'text,n\n"a" b,1\n', "line 2: .*quotation mark"),
    "an endless cell": ("r.csv", b"text\n" + b"x" * 2_000_001, "row 1 has more than 2,000,000"),
    "Latin-1": ("r.csv", b"text\nfine\ncaf\xe9\n", "line 3 has the byte 0xe9.*UTF-8"),
    "Latin-1 in JSON": ("r.jsonl", b'{"text": "a"}\n{"text": "caf\xe9"}\n', "line 2 .*0xe9"),
    "half of UTF-16": ("r.csv", "text\nfine\n".encode("utf-16")[:-1], "not UTF-16"),
    "UTF-16 without a mark": ("r.csv", "text\n\xfc\n".encode("utf-16-le"), "--encoding"),
    "NUL": ("r.csv", b"text\na\nb\0\n", "row 2 has a NUL"),
    "not JSON": ("r.jsonl", b'{"text": "a"}\n{oops\n', "line 2 is not JSON"),
    "no object": ("r.jsonl", b'["a"]\n', "line 1: expected an object"),
    "no rows": ("r.jsonl", b"\n\n", "no rows"),
    "a new key far behind": (
        "r.jsonl",
        b'{"text": "a"}\n' * 2000 + b'{"text": "a", "label": 1}\n',
        "line 2001 has 'label', which the first lines have not",
    ),
    "not Parquet": ("r.parquet", b"text\nfine\n", "not a Parquet file"),
    "not gzip": ("r.csv.gz", b"text\nfine\n", "cannot be decompressed"),
    "half of a gzip": ("r.csv.gz", gzip.compress(SAMPLE.read_bytes())[:5000], "decompressed"),
    "not zstandard": ("r.csv.zst", b"text\nfine\n", "cannot be decompressed"),
    "half of a zstandard": (
        "r.csv.zst",
        zstandard.compress(SAMPLE.read_bytes())[:5000],
        "cannot be decompressed",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_leave_nothing(tmp_path, classifier, name):
    file, content, message = BAD[name]
    source = tmp_path / file
    source.write_bytes(content)
    with pytest.raises(DataError, match=message):
        score_file(source, target_of(source), classifier)
    assert [p.name for p in tmp_path.iterdir()] == [file]


def test_bad_places(tmp_path):
    for name in ("r.csv", "r.doc", "r.xlsx"):
        (tmp_path / name).write_text("text\nfine\n", encoding="utf-8")
    (tmp_path / "folder.csv").mkdir()
    good = tmp_path / "r.csv"
    for source, target, message in (
        (tmp_path / "no.csv", tmp_path / "o.csv", "no such file"),
        (tmp_path, tmp_path / "o.csv", "is a folder"),
        (tmp_path / "r.doc", tmp_path / "o.csv", "found .doc"),
        (tmp_path / "r.xlsx", tmp_path / "o.xlsx", r"must end in \.csv"),
        (good, good, "is what is read.*--output FILE"),
        (good, tmp_path / "o.jsonl", r"must end in \.csv"),
        (good, tmp_path / "o.csv.gz", r"must end in \.csv"),
        (good, tmp_path / "folder.csv", "is a folder"),
        (good, tmp_path / "nowhere" / "o.csv", "there is no folder"),
    ):
        with pytest.raises(DataError, match=message):
            check_files(source, target)


def test_rows_come_in_pieces_and_in_order(tmp_path, classifier, monkeypatch):
    """Pieces end at a number of rows, and at a number of characters."""
    monkeypatch.setattr(copies, "MOST_ROWS", 7)
    monkeypatch.setattr(copies, "MOST_CHARACTERS", 300)
    texts = pd.read_csv(SAMPLE)["text"].tolist()[:100]
    texts = [text[: 10 + 40 * (n % 3)] for n, text in enumerate(texts)]
    pd.DataFrame({"n": range(100), "text": texts}).to_csv(tmp_path / "r.csv", index=False)
    sizes = []
    score_file(tmp_path / "r.csv", tmp_path / "o.csv", classifier, progress=sizes.append)
    assert len(sizes) > 15 and sizes[-1] == 100
    frame = pd.read_csv(tmp_path / "o.csv")
    assert frame["n"].tolist() == list(range(100))
    assert frame["label"].tolist() == classifier.classify(texts).labels


MEMORY = """
import resource, sys
from pathlib import Path
from search.packaging.classifier import load_classifier
from search.packaging.scoring import score_file
classifier = load_classifier(Path(sys.argv[1]))
for source, target in zip(sys.argv[2::2], sys.argv[3::2]):
    score_file(Path(source), Path(target), classifier)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.parametrize(
    "ending", [".csv", *(pytest.param(e, marks=pytest.mark.slow) for e in (".jsonl", ".parquet"))]
)
def test_memory_does_not_grow_with_the_file(tmp_path, model_file, ending):
    """A column beside the text makes a file large that is scored quickly: 10 MB, and 150 MB."""
    files = []
    for rows in (1_000, 15_000):
        path = tmp_path / f"{rows}{ending}"
        cell = "a page of text without an end, " * 330
        if ending != ".parquet":
            head, line = "", json.dumps({"text": "a fine film", "page": cell}) + "\n"
            if ending == ".csv":
                head, line = "text,page\r\n", f'a fine film,"{cell}"\r\n'
            with path.open("w", newline="", encoding="utf-8") as file:
                file.writelines([head, *[line] * rows])
        else:
            pages = [f"{n}{cell}" for n in range(500)]
            part = pa.table({"text": ["a fine film"] * 500, "page": pages})
            options = {"compression": "none", "use_dictionary": False}
            with pq.ParquetWriter(path, part.schema, **options) as out:
                for _ in range(rows // 500):
                    out.write_table(part)
        files += [str(path), str(path.with_stem("out"))]
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(model_file), *files],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    small, large = map(int, done.stdout.split())
    assert large - small < 60, (small, large)


@pytest.mark.parametrize("ending", [".csv", ".tsv"])
def test_no_label_is_a_formula(tmp_path, classifier, ending):
    names = ("=1+1", "＠SUM(A1)")
    odd = replace(
        classifier, description=classifier.description.model_copy(update={"class_names": names})
    )
    (tmp_path / f"r{ending}").write_bytes(table(ending))
    score_file(tmp_path / f"r{ending}", tmp_path / f"o{ending}", odd)
    assert set(read(tmp_path / f"o{ending}")["label"]) <= {"'=1+1", "'＠SUM(A1)"}
