"""One connection to a server, and what its errors mean.

Every connection states its character set, sql_mode and lock_wait_timeout, because servers' defaults differ and the
default for waiting on a metadata lock is a day (MariaDB Knowledge Base, "lock_wait_timeout"). One for scripts keeps the
server's sql_mode, as with the official client.
"""

from __future__ import annotations

import random
import ssl
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import pymysql
import pymysql.connections
import pymysql.constants.CLIENT as client_flags

from reconciler import errors
from reconciler.model.server import Server
from reconciler.ports import passwords

T = TypeVar("T")

CONNECT_SECONDS = 10
ANSWER_SECONDS = 600
LOCK_WAIT_SECONDS = 10
# Not STRICT_TRANS_TABLES: that is strict for the first row only of a statement that fills a MyISAM or Aria table, and
# stores something else in the rows behind it (Knowledge Base, "SQL_MODE").
SQL_MODE = "STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"
GROUPED_BYTES = 16 * 1024 * 1024
"""What GROUP_CONCAT and JSON_OBJECTAGG may give, as far as max_allowed_packet lets them: a server's own default may be
so low that what is read by them is cut off."""

# MariaDB error codes (Knowledge Base, "MariaDB Error Code Reference"); 2xxx come from the client.
GONE = frozenset({0, 1053, 1077, 1079, 1152, 1184, 1927, 2002, 2003, 2006, 2013, 2014, 2055, 4031})
UNREACHABLE = frozenset({1040, 1044, 1045, 1129, 1130, 1203, 1226, 1251, 1275, 1698, 2002, 2003, 2026, 2054, 4151})
DENIED = frozenset({1044, 1045, 1095, 1142, 1143, 1227, 1370, 1410})
AGAIN = frozenset({1020, 1205, 1213})
EXISTS = frozenset({1007, 1396})  # of CREATE DATABASE and CREATE USER
ACCOUNT_LOCKED = 4151
_OURS = f", time_zone='+00:00', sql_mode='{SQL_MODE}', group_concat_max_len={GROUPED_BYTES}"
_TRIES = 8
_LOOKED_AT = 1000  # of a statement, for its first words


class Connection:
    """A connection in autocommit mode. Not thread-safe; closed by whoever opened it.

    Errors: ``StatementFailed`` with the server's number when the server answered; ``ConnectionLost`` when it did
    not, and then whether the statement ran is unknown and the connection is not used again.
    """

    def __init__(self, raw: pymysql.connections.Connection[Any], server: Server, user: str) -> None:
        self._raw = raw
        self.server = server
        self.user = user
        self.lost = False
        self._results = 0  # how many the last packet has given

    @property
    def thread(self) -> int:
        """The server's number for this connection, as in its process list."""
        return int(self._raw.thread_id())  # type: ignore[no-untyped-call]

    @property
    def greeting(self) -> str:
        """The version as the server said it before the login."""
        return str(self._raw.get_server_info())  # type: ignore[no-untyped-call]

    @property
    def driver(self) -> pymysql.connections.Connection[Any]:
        """The driver's own connection, for a library that needs one (SQLAlchemy, for the migrations)."""
        return self._raw

    def run(self, statement: str, parameters: Sequence[object] = ()) -> int:
        """Run a statement that gives no rows; returns the number of rows that it changed."""
        _, changed = self.send(statement, parameters)
        return changed

    def rows(self, statement: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Run a statement and return all its rows."""
        rows, _ = self.send(statement, parameters)
        return rows

    def value(self, statement: str, parameters: Sequence[object] = ()) -> Any:
        """The first column of the first row; None where there is no row."""
        rows = self.rows(statement, parameters)
        return rows[0][0] if rows else None

    def send(self, statement: str | bytes, parameters: Sequence[object] = ()) -> tuple[list[tuple[Any, ...]], int]:
        """Send one packet: the one way through which everything goes to a server.

        Bytes are sent as they are (a script's own statements); all their result sets are read, and those of the first
        are returned.
        """
        if self.lost:
            raise errors.ConnectionLost(f"the connection to {self.server.name} was lost before this statement")
        self._results = 0
        try:
            with self._raw.cursor() as cursor:
                if parameters:
                    cursor.execute(statement, tuple(parameters))
                else:
                    cursor.execute(statement)
                rows = list(cursor.fetchall()) if cursor.description else []
                changed = cursor.rowcount
                self._results = 1
                while cursor.nextset():
                    self._results += 1
            return rows, changed
        except (pymysql.Error, OSError) as error:
            raise self._translated(error, statement) from error

    def packet(self, statements: Sequence[bytes], *, call: bool = False) -> None:
        """Send statements in one packet, each of which gives one result; on a connection for scripts only.

        ``call`` says that it is one CALL, which gives as many results as its routine likes.

        Errors: ``StatementFailed``, which tells by ``at`` which of them the server refused (those behind it did not
        run), or says that the server took them for more or fewer statements than they are.
        """
        self._results = 0
        try:
            # A statement may end with a comment to the end of its line.
            self.send(statements[0] if len(statements) == 1 else b"\n;\n".join(statements))
        except errors.StatementFailed as error:
            at = min(self._results, len(statements) - 1)
            said = f"{self.server.name} refused {abridged(statements[at])}: {_said(error.__cause__ or error)}"
            raise errors.StatementFailed(said, errno=error.errno, at=at) from error
        if self._results != len(statements) and not call:
            raise errors.StatementFailed(
                f"{self.server.name} took {len(statements)} statement{'s' * (len(statements) != 1)} from "
                f"{abridged(statements[0])} on for {self._results}, so it reads the script differently"
            )

    def atomically(self, action: Callable[[], T]) -> T:
        """Run ``action`` inside a transaction of the server and return what it returns; rolled back if it raises.

        The server breaks a deadlock by refusing one side (1213), and a lock wait after a while (1205), and from 11.6.2
        on it refuses to write a row that changed since the transaction first looked (1020): that side is run again, so
        ``action`` may be called several times.
        """
        return self._patiently(lambda: self._within(action))

    def together(self, prepare: Callable[[], Sequence[tuple[str, Sequence[object]]]]) -> None:
        """Run the statements that ``prepare`` gives, with their parameters, so that all of them hold or none.

        One alone is a transaction by itself. ``prepare`` runs before any transaction, and several times as above.
        """

        def attempt() -> None:
            statements = prepare()
            if len(statements) == 1:
                self.run(*statements[0])
            elif statements:
                self._within(lambda: [self.run(*each) for each in statements])

        self._patiently(attempt)

    def _within(self, action: Callable[[], T]) -> T:
        self.run("START TRANSACTION")
        try:
            result = action()
            self.run("COMMIT")
        except BaseException:
            with suppress(errors.ReconcileError):
                self.run("ROLLBACK")
            raise
        return result

    def _patiently(self, action: Callable[[], T]) -> T:
        for attempt in range(1, _TRIES):
            try:
                return action()
            except errors.StatementFailed as error:
                if error.errno not in AGAIN:
                    raise
            time.sleep(random.uniform(0.01, 0.1) * attempt)  # noqa: S311 - apart from the other side
        return action()

    def close(self) -> None:
        """Close the connection; a second time does nothing."""
        with suppress(pymysql.Error, OSError):
            self._raw.close()

    def _translated(self, error: Exception, statement: str | bytes) -> errors.StepFailed:
        number = _number(error)
        if isinstance(error, OSError) or number in GONE:
            self.lost = True
            return errors.ConnectionLost(
                f"the connection to {self.server.name} ({self.server.address}) broke during "
                f"{abridged(statement)}: {_said(error)}"
            )
        return errors.StatementFailed(f"{self.server.name} refused {abridged(statement)}: {_said(error)}", errno=number)


class _Driver(pymysql.connections.Connection):
    """The driver's connection, which states all of its session in one statement instead of three."""

    def __init__(self, session: str, **options: Any) -> None:
        self._session = session
        super().__init__(**options)

    def set_character_set(self, charset: str, collation: str | None = None) -> None:
        """What the driver calls first after a login."""
        self.query(f"SET NAMES {charset}, {self._session}")


def connect(
    server: Server, *, user: str = "", password: str | None = None, database: str = "", plain: bool = False
) -> Connection:
    """Log in to ``server``, as its provisioning account or as ``user`` with ``password``.

    ``plain`` leaves the session as the server has it and takes several statements in a packet, as the official client
    does: scripts are written for that.

    Errors: ``ServerUnreachable`` when it does not answer or does not let the account in (then ``__cause__`` has the
    driver's error), ``PlatformMisconfigured`` when the password's source can't be read.
    """
    name = user or server.user
    clear = provisioning_password(server) if password is None else password
    options: dict[str, Any] = {"unix_socket": server.socket} if server.socket else {}
    options |= _tls(server)
    try:
        raw = _Driver(
            f"lock_wait_timeout={LOCK_WAIT_SECONDS}" + ("" if plain else _OURS),
            host=None if server.socket else server.host,
            port=server.port,
            user=name,
            password=clear,
            database=database or None,
            charset="utf8mb4",
            autocommit=True,
            client_flag=client_flags.MULTI_STATEMENTS if plain else client_flags.FOUND_ROWS,
            connect_timeout=CONNECT_SECONDS,
            read_timeout=CONNECT_SECONDS,
            write_timeout=ANSWER_SECONDS,
            local_infile=False,
            **options,
        )
    except (pymysql.Error, OSError, RuntimeError) as error:
        if server.tls.mode == "preferred" and options.get("ssl") and _number(error) in {2026, 0}:
            unencrypted = Server(**{**_fields(server), "tls": type(server.tls)("disabled")})
            return connect(unencrypted, user=user, password=password, database=database, plain=plain)
        raise errors.ServerUnreachable(
            f"server {server.name} at {server.address} does not let {name} in: {_said(error)}"
        ) from error
    # A server that hangs takes connections and says nothing: only what was asked of one that greeted may take long.
    raw._read_timeout = ANSWER_SECONDS  # type: ignore[attr-defined]
    return Connection(raw, server, name)


def login_error(error: errors.ServerUnreachable) -> int:
    """The server's number behind a refused login; 0 when it gave none."""
    return _number(error.__cause__) if error.__cause__ else 0


def provisioning_password(server: Server) -> str:
    """The password of the provisioning account, read from where the spec says; empty when it says nothing."""
    return passwords.read(server.password, f"password of server {server.name}")


def abridged(statement: str | bytes) -> str:
    """A statement's first words, for messages; a literal never is one of them, so that no secret gets out."""
    begin = statement[:_LOOKED_AT]
    text = begin.decode("utf-8", "replace") if isinstance(begin, bytes) else begin
    words = " ".join(text.split())
    head = words.split("'", 1)[0][:80].rstrip()
    return f"«{head}{' …' if len(head) < len(words) or len(statement) > _LOOKED_AT else ''}»"


def _tls(server: Server) -> dict[str, Any]:
    match server.tls.mode:
        case "disabled":
            return {"ssl_disabled": True}
        case "verify":
            return {"ssl": ssl.create_default_context(cafile=server.tls.ca or None)}
        case _:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            return {"ssl": context}


def _fields(server: Server) -> dict[str, Any]:
    return {name: getattr(server, name) for name in Server.__dataclass_fields__}


def _number(error: BaseException) -> int:
    if isinstance(error, pymysql.Error) and error.args and isinstance(error.args[0], int):
        return error.args[0]
    return 0


def _said(error: BaseException) -> str:
    if isinstance(error, pymysql.Error) and len(error.args) > 1:
        return f"{error.args[1]} ({error.args[0]})"
    return str(error) or type(error).__name__
