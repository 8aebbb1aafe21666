"""Tenants that are in sync, made in bulk: everything that an apply of each would leave, at a fraction of its cost.

Each tenant goes through the transaction of an apply itself (``reconciler.engine.saga``), so that what is recorded,
signed and delivered is what that code records, signs and delivers. Two things behind it are exchanged. The server
answers that nothing is there and takes what is written, which goes to the real one many tenants at a time. The store is
seen from inside one of its writes, so that many tenants share a commit. The proof of each tenant is left out, as it
would have to ask the server: whoever makes tenants so has to plan all of them afterwards, which proves the same.

A tenant with a database can't be made so: databases, accounts and grants are made by a server, and by nobody else.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import sqlalchemy as sa

from benchmarks.process import Unmeasured
from reconciler.engine import crew
from reconciler.engine.progress import Progress
from reconciler.engine.saga import Saga
from reconciler.engine.setting import Setting
from reconciler.model import plan as plans
from reconciler.model.tenant import Tenant
from reconciler.ports.mysql import connection as mysql
from reconciler.ports.store import leases, tables
from reconciler.ports.store import store as stores

T = TypeVar("T")
PORTION = 500
"""Tenants in one commit of the store, and in one packet to the server."""


class _Emptiness(mysql.Connection):
    """A connection to a server that has nothing of the tenants; what is written stays here until ``flush``."""

    def __init__(self, real: mysql.Connection) -> None:
        super().__init__(real.driver, real.server, real.user)
        self._real = real
        self._written: list[bytes] = []

    def send(self, statement: str | bytes, parameters: Sequence[object] = ()) -> tuple[list[tuple[Any, ...]], int]:
        """Grant each lock, find no row, and keep the rest, but for the borders of transactions."""
        text = statement.decode() if isinstance(statement, bytes) else statement
        if text.startswith("SELECT GET_LOCK"):
            return [(1,)], 1
        if not text.startswith(("SELECT", "START TRANSACTION", "COMMIT")):
            self._written.append(self.driver.cursor().mogrify(text, tuple(parameters)).encode())
        return [], 1

    def close(self) -> None:
        """It serves the next tenant."""

    def flush(self) -> None:
        """Write everything that was kept, in one transaction. Errors: ``StatementFailed``."""
        written, self._written = self._written, []
        self._real.packet([b"START TRANSACTION", *written, b"COMMIT"])


class _Inside(stores.Store):
    """A store as one of its writes sees it: what is read and written goes through that write's connection."""

    def __init__(self, url: sa.URL, connection: sa.Connection) -> None:
        super().__init__(url)
        self._connection = connection

    def read(self, action: Callable[[sa.Connection], T]) -> T:
        """What ``action`` returns, which sees what this write has written."""
        return action(self._connection)

    def write(self, action: Callable[[sa.Connection], T]) -> T:
        """What ``action`` returns; durable with all of this write."""
        return action(self._connection)


def make(setting: Setting, wanted: Collection[str]) -> None:
    """Make the tenants ``wanted``, of which nothing is there yet, on a platform that is laid and that nobody works on.

    Errors: ``Unmeasured`` for a tenant that has a database, or that would not be created; those of an apply.
    """
    store = setting.opened()
    real = setting.ports.connect(setting.servers[setting.place.central_server], plain=True)
    server = _Emptiness(real)
    ports = replace(setting.ports, connect=lambda *_, **__: server)

    def write(portion: list[Tenant[Any, Any]], connection: sa.Connection) -> None:
        _make(replace(setting, store=_Inside(store.url, connection), ports=ports), connection, portion)
        server.flush()

    try:
        tenants = iter(setting.tenants({}, wanted))
        while portion := list(itertools.islice(tenants, PORTION)):
            store.write(functools.partial(write, portion))
    finally:
        real.close()


def _make(setting: Setting, connection: sa.Connection, tenants: list[Tenant[Any, Any]]) -> None:
    # As each is after its first holder gave it back.
    free = {"token": 1, "holder": None, "since": None, "renewals": 0}
    connection.execute(tables.leases.insert(), [{"tenant": tenant.name, **free} for tenant in tenants])
    tools = crew.tools_of(setting, Progress())
    for tenant in tenants:
        if tenant.database:
            raise Unmeasured(f"{tenant.name} has the database {tenant.database}, which can't be made in bulk")
        saga = Saga(setting, tenant, leases.Lease(tenant.name, token=1), tools, Progress())
        planned = saga.look()
        if planned.action is not plans.Action.CREATE:
            raise Unmeasured(f"a plan of {tenant.name}, of which nothing should be there, says {planned.action}")
        saga.begin()
        saga.act()
        setting.opened().write(saga.write_commit)
        saga.finish()
