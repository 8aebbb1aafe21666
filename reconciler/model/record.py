"""What the store knows of a tenant: authoritative, unlike anything that stands inside the tenant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.model.secret import Secret


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
