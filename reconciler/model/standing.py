"""What stands about a tenant beside its record: how the last attempts went, its conditions, who holds it.

All times are UTC as ``ports.clock.stamp`` writes them, and empty where there is none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

TRUE: Final = "True"
FALSE: Final = "False"
UNKNOWN: Final = "Unknown"

ALL: Final = "@all"
"""The subject of a hold on the whole daemon."""
SOURCE: Final = "@source"
"""The subject of the conditions of where the specs are merged."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How the work on one tenant stands.

    ``generation`` is the spec's id (a blob's, or a digest), ``revision`` the one that was attempted last. ``failures``
    counts attempts that failed in a row; ``final`` says that only a new generation or a new ``requestedAt`` leads to
    another one, otherwise ``next_at`` says when it comes. ``handled_request`` echoes the last ``requestedAt``.

    ``said`` is what there is to say of the last attempt, all of it optional: ``code`` (an error's), ``step``,
    ``message``, ``where`` (``file:line:column``), ``file`` (of the spec, where it is gone), ``undone`` (texts),
    ``commit``, ``author``, and what else whoever wrote it wants to find again, such as the state of healing.
    """

    tenant: str
    generation: str = ""
    revision: str = ""
    failures: int = 0
    final: bool = False
    next_at: str = ""
    handled_request: str = ""
    plan_digest: str = ""
    said: Mapping[str, Any] = field(default_factory=dict)
    updated_at: str = ""


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition. ``since`` is when its status last changed; ``generation`` the spec's that it was said of."""

    type: str
    status: str
    reason: str
    message: str
    since: str = ""
    generation: str = ""


@dataclass(frozen=True, slots=True)
class Transition:
    """A condition of ``subject`` that came, went, or has another status or reason."""

    subject: str
    before: Condition | None
    after: Condition | None


@dataclass(frozen=True, slots=True)
class Hold:
    """Somebody wants ``subject`` (a tenant, or ``ALL``) left as it is: who, why, and until when.

    Without ``until`` it lasts until it is taken away. ``where`` is the place in the specs that asks for it; one that
    stands in the store has none.
    """

    subject: str
    actor: str
    reason: str
    until: str = ""
    since: str = ""
    where: str = ""

    def lasts(self, now: str) -> bool:
        """Whether it still holds at ``now``."""
        return not self.until or now <= self.until
