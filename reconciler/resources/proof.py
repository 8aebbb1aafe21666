"""What is proven of an import: it could touch nothing but its database, and all that it made can be used.

A dump that switched foreign key checks off may leave keys that lead nowhere, and views and routines are only looked at
when somebody uses them.

Source: MariaDB Knowledge Base, "Information Schema REFERENTIAL_CONSTRAINTS Table", "SHOW CREATE PROCEDURE", "PREPARE".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reconciler import errors
from reconciler.ports.mysql import anatomy, everybody, names
from reconciler.ports.mysql.connection import Connection

_REACH = (
    "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA UNION ALL "
    "SELECT CONCAT('*.* ', PRIVILEGE_TYPE) FROM information_schema.USER_PRIVILEGES WHERE PRIVILEGE_TYPE <> 'USAGE'"
)
_KEYS = (
    "SELECT TABLE_NAME, CONSTRAINT_NAME, IF(UNIQUE_CONSTRAINT_SCHEMA = DATABASE(), REFERENCED_TABLE_NAME, '') "
    "FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = DATABASE()"
)
_PROBES = 200  # a packet


def reach(own: Connection, database: str) -> None:
    """That the account can touch ``database`` and nothing of anybody else's, so that what it will run can't either.

    Errors: ``VerificationFailed`` with what else it reaches.
    """
    listed = {str(row[0]) for row in own.rows(_REACH)} - {database, "information_schema"}
    more = {name for name in listed if not everybody.playground(name)}
    if more:
        raise errors.VerificationFailed(
            f"the account {own.user} on {own.server.name} could import into more than {database}: it reaches "
            f"{', '.join(sorted(more))}"
        )


def usable(own: Connection, found: anatomy.Anatomy) -> dict[str, int]:
    """How many of everything that was ``found`` in the database there is, after all of it was opened.

    Errors: ``VerificationFailed`` with everything that can't be used.
    """
    tables = [name for name, table in found.tables.items() if not str(table["is"]).endswith(" SEQUENCE")]
    keys = sum(len(table["foreign keys"]) for table in found.tables.values())
    there = {name.casefold() for name in tables}
    faults = [
        f"foreign key {table}.{key}: there is no table {target} that it could refer to"
        for table, key, target in (own.rows(_KEYS) if keys else ())
        if str(target).casefold() not in there
    ]
    faults += _unusable(own, found.views, found.routines)
    if faults:
        raise errors.VerificationFailed(
            f"of what was imported into the database of {own.user} not all can be used: {'; '.join(faults[:10])}"
            f"{f'; and {len(faults) - 10} more' * (len(faults) > 10)}",
            advice="Mend the SQL file: what is named there is missing, or has other columns. Nothing is left of it.",
        )
    return {
        "tables": len(tables),
        "views": len(found.views),
        "triggers": len(found.triggers),
        "routines": len(found.routines),
        "events": len(found.events),
        "sequences": len(found.tables) - len(tables),
        "foreign keys": keys,
    }


def _unusable(own: Connection, views: Iterable[str], routines: Iterable[str]) -> Iterator[str]:
    """Opens views and routines without running them, many a packet; after one that fails the others go on."""
    probes = [(f"view {view}", f"SELECT * FROM {names.identifier(view)}") for view in views]
    todo = [(what, b"PREPARE reconciler FROM " + names.text(text).encode()) for what, text in probes]
    for routine in routines:
        kind, _, name = routine.partition(" ")
        todo.append((routine, f"SHOW CREATE {kind} {names.identifier(name)}".encode()))
    while todo:
        packet = todo[:_PROBES]
        try:
            own.packet([text for _, text in packet])
            todo = todo[len(packet) :]
        except errors.StatementFailed as error:
            yield f"{packet[error.at][0]}: {error.message}"
            todo = todo[error.at + 1 :]
