"""One thing to do, with its way back and its reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

State = Mapping[str, Any] | None
"""A resource as observed or wanted, as plain JSON data; None: it is not there."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one resource, from ``before`` to ``after``.

    Both states are data and hold no secret: they are the journal's intent and its pre-image, and everything
    that ``undo`` may use. ``details`` are the fields that change, for people: (field, from, to).
    """

    step: str
    resource: str
    name: str
    action: str
    before: State
    after: State
    summary: str
    reason: str
    undo: str
    details: tuple[tuple[str, str, str], ...] = ()
    destroys: bool = field(default=False)
    """Whether undoing it drops something that can't be made again from the journal (a database, an account)."""
    takes_away: bool = field(default=False)
    """Whether doing it takes something away that is in use: a privilege, a row, an open account."""
    taken: tuple[str, ...] = field(default=())
    """What of the thing that is, where it is not the whole: each privilege with its level."""

    def as_data(self) -> dict[str, Any]:
        """The change as the journal keeps it."""
        return {
            "step": self.step,
            "resource": self.resource,
            "name": self.name,
            "action": self.action,
            "before": self.before,
            "after": self.after,
            "summary": self.summary,
            "reason": self.reason,
            "undo": self.undo,
            "details": [list(detail) for detail in self.details],
            "destroys": self.destroys,
            "takesAway": self.takes_away,
            **({"taken": list(self.taken)} if self.taken else {}),
        }

    @staticmethod
    def from_data(data: Mapping[str, Any]) -> Change:
        """The change that ``as_data`` wrote down."""
        return Change(
            step=data["step"],
            resource=data["resource"],
            name=data["name"],
            action=data["action"],
            before=data["before"],
            after=data["after"],
            summary=data["summary"],
            reason=data["reason"],
            undo=data["undo"],
            details=tuple((name, old, new) for name, old, new in data["details"]),
            destroys=data["destroys"],
            takes_away=data["takesAway"],
            taken=tuple(data.get("taken", ())),
        )
