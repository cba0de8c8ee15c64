import errno
import gc
import io
import os
import shlex
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import pytest

from search.commands import command, fitted
from search.errors import SettingsError
from search.startup import tensorflow_silenced
from tests.conftest import ROOT, run_here


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def narrow(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr(os, "get_terminal_size", lambda *_: os.terminal_size((40, 10)))
    return Terminal()


def test_in_a_pipe_lines_stay_whole():
    text = "long words " * 20 + "\n\n  indented"
    assert fitted(text, io.StringIO()) == text


def test_on_a_terminal_lines_end_between_words(narrow):
    lines = fitted("a sentence of some words that is longer than that\nshort", narrow).split("\n")
    assert lines == ["a sentence of some words that is longer", "than that", "short"]
    path = "/a/long/path/" + "x" * 50 + ".csv"
    assert fitted(path, narrow) == path, "to be copied"


def test_a_table_is_cut(narrow):
    assert fitted("x" * 41 + "\ny", narrow, table=True) == "x" * 39 + "…\ny"


def test_nothing_acts():
    assert fitted("a\x1b[2Jb\rc", io.StringIO()) == "a�[2Jb�c"


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "make room"),
        (errno.EROFS, "allow it, or name another place"),
        (errno.EACCES, "allow it, or name another place"),
    ],
)
def test_what_to_do_about_a_file_that_cannot_be_written(capsys, number, remedy):
    with pytest.raises(SystemExit, match="2"), command(debug=False):
        raise OSError(number, os.strerror(number), "leaderboard.csv")
    told = capsys.readouterr().err
    what = "read or written" if number == errno.EACCES else "written"
    assert f"leaderboard.csv cannot be {what}" in told and f"; {remedy} and run the same" in told


@pytest.mark.parametrize(("closed", "printed"), [("<&- 2>&-", 1), (">&- 2>&-", 0)])
def test_streams_may_be_closed(model_file, closed, printed):
    command = [sys.executable, "-m", "search.predict", "--model", str(model_file), "a film"]
    shell = ["sh", "-c", f"{shlex.join(command)} {closed}"]
    done = subprocess.run(shell, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert done.returncode == 0 and len(done.stdout.splitlines()) == printed


def test_a_folder_is_no_file_to_classify():
    done = run_here("search.predict", "--file", ".")
    assert done.returncode == 2 and "error: .: is a folder; expected a file" in done.stderr


def test_a_full_log_ends_nothing(model_file, tmp_path):
    """Progress is lost; what was asked for is there."""
    (tmp_path / "r.csv").write_text("text\na film\n")
    command = ["search.predict", "--model", str(model_file), "--file", str(tmp_path / "r.csv")]
    shell = ["sh", "-c", f"{shlex.join([sys.executable, '-m', *command])} 2> /dev/full"]
    done = subprocess.run(shell, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert done.returncode == 0 and "answers: " in done.stdout


def test_a_current_directory_that_was_removed(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    tmp_path.rmdir()
    with pytest.raises(SystemExit, match="2"), command():
        raise AssertionError
    assert capsys.readouterr().err.startswith("error: the current directory was removed")


def test_a_library_that_cannot_be_loaded(capsys):
    with pytest.raises(SystemExit, match="1"), command():
        raise ImportError("libtensorflow_cc.so.2: failed to map segment from shared object")
    assert (
        "error: a library cannot be loaded: ImportError: libtensorflow" in capsys.readouterr().err
    )


def test_keras_runs_on_tensorflow_whatever_is_said():
    script = "import search; search.SearchTuner; import keras; print(keras.config.backend())"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT, capture_output=True, text=True, env={**os.environ, "KERAS_BACKEND": "jax"},
    )  # fmt: skip
    assert done.stdout == "tensorflow\n", done.stderr


def test_no_garbage_is_collected_while_tensorflow_is_imported():
    assert gc.isenabled()
    with pytest.raises(ZeroDivisionError), tensorflow_silenced():
        assert not gc.isenabled()
        raise ZeroDivisionError
    assert gc.isenabled()


def test_threads_import_one_after_another():
    """Else one takes for the user's stderr what the other has put there meanwhile."""
    seen = []

    def silenced(name):
        with tensorflow_silenced():
            seen.append(name)
            time.sleep(0.1)
            seen.append(name)

    threads = [threading.Thread(target=silenced, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert "".join(seen) in ("aabb", "bbaa")


def test_keras_on_something_else_is_told(monkeypatch):
    monkeypatch.setitem(
        sys.modules, "keras", SimpleNamespace(config=SimpleNamespace(backend=lambda: "jax"))
    )
    with (
        pytest.raises(SettingsError, match="Keras runs on jax in this process"),
        tensorflow_silenced(),
    ):
        raise AssertionError


@pytest.mark.parametrize("module", ["report", "export"])
def test_a_directory_without_its_option(module, tmp_path):
    given = ["--format", "onnx"] if module == "export" else []
    done = run_here(f"search.{module}", *given, tmp_path)
    assert done.returncode == 2
    assert f"--results {tmp_path}" in done.stderr


def test_the_name_of_a_file_is_classified_and_that_is_told(model_file, tmp_path):
    path = tmp_path / "reviews.csv"
    path.write_text("text\na fine film\n")
    told = f"{path} is a file, of which only the name is classified; its rows: --file {path}"
    with_model = ("search.predict", "--model", model_file, path, "x" * 5000)
    assert told in run_here(*with_model).stderr
    assert told not in run_here(*with_model, "-q").stderr
