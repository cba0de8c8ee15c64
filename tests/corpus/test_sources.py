"""Reviews and texts from files, folders and named data sets: the same rows from every format."""

import gzip

import pandas as pd
import pytest
import zstandard

from search.corpus.load import load_corpus
from search.corpus.reading import read_unlabelled
from search.corpus.sources import read, read_texts
from search.errors import DataError
from search.settings import Settings
from tests.conftest import SAMPLE

ROWS = [("a warm, funny film", "pos"), ("dull and far\ntoo long", "neg")]
FRAME = pd.DataFrame(ROWS, columns=["review", "sentiment"])


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".jsonl", ".parquet", ".csv.gz", ".csv.zst"])
def test_formats_give_the_same_rows(tmp_path, ending):
    path = tmp_path / f"reviews{ending}"
    if ending == ".parquet":
        FRAME.to_parquet(path)
    elif ending == ".jsonl":
        FRAME.to_json(path, orient="records", lines=True)
    else:
        text = FRAME.to_csv(index=False, sep="\t" if ending == ".tsv" else ",").encode()
        if ending.endswith(".gz"):
            text = gzip.compress(text)
        if ending.endswith(".zst"):
            text = zstandard.compress(text)
        path.write_bytes(text)
    table = read(str(path))
    assert list(table.itertuples(index=False, name=None)) == ROWS
    assert list(table.index) == [1, 2]


def test_folder_of_classes(tmp_path):
    for name, text in (("neg", "dull"), ("pos", "warm"), ("pos", "funny")):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        (folder / f"{text}.txt").write_text(text, encoding="utf-8")
    (tmp_path / ".hidden").mkdir()
    table = read(str(tmp_path))
    assert list(table["text"]) == ["dull", "funny", "warm"]
    assert list(table["label"]) == ["neg", "pos", "pos"]
    assert table.index[0] == str(tmp_path / "neg" / "dull.txt")


def test_named_data():
    table = read("rotten-tomatoes")
    assert len(table) == 8530
    assert table["label"].value_counts().to_dict() == {"negative": 4265, "positive": 4265}
    assert len(read("imdb")) == 25000


def test_words_for_missing_values_are_words(tmp_path):
    path = tmp_path / "r.csv"
    path.write_text('text,label\nNone,a\nNA,a\n"",b\nnull,nan\n', encoding="utf-8")
    table = read(str(path))
    assert list(table["text"]) == ["None", "NA", None, "null"]
    assert list(table["label"]) == ["a", "a", "b", "nan"]


def test_byte_order_mark_is_not_part_of_the_first_column(tmp_path):
    path = tmp_path / "r.csv"
    path.write_bytes(b"\xef\xbb\xbftext,label\nfine,1\n")
    assert list(read(str(path)).columns) == ["text", "label"]


def test_named_columns(tmp_path):
    path = tmp_path / "r.csv"
    path.write_text("text,body,label,stars\na,b,c,d\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"several could be it \(text, body\).*--text-column"):
        read(str(path))
    table = read(str(path), "body", "stars")
    assert table.iloc[0].to_list() == ["b", "d"]


def test_a_long_review_is_fine_and_an_endless_one_is_not(tmp_path):
    path = tmp_path / "r.csv"
    path.write_text("text,label\n" + "word " * 200_000 + ",1\n", encoding="utf-8")
    assert len(read(str(path))["text"].iloc[0]) == 1_000_000
    path.write_text("text,label\n" + "word " * 1_000_000 + ",1\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"row 1 has 5,000,000 characters"):
        read(str(path))


LINES = "\ufefffirst, with a comma\r\n\r\n  \r\nthe \u2028 second \r\n\n日本".encode()
TEXTS = ["first, with a comma", "the \u2028 second", "日本"]


@pytest.mark.parametrize("ending", [".txt", ".txt.gz", ".TXT.zst"])
def test_one_text_a_line(tmp_path, ending):
    """Blank lines are none, and neither line ends nor the byte-order mark are part of a text."""
    path = tmp_path / f"more{ending}"
    packed = {".gz": gzip.compress, ".zst": zstandard.compress}.get(path.suffix, bytes)
    path.write_bytes(packed(LINES))
    assert list(read_texts(str(path))) == TEXTS
    assert list(read_texts(str(path), "review")) == TEXTS, "columns are for tables"


def test_texts_of_a_folder(tmp_path):
    """All .txt files however deep, each one text; the same as `read` where there are classes."""
    names = ["1.txt", "neg/1.txt", "pos/deep/2.txt", "pos/notes.md", ".git/3.txt", "pos/.4.txt"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"\n{name}:\ntwo lines\n", encoding="utf-8")
    (tmp_path / "folder.txt").mkdir()
    expected = [f"{name}:\ntwo lines" for name in names[:3]]
    assert list(read_texts(str(tmp_path))) == expected


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
def test_texts_of_a_table_need_no_label(tmp_path, ending):
    path = tmp_path / f"more{ending}"
    frame = pd.DataFrame({"id": [1, 2, 3], "review": [" a film ", None, "NA"], "body": list("xyz")})
    if ending == ".parquet":
        frame.to_parquet(path)
    elif ending == ".jsonl":
        frame.to_json(path, orient="records", lines=True)
    else:
        frame.to_csv(path, index=False)
    with pytest.raises(DataError, match=r"several could be it \(review, body\).*--text-column"):
        read_texts(str(path))
    assert list(read_texts(str(path), "review")) == ["a film", "NA"]
    assert list(read_texts(str(path), "body")) == ["x", "y", "z"]


def test_texts_of_a_named_data_set():
    texts = read_texts("rotten-tomatoes")
    assert list(texts) == list(read("rotten-tomatoes")["text"].str.strip())


def unlabelled(data, *sources, **more):
    return read_unlabelled(Settings(data=data, unlabelled=sources or None, **more))


def test_what_comes_with_a_named_data_set():
    assert len(unlabelled("rotten-tomatoes")) == 25_000
    assert len(unlabelled("rotten-tomatoes", "none")) == 0
    assert len(unlabelled("imdb")) == len(unlabelled(str(SAMPLE))) == 0


def test_several_sources_one_after_another(tmp_path):
    (tmp_path / "a.txt").write_text("one\ntwo\n", encoding="utf-8")
    (tmp_path / "b.csv").write_text("body,text\nthree,x\n", encoding="utf-8")
    (tmp_path / "data.csv").write_text("body,text,label\nx,y,1\n", encoding="utf-8")
    sources = [str(tmp_path / name) for name in ("b.csv", "a.txt")]
    column = {"text_column": "body"}
    assert list(unlabelled(str(tmp_path / "data.csv"), *sources, **column)) == [
        "three",
        "one",
        "two",
    ]
    with pytest.raises(DataError, match="none excludes other texts"):
        unlabelled(str(SAMPLE), "none", "imdb")


def test_unlabelled_texts_become_part_of_the_corpus(tmp_path):
    """Their words follow those of the training texts, and they make the corpus another one."""
    more = tmp_path / "more.txt"
    more.write_text("film zyzzyva zyzzyva\nfilm quux\n", encoding="utf-8")
    plain = load_corpus(Settings(data=str(SAMPLE)))
    corpus = load_corpus(Settings(data=str(SAMPLE), unlabelled=(str(more),)))
    assert corpus.vocabulary == (*plain.vocabulary, "zyzzyva", "quux")
    assert len(plain.unlabelled) == 0 and len(corpus.unlabelled) == 2
    words = ["", "", *corpus.vocabulary]
    expected = ["film", "zyzzyva", "zyzzyva", "film", "quux"]
    assert [words[n] for n in corpus.unlabelled.ids] == expected
    assert corpus.unlabelled.offsets.tolist() == [0, 3, 5]
    assert corpus.facts["rows"]["unlabelled"] == 2
    assert corpus.fingerprint != plain.fingerprint
    for split in ("train", "validation", "test"):
        assert (getattr(corpus, split).ids == getattr(plain, split).ids).all()
    corpus.save(tmp_path / "saved")
    assert corpus.is_saved(tmp_path / "saved")
    assert not plain.is_saved(tmp_path / "saved")


def test_the_standard_input_is_no_file():
    with pytest.raises(DataError, match=r"-: the standard input is not read, .*; save them"):
        read("-")


def test_numbers_called_reviews_are_refused_unless_named(tmp_path):
    path = tmp_path / "r.csv"
    path.write_text("Reviews,Category\n" + '"1,037",A\n25,B\n,A\n' * 20, encoding="utf-8")
    with pytest.raises(DataError, match=r"'Reviews' has numbers only \(1,037\); name the one"):
        read(str(path))
    assert len(read(str(path), "Reviews")) == 60


def test_empty_rows_that_spreadsheets_write_at_the_end(tmp_path):
    path = tmp_path / "r.csv"
    path.write_text("text,label\n" + "fine,a\n,\ndull,b\n" + ",\n" * 1000, encoding="utf-8")
    assert len(read(str(path))) == 3


def test_texts_saved_in_a_wrong_encoding_are_told(tmp_path):
    path, told = tmp_path / "r.csv", []
    rows = "it’s fine,a\ncafé,b\nÃO,b\n"
    path.write_text("text,label\n" + rows, encoding="utf-8")
    read(str(path), tell=told.append)
    assert len(told) == 1
    path.write_text("text,label\n" + rows.encode().decode("cp1252", "ignore"), encoding="utf-8")
    read(str(path), tell=told.append)
    assert len(told) == 3 and "2 texts with signs such as 'Ã©'" in told[-1]
