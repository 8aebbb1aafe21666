"""The journal: what each transaction meant to do, did, and undid; also the audit trail.

Every record is chained to the one before it in its transaction by a hash over its own bytes, so that a changed or
missing one shows. All functions here take the connection of a write (``Store.write``, ``leases.fenced``) or a read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from reconciler import errors
from reconciler.model.states import UNSETTLED, TransactionState, move
from reconciler.ports.store import tables

_GENESIS = "0" * 64


@dataclass(frozen=True, slots=True)
class Transaction:
    """A transaction's head: who does what to which tenant, and where it stands. Times are UTC, ISO 8601."""

    id: str
    tenant: str
    action: str
    state: TransactionState
    token: int
    actor: str
    revision: str
    started_at: str
    ended_at: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One record of a transaction."""

    number: int
    kind: str
    body: Mapping[str, Any]
    token: int
    at: str
    previous: str
    hash: str


def begin(connection: sa.Connection, transaction: Transaction, body: Mapping[str, Any]) -> None:
    """Write a new transaction with its first record: every intent, with the way back and what stood there before."""
    connection.execute(
        tables.transactions.insert().values(
            id=transaction.id,
            tenant=transaction.tenant,
            action=transaction.action,
            state=transaction.state.value,
            token=transaction.token,
            actor=transaction.actor,
            revision=transaction.revision,
            started_at=transaction.started_at,
            head=_GENESIS,
            records=0,
        )
    )
    append(connection, transaction.id, "begin", body, token=transaction.token, at=transaction.started_at)


def append(
    connection: sa.Connection, transaction: str, kind: str, body: Mapping[str, Any], *, token: int, at: str
) -> None:
    """Add a record to the transaction's chain."""
    head = connection.execute(
        sa.select(tables.transactions.c.head, tables.transactions.c.records).where(
            tables.transactions.c.id == transaction
        )
    ).one()
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    number = head.records + 1
    link = _link(head.head, transaction, number, kind, text, token, at)
    connection.execute(
        tables.journal.insert().values(
            transaction_id=transaction,
            number=number,
            kind=kind,
            body=text,
            token=token,
            at=at,
            previous=head.head,
            hash=link,
        )
    )
    connection.execute(
        sa.update(tables.transactions).where(tables.transactions.c.id == transaction).values(head=link, records=number)
    )


def advance(
    connection: sa.Connection, transaction: str, then: TransactionState, *, token: int, at: str | None = None
) -> None:
    """Move a transaction to another state, under the writer's number. Errors: ValueError for a move that is none."""
    now = connection.execute(
        sa.select(tables.transactions.c.state).where(tables.transactions.c.id == transaction)
    ).scalar_one()
    state = move(TransactionState(now), then)
    connection.execute(
        sa.update(tables.transactions)
        .where(tables.transactions.c.id == transaction)
        .values(state=state.value, token=token, ended_at=at)
    )


def unsettled(connection: sa.Connection, tenants: Iterable[str] | None = None) -> list[Transaction]:
    """The transactions that were begun and neither committed nor undone in full, oldest first."""
    query = (
        sa.select(tables.transactions)
        .where(tables.transactions.c.state.in_([state.value for state in UNSETTLED]))
        .order_by(tables.transactions.c.started_at, tables.transactions.c.id)
    )
    if tenants is not None:
        query = query.where(tables.transactions.c.tenant.in_(list(tenants)))
    return [_transaction(row) for row in connection.execute(query)]


def latest(connection: sa.Connection, tenant: str | None = None, limit: int = 100) -> list[Transaction]:
    """The last transactions, newest first: of one tenant, or of all."""
    query = sa.select(tables.transactions).order_by(
        tables.transactions.c.started_at.desc(), tables.transactions.c.id.desc()
    )
    if tenant is not None:
        query = query.where(tables.transactions.c.tenant == tenant)
    return [_transaction(row) for row in connection.execute(query.limit(limit))]


def find(connection: sa.Connection, identity: str) -> Transaction | None:
    """The transaction with this id, or the only one whose id begins so."""
    query = (
        sa.select(tables.transactions).where(tables.transactions.c.id.startswith(identity, autoescape=True)).limit(2)
    )
    rows = connection.execute(query).all()
    return _transaction(rows[0]) if len(rows) == 1 else None


def entries(connection: sa.Connection, transaction: str) -> list[Entry]:
    """All records of a transaction, in order. Errors: ``StoreFailed`` if the chain is broken."""
    query = (
        sa.select(tables.journal)
        .where(tables.journal.c.transaction_id == transaction)
        .order_by(tables.journal.c.number)
    )
    found, head = [], _GENESIS
    for row in connection.execute(query):
        link = _link(head, transaction, row.number, row.kind, row.body, row.token, row.at)
        if row.previous != head or row.hash != link:
            raise errors.StoreFailed(
                f"record {row.number} of transaction {transaction} was changed after it was written, or one is missing"
            )
        head = link
        found.append(Entry(row.number, row.kind, json.loads(row.body), row.token, row.at, row.previous, row.hash))
    return found


def _link(head: str, transaction: str, number: int, kind: str, body: str, token: int, at: str) -> str:
    text = json.dumps([head, transaction, number, kind, body, token, at], separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _transaction(row: sa.Row[tuple[Any, ...]]) -> Transaction:
    return Transaction(
        id=row.id,
        tenant=row.tenant,
        action=row.action,
        state=TransactionState(row.state),
        token=row.token,
        actor=row.actor,
        revision=row.revision,
        started_at=row.started_at,
        ended_at=row.ended_at,
    )
