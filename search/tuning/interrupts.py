"""Ctrl-C, SIGTERM and SIGHUP: the first stops after the epochs in flight, the second at once."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

SIGNALS = (
    signal.SIGINT,
    signal.SIGTERM,
    *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else []),  # its terminal is gone; not on Windows
)
"""What asks a process to stop."""


def stop_signals() -> list[signal.Signals]:
    """Returns `SIGNALS`, but without SIGHUP in a process that ignores it, as `nohup` has it."""
    usual = SIGNALS[:2]  # also where a shell that starts it in the background had it ignore SIGINT
    return [n for n in SIGNALS if n in usual or signal.getsignal(n) != signal.SIG_IGN]


class StopRequest:
    """Whether the user asked to stop, and by which signal.

    Attributes:
        signal_number: of the first signal; None before.
        at_once: whether there was a second signal: epochs in flight are abandoned.
    """

    def __init__(self) -> None:
        self.signal_number: int | None = None
        self.at_once = False

    def __bool__(self) -> bool:
        return self.signal_number is not None

    @property
    def notice(self) -> str:
        """The message for the user when a stop is requested."""
        again = "press again" if self.signal_number == signal.SIGINT else "a second signal"
        return f"finishing this epoch; {again} to stop now"


@contextlib.contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Handles `stop_signals` in a block; the third signal raises KeyboardInterrupt.

    The second does not raise, because it could interrupt the saving of an epoch. Outside the main
    thread, where Python allows no signal handlers, a stop is never requested.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return

    def handle(signal_number: int, frame: FrameType | None) -> None:
        if request.at_once:
            raise KeyboardInterrupt
        if request:
            request.at_once = True
        else:
            request.signal_number = signal_number

    before = {number: signal.signal(number, handle) for number in stop_signals()}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
