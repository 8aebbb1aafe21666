"""What may happen at a boundary beside a plain failure: to the server, to the files. Each is a ``faults.Deed``."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any

import pymysql

from tests.support import server as servers


class Kill:
    """The server is killed ``after`` seconds, while the statement runs, and is started again ``away`` seconds later."""

    def __init__(self, server: servers.Server, *, after: float = 0.0, away: float = 0.0) -> None:
        assert server.dev is not None
        self._dev = server.dev
        self._after = after
        self._away = away
        self._thread = threading.Thread(target=self._run, name="killer")
        self._killed = threading.Event()
        self.struck = False

    def __call__(self, action: Callable[[], Any]) -> Any:
        """The statement, and meanwhile the kill; the statement may be quicker."""
        self.struck = True
        if not self._after:
            self._dev.kill()
        self._thread.start()
        try:
            return action()
        finally:
            self._killed.wait()

    def back(self) -> None:
        """Wait until the server answers again."""
        if self.struck:
            self._thread.join()

    def _run(self) -> None:
        time.sleep(self._after)
        self._dev.kill()
        self._killed.set()
        time.sleep(self._away)
        self._dev.start()


class HalfDrop:
    """What a server leaves that is killed inside DROP DATABASE: the mark is gone, and some tables are still there."""

    def __init__(self, server: servers.Server, database: str) -> None:
        self._server = server
        self._database = database

    def __call__(self, action: Callable[[], Any]) -> Any:
        """Drop every other table, take the comment away, and break all connections."""
        tables = self._server.sql(
            "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s AND TABLE_TYPE = 'BASE TABLE'"
            " ORDER BY TABLE_NAME",
            self._database,
        )
        self._server.sql("SET FOREIGN_KEY_CHECKS = 0")
        for (name,) in tables[::2]:
            self._server.sql(f"DROP TABLE `{self._database}`.`{name}`")
        self._server.sql("SET FOREIGN_KEY_CHECKS = 1")
        self._server.sql(f"ALTER DATABASE `{self._database}` COMMENT ''")
        mine = self._server.sql("SELECT CONNECTION_ID()")[0][0]
        for (number,) in self._server.sql(
            "SELECT ID FROM information_schema.PROCESSLIST WHERE ID <> %s AND COMMAND <> 'Daemon'", mine
        ):
            with contextlib.suppress(pymysql.MySQLError):  # it ended by itself meanwhile
                self._server.sql(f"KILL {number}")
        return action()


class Aside:
    """Something that somebody else does right before the action, which then goes on."""

    def __init__(self, does: Callable[[], object]) -> None:
        self._does = does

    def __call__(self, action: Callable[[], Any]) -> Any:
        """First the one, then the other."""
        self._does()
        return action()
