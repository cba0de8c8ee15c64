"""What all commands share: messages to stderr, and errors to exit codes."""

import contextlib
import sys
from collections.abc import Iterator

from search.errors import SearchError


def say(message: str) -> None:
    """Prints one line of progress to stderr; stdout is for results."""
    print(message, file=sys.stderr, flush=True)  # noqa: T201


@contextlib.contextmanager
def command(*, debug: bool = False) -> Iterator[None]:
    """Runs the body of a command; ends the process with the exit code of what it raises.

    Args:
        debug: let errors through, with their traceback.
    """
    try:
        yield
    except SearchError as error:
        if debug:
            raise
        say(f"error: {error}" if error.exit_code < 128 else str(error))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        say("stopped; what was finished is saved. The same command continues")
        sys.exit(130)
