"""Destroying a tenant for good: a sealed dump that was proven, a point of no return, and from there forward only.

Up to the record `purging` a purge is a transaction like any other, and can be undone. Behind it there is no way back,
so whoever finds it open goes on: the engine that began it, or a recovery with nothing but the journal.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from reconciler import errors
from reconciler.engine.setting import Setting
from reconciler.model import names
from reconciler.model.change import Change
from reconciler.model.given import Given
from reconciler.model.outcome import Leftover
from reconciler.model.record import Record
from reconciler.model.states import TransactionState
from reconciler.model.step import Step
from reconciler.model.tenant import Tenant
from reconciler.ports.clock import Clock, stamp
from reconciler.ports.session import Session
from reconciler.ports.store import journal, leases, records
from reconciler.ports.store import store as stores
from reconciler.resources import condemned
from reconciler.resources.database import Database
from reconciler.resources.final_dump import FinalDump, Rehearsal
from reconciler.resources.resource import Resource

PENDING_ID = "0" * 32


def steps(tenant: Tenant[Any, Any], given: Given) -> Iterator[Step[Resource]]:
    """What comes before the point of no return, and the list of what is destroyed behind it."""
    server, database = tenant.server, tenant.database
    scratch = scratch_of(tenant, given.transaction)
    accounts: list[tuple[str, str, str]] = []
    if database:
        secrets = given.record.secrets if given.record else {}
        for user, secret in ((names.owner(database), "db.own"), (names.application(database), "db.app")):
            accounts.append((user, tenant.server.client_host, secrets[secret].mark))
    yield Step("check", condemned.Condemned(tenant.name, server, database, scratch, tuple(accounts)))
    yield Step("dump", FinalDump(tenant.name, server, database, tenant.data))
    if database:
        yield Step("rehearsal", Database(tenant.name, server, scratch, (), recorded=False))
        yield Step("rehearsal", Rehearsal(tenant.name, server, database, scratch))


def scratch_of(tenant: Tenant[Any, Any], transaction: str) -> str:
    """The database that a final dump is loaded into: its name is longer behind the prefix than any tenant's can be."""
    if not tenant.database:
        return ""
    return names.shortened(tenant.database, names.DATABASE_LIMIT, f"_rehearsal_{transaction or PENDING_ID}")


def kept_until(setting: Setting, record: Record) -> str:
    """When the retention of a tenant in the trash ends, UTC, ISO 8601."""
    trashed = dt.datetime.fromisoformat(record.updated_at)
    return stamp(trashed + dt.timedelta(days=setting.platform.trash.retention_days))


def check(setting: Setting, record: Record, *, now: bool) -> None:
    """Errors: ``GuardRefused`` if it is protected, or its retention has not ended and ``now`` was not asked for."""
    if record.tenant in setting.platform.guards.protect:
        raise errors.GuardRefused(f"tenant {record.tenant} is protected: guards.protect names it")
    until = kept_until(setting, record)
    if not now and setting.ports.clock.stamp() < until:
        raise errors.GuardRefused(
            f"tenant {record.tenant} is kept until {until}",
            advice="Wait until then, or say --now.",
        )


def pass_point(
    store: stores.Store, lease: leases.Lease, transaction: str, clock: Clock, facts: Mapping[str, Any]
) -> None:
    """The point of no return, with where the final dump is and what it came to.

    Errors: ``LeaseLost``, ``StoreFailed``; then it may or may not have been passed.
    """
    now = clock.stamp()

    def write(connection: sa.Connection) -> None:
        journal.append(connection, transaction, "purging", {"facts": facts}, token=lease.token, at=now)
        journal.advance(connection, transaction, TransactionState.PURGING, token=lease.token)

    leases.fenced(store, lease, write)


def forward(changes: Sequence[Change], session: Session) -> list[Leftover]:
    """Destroy what the journal lists; what is still there afterwards, and why. Errors: connections that break."""
    [listed] = [change for change in changes if change.resource == condemned.Condemned.kind]
    reason = ""
    try:
        condemned.destroy(listed, session)
    except (errors.ConnectionLost, errors.ServerUnreachable):
        raise
    except errors.ReconcileError as error:
        reason = error.message
    return [
        Leftover(condemned.Condemned.kind, what, f"not destroyed yet: {reason or 'unknown'}", "reconcile recover")
        for what in condemned.left(listed, session)
    ]


def write_commit(connection: sa.Connection, tenant: str, transaction: str, lease: leases.Lease, at: str) -> int:
    """The end: the tenant is on record no more, and its secrets are forgotten. The number of the last record."""
    number = journal.append(connection, transaction, "committed", {}, token=lease.token, at=at)
    journal.advance(connection, transaction, TransactionState.COMMITTED, token=lease.token, at=at)
    records.forget(connection, tenant)
    return number
