"""Who is told how transactions ended."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.model.server import PasswordSource


@dataclass(frozen=True, slots=True)
class Receiver:
    """An HTTP endpoint that takes events. ``secret`` None: they are not signed. ``events`` are what it wants."""

    name: str
    url: str
    secret: PasswordSource | None
    events: frozenset[str]
