"""A database server under test: a private one that is started here, or one that the environment names.

Tests get it from the fixtures ``server``, ``clean_server`` and ``any_server`` in conftest.py.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
import urllib.parse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pymysql
import pymysql.cursors
from pymysql.constants import CLIENT, ER

from reconciler.ports import devserver

Rows = list[tuple[Any, ...]]

SYSTEM_DATABASES = frozenset({"mysql", "sys", "information_schema", "performance_schema"})
GRANT_TABLES = ("global_priv", "db", "tables_priv", "columns_priv", "procs_priv", "roles_mapping", "proxies_priv")

# Nothing of these servers has to outlive a power cut of the machine (a kill of the server it survives), and
# four of them share a small machine.
QUICK_AND_SMALL = (
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-doublewrite=0",
    "--innodb-stats-persistent=OFF",
    "--innodb-use-native-aio=0",
    "--innodb-buffer-pool-size=48M",
    "--innodb-log-buffer-size=2M",
    "--innodb-read-io-threads=1",
    "--innodb-write-io-threads=2",
    "--innodb-purge-threads=1",
    "--innodb-buffer-pool-dump-at-shutdown=0",
    "--innodb-buffer-pool-load-at-startup=0",
    "--key-buffer-size=1M",
    "--aria-pagecache-buffer-size=8M",
    "--performance-schema=OFF",
    "--event-scheduler=ON",
    "--max-connections=200",
)

# Holds the read end of a pipe whose other end only the test process has: it closes when that ends, however it
# ends, so that not even a `kill -9` of a test worker leaves a server or its folder behind.
_WATCH = r"""
read -r _
pid=$(cat "$1/server.pid" 2>/dev/null) && tr '\0' '\n' <"/proc/$pid/cmdline" 2>/dev/null |
    grep -qxF -- "--datadir=$1/data" && kill -9 "$pid"
rm -rf "$1"
"""


@dataclass
class Server:
    """One server, with an administrator's account.

    ``dev`` is its process, for tests that stop or kill it; None for a server that was not started here.
    ``user`` and ``password`` are what a DatabaseServer spec would name (the provisioning account).
    """

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    dev: devserver.DevServer | None = None
    administrator: dict[str, Any] = field(default_factory=dict, repr=False)
    """Arguments of pymysql.connect for the administrator."""

    def __post_init__(self) -> None:
        self._lock = threading.RLock()
        self._connection: pymysql.Connection[pymysql.cursors.Cursor] | None = None
        self._baseline = {table: self._grant_rows(table) for table in GRANT_TABLES}

    @property
    def label(self) -> str:
        """A short name that is equal over restarts."""
        return f"{self.host}:{self.port}"

    # --- statements ---------------------------------------------------------------------------------------

    def root(self, **options: Any) -> pymysql.Connection[pymysql.cursors.Cursor]:
        """A new connection as administrator, in autocommit. The caller closes it."""
        settings = {"autocommit": True, "charset": "utf8mb4", "connect_timeout": 10, **self.administrator}
        return pymysql.connect(**{**settings, **options})

    def connect(self, user: str, password: str, **options: Any) -> pymysql.Connection[pymysql.cursors.Cursor]:
        """A new connection over TCP as anyone else, in autocommit. The caller closes it."""
        settings = {"host": self.host, "port": self.port, "user": user, "password": password}
        # Where nobody asked for TLS, pymysql offers it, and reads all authorities of the system for each connection.
        settings["ssl_disabled"] = self.dev is not None and not any(name.startswith("ssl") for name in options)
        return pymysql.connect(
            **{"autocommit": True, "charset": "utf8mb4", "connect_timeout": 10, **settings, **options}
        )

    def sql(self, text: str, *params: object) -> Rows:
        """Run one statement as administrator, on a connection that is kept. ``%s`` takes the parameters."""
        return self._run(text, params)[1]

    def records(self, text: str, *params: object) -> list[dict[str, Any]]:
        """The same, each row with the names of its columns."""
        names, rows = self._run(text, params)
        return [dict(zip(names, row, strict=True)) for row in rows]

    def run(self, script: bytes) -> None:
        """Run what ``script`` gave, in one round trip; programs, which need a delimiter of their own, it can't have."""
        connection = self.root(client_flag=CLIENT.MULTI_STATEMENTS)
        with contextlib.closing(connection), connection.cursor() as cursor:
            cursor.execute(script)
            while cursor.nextset():
                pass

    def _run(self, text: str, params: tuple[object, ...]) -> tuple[list[str], Rows]:
        with self._lock:
            if self._connection is None or not _alive(self._connection):
                self._connection = self.root()
            with self._connection.cursor() as cursor:
                cursor.execute(text, params or None)
                return [column[0] for column in cursor.description or ()], list(cursor.fetchall())

    def databases(self) -> list[str]:
        """Names of all databases that are not the server's own, sorted."""
        return sorted(name for (name,) in self.sql("SHOW DATABASES") if name not in SYSTEM_DATABASES)

    # --- dumps --------------------------------------------------------------------------------------------

    def dump(self, databases: Sequence[str] | None = None) -> dict[str, bytes]:
        """Every database (or those named) as text that is equal when the databases are equal.

        One process for all of them. AUTO_INCREMENT of a table is left out: a row that was rolled back uses a
        number up.
        """
        names = self.databases() if databases is None else list(databases)
        return _split_dump(_AUTO_INCREMENT.sub(rb"\1", self.script(names)), names) if names else {}

    def script(self, names: Sequence[str]) -> bytes:
        """What makes these databases."""
        arguments, environment = self._client_arguments()
        done = subprocess.run(
            ["mariadb-dump", "--no-defaults", *arguments, *_DUMP_OPTIONS, "--databases", *names],
            env={**os.environ, **environment},
            capture_output=True,
            check=False,
        )
        if done.returncode != 0:
            raise AssertionError(f"mariadb-dump of {names} failed: {done.stderr.decode(errors='replace')}")
        return done.stdout

    def load(self, database: str, script: bytes) -> None:
        """Run a script in ``database`` with the official client, as administrator."""
        arguments, environment = self._client_arguments()
        done = subprocess.run(
            ["mariadb", "--no-defaults", *arguments, "--default-character-set=utf8mb4", database],
            env={**os.environ, **environment},
            input=script,
            capture_output=True,
            check=False,
        )
        if done.returncode != 0:
            raise AssertionError(f"the client could not load it: {done.stderr.decode(errors='replace')}")

    def _client_arguments(self) -> tuple[list[str], dict[str, str]]:
        known = {"unix_socket": "socket", "host": "host", "port": "port", "user": "user"}
        arguments = [f"--{known[key]}={value}" for key, value in self.administrator.items() if key in known]
        password = self.administrator.get("password")
        return arguments, {"MYSQL_PWD": password} if password else {}

    # --- an empty world -----------------------------------------------------------------------------------

    def wipe(self) -> None:
        """Make the server what it was when the tests got it: no databases, no accounts but the first ones.

        Sessions of others are ended, for an open transaction would make the drops wait. Starts a private
        server that a test left stopped.
        """
        if self.dev is not None and not self.dev.running():
            self.dev.start()
        with self._lock:
            self._end_other_sessions()
            for name in self.databases():
                self._drop(name)
            if not self.has_first_accounts():
                self._restore_grants()

    def has_first_accounts(self) -> bool:
        """Whether there are the accounts that the tests got it with, each with its privileges, and no others."""
        return all(self._grant_rows(table) == rows for table, rows in self._baseline.items())

    def _end_other_sessions(self) -> None:
        mine = self.sql("SELECT CONNECTION_ID()")[0][0]
        others = "SELECT id FROM information_schema.PROCESSLIST WHERE id <> %s AND command <> 'Daemon'"
        deadline = time.monotonic() + 10
        while rows := self.sql(others, mine):
            for (number,) in rows:
                with contextlib.suppress(pymysql.MySQLError):  # it ended by itself meanwhile
                    self.sql(f"KILL {number}")
            if time.monotonic() > deadline:
                raise AssertionError(f"{self.label}: sessions {rows} did not end within 10 s")
            time.sleep(0.002)

    def _drop(self, name: str) -> None:
        quoted = name.replace("`", "``")
        try:
            self.sql(f"DROP DATABASE `{quoted}`")
        except pymysql.MySQLError as error:
            # A file of no table is in its folder, and every later test would fail of it.
            if self.dev is None or error.args[0] != ER.DB_DROP_RMDIR:
                raise
            shutil.rmtree(self.dev.data / name)

    def _grant_rows(self, table: str) -> Rows:
        return sorted(self.sql(f"SELECT * FROM mysql.{table}"), key=repr)

    def _restore_grants(self) -> None:
        for table, rows in self._baseline.items():
            self.sql(f"DELETE FROM mysql.{table}")
            for row in rows:
                self.sql(f"INSERT INTO mysql.{table} VALUES ({', '.join(['%s'] * len(row))})", *row)
        self.sql("FLUSH PRIVILEGES")

    def close(self) -> None:
        """Close the connection that ``sql`` keeps."""
        with self._lock:
            if self._connection is not None:
                with contextlib.suppress(pymysql.MySQLError):
                    self._connection.close()
                self._connection = None


def _alive(connection: pymysql.Connection[pymysql.cursors.Cursor]) -> bool:
    try:
        connection.ping(reconnect=False)
    except pymysql.MySQLError:
        return False
    return True


_DUMP_OPTIONS = (
    "--default-character-set=utf8mb4",
    "--routines",
    "--triggers",
    "--events",
    "--order-by-primary",
    "--skip-comments",
    "--skip-extended-insert",
    "--hex-blob",
    "--skip-lock-tables",
    "--skip-add-locks",
    "--skip-no-autocommit",  # from 11.8 on, lines about it stand between the tables
)
_AUTO_INCREMENT = re.compile(rb"(?m)^(\) ENGINE=\w+) AUTO_INCREMENT=\d+")


def _split_dump(text: bytes, names: Sequence[str]) -> dict[str, bytes]:
    parts: dict[str, bytes] = {}
    starts = []
    at = 0
    for name in names:  # in the order in which they were asked for
        quoted = name.replace("`", "``").encode()
        at = text.index(b"\nCREATE DATABASE /*!32312 IF NOT EXISTS*/ `" + quoted + b"`", at) + 1
        starts.append(at)
    for name, start, end in zip(names, starts, [*starts[1:], len(text)], strict=True):
        parts[name] = text[start:end]
    return parts


# --- where servers come from -------------------------------------------------------------------------------


def fast_folder(need_mb: int = 1024) -> str | None:
    """A folder in memory with room for ``need_mb`` MB, or None: then the system's temporary folder serves."""
    memory = "/dev/shm"  # noqa: S108 - mkdtemp makes the folder in it
    if not (os.path.ismount(memory) and os.access(memory, os.W_OK)):
        return None
    room = os.statvfs(memory)
    return memory if room.f_bavail * room.f_frsize >= need_mb * 1024 * 1024 else None


@contextlib.contextmanager
def private_server(*options: str, on_disk: bool = False) -> Iterator[Server]:
    """A server of its own in a temporary folder; both are gone afterwards, however this process ends.

    ``on_disk``: in the system's temporary folder, though there is room in memory.
    """
    folder = Path(tempfile.mkdtemp(prefix="reconcile-test-", dir=None if on_disk else fast_folder()))
    with watched(folder):
        dev = devserver.DevServer(folder, options=(*QUICK_AND_SMALL, *options))
        try:
            where = dev.start()
            server = Server(
                where.host,
                where.port,
                devserver.PROVISIONER,
                dev.password,
                dev,
                {"unix_socket": str(where.socket), "user": "root", "ssl_disabled": True},
            )
            try:
                yield server
            finally:
                server.close()
        finally:
            dev.kill()  # quicker than an orderly end
            dev.stop()  # clears the folder of a socket that had to stand elsewhere
            shutil.rmtree(folder)


@contextlib.contextmanager
def watched(folder: Path, script: str = _WATCH) -> Iterator[None]:
    """While this lasts, a shell that waits for the end of this process, and then runs ``script`` over ``folder``."""
    watcher = subprocess.Popen(
        ["/bin/sh", "-c", script, "sh", str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # a signal to the tests' process group must not reach it
    )
    try:
        yield
    finally:
        watcher.communicate()


@contextlib.contextmanager
def external_server(url: str) -> Iterator[Server]:
    """The server at ``mysql://user:password@host:port``. It must be empty, because the tests wipe it."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme != "mysql" or not parts.hostname or not parts.username:
        raise AssertionError("RECONCILE_TEST_SERVER must read mysql://user:password@host:port")
    user, password = urllib.parse.unquote(parts.username), urllib.parse.unquote(parts.password or "")
    port = parts.port or 3306
    login = {"host": parts.hostname, "port": port, "user": user, "password": password}
    server = Server(parts.hostname, port, user, password, None, login)
    try:
        if names := server.databases():
            raise AssertionError(f"{server.label} holds {len(names)} databases ({names[0]} …); tests would drop them")
        yield server
        server.wipe()
    finally:
        server.close()
