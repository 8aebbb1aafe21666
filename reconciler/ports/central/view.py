"""The central rows of the tenants, read in four queries however many tenants there are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler import errors
from reconciler.ports.mysql import census, names
from reconciler.ports.mysql.connection import AGAIN, DENIED, Connection

Row = Mapping[str, Any]

MISSING = frozenset({1049, 1146})
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "tenants": (
        *("name", "product", "display_name", "server", "database_name", "domain", "plan", "locale", "timezone"),
        *("state", "revision", "platform_id", "transaction_id"),
    ),
    "licenses": (
        *("tenant", "product", "serial", "edition", "status", "issued_at", "expires_at", "grace_days"),
        *("max_devices", "key_id", "seq", "terms", "platform_id", "transaction_id"),
    ),
    "license_devices": ("serial", "name", "hardware", "tenant", "platform_id", "transaction_id"),
    "webhook_endpoints": ("tenant", "name", "url", "events", "state", "platform_id", "transaction_id"),
}
KEYS: Mapping[str, tuple[str, ...]] = {
    "tenants": ("name",),
    "licenses": ("tenant",),
    "license_devices": ("serial", "name"),
    "webhook_endpoints": ("tenant", "name"),
}
_TENANT = {"tenants": "name"}


@dataclass(frozen=True, slots=True)
class CentralView:
    """By table, then by tenant: that tenant's rows. Empty where the central database has not been made yet."""

    tables: Mapping[str, Mapping[str, list[Row]]] = field(default_factory=dict)

    def rows(self, table: str, tenant: str) -> list[Row]:
        """The tenant's rows in ``table``."""
        return self.tables.get(table, {}).get(tenant, [])


def look(connection: Connection, database: str, tenants: Collection[str] | None) -> CentralView:
    """Read the rows of ``tenants``, or all. Errors: ``census.Unseen`` where the account may not."""
    found: dict[str, dict[str, list[Row]]] = {}
    for table in COLUMNS:
        by_tenant: dict[str, list[Row]] = defaultdict(list)
        for row in _rows(connection, database, table, tenants):
            by_tenant[row[tenant_column(table)]].append(row)
        found[table] = by_tenant
    return CentralView(found)


def tenant_column(table: str) -> str:
    """The column of ``table`` that holds the tenant's name."""
    return _TENANT.get(table, "tenant")


def _rows(connection: Connection, database: str, table: str, tenants: Collection[str] | None) -> list[Row]:
    where, parameters = "", tuple[str, ...]()
    if tenants is not None and len(tenants) <= census.NARROW:
        if not tenants:
            return []
        where = f" WHERE {names.identifier(tenant_column(table))} IN ({', '.join(['%s'] * len(tenants))})"
        parameters = tuple(tenants)
    columns = ", ".join(names.identifier(column) for column in COLUMNS[table])
    try:
        rows = connection.rows(f"SELECT {columns} FROM {names.qualified(database, table)}{where}", parameters)
    except errors.StatementFailed as error:
        if error.errno in MISSING:
            return []
        if error.errno in DENIED:
            raise census.Unseen("the central database", f"SELECT ON {names.identifier(database)}.*") from error
        if error.errno in AGAIN:
            what = f"the central table {table}, which somebody has locked"
            raise census.Unseen(what, "the end of that lock") from error
        raise
    return [dict(zip(COLUMNS[table], row, strict=True)) for row in rows]
