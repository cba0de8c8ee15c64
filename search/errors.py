"""The exceptions this package raises on purpose, and the exit code each ends a command with.

SearchError                      1
├── InputError                   2   something the user gave
│   ├── SettingsError            2   an option or a setting
│   ├── DataError                2   the reviews: file, row, column, label
│   ├── ResultsError             2   the results directory: unwritable, in use, of another run
│   ├── ClusterError             2   a Ray cluster: unreachable, unfit for training, or lost
│   └── ModelError               2   a model file: missing, damaged, changed, not of this project
├── ParityError                  1   an exported file gives other probabilities than the search
├── NothingUsable                1   every trial failed
└── Interrupted        130/143/129   Ctrl-C, SIGTERM or SIGHUP; everything is saved

A message says what was expected, what was found, and what to do.
"""

import errno

DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""Numbers of errors that a full disk gives, without the name of a file."""


def one_line(error: BaseException, longest: int = 500) -> str:
    """Returns an error message in one line of at most so many characters."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}"[:longest] if text else type(error).__name__


class SearchError(Exception):
    """Base class of the errors that are expected; the message says what to do.

    Examples:
        >>> import search
        >>> try:
        ...     model = search.load("nowhere.keras")
        ... except search.SearchError as error:
        ...     print(error)
        nowhere.keras: cannot be read: no such file; ...

    Attributes:
        exit_code: that of a command which ends with this error.
    """

    exit_code = 1


class InputError(SearchError):
    """The user's input cannot be used as it is."""

    exit_code = 2


class SettingsError(InputError):
    """An option has a value that it cannot have."""


class DataError(InputError):
    """The reviews cannot be used as they are."""


class ResultsError(InputError):
    """The results directory cannot be used for this run."""


class ClusterError(InputError):
    """A Ray cluster cannot be used, or not any more."""


class ModelError(InputError):
    """A model file cannot be used."""


class ParityError(SearchError):
    """An exported file does not say what the search said; the message names the text that shows it
    most, and both answers."""


class NothingUsable(SearchError):
    """The search ended without one completed trial."""


class TrialFailure(Exception):
    """What a trial failed with in its process, with the traceback there: a cause of NothingUsable.

    Args:
        details: the traceback.
    """

    def __init__(self, details: str) -> None:
        super().__init__(f"\n{details}")


class Interrupted(SearchError):
    """The user asked to stop; what was done is saved.

    Args:
        message: what to tell the user.
        signal_number: SIGINT, SIGTERM or SIGHUP; the exit code is 128 + this, as shells expect.
    """

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number
