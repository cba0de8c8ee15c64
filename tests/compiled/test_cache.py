"""Compiled code on the disk: damaged it is compiled again, and by one process at a time."""

import os
import subprocess
import sys

import numba
import pytest

from search.compiled import cache
from search.errors import SettingsError
from tests.conftest import ROOT


def twice(number):
    return 2 * number


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    return tmp_path


def files(folder, ending):
    return sorted(folder.rglob(f"*{ending}"))


def test_what_is_compiled_is_found_again(folder):
    assert cache.cached(twice)(4) == 8
    [code] = files(folder, ".nbc")
    written = code.stat().st_mtime_ns
    again = cache.cached(twice)
    assert again(5) == 10 and sum(again.stats.cache_hits.values()) == 1
    assert code.stat().st_mtime_ns == written
    assert code.parent.parent.name == cache.SOURCES, "another version of the code has another one"


@pytest.mark.parametrize("ending", [".nbc", ".nbi"])
@pytest.mark.parametrize("damage", ["cut", "empty", "garbled", "one byte"])
def test_damaged_files_are_compiled_again(folder, ending, damage):
    cache.cached(twice)(4)
    [path] = files(folder, ending)
    whole = path.read_bytes()
    middle = len(whole) // 2
    path.write_bytes(
        {
            "cut": whole[:middle],
            "empty": b"",
            "garbled": bytes(255 - byte for byte in whole),
            "one byte": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
        }[damage]
    )
    again = cache.cached(twice)
    assert again(5) == 10
    assert cache.cached(twice)(6) == 12
    if ending == ".nbc":
        assert sum(again.stats.cache_misses.values()) == 1
        healed = cache.cached(twice)
        assert healed(7) == 14 and sum(healed.stats.cache_hits.values()) == 1


def test_a_place_that_cannot_be_written(tmp_path, monkeypatch):
    """The user's folder instead, or none: a file stands where each folder would be."""
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "file"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "users"))
    assert cache.cached(twice)(4) == 8
    assert len(files(tmp_path / "users" / "bilstm-search" / cache.SOURCES, ".nbc")) == 1
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert cache.cached(twice)(5) == 10


SLOW = """
import sys, time
from search.compiled import cache
from tests.compiled.test_cache import twice
slow = cache._Cache.save_overload
def save_overload(self, *arguments):
    time.sleep(2)
    slow(self, *arguments)
cache._Cache.save_overload = save_overload
function = cache.cached(twice)
assert function(4) == 8
print(sum(function.stats.cache_hits.values()))
"""


def test_processes_do_not_compile_the_same_at_once(tmp_path):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    several = [
        subprocess.Popen([sys.executable, "-c", SLOW], env=environment, stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    hits = [int(process.communicate()[0]) for process in several]
    assert [process.returncode for process in several] == [0, 0]
    assert sorted(hits) == [0, 1]


def test_nothing_runs_uncompiled(monkeypatch):
    monkeypatch.setattr(numba.config, "DISABLE_JIT", 1)
    with pytest.raises(SettingsError, match="NUMBA_DISABLE_JIT is set"):
        cache.cached(twice)
