import gzip

import pandas as pd
import pytest
import zstandard

from search.corpus.sources import read
from search.errors import DataError

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
