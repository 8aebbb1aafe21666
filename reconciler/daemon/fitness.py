"""Whether this daemon may lead: it has the platform's keys and stands at the platform's delivery folder.

A daemon with other keys would seal what its fellows can't open and sign licenses with a key that nobody knows; one with
another folder would write every delivery a second time. Keys are tried on what the store holds. The folder carries the
store's id in a file, which is written where a delivery of the store's own tenants is found, and nowhere else.
"""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Final, NoReturn

import sqlalchemy as sa

from reconciler import errors
from reconciler.engine.setting import Setting
from reconciler.model.states import TenantState
from reconciler.ports.store import journal, records, tables
from reconciler.resources import delivery

MARK: Final = ".reconciler-store"
"""The file in the delivery folder, 0600; no tenant has a name with a dot."""

_KEYS: Final = "Give this daemon the same keys.directory as the daemon that led before, or put it back from its backup."
_FOLDER: Final = "Mount the delivery folder that the tenants were delivered into, for all daemons the same."
_LICENSES: Final = 20  # records that are looked through for a license, where there is no secret to try


def check(setting: Setting) -> None:
    """Look whether this daemon may lead, at the price of two files and a few rows of the store.

    Where nothing depends on a key or on the folder yet, any is right. Errors: ``NotLeader`` with the reason,
    ``StoreFailed``.
    """
    if setting.store is None:
        return
    try:
        _keys(setting)
        _deliveries(setting)
    except (errors.PlatformMisconfigured, errors.StepFailed, errors.Refused) as error:
        raise errors.NotLeader(f"this daemon must not lead: {error.message}", advice=error.next) from error


def _keys(setting: Setting) -> None:
    store, keys = setting.opened(), setting.keys
    secret = store.read(records.sample)
    kid = "" if secret else store.read(_license)
    if secret is None and not kid:
        return
    if not keys.complete:
        _refuse(f"the keys of the platform are not in {keys.directory}", _KEYS)
    if secret is not None:
        tenant, entry = secret
        keys.vault.open(tenant, entry.secret, entry.sealed)
    elif keys.ring.find(kid) is None:
        _refuse(f"licenses were signed with the key {kid}, which is not in {keys.directory}", _KEYS)
    keys.attest("fitness", setting.opened().platform_id)


def _license(connection: sa.Connection) -> str:
    """The id of the key that signed some license on record; empty if there is none."""
    for text in connection.execute(sa.select(tables.tenants.c.facts).limit(_LICENSES)).scalars():
        for name, fact in json.loads(text).items():
            if name.startswith("license/") and (kid := fact.get("terms", {}).get("kid")):
                return str(kid)
    return ""


def _deliveries(setting: Setting) -> None:
    files, folder, mine = setting.ports.files, setting.place.deliveries, setting.opened().platform_id
    said = files.read(folder / MARK)
    if said is not None:
        if (found := said.decode("ascii", "replace").strip()) != mine:
            _refuse(f"the delivery folder {folder} belongs to the store {found}, and this store is {mine}", _FOLDER)
        return
    names = setting.opened().read(_delivered)
    if not names:
        return
    if not _proven(setting, folder, names):
        _refuse(
            f"{len(names)} tenants were delivered, and in {folder} is neither {MARK} nor the delivery of any of them",
            f"{_FOLDER} If the deliveries are lost, `reconcile apply` writes them anew here.",
        )
    files.replace(folder / MARK, f"{mine}\n".encode())


def _delivered(connection: sa.Connection) -> set[str]:
    """The tenants whose deliveries are where deliveries are, not in the trash."""
    query = sa.select(tables.tenants.c.name).where(tables.tenants.c.state != TenantState.TRASHED.value)
    return {str(name) for name in connection.execute(query).scalars()}


def _proven(setting: Setting, folder: Path, names: set[str]) -> bool:
    """Whether some folder there was written by a transaction of this store for that very tenant."""
    files, store = setting.ports.files, setting.opened()
    for name, state in sorted((files.listing(folder) or {}).items()):
        if name in names and stat.S_ISDIR(state.st_mode) and (writer := delivery.writer(files, folder / name)):
            known = store.read(lambda connection, identity=writer: journal.find(connection, identity))  # type: ignore[misc]
            if known is not None and (known.id, known.tenant) == (writer, name):
                return True
    return False


def _refuse(message: str, advice: str) -> NoReturn:
    raise errors.PlatformMisconfigured(message, advice=advice)
