"""JSON in the shapes that programs write gives the same rows, or says what to do."""

import json

import pandas as pd
import pytest

from search.corpus.sources import read
from search.errors import DataError

ROWS = [(f"film {i} was {('dull', 'warm')[i % 2]}", "ab"[i % 2]) for i in range(30)]
FRAME = pd.DataFrame(ROWS, columns=["text", "label"])
OBJECTS = FRAME.to_dict("records")
SHAPES = {
    "pandas' default": FRAME.to_json(),
    "pandas' index": FRAME.to_json(orient="index"),
    "pandas' split": FRAME.to_json(orient="split"),
    "pandas' table": FRAME.to_json(orient="table"),
    "pandas' values": FRAME.to_json(orient="values"),
    "an array for each column": json.dumps(FRAME.to_dict("list")),
    "in another object": json.dumps({"version": "1", "data": OBJECTS}),
    "beside a description of columns": json.dumps(
        {"features": [{"name": "text"}], "rows": [{"id": 1, "row": row} for row in OBJECTS]}
    ),
    "names in the first array": json.dumps([["text", "label"], *ROWS]),
    "labels in lists": json.dumps([{"text": text, "label": [label]} for text, label in ROWS]),
    "over several lines": "\n".join(json.dumps(row, indent=2) for row in OBJECTS),
    "with a byte-order mark": "\ufeff" + json.dumps(OBJECTS),
}


def rows(path, *columns):
    return list(read(str(path), *columns).itertuples(index=False, name=None))


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_of_programs(tmp_path, shape):
    path = tmp_path / "r.json"
    path.write_text(SHAPES[shape], encoding="utf-8")
    assert rows(path) == ROWS


@pytest.mark.parametrize(
    "columns", [(), ("review.text", "meta.label")], ids=["found", "named by the user"]
)
def test_fields_of_objects_in_objects(tmp_path, columns):
    path = tmp_path / "r.jsonl"
    lines = [{"id": 1, "review": {"text": t}, "meta": {"label": y}} for t, y in ROWS]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert rows(path, *columns) == ROWS


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("r.jsonl", json.dumps(OBJECTS), "found an array of them; give the file the ending .json"),
        ("r.json", json.dumps(OBJECTS)[:-1] + ",\n]", "not JSON: .* line 2 column 1"),
        ("r.json", "\n".join(map(str, OBJECTS)), "line 1 is not JSON"),
        ("r.json", "[]", r"expected an array of objects, found '\[\]'"),
        ("r.json", "5", "expected an array of objects, found '5'"),
        ("r.json", "[[], []]", "its columns have no names: say which columns are which"),
        ("r.json", json.dumps({"data": ROWS}), "one object without a text .* a file of their own"),
        ("r.json", json.dumps({"all": {"rows": OBJECTS}}), "found one object without a text"),
        ("r.csv", "\n".join(map(json.dumps, ROWS)), "line 1 is an array of JSON, and no row"),
        ("r.csv", "\n".join(map(json.dumps, OBJECTS)), "line 1 is an object of JSON; .* .jsonl"),
        ("r.txt", "\n".join(map(json.dumps, OBJECTS)), "line 1 is an object of JSON; .* .jsonl"),
        ("r.jsonl", '{"text": "a", "text": "b"}', "line 1 is not JSON: .* the key 'text' twice"),
        ("r.json", json.dumps([*OBJECTS, 5]), "element 31: expected an object such as"),
    ],
)
def test_what_is_no_table(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=message):
        read(str(tmp_path / name))


def test_numbers_are_read_as_they_are_written(tmp_path):
    path = tmp_path / "r.jsonl"
    numbers = ["12345678901234567890.5", "12345678901234567891.5", "1e400", "1e401", "0.10"]
    path.write_text("".join(f'{{"text": "t", "label": {number}}}\n' for number in numbers))
    labels = [label for _, label in rows(path)]
    assert labels == [number.replace("e", "E+") for number in numbers]


def test_lists_of_labels(tmp_path):
    """One is the label, none is missing; several are refused, and so are texts in lists."""
    path = tmp_path / "r.jsonl"
    path.write_text('{"text": "fine", "label": ["a"]}\n{"text": "dull", "label": []}\n')
    assert rows(path) == [("fine", "a"), ("dull", None)]
    path.write_text('{"text": "fine", "label": ["a", "b"]}\n')
    with pytest.raises(DataError, match=r"row 1: .* column 'label', found a list \(\['a', 'b'\]"):
        read(str(path))
    path.write_text('{"text": ["fine"], "label": "a"}\n')
    with pytest.raises(DataError, match="column 'text', found a list"):
        read(str(path))
