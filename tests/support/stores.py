"""Where a store can be, for tests that hold for every kind: a file, MariaDB, PostgreSQL."""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable
from typing import Any

import pytest

from tests.support import postgres
from tests.support import server as servers

SERVERS = ("mariadb", "postgresql")
KINDS = ("sqlite", *SERVERS)


class Where:
    """The place of a store that is not made yet. A database server is only started where it is asked for."""

    url = "sqlite:///state/reconcile.db"

    def address(self, **other: Any) -> str:
        """The address with something else in it: ``host``, ``port``, ``password``, ``database``."""
        raise NotImplementedError

    def run(self, statement: str) -> None:
        """Run a statement in the database as its administrator."""
        raise NotImplementedError

    def cut(self) -> None:
        """End every session of the store."""
        raise NotImplementedError

    def read_only(self, on: bool) -> None:
        """Whether the server refuses what the store writes."""
        raise NotImplementedError

    def deny(self, table: str) -> None:
        """Let the store's account write ``table`` no more."""
        raise NotImplementedError


class OnMariaDB(Where):
    """A database of the server under test, which the next wipe drops; one that was made without a thought of texts."""

    database = "reconcile_state"

    def __init__(self, server: servers.Server) -> None:
        self._server = server
        self.password = server.password
        server.sql(f"CREATE DATABASE {self.database} CHARACTER SET latin1")
        server.sql(f"GRANT ALL ON {self.database}.* TO '{server.user}'@'%'")
        self.url = self.address()

    def address(self, **other: Any) -> str:
        """See there."""
        parts = {"host": self._server.host, "port": self._server.port, "database": self.database, **other}
        password = urllib.parse.quote(parts.pop("password", self.password), safe="")
        return "mysql+pymysql://{}:{}@{host}:{port}/{database}".format(self._server.user, password, **parts)

    def run(self, statement: str) -> None:
        """See there."""
        self._server.sql(f"USE {self.database}")
        self._server.sql(statement)

    def cut(self) -> None:
        """See there."""
        sessions = "SELECT id FROM information_schema.PROCESSLIST WHERE user = %s AND db = %s"
        for (number,) in self._server.sql(sessions, self._server.user, self.database):
            self._server.sql(f"KILL {number}")

    def read_only(self, on: bool) -> None:
        """See there."""
        self._server.sql(f"SET GLOBAL read_only = {'ON' if on else 'OFF'}")

    def deny(self, table: str) -> None:
        """See there."""
        self._server.sql(f"REVOKE INSERT ON {self.database}.* FROM '{self._server.user}'@'%'")


class OnPostgreSQL(Where):
    """A database that a test got from the fixture ``postgres``."""

    def __init__(self, database: postgres.Postgres) -> None:
        self._database = database
        self.password = database.password
        self.url = database.url

    def address(self, **other: Any) -> str:
        """See there."""
        return self._database.address(**other)

    def run(self, statement: str) -> None:
        """See there."""
        self._database.run(statement)

    def cut(self) -> None:
        """See there."""
        self._database.cut()

    def read_only(self, on: bool) -> None:
        """See there."""
        setting = f"SET default_transaction_read_only = {'on' if on else 'off'}"
        self.run(f"ALTER ROLE {postgres.ROLE} IN DATABASE {self._database.database} {setting}")
        self.cut()  # it holds for new sessions

    def deny(self, table: str) -> None:
        """See there."""
        self.run(f"REVOKE INSERT ON {table} FROM {postgres.ROLE}")


_MADE: dict[str, tuple[str, Callable[[Any], Where]]] = {
    "mariadb": ("clean_server", OnMariaDB),
    "postgresql": ("postgres", OnPostgreSQL),
}


def where(kind: str, request: pytest.FixtureRequest) -> Where:
    """A place for a store of that kind, gone after the test."""
    if kind == "sqlite":
        return Where()
    fixture, made = _MADE[kind]
    return made(request.getfixturevalue(fixture))
