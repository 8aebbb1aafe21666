"""When something is to be done next."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(slots=True)
class Due:
    """A moment on the monotonic clock, in seconds; at first it has come already."""

    at: float = 0.0

    @property
    def now(self) -> bool:
        """Whether it has come."""
        return time.monotonic() >= self.at

    def after(self, seconds: float) -> None:
        """It comes in so many seconds."""
        self.at = time.monotonic() + seconds

    def soon(self) -> None:
        """It has come."""
        self.at = 0.0
