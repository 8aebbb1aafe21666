"""Rows as plain data: fetched for update by their keys, compared, and put as they should be, many at a time."""

from __future__ import annotations

import datetime as dt
import decimal
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reconciler import errors
from reconciler.ports.mysql import names
from reconciler.ports.mysql.connection import AGAIN, Connection

Row = Mapping[str, Any]
Statement = tuple[str, tuple[Any, ...]]

PORTION_ROWS = 100
PORTION_BYTES = 256 * 1024
"""What shares a statement is below these; a row that is longer goes alone, as far as the server takes it."""

_PLAIN = frozenset({str, int, type(None)})


@dataclass(frozen=True, slots=True)
class Move:
    """The row with ``key`` goes from ``now`` to ``then``; None is no row."""

    key: Row
    now: Row | None
    then: Row | None


def plain(value: Any) -> Any:
    """A column's value as JSON can hold it: dates, times and decimals as the server would print them, octets in hex."""
    if type(value) in _PLAIN:
        return value  # as nearly everything is
    match value:
        case bytes():
            return {"hex": value.hex()}
        case dt.datetime():
            return value.isoformat(" ")
        case dt.date():
            return value.isoformat()
        case dt.timedelta():
            seconds = int(value.total_seconds())
            return f"{seconds // 3600:02}:{seconds % 3600 // 60:02}:{seconds % 60:02}"
        case decimal.Decimal():
            return str(value)
        case _:
            return value


def same(one: Any, other: Any) -> bool:
    """Whether two plain values are the same to the server: equal, or equal as JSON objects or lists."""
    if one == other:
        return True
    if isinstance(one, str) and isinstance(other, str) and one[:1] in ("{", "[") and other[:1] in ("{", "["):
        try:
            return bool(json.loads(one) == json.loads(other))
        except ValueError:
            return False
    return one is not None and other is not None and str(one) == str(other)


def alike(one: Row | None, other: Row | None) -> bool:
    """Whether two rows agree in every column of ``other``."""
    if one is None or other is None:
        return one is other
    return all(column in one and same(one[column], value) for column, value in other.items())


def fetch(connection: Connection, target: str, columns: Sequence[str], key: Row) -> dict[str, Any] | None:
    """The row of ``target`` (quoted) with this key, locked until the transaction ends; None if there is none."""
    return fetch_all(connection, target, columns, [key])[0]


def fetch_all(
    connection: Connection, target: str, columns: Sequence[str], keys: Sequence[Row]
) -> list[dict[str, Any] | None]:
    """For each key the row that has it, locked until the transaction ends; None where there is none.

    Which row has which key is for the server to say: it knows what collation, padding and type make equal.
    """
    listed, found = ", ".join(map(names.identifier, columns)), list[dict[str, Any] | None]()
    for portion in _portions(keys):
        wheres, given = [_where(key) for key in portion], tuple(value for key in portion for value in _given(key))
        if len(portion) == 1:
            which, where = "0", wheres[0]
        else:
            which = f"CASE {' '.join(f'WHEN {where} THEN {number}' for number, where in enumerate(wheres))} END"
            where, given = " OR ".join(f"({where})" for where in wheres), given * 2
        rows: dict[int, dict[str, Any]] = {}
        for number, *row in connection.rows(f"SELECT {which}, {listed} FROM {target} WHERE {where} FOR UPDATE", given):
            rows.setdefault(number, {column: plain(value) for column, value in zip(columns, row, strict=True)})
        found += [rows.get(number) for number in range(len(portion))]
    return found


def bring(connection: Connection, target: str, moves: Callable[[], Iterable[Move]], *, alone: bool) -> None:
    """Make the moves that ``moves`` finds, all or none; it may be asked several times, and reads for itself.

    ``alone`` says that nobody else reaches the table yet: then what was read still holds when it is written, and a
    single statement needs no transaction around it.
    """
    if alone:
        connection.together(lambda: list(_statements(target, moves())))
    else:
        connection.atomically(lambda: _run(connection, _statements(target, moves())))


def put(connection: Connection, target: str, key: Row, *, now: Row | None, then: Row | None) -> None:
    """Bring the row with this key from ``now`` to ``then``: insert, update or delete it."""
    _run(connection, _statements(target, [Move(key, now, then)]))


def add(connection: Connection, target: str, key: Row, row: Row) -> bool:
    """Insert ``row``, unless there is one with this key; whether that was done. False too if others are in the way
    for the moment.
    """
    values = ", ".join(["%s"] * len(row))
    try:
        added = connection.run(
            f"INSERT INTO {target} ({_listed(row)}) SELECT {values} FROM DUAL "
            f"WHERE NOT EXISTS (SELECT 1 FROM {target} WHERE {_where(key)})",
            (*_given(row), *_given(key)),
        )
    except errors.StatementFailed as error:
        if error.errno in AGAIN:
            return False
        raise
    return added == 1


def _run(connection: Connection, statements: Iterable[Statement]) -> None:
    for statement, given in statements:
        connection.run(statement, given)


def _statements(target: str, moves: Iterable[Move]) -> Iterator[Statement]:
    """The statements that make the moves in their order; new rows that follow each other share one."""
    new: list[Row] = []
    for move in moves:
        if move.then is not None and move.now is None:
            if new and new[0].keys() != move.then.keys():
                yield from _inserts(target, new)
                new = []
            new.append(move.then)
            continue
        yield from _inserts(target, new)
        new = []
        if move.then is not None:
            assigned = ", ".join(f"{names.identifier(column)} = %s" for column in move.then)
            given = (*_given(move.then), *_given(move.key))
            yield f"UPDATE {target} SET {assigned} WHERE {_where(move.key)}", given
        elif move.now is not None:
            yield f"DELETE FROM {target} WHERE {_where(move.key)}", _given(move.key)
    yield from _inserts(target, new)


def _inserts(target: str, rows: Sequence[Row]) -> Iterator[Statement]:
    for portion in _portions(rows):
        columns = portion[0].keys()
        places = ", ".join([f"({', '.join(['%s'] * len(columns))})"] * len(portion))
        given = tuple(value for row in portion for value in _given({column: row[column] for column in columns}))
        yield f"INSERT INTO {target} ({_listed(portion[0])}) VALUES {places}", given


def _portions(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    portion, size = list[Row](), 0
    for row in rows:
        # Four bytes are the most that a character takes, and more than it takes with what escapes it.
        length = 4 * sum(len(str(value)) for value in row.values())
        if portion and (len(portion) == PORTION_ROWS or size + length > PORTION_BYTES):
            yield portion
            portion, size = [], 0
        portion.append(row)
        size += length
    if portion:
        yield portion


def _listed(row: Row) -> str:
    return ", ".join(map(names.identifier, row))


def _where(key: Row) -> str:
    return " AND ".join(f"{names.identifier(column)} = %s" for column in key)


def _given(row: Row) -> tuple[Any, ...]:
    return tuple(bytes.fromhex(value["hex"]) if isinstance(value, dict) else value for value in row.values())
