"""Machines that lack what others have: a search ends with its results all the same.

Each shim is a sitecustomize.py that makes one call of the system fail as such a machine does.
"""

import errno
import fcntl
import os
import textwrap

import pytest

import search
from tests.conftest import ROOT, SAMPLE, run_command

SHIMS = {
    "folders cannot be flushed": """
        import errno, os, stat
        _fsync = os.fsync
        def fsync(fd):
            if stat.S_ISDIR(os.fstat(fd).st_mode):
                raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
            return _fsync(fd)
        os.fsync = fsync
        """,
    "no locks": """
        import errno, fcntl, os
        def flock(*arguments):
            raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))
        fcntl.flock = flock
        """,
    "no mapping": """
        import errno, mmap, os
        class Mmap(mmap.mmap):
            def __new__(cls, *arguments, **options):
                raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
        mmap.mmap = Mmap
        """,
    "no temporary directory": """
        import tempfile
        tempfile._candidate_tempdir_list = lambda: ["/nonexistent"]
        """,
    "the leaderboard is held": """
        import errno, os, pathlib
        _replace = os.replace
        def replace(source, target, *arguments, **options):
            if str(target).endswith("leaderboard.csv"):
                raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), str(target))
            return _replace(source, target, *arguments, **options)
        os.replace = replace
        """,
}
WARNED = {"no locks": "has no locks", "the leaderboard is held": "leaderboard.csv could not be wri"}


def test_no_locks(tuned, tmp_path, monkeypatch, capsys):
    """As below, but in this process."""

    def flock(*arguments):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)
    tuner = tuned(
        *("--data", SAMPLE, "--trials", 1, "--max-epochs", 1, "--finals", 0),
        *("--results", tmp_path / "results"),
    )
    assert WARNED["no locks"] in capsys.readouterr().out
    assert tuner.records["0000"].status == "completed"


@pytest.mark.slow
@pytest.mark.parametrize("name", SHIMS)
def test_a_search_ends_with_its_results(tmp_path, name):
    (tmp_path / "sitecustomize.py").write_text(textwrap.dedent(SHIMS[name]), encoding="utf-8")
    results = tmp_path / "results"
    done = run_command(
        *("search.run", "--data", SAMPLE, "--trials", 1, "--max-epochs", 1, "--workers", 1),
        *("--finals", 0, "--results", results),
        PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}",
    )
    assert done.returncode == 0, done.stderr
    assert WARNED.get(name, "") in done.stderr
    assert (results / "best_model.keras").is_file()
    assert (results / "leaderboard.csv").is_file() == (name != "the leaderboard is held")


def test_a_terminal_that_knows_few_letters(tmp_path):
    data = tmp_path / "größe.csv"
    rows = [f"фильм {i} q{i * 7} 😀,{('плохо', 'хорошо')[i % 2]}" for i in range(60)]
    data.write_text("\n".join(["text,label", *rows]), encoding="utf-8")
    done = run_command(
        *("search.run", "--data", data, "--audit-only", "--results", tmp_path / "r"),
        PYTHONIOENCODING="ascii:strict",
        PYTHONUTF8="0",
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


def test_a_leaderboard_gives_back_what_was_written(tmp_path):
    from search.tables import write_table

    table = search.read_leaderboard(_with_choices(tmp_path, write_table))
    assert table["hp_choice"].tolist() == ["None", "NA", "=1+1"]


def _with_choices(folder, write_table):
    import pandas as pd

    from search.evaluation.leaderboard import COLUMNS, WHOLE_NUMBERS

    rows = {name: [None] * 3 for name in COLUMNS} | {name: [1, 2, 3] for name in WHOLE_NUMBERS}
    rows |= {"trial_id": ["0000", "0001", "0002"], "hp_choice": ["None", "NA", "=1+1"]}
    write_table(folder / "leaderboard.csv", pd.DataFrame(rows).assign(error=None))
    return folder
