"""Tenants as their last commit left them, and their sealed secrets."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from reconciler.model.record import Record
from reconciler.model.secret import Secret
from reconciler.model.written import Written
from reconciler.ports.store import tables

_MANY: Final = 500  # names in one statement; some databases take no more than a thousand parameters
_COLUMNS: Final = tuple(
    tables.tenants.c[name]
    for name in (
        *("name", "product", "server", "database_name", "client_host", "state", "revision", "transaction_id"),
        *("spec", "tokens", "facts", "updated_at"),
    )
)


@dataclass(frozen=True, slots=True)
class Sealed:
    """A secret as the store keeps it: encrypted, bound to its tenant and name."""

    secret: Secret
    sealed: bytes


def load(
    connection: sa.Connection,
    names: Iterable[str] | None = None,
    *,
    each: Callable[[Record], Record] = lambda record: record,
) -> dict[str, Record]:
    """Every tenant's record by name, or those of ``names``; ``each`` may make one smaller before the next is read."""
    wanted = None if names is None else list(names)
    if wanted is not None and len(wanted) > _MANY:
        chosen = {*wanted}
        return {name: record for name, record in load(connection, each=each).items() if name in chosen}
    query = sa.select(*_COLUMNS)
    marks = sa.select(
        tables.secrets.c.tenant, tables.secrets.c.name, tables.secrets.c.version, tables.secrets.c.mark
    ).order_by(tables.secrets.c.version)
    if wanted is not None:
        query = query.where(tables.tenants.c.name.in_(wanted))
        marks = marks.where(tables.secrets.c.tenant.in_(wanted))
    secrets: dict[str, dict[str, Secret]] = {}
    for tenant, name, version, mark in connection.execute(marks):
        secrets.setdefault(tenant, {})[name] = Secret(name, version, mark)
    found: dict[str, Record] = {}
    # A row taken apart costs a fraction of one that is asked column by column.
    rows = connection.execute(query.execution_options(yield_per=_MANY))
    for name, product, server, database, host, state, revision, transaction, *held, at in rows:
        spec, tokens, facts = map(Written, held)
        own = secrets.get(name, {})
        record = Record(
            name, product, server, database, host, state, revision, transaction, spec, tokens, own, facts, at
        )
        found[name] = each(record)
    return found


def names(connection: sa.Connection) -> set[str]:
    """Everybody who has a record."""
    return set(connection.scalars(sa.select(tables.tenants.c.name)))


def save(connection: sa.Connection, record: Record) -> None:
    """Write a tenant's record in place of the one before; part of the transaction's commit."""
    values = {
        "product": record.product,
        "server": record.server,
        "database_name": record.database,
        "client_host": record.client_host,
        "state": record.state,
        "revision": record.revision,
        "transaction_id": record.transaction,
        "spec": _json(dict(record.spec)),
        "tokens": _json(dict(record.tokens)),
        "facts": _json(dict(record.facts)),
        "updated_at": record.updated_at,
    }
    updated = connection.execute(
        sa.update(tables.tenants).where(tables.tenants.c.name == record.tenant).values(**values)
    ).rowcount
    if not updated:
        connection.execute(tables.tenants.insert().values(name=record.tenant, **values))


def seal(connection: sa.Connection, tenant: str, transaction: str, sealed: Iterable[Sealed]) -> None:
    """Keep sealed secrets; part of the transaction's first record, before anything uses them."""
    rows = [
        {
            "tenant": tenant,
            "name": entry.secret.name,
            "version": entry.secret.version,
            "mark": entry.secret.mark,
            "sealed": entry.sealed,
            "transaction_id": transaction,
        }
        for entry in sealed
    ]
    if rows:
        connection.execute(tables.secrets.insert(), rows)


def unseal(connection: sa.Connection, tenant: str) -> list[Sealed]:
    """A tenant's sealed secrets, in their last versions, by name."""
    query = (
        sa.select(tables.secrets)
        .where(tables.secrets.c.tenant == tenant)
        .order_by(tables.secrets.c.name, tables.secrets.c.version)
    )
    found = {row.name: Sealed(Secret(row.name, row.version, row.mark), row.sealed) for row in connection.execute(query)}
    return list(found.values())


def sample(connection: sa.Connection) -> tuple[str, Sealed] | None:
    """Any one sealed secret, with its tenant; None where there is none."""
    row = connection.execute(sa.select(tables.secrets).limit(1)).first()
    return None if row is None else (row.tenant, Sealed(Secret(row.name, row.version, row.mark), row.sealed))


def shred(connection: sa.Connection, transaction: str) -> None:
    """Forget the secrets that a transaction drew; part of the end of its rollback."""
    connection.execute(sa.delete(tables.secrets).where(tables.secrets.c.transaction_id == transaction))


def forget_secrets(connection: sa.Connection, tenant: str, names: Iterable[str]) -> None:
    """Forget secrets of a tenant that lives on, in all their versions."""
    secrets = tables.secrets
    connection.execute(sa.delete(secrets).where(secrets.c.tenant == tenant, secrets.c.name.in_(list(names))))


def forget(connection: sa.Connection, tenant: str) -> None:
    """Forget a tenant that was purged, with its secrets."""
    connection.execute(sa.delete(tables.secrets).where(tables.secrets.c.tenant == tenant))
    connection.execute(sa.delete(tables.tenants).where(tables.tenants.c.name == tenant))


def _json(data: Mapping[str, object]) -> str:
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
