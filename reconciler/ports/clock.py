"""Time, as the world has it. A wall clock is for people to read; nothing is decided by it but a license's dates."""

from __future__ import annotations

import datetime as dt
import time


class Clock:
    """The system's clocks."""

    def now(self) -> dt.datetime:
        """The present moment, aware, in UTC."""
        return dt.datetime.now(dt.UTC)

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back."""
        return time.monotonic()

    def stamp(self) -> str:
        """The present moment as ``2027-01-31T12:00:00.000000Z``."""
        return stamp(self.now())


def stamp(moment: dt.datetime) -> str:
    """A moment in UTC as ``2027-01-31T12:00:00.000000Z``; sorts as the moments do."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
