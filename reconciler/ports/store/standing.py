"""What stands about tenants beside their records: standings, conditions, holds.

A store that an earlier version made may lack these tables: reading then finds nothing, and who writes calls
``Store.make_tables`` first. Many tenants cost a few statements, not one each.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, TypeVar

import sqlalchemy as sa

from reconciler.model.standing import Condition, Hold, Standing, Transition
from reconciler.ports.store import tables

T = TypeVar("T")

_MANY: Final = 500  # names in one statement; some databases take no more than a thousand parameters
_LONGEST: Final = 8_000  # characters of a message; a text column of MariaDB has 64 KiB


def load(connection: sa.Connection, tenants: Iterable[str] | None = None) -> dict[str, Standing]:
    """Every standing by tenant, or those of ``tenants``."""
    return {
        row.tenant: Standing(
            tenant=row.tenant,
            generation=row.generation,
            revision=row.revision,
            failures=row.failures,
            final=row.final,
            next_at=row.next_at or "",
            handled_request=row.handled_request or "",
            plan_digest=row.plan_digest or "",
            said=json.loads(row.said),
            updated_at=row.updated_at,
        )
        for row in _rows(connection, tables.standing, tables.standing.c.tenant, tenants)
    }


def save(connection: sa.Connection, *found: Standing) -> None:
    """Write standings in place of those before."""
    kept = {entry.tenant: entry for entry in found}
    _drop(connection, tables.standing.c.tenant, kept)
    rows = [
        {
            "tenant": entry.tenant,
            "generation": entry.generation,
            "revision": entry.revision,
            "failures": entry.failures,
            "final": entry.final,
            "next_at": entry.next_at or None,
            "handled_request": entry.handled_request or None,
            "plan_digest": entry.plan_digest or None,
            "said": json.dumps(entry.said, sort_keys=True, separators=(",", ":"), ensure_ascii=False),
            "updated_at": entry.updated_at,
        }
        for entry in kept.values()
    ]
    if rows:
        connection.execute(tables.standing.insert(), rows)


def forget(connection: sa.Connection, *tenants: str) -> None:
    """Forget the standings and conditions of tenants. A hold is a person's, and stays until that one lets go."""
    for column in (tables.standing.c.tenant, tables.conditions.c.subject):
        _drop(connection, column, tenants)


def conditions(connection: sa.Connection, subjects: Iterable[str] | None = None) -> dict[str, tuple[Condition, ...]]:
    """Every condition by subject, or those of ``subjects``; a subject without any is left out."""
    found: dict[str, list[Condition]] = defaultdict(list)
    for row in _rows(connection, tables.conditions, tables.conditions.c.subject, subjects):
        found[row.subject].append(
            Condition(row.type, row.status, row.reason, row.message, since=row.since, generation=row.generation)
        )
    return {subject: tuple(entries) for subject, entries in found.items()}


def put_conditions(connection: sa.Connection, subject: str, wanted: Sequence[Condition]) -> list[Transition]:
    """Let ``subject`` have these conditions and no others; as ``put_all``."""
    return put_all(connection, {subject: wanted})


def put_all(connection: sa.Connection, wanted: Mapping[str, Sequence[Condition]]) -> list[Transition]:
    """Let each subject have these conditions and no others; what came, went, or turned to another status or reason.

    ``since`` of a wanted condition is the present moment; it only counts where the status is another one than before.
    Nothing is written of a subject whose conditions are as they were.
    """
    before, turned = conditions(connection, wanted), list[Transition]()
    rows: dict[str, list[dict[str, Any]]] = {}
    for subject, entries in wanted.items():
        was = {entry.type: entry for entry in before.get(subject, ())}
        now = {entry.type: _dated(entry, was.get(entry.type)) for entry in entries}
        if was == now:
            continue
        rows[subject] = [{"subject": subject, **_row(entry)} for entry in now.values()]
        turned += [
            Transition(subject, was.get(kind), now.get(kind))
            for kind in dict.fromkeys([*was, *now])
            if _turn(was.get(kind)) != _turn(now.get(kind))
        ]
    _drop(connection, tables.conditions.c.subject, rows)
    if made := [row for entries in rows.values() for row in entries]:
        connection.execute(tables.conditions.insert(), made)
    return turned


def holds(connection: sa.Connection, subjects: Iterable[str] | None = None) -> dict[str, Hold]:
    """Every hold by subject, or those of ``subjects``; those that have run out too."""
    return {
        row.subject: Hold(row.subject, row.actor, row.reason, until=row.until or "", since=row.since)
        for row in _rows(connection, tables.holds, tables.holds.c.subject, subjects)
    }


def hold(connection: sa.Connection, wanted: Hold) -> None:
    """Hold a subject, in place of a hold that it has."""
    _drop(connection, tables.holds.c.subject, [wanted.subject])
    connection.execute(
        tables.holds.insert().values(
            subject=wanted.subject,
            actor=wanted.actor,
            reason=wanted.reason,
            until=wanted.until or None,
            since=wanted.since,
        )
    )


def release(connection: sa.Connection, subject: str) -> Hold | None:
    """Let go of a subject; the hold that it had. That it is suspended is no longer said either."""
    found = holds(connection, [subject]).get(subject)
    if found is not None:
        _drop(connection, tables.holds.c.subject, [subject])
        connection.execute(
            sa.delete(tables.conditions).where(
                tables.conditions.c.subject == subject, tables.conditions.c.type == "Suspended"
            )
        )
    return found


def _dated(wanted: Condition, was: Condition | None) -> Condition:
    message = wanted.message if len(wanted.message) <= _LONGEST else wanted.message[: _LONGEST - 1] + "…"
    since = was.since if was is not None and was.status == wanted.status else wanted.since
    return replace(wanted, message=message, since=since)


def _turn(condition: Condition | None) -> tuple[str, str] | None:
    return (condition.status, condition.reason) if condition is not None else None


def _row(condition: Condition) -> dict[str, str]:
    return {
        "type": condition.type,
        "status": condition.status,
        "reason": condition.reason,
        "message": condition.message,
        "generation": condition.generation,
        "since": condition.since,
    }


def _rows(
    connection: sa.Connection, table: sa.Table, key: sa.Column[str], wanted: Iterable[str] | None
) -> Iterator[sa.Row[tuple[Any, ...]]]:
    if not sa.inspect(connection).has_table(table.name):
        return
    query = sa.select(table).order_by(*table.primary_key.columns)
    if wanted is None:
        yield from connection.execute(query).all()
        return
    for some in _some(wanted):
        yield from connection.execute(query.where(key.in_(some))).all()


def _drop(connection: sa.Connection, key: sa.Column[str], wanted: Iterable[str]) -> None:
    for some in _some(wanted):
        connection.execute(sa.delete(key.table).where(key.in_(some)))


def _some(found: Iterable[T]) -> Iterator[list[T]]:
    entries = list(found)
    for start in range(0, len(entries), _MANY):
        yield entries[start : start + _MANY]
