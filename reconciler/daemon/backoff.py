"""How long something that failed waits, and how waits are spread so that not everything comes at once. Pure."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

Uniform = Callable[[float, float], float]
"""A number between two others, each equally likely; tests hand in one that they know."""

_MOST_DOUBLINGS: Final = 64
"""More than any settings need to reach their longest wait, and few enough for a float."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential backoff with full jitter: any part of a wait that doubles, from ``first`` to ``longest`` seconds.

    Full jitter rather than a tenth more or less: a thousand tenants that failed together, because their server was
    away, come back spread over the whole wait.
    """

    first: float
    longest: float
    uniform: Uniform = random.uniform

    def wait(self, failures: int) -> float:
        """Seconds before the next attempt, after ``failures`` earlier ones that failed in a row (0: the first)."""
        return self.uniform(0.0, self.bound(failures))

    def bound(self, failures: int) -> float:
        """The longest that :meth:`wait` says after so many failures, in seconds."""
        return min(self.longest, math.ldexp(self.first, min(failures, _MOST_DOUBLINGS)))


def jittered(seconds: float, part: float = 0.2, *, uniform: Uniform = random.uniform) -> float:
    """``seconds``, give or take up to ``part`` of them: what keeps daemons and sweeps from marching in step."""
    return uniform(seconds * (1 - part), seconds * (1 + part))
