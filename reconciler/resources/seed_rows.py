"""Rows inside a tenant's database that the product brings along.

``enforce``: a catalogue; its rows are kept as the product has them, by code, and what the product no longer has is
retired, never deleted. ``if-absent``: a starting point; inserted where the key is missing, then the tenant's own.
What was applied is on record by digest, so a look need not go into every tenant; a deep one does.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from reconciler import errors
from reconciler.model import plan
from reconciler.model.change import Change, State
from reconciler.model.server import Server
from reconciler.ports.mysql import names, rows
from reconciler.ports.mysql.connection import Connection
from reconciler.ports.session import Session
from reconciler.resources import resource
from reconciler.resources.sight import Sight

_FRESH: dict[str, Any] = {"fresh": True}


@dataclass(frozen=True)
class SeedRows(resource.Resource):
    """The rows ``rows`` of ``table``, told apart by the columns ``key``.

    ``retired`` are the column values of an enforced row that the product no longer has. ``fact`` is what was recorded;
    ``fresh`` says that the table is made in this very plan.
    """

    kind: ClassVar[str] = "seed-rows"

    server: Server
    database: str
    table: str
    key: tuple[str, ...]
    rows: tuple[Mapping[str, Any], ...]
    policy: Literal["enforce", "if-absent"]
    fresh: bool
    fact: Mapping[str, Any]
    retired: Mapping[str, Any] | None = None

    @property
    def name(self) -> str:
        """Server, database and table."""
        return f"{self.server.name}/{self.database}/{self.table}"

    @functools.cached_property
    def digest(self) -> str:
        """A digest over the wanted rows and the policy."""
        return plan.digest([self.policy, list(self.key), [dict(row) for row in self._wanted.values()]])

    def bound(self) -> object:
        """The rows."""
        return self.digest

    def observe(self, sight: Sight) -> State:
        """The table's rows by key, whole if they may be changed; nothing is read where nothing can have changed."""
        if self.fresh:
            return _FRESH
        if not sight.inside and self.fact.get("digest") == self.digest:
            return {"recorded": True}
        enforced = self.policy == "enforce"
        needed = {*self.key, *(self.retired or {}), *(column for row in self.rows for column in row)}
        columns = needed if enforced else self.key
        found = sight.table(self.server, self.database, self.table, columns, whole=enforced)
        return {"rows": {self._key(row): row for row in found}}

    def diff(self, seen: State) -> Iterator[Change]:
        """One change a table: rows to add, to correct, to retire."""
        seen = seen or {}
        if seen.get("recorded"):
            return
        wanted = self._wanted
        have: Mapping[str, Mapping[str, Any]] = seen.get("rows", {})
        before: dict[str, Any] = {}
        after: dict[str, Any] = {}
        details = []
        for key, row in wanted.items():
            now = have.get(key)
            if now is None:
                before[key], after[key] = None, row
            elif self.policy == "enforce" and not rows.alike(now, row):
                before[key], after[key] = dict(now), row
                details += [
                    (f"{key}.{column}", str(now[column]), str(value))
                    for column, value in row.items()
                    if not rows.same(now[column], value)
                ]
        if self.policy == "enforce" and self.retired:
            for key, now in have.items():
                if key not in wanted and not rows.alike(now, self.retired):
                    before[key], after[key] = (
                        dict(now),
                        {**{column: now[column] for column in self.key}, **self.retired},
                    )
                    details.append((key, "offered", "retired"))
        if not before:
            return
        added = sum(row is None for row in before.values())
        counts = [f"{added} to add"] * bool(added) + [f"{len(before) - added} to correct"] * (len(before) > added)
        yield Change(
            step="",
            resource=self.kind,
            name=self.name,
            action="create" if added == len(before) else "update",
            before=_FRESH if self.fresh else {"rows": before},
            after={"rows": after, "key": list(self.key)},
            summary=f"seed {self.table}: {', '.join(counts)} ({_some(list(before))})",
            reason="the table is new" if self.fresh else "the product's rows differ from the tenant's",
            undo="nothing: the table goes with its database" if self.fresh else "put the former rows back",
            details=tuple(details),
        )

    def do(self, change: Change, session: Session) -> resource.Facts:
        """Write the rows in one transaction, if those that are corrected still stand as they were seen."""
        admin, target = session.admin(self.server.name), names.qualified(self.database, self.table)
        before, after = _images(change)

        def moves() -> Iterator[rows.Move]:
            for key, at, now in _found(admin, target, change, before.values()):
                if not self.fresh and not _same_row(now, before.get(key)):
                    raise errors.StepFailed(f"row {key} of {target} was changed by somebody else meanwhile")
                yield rows.Move(at, now, after[key])

        rows.bring(admin, target, lambda: list(moves()), alone=self.fresh)
        return {"digest": self.digest}

    @classmethod
    def undo(cls, change: Change, session: Session) -> None:
        """Put the former rows back; those of a new table go with their database."""
        former, after = _images(change)
        server, database, table = change.name.split("/", 2)
        admin, target = session.admin(server), names.qualified(database, table)

        def moves() -> Iterator[rows.Move]:
            for key, at, now in _found(admin, target, change, [*former.values(), *after.values()]):
                if _same_row(now, former[key]):
                    continue
                if not rows.alike(now, after[key]):
                    raise resource.Foreign(change, f"row {key} of {target} was changed by somebody else meanwhile")
                yield rows.Move(at, now, former[key])

        if former:
            rows.bring(admin, target, lambda: list(moves()), alone=False)

    @classmethod
    def undone(cls, change: Change, session: Session) -> bool:
        """Whether the rows are as they were."""
        former, after = _images(change)
        server, database, table = change.name.split("/", 2)
        admin, target = session.admin(server), names.qualified(database, table)

        def attempt() -> bool:
            found = _found(admin, target, change, [*former.values(), *after.values()])
            return all(_same_row(now, former[key]) for key, _, now in found)

        return not former or admin.atomically(attempt)

    @functools.cached_property
    def _wanted(self) -> dict[str, dict[str, Any]]:
        wanted = {}
        for row in self.rows:
            stored = {column: _stored(value) for column, value in row.items()}
            wanted[self._key(stored)] = stored
        return wanted

    def _key(self, row: Mapping[str, Any]) -> str:
        return " ".join(str(row[column]) for column in self.key)


def _images(change: Change) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The former rows by key (none where the table goes with its database), and those that were put in their place."""
    return (change.before or {}).get("rows", {}), (change.after or {})["rows"]


def _found(
    admin: Connection, target: str, change: Change, like: Iterable[Mapping[str, Any] | None]
) -> Iterator[tuple[str, rows.Row, rows.Row | None]]:
    """The changed rows as they stand: name, key and the columns that those in ``like`` have; None for no row."""
    images, key = _images(change)[1], (change.after or {})["key"]
    keys = [{column: image[column] for column in key} for image in images.values()]
    columns = dict.fromkeys([*key, *(column for row in like for column in row or ())])
    return zip(images, keys, rows.fetch_all(admin, target, list(columns), keys), strict=True)


def _same_row(now: Mapping[str, Any] | None, then: Mapping[str, Any] | None) -> bool:
    return rows.alike(now, then) if now is not None and then is not None else now is then


def _stored(value: Any) -> Any:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, dict | list | tuple):
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return value


def _some(keys: list[str]) -> str:
    return ", ".join(keys[:4]) + (f" and {len(keys) - 4} more" if len(keys) > 4 else "")
