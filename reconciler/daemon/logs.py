"""What the daemon says on stderr, a line at a time: JSON for a collector, or text for a person.

A log is written from every thread, and by the threads that work on tenants. So nothing that happens to the stream may
come up in them: a log that can't be written is no reason to undo a tenant. Values are texts, numbers and lists of
them; of anything else only its type is written, because nobody knows what its ``repr`` would tell.
"""

from __future__ import annotations

import json
import logging
import math
import threading
import traceback
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, Final, Literal, TextIO, cast

import structlog
from structlog.typing import FilteringBoundLogger as Log

from reconciler import errors
from reconciler.engine import progress
from reconciler.model.change import Change
from reconciler.model.outcome import Outcome, Result
from reconciler.ports.clock import Clock
from reconciler.report import faults, terminal

__all__ = ["FORMATS", "Format", "Log", "LoggedProgress", "failure", "make"]

Format = Literal["json", "text"]
FORMATS: Final[tuple[Format, ...]] = ("json", "text")

_FIRST: Final = ("time", "level", "event", "tenant", "transaction", "step", "revision", "seconds", "result", "code")
_LAST: Final = ("message", "advice")
_LEVELS: Final[Mapping[Result, int]] = {
    Result.UNCHANGED: logging.DEBUG,  # a sweep over thousands of tenants that are in sync is no news
    Result.ROLLED_BACK: logging.WARNING,
    Result.STUCK: logging.ERROR,
    Result.STALE: logging.WARNING,
    Result.BLOCKED: logging.WARNING,
}


def make(form: Format, stream: TextIO, clock: Clock, *, verbose: bool = False) -> Log:
    """A log on ``stream``; ``verbose`` has what is said at level debug, too.

    The lines are made here and nowhere is anything configured that other code in the process would share.
    """
    render = _as_json if form == "json" else _as_text
    made = structlog.wrap_logger(
        None,
        processors=[_Line(render, stream, clock)],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if verbose else logging.INFO),
        context_class=dict,
    )
    return cast(Log, made.bind())


def failure(error: BaseException) -> dict[str, object]:
    """The members of a line about an error: code, message and advice of one that was foreseen.

    Of any other its type and where it came from, but not its text: that may quote a statement or a value.
    """
    if isinstance(error, errors.ReconcileError):
        return {"code": error.code, "message": str(error), "advice": error.next}
    frames = traceback.extract_tb(error.__traceback__)
    places = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
    return {"code": errors.ReconcileError.code, "message": f"unforeseen {type(error).__name__}", "trace": places}


class LoggedProgress(progress.Progress):
    """The work on tenants, told to a log."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def begins(self, tenant: str, changes: int) -> None:
        """A transaction with so many changes begins."""
        self._log.info("begins", tenant=tenant, changes=changes)

    def doing(self, tenant: str, number: int, change: Change) -> None:
        """The change with this number is about to be made."""
        self._log.debug("doing", tenant=tenant, step=change.step, number=number, change=change.summary)

    def proving(self, tenant: str) -> None:
        """The tenant is observed again."""
        self._log.debug("proving", tenant=tenant)

    def undoing(self, tenant: str, change: Change) -> None:
        """This change is about to be undone."""
        self._log.warning("undoing", tenant=tenant, step=change.step, change=change.summary)

    def undelivered(self, receiver: str, reason: str) -> None:
        """A notification did not reach its receiver."""
        self._log.warning("undelivered", receiver=receiver, message=reason)

    def ends(self, outcome: Outcome) -> None:
        """The work on a tenant ended."""
        said: dict[str, object] = {}
        if found := outcome.failure:
            said = {"step": found.step, "code": found.code, "message": found.message, "advice": found.advice}
        if outcome.leftovers:
            said["leftovers"] = [f"{left.resource} {left.name}: {left.reason}" for left in outcome.leftovers]
        self._log.log(
            _LEVELS.get(outcome.result, logging.INFO),
            "ends",
            tenant=outcome.tenant,
            transaction=outcome.transaction,
            seconds=round(outcome.seconds, 3),
            result=outcome.result.value,
            **said,
        )


class _Line:
    """The one processor: an event becomes a line, the line is written, and nothing is left for others to do."""

    def __init__(self, render: Callable[[Mapping[str, object]], str], stream: TextIO, clock: Clock) -> None:
        self._render = render
        self._stream = stream
        self._clock = clock
        self._guard = threading.Lock()

    def __call__(self, _logger: object, level: str, said: MutableMapping[str, Any]) -> str:
        known = {name: _plain(value) for name, value in said.items() if value is not None and value != ""}
        known |= {"time": self._clock.stamp(), "level": level}
        names = [*(name for name in _FIRST if name in known), *(name for name in known if name not in _FIRST + _LAST)]
        names += [name for name in _LAST if name in known]
        # A half of a surrogate pair, which a name of a file may hold, becomes its escape in JSON and for people.
        line = self._render({name: known[name] for name in names}).encode("utf-8", "backslashreplace").decode()
        with self._guard:
            try:
                terminal.put(line + "\n", self._stream)
            except (OSError, ValueError):
                raise structlog.DropEvent from None
        raise structlog.DropEvent


def _plain(value: object) -> object:
    match value:
        case float() if not math.isfinite(value):
            return str(value)  # JSON has no such number
        case bool() | int() | float():
            return value
        case str():
            return str(value)
        case list() | tuple():
            return [_plain(part) for part in value]
        case _:
            return f"<{type(value).__name__}>"


def _as_json(known: Mapping[str, object]) -> str:
    return json.dumps(known, ensure_ascii=False)


def _as_text(known: Mapping[str, object]) -> str:
    """``2027-01-31T12:00:00Z info    begins tenant=clinica-sol changes=14``."""
    rest = [f"{name}={_worded(value)}" for name, value in known.items() if name not in ("time", "level", "event")]
    time = f"{str(known['time']).partition('.')[0].removesuffix('Z')}Z"
    return faults.printable(" ".join([time, f"{known['level']:7}", str(known["event"]), *rest]))


def _worded(value: object) -> str:
    if isinstance(value, list):
        return "; ".join(_worded(part) for part in value)
    text = str(value)
    plain = text and not any(char.isspace() or char in '"=\\' for char in text)
    return text if plain else json.dumps(text, ensure_ascii=False)
