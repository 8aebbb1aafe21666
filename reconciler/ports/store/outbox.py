"""The outbox: what can't be undone is written with a transaction's end, and sent only afterwards.

A letter's ``id`` is its idempotency key: it stays the same however often the letter is sent, so that a receiver that
was told twice can tell. A letter that nobody would take is dead: it is kept, shown, and sent again only when asked for.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from reconciler.ports.store import tables


@dataclass(frozen=True, slots=True)
class Letter:
    """One message to one receiver. Times are UTC, ISO 8601; ``attempts`` counts those that were begun."""

    id: str
    receiver: str
    tenant: str
    event: str
    body: Mapping[str, Any]
    written_at: str
    attempts: int = 0
    tried_at: str | None = None
    due_at: str = ""
    dead: bool = False
    error: str | None = None


def put(connection: sa.Connection, letters: Iterable[Letter]) -> None:
    """Write letters; part of the write that ends a transaction."""
    rows = [
        {
            "id": letter.id,
            "receiver": letter.receiver,
            "tenant": letter.tenant,
            "event": letter.event,
            "body": json.dumps(letter.body, sort_keys=True, separators=(",", ":"), ensure_ascii=False),
            "written_at": letter.written_at,
            "attempts": 0,
            "due_at": letter.written_at,
            "dead": False,
        }
        for letter in letters
    ]
    if rows:
        connection.execute(tables.outbox.insert(), rows)


def waiting(connection: sa.Connection) -> list[Letter]:
    """Everything that is still to be sent, in the order in which it was written."""
    return _letters(connection, dead=False)


def dead(connection: sa.Connection) -> list[Letter]:
    """Everything that was given up, in the order in which it was written."""
    return _letters(connection, dead=True)


def attempt(connection: sa.Connection, letter: Letter, *, now: str, due_at: str) -> bool:
    """Note that an attempt begins, and when the next one would be due; False if another process has the letter.

    It is noted before the letter is sent, so that a process that dies over it does not try again at once.
    """
    return _update(connection, letter, attempts=letter.attempts + 1, tried_at=now, due_at=due_at)


def sent(connection: sa.Connection, letter: Letter) -> None:
    """The receiver took it: the letter is gone."""
    connection.execute(sa.delete(tables.outbox).where(_is(letter)))


def failed(connection: sa.Connection, letter: Letter, error: str, *, dead: bool) -> None:
    """The attempt failed with ``error``; ``dead`` gives the letter up."""
    connection.execute(sa.update(tables.outbox).where(_is(letter)).values(error=error, dead=dead))


def revive(connection: sa.Connection, identity: str, *, now: str) -> int:
    """Make the dead letters whose id begins with ``identity`` due again, with all their attempts; how many."""
    return connection.execute(
        sa.update(tables.outbox)
        .where(tables.outbox.c.id.startswith(identity, autoescape=True), tables.outbox.c.dead)
        .values(dead=False, attempts=0, due_at=now)
    ).rowcount


def drop(connection: sa.Connection, identity: str) -> int:
    """Forget the dead letters whose id begins with ``identity``; how many."""
    return connection.execute(
        sa.delete(tables.outbox).where(tables.outbox.c.id.startswith(identity, autoescape=True), tables.outbox.c.dead)
    ).rowcount


def _letters(connection: sa.Connection, *, dead: bool) -> list[Letter]:
    query = (
        sa.select(tables.outbox)
        .where(tables.outbox.c.dead == dead)
        .order_by(tables.outbox.c.written_at, tables.outbox.c.id, tables.outbox.c.receiver)
    )
    return [Letter(**{**row, "body": json.loads(row["body"])}) for row in connection.execute(query).mappings()]


def _update(connection: sa.Connection, letter: Letter, **values: object) -> bool:
    changed = connection.execute(
        sa.update(tables.outbox).where(_is(letter), tables.outbox.c.attempts == letter.attempts).values(**values)
    )
    return changed.rowcount == 1


def _is(letter: Letter) -> sa.ColumnElement[bool]:
    return sa.and_(tables.outbox.c.id == letter.id, tables.outbox.c.receiver == letter.receiver)
