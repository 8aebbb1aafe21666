"""A look that is written down, and a look at what was written: the two ends of a snapshot.

``Recording`` looks at the world as any other ``Sight`` does, and keeps what tenants' tables hold, of which no bulk look
tells. ``Recollection`` answers the same questions out of a snapshot. It has no connection: what the snapshot does not
have raises ``census.Unseen``, so that a plan says that it is unknown.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from reconciler import errors
from reconciler.model.server import Server
from reconciler.ports.central import view
from reconciler.ports.mysql import anatomy, census, remembered
from reconciler.ports.mysql.connection import Connection
from reconciler.resources import sight

Entry = Mapping[str, Any]


@dataclass
class Recording(sight.Sight):
    """A look at everything. ``tables`` are the rows that were seen inside tenants, by server and address."""

    tables: dict[str, dict[str, Entry]] = field(default_factory=dict)

    @property
    def inside(self) -> bool:
        """Yes: a spec that changes later is compared with these rows."""
        return True

    def table(
        self,
        server: Server,
        database: str,
        table: str,
        needed: Collection[str],
        *,
        key: Entry | None = None,
        hidden: Collection[str] = (),
        whole: bool = True,
    ) -> list[dict[str, Any]]:
        """Rows as they are. Only what is ``needed`` of them is written down, and of ``hidden`` columns that they are
        there.
        """
        entries, address = self.tables.setdefault(server.name, {}), _address(database, table, key, whole=whole)
        try:
            found = super().table(server, database, table, needed, key=key, hidden=hidden, whole=whole)
        except census.Unseen as unseen:
            entries[address] = {"unseen": [unseen.what, unseen.privilege]}
            raise
        except errors.StatementFailed as error:
            entries[address] = {"failed": [error.errno, error.message]}
            raise
        except errors.SchemaDrifted as error:
            entries[address] = {"drifted": error.message}
            raise
        shown = sorted(needed)
        entries[address] = {
            "columns": sorted({*needed, *hidden}),
            "shown": shown,
            "rows": [[row[column] for column in shown] for row in found],
        }
        return found


@dataclass(frozen=True, slots=True)
class Known:
    """What a snapshot has of one server; ``held`` are the privileges of the account that looked."""

    census: Mapping[str, Any]
    held: Entry
    settings: Entry
    tables: Mapping[str, Entry]


@dataclass
class Recollection(sight.Sight):
    """A look at a snapshot: ``known`` by server, the ``rows`` of the central system, and whether a rename would do.

    The files are those of ``ports.files``, which the maker of this look has exchanged for listed ones.
    """

    known: Mapping[str, Known] = field(default_factory=dict)
    rows_of_central: Entry = field(default_factory=dict)
    renames: bool = True

    def census(self, server: Server) -> census.Census:
        """What was on ``server``."""
        if server.name not in self._census:
            self._census[server.name] = remembered.Remembered(self._of(server).census)
        return self._census[server.name]

    def anatomy(self, server: Server, database: str) -> anatomy.Anatomy:
        """Never: it takes a deep look."""
        _untold(f"what the database {database} is made of")

    @property
    def central(self) -> view.CentralView:
        """The central rows as they were."""
        return view.CentralView(remembered.told(self.rows_of_central, "the central database"))

    @property
    def registered(self) -> Collection[str]:
        """Who was in the central database."""
        try:
            return self.central.tenants if self.everybody else set()
        except (census.Unseen, errors.CentralDamaged):
            return set()

    def central_of(self, tenants: Collection[str]) -> view.CentralView:
        """The central rows as they were."""
        return self.central

    @property
    def one_file_system(self) -> bool:
        """As it was."""
        return self.renames

    def settings(self, server: Server) -> tuple[int, bool, bool]:
        """As they were."""
        packet, log, trusting = remembered.told(self._of(server).settings, f"the settings of server {server.name}")
        return packet, log, trusting

    def held(self, server: Server) -> list[tuple[Any, ...]]:
        """The privileges of the account that took the snapshot."""
        found = remembered.told(self._of(server).held, f"the privileges on server {server.name}")
        return [(level, privilege) for level, privilege in found]

    def table(
        self,
        server: Server,
        database: str,
        table: str,
        needed: Collection[str],
        *,
        key: Entry | None = None,
        hidden: Collection[str] = (),
        whole: bool = True,
    ) -> list[dict[str, Any]]:
        """Rows as they were, in the columns that were needed then."""
        entry = self._of(server).tables.get(_address(database, table, key, whole=whole), {})
        if "failed" in entry:
            errno, message = entry["failed"]
            raise errors.StatementFailed(message, errno=errno)
        if "drifted" in entry:
            raise errors.SchemaDrifted(entry["drifted"])
        if "unseen" in entry:
            raise census.Unseen(*entry["unseen"])
        if not entry or not {*needed, *hidden} <= {*entry["columns"]} or not {*needed} <= {*entry["shown"]}:
            _untold(f"rows of the table {table} of database {database}")
        return [dict(zip(entry["shown"], row, strict=True)) for row in entry["rows"]]

    def rows(
        self, server: Server, statement: str, parameters: tuple[object, ...] = (), *, database: str = ""
    ) -> list[tuple[Any, ...]]:
        """Never: nobody asked for it then."""
        _untold(f"what server {server.name} would answer")

    def _of(self, server: Server) -> Known:
        if server.name not in self.known:
            _untold(f"what is on server {server.name} at {server.address}")
        return self.known[server.name]


def no_connection(server: Server) -> Connection:
    """What a look at a snapshot has for connections. Errors: ``census.Unseen``, always."""
    _untold(f"what server {server.name} would answer")


def _untold(what: str) -> NoReturn:
    raise census.Unseen(what, remembered.A_SNAPSHOT)


def _address(database: str, table: str, key: Entry | None, *, whole: bool) -> str:
    return json.dumps([database, table, dict(key or {}), whole], sort_keys=True, separators=(",", ":"))
