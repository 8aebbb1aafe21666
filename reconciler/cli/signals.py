"""SIGINT and SIGTERM: outside of an apply they end the process at once; within one, after the work that is open.

A transaction that is cut off would be settled by ``recover``, but nobody who presses Ctrl-C should need it.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

_WATCHED = (signal.SIGINT, signal.SIGTERM)
_FIRST = b"\nstopping: what is open is finished or undone first\n"
_AGAIN = b"\nstill at it; if the process is killed now, `reconcile recover` has to settle what is open\n"


class Signalled(BaseException):
    """A signal came while nothing was open. Not an ``Exception``, so that nobody on the way takes it for a failure."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Signals:
    """The signals that this process got. ``received`` is the last one's number, 0 for none."""

    def __init__(self) -> None:
        self.received = 0
        self._stop: threading.Event | None = None

    @contextmanager
    def watched(self) -> Iterator[Signals]:
        """Take the two signals over, until the block ends. Outside of the main thread nothing is taken over."""
        before = {}
        with suppress(ValueError):
            before = {number: signal.signal(number, self._handle) for number in _WATCHED}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def hold(self, stop: threading.Event) -> None:
        """From now on a signal sets ``stop`` and no longer ends the process."""
        self._stop = stop

    def release(self) -> None:
        """From now on a signal ends the process at once again."""
        self._stop = None

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        again, self.received = bool(self.received), number
        if self._stop is None:
            raise Signalled(number)
        self._stop.set()
        # Not through sys.stderr: the signal may have come in the middle of a write to it.
        with suppress(OSError):
            os.write(2, _AGAIN if again else _FIRST)
