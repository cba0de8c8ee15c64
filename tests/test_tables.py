import csv
from pathlib import Path

import pandas as pd
import pytest

from search.tables import read_table, write_table


@pytest.mark.parametrize(
    "text", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "＝1+1", "＠x", "\t=1", "\r=1"]
)
def test_no_cell_is_a_formula(tmp_path, text):
    write_table(tmp_path / "t.csv", pd.DataFrame({"text": [text, "fine"], "number": [-1.5, 2]}))
    with (tmp_path / "t.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    text = text.replace("\r", "\n")
    assert rows[0]["text"] == "'" + text
    assert rows[0]["number"] == "-1.5"
    assert read_table(tmp_path / "t.csv")["text"].tolist() == [text, "fine"]


def test_other_texts_stay_what_they_are(tmp_path):
    texts = ["-1", "+1.5", "-2e-3", "'tis", "NA", "", "a=b", 'two\n"lines"', "None", "last\n"]
    write_table(tmp_path / "t.csv", pd.DataFrame({"text": texts}))
    with (tmp_path / "t.csv").open(newline="") as file:
        assert [row["text"] for row in csv.DictReader(file)] == texts
    assert read_table(tmp_path / "t.csv")["text"].tolist() == texts


def test_a_folder_called_as_home_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("~").mkdir()
    frame = pd.DataFrame({"a": ["x"]})
    write_table(Path("~") / "t.csv", frame)
    pd.testing.assert_frame_equal(read_table(Path("~") / "t.csv"), frame, check_dtype=False)
