"""Runs a command on what somebody hostile made, and says what it cost."""

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

MOST_SECONDS, MOST_BYTES = 5, 1_000_000_000
TENSORFLOW = 10  # seconds more, of a run that has imported it


@dataclass(frozen=True)
class End:
    """How a command ended.

    Attributes:
        code: its exit code; negative where it was killed, also for not ending.
        output, errors: what it printed.
        seconds: of processor time.
        memory: bytes, at its largest.
    """

    code: int
    output: str
    errors: str
    seconds: float
    memory: int


def attacked(*arguments: object, cwd: Path, text: str = "", patience: float = 60) -> End:
    """Runs `python -m …`, for so many seconds at most.

    Memory is bounded besides, so that a fault is a failed test and not a machine without memory.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        bounded = ["/bin/sh", "-c", 'ulimit -v 12000000; exec "$@"', "sh"]
        process = subprocess.Popen(
            [*bounded, sys.executable, "-m", *map(str, arguments)],
            cwd=cwd,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=errors,
        )
        process.stdin.write(text.encode())
        process.stdin.close()
        deadline = time.monotonic() + patience
        while True:
            done, status, used = os.wait4(process.pid, os.WNOHANG)
            if done:
                break
            if time.monotonic() > deadline:
                process.kill()
            time.sleep(0.02)
        process.returncode = os.waitstatus_to_exitcode(status)
        said = []
        for stream in (output, errors):
            stream.seek(0)
            said.append(stream.read().decode(errors="replace"))
        seconds = used.ru_utime + used.ru_stime
        return End(process.returncode, *said, seconds, used.ru_maxrss * 1024)


def assert_refused(end: End, named: str) -> None:
    """Exit code 2, one message that names the file, little time and memory, nothing on stdout."""
    assert end.code == 2, end
    lines = end.errors.splitlines()
    assert sum(line.startswith("error: ") for line in lines) == 1, end.errors
    assert "Traceback" not in end.errors, end.errors
    assert named in "".join(end.errors.split()), end.errors
    assert end.output == ""
    assert end.seconds < MOST_SECONDS + (TENSORFLOW if "absl" in end.errors else 0), end
    assert end.memory < MOST_BYTES, end
