"""Whatever is given as data: one message, exit code 2, little time and memory."""

import pytest

from tests.conftest import ROOT
from tests.faults.attacked import assert_refused, attacked
from tests.faults.hostile_data import CASES, GOOD, LONG

FAST = ("data: pipe", "in a class: zero", "bomb r.csv.gz", "bomb of one value")


def test_there_are_many():
    assert len(CASES) >= 60 and set(FAST) < set(CASES)


@pytest.mark.parametrize(
    "name", [name if name in FAST else pytest.param(name, marks=pytest.mark.slow) for name in CASES]
)
def test_refused(tmp_path, monkeypatch, name):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    (tmp_path / "good.csv").write_text(GOOD)
    options, named = CASES[name](tmp_path)
    before = sorted(tmp_path.rglob("*"))
    end = attacked("search.run", *options, "--trials", 1, cwd=tmp_path)
    assert_refused(end, named.removeprefix(LONG))
    assert sorted(tmp_path.rglob("*")) == before, "something was left behind"
