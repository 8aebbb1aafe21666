"""A tenant's rows in one table of the central database, each its own change, undone to every column.

A row's mark is the id of the transaction that last wrote it. Columns of ``born`` are set when a row is made, and
belong to ``activation`` from then on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from reconciler import errors
from reconciler.model.change import Change, State
from reconciler.ports.central import view
from reconciler.ports.mysql import names, rows
from reconciler.ports.session import Session
from reconciler.resources import resource
from reconciler.resources.sight import Sight

_HIDDEN = frozenset({"terms", "hardware"})  # long and hashed: their change is told by the resource that made them


@dataclass(frozen=True, slots=True)
class CentralRows(resource.Resource):
    """The rows that ``tenant`` has in ``table``: these, and no others.

    ``rows`` holds each row's columns without marks; ``recorded`` says that the tenant is on record; ``label`` says what
    a row is, for people; ``reasons`` may explain a column's change.
    """

    kind: ClassVar[str] = "central-rows"

    tenant: str
    table: str
    label: str
    rows: tuple[Mapping[str, Any], ...]
    born: Mapping[str, Any]
    recorded: bool

    @property
    def name(self) -> str:
        """Table and tenant."""
        return f"{self.table}/{self.tenant}"

    def observe(self, sight: Sight) -> State:
        """The rows in every column, by their natural key, and whose they are."""
        found = [plain(row) for row in sight.central.rows(self.table, self.tenant)]
        keys = [self._key(row) for row in found]
        return {
            "rows": {self._key(row): row for row in found},
            "double": sorted({key for key in keys if keys.count(key) > 1}),
            "ours": sight.place.platform_id,
            "transaction": sight.transaction,
        }

    def own(self, seen: State) -> State:
        """The rows alone."""
        return {"rows": (seen or {})["rows"]}

    def diff(self, seen: State) -> Iterator[Change]:
        """One change a row: insert, update field by field, delete."""
        seen = seen or {}
        have: Mapping[str, Mapping[str, Any]] = seen["rows"]
        if seen["double"]:
            raise errors.DoubleRow(
                f"the central table {self.table} has more than one row {', '.join(seen['double'])}: it has lost its "
                f"primary key ({', '.join(view.KEYS[self.table])})"
            )
        wanted = {self._key(row): plain(row) for row in self.rows}
        for key, row in have.items():
            if row["platform_id"] != seen["ours"]:
                raise errors.ForeignObject(
                    f"the central table {self.table} has a row {key} of another platform ({row['platform_id']})"
                )
            if not self.recorded and row["transaction_id"] != seen["transaction"]:
                raise errors.ForeignObject(
                    f"the central table {self.table} has a row {key} for a tenant that the store does not know"
                )
        mark = {"platform_id": seen["ours"], "transaction_id": seen["transaction"]}
        for key in [*(k for k in have if k not in wanted), *wanted]:
            before = have.get(key)
            if key not in wanted:
                yield self._change(key, "delete", before, None, ())
            elif before is None:
                yield self._change(key, "create", None, {**wanted[key], **self.born, **mark}, ())
            else:
                differing = [column for column in wanted[key] if before.get(column) != wanted[key][column]]
                if differing:
                    details = tuple(
                        (column, _said(before.get(column)), _said(wanted[key][column]))
                        for column in differing
                        if column not in _HIDDEN
                    )
                    yield self._change(key, "update", before, {**before, **wanted[key], **mark}, details)

    def do(self, change: Change, session: Session) -> resource.Facts | None:
        """Write the row, if it still stands as it was seen."""
        table, key = _address(change)
        central = session.central()

        def attempt() -> None:
            now = _locked(session, table, change.before or change.after or {})
            if now != change.before:
                raise errors.MovedMeanwhile(f"the central row {key} was changed by somebody else meanwhile")
            _put(session, table, now, change.after)

        try:
            if change.before is not None or not _add(session, table, change.after or {}):
                central.atomically(attempt)
        except errors.StatementFailed as error:
            if error.errno not in view.MISSING:
                raise
            raise errors.MovedMeanwhile(
                f"the central table {table} went away before the row {key} was written"
            ) from error
        return None

    @classmethod
    def undo(cls, change: Change, session: Session) -> None:
        """Bring the row back to what it was in every column, if this transaction was the last to write it."""
        table, key = _address(change)

        def attempt() -> None:
            now = _locked(session, table, change.before or change.after or {})
            if now == change.before or _never_added(now, change, session):
                return
            # The activation, undone before this, has put the former mark back on a row that it did not make.
            flipped = {**(change.after or {}), "transaction_id": (change.before or {}).get("transaction_id")}
            if change.after is None:
                ours = now is None
            else:
                ours = now is not None and (now["transaction_id"] == session.transaction or now == flipped)
            if not ours:
                raise resource.Foreign(change, f"the central row {key} was changed by somebody else meanwhile")
            _put(session, table, now, change.before)

        try:
            session.central().atomically(attempt)
        except errors.StatementFailed as error:
            if error.errno not in view.MISSING:
                raise
            if not _never_made(change, session):
                # It may stand wherever the table is now, and come back with it.
                raise resource.Foreign(
                    change,
                    f"the central table {table} is gone, and with it the look at its row {key}",
                    "put the table back, then run `reconcile recover`",
                ) from error

    @classmethod
    def undone(cls, change: Change, session: Session) -> bool:
        """Whether the row is what it was, in every column."""
        table, _ = _address(change)

        def attempt() -> bool:
            now = _locked(session, table, change.before or change.after or {})
            return now == change.before or _never_added(now, change, session)

        try:
            return session.central().atomically(attempt)
        except errors.StatementFailed as error:
            if error.errno not in view.MISSING:
                raise
            return _never_made(change, session)

    def _key(self, row: Mapping[str, Any]) -> str:
        return " ".join(str(row[column]) for column in view.KEYS[self.table])

    def _change(
        self,
        key: str,
        action: str,
        before: Mapping[str, Any] | None,
        after: Mapping[str, Any] | None,
        details: tuple[tuple[str, str, str], ...],
    ) -> Change:
        verb = {"create": "add", "update": "change", "delete": "withdraw"}[action]
        return Change(
            step="",
            resource=self.kind,
            name=f"{self.table}/{self.tenant}/{key}",
            action=action,
            before=before,
            after=after,
            summary=f"{verb} {self.label} {key.removeprefix(self.tenant + ' ')} in the central system",
            reason={
                "create": "the central system has no such row",
                "update": "the central row differs from the spec",
                "delete": "the spec no longer has it",
            }[action],
            undo="delete the row" if before is None else "put the row back in every column",
            details=details,
            takes_away=after is None,
        )


def plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as plain data."""
    return {column: rows.plain(value) for column, value in row.items()}


def _address(change: Change) -> tuple[str, str]:
    table, _, key = change.name.split("/", 2)
    return table, f"{table} {key}"


def _locked(session: Session, table: str, like: Mapping[str, Any]) -> dict[str, Any] | None:
    key = {column: like[column] for column in view.KEYS[table]}
    return rows.fetch(session.central(), _target(session, table), view.COLUMNS[table], key)


def _never_added(now: Mapping[str, Any] | None, change: Change, session: Session) -> bool:
    """Whether somebody else's row stands where this transaction was to add one: then nothing of its own is there.

    Nobody adds a row over another. It is another platform's, or of a transaction that was committed: it had been out of
    sight when this one was planned.
    """
    if change.before is not None or now is None:
        return False
    return bool(now["platform_id"] != session.place.platform_id) or session.committed(str(now["transaction_id"]))


def _never_made(change: Change, session: Session) -> bool:
    """Whether a row that was to be added can't be anywhere, as there is no central database to hold it."""
    return change.before is None and not view.made(session.central(), session.place.central_database)


def _add(session: Session, table: str, row: Mapping[str, Any]) -> bool:
    """Whether the row was put where there was none, which the server can tell in one statement."""
    key = {column: row[column] for column in view.KEYS[table]}
    return rows.add(session.central(), _target(session, table), key, row)


def _put(session: Session, table: str, now: Mapping[str, Any] | None, then: Mapping[str, Any] | None) -> None:
    like = then or now or {}
    key = {column: like[column] for column in view.KEYS[table]}
    rows.put(session.central(), _target(session, table), key, now=now, then=then)


def _target(session: Session, table: str) -> str:
    return names.qualified(session.place.central_database, table)


def _said(value: object) -> str:
    return "nothing" if value is None else str(value)
