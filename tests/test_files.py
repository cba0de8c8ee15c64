"""Files appear whole or not at all."""

import errno
import math
import os

import pytest

from search.files import remove_leftovers, temporary_folder, write_atomically, write_json


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


def test_errors_name_the_file_that_was_wanted(tmp_path):
    """And not a temporary one beside it, of which nobody knows."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "x").touch()
    for path, kind in (("none/file", FileNotFoundError), ("folder", IsADirectoryError)):
        with pytest.raises(kind) as failed:
            write_atomically(tmp_path / path, lambda f: f.write(b"new"))
        assert failed.value.filename == str(tmp_path / path) and failed.value.filename2 is None
    with pytest.raises(FileNotFoundError) as failed, temporary_folder(tmp_path / "none" / "folder"):
        raise AssertionError
    assert failed.value.filename == str(tmp_path / "none" / "folder")

    def full(file):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match=r"\[Errno 28\] No space left on device: '.*/file'"):
        write_atomically(tmp_path / "file", full)
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]


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
