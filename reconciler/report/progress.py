"""What an apply says while it works, as plain lines: for a log, a pipe, or a terminal without color."""

from __future__ import annotations

import threading
import time
from typing import TextIO

from reconciler.engine import progress
from reconciler.model.change import Change
from reconciler.model.outcome import Outcome
from reconciler.report import outcomes, styled, terminal


def undelivered(receiver: str, reason: str) -> styled.Line:
    """The line about a notification that did not reach its receiver."""
    return styled.line(
        styled.styled("note: ", styled.Style.UPDATE),
        f"the notification to {receiver} was not delivered ({reason}); it waits in the outbox, see "
        "`reconcile outbox list`",
    )


_EVERY_SECONDS = 5.0


def share(done: int, total: int) -> str:
    """How much is done, in hundredths."""
    return f"{100 * done // max(total, 1)} %"


class Told(progress.Progress):
    """A progress that somebody sees, and that ends."""

    def close(self) -> None:
        """Nothing more will be said; a second time does nothing."""


class Lines(Told):
    """A line for every change that is about to be made.

    It is called from the threads that work, so nothing that happens to the stream may come up in them: a log that can't
    be written is no reason to undo a tenant.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._totals: dict[str, int] = {}
        self._said: dict[str, float] = {}
        self._guard = threading.Lock()

    def begins(self, tenant: str, changes: int) -> None:
        """A transaction with so many changes begins."""
        self._totals[tenant] = changes
        self._say(tenant, f"begins, {changes} change{'s' * (changes != 1)}")

    def doing(self, tenant: str, number: int, change: Change) -> None:
        """The change with this number is about to be made."""
        self._said[tenant] = time.monotonic()
        self._say(tenant, f"[{number}/{self._totals.get(tenant, number)}] {change.step}: {change.summary}")

    def advances(self, tenant: str, done: int, total: int) -> None:
        """Something takes long: a line every few seconds."""
        now = time.monotonic()
        if done < total and now - self._said.get(tenant, now) >= _EVERY_SECONDS:
            self._say(tenant, f"{share(done, total)} done")
            self._said[tenant] = now

    def proving(self, tenant: str) -> None:
        """The tenant is observed again."""
        self._say(tenant, "looks at everything again")

    def undoing(self, tenant: str, change: Change) -> None:
        """This change is about to be undone."""
        self._say(tenant, f"undoes {change.step}: {change.summary}")

    def undelivered(self, receiver: str, reason: str) -> None:
        """A notification did not reach its receiver."""
        self._write(undelivered(receiver, reason))

    def ends(self, outcome: Outcome) -> None:
        """The work on a tenant ended."""
        self._write(outcomes.headline(outcome))

    def _say(self, tenant: str, text: str) -> None:
        self._put(styled.styled(f"  {tenant}  {text}", styled.Style.PLAIN).text.rstrip())

    def _write(self, line: styled.Line) -> None:
        self._put(styled.flat(line))

    def _put(self, text: str) -> None:
        with self._guard:
            try:
                terminal.put(f"{text}\n", self._stream)
            except (OSError, ValueError):
                return
