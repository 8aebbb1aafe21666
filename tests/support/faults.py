"""Ports that fail at one boundary: a statement, a login, a file operation, or a write of the store.

A clean run counts the boundaries; then each is made to fail in turn. A simulated death is a BaseException after which
every port is dead, as a killed process can't do anything more either.
"""

from __future__ import annotations

import contextlib
import enum
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from reconciler import errors
from reconciler.engine import setting as settings
from reconciler.ports.clock import Clock
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


class Kind(enum.StrEnum):
    """What a boundary is."""

    LOGIN = "login"
    STATEMENT = "statement"
    FILE = "file operation"
    STORE = "store write"


class SimulatedDeath(BaseException):
    """The process ends here."""


Deed = Callable[[Callable[[], Any]], Any]
"""What happens in place of a boundary's action: it is given the action, and runs it or not."""


class Pause:
    """A deed that stops the process in front of the action, as SIGSTOP would, until ``go`` is set.

    Everything else that the process wants to do stops too.
    """

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.go = threading.Event()

    def __call__(self, action: Callable[[], T]) -> T:
        self.reached.set()
        self.go.wait()
        return action()


class Boundaries:
    """Counts every boundary that is crossed, and lets some of them fail: ``faults`` by their number, from 1.

    What the thread that renews leases does is no boundary, because nobody knows when it does it.
    """

    def __init__(self, faults: Mapping[int, Fault | Deed] | None = None) -> None:
        self.faults = dict(faults or {})
        self.log: list[str] = []
        self.kinds: list[Kind] = []
        self.dead = self.died = False
        self.clock = Clock()
        self._paused: Pause | None = None
        self._lock = threading.Lock()
        self._connections: list[mysql.Connection] = []

    @property
    def count(self) -> int:
        """How many were crossed."""
        return len(self.log)

    def cross(
        self,
        kind: Kind,
        what: str,
        action: Callable[[], T],
        error: Callable[[], Exception],
        lose: Callable[[], None] | None = None,
    ) -> T:
        """Run ``action`` as the next boundary, or let it fail.

        ``lose`` breaks the connection that it runs on; without one a loss is an error before or after the action.
        """
        if self._paused is not None:
            self._paused.go.wait()
        if threading.current_thread().name == "lease-renewal":
            if self.dead:
                raise errors.StoreFailed("a dead process renews nothing")
            return action()
        with self._lock:
            if self.dead:
                raise SimulatedDeath
            self.log.append(what)
            self.kinds.append(kind)
            fault = self.faults.get(self.count)
            if isinstance(fault, Pause):
                self._paused = fault
        match fault:
            case None:
                return action()
            case deed if not isinstance(deed, Fault):
                done: T = deed(action)
                return done
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
                with contextlib.suppress(Exception):  # an error reply reaches nobody either
                    action()
                self._die()
        raise SimulatedDeath

    def ports(self) -> Ports:
        """Ports whose every operation is a boundary."""
        return Ports(connect=self._connect, files=_Files(self), clock=self.clock, entropy=shop.QUICK)

    def close(self, setting: settings.Setting) -> None:
        """Give back what a dead process would have lost with its end."""
        self.dead = False
        self.faults.clear()
        if setting.store is not None:
            setting.store.close()

    def watch(self, setting: settings.Setting) -> settings.Setting:
        """The setting, with the writes of its store as boundaries too."""
        if setting.store is not None:
            write = setting.store.write

            def crossing(action: Any) -> Any:
                return self.cross(
                    Kind.STORE,
                    "store write",
                    lambda: write(action),
                    lambda: errors.StoreFailed("injected"),
                )

            setting.store.write = crossing  # type: ignore[method-assign]
        return setting

    def _die(self) -> None:
        self.dead = self.died = True
        for connection in self._connections:
            connection.close()

    def _connect(self, server: Any, **options: Any) -> mysql.Connection:
        def log_in() -> mysql.Connection:
            return mysql.connect(server, **options)

        connection = self.cross(
            Kind.LOGIN,
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
                Kind.STATEMENT,
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
            Kind.FILE,
            f"{verb} {path.name}",
            lambda: super(_Files, self)._do(verb, path, action),
            lambda: errors.FileFailed(f"injected: could not {verb} {path.name}"),
        )
