"""Everything that one transaction may change the world with: fenced connections, files, and its secrets in clear.

Every connection takes a lock name of its own before it does anything, and checks the lease's number after taking it:
a successor that has expelled the holders of those names knows that no statement of theirs can still run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from reconciler import errors
from reconciler.model import names
from reconciler.model.secret import Secret
from reconciler.model.server import Server
from reconciler.ports.mysql import locks
from reconciler.ports.mysql import names as quoting
from reconciler.ports.mysql.connection import Connection
from reconciler.ports.ports import Ports
from reconciler.ports.secrets import Vault

ADMIN, OWNER, LOGIN, PROGRAMMER = "admin", "owner", "login", "programmer"
ROLES = (ADMIN, OWNER, LOGIN, PROGRAMMER)
_FORMER = ("central",)
"""What the version before this one also called a connection: it may still run, and is taken over all the same."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a platform's shared things are: its mark, the central database, the deliveries, the trash."""

    platform: str
    platform_id: str
    central_server: str
    central_database: str
    deliveries: Path
    trash: Path


def _unheard(_done: int, _total: int) -> None:
    """Nobody is told."""


def _none(_transaction: str) -> bool:
    """No transaction is known."""
    return False


@dataclass(slots=True)
class Session:
    """One transaction's hands. Not thread-safe. ``close`` is called by whoever made it.

    ``fence`` raises ``LeaseLost`` when the transaction's number is no longer the tenant's. ``reveal`` gives a secret's
    value. ``sign`` turns a license's terms into a signed file. ``dropping`` are the names whose destruction is
    journaled already, so that they are ours without a mark; ``foreign`` are names that an undo found to be somebody
    else's. ``proven`` says that the tenant's credential logged in.
    ``advance`` is told how far something long has come: so much of so much. ``committed`` says to an undo whether the
    tenant has a transaction with this id that was committed.
    """

    tenant: str
    transaction: str
    token: int
    place: Place
    servers: Mapping[str, Server]
    ports: Ports
    fence: Callable[[], None]
    reveal: Callable[[Secret], str]
    sign: Callable[[Mapping[str, object]], bytes]
    dropping: frozenset[tuple[str, str]] = frozenset()
    foreign: frozenset[tuple[str, str]] = frozenset()
    vault: Vault | None = None
    proven: bool = False
    advance: Callable[[int, int], None] = _unheard
    committed: Callable[[str], bool] = _none
    _open: dict[tuple[str, str], Connection] = field(default_factory=dict)

    def admin(self, server: str) -> Connection:
        """The provisioning account's connection to ``server``."""
        if (ADMIN, server) not in self._open:
            self._open[ADMIN, server] = self._connect(ADMIN, server)
        return self._open[ADMIN, server]

    def central(self) -> Connection:
        """The provisioning account's connection to the central database's server; statements qualify their tables."""
        return self.admin(self.place.central_server)

    @contextmanager
    def owner(self, server: str, user: str, host: str, secret: Secret, database: str) -> Iterator[Connection]:
        """A connection as the tenant's own account, which is locked again before the connection is used; the one that
        was kept, if there is one.

        A lock leaves open sessions running, so the account is open only for the moment of the login.
        """
        key = (OWNER, server)
        connection = self._open.pop(key, None)
        if connection is not None and connection.user != user:
            connection.close()  # it holds the lock name
            connection = None
        if connection is None:
            admin, account = self.admin(server), quoting.account(user, host)
            admin.run(f"ALTER USER {account} ACCOUNT UNLOCK")
            connection = self._connect(
                OWNER, server, user=user, password=self.reveal(secret), database=database, plain=True
            )
            try:
                admin.run(f"ALTER USER {account} ACCOUNT LOCK")
            except BaseException:
                connection.close()
                raise
        try:
            yield connection
        finally:
            if self._open.get(key) is not connection:
                connection.close()

    def keep(self, owner: Connection) -> None:
        """Leave the own account's connection open for what comes later, if its session is as it was at the login."""
        self._open[OWNER, owner.server.name] = owner

    def programmer(self, server: str, database: str) -> Connection:
        """The provisioning account in the tenant's database, on a connection as a script's: for what a server with a
        binary log lets no other account make.
        """
        key = (PROGRAMMER, server)
        if key not in self._open:
            self._open[key] = self._connect(PROGRAMMER, server, database=database, plain=True)
        return self._open[key]

    @contextmanager
    def login(self, server: str, user: str, secret: Secret, database: str) -> Iterator[Connection]:
        """A connection as the product's application would make it. Errors: ``ServerUnreachable`` if refused."""
        connection = self._connect(LOGIN, server, user=user, password=self.reveal(secret), database=database)
        try:
            yield connection
        finally:
            connection.close()

    def sealed(self, stream: Iterable[bytes]) -> Iterator[bytes]:
        """A stream, sealed under the platform's key."""
        if self.vault is None:
            raise ValueError("this transaction seals nothing")
        return self.vault.sealed(stream)

    def unsealed(self, stream: Iterable[bytes]) -> Iterator[bytes]:
        """A sealed stream, in clear."""
        if self.vault is None:
            raise ValueError("this transaction opens nothing")
        return self.vault.opened(stream)

    def expel(self) -> None:
        """End whatever still runs under this tenant's lock names, on every server of the transaction.

        Who was taken over without knowing it yet must not end its successor's connections. Errors: ``LeaseLost``.
        """
        for server in self.servers:
            connection = self.ports.connect(self.servers[server])
            try:
                self.fence()
                locks.expel(connection, [self._lock(role) for role in (*ROLES, *_FORMER)])
            finally:
                connection.close()

    @property
    def lost(self) -> bool:
        """Whether one of the connections broke; then none of them goes forward."""
        return any(connection.lost for connection in self._open.values())

    def close(self) -> None:
        """Close all connections, which frees their locks; a second time does nothing."""
        while self._open:
            self._open.popitem()[1].close()

    @property
    def workspace(self) -> Path:
        """The folder beside the deliveries that carries this transaction's name and number; all in it is ours."""
        return self.place.deliveries / f"{_workspace(self.transaction)}{self.token}"

    def claim(self) -> None:
        """Move the folder of an earlier number of this transaction away to this number's name.

        Whoever still works under the earlier number can publish nothing out of it any more.
        """
        for name in sorted(self.ports.files.listing(self.place.deliveries) or {}):
            if name.startswith(_workspace(self.transaction)) and name != self.workspace.name:
                self.ports.files.rename(self.place.deliveries / name, self.workspace)

    def _connect(
        self,
        role: str,
        server: str,
        *,
        user: str = "",
        password: str | None = None,
        database: str = "",
        plain: bool = False,
    ) -> Connection:
        if server not in self.servers:
            raise errors.StepFailed(f"this transaction knows no server {server}")
        connection = self.ports.connect(
            self.servers[server], user=user, password=password, database=database, plain=plain
        )
        try:
            locks.take(connection, self._lock(role))
            self.fence()
        except BaseException:
            connection.close()
            raise
        return connection

    def _lock(self, role: str) -> str:
        return names.lock(self.place.platform_id, self.tenant, role)


def _workspace(transaction: str) -> str:
    return f".reconciler-{transaction}-"
