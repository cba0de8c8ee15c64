"""Files appear whole or not at all."""

import math

import pytest

from search.files import remove_leftovers, write_atomically, write_json


def test_a_failing_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    write_atomically(path, lambda f: f.write(b"old"))

    def half(file):
        file.write(b"ne")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, half)
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_leftovers_are_removed(tmp_path):
    (tmp_path / "a" / "corpus.partial").mkdir(parents=True)
    (tmp_path / "a" / "corpus.partial" / "x.npy").touch()
    (tmp_path / "trial.json.partial").touch()
    remove_leftovers(tmp_path)
    assert [p.name for p in tmp_path.rglob("*")] == ["a"]


def test_json_has_no_nan(tmp_path):
    with pytest.raises(ValueError, match="Out of range float"):
        write_json(tmp_path / "x.json", {"a": math.nan})
    assert list(tmp_path.iterdir()) == []
