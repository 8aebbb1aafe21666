"""Taking a snapshot of a platform, and planning from one where neither its servers nor its store can be reached.

A snapshot is what a plan sees of the world, in bulk and for every tenant on record, whichever spec it has later. No
secret is in it, and nothing that a guess could be tried on: hashes of passwords and digests of delivered files are
replaced. Those on record, and the same where they are met again, by a digest under a key that nobody keeps; all others
by random ones, so that not even equal passwords can be told.
"""

from __future__ import annotations

import gzip
import hmac
import io
import zlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

import reconciler
from reconciler import errors
from reconciler.engine import observe, removal, unsettled
from reconciler.engine.setting import Setting
from reconciler.licensing import armor, keys
from reconciler.licensing import format as signed_file
from reconciler.model import snapshot as model
from reconciler.model.given import Given
from reconciler.model.goal import Goal
from reconciler.model.record import Record
from reconciler.model.server import Server
from reconciler.ports import listed
from reconciler.ports.mysql import census, remembered, rows
from reconciler.ports.secrets import Entropy
from reconciler.resources import delivery
from reconciler.resources.recollection import Recording

LARGEST: Final = 1 << 30
"""Bytes that an unpacked snapshot may have; what a stranger packed could be any size."""

_TRIES = 3
_PACKED = b"\x1f\x8b"
_DIGEST = "sha256"


def take(setting: Setting) -> model.Snapshot:
    """Look at everything. Changes nothing and takes no lease; an account that can only look suffices.

    Errors: ``ServerUnreachable`` for the central server, ``PlatformMisconfigured`` without a store, ``Refused`` if
    tenants are changed faster than they can be looked at.
    """
    setting.opened()
    for _ in range(_TRIES):
        known = setting.records()
        found = _look(setting, known)
        after = setting.records()
        moved = {name for name in {*known, *after} if known.get(name) != after.get(name)}
        if not moved:
            return found
    raise errors.Refused(
        f"tenants were changed each time while the snapshot was taken: {', '.join(sorted(moved))}",
        advice="Take it again when nothing is applied.",
    )


def signed(setting: Setting, found: model.Snapshot) -> tuple[bytes, str]:
    """The snapshot as a signed file, and the id of the key. Errors: ``PlatformMisconfigured`` without a key."""
    said = found.as_data()
    kid, value = setting.keys.attest(model.TYPE, model.digest(said))
    return model.canonical({**said, "signature": {"kid": kid, "value": value}}) + b"\n", kid


def packed(data: bytes) -> bytes:
    """The file as gzip, the same for the same file."""
    return gzip.compress(data, mtime=0)


def opened(data: bytes, file: str, ring: keys.KeyRing) -> model.Snapshot:
    """The snapshot in a file, packed or not, if a key of ``ring`` vouches for it. Errors: ``SnapshotUnusable``."""
    said, kid, value = model.parse(_unpacked(data, file), file)
    try:
        signature = armor.decode64(value.encode("ascii", "replace"), "the signature")
    except errors.Refused as error:
        raise errors.SnapshotUnusable(f"{file}: {error.message}") from None
    digest = model.digest(said)
    envelope = signed_file.Envelope(
        model.TYPE, signed_file.VERSION, signed_file.ALGORITHM, kid, digest, signature, digest.encode()
    )
    if (rejection := signed_file.distrust(envelope, ring)) is not None:
        raise errors.SnapshotUnusable(f"{file}: {rejection.message}")
    return model.from_data(said, file)


def recalled(setting: Setting, found: model.Snapshot) -> Setting:
    """The same run, with a snapshot for store and servers. Errors: ``SnapshotUnusable`` if it is another platform's."""
    here, then = _stands_on(setting), (found.platform, *found.central, *found.folders)
    words = ("the platform", "the central server", "the central database", "the delivery folder", "the trash")
    differing = [
        f"{what} was {was} and is {now}" for what, was, now in zip(words, then, here, strict=True) if was != now
    ]
    if differing:
        raise errors.SnapshotUnusable(f"the snapshot does not fit specs/platform.yaml: {'; '.join(differing)}")
    place = replace(setting.place, platform_id=found.platform_id)
    return replace(setting, snapshot=found, store=None, place=place)


def _look(setting: Setting, known: Mapping[str, Record]) -> model.Snapshot:
    mask = _Mask(setting.ports.entropy, known.values())
    created_at, files = setting.ports.clock.stamp(), setting.ports.files
    with observe.overview(setting, (), deep=False) as overview:
        sight = observe.recording(setting, overview.sight.connection)
        lacking = tuple(change.as_data() for change in overview.lacking())
        refusals = {name: _refusals(overview, server) for name, server in setting.servers.items()}
        if isinstance(said := refusals[setting.place.central_server], str):
            raise errors.ServerUnreachable(said)
        for record in known.values():
            if isinstance(refusals.get(record.server), tuple):
                _walk(setting, record, sight)
        name, central, database = (*_stands_on(setting)[:3],)
        return model.Snapshot(
            platform=name,
            platform_id=setting.place.platform_id,
            created_at=created_at,
            version=reconciler.__version__,
            central=(central, database),
            folders=(setting.platform.delivery.directory, setting.platform.trash.directory),
            renames=not setting.place.deliveries.is_dir() or sight.one_file_system,
            refusals=tuple(_as_data(error) for error in overview.folders()),
            platform_changes=lacking,
            servers={
                name: _server(setting, server, sight, refusals[name], mask) for name, server in setting.servers.items()
            },
            rows=mask.everywhere(remembered.kept(lambda: _central(setting, known, sight))),
            deliveries=listed.taken(files, setting.place.deliveries, delivery.MANIFEST),
            trash=listed.taken(files, setting.place.trash, delivery.MANIFEST),
            records={name: mask.record(record) for name, record in sorted(known.items())},
        )


def _stands_on(setting: Setting) -> tuple[str, str, str, str, str]:
    """What a plan stands on besides the specs of tenants and products, and the servers' addresses."""
    spec, place = setting.platform, setting.place
    folders = spec.delivery.directory, spec.trash.directory
    return (setting.platform_name, place.central_server, place.central_database, *folders)


def _refusals(overview: observe.Overview, server: Server) -> tuple[tuple[str, str, str], ...] | str:
    """What speaks against a change there, or why it can't be reached."""
    try:
        return tuple(_as_data(error) for error in overview.refusals(server, False))
    except errors.ServerUnreachable as error:
        return error.message


def _as_data(error: errors.Refused) -> tuple[str, str, str]:
    return (error.code, error.message, error.next)


def _walk(setting: Setting, record: Record, sight: Recording) -> None:
    """Look at a tenant as a plan does, so that what no bulk look tells is written down too."""
    with suppress(errors.GuardRefused):
        tenant = removal.tenant_of(setting, record, Goal.PRESENT)
        today = setting.ports.clock.now().date().isoformat()
        given = Given(today=today, revision=record.revision, record=record)
        for step in setting.products[tenant.product].flow(tenant, given):
            # Why something can't be seen, or is refused, has been written down with it.
            with suppress(census.Unseen, errors.Refused, errors.StatementFailed):
                step.wanted.observe(sight)


def _server(
    setting: Setting,
    server: Server,
    sight: Recording,
    refusals: tuple[tuple[str, str, str], ...] | str,
    mask: _Mask,
) -> model.SeenServer:
    address = observe.address(setting, server)
    if isinstance(refusals, str):
        return model.SeenServer(address, refusals, (), {}, {}, {}, {})
    return model.SeenServer(
        address=address,
        unreachable="",
        refusals=refusals,
        census=mask.everywhere(remembered.taken(sight.census(server), mask.password)),
        held=remembered.kept(
            lambda: sorted([census.text(level), census.text(privilege)] for level, privilege in sight.held(server))
        ),
        settings=remembered.kept(lambda: list(sight.settings(server))),
        tables=mask.everywhere(sight.tables.get(server.name, {})),
    )


def _central(setting: Setting, known: Mapping[str, Record], sight: Recording) -> dict[str, Any]:
    """The central rows, but those of tenants that were being made: theirs may be undone yet."""
    made = {entry.tenant for entry in unsettled.transactions(setting, ())}
    tables = sight.central.tables
    made |= {entry.tenant for entry in unsettled.transactions(setting, ())}
    return {
        table: {
            tenant: [{column: rows.plain(value) for column, value in row.items()} for row in found]
            for tenant, found in by_tenant.items()
            if tenant in known or tenant not in made
        }
        for table, by_tenant in tables.items()
    }


def _unpacked(data: bytes, file: str) -> bytes:
    if not data.startswith(_PACKED):
        return data
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
            found = stream.read(LARGEST + 1)
    except (OSError, EOFError, zlib.error):
        raise errors.SnapshotUnusable(f"{file} is packed and can't be unpacked") from None
    if len(found) > LARGEST:
        raise errors.SnapshotUnusable(f"{file} would be larger than {LARGEST} bytes")
    return found


class _Mask:
    """Replaces hashes. Those that are on record stay equal to themselves, so that a plan can compare them."""

    def __init__(self, entropy: Entropy, known: Iterable[Record]) -> None:
        self._entropy = entropy
        self._key = entropy.token(32)
        self._marks = {secret.mark for record in known for secret in record.secrets.values() if secret.mark}

    def password(self, said: str) -> str:
        """A hash of an account; that there is none is masked too."""
        return self._digest(said) if said in self._marks else f"masked:{self._entropy.token(16).hex()}"

    def record(self, record: Record) -> Record:
        """A tenant's record, with the marks of its secrets and the digests of its files masked."""
        secrets = {
            name: replace(secret, mark=secret.mark and self._digest(secret.mark))
            for name, secret in record.secrets.items()
        }
        spec, facts = self.everywhere(record.spec), self.everywhere(record.facts)
        return replace(record, secrets=secrets, spec=spec, tokens=dict(record.tokens), facts=facts)

    def everywhere(self, data: Any) -> Any:
        """The data, with every mark in it masked, and every digest of a file's content."""
        match data:
            case Mapping():
                return {
                    key: self._digest(value) if key == _DIGEST and isinstance(value, str) else self.everywhere(value)
                    for key, value in data.items()
                }
            case list() | tuple():
                return [self.everywhere(entry) for entry in data]
            case str() if data in self._marks:
                return self._digest(data)
            case _:
                return data

    def _digest(self, said: str) -> str:
        return f"masked:{hmac.digest(self._key, said.encode(), 'sha256').hex()[:32]}"
