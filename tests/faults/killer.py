"""Runs the search command and kills this very process at the Nth change it makes to a file.

Usage: python -m tests.faults.killer N ARGUMENTS… (before and after every change counts as one)
"""

import os
import runpy
import signal
import sys
from pathlib import Path


def main() -> None:
    fatal = int(sys.argv[1])
    count = 0

    def tick() -> None:
        nonlocal count
        count += 1
        if count == fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    def counted(function):
        def wrapped(*arguments, **options):
            if not in_results(arguments):
                return function(*arguments, **options)
            tick()
            result = function(*arguments, **options)
            tick()
            return result

        return wrapped

    def in_results(arguments) -> bool:
        return not isinstance(arguments[0], Path) or "results" in str(arguments[0])

    for name in ("replace", "rename", "unlink", "mkdir"):
        setattr(Path, name, counted(getattr(Path, name)))
    os.fsync = counted(os.fsync)
    sys.argv = ["search.run", *sys.argv[2:]]
    runpy.run_module("search.run", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
