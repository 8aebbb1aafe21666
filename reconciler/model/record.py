"""What the store knows of a tenant: authoritative, unlike anything that stands inside the tenant."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.model.secret import Secret
from reconciler.model.states import TenantState
from reconciler.model.written import Written

PARTED = "parted"
"""The fact of a tenant whose database went to the trash without it."""


@dataclass(frozen=True, slots=True)
class Record:
    """A tenant as its last committed transaction left it.

    ``tokens`` were drawn once and are public (serial, salt, day of issue); ``facts`` is what each resource wrote
    down about itself, by resource and name, for the next diff.
    """

    tenant: str
    product: str
    server: str
    database: str
    client_host: str
    state: str
    revision: str
    transaction: str
    spec: Mapping[str, Any]
    tokens: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, Secret] = field(default_factory=dict)
    facts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    updated_at: str = ""

    @property
    def digest(self) -> str:
        """SHA-256 over all of it; empty for one that is not as it came from the store."""
        told = [self.tenant, self.product, self.server, self.database, self.client_host, self.state, self.revision]
        told += [self.transaction, self.updated_at]
        for held in (self.spec, self.tokens, self.facts):
            if not isinstance(held, Written):
                return ""
            told.append(held.text)
        told += [f"{name} {entry.version} {entry.mark}" for name, entry in sorted(self.secrets.items())]
        return hashlib.sha256("\0".join(told).encode("utf-8", "surrogatepass")).hexdigest()

    @property
    def trashed(self) -> bool:
        """Whether the tenant is in the trash."""
        return self.state == TenantState.TRASHED

    @property
    def parted(self) -> str:
        """Since when its database alone is in the trash, while the tenant lives: UTC, ISO 8601; empty if it is not."""
        return "" if self.trashed else str(self.facts.get(PARTED, {}).get("since", ""))
