"""What is on a server, asked for all tenants at once: databases with their marks, accounts, grants, events.

Facts come from the system tables, never from SHOW statements' text. What may not be seen raises ``Unseen`` when it is
looked at, so that it is reported as unknown and never as missing. Everything is read lazily and once.

Source: MariaDB Knowledge Base, "mysql.global_priv Table", "mysql.db Table", "Information Schema SCHEMATA Table".
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from reconciler import errors
from reconciler.ports.mysql import connection as mysql
from reconciler.ports.mysql import names, privileges

NARROW = 200
"""Up to so many names a query lists them; above, it reads everything, which is cheaper than a longer list."""


class Unseen(Exception):
    """The account may not see this. ``privilege`` is what it lacks."""

    def __init__(self, what: str, privilege: str) -> None:
        super().__init__(f"{what} can't be seen without {privilege}")
        self.what = what
        self.privilege = privilege


@dataclass(frozen=True, slots=True)
class Schema:
    """A database as the server lists it."""

    name: str
    charset: str
    collation: str
    comment: str


@dataclass(frozen=True, slots=True)
class Account:
    """An account: the set of its (plugin, hash) pairs, whether it is locked, and what limits it has."""

    user: str
    host: str
    auth: frozenset[tuple[str, str]]
    locked: bool
    is_role: bool
    access: int
    limits: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The account as people write it."""
        return f"{self.user}@{self.host}"


@dataclass(frozen=True, slots=True)
class Grant:
    """Privileges of one account on one level.

    ``database`` is the text as it stands in the grant table: escaped, or a wildcard, on the database level; literal
    on the lower ones. ``object`` is empty on the database level, else a table's or routine's name.
    """

    user: str
    host: str
    database: str
    object: str
    kind: str
    privileges: frozenset[str]


class Census:
    """What one server holds, narrowed to some databases and accounts, or all of it (both None)."""

    def __init__(
        self,
        connection: mysql.Connection,
        databases: Collection[str] | None = None,
        users: Collection[str] | None = None,
    ) -> None:
        self._connection = connection
        few = databases is not None and users is not None and len(databases) + len(users) <= NARROW
        self._databases = sorted(databases) if few and databases is not None else None
        self._users = sorted(users) if few and users is not None else None

    @cached_property
    def schemas(self) -> dict[str, Schema]:
        """Every database by its name."""
        where, parameters = self._among("SCHEMA_NAME", self._databases)
        rows = self._rows(
            "SELECT SCHEMA_NAME, DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME, SCHEMA_COMMENT "
            f"FROM information_schema.SCHEMATA{where}",
            parameters,
            "databases",
            "SHOW DATABASES",
        )
        return {row[0]: Schema(*row) for row in rows}

    @cached_property
    def accounts(self) -> dict[tuple[str, str], Account]:
        """Every account and role by user and host."""
        where, parameters = self._among("User", self._users)
        rows = self._rows(
            f"SELECT User, Host, Priv FROM mysql.global_priv{where}", parameters, "accounts", "SELECT ON mysql.*"
        )
        return {(user, host): _account(user, host, json.loads(priv)) for user, host, priv in rows}

    @cached_property
    def grants(self) -> tuple[Grant, ...]:
        """Every grant on a database, table, column or routine that could matter to the databases or accounts."""
        return (*self._database_grants(), *self._object_grants())

    @cached_property
    def grants_of(self) -> dict[tuple[str, str], list[Grant]]:
        """The grants by account."""
        found: dict[tuple[str, str], list[Grant]] = defaultdict(list)
        for grant in self.grants:
            found[grant.user, grant.host].append(grant)
        return found

    @cached_property
    def _exact(self) -> dict[str, list[Grant]]:
        found: dict[str, list[Grant]] = defaultdict(list)
        for grant in self.grants:
            literal = grant.database if grant.object else grant.database.replace("\\", "")
            found[literal.casefold()].append(grant)
        return found

    @cached_property
    def _wild(self) -> list[Grant]:
        return [g for g in self.grants if not g.object and names.pattern(g.database.replace("\\", "")) != g.database]

    def reaching(self, database: str) -> list[Grant]:
        """Every grant, of anybody, that reaches ``database``, wildcards included."""
        found = dict.fromkeys(self._exact.get(database.casefold(), ()))
        found.update(dict.fromkeys(g for g in self._wild if names.reaches(g.database, database)))
        return list(found)

    @cached_property
    def events(self) -> dict[str, dict[str, bool]]:
        """By database, every event's name and whether it is enabled."""
        where, parameters = self._among("db", self._databases)
        rows = self._rows(f"SELECT db, name, status FROM mysql.event{where}", parameters, "events", "SELECT ON mysql.*")
        found: dict[str, dict[str, bool]] = defaultdict(dict)
        for database, name, status in rows:
            found[_text(database)][_text(name)] = _text(status) == "ENABLED"
        return found

    @cached_property
    def privileges_of_all(self) -> frozenset[str]:
        """What ALL PRIVILEGES means on a database of this server: its version's own set, without GRANT OPTION."""
        return privileges.expanded(self._grant_columns)

    @cached_property
    def _grant_columns(self) -> tuple[str, ...]:
        rows = self._rows("SHOW COLUMNS FROM mysql.db", (), "grants", "SELECT ON mysql.*")
        return tuple(str(row[0]) for row in rows)

    def global_privileges(self, user: str, host: str) -> frozenset[str]:
        """The privileges that an account has on everything, GRANT OPTION among them."""
        rows = self._rows(
            "SELECT PRIVILEGE_TYPE, IS_GRANTABLE FROM information_schema.USER_PRIVILEGES WHERE GRANTEE = %s",
            (f"'{user}'@'{host}'",),
            "global privileges",
            "SELECT ON mysql.*",
        )
        found = {privileges.normal(str(name)) for name, _ in rows if name != "USAGE"}
        if any(grantable == "YES" for _, grantable in rows):
            found.add(privileges.GRANT_OPTION)
        return frozenset(found)

    def _database_grants(self) -> list[Grant]:
        where, parameters = "", []
        if self._databases is not None and self._users is not None:
            # `name LIKE Db` is how the server itself reads the column, escapes and wildcards included.
            tests = ["%s LIKE Db"] * len(self._databases) + ["User = %s"] * len(self._users)
            where, parameters = (
                f" WHERE {' OR '.join(tests)}" if tests else " WHERE FALSE",
                [
                    *self._databases,
                    *self._users,
                ],
            )
        columns = self._grant_columns
        listed = ", ".join(names.identifier(column) for column in columns)
        found = []
        for row in self._rows(f"SELECT {listed} FROM mysql.db{where}", parameters, "grants", "SELECT ON mysql.*"):
            fields = dict(zip(columns, row, strict=True))
            held = privileges.held(fields)
            found.append(Grant(fields["User"], fields["Host"], fields["Db"], "", "database", held))
        return found

    def _object_grants(self) -> list[Grant]:
        tests, parameters = "", []
        if self._databases is not None and self._users is not None:
            parts, parameters = [], [*self._databases, *self._users]
            if self._databases:
                parts.append(f"Db IN ({', '.join(['%s'] * len(self._databases))})")
            if self._users:
                parts.append(f"User IN ({', '.join(['%s'] * len(self._users))})")
            tests = f" WHERE {' OR '.join(parts)}" if parts else " WHERE FALSE"
        found = []
        for kind, table, column, held in (
            ("table", "tables_priv", "Table_name", "CONCAT_WS(',', Table_priv, Column_priv)"),
            ("routine", "procs_priv", "CONCAT(Routine_type, ' ', Routine_name)", "Proc_priv"),
        ):
            rows = self._rows(
                f"SELECT User, Host, Db, {column}, {held} FROM mysql.{table}{tests}",
                parameters,
                "grants on tables and routines",
                "SELECT ON mysql.*",
            )
            for user, host, database, name, held_text in rows:
                found.append(Grant(user, host, database, _text(name), kind, privileges.listed(_text(held_text))))
        return found

    def _among(self, column: str, values: list[str] | None) -> tuple[str, list[str]]:
        if values is None:
            return "", []
        if not values:
            return " WHERE FALSE", []
        return f" WHERE {column} IN ({', '.join(['%s'] * len(values))})", values

    def _rows(self, statement: str, parameters: Collection[object], what: str, privilege: str) -> list[tuple[Any, ...]]:
        try:
            return self._connection.rows(statement, tuple(parameters))
        except errors.StatementFailed as error:
            if error.errno in mysql.DENIED:
                raise Unseen(what, privilege) from error
            raise


def _account(user: str, host: str, priv: Mapping[str, Any]) -> Account:
    methods = [priv, *priv.get("auth_or", [])]
    pairs = frozenset(
        (str(method["plugin"]), str(method.get("authentication_string", "")))
        for method in methods
        if method.get("plugin")  # an emptied second password stays behind as {}
    )
    limits = {
        key: priv[key]
        for key in (
            "max_questions",
            "max_updates",
            "max_connections",
            "max_user_connections",
            "ssl_type",
            "default_role",
        )
        if priv.get(key)
    }
    return Account(
        user=user,
        host=host,
        auth=pairs,
        locked=bool(priv.get("account_locked", False)),
        is_role=bool(priv.get("is_role", False)),
        access=int(priv.get("access", 0)),
        limits=limits,
    )


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
