"""What has to be equal when "exactly the state before" is claimed: databases, accounts, grants, files.

The list is invariant 1 of the architecture. A world is plain data: text keys that a person can read, and
values that compare. Everything is read as the server's administrator, so that nothing is hidden from it.
"""

from __future__ import annotations

import difflib
import json
import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from tests.support import server as servers

Facts = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class World:
    """One moment. Keys begin with the server's label, or are the files' paths."""

    databases: Facts
    """Character set, collation and comment of each database."""
    dumps: Mapping[str, bytes]
    """Text of each database: tables, rows, views, routines, triggers, events."""
    accounts: Facts
    """Plugins with hashes, locked, expired, limits, TLS, default role of each account and role."""
    grants: Facts
    """Privileges of each account at each level, roles and proxies, as sets."""
    files: Facts
    """Kind, mode and content (or target) of everything below the folders."""

    def difference(self, other: World) -> list[str]:
        """What ``other`` has that this has not, and the reverse; empty when they are equal."""
        lines = []
        for part in fields(self):
            mine, theirs = getattr(self, part.name), getattr(other, part.name)
            for key in sorted(mine.keys() | theirs.keys()):
                if key not in theirs:
                    lines.append(f"{part.name}: {key} is gone (was {_short(mine[key])})")
                elif key not in mine:
                    lines.append(f"{part.name}: {key} is new ({_short(theirs[key])})")
                elif mine[key] != theirs[key]:
                    lines += (f"{part.name}: {key}: {change}" for change in _changes(mine[key], theirs[key]))
        return lines


def snapshot(server: servers.Server | Sequence[servers.Server], directories: Iterable[Path] = ()) -> World:
    """Read the world: all databases and accounts of the servers, everything below the directories.

    One mariadb-dump serves all databases of a server, and none is started where there is no database.
    """
    databases: dict[str, Any] = {}
    dumps: dict[str, bytes] = {}
    accounts: dict[str, Any] = {}
    grants: dict[str, Any] = {}
    for one in [server] if isinstance(server, servers.Server) else server:
        found = _databases(one)
        databases |= {f"{one.label} {name}": facts for name, facts in found.items()}
        dumps |= {f"{one.label} {name}": text for name, text in one.dump(sorted(found)).items()}
        accounts |= {f"{one.label} {name}": facts for name, facts in _accounts(one).items()}
        grants |= {f"{one.label} {name}": facts for name, facts in _grants(one)}
    files = {str(path): facts for folder in directories for path, facts in _files(folder)}
    return World(databases, dumps, accounts, grants, files)


# --- the server --------------------------------------------------------------------------------------------


def _databases(server: servers.Server) -> dict[str, Any]:
    rows = server.sql(
        "SELECT SCHEMA_NAME, DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME, SCHEMA_COMMENT"
        " FROM information_schema.SCHEMATA"
    )
    return {name: tuple(facts) for name, *facts in rows if name not in servers.SYSTEM_DATABASES}


def _who(user: str, host: str) -> str:
    return f"{user!r}@{host!r}" if host else f"role {user!r}"


def _accounts(server: servers.Server) -> dict[str, Any]:
    """Every account out of mysql.global_priv, without what changes by itself (dates, the server's version).

    Of two passwords that are both valid, `auth_or` holds the second; `{}` there stands for the first, and
    stays behind when the second has been dropped. The date 0 says that a password was made to expire, and the
    lifetime -1, as if there were none, that the server's default holds.
    """
    accounts = {}
    for host, user, text in server.sql("SELECT Host, User, Priv FROM mysql.global_priv"):
        facts = json.loads(text)
        logins = [facts, *(way for way in facts.get("auth_or", ()) if way)]
        accounts[_who(user, host)] = {
            "logins": frozenset((way.get("plugin", ""), way.get("authentication_string", "")) for way in logins),
            "locked": bool(facts.get("account_locked", False)),
            "role": bool(facts.get("is_role", False)),
            "default role": facts.get("default_role", ""),
            "expired": facts.get("password_last_changed") == 0,
            "lifetime": facts.get("password_lifetime", -1),
            **{key: facts[key] for key in sorted(facts) if key.startswith(("max_", "ssl_", "x509_"))},
        }
    return accounts


def _grants(server: servers.Server) -> Iterator[tuple[str, Any]]:
    """Every privilege of every account, per level; who granted it, and when, is no part of it."""
    for host, user, text in server.sql("SELECT Host, User, Priv FROM mysql.global_priv"):
        # A bit a privilege, in the server's own order (privilege_t of sql/privilege.h).
        yield f"{_who(user, host)} on *.*", _bits(json.loads(text).get("access", 0))
    for facts in server.records("SELECT * FROM mysql.db"):
        held = frozenset(name.removesuffix("_priv") for name, set_ in facts.items() if set_ == "Y")
        yield f"{_who(facts['User'], facts['Host'])} on {facts['Db']}.*", held
    for host, user, database, table, held, columns in server.sql(
        "SELECT Host, User, Db, Table_name, Table_priv, Column_priv FROM mysql.tables_priv"
    ):
        key = f"{_who(user, host)} on table {database}.{table}"
        yield key, _words(held) | {f"columns: {word}" for word in _words(columns)}
    for host, user, database, table, column, held in server.sql(
        "SELECT Host, User, Db, Table_name, Column_name, Column_priv FROM mysql.columns_priv"
    ):
        yield f"{_who(user, host)} on column {database}.{table}.{column}", _words(held)
    for host, user, database, kind, routine, held in server.sql(
        "SELECT Host, User, Db, Routine_type, Routine_name, Proc_priv FROM mysql.procs_priv"
    ):
        yield f"{_who(user, host)} on {kind.lower()} {database}.{routine}", _words(held)
    for host, user, role, admin in server.sql("SELECT Host, User, Role, Admin_option FROM mysql.roles_mapping"):
        yield f"{_who(user, host)} has role {role!r}", {"admin option": admin}
    for host, user, proxied_host, proxied_user, grant in server.sql(
        "SELECT Host, User, Proxied_host, Proxied_user, With_grant FROM mysql.proxies_priv"
    ):
        yield f"{_who(user, host)} is proxy for {_who(proxied_user, proxied_host)}", {"grant option": bool(grant)}


def _words(text: str | None) -> frozenset[str]:
    return frozenset(filter(None, (text or "").split(",")))


def _bits(number: int) -> frozenset[int]:
    return frozenset(bit for bit in range(64) if number >> bit & 1)


# --- files -------------------------------------------------------------------------------------------------


def _files(path: Path) -> Iterator[tuple[Path, tuple[Any, ...]]]:
    """The thing at ``path`` and everything below it; links are not followed. Nothing there yields nothing."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    mode = f"{stat.S_IMODE(status.st_mode):04o}"
    if stat.S_ISLNK(status.st_mode):
        yield path, ("link", mode, os.readlink(path))
    elif stat.S_ISDIR(status.st_mode):
        yield path, ("folder", mode)
        for child in sorted(path.iterdir()):
            yield from _files(child)
    elif stat.S_ISREG(status.st_mode):
        yield path, ("file", mode, path.read_bytes())
    else:
        yield path, ("special", mode, stat.S_IFMT(status.st_mode))


# --- differences in words ----------------------------------------------------------------------------------


def _changes(before: Any, after: Any) -> Iterator[str]:
    if isinstance(before, bytes) and isinstance(after, bytes):
        old, new = (text.decode(errors="backslashreplace").splitlines() for text in (before, after))
        edits = list(difflib.unified_diff(old, new, lineterm="", n=0))[2:]  # behind its two lines of header
        changed = [line for line in edits if not line.startswith("@@")]
        yield from (_short(line) for line in changed[:20])
        if len(changed) > 20:
            yield f"… and {len(changed) - 20} more lines"
    elif isinstance(before, frozenset) and isinstance(after, frozenset):
        if lost := before - after:
            yield f"lost {_short(sorted(lost))}"
        if gained := after - before:
            yield f"gained {_short(sorted(gained))}"
    elif isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            if before.get(key) != after.get(key):
                yield f"{key}: {_short(before.get(key))} → {_short(after.get(key))}"
    else:
        yield f"{_short(before)} → {_short(after)}"


def _short(value: object) -> str:
    if isinstance(value, frozenset):
        value = sorted(value)
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 200 else f"{text[:160]} … ({len(text)} characters)"
