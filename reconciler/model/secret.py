"""Secrets by name: what a flow may say about a secret without knowing it."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Recipe(enum.Enum):
    """How a value is drawn. The value says what the mark is, see ``Secret.mark``."""

    DATABASE_PASSWORD = "database-password"  # 40 letters and digits; mark: the mysql_native_password hash
    ONE_TIME_PASSWORD = "one-time-password"  # a person types it once; mark: its argon2id hash
    WEBHOOK_SECRET = "webhook-secret"  # whsec_ and base64 of 32 bytes (Standard Webhooks 1.0); no mark


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret of a tenant, named, never held: the value is sealed in the store.

    ``mark`` is what may stand in clear because the server or the tenant's database holds it anyway (a password
    hash); it is empty where there is none, and where the secret has not been drawn yet (``version`` 0).
    """

    name: str
    version: int
    mark: str = ""

    @property
    def drawn(self) -> bool:
        """Whether there is a value."""
        return self.version > 0


@dataclass(frozen=True, slots=True, repr=False)
class Drawn:
    """A value fresh from the generator, on its way to being sealed; never printed."""

    secret: Secret
    clear: str

    def __repr__(self) -> str:
        return f"Drawn({self.secret.name!r})"
