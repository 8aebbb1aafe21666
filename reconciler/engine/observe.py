"""Looking at the world: one ``Sight`` over all tenants for a plan, or over one under its lease."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from reconciler.engine import reveal as sealed
from reconciler.engine.setting import Setting
from reconciler.model import names
from reconciler.model.given import PENDING
from reconciler.model.secret import Secret
from reconciler.model.server import Server
from reconciler.model.tenant import Tenant
from reconciler.ports.mysql.connection import Connection
from reconciler.ports.session import Session
from reconciler.resources.sight import Sight


@dataclass(slots=True)
class Readers:
    """One connection a server, for looking only."""

    setting: Setting
    _open: dict[str, Connection] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, server: Server) -> Connection:
        """The connection to ``server``."""
        with self._guard:
            if server.name not in self._open:
                self._open[server.name] = self.setting.ports.connect(server)
            return self._open[server.name]

    def close(self) -> None:
        """Close them all."""
        while self._open:
            self._open.popitem()[1].close()


@contextmanager
def overview(setting: Setting, tenants: Iterable[Tenant[Any, Any]], *, deep: bool) -> Iterator[Sight]:
    """A look at many tenants at once, from connections that are closed afterwards."""
    readers = Readers(setting)
    try:
        chosen = list(tenants)
        reveal = _opener(setting, chosen)
        yield _sight(setting, readers, chosen, deep=deep, transaction=PENDING, reveal=reveal)
    finally:
        readers.close()


def close_up(setting: Setting, session: Session, tenant: Tenant[Any, Any], *, deep: bool) -> Sight:
    """A look at one tenant, through its transaction's own connections, so that it sees what that has done."""

    def reveal(server: Server, database: str, secret: Secret) -> str:
        return session.reveal(secret)

    return _sight(
        setting,
        lambda server: session.admin(server.name),
        [tenant],
        deep=deep,
        transaction=session.transaction,
        reveal=None if session.proven else reveal,
    )


def _opener(setting: Setting, tenants: list[Tenant[Any, Any]]) -> Callable[[Server, str, Secret], str]:
    """Opens the secrets of the tenants by their databases, each tenant's at once when it is first asked for."""
    owners = {(tenant.server.name, tenant.database): tenant.name for tenant in tenants if tenant.database}

    def opened(server: Server, database: str, secret: Secret) -> str:
        return sealed.secrets(setting, owners[server.name, database])[secret.name]

    return opened


def _sight(
    setting: Setting,
    connection: Any,
    tenants: list[Tenant[Any, Any]],
    *,
    deep: bool,
    transaction: str,
    reveal: Callable[[Server, str, Secret], str] | None,
) -> Sight:
    databases = sorted({tenant.database for tenant in tenants if tenant.database})
    return Sight(
        place=setting.place,
        ports=setting.ports,
        connection=connection,
        central_server=setting.servers[setting.place.central_server],
        tenants=[tenant.name for tenant in tenants],
        databases=databases,
        users=[account for database in databases for account in (names.owner(database), names.application(database))],
        deep=deep,
        transaction=transaction,
        reveal=reveal,
    )
