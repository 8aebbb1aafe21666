"""Destroying a tenant for good: a sealed dump that was proven, a point of no return, and from there forward only.

Up to the record `purging` a purge is a transaction like any other, and can be undone. Behind it there is no way back,
so whoever finds it open goes on: the engine that began it, or a recovery with nothing but the journal.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from reconciler import errors, resources
from reconciler.engine import guard
from reconciler.engine.setting import Setting
from reconciler.model import names
from reconciler.model.change import Change
from reconciler.model.given import Given
from reconciler.model.outcome import Leftover
from reconciler.model.record import PARTED, Record
from reconciler.model.secret import Recipe
from reconciler.model.states import TransactionState
from reconciler.model.step import Step
from reconciler.model.tenant import Tenant
from reconciler.ports.clock import Clock, stamp
from reconciler.ports.session import Session
from reconciler.ports.store import journal, leases, records
from reconciler.ports.store import store as stores
from reconciler.resources.resource import Resource

PENDING_ID = "0" * 32
REHEARSAL = "rehearsal"
_SECRETS = ("db.own", "db.app")
"""The secrets of a tenant's own account and of its application's."""


def steps(tenant: Tenant[Any, Any], given: Given) -> Iterator[Step[Resource]]:
    """What comes before the point of no return, and the list of what is destroyed behind it."""
    server, database, host = tenant.server, tenant.database, tenant.server.client_host
    scratch, visitor = scratch_of(tenant, given.transaction), visitor_of(given.transaction)
    accounts: list[tuple[str, str, str]] = []
    if database:
        secrets = given.record.secrets if given.record else {}
        for user, name in zip((names.owner(database), names.application(database)), _SECRETS, strict=True):
            accounts.append((user, host, secrets[name].mark))
    yield Step(
        "check",
        resources.Condemned(
            tenant.name,
            server,
            database,
            scratch,
            tuple(accounts),
            (visitor, host) if database else None,
            lives=bool(tenant.former),
        ),
    )
    yield Step("dump", resources.FinalDump(tenant.name, server, database, tenant.data))
    if database:
        secret = given.secret(REHEARSAL, Recipe.DATABASE_PASSWORD)
        yield Step("rehearsal", resources.Database(tenant.name, server, scratch, ((visitor, host),), recorded=False))
        yield Step("rehearsal", resources.Account(server, visitor, host, secret, "loads the dump", recorded=False))
        yield Step(
            "rehearsal",
            resources.Grants(server, visitor, host, scratch, frozenset({resources.ALL}), "it loads the dump"),
        )
        yield Step("rehearsal", resources.Rehearsal(tenant.name, server, database, scratch, visitor, host, secret))


def scratch_of(tenant: Tenant[Any, Any], transaction: str) -> str:
    """The database that a final dump is loaded into; "" of a tenant without a database."""
    return names.scratch(tenant.database, transaction or PENDING_ID) if tenant.database else ""


def visitor_of(transaction: str) -> str:
    """The account that loads a final dump into the scratch database, and goes with it."""
    return names.shortened("rehearsal_", names.ACCOUNT_LIMIT, (transaction or PENDING_ID)[:22])


def kept_until(setting: Setting, record: Record) -> str:
    """When the retention of a tenant in the trash ends, or of its database alone, UTC, ISO 8601."""
    trashed = dt.datetime.fromisoformat(record.parted or record.updated_at)
    return stamp(trashed + dt.timedelta(days=setting.platform.trash.retention_days))


def check(setting: Setting, record: Record, *, now: bool) -> None:
    """Errors: ``GuardRefused`` if it is protected, or its retention has not ended and ``now`` was not asked for."""
    if protection := guard.protection(record.tenant, guard.noted(record), setting.platform.guards):
        raise protection
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
    listed, reason = _listed(changes), ""
    try:
        resources.condemned.destroy(listed, session)
    except (errors.ConnectionLost, errors.ServerUnreachable):
        raise
    except errors.ReconcileError as error:
        reason = error.message
    return [
        Leftover(resources.Condemned.kind, what, f"not destroyed yet: {reason or 'unknown'}", "reconcile recover")
        for what in resources.condemned.left(listed, session)
    ]


def write_commit(
    connection: sa.Connection,
    changes: Sequence[Change],
    tenant: str,
    transaction: str,
    lease: leases.Lease,
    at: str,
) -> int:
    """The end: the tenant is on record no more, or its database is not; and what was secret of it is forgotten.

    Returns the number of the last record.
    """
    number = journal.append(connection, transaction, "committed", {}, token=lease.token, at=at)
    journal.advance(connection, transaction, TransactionState.COMMITTED, token=lease.token, at=at)
    if not resources.condemned.lives(_listed(changes)):
        records.forget(connection, tenant)
        return number
    record = records.load(connection, [tenant])[tenant]
    database = f"{record.server}/{record.database}"
    accounts = [
        resources.account.address(record.server, user, record.client_host)
        for user in (names.owner(record.database), names.application(record.database))
    ]
    facts = {
        name: fact
        for name, fact in record.facts.items()
        if name != PARTED
        and (about := name.partition("/")[2]) not in (database, *accounts)
        and not about.startswith(f"{database}/")
    }
    records.save(connection, replace(record, database="", facts=facts, transaction=transaction, updated_at=at))
    records.forget_secrets(connection, tenant, (*_SECRETS, REHEARSAL))
    return number


def _listed(changes: Sequence[Change]) -> Change:
    [listed] = [change for change in changes if change.resource == resources.Condemned.kind]
    return listed
