"""What can be said of a tenant without looking at a server: its record, its transactions, who works on it.

``Ready`` is always there; ``Reconciling``, ``Stalled`` and ``Suspended`` only while they hold. Drift is what a plan
finds, so it is not spoken of here.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from reconciler import errors
from reconciler.engine import removal
from reconciler.engine.setting import Setting
from reconciler.model.record import Record
from reconciler.model.states import TenantState, TransactionState
from reconciler.ports import process
from reconciler.ports.store import journal, records, tables

TRUE, FALSE, UNKNOWN = "True", "False", "Unknown"
_MOST_TRANSACTIONS = 20_000
_SHORT = 8


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition. ``since`` is when its status last changed, ISO 8601 in UTC; empty if that is not known."""

    type: str
    status: str
    reason: str
    message: str
    since: str


@dataclass(frozen=True, slots=True)
class Status:
    """A tenant as the store knows it. ``revision`` is empty for one that was never made."""

    tenant: str
    product: str
    state: str
    revision: str
    conditions: tuple[Condition, ...]

    def has(self, kind: str) -> bool:
        """Whether the condition ``kind`` is there and true."""
        return any(found.type == kind and found.status == TRUE for found in self.conditions)


def of_tenants(setting: Setting, tenant: str | None = None) -> list[Status]:
    """Every tenant on record or in the journal, by name, or only ``tenant``; none where there is no store yet.

    Errors: ``UsageError`` if nothing at all is known of ``tenant``.
    """
    if setting.store is None:
        return []
    known, transactions, holders, products = setting.store.read(lambda connection: _read(connection, tenant))
    past: dict[str, list[journal.Transaction]] = defaultdict(list)
    for entry in transactions:
        past[entry.tenant].append(entry)
    gone = {name for name, entries in past.items() if name not in known and _purged(entries[0])}
    names = sorted(name for name in {*known, *past} - gone if not name.startswith("@"))  # the platform's own doings
    if tenant is not None and tenant not in names:
        raise errors.UsageError(
            f"nothing is on record of a tenant {tenant}", advice="`reconcile status` lists the tenants on record."
        )
    return [_status(name, known.get(name), past[name], holders.get(name), products.get(name, "")) for name in names]


def _read(connection: sa.Connection, tenant: str | None) -> tuple[Any, ...]:
    known = records.load(connection, None if tenant is None else [tenant])
    transactions = journal.latest(connection, tenant, limit=_MOST_TRANSACTIONS)
    holders = {
        row.tenant: process.Process(**json.loads(row.holder))
        for row in connection.execute(sa.select(tables.leases).where(tables.leases.c.holder.is_not(None)))
    }
    # A tenant that never was committed has no record; its first intent says what it was to be.
    products: dict[str, str] = {}
    for entry in transactions:
        if entry.tenant not in known and entry.tenant not in products:
            with suppress(errors.JournalBroken):  # `history --verify` is what speaks of that
                products[entry.tenant] = str(journal.entries(connection, entry.id)[0].body.get("product", ""))
    return known, transactions, holders, products


def _status(
    name: str,
    record: Record | None,
    past: Iterable[journal.Transaction],
    holder: process.Process | None,
    product: str,
) -> Status:
    oldest_first = list(past)[::-1]
    found = [_ready(record, oldest_first)]
    last = oldest_first[-1] if oldest_first else None
    if last is not None and last.state in _OPEN:
        found = [Condition("Ready", UNKNOWN, "Progressing", f"transaction {_short(last)} is open", last.started_at)]
        found.append(_working(last, holder))
    elif last is not None and last.state in (TransactionState.STUCK, TransactionState.ROLLED_BACK):
        found.append(_stalled(oldest_first))
    if record is not None and record.state == TenantState.SUSPENDED:
        found.append(Condition("Suspended", TRUE, "Suspended", "its spec says `state: suspended`", record.updated_at))
    if record is not None and (hold := record.facts.get(removal.HOLD)):
        found.append(Condition("Suspended", TRUE, "HeldAgainstGit", str(hold["reason"]), record.updated_at))
    return Status(
        tenant=name,
        product=record.product if record else product,
        state=record.state if record else TenantState.PROVISIONING.value,
        revision=record.revision if record else "",
        conditions=tuple(found),
    )


def _ready(record: Record | None, past: list[journal.Transaction]) -> Condition:
    """Ready is who was committed and not left half-changed since; an undone attempt leaves a tenant as it was."""
    status, since = FALSE, ""
    for entry in past:
        then = _AFTER.get(entry.state)
        if then is not None and (then != status or not since):
            status, since = then, entry.ended_at or ""
    last = past[-1] if past else None
    if last is not None and last.state is TransactionState.STUCK:
        message = f"transaction {_short(last)} could not be undone in full; `reconcile show {_short(last)}` lists why"
        return Condition("Ready", FALSE, "RollbackFailed", message, last.ended_at or "")
    if record is not None and record.state == TenantState.TRASHED:
        message = "it is in the trash; `reconcile trash list` says until when"
        return Condition("Ready", FALSE, "Trashed", message, record.updated_at)
    if record is not None:
        message = f"transaction {record.transaction[:_SHORT]} is committed"
        return Condition("Ready", TRUE, "ReconciliationSucceeded", message, since or record.updated_at)
    ended = last.ended_at if last else None
    return Condition("Ready", FALSE, "RolledBack", "it was never made: the attempt was undone", ended or "")


_OPEN = (TransactionState.OPEN, TransactionState.UNDOING, TransactionState.PURGING)
_AFTER: Mapping[TransactionState, str] = {TransactionState.COMMITTED: TRUE, TransactionState.STUCK: FALSE}


def _working(last: journal.Transaction, holder: process.Process | None) -> Condition:
    """An open transaction is being worked on, or was left open by a process that died."""
    if holder is not None and (not process.near(holder) or process.alive(holder)):
        return Condition("Reconciling", TRUE, "Progressing", f"{holder} works on it", last.started_at)
    message = f"transaction {_short(last)} was left open; `reconcile recover` settles it"
    return Condition("Stalled", TRUE, "Interrupted", message, last.started_at)


def _stalled(past: list[journal.Transaction]) -> Condition:
    """The last attempts failed; it has stalled since the first of them."""
    since = ""
    for entry in reversed(past):
        if entry.state is TransactionState.COMMITTED:
            break
        since = entry.ended_at or since
    last = past[-1]
    if last.state is TransactionState.STUCK:
        message = f"transaction {_short(last)} left something over; clear it, then run `reconcile recover`"
        return Condition("Stalled", TRUE, "RollbackFailed", message, since)
    message = f"transaction {_short(last)} ({last.action}) failed and was undone"
    return Condition("Stalled", TRUE, "RolledBack", message, since)


def _purged(last: journal.Transaction) -> bool:
    return last.action == "purge" and last.state is TransactionState.COMMITTED


def _short(transaction: journal.Transaction) -> str:
    return transaction.id[:_SHORT]
