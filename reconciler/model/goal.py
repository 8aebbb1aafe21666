"""What a transaction wants of a tenant."""

from __future__ import annotations

import enum


class Goal(enum.StrEnum):
    """The state of affairs that it aims at."""

    PRESENT = "present"
    """As the spec says; a tenant in the trash comes back for that."""

    TRASHED = "trashed"
    """Nobody can use it or see it, and all of it is kept."""

    RESTORED = "restored"
    """Exactly as it was when it was trashed, although no spec asks for it."""

    PURGED = "purged"
    """Gone for good, but for a sealed dump."""
