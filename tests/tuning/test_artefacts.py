"""Somebody's own files in a results directory: nothing of them is removed, moved or replaced."""

import json
import os

import pytest

from search.errors import ResultsError
from search.files import write_text
from search.packaging.formats import remove_exports
from search.tuning.artefacts import Artefacts
from search.tuning.rundir import NAMES, RunDirectory

FACTS = {"identity": {"seed": 0}, "started_at": "now"}


def content(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def started(results, **options):
    run = RunDirectory(results)
    with run.claimed():
        run.enter(FACTS, **options)
    return run


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("overwrite", [False, True])
def test_no_run_begins_where_its_names_are_taken(tmp_path, name, overwrite):
    (tmp_path / name).write_text("mine")
    with pytest.raises(ResultsError, match=f"{name}: is there already.*Move it away.*--results"):
        started(tmp_path, overwrite=overwrite)
    assert (tmp_path / name).read_text() == "mine"
    assert [p.name for p in tmp_path.iterdir() if not p.name.startswith(".")] == [name]


@pytest.mark.parametrize("name", ["owner.json", ".lock"])
def test_names_of_the_lock(tmp_path, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(ResultsError, match="is not made by a search"):
        started(tmp_path)
    assert content(tmp_path) == {(tmp_path / name).relative_to(tmp_path): b"mine"}


@pytest.mark.parametrize("name", ["run.json", ".lock", "owner.json", ".writable", "trials"])
def test_links_are_not_followed(tmp_path, name):
    (tmp_path / "precious").write_text("mine")
    results = tmp_path / "r"
    results.mkdir()
    (results / name).symlink_to(tmp_path / "precious")
    if name == ".writable":
        started(results)
    else:
        with pytest.raises(ResultsError, match=f"{name}: is"):
            started(results)
    assert (tmp_path / "precious").read_text() == "mine"


def test_temporary_names_are_no_links(tmp_path):
    (tmp_path / "precious").write_text("mine")
    (tmp_path / f"file.{os.getpid():x}.partial").symlink_to(tmp_path / "precious")
    write_text(tmp_path / "file", "new")
    assert (tmp_path / "precious").read_text() == "mine"
    assert (tmp_path / "file").read_text() == "new"


def test_folders_that_are_called_like_formats_stay(tmp_path):
    for name in ("onnx", "saved_model", "litert", "runners_up", "thesis.partial", ".git"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mine").write_text("mine")
    before = content(tmp_path)
    run = started(tmp_path)
    remove_exports(run)
    with pytest.raises(ResultsError, match="onnx: is there already"):
        run.artefacts.claim(["onnx"])
    started(tmp_path, overwrite=True)
    assert before.items() <= content(tmp_path).items()


def test_what_was_made_is_moved_and_the_rest_stays(tmp_path):
    run = started(tmp_path)
    run.leaderboard.write_text("old")
    (tmp_path / "run.json.unreadable").write_text("damaged")
    (tmp_path / "notes.txt").write_text("mine")
    started(tmp_path, overwrite=True)
    (moved,) = (tmp_path / "previous").iterdir()
    names = {p.name for p in moved.iterdir()}
    assert names == {
        *("leaderboard.csv", "run.json", "run.json.unreadable", "trials", "artefacts.json"),
    }
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"onnx": 5}', "\0" * 50])
def test_a_lost_list_is_made_anew(tmp_path, text):
    run = started(tmp_path)
    path = tmp_path / "artefacts.json"
    path.unlink() if text is None else path.write_text(text)
    started(tmp_path)
    assert set(run.artefacts.made) == set(NAMES)


def test_contents(tmp_path):
    artefacts = Artefacts(tmp_path)
    artefacts.claim(["onnx"])
    folder = tmp_path / "onnx"
    (folder / "more").mkdir(parents=True)
    for name in ("model.onnx", "more/words.txt"):
        (folder / name).write_text(name)
    artefacts.record("onnx")
    assert artefacts.is_whole("onnx")
    (folder / "model.onnx").write_text("half")  # after a power cut
    assert not artefacts.is_whole("onnx")
    (folder / "more" / "mine.txt").write_text("mine")
    artefacts.remove("onnx")
    assert content(folder) == {(folder / "more" / "mine.txt").relative_to(folder): b"mine"}
    assert "onnx" in json.loads((tmp_path / "artefacts.json").read_text())
    (folder / "more" / "mine.txt").unlink()
    artefacts.remove("onnx")
    assert not folder.exists() and artefacts.made == {}


def test_a_link_is_no_folder_of_ours(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "precious").write_text("mine")
    results = tmp_path / "r"
    run = started(results)
    run.artefacts.claim(["runners_up"])
    (results / "runners_up").symlink_to(tmp_path / "elsewhere")
    run.artefacts.remove("runners_up")
    with run.claimed():
        pass
    assert (tmp_path / "elsewhere" / "precious").read_text() == "mine"
