"""Who is told what happens while it happens. Everything is called from worker threads."""

from __future__ import annotations

from reconciler.model.change import Change
from reconciler.model.outcome import Outcome


class Progress:
    """Told about the work; this one says nothing. A renderer is a subclass."""

    def begins(self, tenant: str, changes: int) -> None:
        """A transaction with so many changes begins."""

    def doing(self, tenant: str, number: int, change: Change) -> None:
        """The change with this number (from 1) is about to be made."""

    def advances(self, tenant: str, done: int, total: int) -> None:
        """Of the change that is being made so much of so much is done; called often."""

    def proving(self, tenant: str) -> None:
        """All changes are made; the tenant is observed again."""

    def undoing(self, tenant: str, change: Change) -> None:
        """This change is about to be undone."""

    def undelivered(self, receiver: str, reason: str) -> None:
        """A notification did not reach its receiver; it stays in the outbox."""

    def ends(self, outcome: Outcome) -> None:
        """The work on a tenant ended."""
