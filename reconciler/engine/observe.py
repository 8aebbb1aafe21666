"""Looking at the world: one ``Sight`` over all tenants for a plan, or over one under its lease."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from reconciler import errors
from reconciler.engine import foundation, preflight, purge
from reconciler.engine import reveal as sealed
from reconciler.engine.setting import Setting
from reconciler.model import names
from reconciler.model import plan as plans
from reconciler.model.change import Change
from reconciler.model.given import PENDING
from reconciler.model.goal import Goal
from reconciler.model.secret import Secret
from reconciler.model.server import Server
from reconciler.model.tenant import Tenant
from reconciler.ports.mysql.connection import Connection
from reconciler.ports.session import Session
from reconciler.resources.sight import Sight

if TYPE_CHECKING:
    from reconciler.model.snapshot import Snapshot
    from reconciler.resources import recollection


@dataclass(slots=True)
class Readers:
    """One connection a server, for looking only. A server that did not let us in is not asked again: to wait for it
    takes long, and one that is told a wrong password too often blocks the account.
    """

    setting: Setting
    _open: dict[str, Connection] = field(default_factory=dict)
    _refused: dict[str, errors.ServerUnreachable] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, server: Server) -> Connection:
        """The connection to ``server``. Errors: ``ServerUnreachable``, the same each time."""
        with self._guard:
            if (first := self._refused.get(server.name)) is not None:
                again = errors.ServerUnreachable(first.message, where=first.where, advice=first.next)
                raise again from first.__cause__
            if server.name not in self._open:
                try:
                    self._open[server.name] = self.setting.ports.connect(server)
                except errors.ServerUnreachable as error:
                    self._refused[server.name] = error
                    raise
            return self._open[server.name]

    def close(self) -> None:
        """Close them all."""
        while self._open:
            self._open.popitem()[1].close()


@dataclass(frozen=True, slots=True)
class Overview:
    """A look at many tenants: what is seen of them, what a server has against any change, what the platform lacks.

    ``refusals`` and ``lacking`` ask when they are called; their errors are those of ``preflight`` and ``foundation``.
    """

    sight: Sight
    refusals: Callable[[Server, bool], list[errors.Refused]]
    folders: Callable[[], list[errors.Refused]]
    lacking: Callable[[], list[Change]]


@contextmanager
def overview(
    setting: Setting, tenants: Iterable[Tenant[Any, Any]], *, deep: bool, everybody: bool = False
) -> Iterator[Overview]:
    """A look at many tenants at once, from connections that are closed afterwards; or at the setting's snapshot.
    ``everybody`` says that nobody else should be there.
    """
    if setting.snapshot is not None:
        yield _remembered(setting, setting.snapshot, everybody=everybody)
        return
    readers = Readers(setting)
    try:
        chosen = list(tenants)
        reveal = _opener(setting, chosen)
        yield Overview(
            sight=_sight(setting, readers, chosen, deep=deep, transaction=PENDING, reveal=reveal, everybody=everybody),
            refusals=lambda server, acts: preflight.check_server(readers(server), server, setting, acts=acts).refusals,
            folders=lambda: list(preflight.check_delivery(setting)),
            lacking=lambda: list(foundation.changes(setting, readers(setting.servers[setting.place.central_server]))),
        )
    finally:
        readers.close()


def taken(setting: Setting) -> plans.Taken | None:
    """Of when the setting's snapshot is, and its age; None if there is none."""
    if setting.snapshot is None:
        return None
    created = dt.datetime.fromisoformat(setting.snapshot.created_at)
    age = (setting.ports.clock.now() - created).total_seconds()
    return plans.Taken(setting.snapshot.created_at, int(age))


def recording(setting: Setting, connection: Callable[[Server], Connection]) -> recollection.Recording:
    """A look at everything there is, to be written down."""
    from reconciler.resources import recollection

    return recollection.Recording(
        place=setting.place,
        ports=setting.ports,
        connection=connection,
        central_server=setting.servers[setting.place.central_server],
    )


def address(setting: Setting, server: Server) -> str:
    """Where a server is, whatever folder the repository lies in."""
    return server.address.replace(f"unix:{setting.root}/", "unix:")


def _remembered(setting: Setting, found: Snapshot, *, everybody: bool) -> Overview:
    """A look at a snapshot. A server that is somewhere else by now is not the one that was seen."""
    from reconciler.ports import listed
    from reconciler.resources import delivery, recollection

    place = setting.place
    shelves = {place.deliveries: found.deliveries, place.trash: found.trash}
    known = {
        name: seen
        for name, seen in found.servers.items()
        if name in setting.servers and address(setting, setting.servers[name]) == seen.address
    }

    def refusals(server: Server, acts: bool) -> list[errors.Refused]:
        seen = known.get(server.name)
        if seen is None:
            return []  # what is there is unknown, and that is said
        if seen.unreachable:
            raise errors.ServerUnreachable(seen.unreachable)
        return [_refused(entry) for entry in seen.refusals]

    return Overview(
        sight=recollection.Recollection(
            place=place,
            ports=replace(setting.ports, files=listed.Listed(shelves, delivery.MANIFEST)),
            connection=recollection.no_connection,
            central_server=setting.servers[place.central_server],
            known={
                name: recollection.Known(seen.census, seen.held, seen.settings, seen.tables)
                for name, seen in known.items()
            },
            rows_of_central=found.rows,
            renames=found.renames,
            everybody=everybody,
        ),
        refusals=refusals,
        folders=lambda: [_refused(entry) for entry in found.refusals],
        lacking=lambda: [Change.from_data(entry) for entry in found.platform_changes],
    )


def _refused(entry: tuple[str, str, str]) -> errors.Refused:
    code, message, advice = entry
    classes = {kind.code: kind for kind in errors.tree(errors.Refused) if issubclass(kind, errors.Refused)}
    return classes.get(code, errors.Refused)(message, advice=advice)


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
    everybody: bool = False,
) -> Sight:
    databases = sorted({name for tenant in tenants if (name := tenant.database or tenant.former)})
    scratch = [purge.scratch_of(tenant, transaction) for tenant in tenants if tenant.goal is Goal.PURGED]
    return Sight(
        place=setting.place,
        ports=setting.ports,
        connection=connection,
        central_server=setting.servers[setting.place.central_server],
        tenants=[tenant.name for tenant in tenants],
        databases=[*databases, *filter(None, scratch)],
        users=[
            *(account for database in databases for account in (names.owner(database), names.application(database))),
            *([purge.visitor_of(transaction)] if scratch else []),
        ],
        deep=deep,
        transaction=transaction,
        reveal=reveal,
        everybody=everybody,
    )
