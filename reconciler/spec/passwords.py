"""Where a secret is read from that a spec only points at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from reconciler.spec import kind
from reconciler.spec.kind import option


@dataclass(frozen=True, slots=True)
class PasswordFrom:
    """Where a password is read from; the password itself never stands in a spec."""

    GROUPS: ClassVar[tuple[kind.Group, ...]] = (kind.one_of("env", "file"),)

    env: str | None = option(
        doc="An environment variable.",
        default=None,
        pattern="^[A-Za-z_][A-Za-z0-9_]*$",
        examples=["RECONCILE_MAIN_PASSWORD"],
    )
    file: str | None = option(
        doc="A file; one newline at its end is not part of the password.", default=None, min_length=1
    )
