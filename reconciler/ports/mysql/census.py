"""What is on a server, asked for all tenants at once: databases, the names in them, accounts, grants.

Facts come from the system tables, never from SHOW statements' text. What may not be seen raises ``Unseen`` when it is
looked at, so that it is reported as unknown and never as missing. Everything is read lazily and once.

Source: MariaDB Knowledge Base, "mysql.global_priv Table", "mysql.db Table", "Information Schema SCHEMATA Table".
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler import errors
from reconciler.ports.mysql import connection as mysql
from reconciler.ports.mysql import everybody, names, privileges, routines
from reconciler.ports.mysql.accounts import Account, parsed
from reconciler.ports.mysql.once import once

LEDGER = "_reconciler_migrations"
"""The table in which a tenant's database keeps which files it has got: ours, and informative."""

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


@dataclass(frozen=True, slots=True)
class Link:
    """Something besides grants by which accounts reach further: ``holder`` has the role, or may act as, ``other``.

    ``kind`` is ``role`` or ``proxy``; both are (user, host), the host of a role is empty.
    """

    kind: str
    holder: tuple[str, str]
    other: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Fold:
    """The names in a database as a count and a checksum that does not depend on their order."""

    count: int
    checksum: str


NOTHING = Fold(0, "0" * 16)


class Census:
    """What one server holds, narrowed to some databases and accounts, or all of it (both None).

    ``closer`` says that an apply looked at all of its tenants at once before this look at one of them: which privileges
    there are, which only an upgrade of the server changes, is remembered from then.
    """

    def __init__(
        self,
        connection: mysql.Connection,
        databases: Collection[str] | None = None,
        users: Collection[str] | None = None,
        *,
        closer: bool = False,
    ) -> None:
        self._connection = connection
        few = databases is not None and users is not None and len(databases) + len(users) <= NARROW
        self._databases = sorted(databases) if few and databases is not None else None
        self._users = sorted(users) if few and users is not None else None
        self._closer = closer
        self._tables: dict[str, frozenset[str]] = {}
        self._locked: set[str] = set()

    @once
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

    @once
    def accounts(self) -> dict[tuple[str, str], Account]:
        """Every account and role by user and host."""
        # An anonymous account takes the place of others, and what PUBLIC has is everybody's.
        where, parameters = self._among("User", None if self._users is None else [*self._users, *everybody.HOLDERS])
        rows = self._rows(
            f"SELECT User, Host, Priv FROM mysql.global_priv{where}", parameters, "accounts", "SELECT ON mysql.*"
        )
        return {(user, host): parsed(user, host, json.loads(priv)) for user, host, priv in rows}

    @once
    def hosts(self) -> dict[str, list[str]]:
        """By user, the hosts of the accounts of that name, sorted."""
        found: dict[str, list[str]] = defaultdict(list)
        for user, host in sorted(self.accounts):
            found[user].append(host)
        return found

    @once
    def links(self) -> list[Link]:
        """Roles that were granted, and accounts that may act as another, as far as they concern the accounts."""
        return [
            Link(kind, (user, host), (other, name))
            for kind, user, host, other, name, _ in self._finer
            if kind in ("role", "proxy")
        ]

    @once
    def everybodys(self) -> list[everybody.Reach]:
        """What every account has besides its own privileges and what servers are installed with, in order."""
        public = (everybody.PUBLIC, "")
        found = [everybody.Reach("role", *public, "", link.other[0]) for link in self.links if link.holder == public]
        if (role := self.accounts.get(public)) is not None and role.access:
            found.append(everybody.Reach("global", *public, "", "", bool(role.access & everybody.GRANTING)))
        for grant in (*self.grants_of.get(public, ()), *self._for_nobody):
            if grant.privileges:
                may = privileges.GRANT_OPTION in grant.privileges
                place = (grant.user, grant.host, grant.database, grant.object)
                found.append(everybody.Reach(grant.kind, *place, may))
        found = [reach for reach in found if not reach.installed]
        if any(reach.user == everybody.PUBLIC for reach in found) and not everybody.has_public(self.version):
            found = [reach for reach in found if reach.user != everybody.PUBLIC]
        return sorted(found)

    @once
    def _for_nobody(self) -> list[Grant]:
        return [grant for grant in self.grants if not grant.user and grant.kind == "database"]

    @once
    def grants(self) -> tuple[Grant, ...]:
        """Every grant on a database, table, column or routine that could matter to the databases or accounts."""
        return (*self._database_grants(), *self._object_grants())

    @once
    def grants_of(self) -> dict[tuple[str, str], list[Grant]]:
        """The grants by account."""
        found: dict[tuple[str, str], list[Grant]] = defaultdict(list)
        for grant in self.grants:
            found[grant.user, grant.host].append(grant)
        return found

    @once
    def _exact(self) -> dict[str, list[Grant]]:
        found: dict[str, list[Grant]] = defaultdict(list)
        for grant in self.grants:
            literal = grant.database if grant.object else grant.database.replace("\\", "")
            found[literal.casefold()].append(grant)
        return found

    @once
    def _wild(self) -> list[Grant]:
        return [g for g in self.grants if not g.object and names.pattern(g.database.replace("\\", "")) != g.database]

    def reaching(self, database: str) -> list[Grant]:
        """Every grant, of anybody, that reaches ``database``, wildcards included."""
        found = dict.fromkeys(self._exact.get(database.casefold(), ()))
        found.update(dict.fromkeys(g for g in self._wild if names.reaches(g.database, database)))
        return list(found)

    @once
    def events(self) -> dict[str, dict[str, bool]]:
        """By database, every event's name and whether it is enabled."""
        found: dict[str, dict[str, bool]] = defaultdict(dict)
        for kind, database, name, status in self._programs:
            if kind == "event":
                found[database][name] = status == "ENABLED"
        return found

    @once
    def routines(self) -> dict[str, frozenset[str]]:
        """By database, its functions and procedures, as in ``function total``."""
        found: dict[str, set[str]] = defaultdict(set)
        for kind, database, name, _ in self._programs:
            if kind == "routine":
                found[database].add(name)
        return {database: frozenset(held) for database, held in found.items()}

    @once
    def version(self) -> str:
        """The server's version as ``release`` has it."""
        (said,) = (name for kind, _, name, _ in self._programs if kind == "version")
        return release(said)

    @once
    def _programs(self) -> list[tuple[str, ...]]:
        where, parameters = self._among("db", self._databases)
        rows = self._rows(
            f"SELECT 'event', db, name, status FROM mysql.event{where} "
            f"UNION ALL SELECT 'routine', db, CONCAT(LOWER(type), ' ', name), '' FROM mysql.proc{where} "
            "UNION ALL SELECT 'version', '', VERSION(), ''",
            [*parameters, *parameters],
            "routines and events",
            "SELECT ON mysql.*",
        )
        return [tuple(map(text, row)) for row in rows]

    @once
    def folds(self) -> dict[str, Fold]:
        """By database, the names of its tables and views. Names alone open no table, so no lock is waited for."""
        where, parameters = self._among("TABLE_SCHEMA", self._databases)
        rows = self._rows(
            "SELECT TABLE_SCHEMA, COUNT(*), "
            "LPAD(HEX(BIT_XOR(CAST(CONV(LEFT(MD5(TABLE_NAME), 16), 16, 10) AS UNSIGNED))), 16, '0') "
            f"FROM information_schema.TABLES{where}{' AND' if where else ' WHERE'} BINARY TABLE_NAME <> '{LEDGER}' "
            "GROUP BY BINARY TABLE_SCHEMA",
            parameters,
            "names of tables",
            "SELECT ON the tenants' databases",
        )
        return {text(database): Fold(int(count), text(checksum)) for database, count, checksum in rows}

    def tables(self, database: str) -> frozenset[str]:
        """The names of its tables and views."""
        if database not in self._tables:
            rows = self._rows(
                "SELECT TABLE_NAME FROM information_schema.TABLES "
                f"WHERE TABLE_SCHEMA = %s AND BINARY TABLE_NAME <> '{LEDGER}'",
                (database,),
                "names of tables",
                "SELECT ON the tenants' databases",
            )
            self._tables[database] = frozenset(text(row[0]) for row in rows)
        return self._tables[database]

    @property
    def listed(self) -> Mapping[str, frozenset[str]]:
        """By database, the names of tables and views that were asked for one by one."""
        return self._tables

    @once
    def privileges_of_all(self) -> frozenset[str]:
        """What ALL PRIVILEGES means on a database of this server: its version's own set, without GRANT OPTION."""
        return privileges.expanded(self._grant_columns)

    @once
    def _grant_columns(self) -> tuple[str, ...]:
        def ask(statement: str) -> list[tuple[Any, ...]]:
            return self._rows(statement, (), "grants", "SELECT ON mysql.*")

        return privileges.columns_of(self._connection, ask, again=not self._closer)

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
            users = [*self._users, *everybody.HOLDERS]
            tests = ["%s LIKE Db"] * len(self._databases) + ["User = %s"] * len(users)
            where, parameters = f" WHERE {' OR '.join(tests)}", [*self._databases, *users]
        # One column of flags, because a client pays for twenty by the row. Equal flags share one set.
        columns = privileges.columns(self._grant_columns)
        flags = f"CONCAT({', '.join(map(names.identifier, columns))})"
        rows = self._rows(
            f"SELECT User, Host, Db, {flags} FROM mysql.db{where}", parameters, "grants", "SELECT ON mysql.*"
        )
        held = {said: privileges.held(dict(zip(columns, said, strict=True))) for said in {row[3] for row in rows}}
        return [Grant(user, host, database, "", "database", held[said]) for user, host, database, said in rows]

    def _object_grants(self) -> list[Grant]:
        found = []
        for kind, user, host, database, name, held in self._finer:
            if kind == "routine":
                database, name = routines.named(database), routines.named(name)
            if kind in ("table", "routine"):
                found.append(Grant(user, host, database, name, kind, privileges.listed(held)))
        return found

    @once
    def _finer(self) -> list[tuple[str, ...]]:
        """What stands in the grant tables besides accounts and databases, in one query."""
        objects, roles, proxies, parameters = "", "", "", list[str]()
        if self._databases is not None and self._users is not None:
            databases, in_them = self._among("Db", self._databases)
            users, theirs = self._among("User", [*self._users, everybody.PUBLIC])
            acted, as_them = self._among("Proxied_user", self._users)
            objects = f"{databases} OR {users.removeprefix(' WHERE ')}"
            roles, proxies = users, f"{users} OR {acted.removeprefix(' WHERE ')}"
            parameters = [*in_them, *theirs, *in_them, *theirs, *theirs, *theirs, *as_them]
        rows = self._rows(
            "SELECT 'table', User, Host, Db, Table_name, CONCAT_WS(',', Table_priv, Column_priv) "
            f"FROM mysql.tables_priv{objects} "
            "UNION ALL SELECT 'routine', User, Host, Db, CONCAT(Routine_type, ' ', Routine_name), Proc_priv "
            f"FROM mysql.procs_priv{objects} "
            f"UNION ALL SELECT 'role', User, Host, Role, '', '' FROM mysql.roles_mapping{roles} "
            f"UNION ALL SELECT 'proxy', User, Host, Proxied_user, Proxied_host, '' FROM mysql.proxies_priv{proxies}",
            parameters,
            "grants on tables and routines, roles and proxies",
            "SELECT ON mysql.*",
        )
        return [tuple(map(text, row)) for row in rows]

    def _among(self, column: str, values: list[str] | None) -> tuple[str, list[str]]:
        if values is None:
            return "", []
        if not values:
            return " WHERE FALSE", []
        return f" WHERE {column} IN ({', '.join(['%s'] * len(values))})", values

    def _rows(self, statement: str, parameters: Collection[object], what: str, privilege: str) -> list[tuple[Any, ...]]:
        behind = Unseen(f"{what}, which somebody has locked", "the end of that lock")
        if what in self._locked:
            raise behind  # each tenant would wait for it anew
        try:
            return self._connection.rows(statement, tuple(parameters))
        except errors.StatementFailed as error:
            if error.errno in mysql.DENIED:
                raise Unseen(what, privilege) from error
            if error.errno in mysql.AGAIN:
                self._locked.add(what)
                raise behind from error
            raise


def release(version: str) -> str:
    """A server's version as far as it tells how things are shown: ``10.11``."""
    return ".".join(version.removeprefix("5.5.5-").split(".")[:2])


def fold(tables: Iterable[str]) -> Fold:
    """What ``Census.folds`` has for a database with these tables and views."""
    count, checksum = 0, 0
    for name in tables:
        count += 1
        checksum ^= int(hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()[:16], 16)
    return Fold(count, f"{checksum:016X}")


def text(value: object) -> str:
    """A value of a system table, where names are text in some columns and octets in others."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
