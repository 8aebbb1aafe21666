"""The tables and programs of a tenant's database, made by the product's scripts when the database is new.

The import runs as the tenant's own account, so that the server refuses what the firewall would miss, and that account
is the definer of everything. What was applied is on record by checksum; what it made is counted, for the proof.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from reconciler import errors
from reconciler.model import drift, plan
from reconciler.model.change import Change, State
from reconciler.model.secret import Secret
from reconciler.model.server import Server
from reconciler.ports.mysql import anatomy, privileges
from reconciler.ports.session import Session
from reconciler.resources import account, importing, ledger, proof, resource, scripts, shape
from reconciler.resources.sight import Sight

_MOST = 10
_OF_THE_SERVER = ("packet", "administrator", "super")
_SURELY_TAKEN = 1024 * 1024
"""Bytes; `engine.preflight` refuses servers that take less."""


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
        """In what the database differs from the shape that was recorded; before the import, what the server allows."""
        if not self.fact:
            return {"new": True, **self._allowed(sight)}
        owner, recorded = f"{self.owner}@{self.host}", self.fact.get("shape", {})
        found = shape.seen(sight, self.server, self.database, recorded, owner=owner)
        applied, now = dict(self.fact["scripts"]), self.source.sums
        return {
            **found,
            "new": False,
            "behind": [name for name in now if name not in applied],
            "changed": [[name, applied[name], now[name]] for name in now if applied.get(name, now[name]) != now[name]],
        }

    def bound(self) -> object:
        """Every file, those among them that others follow."""
        return self.source.sums

    def own(self, seen: State) -> State:
        """Without what depends on the server and on who looks."""
        return {key: value for key, value in (seen or {}).items() if key not in (*_OF_THE_SERVER, "unknown")}

    def _allowed(self, sight: Sight) -> dict[str, Any]:
        """What of the server's settings matters to these scripts, asked for only where something does."""
        programs = bool(self.source.triggers or self.source.routines)
        if not programs and self.source.longest < _SURELY_TAKEN:
            return dict(zip(_OF_THE_SERVER, (None, False, True), strict=True))
        packet, log, trusting = sight.settings(self.server)
        administrator = programs and log and not trusting
        # An account that can make no tenant is told nothing about what it could not do.
        needed = administrator and sight.may(self.server, "%", "CREATE USER")
        may = not needed or self._may_as_administrator(sight)
        return dict(zip(_OF_THE_SERVER, (packet, administrator, may), strict=True))

    def _may_as_administrator(self, sight: Sight) -> bool:
        """Whether the account may make functions and triggers in spite of the log, in the own account's name."""
        if not sight.may(self.server, "%", "SUPER"):
            return False
        holds_it = privileges.super_holds_the_rest(sight.census(self.server).version)
        return holds_it or sight.may(self.server, "%", "SET USER")

    def remarks(self, seen: State) -> Iterator[plan.Report | plan.Unknown]:
        """What differs and stays, what could not be seen, and the files that came after the import."""
        if seen is None or seen["new"]:
            return
        yield from shape.remarks(seen)
        if seen["behind"]:
            count = len(seen["behind"])
            yield plan.Report(
                drift.SCHEMA_BEHIND.code,
                f"the database {self.database} was made without {count} file{'s' * (count > 1)} of the product as "
                f"{'they are' if count > 1 else 'it is'} now: {_some(seen['behind'])}",
            )

    def diff(self, seen: State) -> Iterator[Change]:
        """Import into a new database; what an existing one has lost blocks, and so does a file that was changed."""
        seen = seen or {}
        if not seen["new"]:
            self._unchanged(seen)
            return
        self._possible(seen)
        counts = ", ".join(f"{count} {what}" for what, count in self.source.counts.items() if count)
        yield Change(
            step="",
            resource=self.kind,
            name=self.name,
            action="create",
            before=None,
            after={"owner": self.owner, "host": self.host, "administrator": seen["administrator"]},
            summary=f"import {len(self.source.files)} SQL file{'s' * (len(self.source.files) > 1)} ({counts})",
            reason="the database is new",
            undo="nothing: it goes with its database",
            details=tuple((file.label, "", dict(file.sums)[file.path.name][:12]) for file in self.source.files),
        )

    def follow(self, seen: State) -> Iterator[Change]:
        """Take the shape again where another version, of ours or of the server, told what is on record."""
        if seen and not seen["new"] and seen["stale"]:
            yield Change(
                step="",
                resource=self.kind,
                name=self.name,
                action="record",
                before=None,
                after={"owner": self.owner, "host": self.host},
                summary=f"record what the tables and programs of {self.database} are made of",
                reason="what is on record was told by another version, or by one that could not see all of it",
                undo="nothing: it is recorded with the commit",
            )

    def _unchanged(self, seen: Mapping[str, Any]) -> None:
        if seen["changed"]:
            files = [f"{name} (applied {was}, now {now})" for name, was, now in seen["changed"]]
            raise errors.ScriptChanged(
                f"the database {self.database} on {self.server.name} has got the schema's {_some(files)}: files that "
                "were applied can't change any more",
                where=errors.Where(self._label(seen["changed"][0][0])),
            )
        if lost := shape.blocking(seen):
            raise errors.SchemaDrifted(
                f"the database {self.database} on {self.server.name} is not as it was made: {_some(lost)}"
            )

    def _possible(self, seen: Mapping[str, Any]) -> None:
        if seen["packet"] is not None and self.source.longest >= seen["packet"]:
            raise errors.ScriptRefused(
                f"the statement has {self.source.longest} bytes, and server {self.server.name} takes at most "
                f"{seen['packet']} in a packet",
                where=self.source.longest_at,
                advice="Split the statement, or as an administrator raise max_allowed_packet.",
            )
        if not seen["super"]:
            raise errors.MissingPrivilege(
                f"server {self.server.name} has a binary log, and lets only accounts with SUPER (from MariaDB 11.0 "
                f"on with SET USER too) make functions and triggers, of which the schema has some; {self.server.user} "
                "is none, and should not be",
                advice="As an administrator run: SET GLOBAL log_bin_trust_function_creators = 1; and write it into the "
                "server's configuration.",
            )

    def _label(self, name: str) -> str:
        return next((file.label for file in self.source.files if file.path.name == name), name)

    def do(self, change: Change, session: Session) -> resource.Facts:
        """Send every statement as the tenant's own account, and prove what came of it.

        Errors: ``ScriptFailed`` with file, line and statement; ``VerificationFailed`` with what can't be used.
        """
        if change.action == "record":
            return {**self.fact, "shape": shape.taken(session.admin(self.server.name), self.database)}
        target = importing.Target(
            self.server.name,
            self.database,
            self.owner,
            self.host,
            self.secret,
            by_administrator=bool((change.after or {})["administrator"]),
        )
        with importing.Hands(target, session) as hands:
            proof.reach(hands.own(), self.database)
            importing.send(self.source, hands)
            own = hands.own()
            admin = session.admin(self.server.name)
            found = anatomy.read(admin, [self.database])[self.database]
            if not all(found.views.values()):
                found.views |= anatomy.views(own, self.database)  # it is their definer, who always sees them
            counts = proof.usable(own, found)
            ledger.write(own, self.source.sums, session.ports.clock.stamp())
            session.keep(own)
        return {
            "shape": shape.kept(found),
            "scripts": dict(self.source.sums),
            "counts": counts,
            "awake": [name for name in self.source.awake if name in found.events],
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


def _some(entries: list[str]) -> str:
    return "; ".join(entries[:_MOST]) + (f"; and {len(entries) - _MOST} more" if len(entries) > _MOST else "")
