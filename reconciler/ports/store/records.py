"""Tenants as their last commit left them, and their sealed secrets."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from reconciler.model.record import Record
from reconciler.model.secret import Secret
from reconciler.model.written import Written
from reconciler.ports.store import tables


@dataclass(frozen=True, slots=True)
class Sealed:
    """A secret as the store keeps it: encrypted, bound to its tenant and name."""

    secret: Secret
    sealed: bytes


def load(connection: sa.Connection, names: Iterable[str] | None = None) -> dict[str, Record]:
    """Every tenant's record by name, or those of ``names``."""
    query = sa.select(tables.tenants)
    marks = sa.select(
        tables.secrets.c.tenant, tables.secrets.c.name, tables.secrets.c.version, tables.secrets.c.mark
    ).order_by(tables.secrets.c.version)
    if names is not None:
        wanted = list(names)
        query = query.where(tables.tenants.c.name.in_(wanted))
        marks = marks.where(tables.secrets.c.tenant.in_(wanted))
    secrets: dict[str, dict[str, Secret]] = defaultdict(dict)
    for row in connection.execute(marks):
        secrets[row.tenant][row.name] = Secret(row.name, row.version, row.mark)
    return {
        row.name: Record(
            tenant=row.name,
            product=row.product,
            server=row.server,
            database=row.database_name,
            client_host=row.client_host,
            state=row.state,
            revision=row.revision,
            transaction=row.transaction_id,
            spec=Written(row.spec),
            tokens=Written(row.tokens),
            secrets=secrets[row.name],
            facts=Written(row.facts),
            updated_at=row.updated_at,
        )
        for row in connection.execute(query)
    }


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
