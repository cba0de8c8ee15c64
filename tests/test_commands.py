import errno
import io
import os

import pytest

from search.commands import command, fitted


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
    assert "leaderboard.csv cannot be written" in told and f"; {remedy} and run the same" in told
