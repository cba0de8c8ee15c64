import json
from functools import partial

from tests.conftest import processor_time, run_command, run_here
from tests.made import made_run


def test_for_people_and_for_programs(tmp_path):
    a, b = (made_run(tmp_path / name, 5, rows=300, seed=n) for n, name in enumerate("ab"))
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")}
    done = run_command("search.compare", a, b)
    assert done.returncode == 0 and done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0] == "no setting differs"
    assert any(line.split() == ["trials", "5", "5"] for line in lines)
    assert lines[-1].startswith("the winner of B is ")
    plain = json.loads(run_here("search.compare", a, b, "--json").stdout)
    assert plain["verdict"] == lines[-1] and plain["rows"] == 300
    assert plain["a"] == str(a) and plain["facts"]["trials"] == [5, 5]
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")} == before


def test_no_run(tmp_path):
    done = run_here("search.compare", made_run(tmp_path / "a", 3), tmp_path)
    assert done.returncode == 2 and done.stdout == ""
    assert "run.json: no such file" in done.stderr


def test_help_is_quick():
    for module in ("search.compare", "search.report"):
        asked = partial(run_command, module, "--help")
        assert asked().returncode == 0
        assert min(processor_time(asked) for _ in range(2)) < 0.5
