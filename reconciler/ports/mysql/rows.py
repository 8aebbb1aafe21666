"""Rows as plain data: fetched for update by their keys, compared, and put as they should be, many at a time.

Names of columns and tables are anybody's, and every statement here has parameters.
"""

from __future__ import annotations

import datetime as dt
import decimal
import json
import re
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

COLUMNS = (
    "SELECT COLUMN_NAME, EXTRA, DATA_TYPE, COLUMN_DEFAULT FROM information_schema.COLUMNS "
    "WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s AND IS_GENERATED = 'NEVER' ORDER BY ORDINAL_POSITION"
)
"""What ``column`` reads of a table: its columns that can be written."""

_PLAIN = frozenset({str, int, type(None)})
_TEXTS = frozenset({"char", "varchar", "tinytext", "text", "mediumtext", "longtext", "json"})
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table. ``turns`` says that it changes by itself with every UPDATE of its row (ON UPDATE);
    ``default`` is a constant as plain data, and None also where a row is made without one.
    """

    name: str
    turns: bool
    text: bool
    default: Any


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
            seconds, part = divmod(abs(value), dt.timedelta(seconds=1))
            minutes, fraction = seconds // 60, f".{part.microseconds:06}" if part else ""
            sign = "-" if value < dt.timedelta() else ""
            return f"{sign}{minutes // 60:02}:{minutes % 60:02}:{seconds % 60:02}{fraction}"
        case decimal.Decimal():
            return str(value)
        case _:
            return value


def same(one: Any, other: Any) -> bool:
    """Whether two plain values are the same to the server, whatever the column is.

    They are if they are equal, or equal as JSON objects or lists; a number and a text, by what number that is; octets
    and a number, by the number that they are (BIT); octets and a text, in UTF-8; a day, and the moment that it begins.
    """
    if one == other:
        return True
    match one, other:
        case (None, _) | (_, None):
            return False
        case str(), str():
            if one[:1] in ("{", "[") and other[:1] in ("{", "["):
                return _same_json(one, other)
            return f"{one} 00:00:00" == other or f"{other} 00:00:00" == one
        case ({"hex": str(octets)}, value) | (value, {"hex": str(octets)}):
            return _same_octets(bytes.fromhex(octets), value)
        case _:
            numbers = _number(one), _number(other)
            return str(one) == str(other) if None in numbers else numbers[0] == numbers[1]


def _same_json(one: str, other: str) -> bool:
    try:
        return bool(json.loads(one) == json.loads(other))
    except ValueError:
        return False


def _same_octets(octets: bytes, value: Any) -> bool:
    match value:
        case int():
            return int.from_bytes(octets) == value
        case str():
            return octets == value.encode()
        case _:
            return False


def _number(value: Any) -> decimal.Decimal | None:
    match value:
        case int():
            return decimal.Decimal(value)
        case float() | str() if _NUMBER.fullmatch(str(value)):
            return decimal.Decimal(str(value))
        case _:
            return None


def alike(one: Row | None, other: Row | None) -> bool:
    """Whether two rows agree in every column of ``other``."""
    if one is None or other is None:
        return one is other
    return all(column in one and same(one[column], value) for column, value in other.items())


def column(told: Sequence[Any]) -> Column:
    """A column out of what ``COLUMNS`` reads."""
    name, extra, kind, default = told
    return Column(str(name), "on update" in str(extra).lower(), str(kind).lower() in _TEXTS, _constant(default))


def _constant(default: str | None) -> str | None:
    # MariaDB quotes texts (10.2.7 and later), so that they are told from what is worked out when a row is made.
    if default is None or default == "NULL":
        return None
    return default[1:-1].replace("''", "'") if default[:1] == "'" else default


def fetch(connection: Connection, target: str, columns: Sequence[str], key: Row) -> dict[str, Any] | None:
    """The row of ``target`` (quoted) with this key, locked until the transaction ends; None if there is none."""
    return fetch_all(connection, target, columns, [key])[0]


def fetch_all(
    connection: Connection, target: str, columns: Sequence[str], keys: Sequence[Row]
) -> list[dict[str, Any] | None]:
    """For each key the row that has it, locked until the transaction ends; None where there is none."""
    return holders(lambda statement, given: connection.rows(f"{statement} FOR UPDATE", given), target, columns, keys)


def holders(
    ask: Callable[[str, tuple[Any, ...]], Iterable[Sequence[Any]]],
    target: str,
    columns: Sequence[str],
    keys: Sequence[Row],
) -> list[dict[str, Any] | None]:
    """For each key the row of ``target`` (quoted) that has it; None where there is none.

    Which row has which key is for the server to say: it knows what collation, padding and type make equal.
    """
    found = list[dict[str, Any] | None]()
    for portion in _portions(keys):
        wheres, given = [_where(key) for key in portion], tuple(value for key in portion for value in _given(key))
        if len(portion) == 1:
            which, where = "0", wheres[0]
        else:
            which = f"CASE {' '.join(f'WHEN {where} THEN {number}' for number, where in enumerate(wheres))} END"
            where, given = " OR ".join(f"({where})" for where in wheres), given * 2
        statement = f"SELECT {which}, {_listed(columns)} FROM {names.among_parameters(target)} WHERE {where}"
        rows: dict[int, dict[str, Any]] = {}
        for number, *row in ask(statement, given):
            rows.setdefault(number, {column: plain(value) for column, value in zip(columns, row, strict=True)})
        found += [rows.get(number) for number in range(len(portion))]
    return found


def equal(connection: Connection, target: str, key: Row, values: Row) -> set[str]:
    """The columns of the row with this key that hold these values, if the server is asked."""
    asked = ", ".join(f"{_named(column)} <=> %s" for column in values)
    statement = f"SELECT {asked} FROM {names.among_parameters(target)} WHERE {_where(key)} LIMIT 1"
    (told,) = connection.rows(statement, (*_given(values), *_given(key))) or [()]
    return {column for column, held in zip(values, told, strict=False) if held}


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
            f"INSERT INTO {names.among_parameters(target)} ({_listed(row)}) SELECT {values} FROM DUAL "
            f"WHERE NOT EXISTS (SELECT 1 FROM {names.among_parameters(target)} WHERE {_where(key)})",
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
    target = names.among_parameters(target)
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
            assigned = ", ".join(f"{_named(column)} = %s" for column in move.then)
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
        yield f"INSERT INTO {target} ({_listed(columns)}) VALUES {places}", given


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


def _named(column: str) -> str:
    return names.among_parameters(names.identifier(column))


def _listed(columns: Iterable[str]) -> str:
    return ", ".join(map(_named, columns))


def _where(key: Row) -> str:
    return " AND ".join(f"{_named(column)} {'<=>' if value is None else '='} %s" for column, value in key.items())


def _given(row: Row) -> tuple[Any, ...]:
    return tuple(bytes.fromhex(value["hex"]) if isinstance(value, dict) else value for value in row.values())
