"""The last reversible step: all of a tenant's central rows take their public state in one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from reconciler.model.change import Change, State
from reconciler.ports.central import view
from reconciler.ports.mysql import names
from reconciler.ports.session import Session
from reconciler.resources import resource
from reconciler.resources.sight import Sight

_STATE = {"tenants": "state", "licenses": "status", "webhook_endpoints": "state"}


@dataclass(frozen=True, slots=True)
class Activation(resource.Resource):
    """The tenant's ``state`` in the central system, in every table that has one, and the revision that it stands at."""

    kind: ClassVar[str] = "activation"

    tenant: str
    state: str
    revision: str
    provisional: str
    webhooks: tuple[str, ...] = ()
    licensed: bool = True

    @property
    def name(self) -> str:
        """The tenant."""
        return self.tenant

    def observe(self, sight: Sight) -> State:
        """By table and natural key, the state of each row that there is, and the revision."""
        return {"rows": states(sight, self.tenant), "transaction": sight.transaction}

    def own(self, seen: State) -> State:
        """The rows alone."""
        return {"rows": (seen or {})["rows"]}

    def diff(self, seen: State) -> Iterator[Change]:
        """Flip what is in another state."""
        rows = (seen or {})["rows"]
        if any(rows.get(key, {}).get("state") != self.state for key in self._keys()):
            yield self._change(seen or {})

    def follow(self, seen: State) -> Iterator[Change]:
        """The index says which revision last changed the tenant, so it goes along with every change."""
        yield self._change(seen or {})

    def do(self, change: Change, session: Session) -> resource.Facts | None:
        """Set state, revision and mark of all rows at once."""

        def attempt() -> None:
            for key in self._keys():
                put(session, key, {"state": self.state, "revision": self.revision}, session.transaction)

        session.central().atomically(attempt)
        return None

    @classmethod
    def undo(cls, change: Change, session: Session) -> None:
        """Set every row that this transaction was the last to write as it was; rows that are gone stay gone."""

        def attempt() -> None:
            for key, row in _stood(change, session).items():
                now = _marked(session, key)
                if now is None or now == row["transaction_id"]:
                    continue
                if now != session.transaction:
                    raise resource.Foreign(change, f"the central row {key} was changed by somebody else meanwhile")
                put(session, key, row, row["transaction_id"])

        session.central().atomically(attempt)

    @classmethod
    def undone(cls, change: Change, session: Session) -> bool:
        """Whether every row is gone or bears its former mark."""

        def attempt() -> bool:
            return all(
                _marked(session, key) in (None, row["transaction_id"]) for key, row in _stood(change, session).items()
            )

        return session.central().atomically(attempt)

    def _keys(self) -> list[str]:
        webhooks = [f"webhook_endpoints/{self.tenant}/{name}" for name in self.webhooks]
        licenses = [f"licenses/{self.tenant}"] if self.licensed else []
        return [f"tenants/{self.tenant}", *licenses, *webhooks]

    def _change(self, seen: Mapping[str, Any]) -> Change:
        rows = seen["rows"]
        # A row that an earlier step of this plan adds is born with these values.
        born = {"state": self.provisional, "revision": self.revision, "transaction_id": seen["transaction"]}
        before = {key: rows.get(key, born) for key in self._keys()}
        was = before[f"tenants/{self.tenant}"]
        details = []
        if was["state"] != self.state:
            details.append(("state", str(was["state"]), self.state))
        if was["revision"] != self.revision:
            details.append(("revision", str(was["revision"]), self.revision))
        return Change(
            step="",
            resource=self.kind,
            name=self.name,
            action="update",
            before={"rows": before},
            after={"state": self.state, "revision": self.revision},
            summary=f"show tenant {self.tenant} as {self.state} in the central system, all rows at once",
            reason="everything else is done" if was["state"] != self.state else "the index follows every change",
            undo="set the rows' former state and revision",
            details=tuple(details),
        )


def _stood(change: Change, session: Session) -> dict[str, Any]:
    """The rows that stood there before this transaction; those that it added are taken away by who added them."""
    rows = (change.before or {})["rows"].items()
    return {key: row for key, row in rows if row["transaction_id"] != session.transaction}


def states(sight: Sight, tenant: str) -> dict[str, dict[str, Any]]:
    """By table and natural key, what a tenant's central rows say of state, revision and mark."""
    return {
        _key(table, row): _part(table, row, column)
        for table, column in _STATE.items()
        for row in sight.central.rows(table, tenant)
    }


def stands(session: Session, key: str) -> dict[str, Any] | None:
    """What one row says now, locked until the end of the server's transaction; None if it is gone."""
    table, where, values = _where(key)
    columns = [_STATE[table], *(["revision"] if table == "tenants" else []), "transaction_id"]
    target = names.qualified(session.place.central_database, table)
    listed = ", ".join(map(names.identifier, columns))
    found = session.central().rows(f"SELECT {listed} FROM {target} WHERE {where} FOR UPDATE", values)
    return _part(table, dict(zip(columns, found[0], strict=True)), _STATE[table]) if found else None


def _key(table: str, row: Mapping[str, Any]) -> str:
    return "/".join([table, *(str(row[column]) for column in view.KEYS[table])])


def _part(table: str, row: Mapping[str, Any], column: str) -> dict[str, Any]:
    return {"state": row[column], "revision": row.get("revision"), "transaction_id": row["transaction_id"]}


def _where(key: str) -> tuple[str, str, tuple[str, ...]]:
    table, *values = key.split("/", 2)
    return table, " AND ".join(f"{names.identifier(column)} = %s" for column in view.KEYS[table]), tuple(values)


def _marked(session: Session, key: str) -> str | None:
    table, where, values = _where(key)
    target = names.qualified(session.place.central_database, table)
    found = session.central().value(f"SELECT transaction_id FROM {target} WHERE {where} FOR UPDATE", values)
    return None if found is None else str(found)


def put(session: Session, key: str, row: Mapping[str, Any], transaction: str) -> None:
    """Write one row's state and mark, and the index's revision."""
    table, where, values = _where(key)
    assigned: dict[str, Any] = {_STATE[table]: row["state"], "transaction_id": transaction}
    if table == "tenants":
        assigned["revision"] = row["revision"]
    session.central().run(
        f"UPDATE {names.qualified(session.place.central_database, table)} "
        f"SET {', '.join(f'{names.identifier(column)} = %s' for column in assigned)} WHERE {where}",
        (*assigned.values(), *values),
    )
