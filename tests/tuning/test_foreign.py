"""HyperModels of scripts and cells reach the workers, and their errors come back."""

import pickle
import subprocess
import sys
import threading

import pytest

from search.errors import SettingsError
from search.tuning.foreign import packed, sent_home, unpacked

SCRIPT = """
from search.tuning.executors import slots
from search.tuning.foreign import packed, unpacked

print("run", flush=True)

class Mine:
    def build(self, hp):
        return hp + 1

with slots(1) as (slot,):
    assert slot.submit(unpacked, packed(max)).result() is max
    content = packed(Mine())
    assert unpacked(slot.submit(bytes, content).result()).build(1) == 2
"""


def test_workers_do_not_run_the_script_again(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("run\n", "")


def test_what_is_in_a_module_travels_by_name():
    assert unpacked(packed(threading.Event)) is threading.Event
    assert len(packed(threading.Event)) < 1000


def test_what_cannot_travel_is_told():
    with pytest.raises(SettingsError, match=r"lock cannot be sent .*cannot pickle"):
        packed(threading.Lock())


class Fussy(Exception):
    def __init__(self, one, two):
        super().__init__(one)


def test_errors_arrive_as_they_are_if_they_can():
    with pytest.raises(ValueError, match="plain"), sent_home():
        raise ValueError("plain")
    with pytest.raises(RuntimeError, match=r"^Fussy: one$") as told, sent_home():
        raise Fussy("one", "two")
    assert isinstance(told.value.__cause__, Fussy)
    pickle.loads(pickle.dumps(told.value))
