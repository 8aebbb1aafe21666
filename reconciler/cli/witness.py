"""What stands on a private server and in a folder, seen without the engine, to prove what is left and what is not.

The server's own root account and the server's own dump program look: were the engine asked, it would confirm itself.
"""

from __future__ import annotations

import hashlib
import json
import re
import stat
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from reconciler import errors
from reconciler.model.server import Server
from reconciler.ports import devserver
from reconciler.ports.mysql import connection as mysql
from reconciler.ports.mysql import names

_SYSTEM = frozenset({"information_schema", "mysql", "performance_schema", "sys"})
_DUMP = ("--no-defaults", "--user=root", "--routines", "--triggers", "--events", "--order-by-primary", "--hex-blob")
# A row that was rolled back uses a number up; that is all that may differ.
_COUNTER = re.compile(rb"(?m)^(\) ENGINE=\w+) AUTO_INCREMENT=\d+")
_PRIVILEGES = (
    "SELECT GRANTEE, '*.*', PRIVILEGE_TYPE, IS_GRANTABLE FROM information_schema.USER_PRIVILEGES",
    "SELECT GRANTEE, TABLE_SCHEMA, PRIVILEGE_TYPE, IS_GRANTABLE FROM information_schema.SCHEMA_PRIVILEGES",
    "SELECT GRANTEE, CONCAT_WS('.', TABLE_SCHEMA, TABLE_NAME), PRIVILEGE_TYPE, IS_GRANTABLE "
    "FROM information_schema.TABLE_PRIVILEGES",
    "SELECT CONCAT_WS('@', User, Host), CONCAT_WS('.', Db, Routine_name), Proc_priv, '' FROM mysql.procs_priv",
    "SELECT CONCAT_WS('@', User, Host), Role, 'role', Admin_option FROM mysql.roles_mapping",
)


@dataclass(frozen=True, slots=True)
class World:
    """One moment: what there is, by name, each with a text that is equal as long as the thing is."""

    databases: Mapping[str, str]
    accounts: Mapping[str, str]
    privileges: Mapping[str, str]
    central_rows: Mapping[str, str]
    delivered_files: Mapping[str, str]

    def parts(self) -> Iterator[tuple[str, Mapping[str, str]]]:
        """Each kind of thing, with its name for people."""
        for field in fields(self):
            yield field.name.replace("_", " "), getattr(self, field.name)

    def difference(self, later: World) -> list[str]:
        """What is new, gone or changed in ``later``; empty when nothing is."""
        lines = []
        for (what, mine), (_, theirs) in zip(self.parts(), later.parts(), strict=True):
            lines += [f"{what}: {name} is new" for name in sorted(theirs.keys() - mine.keys())]
            lines += [f"{what}: {name} is gone" for name in sorted(mine.keys() - theirs.keys())]
            lines += [f"{what}: {name} changed" for name in sorted(mine) if mine[name] != theirs.get(name, mine[name])]
        return lines


def look(dev: devserver.DevServer, deliveries: Path, central: str) -> World:
    """Everything on the server ``dev`` and below ``deliveries``. Errors: ``PlatformMisconfigured``, ``StepFailed``."""
    connection = as_root(dev)
    try:
        databases = [str(row[0]) for row in connection.rows("SHOW DATABASES") if row[0] not in _SYSTEM]
        return World(
            databases={name: _dumped(dev, name) for name in databases},
            accounts=dict(_accounts(connection)),
            privileges=dict(_privileges(connection)),
            central_rows=dict(_rows(connection, central)) if central in databases else {},
            delivered_files=dict(_files(deliveries, deliveries)),
        )
    finally:
        connection.close()


def as_root(dev: devserver.DevServer) -> mysql.Connection:
    """A connection as the administrator of a private server. The caller closes it."""
    return mysql.connect(Server("dev", socket=str(dev.endpoint.socket), user="root"), password="")


def _dumped(dev: devserver.DevServer, database: str) -> str:
    program = devserver.find_program("mariadb-dump")
    if program is None:
        raise errors.PlatformMisconfigured("mariadb-dump is not installed; it comes with MariaDB's client programs")
    command = [program, *_DUMP, f"--socket={dev.endpoint.socket}", "--skip-comments", "--databases", database]
    done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, check=False)  # noqa: S603 - no shell
    if done.returncode != 0:
        raise errors.StepFailed(f"mariadb-dump of {database} failed: {done.stderr.decode(errors='replace').strip()}")
    return _digest(_COUNTER.sub(rb"\1", done.stdout))


def _accounts(connection: mysql.Connection) -> Iterator[tuple[str, str]]:
    for user, host, text in connection.rows("SELECT User, Host, Priv FROM mysql.global_priv"):
        facts = json.loads(text)
        facts.pop("password_last_changed", None)
        yield f"{user}@{host}", json.dumps(facts, sort_keys=True)


def _privileges(connection: mysql.Connection) -> Iterator[tuple[str, str]]:
    for statement in _PRIVILEGES:
        for account, level, privilege, grantable in connection.rows(statement):
            yield f"{privilege} on {level} to {account}", str(grantable)


def _rows(connection: mysql.Connection, database: str) -> Iterator[tuple[str, str]]:
    """Each row of a database's tables, named by its table and primary key."""
    tables = "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s AND TABLE_TYPE = 'BASE TABLE'"
    columns = (
        "SELECT COLUMN_NAME, COLUMN_KEY = 'PRI' FROM information_schema.COLUMNS "
        "WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s ORDER BY ORDINAL_POSITION"
    )
    for (table,) in connection.rows(tables, (database,)):
        described = connection.rows(columns, (database, table))
        listed = ", ".join(names.identifier(str(column)) for column, _ in described)
        for row in connection.rows(f"SELECT {listed} FROM {names.qualified(database, str(table))}"):
            key = [str(value) for (_, primary), value in zip(described, row, strict=True) if primary]
            yield " ".join([str(table), *key]), repr(row)


def _files(folder: Path, root: Path) -> Iterator[tuple[str, str]]:
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        status = path.lstat()
        mode = f"{stat.S_IMODE(status.st_mode):04o}"
        name = path.relative_to(root).as_posix()
        if stat.S_ISDIR(status.st_mode):
            yield f"{name}/", mode
            yield from _files(path, root)
        else:
            content = path.read_bytes() if stat.S_ISREG(status.st_mode) else b""
            yield name, f"{mode} {_digest(content)}"


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
