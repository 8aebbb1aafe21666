"""The first user of a tenant's application: made once with a one-time password, followed by name and e-mail later.

The password is never set a second time: once the person has changed it, it is theirs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from reconciler import errors
from reconciler.model.change import Change, State
from reconciler.model.secret import Secret
from reconciler.model.server import Server
from reconciler.ports.mysql import names, rows
from reconciler.ports.session import Session
from reconciler.resources import resource, row_images
from reconciler.resources.sight import Sight


@dataclass(frozen=True, slots=True)
class AdminUser(resource.Resource):
    """The row of ``table`` with ``key``; ``follows`` are the columns that the spec keeps, ``once`` the others.

    ``key`` is a column of the reconciler's own, so that the row is found whatever the person makes of name and e-mail.
    ``hash_column`` gets the argon2id hash of ``secret``. ``fact`` is what was recorded; ``fresh`` says that the table
    is made in this very plan.
    """

    kind: ClassVar[str] = "admin-user"

    server: Server
    database: str
    table: str
    key: Mapping[str, Any]
    follows: Mapping[str, Any]
    once: Mapping[str, Any]
    hash_column: str
    secret: Secret
    fresh: bool
    fact: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Server, database and table."""
        return f"{self.server.name}/{self.database}/{self.table}"

    def observe(self, sight: Sight) -> State:
        """The followed columns, read or as recorded; None if the row is not there.

        What else it holds is the person's, and is only told by a digest.
        """
        if self.fresh:
            return None
        if not sight.inside and self.fact.get("follows") == dict(self.follows):
            return {"row": dict(self.follows)}
        found = sight.table(
            self.server,
            self.database,
            self.table,
            [*self.key, *self.follows],
            key=self.key,
            hidden=[self.hash_column],
        )
        if not found:
            return None
        turning = sight.turning(self.server, self.database, self.table)
        row, rest = row_images.split(found[0], {*self.follows, *turning} - {self.hash_column})
        return {"row": row, "rest": rest}

    def own(self, seen: State) -> State:
        """What follows the spec alone: the password, and whatever else the product keeps of a user, is not touched."""
        row = (seen or {}).get("row")
        return {"row": {column: row[column] for column in self.follows}} if row else None

    def diff(self, seen: State) -> Iterator[Change]:
        """Make the row, or let it follow the spec."""
        wanted = dict(self.follows)
        if seen is None:
            yield Change(
                step="",
                resource=self.kind,
                name=self.name,
                action="create" if self.fresh else "repair",
                before={"fresh": True} if self.fresh else {"row": None},
                after={
                    "row": {**self.key, **wanted, **self.once, self.hash_column: self.secret.mark},
                    "key": dict(self.key),
                    "marks": [self.hash_column],
                },
                summary=f"make the administrator {self._person()} with a one-time password",
                reason="the tenant is new" if self.fresh else "the administrator is gone from the tenant's users",
                undo="nothing: the user goes with the database" if self.fresh else "delete the user",
            )
            return
        row = seen["row"]
        differing = [column for column in wanted if not rows.same(row[column], wanted[column])]
        if differing:
            yield Change(
                step="",
                resource=self.kind,
                name=self.name,
                action="update",
                before={"row": dict(row), "rest": seen.get("rest", "")},
                after={"row": wanted, "key": dict(self.key)},
                summary=f"let the administrator {self._person()} follow the spec ({', '.join(differing)})",
                reason="the spec and the tenant's users differ",
                undo="put the former values back; the password is not touched either way",
                details=tuple((column, str(row[column]), str(wanted[column])) for column in differing),
            )

    def do(self, change: Change, session: Session) -> resource.Facts:
        """Insert or update the row."""
        admin, target = session.admin(self.server.name), names.qualified(self.database, self.table)
        image = _image(change)

        def moves() -> list[rows.Move]:
            now = rows.fetch(admin, target, [*self.key, *(image.before or ())], self.key)
            if not self.fresh and not row_images.unmoved(image, now):
                raise errors.MovedMeanwhile(
                    f"the administrator {self._person()} was changed by somebody else meanwhile"
                )
            return [rows.Move(self.key, now, image.after)]

        rows.bring(admin, target, moves, alone=self.fresh)
        return {"follows": dict(self.follows)}

    @classmethod
    def undo(cls, change: Change, session: Session) -> None:
        """Put the former values back, or delete what was made; a password that is not the first one is never lost."""
        if (change.before or {}).get("fresh"):
            return
        server, database, table = change.name.split("/", 2)
        admin, target = session.admin(server), names.qualified(database, table)

        def attempt() -> None:
            (way,) = row_images.ways_back(admin, database, table, [_image(change)])
            if way.mixed:
                said = "the administrator was made anew and changed by somebody else since"
                raise resource.Foreign(change, said, row_images.CLEAR)
            if way.move is not None:
                rows.put(admin, target, way.move.key, now=way.move.now, then=way.move.then)

        admin.atomically(attempt)

    @classmethod
    def undone(cls, change: Change, session: Session) -> bool:
        """Whether nothing of the change is in the row."""
        if (change.before or {}).get("fresh"):
            return True
        server, database, table = change.name.split("/", 2)
        admin = session.admin(server)
        return admin.atomically(lambda: row_images.ways_back(admin, database, table, [_image(change)])[0].nothing)

    def _person(self) -> str:
        return ", ".join(str(value) for value in self.follows.values())


def _image(change: Change) -> row_images.Image:
    before, after = change.before or {}, change.after or {}
    row = after["row"]
    # Older journals don't name the column of the hash, which is drawn and so is nobody else's.
    marks = after.get("marks", [column for column, value in row.items() if str(value).startswith("$argon2")])
    return row_images.Image(after["key"], before.get("row"), row, before.get("rest", ""), tuple(marks))
