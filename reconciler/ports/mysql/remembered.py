"""A census as data, and a census out of such data: what a server held at the time of a snapshot.

What could not be seen then is kept with its reason, and what nobody asked for can't be known later: both raise
``Unseen`` when it is looked at. Hashes of passwords go through a mask on their way.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict
from typing import Any, Final

from reconciler import errors
from reconciler.ports.mysql import census
from reconciler.ports.mysql.accounts import Account
from reconciler.ports.mysql.once import once

A_SNAPSHOT: Final = "a newer snapshot"
"""What it takes to see what a snapshot does not have."""

Entry = Mapping[str, Any]


def kept(look: Callable[[], Any]) -> dict[str, Any]:
    """What a look found, or why it could not be seen."""
    try:
        return {"seen": look()}
    except census.Unseen as unseen:
        return {"unseen": [unseen.what, unseen.privilege]}
    except errors.CentralDamaged as error:
        return {"damaged": [error.message, error.next]}


def told(entry: Entry | None, what: str) -> Any:
    """What was ``kept``. Errors: ``census.Unseen`` and ``CentralDamaged`` as it was then, the former too where ``what``
    was not looked at.
    """
    if entry is None:
        raise census.Unseen(what, A_SNAPSHOT)
    if "unseen" in entry:
        raise census.Unseen(*entry["unseen"])
    if "damaged" in entry:
        message, advice = entry["damaged"]
        raise errors.CentralDamaged(message, advice=advice)
    return entry["seen"]


def taken(look: census.Census, mask: Callable[[str], str]) -> dict[str, Any]:
    """All that ``look`` finds in bulk, and the tables that it was asked for; ``mask`` replaces hashes of passwords."""

    def accounts() -> list[dict[str, Any]]:
        return [
            {**asdict(entry), "auth": sorted([plugin, mask(said)] for plugin, said in entry.auth)}
            for _, entry in sorted(look.accounts.items())
        ]

    def grants() -> list[dict[str, Any]]:
        listed = ({**asdict(entry), "privileges": sorted(entry.privileges)} for entry in look.grants)
        return sorted(listed, key=lambda entry: [str(value) for value in entry.values()])

    def global_privileges() -> list[list[Any]]:
        return [
            [user, host, sorted(look.global_privileges(user, host))]
            for (user, host), entry in sorted(look.accounts.items())
            if entry.access
        ]

    return {
        "databases": kept(lambda: [asdict(entry) for _, entry in sorted(look.schemas.items())]),
        "accounts": kept(accounts),
        "grants": kept(grants),
        "links": kept(lambda: sorted([link.kind, list(link.holder), list(link.other)] for link in look.links)),
        "globalPrivileges": kept(global_privileges),
        "allPrivileges": kept(lambda: sorted(look.privileges_of_all)),
        "events": kept(lambda: {database: dict(found) for database, found in look.events.items()}),
        "routines": kept(lambda: {database: sorted(found) for database, found in look.routines.items()}),
        "version": kept(lambda: look.version),
        "folds": kept(lambda: {database: [fold.count, fold.checksum] for database, fold in look.folds.items()}),
        "tables": {database: sorted(found) for database, found in look.listed.items()},
    }


class Remembered(census.Census):
    """The census that ``taken`` wrote down; it never asks a server."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._data = data

    @once
    def schemas(self) -> dict[str, census.Schema]:
        """Every database by its name."""
        return {entry["name"]: census.Schema(**entry) for entry in self._told("databases", "databases")}

    @once
    def accounts(self) -> dict[tuple[str, str], Account]:
        """Every account and role by user and host, with masked hashes."""
        return {
            (entry["user"], entry["host"]): Account(
                **{**entry, "auth": frozenset((plugin, said) for plugin, said in entry["auth"])}
            )
            for entry in self._told("accounts", "accounts")
        }

    @once
    def links(self) -> list[census.Link]:
        """Roles that were granted, and accounts that may act as another."""
        found = self._told("links", "roles and proxies")
        return [census.Link(kind, (user, host), (other, name)) for kind, (user, host), (other, name) in found]

    @once
    def grants(self) -> tuple[census.Grant, ...]:
        """Every grant on a database, table, column or routine."""
        found = self._told("grants", "grants")
        return tuple(census.Grant(**{**entry, "privileges": frozenset(entry["privileges"])}) for entry in found)

    @once
    def events(self) -> dict[str, dict[str, bool]]:
        """By database, every event's name and whether it was enabled."""
        found: dict[str, dict[str, bool]] = self._told("events", "events")
        return found

    @once
    def routines(self) -> dict[str, frozenset[str]]:
        """By database, its functions and procedures."""
        return {database: frozenset(held) for database, held in self._told("routines", "routines").items()}

    @once
    def version(self) -> str:
        """The server's version as far as it tells how things are shown."""
        return str(self._told("version", "the server's version"))

    @once
    def folds(self) -> dict[str, census.Fold]:
        """By database, the names of its tables and views."""
        return {database: census.Fold(*fold) for database, fold in self._told("folds", "names of tables").items()}

    def tables(self, database: str) -> frozenset[str]:
        """The names of its tables and views, if they were asked for then."""
        if database not in self._data["tables"]:
            raise census.Unseen(f"the names of the tables of {database}", A_SNAPSHOT)
        return frozenset(self._data["tables"][database])

    @once
    def privileges_of_all(self) -> frozenset[str]:
        """What ALL PRIVILEGES means on a database of this server."""
        return frozenset(self._told("allPrivileges", "what ALL PRIVILEGES means"))

    def global_privileges(self, user: str, host: str) -> frozenset[str]:
        """The privileges that an account had on everything."""
        found = self._told("globalPrivileges", "global privileges")
        return frozenset(next((held for *who, held in found if who == [user, host]), ()))

    def _told(self, name: str, what: str) -> Any:
        return told(self._data.get(name), what)

    def _rows(self, statement: str, parameters: Collection[object], what: str, privilege: str) -> list[tuple[Any, ...]]:
        raise census.Unseen(what, A_SNAPSHOT)
