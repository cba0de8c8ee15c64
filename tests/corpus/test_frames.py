"""Data in memory: a frame, a pair, a Dataset or a tf.data.Dataset is the same as their file."""

import contextlib

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import tensorflow as tf
from sklearn.utils import Bunch

import search
from search.errors import DataError, SettingsError
from tests.conftest import SAMPLE

FILE = pd.read_csv(SAMPLE)
NAMES = sorted(FILE["label"].unique())
CODES = [NAMES.index(label) for label in FILE["label"]]


def hugging_face():
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=NAMES)}
    )
    columns = {"text": FILE["text"].tolist(), "label": CODES}
    return datasets.Dataset.from_dict(columns, features=features)


def stream():
    return tf.data.Dataset.from_tensor_slices((FILE["text"].tolist(), FILE["label"].tolist()))


SAME = {
    "frame": lambda: FILE,
    "pair of lists": lambda: (FILE["text"].tolist(), FILE["label"].tolist()),
    "pair of columns": lambda: [FILE["text"], FILE["label"].astype("category")],
    "pair of arrays": lambda: (FILE["text"].to_numpy(dtype=str), FILE["label"].to_numpy()),
    "Dataset": hugging_face,
    "columns of a Dataset": lambda: (hugging_face()["text"], FILE["label"]),
    "tf.data.Dataset": stream,
    "batches": lambda: stream().batch(7),
    "Arrow table": lambda: pa.Table.from_pandas(FILE),
    "list of pairs": lambda: list(zip(FILE["text"], FILE["label"], strict=True)),
    "iterator of pairs": lambda: zip(FILE["text"], FILE["label"], strict=True),
    "list of dicts": lambda: FILE.to_dict("records"),
    "generator of dicts": lambda: iter(FILE.to_dict("records")),
    "nested dicts": lambda: [{"review": row} for row in FILE.to_dict("records")],
    "dict of lists": lambda: FILE.to_dict("list"),
    "dict of dicts": lambda: FILE.to_dict(),
    "structured array": lambda: FILE.to_records(index=False),
    "array of pairs": lambda: FILE[["text", "label"]].to_numpy(),
    "table of one column, and labels": lambda: (FILE[["text"]], FILE["label"]),
    "Bunch": lambda: Bunch(
        data=FILE["text"].str.encode("utf-8"), target=np.array(CODES), target_names=NAMES
    ),
    "nested Dataset": lambda: datasets.Dataset.from_list(
        [{"review": row} for row in FILE.to_dict("records")]
    ),
    "index": lambda: FILE.set_index("text"),
}


@pytest.fixture(scope="module")
def of_file():
    return search.load_corpus(search.Settings(data=str(SAMPLE)))


@pytest.mark.parametrize("kind", SAME)
def test_data_in_memory_are_those_of_the_file(kind, of_file):
    corpus = search.load_corpus(SAME[kind]())
    assert corpus.fingerprint == of_file.fingerprint  # so that a run on them goes on
    assert corpus.class_names == of_file.class_names
    for split in ("train", "validation", "test"):
        np.testing.assert_array_equal(getattr(corpus, split).rows, getattr(of_file, split).rows)


def test_columns_are_named_as_those_of_a_file():
    frame = FILE.rename(columns={"text": "said", "label": "mood"}).set_index(FILE.index + 1000)
    frame.insert(0, "number", range(len(frame)))
    with pytest.raises(DataError, match=r"<DataFrame, 300 rows>: cannot tell .*--text-column"):
        search.load_corpus(frame)
    settings = search.Settings(data=frame, text_column="said", label_column="mood")
    assert search.load_corpus(settings).facts["rows"]["train"] == 240


def test_sides_and_further_texts_may_be_in_memory():
    settings = search.Settings(
        data=FILE[:200], validation=FILE[200:250], test=(FILE["text"][250:], FILE["label"][250:]),
        unlabelled=pd.Series(["one more text", "", "another text"]),
    )  # fmt: skip
    rows = search.load_corpus(settings).facts["rows"]
    assert rows == {"train": 200, "validation": 50, "test": 50, "unlabelled": 2}


def test_numbers_and_missing_labels():
    labels = pd.array([None, *CODES[1:]], dtype="Int64")
    corpus = search.load_corpus((FILE["text"], labels))
    assert corpus.class_names == ("0", "1") and corpus.facts["dropped_rows"] == 1
    unknown = hugging_face().add_column("target", [-1, *CODES[1:]])
    unknown = unknown.cast_column("target", datasets.ClassLabel(names=NAMES))
    corpus = search.load_corpus(search.Settings(data=unknown, label_column="target"))
    assert corpus.class_names == tuple(NAMES) and corpus.facts["dropped_rows"] == 1


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (pd.DataFrame({"text": [], "label": []}), "there are no rows"),
        ((CODES, CODES), "numbers only"),
        (([["a"], "b"], [0, 1]), r"row 1: expected a text in column 'text', found a list"),
        (stream().repeat(), "never ends"),
        (tf.data.Dataset.range(3), "expected pairs of a text and a label"),
        (stream().map(lambda text, label: (text, tf.constant([0.0, 1.0]))), "at a time"),
    ],
)
def test_data_that_cannot_be_read_say_why(data, message):
    with pytest.raises(DataError, match=message):
        search.load_corpus(data)


def of_splits(**rows):
    return {split: FILE[first:last] for split, (first, last) in rows.items()}


@pytest.mark.parametrize("kind", ["DatasetDict", "dict"])
def test_sides_of_a_data_set(kind):
    splits = of_splits(train=(0, 200), dev=(200, 250), test=(250, 300), unsupervised=(0, 20))
    splits["unsupervised"] = splits["unsupervised"].assign(label="none")
    if kind == "DatasetDict":
        named = {n: datasets.Dataset.from_pandas(part) for n, part in splits.items()}
        splits = datasets.DatasetDict(named)
    told = []
    corpus = search.load_corpus(search.Settings(data=splits), tell=told.append)
    assert corpus.facts["rows"] == {"train": 200, "validation": 50, "test": 50, "unlabelled": 20}
    assert "validation: <Data" in told[0] and corpus.facts["source"].startswith("<train, ")


def test_a_test_side_without_labels_is_passed_over():
    """As of all competitions."""
    splits = of_splits(train=(0, 250), test=(250, 300))
    splits["test"] = splits["test"].assign(label=None)
    told = []
    corpus = search.load_corpus(search.Settings(data=splits), tell=told.append)
    assert corpus.facts["rows"]["test"] == 25 and "passed over" in "".join(told)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (lambda: datasets.DatasetDict(a=hugging_face(), b=hugging_face()), r".a, b.*data\['a'\]"),
        (lambda: {"train": FILE, "test": None}, "a table for each split, .* as test"),
        (lambda: [("a", "b"), ("c", "d"), ("e",)], r"found in place 2 \('e',\)"),
        (lambda: [{"text": "a"}] * 3 + ["b"], "expected a dict in each place, found in place 3"),
        (lambda: {"text": ["a", "b"], "label": ["c"]}, "found 2 in text, 1 in label"),
        (lambda: ["a.csv", "b.csv", "c.csv"], "one str with commas between"),
        (lambda: dict(zip(FILE["text"], FILE["label"], strict=True)), "found a dict"),
        (lambda: "text,label\nfine,good\n", "found a text of several lines"),
        (lambda: FILE["text"], "found a Series"),
        (lambda: SAMPLE.open(), "found a TextIOWrapper"),
        (lambda: (texts for texts in ()), "expected a path"),
    ],
)
def test_what_is_nearly_data_in_memory(data, message):
    with contextlib.ExitStack() as closed, pytest.raises(SettingsError, match=message):
        found = data()
        if hasattr(found, "close"):
            closed.callback(found.close)
        search.load_corpus(found)


def test_a_side_has_no_sides():
    with pytest.raises(SettingsError, match="--test: expected one data set, found several"):
        search.Settings(data=FILE, test={"train": FILE})


def test_labels_in_another_file_are_for_files(tmp_path):
    settings = search.Settings(data=FILE, labels=tmp_path / "labels.txt")
    with pytest.raises(DataError, match="--labels cannot be used with <DataFrame, 300 rows>"):
        search.load_corpus(settings)


@pytest.mark.parametrize(
    "names",
    [[0, 1], ["Satz", "Ton"], [("a", "text"), ("a", "label")], [("text", ""), ("label", "")]],
    ids=["numbers", "unknown", "levels", "empty levels"],
)
def test_names_of_columns(names, of_file):
    columns = pd.MultiIndex.from_tuples(names) if isinstance(names[0], tuple) else names
    frame = pd.DataFrame(FILE[["text", "label"]].to_numpy(), columns=columns)
    assert search.load_corpus(frame).fingerprint == of_file.fingerprint


def test_a_stream_of_hugging_face_is_told():
    stream = datasets.Dataset.from_pandas(FILE).to_iterable_dataset()
    with pytest.raises(SettingsError, match="which can be read only once; load it without"):
        search.load_corpus(stream)
