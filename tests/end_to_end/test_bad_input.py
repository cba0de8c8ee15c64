"""Bad input is a normal input: exit code 2, one clear message, no traceback, nothing left."""

import gzip
import re
import signal

import pytest
from typer.testing import CliRunner

from search.run import app
from tests.conftest import run_command

GOOD = "text,label\n" + "".join(
    f"review number {i} is {('bad', 'good')[i % 2]},{i % 2}\n" for i in range(60)
)


def rows(labels, header="text,label"):
    return header + "\n" + "".join(f"review {i},{label}\n" for i, label in enumerate(labels))


def deep_folder(path):
    (path / "pos").mkdir(parents=True)
    (path / "pos" / "1.txt").write_bytes(b"caf\xe9")
    return path


# name: (file name, content, words of the message)
FILES = {
    "empty file": ("r.csv", b"", "is empty"),
    "only white space": ("r.csv", b"\n \n", "is empty"),
    "header only": ("r.csv", b"text,label\n", "no rows"),
    "half of UTF-16": ("r.csv", GOOD.encode("utf-16")[:-1], "not UTF-16"),
    "UTF-16 without a mark": ("r.csv", GOOD.encode("utf-16-le"), "line 1 has a NUL.*--encoding"),
    "commas in texts": (
        "r.csv",
        GOOD.replace("number", "number,").encode(),
        "line 2: expected 2 fields, found 3",
    ),
    "a class of two commas or semicolons": (
        "r.csv",
        b"".join(b"bad, number %d;%d\n" % (i, i % 2) for i in range(60)),
        "',' or ';'. Say it with --delimiter",
    ),
    "rows in a quoted text": (
        "r.csv",
        GOOD.replace("review number 9 is good", '"review number 9 is good')
        .replace("review number 12 is bad", 'the end"')
        .encode(),
        r"line 11: the quoted text .* goes on to line 14, .*'review number 10 is bad,0'",
    ),
    "Latin-1": (
        "r.csv",
        GOOD.replace("good", "g\xf6\xf6d").encode("latin-1"),
        "line 3 .*0xf6.*--encoding",
    ),
    "NUL bytes": ("r.csv", GOOD.replace("number 7", "number \0").encode(), "line 9 .*NUL"),
    "binary": ("r.csv", bytes(range(256)) * 50, "NUL byte"),
    "a 5 MB line": ("r.csv", GOOD.encode() + b"x" * 5_000_000 + b",1\n", "row 61 .*5,000,000"),
    "open quotation mark": (
        "r.csv",
        GOOD.replace("review number 9", '"review number 9').encode(),
        "quotation mark|EOF inside string",
    ),
    "too many fields": ("r.csv", GOOD.encode() + b"a,b,c,d\n", "line 62"),
    "null labels": ("r.csv", rows(["", "", "1", "0"] * 20).encode(), "40 of 80 rows .*row 1"),
    "one class": ("r.csv", rows(["1"] * 50).encode(), "every label is '1'"),
    "a class with one row": ("r.csv", rows(["1"] * 50 + ["0"]).encode(), "class '0' has 1 row"),
    "labels that are numbers on a scale": (
        "r.csv",
        rows([f"{i / 7:.3f}" for i in range(200)]).encode(),
        "200 different labels",
    ),
    "duplicate columns": ("r.csv", rows("01" * 30, "text,text").encode(), "'text' 2 times"),
    "no usual columns": (
        "r.csv",
        b"aa,bb,cc\n" + b"a,b,1\n" * 20,
        "aa, bb, cc.*--text-column",
    ),
    "two text columns": (
        "r.csv",
        b"text,review,label\n" + b"a,b,1\n" * 20,
        "several could be it .text, review.",
    ),
    "only copies": ("r.csv", b"text,label\n" + b"same,1\n" * 20 + b"other,0\n" * 20, "different"),
    "not gzip": ("r.csv.gz", GOOD.encode(), "decompressed"),
    "cut gzip": ("r.csv.gz", gzip.compress(GOOD.encode())[:60], "decompressed"),
    "not zstandard": ("r.csv.zst", GOOD.encode(), "decompressed"),
    "not parquet": ("r.parquet", GOOD.encode(), "not a Parquet file"),
    "not JSON": ("r.jsonl", b'{"text": "a", "label": 1}\n{oops\n', "line 2 is not JSON"),
    "JSON but no objects": ("r.jsonl", b'["a", 1]\n', "line 1: expected an object"),
    "JSON without the columns": ("r.jsonl", b'{"a": 1, "b": 2}\n', "Its columns are: a, b"),
    "not a workbook": ("r.xlsx", b"PK\x03\x04", "not a .xlsx file"),
    "unknown ending": ("r.doc", b"PK\x03\x04", "ending in .csv"),
    "no labels": ("r.txt", b"a fine film\na dull film\n", "expected labelled texts.*--labels"),
    "an archive": ("r.tar.gz", b"x", "is an archive; unpack it"),
    "lists for texts": ("r.jsonl", b'{"text": ["a"], "label": 1}\n' * 20, "row 1: .* a list"),
    "numbers for texts": ("r.jsonl", b'{"text": 3, "label": 1}\n' * 20, "has numbers only"),
}

# name: (options, words of the message)
OPTIONS = {
    "missing file": (["--data", "nowhere.csv"], "no such file"),
    "misspelt data set": (["--data", "rotten-tomato"], "known: rotten-tomatoes, imdb"),
    "unknown text column": (["--data", "good.csv", "--text-column", "txt"], "text, label"),
    "unknown label column": (["--data", "good.csv", "--label-column", "stars"], "text, label"),
    "one column for both": (["--data", "good.csv", "--text-column", "label"], "cannot be both"),
    "columns for a named set": (["--data", "imdb", "--text-column", "text"], "cannot be used"),
    "folder without classes": (["--data", "empty"], "one folder of .txt files"),
    "folder with an empty class": (["--data", "hollow"], "found none"),
    "folder with a file in Latin-1": (["--data", "latin"], "0xe9"),
    "missing validation file": (["--data", "good.csv", "--validation", "v.csv"], "v.csv: no such"),
    "further texts and none": (
        ["--data", "good.csv", "--unlabelled", "none", "--unlabelled", "imdb"],
        "--unlabelled none excludes other texts",
    ),
    "further texts without the named column": (
        ["--data", "good.csv", "--text-column", "text", "--unlabelled", "other.csv"],
        "other.csv: there is no column 'text'; its columns are: words",
    ),
    "missing test file": (["--data", "good.csv", "--test", "t.csv"], "t.csv: no such"),
    "other labels in the test file": (
        ["--data", "good.csv", "--test", "stars.csv"],
        "'2' at row 2 .* 0, 1",
    ),
    "no trials": (["--trials", "0"], "--trials.*greater than or equal to 1"),
    "minus one trial": (["--trials", "-1"], "--trials.*greater than or equal to 1"),
    "trials that are no number": (["--trials", "x"], "--trials.*valid integer"),
    "half a trial": (["--trials", "2.5"], "--trials.*valid integer"),
    "unknown algorithm": (["--tuner", "magic"], "--tuner.*'magic'"),
    "unknown option": (["--trails", "20"], "No such option.*--tr"),
    "a word too many": (["good.csv"], "unexpected argument 'good.csv': .* --data good.csv"),
    "a pattern that the shell replaced": (
        ["--data", "a.csv", "b.csv"],
        "unexpected argument 'b.csv': .* a pattern .* needs quotation marks",
    ),
    "no epochs": (["--max-epochs", "0"], "--max-epochs"),
    "negative patience": (["--patience", "-1"], "--patience"),
    "no batch": (
        ["--data", "good.csv", "--set", "batch_size=0"],
        "batch_size: expected 1 to 65536, found 0",
    ),
    "no workers": (["--workers", "0"], "--workers"),
    "seed that is no number": (["--seed", "lucky"], "--seed"),
    "results without a name": (["--results", ""], "--results.*expected a directory, found ''"),
    "results is a file": (["--data", "good.csv", "--results", "good.csv"], "good.csv: .*--results"),
    "results are a link to nothing": (
        ["--data", "good.csv", "--results", "gone/r"],
        "gone is a link that leads nowhere; choose another",
    ),
    "results in a folder of classes": (
        ["--data", "classes", "--results", "classes/r"],
        "--results classes/r: is in the folder of the data classes, and would be read",
    ),
    "results among the files of a pattern": (
        ["--data", "*.csv", "--results", "."],
        "is in the folder of the data ",
    ),
    "results below a file": (["--data", "good.csv", "--results", "good.csv/r"], "--results"),
    "results cannot be written": (["--data", "good.csv", "--results", "/proc/r"], "--results"),
}

# name: (file name, content, words of the message); further texts, beside good data
UNLABELLED = {
    "missing": ("more.txt", None, "more.txt: no such file or folder.* rotten-tomatoes, imdb"),
    "empty": ("more.txt", b"", "more.txt: the file is empty"),
    "blank lines": ("more.txt", b"\n \r\n\t\n", "more.txt: the file is empty"),
    "Latin-1": ("more.txt", b"fine\ncaf\xe9\n", "more.txt: line 2 .*0xe9.*--encoding"),
    "NUL bytes": ("more.txt", b"fine\na\0b\n", "more.txt: line 2 has a NUL byte"),
    "an endless line": ("more.txt", b"fine\n" + b"x" * 2_000_001, "more.txt: .*row 2 .*2,000,001"),
    "not gzip": ("more.txt.gz", b"fine\n", "more.txt.gz: cannot be decompressed"),
    "header only": ("more.csv", b"text\n", "more.csv: there are no rows"),
    "empty texts": ("more.csv", b'id,text\n1,\n2," "\n', "more.csv: expected texts .* found none"),
    "no text column": ("more.csv", b"id,words\n1,a\n", "more.csv: .*id, words.*--text-column"),
    "unknown ending": ("more.doc", b"fine\n", r"more.doc: expected .*\.csv.*\.txt.* found .doc"),
    "folder without texts": (
        "empty",
        None,
        "empty: expected .txt files, one text each, found none",
    ),
    "folder with a file in Latin-1": ("latin", None, "1.txt: line 1 .*0xe9"),
}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.csv").write_text(GOOD, encoding="utf-8")
    (tmp_path / "stars.csv").write_text(rows("12345" * 12), encoding="utf-8")
    (tmp_path / "other.csv").write_text("words\nfine\n", encoding="utf-8")
    (tmp_path / "empty").mkdir()
    (tmp_path / "gone").symlink_to("nowhere")
    deep_folder(tmp_path / "classes")
    (tmp_path / "hollow" / "pos").mkdir(parents=True)
    deep_folder(tmp_path / "latin")
    return tmp_path


def refused(options, message, here):
    before = sorted(str(p) for p in here.rglob("*"))
    result = CliRunner().invoke(app, [str(o) for o in options], prog_name="python -m search.run")
    output = " ".join(result.stderr.split())
    assert result.exit_code == 2, f"{result.exit_code}: {output} {result.exception!r}"
    assert re.search(message, output), output
    assert "Traceback" not in output
    assert len(output) < 1000
    assert result.stdout == ""
    assert sorted(str(p) for p in here.rglob("*")) == before, "something was left behind"


@pytest.mark.parametrize("name", FILES)
def test_files(here, name):
    file, content, message = FILES[name]
    (here / file).write_bytes(content)
    refused(["--data", file], message, here)


@pytest.mark.parametrize("name", OPTIONS)
def test_options(here, name):
    options, message = OPTIONS[name]
    refused(options, message, here)


@pytest.mark.parametrize("name", UNLABELLED)
def test_further_texts(here, name):
    file, content, message = UNLABELLED[name]
    if content is not None:
        (here / file).write_bytes(content)
    refused(["--data", "good.csv", "--unlabelled", file], message, here)


def test_as_a_process(here):
    """The same through the real command: one line on stderr, exit code 2."""
    done = run_command("search.run", "--data", "nowhere.csv", cwd=here)
    assert done.returncode == 2
    assert done.stdout == ""
    assert [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "Traceback" not in done.stderr


def test_debug_shows_the_traceback(here):
    done = run_command("search.run", "--data", "nowhere.csv", "--debug", cwd=here)
    assert done.returncode == 1
    assert "DataError" in done.stderr and "Traceback" in done.stderr


def test_signal_numbers_are_as_shells_expect():
    from search.errors import Interrupted

    assert Interrupted("", signal.SIGINT).exit_code == 130
    assert Interrupted("", signal.SIGTERM).exit_code == 143
