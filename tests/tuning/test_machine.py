"""Limits of control groups, of both versions, given as the files that a kernel writes."""

import os
import subprocess
import sys
import uuid
from pathlib import Path

import psutil
import pytest

from search.settings import Settings
from search.tuning.executors import default_workers
from search.tuning.machine import cores, cpu_limit, free_memory, killed_for_memory, memory_left
from search.tuning.places import worker_count

GB = 2**30
LIVE = Path("/sys/fs/cgroup")
SAID = "from search.tuning import machine as m; print(m.cores(), m.free_memory())"
GREEDY = """
import os
from search.tuning.machine import killed_for_memory
before = killed_for_memory()
if not (child := os.fork()):
    os._exit(len(b"x" * (600 * 2**20)) == 0)
_, status = os.waitpid(child, 0)
print(os.WIFSIGNALED(status), killed_for_memory() - before)
"""


@pytest.fixture
def inside():
    """Runs Python in control groups of this machine with one core and 512 MB, where it has them."""
    name, limits = f"search-{uuid.uuid4().hex}", {}
    if (LIVE / "memory" / "memory.limit_in_bytes").exists():
        limits["cpu"] = {"cpu.cfs_period_us": 100_000, "cpu.cfs_quota_us": 100_000}
        limits["memory"] = {"memory.limit_in_bytes": GB // 2}
    else:
        limits["."] = {"cpu.max": "100000 100000", "memory.max": GB // 2, "memory.swap.max": 0}
    groups = [LIVE / controller / name for controller in limits]
    made = []
    try:
        try:
            for group, files in zip(groups, limits.values(), strict=True):
                group.mkdir()
                made.append(group)
                for file, limit in files.items():
                    (group / file).write_text(str(limit))
        except OSError as error:
            pytest.skip(f"control groups cannot be made here ({error.strerror}): be root")
        enter = "".join(f"echo $$ > {group}/cgroup.procs; " for group in groups)
        yield lambda program: subprocess.run(
            ["sh", "-c", f'{enter}exec "$0" -c "$1"', sys.executable, program],
            capture_output=True, text=True, check=True,
        ).stdout.split()  # fmt: skip
    finally:
        for group in made:
            group.rmdir()


@pytest.fixture
def machine(tmp_path):
    """Writes files of a machine, and gives the arguments that name them."""

    def write(groups, files):
        (tmp_path / "self").write_text(groups)
        for name, text in files.items():
            path = tmp_path / "cgroup" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{text}\n")
        return tmp_path / "cgroup", tmp_path / "self"

    return write


V1 = "4:memory:/docker/abc\n3:cpuset:/\n2:cpu,cpuacct:/docker/abc\n0::/\n"


def test_version_2_in_a_container(machine):
    """A container sees its own group as the root: 1 CPU and 2 GB on whatever machine."""
    there = machine(
        "0::/\n",
        {
            "cpu.max": "100000 100000", "memory.max": 2 * GB, "memory.current": GB,
            "memory.stat": f"anon 5\ninactive_file {GB // 4}", "memory.events": "oom 1\noom_kill 3",
        },
    )  # fmt: skip
    assert cpu_limit(*there) == 1
    assert memory_left(*there) == GB + GB // 4
    assert killed_for_memory(*there) - killed_for_memory(there[0], there[1] / "none") == 3


def test_version_2_below_other_groups(machine):
    """The strictest of all groups around it counts."""
    there = machine(
        "0::/user.slice/run.scope\n",
        {
            "user.slice/cpu.max": "150000 100000", "user.slice/run.scope/cpu.max": "max 100000",
            "user.slice/memory.max": "max", "user.slice/run.scope/memory.max": GB,
            "user.slice/run.scope/memory.current": 0,
        },
    )  # fmt: skip
    assert cpu_limit(*there) == 1.5
    assert memory_left(*there) == GB


@pytest.mark.parametrize("place", ["docker/abc/", ""], ids=["path", "container"])
def test_version_1(machine, place):
    there = machine(
        V1,
        {
            f"cpu,cpuacct/{place}cpu.cfs_quota_us": 250_000,
            f"cpu,cpuacct/{place}cpu.cfs_period_us": 100_000,
            f"memory/{place}memory.limit_in_bytes": 3 * GB,
            f"memory/{place}memory.usage_in_bytes": 2 * GB,
            f"memory/{place}memory.stat": "total_inactive_file 0",
        },
    )
    assert cpu_limit(*there) == 2.5
    assert memory_left(*there) == GB


def test_no_limits(machine):
    there = machine(
        V1,
        {
            "cpu,cpuacct/docker/abc/cpu.cfs_quota_us": -1,
            "cpu,cpuacct/docker/abc/cpu.cfs_period_us": 100_000,
            "memory/docker/abc/memory.limit_in_bytes": 9223372036854771712,
        },
    )
    assert cpu_limit(*there) is None and memory_left(*there) is None
    assert cpu_limit(there[0], there[1] / "none") is None


def test_this_machine():
    """Neither more than there is, nor nothing."""
    assert 1 <= cores() <= (os.cpu_count() or 1)
    assert 0 <= free_memory() <= psutil.virtual_memory().total
    assert default_workers(1) == 1 and 1 <= default_workers(1000) <= cores()


def test_limits_of_this_machine(inside):
    cores, free = map(int, inside(SAID))
    assert cores == 1 and GB // 3 < free <= GB // 2


def test_a_death_for_want_of_memory(inside):
    killed, counted = inside(GREEDY)
    assert killed == "True" and int(counted) >= 1


@pytest.mark.parametrize(
    ("options", "expected"),
    [({"trials": 3, "finals": 0}, 3), ({"trials": 3, "finals": 2, "folds": 4}, 8)],
)
def test_there_are_no_more_workers_than_work(options, expected):
    assert worker_count(Settings(workers=500, **options)) == expected
