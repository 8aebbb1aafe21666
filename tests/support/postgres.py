"""A PostgreSQL under test, for stores: a private one that is started here, or one that the environment names.

Tests get a database of their own from the fixture ``postgres`` in conftest.py.
"""

from __future__ import annotations

import contextlib
import glob
import itertools
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg import sql

from tests.support.server import fast_folder, watched

ROLE = "reconcile"

# Nothing of these servers has to outlive a power cut, and several of them share a small machine.
_QUICK_AND_SMALL = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "shared_buffers": "16MB",
    "max_wal_size": "128MB",
    "max_connections": "100",
    "deadlock_timeout": "100ms",
    "lc_messages": "C",
}

# As in server.py: ends when the test process does, however that ends. QUIT lets it free its shared memory.
_WATCH = r"""
read -r _
pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null)
runs() { [ "$(readlink "/proc/$pid/cwd")" = "$1/data" ]; }
if [ -n "$pid" ] && runs "$1"; then
    kill -QUIT "$pid"
    for _ in 1 2 3 4 5 6 7 8 9 10; do if runs "$1"; then sleep 0.1; fi; done
    if runs "$1"; then kill -9 "$pid"; fi
fi
rm -rf "$1"
"""


@dataclass
class Postgres:
    """A server, with an administrator's address; ``database`` is what a test got for its store."""

    administrator: sa.URL
    database: str = ""
    password: str = field(default="", repr=False)
    _numbers: Iterator[int] = field(default_factory=itertools.count, repr=False)

    @property
    def url(self) -> str:
        """The store's address, as a Platform spec names it: a role that owns its database, and has no other right."""
        return self.address()

    def address(self, **other: Any) -> str:
        """The store's address with something else in it."""
        own = self.administrator.set(
            drivername="postgresql+psycopg", username=ROLE, password=self.password, database=self.database
        )
        return own.set(**other).render_as_string(hide_password=False)

    def run(self, statement: str | sql.Composable, *parameters: Any, database: str = "") -> list[tuple[Any, ...]]:
        """Run a statement as administrator, in the test's database or ``database``; its rows."""
        with self.connect(database) as connection:
            found = connection.execute(statement, parameters or None)  # type: ignore[arg-type]
            return found.fetchall() if found.description else []

    def connect(self, database: str = "") -> psycopg.Connection[Any]:
        """A connection of the administrator, in autocommit mode."""
        where = self.administrator
        return psycopg.connect(
            host=where.host,
            port=where.port or 5432,
            user=where.username,
            password=where.password,
            dbname=database or self.database or where.database,
            autocommit=True,
        )

    def cut(self) -> int:
        """End all sessions of the store; how many."""
        sessions = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = %s AND usename = %s"
        return len(self.run(sessions, self.database, ROLE))

    @contextlib.contextmanager
    def fresh(self, options: str = "") -> Iterator[Postgres]:
        """An empty database that the store's role owns; gone afterwards, with whatever is connected to it."""
        name = f"reconcile_test_{os.getpid()}_{next(self._numbers)}"
        first = self.administrator.database or "postgres"
        made = Postgres(self.administrator, name, self.password)
        self.run(
            sql.SQL("CREATE DATABASE {} OWNER {} " + options).format(sql.Identifier(name), sql.Identifier(ROLE)),  # type: ignore[arg-type]
            database=first,
        )
        try:
            yield made
        finally:
            self.run(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)), database=first)

    def prepare(self) -> None:
        """Make the role that stores log in with, and give it a password."""
        self.password = secrets.token_urlsafe(8) + "@/:%"  # what has to be escaped in an address
        if not self.run("SELECT 1 FROM pg_roles WHERE rolname = %s", ROLE):
            self.run(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(ROLE)))
        self.run(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(ROLE), sql.Literal(self.password)))


def programs() -> Path | None:
    """The folder of PostgreSQL's programs, of the newest version that is installed; None if there is none."""
    if initdb := shutil.which("initdb"):
        found = Path(initdb).resolve().parent
        if (found / "postgres").exists():
            return found
    installed = [Path(path).parent for path in glob.glob("/usr/lib/postgresql/*/bin/initdb")]
    return max(installed, key=lambda path: float(path.parent.name), default=None)


@contextlib.contextmanager
def private(folder_of_programs: Path) -> Iterator[Postgres]:
    """A server of its own in a temporary folder; both are gone afterwards, however this process ends."""
    folder = Path(tempfile.mkdtemp(prefix="reconcile-test-", dir=fast_folder(512)))
    with watched(folder, _WATCH):
        started = _start(folder, folder_of_programs)
        started.prepare()
        yield started


@contextlib.contextmanager
def external(url: str) -> Iterator[Postgres]:
    """The server at ``postgresql+psycopg://…``, whose user may make roles and databases."""
    found = Postgres(sa.make_url(url))
    found.prepare()
    yield found


def _start(folder: Path, programs_: Path) -> Postgres:
    """PostgreSQL refuses to run as root, so then it runs as a user who owns nothing else."""
    as_other: dict[str, Any] = {}
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        as_other = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    password = secrets.token_hex(8)
    given = folder / "password"
    given.write_text(password)
    given.chmod(0o644)  # in a folder that only its owner can enter
    data = folder / "data"
    _run(
        [programs_ / "initdb", "--pgdata", data, "--username", "postgres", "--pwfile", given, "--encoding", "UTF8"],
        *("--locale", "C", "--auth", "scram-sha-256", "--no-sync", "--no-instructions"),
        as_other=as_other,
        folder=folder,
    )
    for attempt in range(5):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        settings = {**_QUICK_AND_SMALL, "listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": ""}
        (data / "postgresql.auto.conf").write_text("".join(f"{key} = '{value}'\n" for key, value in settings.items()))
        try:
            _run(
                [programs_ / "pg_ctl", "start", "--wait", "--silent", "--pgdata", data, "--log", folder / "log"],
                as_other=as_other,
                folder=folder,
            )
            break
        except AssertionError:
            if attempt == 4:  # not only that somebody else took the port
                raise AssertionError((folder / "log").read_text()) from None
    return Postgres(sa.URL.create("postgresql+psycopg", "postgres", password, "127.0.0.1", port, "postgres"))


def _run(words: list[Any], *more: str, as_other: dict[str, Any], folder: Path) -> None:
    done = subprocess.run(
        [*map(str, words), *more],
        cwd=folder,
        env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=False,
        **as_other,
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")
