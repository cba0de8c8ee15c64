"""Folders as people have them."""

import errno
import gzip
import json
import os

import datasets
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from search.corpus.folders import layout
from search.corpus.load import load_corpus
from search.corpus.reading import read_splits, read_unlabelled
from search.corpus.sources import read
from search.errors import DataError
from search.settings import Settings


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def classes(folder, ending=".txt", count=20, word="film"):
    for label in ("neg", "pos"):
        for number in range(count):
            write(folder / label / f"{number}{ending}", f"a {label} {word} {number} q{number * 7}")


def splits_of(**settings):
    told = []
    found = read_splits(Settings(**settings), told.append)
    return {name: len(split.texts) for name, split in found.items()}, found, "\n".join(told)


@pytest.mark.parametrize("ending", [".txt", ".TXT", "", ".review"])
def test_any_ending(tmp_path, ending):
    classes(tmp_path, ending)
    table = read(str(tmp_path))
    assert len(table) == 40 and set(table["label"]) == {"neg", "pos"}


def test_what_is_no_text_beside_texts(tmp_path):
    """Hidden files, folders called x.txt, links to nothing or to folders: passed over.

    Empty files are counted.
    """
    classes(tmp_path)
    write(tmp_path / "pos" / "._1.txt", bytes(10))
    write(tmp_path / "pos" / "notes.md", "notes")
    write(tmp_path / "pos" / "99.txt", "")
    (tmp_path / "pos" / "x.txt").mkdir()
    (tmp_path / "pos" / "gone.txt").symlink_to("nowhere")
    (tmp_path / "pos" / "more").symlink_to(tmp_path / "neg")
    found, reviews, told = splits_of(data=str(tmp_path))
    assert sum(found.values()) == 40 and reviews["train"].dropped == 1
    assert "2 folders, one a class; 41 files, 1 of them empty; 4 others passed over" in told


def test_aclimdb(tmp_path):
    folder = tmp_path / "aclImdb"
    classes(folder / "train")
    classes(folder / "test", word="other")
    for number in range(5):
        write(folder / "train" / "unsup" / f"{number}_0.txt", f"unlabelled {number}")
    write(folder / "train" / "urls_pos.txt", "http://example.org\n")
    write(folder / "README", "words")
    settings = Settings(data=str(folder))
    found, reviews, told = splits_of(data=str(folder))
    assert found == {"train": 36, "validation": 4, "test": 40}
    assert reviews["train"].class_names == ("neg", "pos")
    assert all("other" in text for text in reviews["test"].texts)
    assert "train: train; test: test; texts without labels: train/unsup" in told
    assert len(read_unlabelled(settings)) == 5
    assert splits_of(data=str(folder / "train"))[0] == {"train": 32, "validation": 4, "test": 4}
    both = splits_of(data=str(folder / "train"), test=folder / "test", validation=folder / "test")
    assert both[0] == {"train": 40, "validation": 40, "test": 40}


def test_a_folder_called_as_a_data_set(tmp_path, monkeypatch):
    classes(tmp_path / "imdb")
    monkeypatch.chdir(tmp_path)
    found, _, told = splits_of(data="imdb")
    assert sum(found.values()) == 40
    assert "imdb: read from the disk, and not the data set of that name" in told
    assert len(read_unlabelled(Settings(data="imdb"))) == 0


ROWS = pd.DataFrame({"text": [f"film {i} q{i * 7}" for i in range(40)], "label": list("ab") * 20})


def test_tables_named_after_their_sides(tmp_path):
    """As a data set lies on the Hugging Face hub."""
    write(tmp_path / "README.md", "# a data set")
    (tmp_path / "data").mkdir()
    ROWS.to_parquet(tmp_path / "data" / "train-00000-of-00002.parquet")
    ROWS.assign(text="more " + ROWS["text"]).to_parquet(
        tmp_path / "data" / "train-00001-of-00002.parquet"
    )
    ROWS.assign(text="new " + ROWS["text"]).to_parquet(tmp_path / "data" / "test-0-of-1.parquet")
    found, _, told = splits_of(data=str(tmp_path))
    assert found["test"] == 40 and found["train"] + found["validation"] == 80
    assert "test: data/test-0-of-1.parquet" in told


@pytest.mark.parametrize(
    ("names", "sides"),
    [
        (("imdb_train.csv", "imdb_test.csv"), {"train", "test"}),
        (("twitter_training.csv", "twitter_validation.csv"), {"train", "validation"}),
        (("olid-training-v1.0.tsv", "testset.tsv", "en test.tsv"), {"train", "test"}),
        (("a_train.csv", "b.csv"), None),
        (("a_test.csv", "b.csv"), None),
    ],
)
def test_tables_with_their_sides_further_behind_in_their_names(tmp_path, names, sides):
    """They must not become one: the test rows would be trained on."""
    for name in names:
        write(tmp_path / name, "text,label\n")
    found = layout(tmp_path)
    assert (None if found is None else set(found.splits)) == sides


def test_a_data_set_saved_by_datasets(tmp_path):
    """`save_to_disk` of a DatasetDict: Arrow streams with JSON beside them."""
    for split, word in (("train", "a"), ("test", "b")):
        folder = tmp_path / split
        folder.mkdir()
        table = pa.Table.from_pandas(ROWS.assign(text=word + " " + ROWS["text"]))
        path = folder / "data-00000-of-00001.arrow"
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as stream:
            stream.write_table(table)
        write(folder / "state.json", json.dumps({"_data_files": [{"filename": path.name}]}))
        write(folder / "dataset_info.json", "{}")
    write(tmp_path / "dataset_dict.json", json.dumps({"splits": ["train", "test"]}))
    assert splits_of(data=str(tmp_path))[0] == {"train": 36, "validation": 4, "test": 40}
    assert splits_of(data=str(tmp_path / "train"))[0] == {"train": 32, "validation": 4, "test": 4}


@pytest.mark.parametrize("kind", ["disk", "parquet"])
def test_the_classes_that_datasets_knows_have_their_names(tmp_path, kind):
    """A ClassLabel is a number in the file; its names stand in the metadata."""
    names = ["bad", "good"]
    features = {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=names)}
    columns = {"text": ROWS["text"].tolist(), "label": [n % 2 for n in range(len(ROWS))]}
    columns["label"][7] = -1  # unknown
    made = datasets.Dataset.from_dict(columns, features=datasets.Features(features))
    if kind == "disk":
        made.save_to_disk(tmp_path / "r")
        path = tmp_path / "r"
    else:
        path = tmp_path / "r.parquet"
        made.to_parquet(path)
    labels = read(str(path))["label"].tolist()
    assert labels[:4] == ["bad", "good", "bad", "good"] and pd.isna(labels[7])


def test_metadata_that_says_nonsense_is_passed_over(tmp_path):
    for said in (b"{", b"[]", b'{"info": {"features": {"label": 1}}}', b"[" * 100_000):
        table = pa.table({"text": ["a", "b"], "label": [0, 1]})
        pq.write_table(
            table.replace_schema_metadata({b"huggingface": said}), tmp_path / "r.parquet"
        )
        assert read(str(tmp_path / "r.parquet"))["label"].tolist() == ["0", "1"]


def test_an_empty_class_is_refused(tmp_path):
    classes(tmp_path)
    (tmp_path / "other").mkdir()
    with pytest.raises(DataError, match=r"other: expected .txt files, one review each, found none"):
        read(str(tmp_path))


@pytest.mark.parametrize(
    "names",
    [
        {"neg": "neg.txt", "pos": "pos.txt"},
        {"neg": "rt-polarity.neg", "pos": "rt-polarity.pos"},
        {"neg": "train_neg.txt", "pos": "train_pos.txt"},
    ],
    ids=lambda names: names["neg"],
)
def test_a_file_for_each_class(tmp_path, names):
    told = []
    for label, name in names.items():
        (tmp_path / name).write_text("".join(f"a {label} film, {i}\n" for i in range(12)))
    (tmp_path / "README.txt").write_text("where it is from")
    table = read(str(tmp_path), tell=told.append)
    assert table["label"].value_counts().to_dict() == {"neg": 12, "pos": 12}
    assert table["text"].iloc[0] == "a neg film, 0" and "all of them 'neg'" in told[0]


def test_configurations_of_a_data_set_are_no_classes(tmp_path):
    for name in ("sst2", "cola"):
        (tmp_path / name).mkdir()
        pd.DataFrame({"text": ["a"], "label": [0]}).to_parquet(tmp_path / name / "train.parquet")
    with pytest.raises(DataError, match=r"found train.parquet; is one of the folders the data"):
        read(str(tmp_path))


@pytest.mark.parametrize("labels", [None, -1], ids=["no column", "all missing"])
def test_a_test_side_without_labels_is_passed_over(tmp_path, labels):
    """As competitions have it, and Hugging Face's copies of them."""
    path, told = tmp_path / "data", []
    path.mkdir()
    texts = [f"film number {i} was {('dull', 'warm')[i % 2]}" for i in range(60)]
    content = {"text": texts} if labels is None else {"text": texts, "label": [None] * 60}
    train = pd.DataFrame({"text": texts, "label": [i % 2 for i in range(60)]})
    train.to_csv(path / "train.csv", index=False)
    pd.DataFrame(content).to_csv(path / "test.csv", index=False)
    corpus = load_corpus(Settings(data=str(path)), told.append)
    assert corpus.facts["rows"]["train"] + len(corpus.validation) + len(corpus.test) == 60
    assert any("test.csv: passed over, because its texts have no labels" in one for one in told)
    with pytest.raises(DataError, match=r"A test split needs labels; search\.predict classifies"):
        load_corpus(Settings(data=str(path / "train.csv"), test=str(path / "test.csv")))


def test_files_that_are_not_read_are_named(tmp_path):
    table = pd.DataFrame({"text": list("abc"), "label": [0, 1, 0]})
    table.to_csv(tmp_path / "a.csv", index=False)
    table.to_json(tmp_path / "b.jsonl", orient="records", lines=True)
    (tmp_path / "_SUCCESS").touch()
    told = []
    assert len(read(str(tmp_path), tell=told.append)) == 3
    assert told[0] == f"{tmp_path}: passed over: b.jsonl"
    table.to_csv(tmp_path / "train.csv", index=False)
    layout_told = layout(tmp_path).described(tmp_path)
    assert layout_told == "train: train.csv; passed over: a.csv, b.jsonl"
    classes(tmp_path / "folders")
    table.to_csv(tmp_path / "folders" / "more.csv", index=False)
    read(str(tmp_path / "folders"), tell=told.append)
    assert told[-1].endswith("40 files; of no class: more.csv")


@pytest.mark.parametrize("inside", ["reviews", "reviews/reviews"])
def test_classes_one_folder_further_in(tmp_path, inside):
    """As archives are unpacked."""
    classes(tmp_path / inside)
    with pytest.raises(DataError, match=r"reviews alone, .*: --data \S+/reviews\?"):
        read(str(tmp_path))


def test_folders_named_for_values_of_a_column(tmp_path):
    for label in "01":
        (tmp_path / f"label={label}").mkdir()
        table = pd.DataFrame({"text": ["a"]})
        table.to_parquet(tmp_path / f"label={label}" / "part-0.parquet")
    with pytest.raises(DataError, match="values of a column, such as label=0; save it as one file"):
        read(str(tmp_path))


def test_a_folder_that_cannot_be_read_is_refused(tmp_path, monkeypatch):
    """It is not passed over as if nothing were in it."""
    classes(tmp_path)
    classes(tmp_path / "pos" / "part")
    scandir = os.scandir

    def forbidden(path):  # root may read everything
        if str(path).endswith("part"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", forbidden)
    with pytest.raises(DataError, match=r"pos/part: cannot be read: Permission denied"):
        read(str(tmp_path))


def test_compressed_texts_and_what_macos_leaves(tmp_path):
    for label in ("neg", "pos"):
        for number in range(12):
            text = f"a {label} film {number}".encode()
            write(tmp_path / label / f"{number}.txt.gz", gzip.compress(text))
    write(tmp_path / "__MACOSX" / "pos" / "._1.txt", bytes(10))
    table = read(str(tmp_path))
    assert len(table) == 24 and table["text"].iloc[0] == "a neg film 0"


@pytest.mark.parametrize("ending", [".csv", ".json"])
def test_tables_in_folders_of_classes_are_no_texts(tmp_path, ending):
    classes(tmp_path, ending)
    with pytest.raises(DataError, match=r"one review each, found 0\."):
        read(str(tmp_path))


@pytest.mark.parametrize(
    ("names", "row"),
    [
        (("train.txt", "test.txt", "val.txt"), "a {} film {};{}"),
        (("cooking.train", "cooking.test", "cooking.valid"), "__label__{2} a {0} film {1}"),
        (("tweets_train.txt", "tweets_test.txt", "tweets_dev.txt"), "a {} film {}\t{}"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_text_files_named_after_their_sides_are_no_classes(tmp_path, names, row):
    for side, name in enumerate(names):
        lines = [
            row.format(("dull", "warm")[i % 2], 1000 * side + i, "ab"[i % 2]) for i in range(40)
        ]
        write(tmp_path / name, "".join(f"{line}\n" for line in lines))
    write(tmp_path / "README.md", "what it is")
    found, reviews, told = splits_of(data=str(tmp_path))
    assert found == {"train": 40, "validation": 40, "test": 40}
    assert reviews["train"].class_names == ("a", "b")
    assert f"train: {names[0]}; validation: {names[2]}; test: {names[1]}" in told


def test_a_train_is_a_class_beside_others(tmp_path):
    for name in ("bus", "car", "train"):
        write(tmp_path / f"{name}.txt", "".join(f"by {name} {i}\n" for i in range(40)))
    _, reviews, _ = splits_of(data=str(tmp_path))
    assert reviews["train"].class_names == ("bus", "car", "train")
