"""The platform's own things: store, keys, delivery folder, central database.

They come before the tenants', in transactions of their own. Each looks before it acts, so each can be repeated after
it was cut off anywhere; a tenant's failure does not undo them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from reconciler import errors
from reconciler.engine import preflight
from reconciler.engine.setting import Setting
from reconciler.model.change import Change
from reconciler.model.states import TransactionState
from reconciler.ports import git, process
from reconciler.ports.central import migrate, view
from reconciler.ports.clock import Clock
from reconciler.ports.mysql.connection import Connection
from reconciler.ports.store import engines, journal, leases
from reconciler.ports.store import store as stores

PLATFORM = "@platform"
"""Stands for the tenant in the journal and the leases; no tenant can have this name."""

WAIT_SECONDS = 60.0


def changes(setting: Setting, central: Connection) -> Iterator[Change]:
    """What is not there yet, or not at its last version.

    Errors: ``PlatformMisconfigured`` for another's database, ``CentralDamaged`` for one that does not say whose it is.
    """
    if setting.store is None:
        url = engines.shown(setting.platform.state.url)
        yield _change("store", url, "create", f"make the state store {url}", "there is none yet")
    _guard_keys(setting)
    if not setting.keys.complete:
        folder = setting.platform.keys.directory
        yield _change("keys", folder, "create", f"make the sealing and signing keys in {folder}", "there are none yet")
    if not setting.place.deliveries.is_dir():
        folder = setting.platform.delivery.directory
        yield _change("folder", folder, "create", f"make the delivery folder {folder}", "there is none yet")
    yield from changes_of_central(setting, central)


def changes_of_central(setting: Setting, central: Connection) -> Iterator[Change]:
    """The same of the central database alone. Errors: as for ``changes``."""
    name = setting.place.central_database
    found = migrate.version(central, name)
    owner = migrate.owner(central, name)
    if owner is not None and owner != setting.place.platform_id:
        raise errors.PlatformMisconfigured(
            f"the central database {name} on {central.server.name} belongs to another platform (id {owner})",
            advice="Use the state store that belongs to it, or name another database in specs/platform.yaml.",
        )
    if found == migrate.HEAD and owner is None and (gone := view.lost(central, name)):
        raise view.damaged(central, name, gone)
    if found != migrate.HEAD or owner is None:
        yield _change(
            "central-database",
            f"{setting.place.central_server}/{name}",
            "create" if found is None else "update",
            f"make the central database {name} on {setting.place.central_server}, at revision {migrate.HEAD}"
            if found is None
            else f"bring the central database {name} from revision {found} to {migrate.HEAD}",
            "there is none yet" if found is None else "this version of reconciler needs it",
        )


def check(setting: Setting) -> None:
    """Whether the central server will let all be made. Errors: ``Refused`` with the first reason against it."""
    server = setting.servers[setting.place.central_server]
    central = setting.ports.connect(server)
    try:
        for refusal in preflight.check_server(central, server, setting, acts=True).refusals:
            raise refusal
    finally:
        central.close()


def lay(setting: Setting) -> Setting:
    """Make what is missing, and return the setting with its store open. Safe to repeat, and for two at once."""
    ports, given = setting.ports, setting.store
    setting = local(setting)
    store = setting.opened()
    with _closed_if_in_vain(store, given):
        if not setting.place.deliveries.is_dir():
            setting.place.deliveries.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            ports.files.make_folder(setting.place.deliveries)
        central = ports.connect(setting.servers[setting.place.central_server])
        try:
            missing = list(changes(setting, central))
            if missing:
                _migrate(setting, store, central, missing)
        finally:
            central.close()
    return setting


def local(setting: Setting) -> Setting:
    """Make the store and the keys where they are missing, and return the setting with its store open."""
    _guard_folders(setting)
    given = setting.store
    if given is None:
        setting = setting.with_store(
            stores.make_store(
                setting.platform.state.url,
                setting.root,
                platform=setting.platform_name,
                platform_id=setting.ports.entropy.identity(),
                now=setting.ports.clock.stamp(),
            )
        )
    with _closed_if_in_vain(setting.opened(), given):
        _guard_keys(setting)
        setting.keys.make()
    return setting


@contextmanager
def _closed_if_in_vain(store: stores.Store, given: stores.Store | None) -> Iterator[None]:
    """Close the store where what is done with it fails and it was not ``given``: then nobody else knows it."""
    try:
        yield
    except BaseException:
        if given is None:
            store.close()
        raise


def _migrate(setting: Setting, store: stores.Store, central: Connection, missing: list[Change]) -> None:
    clock = setting.ports.clock
    held = setting.leases()
    lease = _wait_for(held)
    transaction = journal.Transaction(
        id=setting.ports.entropy.identity(),
        tenant=PLATFORM,
        action="update",
        state=TransactionState.OPEN,
        token=lease.token,
        actor=process.actor(),
        revision=setting.revision,
        started_at=clock.stamp(),
    )
    body = {"changes": [change.as_data() for change in missing]}
    leases.fenced(store, lease, lambda connection: journal.begin(connection, transaction, body))
    try:
        migrate.upgrade(
            central,
            setting.place.central_database,
            platform=setting.place.platform,
            platform_id=setting.place.platform_id,
        )
    except errors.ReconcileError as error:
        reason = error.message
        leases.fenced(store, lease, lambda connection: kept(connection, transaction, lease, clock, reason))
        held.close()
        raise
    leases.fenced(store, lease, lambda connection: _committed(connection, transaction, lease, clock))
    held.close()


def kept(
    connection: sa.Connection, transaction: journal.Transaction, lease: leases.Lease, clock: Clock, reason: str
) -> None:
    """Settle a platform transaction that did not end: what it made stays, and the next one looks before it acts."""
    now = clock.stamp()
    journal.append(connection, transaction.id, "kept", {"reason": reason}, token=lease.token, at=now)
    journal.advance(connection, transaction.id, TransactionState.UNDOING, token=lease.token)
    journal.advance(connection, transaction.id, TransactionState.ROLLED_BACK, token=lease.token, at=now)


def _committed(connection: sa.Connection, transaction: journal.Transaction, lease: leases.Lease, clock: Clock) -> None:
    now = clock.stamp()
    journal.append(connection, transaction.id, "committed", {}, token=lease.token, at=now)
    journal.advance(connection, transaction.id, TransactionState.COMMITTED, token=lease.token, at=now)


def _wait_for(held: leases.Leases) -> leases.Lease:
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            return held.acquire(PLATFORM)
        except errors.TenantLeased:
            # Whoever holds it makes the very things that are wanted here.
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def _guard_keys(setting: Setting) -> None:
    """New keys would open nothing that was sealed before: where tenants are on record, missing keys are a fault."""
    if not setting.keys.complete and setting.records():
        raise errors.PlatformMisconfigured(
            f"the store has tenants, and the keys that seal their secrets are not in {setting.keys.directory}",
            advice="Put the keys back from their backup.",
        )


def _guard_folders(setting: Setting) -> None:
    for what, folder in (
        ("delivery", setting.place.deliveries),
        ("keys", setting.keys.directory),
        ("trash", setting.place.trash),
    ):
        if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
            raise errors.DeliveryUnusable(f"{folder} is a symlink or a file; `{what}.directory` has to be a folder")
        if git.would_commit(folder):
            raise errors.DeliveryUnusable(
                f"{folder} lies in a git work tree that does not ignore it, so secrets could be committed",
                advice=f"Add {folder.name}/ (or the whole state/) to .gitignore.",
            )


def _change(resource: str, name: str, action: str, summary: str, reason: str) -> Change:
    return Change(
        step="platform",
        resource=resource,
        name=name,
        action=action,
        before=None,
        after=None,
        summary=summary,
        reason=reason,
        undo="nothing: it is the platform's, not a tenant's, and stays",
    )
