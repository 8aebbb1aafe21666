"""The journal: what each transaction meant to do, did, and undid; also the audit trail.

Every record says whose it is, who wrote it, and when, and is chained to the one before it in its transaction by a hash
over all of that. A record that ends a transaction also names the end before it, of whichever transaction that was: so
neither a record nor a whole transaction can be changed or go missing without a trace (``audit`` looks for it). The ends
are numbered, and two that take the same number at once can't both commit; nobody waits for a lock.

All functions here take the connection of a write (``Store.write``, ``leases.fenced``) or a read.
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
from reconciler.ports import process
from reconciler.ports.store import tables

GENESIS = "0" * 64
ENDS = frozenset({"committed", "rolled-back", "stuck", "kept"})
"""The kinds of records that end a transaction, or an attempt to undo it."""

_TRIES = 20


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
    """One record of a transaction. ``actor`` wrote it: who recovers need not be who began."""

    number: int
    kind: str
    tenant: str
    revision: str
    actor: str
    token: int
    at: str
    body: Mapping[str, Any]
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
            head=GENESIS,
            records=0,
        )
    )
    _append(
        connection,
        transaction.id,
        "begin",
        {"action": transaction.action, **body},
        token=transaction.token,
        at=transaction.started_at,
        actor=transaction.actor,
    )


def append(
    connection: sa.Connection, transaction: str, kind: str, body: Mapping[str, Any], *, token: int, at: str
) -> int:
    """Add a record to the transaction's chain, in the name of whoever runs this process; its number."""
    return _append(connection, transaction, kind, body, token=token, at=at, actor=process.actor())


def _append(
    connection: sa.Connection,
    transaction: str,
    kind: str,
    body: Mapping[str, Any],
    *,
    token: int,
    at: str,
    actor: str,
) -> int:
    columns = tables.transactions.c
    head = connection.execute(
        sa.select(columns.head, columns.records, columns.tenant, columns.revision).where(columns.id == transaction)
    ).one()
    record = {
        "transaction_id": transaction,
        "number": head.records + 1,
        "kind": kind,
        "tenant": head.tenant,
        "revision": head.revision,
        "actor": actor,
        "token": token,
        "at": at,
        "previous": head.head,
    }
    record = _linked(connection, record, body) if kind in ENDS else _hashed(record, body)
    connection.execute(tables.journal.insert().values(**record))
    connection.execute(
        sa.update(tables.transactions)
        .where(columns.id == transaction)
        .values(head=record["hash"], records=record["number"])
    )
    return int(record["number"])


def _linked(connection: sa.Connection, record: dict[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
    """The record of an end, after its number among all ends was taken."""
    newest = sa.select(tables.ends.c.number, tables.ends.c.hash).order_by(tables.ends.c.number.desc()).limit(1)
    for _ in range(_TRIES):
        last = connection.execute(newest).one_or_none()
        end = {"number": last.number + 1 if last else 1, "previous": last.hash if last else GENESIS}
        made = _hashed(record, {**body, "end": end})
        try:
            with connection.begin_nested():
                connection.execute(
                    tables.ends.insert().values(
                        number=end["number"],
                        transaction_id=record["transaction_id"],
                        record=record["number"],
                        hash=made["hash"],
                    )
                )
        except sa.exc.IntegrityError:
            continue  # another process ended a transaction at the same moment, and has this number
        return made
    raise errors.StoreFailed(f"{_TRIES} times somebody else took the next number among the ends of transactions")


def _hashed(record: dict[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
    made = {**record, "body": json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)}
    return {**made, "hash": digest(made)}


def digest(record: Mapping[str, Any]) -> str:
    """The hash over everything that a row of the journal says, but the hash itself."""
    said = [record[column.name] for column in tables.journal.columns if column.name != "hash"]
    return hashlib.sha256(json.dumps(said, separators=(",", ":"), ensure_ascii=False).encode()).hexdigest()


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
    return [_transaction(row) for row in connection.execute(query.limit(limit)).all()]


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
    found, head = list[Entry](), GENESIS
    for row in map(dict[str, Any], connection.execute(query).mappings()):
        if row["number"] != len(found) + 1 or row["previous"] != head or row["hash"] != digest(row):
            raise errors.JournalBroken(
                f"record {row['number']} of transaction {transaction} was changed after it was written, or one before "
                "it is missing"
            )
        head = row["hash"]
        said = {name: value for name, value in row.items() if name not in ("transaction_id", "body")}
        found.append(Entry(**said, body=json.loads(row["body"])))
    return found


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
