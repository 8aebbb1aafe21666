"""Ports that fail at one boundary: a statement, a login, a file operation, or a write of the store.

A clean run counts the boundaries; then each is made to fail in turn. A simulated death is a BaseException after which
every port is dead, as a killed process can't do anything more either.
"""

from __future__ import annotations

import enum
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from reconciler import errors
from reconciler.engine import setting as settings
from reconciler.ports.files import Files
from reconciler.ports.mysql import connection as mysql
from reconciler.ports.ports import Ports
from tests.support import shop

T = TypeVar("T")


class Fault(enum.StrEnum):
    """What happens at the boundary."""

    ERROR = "error reply"
    LOST_BEFORE = "connection lost before"
    LOST_AFTER = "connection lost after"
    DEATH_BEFORE = "killed before"
    DEATH_AFTER = "killed after"


class SimulatedDeath(BaseException):
    """The process ends here."""


class Boundaries:
    """Counts every boundary that is crossed, and lets some of them fail: ``faults`` by their number, from 1."""

    def __init__(self, faults: Mapping[int, Fault] | None = None) -> None:
        self.faults = dict(faults or {})
        self.log: list[str] = []
        self.dead = False
        self._lock = threading.Lock()
        self._connections: list[mysql.Connection] = []

    @property
    def count(self) -> int:
        """How many were crossed."""
        return len(self.log)

    def cross(
        self,
        what: str,
        action: Callable[[], T],
        error: Callable[[], Exception],
        lose: Callable[[], None] | None = None,
    ) -> T:
        """Run ``action`` as the next boundary, or let it fail.

        ``lose`` breaks the connection that it runs on; without one a loss is an error before or after the action.
        """
        with self._lock:
            if self.dead:
                raise SimulatedDeath
            self.log.append(what)
            fault = self.faults.get(self.count)
        match fault:
            case None:
                return action()
            case Fault.ERROR:
                raise error()
            case Fault.LOST_BEFORE | Fault.LOST_AFTER:
                if fault is Fault.LOST_AFTER:
                    action()
                if lose is None:
                    raise error()
                lose()
                raise errors.ConnectionLost(f"{fault}: {what}")
            case Fault.DEATH_BEFORE:
                self._die()
            case Fault.DEATH_AFTER:
                action()
                self._die()
        raise SimulatedDeath

    def ports(self) -> Ports:
        """Ports whose every operation is a boundary."""
        return Ports(connect=self._connect, files=_Files(self), entropy=shop.QUICK)

    def watch(self, setting: settings.Setting) -> settings.Setting:
        """The setting, with the writes of its store as boundaries too."""
        if setting.store is not None:
            write = setting.store.write

            def crossing(action: Any) -> Any:
                return self.cross(
                    "store write",
                    lambda: write(action),
                    lambda: errors.StoreFailed("injected"),
                )

            setting.store.write = crossing  # type: ignore[method-assign]
        return setting

    def _die(self) -> None:
        self.dead = True
        for connection in self._connections:
            connection.close()

    def _connect(self, server: Any, **options: Any) -> mysql.Connection:
        def log_in() -> mysql.Connection:
            return mysql.connect(server, **options)

        connection = self.cross(
            f"log in {options.get('user') or server.user}",
            log_in,
            lambda: errors.ServerUnreachable("injected"),
        )
        send = connection.send

        def sending(statement: Any, parameters: Any = ()) -> Any:
            def lose() -> None:
                connection.close()
                connection.lost = True

            said = mysql.abridged(statement)
            return self.cross(
                said,
                lambda: send(statement, parameters),
                lambda: errors.StatementFailed(f"injected at {said}", errno=1064),
                lose,
            )

        connection.send = sending  # type: ignore[method-assign]
        self._connections.append(connection)
        return connection


class _Files(Files):
    def __init__(self, boundaries: Boundaries) -> None:
        self._boundaries = boundaries

    def _do(self, verb: str, path: Path, action: Callable[[], T]) -> T:
        return self._boundaries.cross(
            f"{verb} {path.name}",
            lambda: super(_Files, self)._do(verb, path, action),
            lambda: errors.FileFailed(f"injected: could not {verb} {path.name}"),
        )
