"""A tenant's database.

Ours by its comment, which CREATE DATABASE sets in the same statement (MariaDB ≥ 10.5): platform, tenant and the
transaction that made it. A database that is on record and gone is a blocker: it is never made again empty. Undoing a
creation drops it, after its mark was checked and the drop was journaled; while a server is killed inside DROP
DATABASE the comment goes first, and from then on the journal is the mark.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from reconciler import errors
from reconciler.model.change import Change, State
from reconciler.model.server import Server
from reconciler.ports.mysql import census, names
from reconciler.ports.session import Place, Session
from reconciler.resources import resource
from reconciler.resources.sight import Sight

CHARSET = "utf8mb4"
COLLATION = "utf8mb4_unicode_ci"
_MARK = "reconciler/v1"


@dataclass(frozen=True, slots=True)
class Database(resource.Resource):
    """The database ``database`` on ``server``. ``accounts`` are the tenant's own (user, host) pairs.

    ``recorded`` says that a committed transaction made it.
    """

    kind: ClassVar[str] = "database"

    tenant: str
    server: Server
    database: str
    accounts: tuple[tuple[str, str], ...]
    recorded: bool
    charset: str = CHARSET
    collation: str = COLLATION

    @property
    def name(self) -> str:
        """Server and database."""
        return f"{self.server.name}/{self.database}"

    def observe(self, sight: Sight) -> State:
        """Charset, collation, whose mark it bears, and who else could reach it."""
        look = sight.census(self.server)
        schema = look.schemas.get(self.database)
        reached = [
            f"{grant.user}@{grant.host} by {_level(grant)}"
            for grant in look.reaching(self.database)
            if not _trusted(grant, self.server)
            and not ((schema or self.recorded) and (grant.user, grant.host) in self.accounts)
        ]
        if schema is None:
            return {"there": False, "reached": reached}
        return {
            "there": True,
            "charset": schema.charset,
            "collation": schema.collation,
            "mark": whose(schema.comment, sight.place, self.tenant),
            "fresh": schema.comment == mark(sight.place, self.tenant, sight.transaction),
            "comment": schema.comment,
            "reached": reached,
        }

    def diff(self, seen: State) -> Iterator[Change]:
        """Create, mark again, or give back its character set; everything else blocks."""
        seen = seen or {}
        if seen["reached"]:
            raise errors.IsolationFault(
                f"the database {self.database} on {self.server.name} would be within reach of "
                f"{'; '.join(seen['reached'])}",
            )
        if not seen["there"]:
            if self.recorded:
                raise errors.VanishedDatabase(
                    f"the database {self.database} of tenant {self.tenant} is gone from {self.server.name}"
                )
            yield self._creation()
            return
        if seen["mark"] == "other" or (seen["mark"] == "none" and not self.recorded):
            owner = seen["comment"] or "it bears no mark of a platform"
            raise errors.ForeignObject(
                f"the database {self.database} exists on {self.server.name}, and this platform did not make it for "
                f"tenant {self.tenant} ({owner})"
            )
        if seen["mark"] == "ours" and not self.recorded and not seen["fresh"]:
            raise errors.ForeignObject(
                f"the database {self.database} on {self.server.name} bears this platform's mark ({seen['comment']}), "
                f"but the store knows nothing of it",
                advice="Use the store that belongs to it, or drop the database by hand if it is a leftover.",
            )
        yield from self._repairs(dict(seen))

    def do(self, change: Change, session: Session) -> resource.Facts:
        """Create or alter the database."""
        admin, quoted = session.admin(self.server.name), names.identifier(self.database)
        if change.action == "create":
            comment = names.text(mark(session.place, self.tenant, session.transaction))
            admin.run(f"CREATE DATABASE {quoted} {_options(self.charset, self.collation)} COMMENT {comment}")
        elif "comment" in (change.after or {}):
            comment = names.text(mark(session.place, self.tenant, session.transaction))
            admin.run(f"ALTER DATABASE {quoted} COMMENT {comment}")
        else:
            admin.run(f"ALTER DATABASE {quoted} {_options(self.charset, self.collation)}")
        return {"database": self.database, "charset": self.charset, "collation": self.collation}

    @classmethod
    def held(cls, change: Change, session: Session) -> bool:
        """Whether the database is there and bears this transaction's mark."""
        server, database = change.name.split("/", 1)
        admin = session.admin(server)
        schema = census.Census(admin, [database], []).schemas.get(database)
        if schema is None:
            return False
        if schema.comment == mark(session.place, session.tenant, session.transaction):
            return True
        if (cls.kind, change.name) in session.dropping:
            return True
        empty = not admin.rows("SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s LIMIT 1", (database,))
        raise resource.Foreign(
            change,
            f"a database of that name is there without this transaction's mark{' and without tables' * empty}",
            f"DROP DATABASE {names.identifier(database)};  -- on {server}, if it is not needed",
        )

    @classmethod
    def undo(cls, change: Change, session: Session) -> None:
        """Drop what was created, or alter it back."""
        server, database = change.name.split("/", 1)
        admin, quoted = session.admin(server), names.identifier(database)
        before = change.before
        if before is None:
            if cls.held(change, session):
                admin.run(f"DROP DATABASE IF EXISTS {quoted}")
        elif "comment" in before:
            admin.run(f"ALTER DATABASE {quoted} COMMENT {names.text(before['comment'])}")
        else:
            admin.run(f"ALTER DATABASE {quoted} {_options(before['charset'], before['collation'])}")

    @classmethod
    def undone(cls, change: Change, session: Session) -> bool:
        """Whether the database is gone, or as it was."""
        server, database = change.name.split("/", 1)
        schema = census.Census(session.admin(server), [database], []).schemas.get(database)
        if change.before is None or schema is None:
            return change.before is None and schema is None
        now = {"comment": schema.comment, "charset": schema.charset, "collation": schema.collation}
        return all(now[key] == value for key, value in change.before.items())

    def _creation(self) -> Change:
        return Change(
            step="",
            resource=self.kind,
            name=self.name,
            action="create",
            before=None,
            after={"charset": self.charset, "collation": self.collation},
            summary=f"create database {self.database} on {self.server.name} ({self.charset}, {self.collation})",
            reason="there is no such database yet",
            undo="drop the database, if it still bears this transaction's mark",
            destroys=True,
        )

    def _repairs(self, seen: dict[str, object]) -> Iterator[Change]:
        if seen["mark"] == "none":
            yield Change(
                step="",
                resource=self.kind,
                name=self.name,
                action="repair",
                before={"comment": seen["comment"]},
                after={"comment": "mark of this platform"},
                summary=f"mark database {self.database} again as this platform's",
                reason="its mark of ownership is gone",
                undo="put the former comment back",
                details=(("comment", str(seen["comment"]), "mark of this platform"),),
            )
        was, wanted = (seen["charset"], seen["collation"]), (self.charset, self.collation)
        if was != wanted:
            yield Change(
                step="",
                resource=self.kind,
                name=self.name,
                action="repair",
                before={"charset": was[0], "collation": was[1]},
                after={"charset": wanted[0], "collation": wanted[1]},
                summary=f"give database {self.database} back its character set (for tables to come)",
                reason="the database's default character set was changed on the server",
                undo="set the former character set again",
                details=(("charset", " ".join(map(str, was)), " ".join(wanted)),),
            )


def mark(place: Place, tenant: str, transaction: str) -> str:
    """The comment of a database that ``transaction`` made for ``tenant``."""
    return f"{_MARK} {place.platform} {place.platform_id} {tenant} {transaction}"


def whose(comment: str, place: Place, tenant: str) -> str:
    """Whose mark a comment is: ours, another's, or none."""
    parts = comment.split(" ")
    if len(parts) != 5 or parts[0] != _MARK:
        return "none"
    return "ours" if (parts[2], parts[3]) == (place.platform_id, tenant) else "other"


def _options(charset: str, collation: str) -> str:
    return f"CHARACTER SET {charset} COLLATE {collation}"


def _level(grant: census.Grant) -> str:
    level = f"{grant.kind} {grant.database}.{grant.object}" if grant.object else f"a grant on `{grant.database}`.*"
    return f"{level} ({', '.join(sorted(grant.privileges)) or 'USAGE'})"


def _trusted(grant: census.Grant, server: Server) -> bool:
    return grant.user == server.user or grant.user in server.trusted or f"{grant.user}@{grant.host}" in server.trusted
