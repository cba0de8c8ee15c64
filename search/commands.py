"""Shared by all commands: output to stdout and stderr, and exit codes for errors."""

import contextlib
import errno
import io
import os
import shutil
import signal
import sys
import textwrap
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, TextIO

import typer
from typer.core import TyperCommand

from search.display import visible
from search.errors import DISK_FULL, InputError, SearchError, one_line
from search.startup import at_home
from search.tuning.interrupts import stop_signals

NOT_OURS = (
    r"currentThread\(\) is deprecated",  # KerasTuner 1.4.8
    r"getName\(\) is deprecated",
    "__array__ implementation doesn't accept a copy keyword",  # Keras 3.15
)
"""Warnings of libraries, which do not end a command under `python -W error`."""

OTHER_OPTIONS = "Other options"  # of a command
FORBIDDEN = (errno.EACCES, errno.EPERM)
REMEDIES = {
    **dict.fromkeys(DISK_FULL, "make room"),
    **dict.fromkeys((errno.EROFS, *FORBIDDEN), "allow it, or name another place"),
}
"""What to do about an error of a file, by its number."""


def stray(option: str) -> type[TyperCommand]:
    """Returns a command class that says what to do with a value that stands without its option.

    Args:
        option: the one that is likeliest meant.
    """

    class Stray(TyperCommand):
        def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
            ctx.allow_extra_args = True
            rest: list[str] = super().parse_args(ctx, args)
            if ctx.args:
                ctx.fail(
                    f"unexpected argument {ctx.args[0]!r}: a value stands behind its option, such "
                    f"as {option} {ctx.args[0]}; a pattern or a value with spaces needs quotation "
                    "marks"
                )
            return rest

    return Stray


def grouped(groups: Mapping[str, Sequence[str]], option: str) -> type[TyperCommand]:
    """Returns a command class that prints its options in groups in --help.

    Args:
        groups: their titles, and the names of the parameters in each; all others come last.
        option: as for `stray`.
    """
    titles = {name: title for title, names in groups.items() for name in names}

    class Grouped(stray(option)):  # type: ignore[misc]
        def format_options(self, ctx: Any, formatter: Any) -> None:
            sections: dict[str, list[Any]] = {title: [] for title in (*groups, OTHER_OPTIONS)}
            for parameter in self.get_params(ctx):
                if (record := parameter.get_help_record(ctx)) is not None:
                    sections[titles.get(str(parameter.name), OTHER_OPTIONS)].append(record)
            for title, records in sections.items():
                with formatter.section(title):
                    formatter.write_dl(records)

    return Grouped


def folder(text: str) -> Path:
    """Parses a directory option; "" is refused, since it is usually an unset shell variable."""
    if not str(text).strip():
        raise typer.BadParameter("expected a directory, found ''; is a variable not set?")
    return Path(at_home(text))


def say(message: str) -> None:
    """Prints one line of progress to stderr; stdout is for results.

    A log that is full or a terminal that was closed ends no search; a pipe that nobody reads does,
    as it ends other programs.
    """
    with not_lost_with_the_log():
        print(fitted(message, sys.stderr), file=sys.stderr, flush=True)  # noqa: T201


@contextlib.contextmanager
def not_lost_with_the_log() -> Iterator[None]:
    """Continues where progress cannot be written any more: a full disk, a closed terminal."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EIO):
            raise


def show(text: str, *, table: bool = False) -> None:
    """Prints a part of the result to stdout.

    Args:
        text: one line or more.
        table: whether lines are truncated, not wrapped, at the width of a terminal.
    """
    print(fitted(text, sys.stdout, table=table), flush=True)  # noqa: T201


def fitted(text: str, stream: TextIO, *, table: bool = False) -> str:
    """Text without control characters and, on a terminal, with lines that fit its width."""
    lines = visible(text).split("\n")
    if stream.isatty():
        width = shutil.get_terminal_size().columns
        if table:
            lines = [line if len(line) <= width else line[: width - 1] + "…" for line in lines]
        else:
            # Paths stay whole, even where they are too long.
            words = textwrap.TextWrapper(
                max(20, width),
                replace_whitespace=False,
                break_on_hyphens=False,
                break_long_words=False,
            )
            lines = [words.fill(line) for line in lines]
    return "\n".join(lines)


def run_and_leave(app: Callable[[], Any]) -> NoReturn:
    """Runs a command, and exits the process without cleaning up.

    TensorFlow would take two seconds to shut down, and nothing is left to do: all files are
    written, and the workers have ended.
    """
    code: object = 0
    _fill_closed_streams()
    for message in NOT_OURS:
        warnings.filterwarnings("ignore", message, DeprecationWarning)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # whatever it cannot show, it shows as "?"
            stream.reconfigure(errors="replace")
    try:
        app()
    except SystemExit as end:
        code = end.code
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):  # nobody reads it any more, or its disk is full
            stream.flush()
    os._exit(code if isinstance(code, int) else code is not None)


def _fill_closed_streams() -> None:
    """Has /dev/null in the place of standard streams that were closed, as by `2>&-`.

    Otherwise the next file that is opened is written to by whoever prints.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
            setattr(sys, name, os.fdopen(descriptor, "w" if number else "r", encoding="utf-8"))


def _check_current_directory() -> None:
    try:
        Path.cwd()
    except FileNotFoundError:
        raise InputError("the current directory was removed: change to one that exists") from None


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP, handled as Ctrl-C is.

    Args:
        signal_number: which of them.
    """

    def __init__(self, signal_number: int) -> None:
        self.signal_number = signal_number


def _terminate(signal_number: int, frame: FrameType | None) -> None:
    raise Terminated(signal_number)


@contextlib.contextmanager
def command(
    *,
    debug: bool = False,
    stopped: str = "stopped; what was finished is saved. The same command continues",
) -> Iterator[None]:
    """Runs the body of a command; exits the process with the code of the error it raises.

    Args:
        debug: let errors through, with their traceback.
        stopped: what to say after Ctrl-C, SIGTERM or SIGHUP.
    """
    before = {}
    if threading.current_thread() is threading.main_thread():  # no other may have handlers
        numbers = {*stop_signals()} - {signal.SIGINT}
        before = {number: signal.signal(number, _terminate) for number in numbers}
    try:
        _check_current_directory()
        yield
    except SearchError as error:
        if debug:
            raise
        say(f"error: {error}" if error.exit_code < 128 else str(error))
        sys.exit(error.exit_code)
    except ImportError as error:
        if debug:
            raise
        say(
            f"error: a library cannot be loaded: {one_line(error)}. Install what is missing as the "
            "README says; a limit on memory (ulimit -v) may be the reason, too"
        )
        sys.exit(1)
    except OSError as error:
        remedy = REMEDIES.get(error.errno or 0)
        if debug or (remedy is None and error.filename is None):
            raise
        name = "a file" if error.filename is None else error.filename
        if remedy is not None:
            say(
                f"error: {name} cannot be {'read or ' if error.errno in FORBIDDEN else ''}written: "
                f"{error.strerror}. What was finished before is saved; {remedy} and run the same "
                "command again"
            )
        else:
            say(f"error: {name}: {error.strerror}; what was finished before is saved")
        sys.exit(2)
    except KeyboardInterrupt as request:
        say(stopped)
        number = request.signal_number if isinstance(request, Terminated) else signal.SIGINT
        sys.exit(128 + number)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
