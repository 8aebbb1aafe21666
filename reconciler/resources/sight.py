"""What a look at the world finds: a census a server, the central rows, files, and what the store recorded.

Everything is read in bulk when it is first asked for, then kept: one ``Sight`` is one look.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from reconciler import errors
from reconciler.model.given import PENDING
from reconciler.model.secret import Secret
from reconciler.model.server import Server
from reconciler.ports.central import view
from reconciler.ports.mysql import anatomy, census, names, privileges, rows
from reconciler.ports.mysql.connection import AGAIN, DENIED, Connection, login_error
from reconciler.ports.ports import Ports
from reconciler.ports.session import Place

Seen = TypeVar("Seen")
_FEW: Final = 64
"""So many tenants are looked for in a folder one by one."""
_MANY: Final = 50_000
"""So many tenants a central database may have of which nobody has told how many they are."""


@dataclass(slots=True)
class Sight:
    """One look at the world, at all tenants or at a few.

    ``tenants`` narrows the central rows, ``databases`` and ``users`` the census; None means all. ``everybody`` says
    that they are all there should be, so that rows of others are looked at too. ``deep`` also looks inside tenants and
    files. ``transaction`` is the id that a change made from this look will carry. ``connection``
    gives the connection to a server; whoever made the Sight closes it. ``reveal`` gives a secret of the
    tenant whose database it is told, for a deep look that tries the credential; None where that is no part of the look.
    ``last`` says that the transaction which looks will change nothing after this look.
    """

    place: Place
    ports: Ports
    connection: Callable[[Server], Connection]
    central_server: Server
    tenants: Collection[str] | None = None
    databases: Collection[str] | None = None
    users: Collection[str] | None = None
    deep: bool = False
    transaction: str = PENDING
    reveal: Callable[[Server, str, Secret], str] | None = None
    last: bool = False
    everybody: bool = False
    _census: dict[str, census.Census] = field(default_factory=dict)
    rows_of: Collection[str] | None = None
    """Of whom central rows are read, where not of all ``tenants``: whoever tells by their digests first who is left."""
    _central: list[view.CentralView] = field(default_factory=list)
    _digests: list[view.Digests | None] = field(default_factory=list)
    _damage: list[errors.CentralDamaged | census.Unseen] = field(default_factory=list)
    _anatomy: dict[str, dict[str, anatomy.Anatomy]] = field(default_factory=dict)
    _held: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)
    _folders: list[Mapping[str, os.stat_result]] = field(default_factory=list)
    _shelves: list[Mapping[str, os.stat_result]] = field(default_factory=list)
    _locked: set[tuple[str, str]] = field(default_factory=set)
    _turning: dict[tuple[str, str, str], Collection[str]] = field(default_factory=dict)
    _guard: threading.RLock = field(default_factory=threading.RLock)

    def census(self, server: Server) -> census.Census:
        """What is on ``server``."""
        with self._guard:
            if server.name not in self._census:
                self._census[server.name] = census.Census(
                    self.connection(server), self.databases, self.users, closer=self.transaction != PENDING
                )
            return self._census[server.name]

    def anatomy(self, server: Server, database: str) -> anatomy.Anatomy:
        """What ``database`` is made of; only for a deep look."""
        with self._guard:
            if server.name not in self._anatomy:
                databases = [*(self.databases or ())]
                self._anatomy[server.name] = anatomy.read(self.connection(server), databases)
            return self._anatomy[server.name].get(database, anatomy.Anatomy())

    def log_in(self, server: Server, user: str, secret: Secret, database: str) -> tuple[str, int]:
        """Log in as a tenant's own account and leave again: why the server refused, and its number; else
        empty and 0.

        Errors: ``census.Unseen`` where the secret can't be opened from here.
        """
        if self.reveal is None:
            return "", 0
        try:
            password = self.reveal(server, database, secret)
        except (errors.PlatformMisconfigured, errors.StoreFailed, errors.UsageError) as error:
            what = "whether the delivered credentials open their databases"
            raise census.Unseen(what, "the key that seals the secrets") from error
        try:
            visitor = self.ports.connect(server, user=user, password=password, database=database)
            try:
                visitor.value("SELECT 1")  # one whose password has expired is let in, and may do nothing
            finally:
                visitor.close()
        except errors.ServerUnreachable as error:
            return error.message, login_error(error)
        except errors.StatementFailed as error:
            return error.message, error.errno
        return "", 0

    @property
    def deliveries(self) -> Mapping[str, os.stat_result]:
        """What stands in the delivery folder, each with its own lstat; in a look at few tenants, only theirs."""
        with self._guard:
            if not self._folders:
                self._folders.append(self._listed(self.place.deliveries))
            return self._folders[0]

    @property
    def trash(self) -> Mapping[str, os.stat_result]:
        """The same of the trash."""
        with self._guard:
            if not self._shelves:
                self._shelves.append(self._listed(self.place.trash))
            return self._shelves[0]

    def _listed(self, shelf: Path) -> Mapping[str, os.stat_result]:
        files = self.ports.files
        if self.tenants is None or len(self.tenants) > _FEW:
            return files.listing(shelf) or {}
        there = files.state(shelf)
        if there is None or not stat.S_ISDIR(there.st_mode):
            return {}
        # A folder of ten thousand deliveries would cost more than all else that the look at one tenant does.
        found = {name: files.state(shelf / name) for name in self.tenants}
        return {name: state for name, state in found.items() if state is not None}

    @property
    def central(self) -> view.CentralView:
        """The central rows. Errors: as for ``view.look``."""
        with self._guard:
            if not self._central:
                connection = self.connection(self.central_server)
                tenants = None if self.everybody else self.tenants
                if self.rows_of is not None and (self._told is not None or not self.everybody):
                    tenants = self.rows_of
                self._central.append(self._whole(lambda: view.look(connection, self.place.central_database, tenants)))
            return self._central[0]

    def _whole(self, look: Callable[[], Seen]) -> Seen:
        """What a look at the central database finds.

        Of one that lost a part, or can't be seen, every tenant is told without another look: behind somebody's lock
        each would wait for it anew.
        """
        match self._damage:
            case [errors.CentralDamaged() as error]:
                raise errors.CentralDamaged(error.message, advice=error.next)
            case [census.Unseen() as unseen]:
                raise census.Unseen(unseen.what, unseen.privilege)
        try:
            return look()
        except (errors.CentralDamaged, census.Unseen) as error:
            self._damage.append(error)
            raise

    @property
    def registered(self) -> Collection[str]:
        """Who is in the central database: nobody if this look is not at ``everybody``, or can't see it.

        Where no tenant has had its rows looked at, as when all are held, that is asked for here.
        """
        with self._guard:
            if not self.everybody:
                return set()
            try:
                told = self._told if self._central else self._tell(_MANY)
                if told is None:
                    return self.central.tenants
            except (errors.CentralDamaged, census.Unseen):
                return set()
            return {tenant for digests in told.values() for tenant in digests}

    def _tell(self, tenants: int) -> view.Digests | None:
        """The digests of all central rows, of so many ``tenants`` or fewer. Errors: as for ``view.look``."""
        if not self._digests:
            connection = self.connection(self.central_server)
            self._digests.append(self._whole(lambda: view.digests(connection, self.place.central_database, tenants)))
        return self._digests[0]

    @property
    def _told(self) -> view.Digests | None:
        return self._digests[0] if self._digests else None

    def central_of(self, tenants: Collection[str]) -> view.CentralView:
        """The central rows of some tenants, as they are by now. Errors: as for ``view.look``."""
        with self._guard:
            return view.look(self.connection(self.central_server), self.place.central_database, tenants)

    def let_go(self, tenant: str) -> None:
        """A tenant's central rows are not asked for again."""
        with self._guard:
            for seen in self._central:
                seen.let_go(tenant)

    def central_told(self, table: str, tenant: str) -> str:
        """What is equal where a tenant's central rows in ``table`` are; of many tenants, no row is read for that."""
        with self._guard:
            if self._central or (self.tenants is not None and len(self.tenants) <= census.NARROW):
                return self.central.told(table, tenant)
            if (found := self._tell(len(self.tenants or ()))) is None:
                return self.central.told(table, tenant)
            return found[table].get(tenant, "")

    @property
    def inside(self) -> bool:
        """Whether rows of tenants are read also where the record says that nothing can have changed."""
        return self.deep

    @property
    def one_file_system(self) -> bool:
        """Whether a folder can be renamed from the deliveries, which are there, into the trash."""
        trash = self.place.trash
        while not trash.exists():
            trash = trash.parent
        return self.place.deliveries.stat().st_dev == trash.stat().st_dev

    def settings(self, server: Server) -> tuple[int, bool, bool]:
        """Of a server the longest packet in bytes; whether it has a binary log; whether it trusts who makes functions.

        Errors: ``census.Unseen``.
        """
        packet, log, trusting = self.rows(
            server,
            "SELECT @@GLOBAL.max_allowed_packet, @@GLOBAL.log_bin, @@GLOBAL.log_bin_trust_function_creators",
        )[0]
        return int(packet), bool(log), bool(trusting)

    def table(
        self,
        server: Server,
        database: str,
        table: str,
        needed: Collection[str],
        *,
        key: Mapping[str, Any] | None = None,
        hidden: Collection[str] = (),
        whole: bool = True,
    ) -> list[dict[str, Any]]:
        """Rows of a tenant's table as plain values by column: all of them, or those with ``key``.

        ``whole`` rows have every column that can be written, so that it can be told later whether anybody changed them;
        after the last change they too have only those that are ``needed``. ``hidden`` columns have to be there, and
        their values are nobody's business: whoever asked keeps none of them.
        Errors: ``census.Unseen``; ``SchemaDrifted`` if a whole row lacks a column; ``StatementFailed``.
        """
        columns = [*needed, *hidden]
        if whole and not self.last:
            columns = self._columns(server, database, table, columns)
        statement = f"SELECT {', '.join(map(names.identifier, columns))} FROM {names.qualified(database, table)}"
        if key:
            where = " AND ".join(f"{names.among_parameters(names.identifier(column))} = %s" for column in key)
            statement = f"{names.among_parameters(statement)} WHERE {where}"
        found = self.rows(server, statement, tuple((key or {}).values()), database=database)
        return [dict(zip(columns, map(rows.plain, row), strict=True)) for row in found]

    def _columns(self, server: Server, database: str, table: str, needed: Collection[str]) -> list[str]:
        """The columns of a table that can be written."""
        found = [rows.column(row) for row in self.rows(server, rows.COLUMNS, (database, table))]
        if not found:  # the server itself says whether the table is gone or may not be seen
            self.rows(server, f"SELECT 1 FROM {names.qualified(database, table)} LIMIT 0")
        columns = [column.name for column in found]
        complete(server, database, table, columns, needed)
        self._turning[server.name, database, table] = {column.name for column in found if column.turns}
        return columns

    def turning(self, server: Server, database: str, table: str) -> Collection[str]:
        """The columns of a table that change by themselves with every UPDATE (ON UPDATE CURRENT_TIMESTAMP), and have to
        be put back too; none unless whole rows of it were read.
        """
        return self._turning.get((server.name, database, table), ())

    def holders(
        self, server: Server, database: str, table: str, keys: Sequence[Mapping[str, Any]]
    ) -> list[dict[str, Any] | None]:
        """For each key the same columns of the row that has it to the server; None where there is none.

        Errors: ``census.Unseen``; ``StatementFailed`` if the server can't compare.
        """
        target, columns = names.qualified(database, table), list(keys[0])
        return rows.holders(
            lambda asked, given: self.rows(server, asked, given, database=database), target, columns, keys
        )

    def may(self, server: Server, database: str, privilege: str) -> bool:
        """Whether the account that looks has ``privilege`` on ``database``: else what it does not see may be there."""
        return any(names.reaches(level, database) and held == privilege for level, held in self.held(server))

    def passes_on(self, server: Server) -> bool:
        """Whether the account that looks may pass on anything, as a planning account never may."""
        return any(held == privileges.GRANT_OPTION for _, held in self.held(server))

    def held(self, server: Server) -> list[tuple[Any, ...]]:
        """The privileges of the account that looks, each behind the database part of its grant, ``%`` for all.

        GRANT OPTION is one of them.
        """
        if server.name not in self._held:
            user, host = str(self.connection(server).value("SELECT CURRENT_USER()")).rsplit("@", 1)
            grantee = f"'{user}'@'{host}'"
            self._held[server.name] = self.rows(
                server,
                "SELECT '%%', PRIVILEGE_TYPE FROM information_schema.USER_PRIVILEGES WHERE GRANTEE = %s "
                "UNION SELECT '%%', 'GRANT OPTION' FROM information_schema.USER_PRIVILEGES "
                "WHERE GRANTEE = %s AND IS_GRANTABLE = 'YES' "
                "UNION SELECT TABLE_SCHEMA, PRIVILEGE_TYPE FROM information_schema.SCHEMA_PRIVILEGES "
                "WHERE GRANTEE = %s "
                "UNION SELECT TABLE_SCHEMA, 'GRANT OPTION' FROM information_schema.SCHEMA_PRIVILEGES "
                "WHERE GRANTEE = %s AND IS_GRANTABLE = 'YES'",
                (grantee,) * 4,
            )
        return self._held[server.name]

    def rows(
        self, server: Server, statement: str, parameters: tuple[object, ...] = (), *, database: str = ""
    ) -> list[tuple[Any, ...]]:
        """Rows from inside a tenant's ``database``; only for what a bulk look can't tell. Errors: ``census.Unseen``.

        Somebody's lock on a table is waited for once a database, not once a statement.
        """
        if database and (server.name, database) in self._locked:
            raise _behind_a_lock(database)
        try:
            return self.connection(server).rows(statement, parameters)
        except errors.StatementFailed as error:
            if error.errno in DENIED:
                raise census.Unseen(
                    "what stands in the tenants' databases", "SELECT ON the tenants' databases"
                ) from error
            if error.errno in AGAIN and database:
                self._locked.add((server.name, database))
                raise _behind_a_lock(database) from error
            raise


def complete(server: Server, database: str, table: str, columns: Collection[str], needed: Collection[str]) -> None:
    """Errors: ``SchemaDrifted`` if one of the ``needed`` is not among the table's ``columns``."""
    if lost := [column for column in needed if column not in columns]:
        raise errors.SchemaDrifted(
            f"the table {table} of database {database} on {server.name} lost the column {', '.join(lost)}"
        )


def _behind_a_lock(database: str) -> census.Unseen:
    return census.Unseen(
        f"rows of the database {database}, a table of which somebody has locked", "the end of that lock"
    )
