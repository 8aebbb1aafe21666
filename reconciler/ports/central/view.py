"""The central rows of the tenants, read in four queries however many tenants there are.

Whether the rows of many tenants are as they were is told by digests that the server works out: one query, of which the
answer is a fraction of the rows.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from reconciler import errors
from reconciler.ports.mysql import census, names
from reconciler.ports.mysql.connection import AGAIN, DENIED, Connection

Row = Mapping[str, Any]

HEAD: Final = "0001"
"""The revision of the central database that has these tables and columns."""
MISSING = frozenset({1049, 1146})
"""What a server says of a database or table that is not there."""
_NO_COLUMN: Final = 1054
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
_WHOSE: Final = ("id", "name", "platform_id")
"""The columns of the table ``platform``."""
_ROWS_A_LINE: Final = 1000
"""Of so many rows, about, the server gives the digests in one text; none may be longer than a server makes them."""
_DIGITS: Final = 64


@dataclass(frozen=True, slots=True)
class CentralView:
    """By table, then by tenant: that tenant's rows. Empty where the central database has not been made yet."""

    tables: Mapping[str, Mapping[str, list[Row]]] = field(default_factory=dict)

    def rows(self, table: str, tenant: str) -> list[Row]:
        """The tenant's rows in ``table``."""
        return self.tables.get(table, {}).get(tenant, [])

    def let_go(self, tenant: str) -> None:
        """Forget a tenant's rows, where they were read."""
        for rows in self.tables.values():
            if isinstance(rows, _Rows):
                rows.let_go(tenant)

    @property
    def tenants(self) -> set[str]:
        """Who has rows here."""
        return {tenant for rows in self.tables.values() for tenant in rows}

    def told(self, table: str, tenant: str) -> str:
        """What is equal where the tenant's rows in ``table`` are: as ``Digests`` has it."""
        columns = COLUMNS[table]
        return _joined([_digest([row[column] for column in columns]) for row in self.rows(table, tenant)])


Digests = Mapping[str, Mapping[str, str]]
"""By table, then by tenant: what is equal where that tenant's rows are."""


class _Rows(Mapping[str, list[Row]]):
    """Rows by tenant, which become mappings when they are asked for: of ten thousand tenants they would be large."""

    def __init__(self, columns: tuple[str, ...], rows: dict[str, list[Sequence[Any]]]) -> None:
        self._columns, self._rows = columns, rows

    def let_go(self, tenant: str) -> None:
        """Forget a tenant's rows."""
        self._rows.pop(tenant, None)

    def __getitem__(self, tenant: str) -> list[Row]:
        return [dict(zip(self._columns, row, strict=True)) for row in self._rows[tenant]]

    def __contains__(self, tenant: object) -> bool:
        return tenant in self._rows

    def get(self, tenant: str, default: Any = None) -> Any:
        """As for any mapping."""
        return self[tenant] if tenant in self._rows else default

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


def look(connection: Connection, database: str, tenants: Collection[str] | None) -> CentralView:
    """Read the rows of ``tenants``, or all.

    Errors: ``census.Unseen`` where the account may not, ``CentralDamaged`` where a table or column is gone.
    """
    found: dict[str, Mapping[str, list[Row]]] = {}
    for table, columns in COLUMNS.items():
        by_tenant: dict[str, list[Sequence[Any]]] = defaultdict(list)
        own = columns.index(tenant_column(table))
        for row in _rows(connection, database, table, tenants):
            by_tenant[row[own]].append(row)
        found[table] = _Rows(columns, dict(by_tenant))
    return CentralView(found)


def digests(connection: Connection, database: str, tenants: int) -> Digests | None:
    """What tells the rows of all ``tenants``, so many; None where the server does not say all of it.

    Errors: as for ``look``.
    """
    lines = max(1, tenants // _ROWS_A_LINE)
    queries = []
    for table, columns in COLUMNS.items():
        own = names.identifier(tenant_column(table))
        said = ", ".join(
            f"IFNULL(CONCAT('=', LENGTH({column}), ':', {column}), '-')" for column in map(names.identifier, columns)
        )
        queries.append(
            f"SELECT '{table}', COUNT(*), GROUP_CONCAT(SHA2(CONCAT({said}), 256), {own}, '\n' SEPARATOR '') "
            f"FROM {names.qualified(database, table)} GROUP BY MOD(CRC32({own}), {lines})"
        )
    found: dict[str, dict[str, list[str]]] = {table: {} for table in COLUMNS}
    for table, count, text in _asked(connection, database, " UNION ALL ".join(queries), "the central tables"):
        *told, rest = text.split("\n") if isinstance(text, str) else [""]
        if rest or len(told) != int(count):
            return None  # the server has cut it off, somewhere in a line or behind one
        for line in told:
            found[table].setdefault(line[_DIGITS:], []).append(line[:_DIGITS])
    return {table: {tenant: _joined(each) for tenant, each in mine.items()} for table, mine in found.items()}


def _joined(digests: list[str]) -> str:
    return digests[0] if len(digests) == 1 else ",".join(sorted(digests))


def _digest(row: Sequence[Any]) -> str:
    """As the server works it out in ``digests``: each column's text behind its length, so that none runs into the
    next.
    """
    said = ["-" if value is None else f"={len(str(value).encode())}:{value}" for value in row]
    return hashlib.sha256("".join(said).encode()).hexdigest()


def made(connection: Connection, database: str) -> bool:
    """Whether the central database was made, up to ``HEAD``: then a table that is not there was taken away.

    Errors: ``census.Unseen`` where the account may not see that.
    """
    try:
        found = connection.value(f"SELECT version_num FROM {names.qualified(database, 'alembic_version')}")
    except errors.StatementFailed as error:
        if error.errno in MISSING:
            return False
        if error.errno in DENIED:
            raise _unseen(database) from error
        raise
    return str(found) == HEAD


def lost(connection: Connection, database: str) -> list[str]:
    """The tables and columns that a central database at ``HEAD`` has no more, in words.

    Each is asked for by name: a list out of the server's catalogue would lack what the account may not see.
    """
    found = []
    for table, columns in {"platform": _WHOSE, **COLUMNS}.items():
        match _gone(connection, database, table, columns):
            case None:
                pass
            case errno if errno in MISSING:
                found.append(f"the table {table}")
            case _:
                found += [
                    f"the column {table}.{column}"
                    for column in columns
                    if _gone(connection, database, table, (column,)) is not None
                ]
    return found


def _gone(connection: Connection, database: str, table: str, columns: Sequence[str]) -> int | None:
    """What the server says of columns that are not there; None where they are, or may not be seen for now."""
    listed = ", ".join(map(names.identifier, columns))
    try:
        connection.rows(f"SELECT {listed} FROM {names.qualified(database, table)} LIMIT 0")
    except errors.StatementFailed as error:
        if error.errno in MISSING or error.errno == _NO_COLUMN:
            return error.errno
        if error.errno not in DENIED | AGAIN:
            raise
    return None


def tenant_column(table: str) -> str:
    """The column of ``table`` that holds the tenant's name."""
    return _TENANT.get(table, "tenant")


def _rows(connection: Connection, database: str, table: str, tenants: Collection[str] | None) -> list[tuple[Any, ...]]:
    where, parameters = "", tuple[str, ...]()
    if tenants is not None and len(tenants) <= census.NARROW:
        if not tenants:
            return []
        where = f" WHERE {names.identifier(tenant_column(table))} IN ({', '.join(['%s'] * len(tenants))})"
        parameters = tuple(tenants)
    columns = ", ".join(names.identifier(column) for column in COLUMNS[table])
    statement = f"SELECT {columns} FROM {names.qualified(database, table)}{where}"
    return _asked(connection, database, statement, f"the central table {table}", parameters)


def _asked(
    connection: Connection, database: str, statement: str, what: str, parameters: tuple[str, ...] = ()
) -> list[tuple[Any, ...]]:
    try:
        return connection.rows(statement, parameters)
    except errors.StatementFailed as error:
        if error.errno in DENIED:
            raise _unseen(database) from error
        if error.errno in AGAIN:
            raise census.Unseen(f"{what}, which somebody has locked", "the end of that lock") from error
        if error.errno not in MISSING and error.errno != _NO_COLUMN:
            raise
        if error.errno in MISSING and not made(connection, database):
            return []
        if gone := lost(connection, database):
            raise damaged(connection, database, gone) from error
    return connection.rows(statement, parameters)  # it came back meanwhile


def _unseen(database: str) -> census.Unseen:
    return census.Unseen("the central database", f"SELECT ON {names.identifier(database)}.*")


def damaged(connection: Connection, database: str, gone: Sequence[str]) -> errors.CentralDamaged:
    """What is said of a central database that has lost something."""
    versions = names.qualified(database, "alembic_version")
    return errors.CentralDamaged(
        f"the central database {database} on {connection.server.name} has lost {', '.join(gone)}; no tenant is worked "
        "on until it is back",
        advice="Put back what is gone as it was, by RENAME TABLE or from a backup. A table that is lost for good, or "
        f"was renamed away because it lost a column, is made again: DROP TABLE {versions}; then `reconcile apply` "
        "makes it, and writes the tenants' rows.",
    )
