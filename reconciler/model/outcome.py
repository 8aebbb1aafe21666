"""How the work on one tenant ended."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass


class Result(enum.StrEnum):
    """The one word for how it ended."""

    APPLIED = "applied"
    UNCHANGED = "unchanged"
    ROLLED_BACK = "rolled-back"
    STUCK = "stuck"
    STALE = "stale"
    BLOCKED = "blocked"
    LEASED = "leased"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why it did not end well: an error's code, the step it happened in, what happened and what to do.

    ``lasting`` says that trying again can't help before somebody changed something.
    """

    code: str
    step: str
    message: str
    advice: str = ""
    exit: int = 1
    lasting: bool = False


@dataclass(frozen=True, slots=True)
class Leftover:
    """A thing that a rollback could not undo: what it is, why it stayed, and what would clear it."""

    resource: str
    name: str
    reason: str
    clear: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the work on one tenant ended. ``seconds`` is wall time, measured on a monotonic clock."""

    tenant: str
    result: Result
    transaction: str = ""
    seconds: float = 0.0
    failure: Failure | None = None
    leftovers: tuple[Leftover, ...] = ()


# Where several hold, the worst news is the exit status (contract, section 4).
_PRECEDENCE = (7, 6, 1, 5, 4, 3, 69)


def exit_status(outcomes: Iterable[Outcome]) -> int:
    """The exit status of a run with these outcomes; 0 if all of them are well."""
    seen = {_status(outcome) for outcome in outcomes}
    return next((status for status in _PRECEDENCE if status in seen), max(seen, default=0))


def _status(outcome: Outcome) -> int:
    match outcome.result:
        case Result.STUCK:
            return 7
        case Result.ROLLED_BACK:
            return 6
        case Result.LEASED:
            return 5
        case Result.STALE:
            return 4
        case Result.BLOCKED:
            return outcome.failure.exit if outcome.failure else 3
        case _:
            return 0
