"""Rows inside a tenant's database that the product brings along.

``enforce``: a catalogue; its rows are kept as the product has them, by code, and what the product no longer has is
retired, never deleted. ``if-absent``: a starting point; inserted where the key is missing, then the tenant's own.
Which row has a key is for the server to say, and how that row spells it is left to the tenant.
What was applied is on record by digest, so a look need not go into every tenant; a deep one does.
"""

from __future__ import annotations

import collections
import functools
import json
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from reconciler import errors
from reconciler.model import plan
from reconciler.model.change import Change, State
from reconciler.model.server import Server
from reconciler.ports.mysql import census, names, remembered, rows
from reconciler.ports.session import Session
from reconciler.resources import resource, row_images
from reconciler.resources.sight import Sight

_FRESH: dict[str, Any] = {"fresh": True}

Text = tuple[str | None, ...]
"""A row's key as text: where it is equal, nobody need ask the server."""


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
        """The table's rows by key; nothing is read where nothing can have changed.

        Of a row that may be changed the columns that the product has, and those that change with them; what else it
        holds is the application's, and is only told by a digest.
        """
        if self.fresh:
            return _FRESH
        if not sight.inside and self.fact.get("digest") == self.digest:
            return {"recorded": True}
        enforced = self.policy == "enforce"
        needed = {*self.key, *(self.retired or {}), *(column for row in self.rows for column in row)}
        columns = needed if enforced else self.key
        found = sight.table(self.server, self.database, self.table, columns, whole=enforced)
        there = {self._text(row): row for row in found}
        matched = self._matched(there, sight)
        called = {text: name for name, text in matched.items()}
        if self.retired:
            taken = {*self._wanted}
            called |= {text: _name(text, taken) for text in there if text not in called}
        shown = {*needed, *sight.turning(self.server, self.database, self.table)}
        images: dict[str, Any] = {}
        rests: dict[str, str] = {}
        for text, name in called.items():
            images[name], rests[name] = row_images.split(there[text], shown)
            if name in matched:
                images[name] |= {column: self._wanted[name][column] for column in self.key}
        if not enforced:
            return {"rows": images}
        counted = collections.Counter(self._text(row) for row in found)
        double = sorted(name for text, name in called.items() if counted[text] > 1)
        return {"rows": images, "rests": rests, "double": double}

    def diff(self, seen: State) -> Iterator[Change]:
        """One change a table: rows to add, to correct, to retire."""
        seen = seen or {}
        if seen.get("recorded"):
            return
        wanted = self._wanted
        if len(wanted) < len(self.rows):
            raise errors.Refused(f"two rows for {self.table} have the same key", advice="Give each a key of its own.")
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
        if double := [key for key in seen.get("double", ()) if key in before]:
            raise errors.DoubleRow(f"the table {self.table} has more than one row {', '.join(double)}")
        added = sum(row is None for row in before.values())
        rests = {key: rest for key, rest in seen.get("rests", {}).items() if before.get(key) is not None}
        counts = [f"{added} to add"] * bool(added) + [f"{len(before) - added} to correct"] * (len(before) > added)
        yield Change(
            step="",
            resource=self.kind,
            name=self.name,
            action="create" if added == len(before) else "update",
            before=_FRESH if self.fresh else {"rows": before, "rests": rests},
            after={"rows": after, "key": list(self.key)},
            summary=f"seed {self.table}: {', '.join(counts)} ({_some(list(before))})",
            reason="the table is new" if self.fresh else "the product's rows differ from the tenant's",
            undo="nothing: the table goes with its database" if self.fresh else "put the former rows back",
            details=tuple(details),
        )

    def do(self, change: Change, session: Session) -> resource.Facts:
        """Write the rows in one transaction, if none of them was changed or made since they were seen."""
        admin, target = session.admin(self.server.name), names.qualified(self.database, self.table)
        images = _images(change)

        def moves() -> list[rows.Move]:
            columns = dict.fromkeys(
                column for image in images.values() for column in (*self.key, *(image.before or ()))
            )
            found = rows.fetch_all(admin, target, list(columns), [image.key for image in images.values()])
            moves = []
            for (key, image), now in zip(images.items(), found, strict=True):
                if not self.fresh and not row_images.unmoved(image, now):
                    raise errors.MovedMeanwhile(f"row {key} of {target} was changed by somebody else meanwhile")
                moves.append(rows.Move(image.key, now, image.after if now is None or self.fresh else image.written))
            return moves

        rows.bring(admin, target, moves, alone=self.fresh)
        return {"digest": self.digest}

    @classmethod
    def undo(cls, change: Change, session: Session) -> None:
        """Put the former values back, and take away what was added; rows of a new table go with their database."""
        images = _images(change)
        if (change.before or {}).get("fresh"):
            return
        server, database, table = change.name.split("/", 2)
        admin, mixed = session.admin(server), list[str]()

        def moves() -> list[rows.Move]:
            ways = row_images.ways_back(admin, database, table, [*images.values()])
            mixed[:] = [key for key, way in zip(images, ways, strict=True) if way.mixed]
            return [way.move for way in ways if way.move is not None]

        rows.bring(admin, names.qualified(database, table), moves, alone=False)
        if mixed:
            said = f"added to {table} and changed by somebody else since: {', '.join(mixed)}"
            raise resource.Foreign(change, said, row_images.CLEAR)

    @classmethod
    def undone(cls, change: Change, session: Session) -> bool:
        """Whether nothing of the change is in the rows."""
        images = [*_images(change).values()]
        if (change.before or {}).get("fresh"):
            return True
        server, database, table = change.name.split("/", 2)
        admin = session.admin(server)
        return admin.atomically(
            lambda: all(way.nothing for way in row_images.ways_back(admin, database, table, images))
        )

    @functools.cached_property
    def _wanted(self) -> dict[str, dict[str, Any]]:
        """The wanted rows by name."""
        stored = [{column: _stored(value) for column, value in row.items()} for row in self.rows]
        by_text = {self._text(row): row for row in stored}
        wanted: dict[str, dict[str, Any]] = {}
        for text, row in by_text.items():
            wanted[_name(text, wanted)] = row
        return wanted

    def _matched(self, there: Mapping[Text, Mapping[str, Any]], sight: Sight) -> dict[str, Text]:
        """Which of the rows that are there has the key of which wanted row, by name.

        Most keys are spelled as they are wanted; about the others the server is asked.
        Errors: ``Refused`` if it takes two wanted keys for one, or can't compare.
        """
        wanted = {name: self._text(row) for name, row in self._wanted.items()}
        matched = {name: text for name, text in wanted.items() if text in there}
        missing = [name for name in wanted if name not in matched]
        while missing and there:
            told = self._holders(missing, there.keys() - matched.values(), sight)
            for name, text in told.items():
                if other := next((other for other, taken in matched.items() if taken == text), None):
                    raise errors.Refused(
                        f"{name} and {other} are the same key to the table {self.table}",
                        advice="Keep one of the two rows.",
                    )
                if text in there:
                    matched[name] = text
            if not told:
                break
            missing = [name for name in missing if name not in told]
        return matched

    def _holders(self, missing: list[str], others: Collection[Text], sight: Sight) -> dict[str, Text]:
        """Which rows have keys that are spelled otherwise, as the server sees it; ``others`` are those in question."""
        keys = [{column: self._wanted[name][column] for column in self.key} for name in missing]
        try:
            found = sight.holders(self.server, self.database, self.table, keys)
        except census.Unseen as unseen:
            near = any(_near(self._text(key), other) for key in keys for other in others)
            if unseen.privilege != remembered.A_SNAPSHOT or near:
                raise
            return {}
        except errors.StatementFailed as error:
            raise errors.Refused(
                f"which rows of the table {self.table} are there already can't be told: {error.message}",
                advice="Give the product's rows keys that the table can hold.",
            ) from error
        return {name: self._text(row) for name, row in zip(missing, found, strict=True) if row is not None}

    def _text(self, row: Mapping[str, Any]) -> Text:
        return tuple(None if row[column] is None else str(row[column]) for column in self.key)


def _name(text: Text, taken: Collection[str]) -> str:
    """A row's name, for people and in the journal."""
    name = " ".join(map(str, text))
    return json.dumps(text, ensure_ascii=False) if name in taken else name


def _near(one: Text, other: Text) -> bool:
    """Whether a server might take two keys for one."""
    return all(rows.same(a, b) or _folded(a) == _folded(b) for a, b in zip(one, other, strict=True))


def _folded(text: str | None) -> str:
    bare = unicodedata.normalize("NFKD", str(text).casefold())
    return "".join(character for character in bare if character.isalnum())


def _images(change: Change) -> Mapping[str, row_images.Image]:
    """What the change does to each row, by name."""
    before, after = change.before or {}, change.after or {}
    former, rests = before.get("rows", {}), before.get("rests", {})
    return {
        name: row_images.Image(
            {column: row[column] for column in after["key"]}, former.get(name), row, rests.get(name, "")
        )
        for name, row in after["rows"].items()
    }


def _stored(value: Any) -> Any:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, dict | list | tuple):
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return value


def _some(keys: list[str]) -> str:
    return ", ".join(keys[:4]) + (f" and {len(keys) - 4} more" if len(keys) > 4 else "")
