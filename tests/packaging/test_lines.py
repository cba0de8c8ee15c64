"""Lines in, lines out: each as soon as it is there, one for one, in order."""

import json
import os
from dataclasses import replace

import pytest

from search.errors import DataError
from search.packaging.classifier import load_classifier
from search.packaging.lines import BLOCK, LONGEST_LINE, answer_lines, texts_of
from tests.conftest import exported


@pytest.fixture
def pipe():
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)


def test_a_line_is_there_when_it_is_written(pipe):
    reading, writing = pipe
    found = texts_of(reading)
    for line in ("one", "two", ""):
        os.write(writing, f"{line}\n".encode())
        assert next(found) == [line]
    os.write(writing, b"half")
    os.write(writing, b" a line\r\nand a whole one\nunended")
    assert next(found) == ["half a line", "and a whole one"]
    os.close(writing)
    assert list(found) == [["unended"]]


def test_a_file_is_read_in_large_pieces(tmp_path):
    lines = [f"line {n} é" * (n % 7) for n in range(20_000)]
    path = tmp_path / "texts.txt"
    path.write_bytes(b"\xef\xbb\xbf" + "".join(f"{line}\n" for line in lines).encode())
    with path.open("rb") as file:
        pieces = list(texts_of(file.fileno()))
    assert [text for piece in pieces for text in piece] == lines
    assert len(pieces) <= path.stat().st_size // BLOCK + 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"fine\ncaf\xe9\n", "line 2 has the byte 0xe9"),
        (b"a\0b\n", "line 1 has a NUL"),
        (b"fine\n" + b"x" * (LONGEST_LINE + BLOCK), "a line of more than 8,000,000 bytes"),
    ],
)
def test_what_is_no_text(tmp_path, content, message):
    (tmp_path / "texts").write_bytes(content)
    with (tmp_path / "texts").open("rb") as file, pytest.raises(DataError, match=message):
        list(texts_of(file.fileno()))


def test_a_label_is_one_field(model_file):
    classifier = load_classifier(model_file)
    names = ("bad\tone", "good\r\none")
    odd = replace(classifier, description=classifier.description.model_copy(
        update={"class_names": names}
    ))  # fmt: skip
    (line,) = answer_lines(odd, ["a film"], as_json=False)
    assert line.split("\t")[0] in ("bad one", "good one") and line.count("\t") == 3


def test_answers(tmp_path, model_file):
    three = load_classifier(exported(tmp_path / "m.keras", classes=3))
    texts = ["a fine film", "two\nlines\tand a tab", ""]
    objects = [json.loads(line) for line in answer_lines(three, texts, as_json=True)]
    for text, found in zip(texts, objects, strict=True):
        assert list(found) == ["text", "label", "probability", "abstain", "probabilities"]
        assert found["text"] == text
        assert list(found["probabilities"]) == ["c0", "c1", "c2"]
        assert sum(found["probabilities"].values()) == pytest.approx(1, abs=1e-5)
        assert found["probabilities"][found["label"]] == found["probability"]
        assert found["abstain"] == (found["probability"] < 0.4)
    plain = list(answer_lines(load_classifier(model_file), texts, as_json=False))
    assert [line.split("\t", 3)[3] for line in plain] == ["a fine film", "two lines\tand a tab", ""]
    assert {line.split("\t")[0] for line in plain} <= {"negative", "positive"}
    assert {line.split("\t")[2] for line in plain} <= {"abstain", "-"}
