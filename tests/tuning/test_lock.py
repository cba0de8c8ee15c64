"""One process at a time writes in a results directory."""

import json

import pytest

from search.errors import ResultsError
from search.files import write_json
from search.tuning.rundir import RunDirectory


def test_only_one_may_claim(run):
    with pytest.raises(ResultsError, match="in use by process"), RunDirectory(run.path).claimed():
        pass


def test_a_dead_owner_is_no_owner(tmp_path):
    (tmp_path / ".lock").touch()
    write_json(tmp_path / "owner.json", {"pid": 1, "host": "h", "started_at": "then"})
    with RunDirectory(tmp_path).claimed():
        assert json.loads((tmp_path / "owner.json").read_text())["pid"] != 1
