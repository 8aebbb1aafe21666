"""How grants on routines stand in ``mysql.procs_priv``, and how they are taken away.

A server writes the names of a routine and its database there as if their octets were latin1, cut to 64 characters
(measured on MariaDB 10.11): of ``año`` it makes ``aÃ±o``. When it reads its tables again, at a start or by FLUSH
PRIVILEGES, it takes that for the name. From then on the privilege lets nobody in, and no REVOKE finds it, until it is
granted once more.

The grants on packages take another sql_mode than ours, so here they are only named.

Source: MariaDB Knowledge Base, "mysql.procs_priv Table", "GRANT"; "Oracle Mode" on packages.
"""

from __future__ import annotations

from typing import Final

from reconciler.ports.mysql import names

UNFOUND: Final = frozenset({1305, 1403})
"""What a server says of a routine that is not there, and of a grant on one that is not there."""

_PACKAGES: Final = ("PACKAGE BODY", "PACKAGE")
_UNASSIGNED: Final = frozenset(b"\x81\x8d\x8f\x90\x9d")  # in cp1252; in a server's latin1 they stand for themselves
_LONGEST: Final = 64


def named(kept: str) -> str:
    """The name that a server keeps as ``kept``; the same where it can't have come about so."""
    if kept.isascii():
        return kept
    try:
        octets = (bytes((ord(c),)) if ord(c) in _UNASSIGNED else c.encode("cp1252") for c in kept)
        return b"".join(octets).decode()
    except UnicodeError:
        return kept


def parts(object_: str) -> tuple[str, str]:
    """Type and name of a routine, given both in one."""
    for kind in _PACKAGES:
        if object_.startswith(f"{kind} "):
            return kind, object_.removeprefix(f"{kind} ")
    kind, _, name = object_.partition(" ")
    return kind, name


def target(database: str, object_: str) -> str:
    """The routine as GRANT and REVOKE name it."""
    kind, name = parts(object_)
    return f"{kind} {names.qualified(database, name)}"


def grantable(object_: str) -> bool:
    """Whether our statements can grant and revoke privileges on it."""
    return parts(object_)[0] not in _PACKAGES


def findable(database: str, object_: str) -> bool:
    """Whether a REVOKE finds the grants on it whenever they were made."""
    return grantable(object_) and database.isascii() and object_.isascii()


def deletion(user: str, host: str, database: str, object_: str) -> str:
    """What an administrator runs to take away all privileges on it where no REVOKE would."""
    kind, name = parts(object_)
    row = {"User": user, "Host": host, "Db": database, "Routine_type": kind, "Routine_name": name}
    where = " AND ".join(f"{column} {_is(value)}" for column, value in row.items())
    return f"DELETE FROM mysql.procs_priv WHERE {where}; FLUSH PRIVILEGES;"


def _is(value: str) -> str:
    if value.isascii():
        return f"= {names.text(value)}"
    kept = "".join(chr(octet) if octet in _UNASSIGNED else bytes((octet,)).decode("cp1252") for octet in value.encode())
    return f"IN ({names.text(value)}, {names.text(kept[:_LONGEST])})"
