"""What a purge destroys: looked at before the point of no return, and destroyed behind it, forward only.

The list stands in the journal's first record, so that a recovery can go on with it. It is checked thing by thing that
all of it is this tenant's; from the journal's `purging` on the names are ours without a mark, and whatever is gone
already is fine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from reconciler import errors
from reconciler.model.change import Change, State
from reconciler.model.server import Server
from reconciler.ports.central import view
from reconciler.ports.mysql import census, names
from reconciler.ports.session import Session
from reconciler.resources import account, database, resource, visibility
from reconciler.resources.sight import Sight

_PASSING = "condemned"


@dataclass(frozen=True, slots=True)
class Condemned(resource.Resource):
    """Everything of ``tenant``: its ``database`` (empty: none) with the ``scratch`` that its dump is loaded into by the
    account ``visitor``, its ``accounts`` as (user, host, mark), its central rows, its delivery in the trash. With
    ``lives`` the tenant keeps the last two, and only the database goes.
    """

    kind: ClassVar[str] = "condemned"

    tenant: str
    server: Server
    database: str
    scratch: str
    accounts: tuple[tuple[str, str, str], ...]
    visitor: tuple[str, str] | None = None
    lives: bool = False

    @property
    def name(self) -> str:
        """The tenant."""
        return self.tenant

    def observe(self, sight: Sight) -> State:
        """Whose the things are that bear its names, and how many central rows it has."""
        look = sight.census(self.server) if self.database else None
        schema = look.schemas.get(self.database) if look else None
        if look is not None and schema is None:
            raise errors.VanishedDatabase(
                f"the database {self.database} of tenant {self.tenant} is gone from {self.server.name}, so that there "
                "is nothing to take a final dump of",
                advice="Restore it from a backup under its name, then purge again. Nothing else of the tenant is "
                "destroyed without a dump.",
            )
        foreign = []
        if schema is not None and database.whose(schema.comment, sight.place, self.tenant) != "ours":
            foreign.append(f"the database {self.database} bears no mark of this tenant ({schema.comment})")
        for user, host, mark in self.accounts:
            found = look.accounts.get((user, host)) if look else None
            if found is not None and [[account.PLUGIN, mark]] != account.listed(found.auth):
                foreign.append(f"the account {user}@{host} has another password than was issued")
        rows = {table: sight.central.rows(table, self.tenant) for table in (() if self.lives else view.COLUMNS)}
        foreign += [
            f"the central table {table} has a row of another platform ({row['platform_id']})"
            for table, found_rows in rows.items()
            for row in found_rows
            if row["platform_id"] != sight.place.platform_id
        ]
        return {"foreign": foreign, "rows": {table: len(found_rows) for table, found_rows in rows.items()}}

    def diff(self, seen: State) -> Iterator[Change]:
        """Name it all; refused if some of it is not this tenant's."""
        seen = seen or {}
        if seen["foreign"]:
            raise errors.ForeignObject(
                f"tenant {self.tenant} is not purged: {'; '.join(seen['foreign'])}",
                advice="Look at what is named. An account that is the tenant's gets the issued password again if the "
                "tenant is restored and trashed once more; rename, or remove by hand, what is somebody else's.",
            )
        things = [f"database {self.database}"] if self.database else []
        things += [f"account {user}@{host}" for user, host, _ in self.accounts]
        things += [f"{count} row{'s' * (count != 1)} of {table}" for table, count in seen["rows"].items() if count]
        yield Change(
            step="",
            resource=self.kind,
            name=self.name,
            action="delete",
            before=None,
            after={
                "server": self.server.name,
                "databases": [name for name in (self.scratch, self.database) if name],
                "accounts": [
                    *([list(self.visitor)] if self.visitor else []),
                    *([user, host] for user, host, _ in self.accounts),
                ],
                "lives": self.lives,
            },
            summary=f"destroy {', '.join(things) or 'nothing on servers'}{'' if self.lives else ', and the delivery'}",
            reason="it was purged from the trash",
            undo="nothing before the point of no return, and nothing can behind it",
            takes_away=True,
        )

    def do(self, change: Change, session: Session) -> resource.Facts | None:
        """Nothing yet: it is destroyed behind the point of no return."""
        return None

    @classmethod
    def undo(cls, change: Change, session: Session) -> None:
        """Nothing was changed."""

    @classmethod
    def undone(cls, change: Change, session: Session) -> bool:
        """Nothing was changed."""
        return True


def destroy(change: Change, session: Session) -> None:
    """Destroy everything that ``change`` lists; what is gone already is fine, so it can be cut off and repeated."""
    listed: Mapping[str, Any] = change.after or {}
    if listed["databases"] or listed["accounts"]:
        admin = session.admin(listed["server"])
        for name in listed["databases"]:
            admin.run(f"DROP DATABASE IF EXISTS {names.identifier(name)}")
        for user, host in listed["accounts"]:
            admin.run(f"DROP USER IF EXISTS {names.account(user, host)}")
            account.end_sessions(admin, user)
    if lives(change):
        session.ports.files.remove_tree(session.workspace)
        return
    central, place = session.central(), session.place

    def attempt() -> None:
        for table in reversed(list(view.COLUMNS)):
            central.run(
                f"DELETE FROM {names.qualified(place.central_database, table)} "
                f"WHERE {names.identifier(view.tenant_column(table))} = %s AND platform_id = %s",
                (session.tenant, place.platform_id),
            )

    central.atomically(attempt)
    files, shelf = session.ports.files, place.trash / session.tenant
    if files.there(shelf):
        # A folder of that name may be another one by the time that a process wakes up which was taken over.
        files.rename(shelf, visibility.entered(session) / _PASSING)
        files.settle(shelf.parent)
    files.remove_tree(session.workspace)


def lives(change: Change) -> bool:
    """Whether the tenant lives on without what is destroyed."""
    return bool((change.after or {}).get("lives", False))


def left(change: Change, session: Session) -> list[str]:
    """What of it is still there, in words."""
    listed: Mapping[str, Any] = change.after or {}
    found = []
    if listed["databases"] or listed["accounts"]:
        users = [user for user, _ in listed["accounts"]]
        look = census.Census(session.admin(listed["server"]), listed["databases"], users)
        found += [f"the database {name}" for name in listed["databases"] if name in look.schemas]
        found += [f"the account {user}@{host}" for user, host in listed["accounts"] if (user, host) in look.accounts]
    if lives(change):
        return found
    rows = view.look(session.central(), session.place.central_database, [session.tenant])
    found += [f"rows of {table}" for table in view.COLUMNS if rows.rows(table, session.tenant)]
    if session.ports.files.there(session.place.trash / session.tenant):
        found.append("the delivery in the trash")
    return found
