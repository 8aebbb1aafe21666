"""What tables, views, triggers, routines and events are made of, as short digests that the server computes.

Two statements for any number of databases, and one row for all parts of a kind in a table, because rows are what a
client pays for. Nothing here is text for people: a digest is equal as long as the parts are, on one version of a
server. Reading takes no lock that a writer could hold: information_schema opens tables with a metadata lock that only
an exclusive one excludes.

Source: MariaDB Knowledge Base, "Information Schema Tables", "mysql.proc Table", "mysql.event Table".
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler import errors
from reconciler.ports.mysql import census
from reconciler.ports.mysql import connection as mysql

_LENGTH = 8
# Rows of a group are folded without regard to their order, and without the limit that GROUP_CONCAT has. Groups are
# binary, because information_schema takes names that differ in case only for one.
_FOLDED = "LPAD(HEX(BIT_XOR(CAST(CONV(LEFT(MD5(JSON_ARRAY({})), 16), 16, 10) AS UNSIGNED))), 16, '0')"

# The parts of a table by name. Of this the session's own group_concat_max_len is the limit, and max_allowed_packet.
_TOGETHER = f"JSON_OBJECTAGG({{}}, LEFT({{}}, {_LENGTH}))"

_PARTS = (
    (
        "table",
        "TABLES",
        "TABLE_SCHEMA",
        "TABLE_NAME",
        "",
        "CONCAT_WS(' ', ENGINE, TABLE_COLLATION, NULLIF(TABLE_TYPE, 'BASE TABLE'), "
        "IF(LOCATE(' partitioned ', CONCAT(' ', CREATE_OPTIONS, ' ')), 'PARTITIONED', NULL))",
        "TABLE_TYPE <> 'VIEW'",
        False,
    ),
    (
        "column",
        "COLUMNS",
        "TABLE_SCHEMA",
        "TABLE_NAME",
        "COLUMN_NAME",
        "MD5(JSON_ARRAY(ORDINAL_POSITION, COLUMN_TYPE, IS_NULLABLE, COLUMN_DEFAULT, EXTRA, CHARACTER_SET_NAME, "
        "COLLATION_NAME, GENERATION_EXPRESSION))",
        "",
        False,
    ),
    (
        "key",
        "STATISTICS",
        "TABLE_SCHEMA",
        "TABLE_NAME",
        "INDEX_NAME",
        _FOLDED.format("NON_UNIQUE, SEQ_IN_INDEX, COLUMN_NAME, COLLATION, SUB_PART, INDEX_TYPE"),
        "",
        True,
    ),
    (
        "foreign key",
        "KEY_COLUMN_USAGE",
        "TABLE_SCHEMA",
        "TABLE_NAME",
        "CONSTRAINT_NAME",
        _FOLDED.format("ORDINAL_POSITION, COLUMN_NAME, REFERENCED_TABLE_NAME, REFERENCED_COLUMN_NAME"),
        "REFERENCED_TABLE_NAME IS NOT NULL",
        True,
    ),
    (
        "rule of foreign key",
        "REFERENTIAL_CONSTRAINTS",
        "CONSTRAINT_SCHEMA",
        "TABLE_NAME",
        "CONSTRAINT_NAME",
        "MD5(JSON_ARRAY(UPDATE_RULE, DELETE_RULE))",
        "",
        False,
    ),
    (
        "check",
        "CHECK_CONSTRAINTS",
        "CONSTRAINT_SCHEMA",
        "TABLE_NAME",
        "CONSTRAINT_NAME",
        "MD5(CHECK_CLAUSE)",
        "",
        False,
    ),
    (
        "view",
        "VIEWS",
        "TABLE_SCHEMA",
        "TABLE_NAME",
        "",
        # Without SHOW VIEW the body is empty, and then so is the digest; and also with it, where it is granted by a
        # pattern and SELECT globally: then the server looks at the global privileges alone.
        "IF(VIEW_DEFINITION = '', '', MD5(JSON_ARRAY(VIEW_DEFINITION, CHECK_OPTION, SECURITY_TYPE, DEFINER)))",
        "",
        False,
    ),
    (
        "trigger",
        "TRIGGERS",
        "EVENT_OBJECT_SCHEMA",  # the same as TRIGGER_SCHEMA, and the only one by which the server finds them
        "TRIGGER_NAME",
        "",
        "MD5(JSON_ARRAY(EVENT_OBJECT_TABLE, ACTION_TIMING, EVENT_MANIPULATION, ACTION_ORDER, ACTION_STATEMENT, "
        "DEFINER, SQL_MODE))",
        "",
        False,
    ),
)
_PROGRAMS = (
    "SELECT 'routine', db, CONCAT(LOWER(type), ' ', name), MD5(JSON_ARRAY(MD5(param_list), MD5(`returns`), "
    "MD5(body), sql_data_access, is_deterministic, security_type, definer, sql_mode)) FROM mysql.proc{}",
    # Enabling an event makes whoever does it the definer, so neither is part of what it is.
    "SELECT 'event', db, name, MD5(JSON_ARRAY(MD5(body), interval_value, interval_field, execute_at, starts, ends, "
    "on_completion, sql_mode)) FROM mysql.event{}",
    "SELECT 'definer', db, name, definer FROM mysql.event{}",
)
_VERSION = " UNION ALL SELECT 'version', '', VERSION(), ''"
_OF_TABLES = {
    "column": "columns",
    "key": "keys",
    "foreign key": "foreign keys",
    "rule of foreign key": "rules of foreign keys",
    "check": "checks",
}
PARTS: Mapping[str, str] = {plural: part for part, plural in _OF_TABLES.items()}
"""The parts of a table, by the word under which they are recorded."""


@dataclass(slots=True)
class Anatomy:
    """One database. A table has ``is`` (engine, collation, and whether it has versions of rows or partitions) and, by
    kind of part, digests by name.

    A view whose body may not be seen has an empty digest. ``version`` is the server's, as in ``census``.
    ``definers`` are those of the events, and no part of the shape.
    """

    tables: dict[str, dict[str, str | dict[str, str]]] = field(default_factory=dict)
    views: dict[str, str] = field(default_factory=dict)
    triggers: dict[str, str] = field(default_factory=dict)
    routines: dict[str, str] = field(default_factory=dict)
    events: dict[str, str] = field(default_factory=dict)
    definers: dict[str, str] = field(default_factory=dict)
    version: str = ""

    @property
    def parts(self) -> dict[str, Mapping[str, Any]]:
        """What it is made of, as plain data."""
        return {
            "tables": self.tables,
            "views": self.views,
            "triggers": self.triggers,
            "routines": self.routines,
            "events": self.events,
        }


def read(connection: mysql.Connection, databases: Collection[str]) -> dict[str, Anatomy]:
    """Each database's anatomy; an empty one where nothing is seen.

    Errors: ``census.Unseen`` where the account may not read the system tables, a table is being changed just now, or
    the server cuts its answer off.
    """
    wanted = frozenset(databases)
    few = sorted(wanted) if len(wanted) <= census.NARROW else None
    rows = _rows(connection, " UNION ALL ".join(_part(*part, few=few) for part in _PARTS), len(_PARTS) * (few or []))
    programs = " UNION ALL ".join(part.format(_among("db", few)) for part in _PROGRAMS)
    *rest, (_, _, version, _) = _rows(connection, programs + _VERSION, len(_PROGRAMS) * (few or []))
    found = {database: Anatomy(version=census.release(version)) for database in wanted}
    for what, database, name, said in (*rows, *rest):
        if database not in wanted or name == census.LEDGER:
            continue
        one = found[database]
        match what:
            case "table":
                one.tables[name] = {"is": said, **{plural: {} for plural in _OF_TABLES.values()}}
            case "definer":
                one.definers[name] = said
            case "view" | "trigger" | "routine" | "event":
                getattr(one, f"{what}s")[name] = said[:_LENGTH]
            case _:
                table = one.tables.get(name)  # the columns of views come along, and follow from their bodies
                if table is not None:
                    table[_OF_TABLES[what]] = _together(said, _OF_TABLES[what], f"{database}.{name}")
    return found


def _together(said: str, what: str, table: str) -> dict[str, str]:
    try:
        found: dict[str, str] = json.loads(said)
    except ValueError as error:  # the closing brace is cut off with the rest
        what = f"the {what} of {table}, which are more than the server says in one answer"
        raise census.Unseen(what, "a larger max_allowed_packet") from error
    return found


def views(connection: mysql.Connection, database: str) -> dict[str, str]:
    """The digests of the views of ``database`` alone. Errors: as for ``read``."""
    (part,) = (part for part in _PARTS if part[0] == "view")
    return {name: said[:_LENGTH] for _, _, name, said in _rows(connection, _part(*part, few=[database]), [database])}


def _part(
    what: str,
    table: str,
    schema: str,
    name: str,
    part: str,
    said: str,
    where: str,
    folded: bool,
    *,
    few: list[str] | None,
) -> str:
    among = _among(schema, few)
    source = f"information_schema.{table}{among}" + (f"{' AND ' if among else ' WHERE '}{where}" if where else "")
    if not part:
        return f"SELECT '{what}', {schema}, {name}, {said} FROM {source}"
    by = f"GROUP BY BINARY {schema}, BINARY {name}"
    if folded:
        source = f"(SELECT {schema}, {name}, {part}, {said} AS said FROM {source} {by}, BINARY {part}) AS {table}_parts"
        said = "LOWER(said)"
    return f"SELECT '{what}', {schema}, {name}, {_TOGETHER.format(part, said)} FROM {source} {by}"


def _among(column: str, few: list[str] | None) -> str:
    if few is None:
        return ""
    return f" WHERE {column} IN ({', '.join(['%s'] * len(few))})" if few else " WHERE FALSE"


def _rows(connection: mysql.Connection, statement: str, parameters: list[str]) -> list[tuple[str, ...]]:
    try:
        rows = connection.rows(statement, tuple(parameters))
    except errors.StatementFailed as error:
        if error.errno in mysql.DENIED:
            raise census.Unseen("routines and events of tenants", "SELECT ON mysql.*") from error
        if error.errno in mysql.AGAIN:
            what = "the shape of tables, one of which is being changed"
            raise census.Unseen(what, "the end of that change") from error
        raise
    return [tuple(census.text(value) for value in row) for row in rows]
