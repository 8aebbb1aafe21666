"""Privileges as sets: the names behind the columns of ``mysql.db``, and what ALL means on a server's version.

Source: MariaDB Knowledge Base, "GRANT" and "mysql.db Table"; the set grew in 10.3.4 (DELETE HISTORY) and 11.3.0
(SHOW CREATE ROUTINE), so it is read from the server's own columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

from reconciler.ports.mysql.connection import Connection

GRANT_OPTION = "GRANT OPTION"
_SUFFIX = "_priv"
_IRREGULAR = {"Grant": GRANT_OPTION, "Create_tmp_table": "CREATE TEMPORARY TABLES"}
_SYNONYMS = {
    "DELETE VERSIONING ROWS": "DELETE HISTORY",
    "GRANT": GRANT_OPTION,
    "CREATE TMP TABLE": "CREATE TEMPORARY TABLES",
}

_of_databases: dict[tuple[str, str], tuple[str, ...]] = {}
"""The columns of mysql.db as they were seen last, by a server's address and the version that it greets with."""


def columns_of(
    connection: Connection, ask: Callable[[str], list[tuple[Any, ...]]] | None = None, *, again: bool = True
) -> tuple[str, ...]:
    """The columns of ``mysql.db``, by ``ask`` instead of ``connection.rows``; not ``again`` if they are known.

    Errors: ``StatementFailed``.
    """
    key = connection.server.address, connection.greeting
    if again or key not in _of_databases:
        found = (ask or connection.rows)("SHOW COLUMNS FROM mysql.db")
        _of_databases[key] = tuple(str(row[0]) for row in found)
    return _of_databases[key]


def columns(among: Iterable[str]) -> list[str]:
    """The columns of ``mysql.db`` that stand for a privilege."""
    return [column for column in among if column.endswith(_SUFFIX)]


def held(flags: Mapping[str, str]) -> frozenset[str]:
    """The privileges of one row of ``mysql.db``, given such columns: those with ``Y``, GRANT OPTION among them."""
    return frozenset(_name(column) for column, value in flags.items() if value == "Y")


def expanded(of_table: Iterable[str]) -> frozenset[str]:
    """What ALL PRIVILEGES stands for, given the columns of ``mysql.db``; without GRANT OPTION."""
    return frozenset(map(_name, columns(of_table))) - {GRANT_OPTION}


def super_holds_the_rest(version: str) -> bool:
    """Whether SUPER still holds what was split off it (CONNECTION ADMIN, SET USER …): on servers before 11.0."""
    return int(version.removeprefix("5.5.5-").split(".")[0]) < 11


def listed(text: str) -> frozenset[str]:
    """The privileges of a SET column's text (``Select,Insert,Create View``)."""
    return frozenset(normal(part) for part in text.split(",") if part)


def normal(privilege: str) -> str:
    """A privilege's one name, in capitals."""
    upper = " ".join(privilege.upper().split())
    return _SYNONYMS.get(upper, upper)


@cache
def _name(column: str) -> str:
    stem = column.removesuffix(_SUFFIX)
    return _IRREGULAR.get(stem, stem.replace("_", " ").upper())
