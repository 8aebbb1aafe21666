"""The databases that a store can be in: how each is addressed and opened, and what its errors mean."""

from __future__ import annotations

import inspect
import sqlite3
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import event

from reconciler import errors
from reconciler.ports.store import tables

BUSY_SECONDS: float = 30
"""How long a write waits for those of others before it fails."""

_CONNECT_SECONDS: Final = 10
IDLE_SECONDS = 20  # less than BUSY_SECONDS: who waits for a process that was paused inside a write outlasts it

_POSTGRESQL, _SQLITE = "postgresql", "sqlite"
_ADVICE: Final = (
    "Write sqlite:///PATH, or DIALECT+DRIVER://USER:PASSWORD@HOST:PORT/DATABASE with %40, %2F, %3A and %25 for the "
    "@, /, : and % of a password."
)
_EXTRAS: Final = {"psycopg": "postgresql"}

# MariaDB's error codes (Knowledge Base, "MariaDB Error Code Reference") are numbers, PostgreSQL's (Appendix A of its
# manual) are SQLSTATEs: texts.
_AGAIN: Final = frozenset({1020, 1205, 1213, "40001", "40P01", "55P03"})
_MADE_MEANWHILE: Final = frozenset({1050, "23505", "42P07", "42710"})  # the last three of CREATE TABLE at once
_NO_SAVEPOINT: Final = 1305
_ABORTED: Final = "25P02"
_SECRET: Final = ("pass", "secret", "client_key")
"""What the name of an option with something secret has in it, in whatever case."""


def address(url: str, root: Path) -> sa.URL:
    """What ``url`` says; relative SQLite paths are below ``root``.

    Errors: ``PlatformMisconfigured`` if it is wrong, or the driver that it names is not installed.
    """
    try:
        found = sa.make_url(url)
        dialect: Any = found.get_dialect()
    except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError, ImportError, ValueError) as error:
        # The error itself may quote a password that holds a character which should have been escaped.
        raise errors.PlatformMisconfigured(
            f"state.url {shown(url)!r} can't be used: it is not the address of a database", advice=_ADVICE
        ) from error
    try:
        driver = dialect.import_dbapi()
    except ImportError as error:
        extra = f"[{_EXTRAS[dialect.driver]}]" if dialect.driver in _EXTRAS else ""
        raise errors.PlatformMisconfigured(
            f"state.url {shown(url)!r} can't be used: its driver {dialect.driver} can't be loaded ({error})",
            advice=f"Install it: pip install 'reconciler{extra}'",
        ) from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", sa.exc.SAWarning)  # of an option that would be ignored
            given, named = dialect(dbapi=driver).create_connect_args(found)
        _taken(driver.connect, given, named)
    except (sa.exc.ArgumentError, sa.exc.SAWarning, ValueError, TypeError) as error:
        raise errors.PlatformMisconfigured(
            f"state.url {shown(url)!r} can't be used: {error}", advice=_ADVICE
        ) from error
    if "@" in (found.host or ""):
        raise errors.PlatformMisconfigured(
            f"state.url {shown(url)!r} can't be used: an @ that is part of the password has to be written %40",
            advice=_ADVICE,
        )
    if found.get_backend_name() == _SQLITE and found.database:
        return found.set(database=str(root / found.database))
    return found


def _taken(connect: Any, given: Sequence[object], named: Mapping[str, object]) -> None:
    """Errors: ``TypeError`` for an option that the driver does not have, which it would only say at the first login."""
    try:
        signature = inspect.signature(connect)
    except ValueError:
        return  # one in C need not tell
    signature.bind(*given, **named)


def shown(url: str | sa.URL) -> str:
    """``url`` for people: without a password."""
    try:
        found = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        return f"{str(url).partition(':')[0]}://…"
    if "@" in (found.host or ""):  # which is the end of a password that was not escaped
        return f"{found.drivername}://…"
    hidden = {name: "hidden" for name in found.query if any(word in name.lower() for word in _SECRET)}
    if isinstance(url, str) and not hidden and found.password is None:
        return url
    return found.update_query_dict(hidden).render_as_string(hide_password=True)


def file(found: sa.URL) -> Path | None:
    """The file that the store is in; None if it is on a server."""
    return Path(found.database) if found.get_backend_name() == _SQLITE and found.database else None


def on_a_server(found: sa.URL) -> bool:
    """Whether others decide when a transaction ends: a deadlock or a lost connection takes the whole of it."""
    return found.get_backend_name() != _SQLITE


def make(found: sa.URL, *, writes: bool) -> sa.Engine:
    """The engine of the store's writer, or of its readers, who see one moment in each transaction."""
    if not on_a_server(found):
        return _sqlite(found, writes=writes)
    level = "READ COMMITTED" if writes else "REPEATABLE READ"
    if found.get_backend_name() != _POSTGRESQL:
        return sa.create_engine(found, isolation_level=level, pool_pre_ping=True)
    # libpq would wait for minutes where nobody answers, and take over the encoding of the database.
    arguments = {"connect_timeout": _CONNECT_SECONDS, "client_encoding": "utf8"}
    arguments = {name: value for name, value in arguments.items() if name not in found.query}
    engine = sa.create_engine(found, isolation_level=level, pool_pre_ping=True, connect_args=arguments)

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        if writes:
            # Without these a writer would wait without end for one that was paused in the middle of a write.
            connection.execute(f"SET lock_timeout = {int(BUSY_SECONDS * 1000)}")
            connection.execute(f"SET idle_in_transaction_session_timeout = {IDLE_SECONDS * 1000}")
            connection.commit()

    return engine


def check(connection: sa.Connection) -> None:
    """Refuse a database that can't hold what a store keeps. Errors: ``PlatformMisconfigured``."""
    if connection.dialect.name == _POSTGRESQL:
        encoding = str(connection.exec_driver_sql("SHOW server_encoding").scalar_one())
        if encoding != "UTF8":
            raise errors.PlatformMisconfigured(
                f"the store {shown(connection.engine.url)} is a database with the encoding {encoding}, "
                "which can't hold every text",
                advice="Make it with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0.",
            )
    elif on_a_server(connection.engine.url):
        # Tables that a former version made have the encoding of their database.
        rows = connection.execute(
            sa.text(
                "SELECT DISTINCT TABLE_NAME, CHARACTER_SET_NAME FROM information_schema.COLUMNS "
                "WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME IN :names AND CHARACTER_SET_NAME <> 'utf8mb4'"
            ).bindparams(sa.bindparam("names", sorted(tables.metadata.tables), expanding=True))
        ).all()
        if rows:
            table, charset = sorted(rows)[0]
            raise errors.PlatformMisconfigured(
                f"the store {shown(connection.engine.url)} has the table {table} in {charset}, which can't hold every "
                "text",
                advice=" ".join(
                    f"ALTER TABLE {name} CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;"
                    for name in sorted({row[0] for row in rows})
                ),
            )


def may_be_tried_again(error: BaseException) -> bool:
    """Whether the server broke a deadlock or a wait by refusing this transaction, of which nothing was kept."""
    return _code(_cause(error)) in _AGAIN


def made_meanwhile(error: BaseException) -> bool:
    """Whether a table could not be made because another process made it at the same time."""
    return _code(error) in _MADE_MEANWHILE


def left_aborted(error: BaseException) -> bool:
    """Whether PostgreSQL refuses the end of a savepoint because an error in it was passed over.

    Then a COMMIT would be a ROLLBACK, and not say so.
    """
    return _code(error) == _ABORTED


def said(error: sa.exc.SQLAlchemyError) -> str:
    """What the database said, in one line, without the statement and its values."""
    found = _cause(error)
    original = found.orig if isinstance(found, sa.exc.DBAPIError) else None
    if original is None:
        return str(error)
    primary = getattr(getattr(original, "diag", None), "message_primary", None)
    return f"{primary} (SQLSTATE {_code(found)})" if primary else " ".join(str(original).split())


def _cause(error: BaseException) -> BaseException:
    """The error that took the savepoint away, where ``error`` says only that there is none to go back to."""
    found: BaseException | None = error
    while found is not None and (not isinstance(found, sa.exc.DBAPIError) or _code(found) == _NO_SAVEPOINT):
        found = found.__context__
    return found or error


def _code(error: BaseException) -> int | str | None:
    original = error.orig if isinstance(error, sa.exc.DBAPIError) else None
    number = original.args[0] if original is not None and original.args else None
    if isinstance(number, int):
        return number
    state = getattr(original, "sqlstate", None)
    return state if isinstance(state, str) else None


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Write ahead from now on. SQLite does not let the change of a journal's mode wait for others, whatever the timeout
    (SQLite's documentation, "Write-Ahead Logging"), and on a first start there are others.
    """
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
        time.sleep(0.01)


def _sqlite(found: sa.URL, *, writes: bool) -> sa.Engine:
    engine = sa.create_engine(found, connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # the driver's own BEGIN comes too late for a writer; see `begin` below
        try:
            connection.execute("PRAGMA foreign_keys=ON")
            connection.execute(f"PRAGMA busy_timeout={int(BUSY_SECONDS * 1000)}")
            if writes:
                _write_ahead(connection)
                connection.execute("PRAGMA synchronous=FULL")
        except BaseException:
            connection.close()  # nobody else does
            raise

    @event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine
