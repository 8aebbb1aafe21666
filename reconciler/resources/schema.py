"""The tables and programs of a tenant's database, made by the product's scripts when the database is new.

The import runs as the tenant's own account, so that the server refuses what the firewall would miss, and that account
is the definer of everything. What was applied is on record by checksum; what it made is counted, for the proof.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from reconciler import errors
from reconciler.model.change import Change, State
from reconciler.model.secret import Secret
from reconciler.model.server import Server
from reconciler.ports.mysql import census
from reconciler.ports.session import Session
from reconciler.resources import account, resource, scripts
from reconciler.resources.sight import Sight

_LISTS = {
    "tables": "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s AND TABLE_TYPE = 'BASE TABLE'",
    "views": "SELECT TABLE_NAME FROM information_schema.VIEWS WHERE TABLE_SCHEMA = %s",
    "triggers": "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = %s",
    "routines": "SELECT ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = %s",
    "events": "SELECT EVENT_NAME FROM information_schema.EVENTS WHERE EVENT_SCHEMA = %s",
}
_SHOWN_BY = {"tables": "SELECT", "views": "SELECT", "triggers": "TRIGGER", "routines": "EXECUTE", "events": "EVENT"}
"""The privilege without which information_schema leaves them out."""


@dataclass(frozen=True, slots=True)
class Schema(resource.Resource):
    """The schema of ``database`` as ``source`` makes it, by its own account ``owner``; ``fact`` was recorded."""

    kind: ClassVar[str] = "schema"

    server: Server
    database: str
    owner: str
    host: str
    secret: Secret
    source: scripts.Scripts
    fact: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Server and database."""
        return f"{self.server.name}/{self.database}"

    def observe(self, sight: Sight) -> State:
        """The recorded objects; a deep look finds which of them are gone. None if nothing was imported yet."""
        if not self.fact:
            return None
        missing, unseen = list[str](), list[census.Unseen]()
        if sight.deep:
            for what, statement in _LISTS.items():
                recorded = [str(name) for name in self.fact.get(what, ())]
                there = (
                    {str(row[0]).casefold() for row in sight.rows(self.server, statement, (self.database,))}
                    if recorded
                    else set()
                )
                lost = [f"{what.removesuffix('s')} {name}" for name in recorded if name.casefold() not in there]
                if lost and not sight.may(self.server, self.database, _SHOWN_BY[what]):
                    unseen.append(census.Unseen(f"{what} of tenants", f"{_SHOWN_BY[what]} ON the tenants' databases"))
                else:
                    missing += lost
        if unseen and not missing:
            raise unseen[0]
        return {"missing": missing}

    def diff(self, seen: State) -> Iterator[Change]:
        """Import into a new database; what an existing one has lost blocks."""
        if seen is not None:
            if seen["missing"]:
                raise errors.SchemaDrifted(
                    f"the database {self.database} on {self.server.name} lost {', '.join(seen['missing'][:5])}"
                    f"{' and more' * (len(seen['missing']) > 5)}"
                )
            return
        counts = ", ".join(f"{count} {what}" for what, count in self.source.counts.items() if count)
        yield Change(
            step="",
            resource=self.kind,
            name=self.name,
            action="create",
            before=None,
            after={"owner": self.owner, "host": self.host},
            summary=f"import {len(self.source.files)} SQL file{'s' * (len(self.source.files) > 1)} ({counts})",
            reason="the database is new",
            undo="nothing: it goes with its database",
            details=tuple((file.label, "", file.sha256[:12]) for file in self.source.files),
        )

    def do(self, change: Change, session: Session) -> resource.Facts:
        """Send every statement as the tenant's own account. Errors: ``ScriptFailed`` with file, line and statement."""
        with session.owner(self.server.name, self.owner, self.host, self.secret, self.database) as own:
            for source in self.source.files:
                for sent in scripts.statements(source):
                    try:
                        own.send(sent.text)
                    except errors.StatementFailed as error:
                        where = sent.statement.where
                        raise errors.ScriptFailed(error.message, errno=error.errno, where=where) from error
            own.run("COMMIT")  # a script may have switched autocommit off
        return {
            "scripts": {source.label: source.sha256 for source in self.source.files},
            "tables": list(self.source.tables),
            "views": list(self.source.views),
            "triggers": list(self.source.triggers),
            "routines": list(self.source.routines),
            "events": list(self.source.events),
            "awake": list(self.source.awake),
        }

    @classmethod
    def undo(cls, change: Change, session: Session) -> None:
        """What was made goes with its database; the own account may have been left open."""
        after = change.after or {}
        account.shut(session, change.name.split("/", 1)[0], after["owner"], after["host"])

    @classmethod
    def undone(cls, change: Change, session: Session) -> bool:
        """As for its database."""
        return True
