"""Single rows as plain data: fetched for update by their key, compared, and put as they should be."""

from __future__ import annotations

import datetime as dt
import decimal
import json
from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.ports.mysql import names
from reconciler.ports.mysql.connection import Connection

Row = Mapping[str, Any]


def plain(value: Any) -> Any:
    """A column's value as JSON can hold it: dates, times and decimals as the server would print them, octets in hex."""
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
    listed = ", ".join(map(names.identifier, columns))
    rows = connection.rows(f"SELECT {listed} FROM {target} WHERE {_where(key)} FOR UPDATE", _given(key))
    return {column: plain(value) for column, value in zip(columns, rows[0], strict=True)} if rows else None


def put(connection: Connection, target: str, key: Row, *, now: Row | None, then: Row | None) -> None:
    """Bring the row with this key from ``now`` to ``then``: insert, update or delete it."""
    if then is None:
        if now is not None:
            connection.run(f"DELETE FROM {target} WHERE {_where(key)}", _given(key))
    elif now is None:
        listed = ", ".join(map(names.identifier, then))
        places = ", ".join(["%s"] * len(then))
        connection.run(f"INSERT INTO {target} ({listed}) VALUES ({places})", _given(then))
    else:
        assigned = ", ".join(f"{names.identifier(column)} = %s" for column in then)
        connection.run(f"UPDATE {target} SET {assigned} WHERE {_where(key)}", (*_given(then), *_given(key)))


def _where(key: Row) -> str:
    return " AND ".join(f"{names.identifier(column)} = %s" for column in key)


def _given(row: Row) -> tuple[Any, ...]:
    return tuple(bytes.fromhex(value["hex"]) if isinstance(value, dict) else value for value in row.values())
