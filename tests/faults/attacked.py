"""Runs a command on what somebody hostile made, and says what it cost."""

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

MOST_SECONDS, MOST_BYTES = 5, 1_000_000_000
TENSORFLOW = 10  # seconds more, of a run that has imported it

# A process begins with the memory of the one that starts it, and that counts: so the one that
# starts it here is small, whatever pytest has imported.
METER = """
import resource, subprocess, sys
output, patience, *command = sys.argv[1:]
with open(output, "wb") as file:
    process = subprocess.Popen(command, stdout=file)
    try:
        code = process.wait(float(patience))
    except subprocess.TimeoutExpired:
        process.kill()
        code = process.wait()
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(code, used.ru_utime + used.ru_stime, 1024 * used.ru_maxrss)
"""


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


def attacked(*arguments: object, cwd: Path, text: str = "", patience: float = 300) -> End:
    """Runs `python -m …`, for so many seconds at most.

    Memory is bounded besides, so that a fault is a failed test and not a machine without memory.
    """
    bounded = ["/bin/sh", "-c", 'ulimit -v 12000000; exec "$@"', "sh"]
    command = [*bounded, sys.executable, "-m", *map(str, arguments)]
    with tempfile.NamedTemporaryFile() as output, tempfile.TemporaryFile() as errors:
        measured = subprocess.run(
            [sys.executable, "-I", "-S", "-c", METER, output.name, str(patience), *command],
            cwd=cwd,
            input=text.encode(),
            stdout=subprocess.PIPE,
            stderr=errors,
            check=True,
        )
        said = []
        for stream in (output, errors):
            stream.seek(0)
            said.append(stream.read().decode(errors="replace"))
    code, seconds, memory = measured.stdout.split()
    return End(int(code), *said, float(seconds), int(memory))


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
