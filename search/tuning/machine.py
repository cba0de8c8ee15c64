"""Cores and memory that this process may use, container limits included.

psutil and os report what the machine has. A control group (cgroup, version 1 or 2) may allow less,
and the kernel kills processes that use more memory.
"""

import os
import platform
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

CGROUPS = Path("/sys/fs/cgroup")
PROCESS = Path("/proc/self/cgroup")
UNLIMITED = 2**60  # bytes; version 1 writes a number above that


def machine_facts() -> dict[str, Any]:
    """The machine and versions that times and last digits depend on, for run.json."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        **{name: version(name) for name in ("tensorflow", "keras", "keras-tuner", "numpy")},
    }


def cores() -> int:
    """Cores that this process may use."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    limit = cpu_limit()
    return max(1, min(allowed or 1, allowed or 1 if limit is None else int(limit)))


def free_memory() -> int:
    """Bytes of memory that this process may still allocate."""
    free = int(psutil.virtual_memory().available)
    limit = memory_left()
    return free if limit is None else min(free, limit)


def cpu_limit(root: Path = CGROUPS, process: Path = PROCESS) -> float | None:
    """How many cores the control groups allow; None where they set no limit.

    Args:
        root: where control groups are mounted.
        process: says in which groups this process is.
    """
    limits = []
    for group in _groups("cpu", root, process):
        quota, period = [*_words(group / "cpu.max"), "", ""][:2]
        if not quota:
            quota, period = (
                "".join(_words(group / f"cpu.cfs_{what}_us")[:1]) for what in ("quota", "period")
            )
        if quota.isdigit() and period.isdigit() and int(period):  # "max" and -1 are no limits
            limits.append(int(quota) / int(period))
    return min(limits, default=None)


def memory_left(root: Path = CGROUPS, process: Path = PROCESS) -> int | None:
    """How many bytes the control groups still allow; None where they set no limit.

    The page cache does not count as used: the kernel drops it when memory is needed.
    """
    left = []
    for group in _groups("memory", root, process):
        for limit, used, cached in (
            ("memory.max", "memory.current", "inactive_file"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ):
            most, now = _number(group / limit), _number(group / used)
            if most is not None and most < UNLIMITED:
                kept = _counted(group / "memory.stat", cached)
                left.append(max(0, most - (now or 0) + kept))
    return min(left, default=None)


def killed_for_memory(root: Path = CGROUPS, process: Path = PROCESS) -> int:
    """How many processes the kernel has killed for lack of memory, in these groups and overall."""
    here = max(
        (
            _counted(group / name, "oom_kill")
            for group in _groups("memory", root, process)
            for name in ("memory.events", "memory.oom_control")
        ),
        default=0,
    )
    return here + _counted(Path("/proc/vmstat"), "oom_kill")


def _groups(controller: str, root: Path, process: Path) -> Iterator[Path]:
    """The folders of the control groups of this process and of their parents."""
    try:
        lines = process.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        number, controllers, path = [*line.split(":", 2), "", ""][:3]
        if number == "0" and not controllers:
            mount = root / "unified" if (root / "unified").is_dir() else root
        elif controller in controllers.split(","):
            mount = next((m for m in (root / controllers, root / controller) if m.is_dir()), root)
        else:
            continue
        inner = mount / path.lstrip("/")
        # In a container the path may be that of the machine around it, which is not there.
        yield from (group for group in (inner, *inner.parents) if group.is_relative_to(mount))


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except (OSError, UnicodeDecodeError):
        return []


def _number(path: Path) -> int | None:
    words = _words(path)
    return int(words[0]) if words and words[0].isdigit() else None


def _counted(path: Path, name: str) -> int:
    """The value of a key in a file of "key value" lines; 0 if it is missing."""
    words = _words(path)
    try:
        return int(words[words.index(name) + 1])
    except (ValueError, IndexError):
        return 0
