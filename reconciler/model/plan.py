"""A plan: what would be done, why, and what is refused. Data that can be printed, saved and compared."""

from __future__ import annotations

import enum
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from reconciler.errors import Where
from reconciler.model.change import Change


class Action(enum.StrEnum):
    """What a plan does with a tenant; where several hold, the one that stands first here."""

    BLOCKED = "blocked"
    TRASH = "trash"
    RESTORE = "restore"
    CREATE = "create"
    ADOPT = "adopt"
    UPDATE = "update"
    REPAIR = "repair"
    UNCHANGED = "unchanged"
    ORPHANED = "orphaned"


_CANONICAL: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode
SUMMARY_ORDER = ("create", "update", "repair", "trash", "restore", "adopt", "unchanged", "orphaned", "blocked")


@dataclass(frozen=True, slots=True)
class Blocker:
    """A reason why a tenant can't be worked on as things stand. ``code`` is an error's code."""

    code: str
    message: str
    advice: str = ""
    where: Where | None = None
    exit: int = 3


@dataclass(frozen=True, slots=True)
class Unknown:
    """Something that the account may not see, so that nothing is said about it."""

    what: str
    privilege: str


HELD = "held"
"""The code of the report on a tenant that somebody wants left as it is."""
OPEN = "open"
"""The code of the report on a tenant with a transaction that has not ended."""


@dataclass(frozen=True, slots=True)
class Report:
    """Something that is not as it was made and that nothing is done about. ``code`` is that of a class of drift,
    ``HELD`` or ``OPEN``.
    """

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class TenantPlan:
    """What would be done with one tenant, in order."""

    tenant: str
    product: str
    action: Action
    changes: tuple[Change, ...] = ()
    blockers: tuple[Blocker, ...] = ()
    unknown: tuple[Unknown, ...] = ()
    where: Where | None = None
    reports: tuple[Report, ...] = ()
    differing: frozenset[str] = frozenset()
    """The summaries of the changes that are needed by themselves, without those that only go along with them."""
    spec: str = ""
    """A digest over the spec and what it stands on; empty where nothing would be changed."""
    observed: Mapping[str, str] = field(default_factory=dict)
    """Of each of the tenant's things a digest over what was seen of it; empty where nothing would be changed."""

    @property
    def fingerprint(self) -> str:
        """A digest over everything that the changes do; equal plans have equal fingerprints, at any revision."""
        facts = [
            [
                change.step,
                change.resource,
                change.name,
                change.action,
                change.summary,
                [detail for detail in change.details if detail[0] != "revision"],
            ]
            for change in self.changes
        ]
        return digest([self.tenant, self.product, self.action.value, facts])


@dataclass(frozen=True, slots=True)
class Taken:
    """Of when the snapshot is that a plan was made from, and how old it was then, in whole seconds.

    It is less than 0 where the clock that made it is ahead.
    """

    created_at: str
    age: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be done with all tenants; ``platform`` is what comes before them, in a transaction of its own.

    ``snapshot`` says that nobody looked at servers, but at what was seen of them then.
    """

    revision: str
    created_at: str
    deep: bool
    tenants: tuple[TenantPlan, ...]
    platform: tuple[Change, ...] = field(default=())
    snapshot: Taken | None = None

    @property
    def summary(self) -> dict[str, int]:
        """How many tenants have which action."""
        counts = dict.fromkeys(SUMMARY_ORDER, 0)
        for tenant in self.tenants:
            counts[tenant.action.value] += 1
        return counts

    @property
    def fingerprint(self) -> str:
        """A digest over the platform's changes and every tenant's fingerprint."""
        platform = [[change.resource, change.name, change.action, change.summary] for change in self.platform]
        return digest([platform, [tenant.fingerprint for tenant in self.tenants]])

    @property
    def empty(self) -> bool:
        """Whether everything is in sync: nothing to do and nothing that blocks."""
        return not self.platform and not self.changed and not self.blocked

    @property
    def changed(self) -> Sequence[TenantPlan]:
        """The tenants that have changes and no blocker."""
        return [tenant for tenant in self.tenants if tenant.changes and not tenant.blockers]

    @property
    def blocked(self) -> Sequence[TenantPlan]:
        """The tenants that can't be worked on."""
        return [tenant for tenant in self.tenants if tenant.blockers]


def digest(data: object) -> str:
    """sha256 over the canonical JSON of ``data``, as ``sha256:<64 hex>``."""
    return "sha256:" + hashlib.sha256(_CANONICAL(data).encode()).hexdigest()
