"""The last copy of a tenant: everything that a purge destroys, sealed, and proven by loading it."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from reconciler import errors
from reconciler.model import names as names_of
from reconciler.model.change import Change, State
from reconciler.model.secret import Secret
from reconciler.model.server import Server
from reconciler.ports.central import view
from reconciler.ports.mysql import names
from reconciler.ports.session import Place, Session
from reconciler.resources import account, importing, resource, visibility
from reconciler.resources.central_rows import plain
from reconciler.resources.sight import Sight
from reconciler.sql import firewall, outgoing

FOLDER = ".purged"
"""Beside the deliveries in the trash; no tenant has a name with a dot."""

DATABASE, REST = "database.sql.sealed", "tenant.json.sealed"
_COUNTS = {
    "views": "SELECT COUNT(*) FROM information_schema.VIEWS WHERE TABLE_SCHEMA = %s",
    "triggers": "SELECT COUNT(*) FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = %s",
    "routines": "SELECT COUNT(*) FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = %s",
    "events": "SELECT COUNT(*) FROM information_schema.EVENTS WHERE EVENT_SCHEMA = %s",
}
_TABLES = (
    "SELECT TABLE_NAME, TABLE_TYPE FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s AND TABLE_TYPE <> 'VIEW' "
    "ORDER BY TABLE_NAME"
)
_VERSIONED = "SYSTEM VERSIONED"
_BY_ADMINISTRATOR = "SELECT @@GLOBAL.log_bin AND NOT @@GLOBAL.log_bin_trust_function_creators"
_STAGED = "dump"


@dataclass(frozen=True, slots=True)
class FinalDump(resource.Resource):
    """The sealed files of ``tenant``: the ``database`` as SQL (empty: none), and as JSON its spec, its central rows and
    its delivery. ``spec`` is plain data.
    """

    kind: ClassVar[str] = "final-dump"

    tenant: str
    server: Server
    database: str
    spec: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The tenant."""
        return self.tenant

    def observe(self, sight: Sight) -> State:
        """Nothing: each purge takes its own. Errors: ``DeliveryUnusable`` where it can't appear in one step."""
        place = sight.place
        if place.deliveries.exists() and not sight.one_file_system:
            raise errors.DeliveryUnusable(
                f"{place.deliveries} and {place.trash} lie on two file systems, so that a final dump can't appear in "
                "one step",
                advice="Name folders on one file system under delivery.directory and trash.directory.",
            )
        return None

    def diff(self, seen: State) -> Iterator[Change]:
        """Always."""
        files = [DATABASE] * bool(self.database) + [REST]
        yield Change(
            step="",
            resource=self.kind,
            name=self.name,
            action="create",
            before=None,
            after={"files": files},
            summary=f"write the final dump of {self.tenant}, sealed: {', '.join(files)}",
            reason="nothing is destroyed that could not be read again",
            undo="remove the dump",
        )

    def do(self, change: Change, session: Session) -> resource.Facts:
        """Write both files under the transaction's name, and show them beside the trash with one rename."""
        files, shown = session.ports.files, dump_folder(session.place, self.tenant, session.transaction)
        for parent in (shown.parent, session.place.deliveries):
            visibility.make_room(files, parent)
        folder = visibility.entered(session) / _STAGED
        files.make_folder(folder)
        written = {}
        if self.database:
            for user in (names_of.owner(self.database), names_of.application(self.database)):
                account.end_sessions(session.admin(self.server.name), user)
            kinds = {str(kind) for _, kind in session.admin(self.server.name).rows(_TABLES, (self.database,))}
            sql = session.ports.dumper.dump(self.server, self.database, history=_VERSIONED in kinds)
            written[DATABASE] = _write(session, folder / DATABASE, sql)
        written[REST] = _write(session, folder / REST, [self._rest(session)])
        files.settle(folder)
        files.rename(folder, shown)
        files.settle(folder.parent)
        files.settle(shown.parent)
        return {"folder": str(shown), "files": written}

    @classmethod
    def undo(cls, change: Change, session: Session) -> None:
        """Remove the folders, all of which is this transaction's."""
        session.ports.files.remove_tree(session.workspace)
        session.ports.files.remove_tree(dump_folder(session.place, change.name, session.transaction))

    @classmethod
    def undone(cls, change: Change, session: Session) -> bool:
        """Whether the folders are gone."""
        folders = (session.workspace, dump_folder(session.place, change.name, session.transaction))
        return all(session.ports.files.listing(folder) is None for folder in folders)

    def _rest(self, session: Session) -> bytes:
        rows = view.look(session.central(), session.place.central_database, [self.tenant])
        shelf, files = session.place.trash / self.tenant, session.ports.files
        delivery = {
            name: base64.b64encode(files.read(shelf / name) or b"").decode()
            for name, entry in sorted((files.listing(shelf) or {}).items())
            if stat.S_ISREG(entry.st_mode)
        }
        said = {
            "formatVersion": 1,
            "tenant": self.tenant,
            "spec": self.spec,
            "central": {table: [plain(row) for row in rows.rows(table, self.tenant)] for table in view.COLUMNS},
            "delivery": delivery,
        }
        return (json.dumps(said, indent=1, ensure_ascii=False) + "\n").encode()


@dataclass(frozen=True, slots=True)
class Rehearsal(resource.Resource):
    """The final dump, loaded into ``scratch`` and compared with ``database`` table by table.

    What a tenant's application wrote is in the dump, so it is loaded as the account ``user``, which reaches nothing but
    the scratch database.
    """

    kind: ClassVar[str] = "rehearsal"

    tenant: str
    server: Server
    database: str
    scratch: str
    user: str
    host: str
    secret: Secret

    @property
    def name(self) -> str:
        """Server and scratch database."""
        return f"{self.server.name}/{self.scratch}"

    def observe(self, sight: Sight) -> State:
        """Nothing: each purge proves its own."""
        return None

    def diff(self, seen: State) -> Iterator[Change]:
        """Always."""
        yield Change(
            step="",
            resource=self.kind,
            name=self.name,
            action="verify",
            before=None,
            after=None,
            summary=f"load the final dump into {self.scratch} and compare every table's checksum",
            reason="a dump that was never loaded is a hope",
            undo="nothing: it goes with its database",
        )

    def do(self, change: Change, session: Session) -> resource.Facts:
        """Load and compare. Errors: ``DumpFailed`` with the first difference."""
        file = dump_folder(session.place, self.tenant, session.transaction) / DATABASE
        stream = io.BufferedReader(_Stream(session.unsealed(session.ports.files.chunks(file))))
        wall = firewall.Firewall(mapping=self.database)
        admin = session.admin(self.server.name)
        target = importing.Target(
            self.server.name, self.scratch, self.user, self.host, self.secret, bool(admin.value(_BY_ADMINISTRATOR))
        )
        sent = outgoing.outgoing(stream, file=file.name, wall=wall)
        try:
            with importing.Hands(target, session) as hands:
                for packet in outgoing.packets(sent, importing.PACKET_BYTES):
                    importing.deliver(packet, hands.own(), target, session)
        except (errors.StatementFailed, errors.ScriptRefused) as error:
            raise errors.DumpFailed(f"the final dump of {self.database} can't be loaded: {error}") from error
        there, again = (_contents(admin, name) for name in (self.database, self.scratch))
        differing = sorted(what for what in {*there, *again} if there.get(what) != again.get(what))
        if differing:
            raise errors.DumpFailed(
                f"the final dump of {self.database}, loaded again, differs in {', '.join(differing[:5])}"
            )
        return {"tables": len([what for what in there if what.startswith("table ")])}

    @classmethod
    def undo(cls, change: Change, session: Session) -> None:
        """It goes with its database."""

    @classmethod
    def undone(cls, change: Change, session: Session) -> bool:
        """As for its database."""
        return True


def dump_folder(place: Place, tenant: str, transaction: str) -> Path:
    """Where a purge puts its dump."""
    return place.trash / FOLDER / f"{tenant}-{transaction}"


def _contents(admin: Any, database: str) -> dict[str, Any]:
    """Every table's checksum, and how many of everything else there are."""
    found = {what: admin.value(statement, (database,)) for what, statement in _COUNTS.items()}
    for table, kind in admin.rows(_TABLES, (database,)):
        target = names.qualified(database, str(table))
        if str(kind) == "SEQUENCE":
            found[f"sequence {table}"] = admin.rows(f"SELECT minimum_value, maximum_value, increment FROM {target}")[0]
            continue
        _, checksum = admin.rows(f"CHECKSUM TABLE {target} EXTENDED")[0]
        history = admin.value(f"SELECT COUNT(*) FROM {target} FOR SYSTEM_TIME ALL") if kind == _VERSIONED else 0
        found[f"table {table}"] = (str(kind), checksum, history)
    return found


def _write(session: Session, path: Path, clear: Iterable[bytes]) -> dict[str, Any]:
    digest, size = hashlib.sha256(), 0

    def counted() -> Iterator[bytes]:
        nonlocal size
        for piece in session.sealed(clear):
            digest.update(piece)
            size += len(piece)
            yield piece

    session.ports.files.write_all(path, counted())
    return {"sha256": digest.hexdigest(), "size": size}


class _Stream(io.RawIOBase):
    """An iterator of bytes as a stream to read from."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._kept = b""

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill ``buffer`` as far as the next piece goes; 0 at the end."""
        while not self._kept:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._kept = piece
        given, self._kept = self._kept[: len(buffer)], self._kept[len(buffer) :]
        buffer[: len(given)] = given
        return len(given)
