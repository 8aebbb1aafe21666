"""Opening the store, reading it, and writing to it: one writer thread, whose commits carry many writes at once."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import event

from reconciler import errors
from reconciler.ports.store import tables

T = TypeVar("T")
Action = Callable[[sa.Connection], Any]

BUSY_SECONDS = 30
_GROUP = 64  # writes in one commit; more would make the first wait for the last without saving much


class Store:
    """The state of one platform.

    ``read`` runs a function in a transaction that sees one moment. ``write`` runs a function in a transaction that is
    durable when it returns (SQLite: WAL with synchronous FULL); writes of several threads share a commit, each inside
    a savepoint of its own, so that one that raises does not take others with it.

    Errors: ``StoreFailed`` for everything that the database or the disk refuses; what a function raises itself is
    raised as it is, and nothing of that function's is written.
    """

    def __init__(self, url: sa.URL) -> None:
        self.url = url
        self.commits = 0
        self._reader = _engine(url, writes=False)
        self._writer = _engine(url, writes=True)
        self._queue: queue.SimpleQueue[tuple[Action, Future[Any]] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self.platform = ""
        self.platform_id = ""

    def read(self, action: Callable[[sa.Connection], T]) -> T:
        """What ``action`` returns, run on a connection that sees one moment of the store."""
        try:
            with self._reader.begin() as connection:
                return action(connection)
        except sa.exc.SQLAlchemyError as error:
            raise self._failed(error) from error

    def write(self, action: Callable[[sa.Connection], T]) -> T:
        """What ``action`` returns, once everything that it wrote is durable."""
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="store-writer", daemon=True)
                self._thread.start()
        future: Future[T] = Future()
        self._queue.put((action, future))
        return future.result()

    def make_tables(self) -> None:
        """Make the tables that are not there yet; on a server each is a commit of its own, which ends all savepoints.

        Errors: ``StoreFailed``.
        """
        try:
            with self._writer.begin() as connection:
                tables.metadata.create_all(connection)
        except sa.exc.SQLAlchemyError as error:
            raise self._failed(error) from error

    def close(self) -> None:
        """Let the writer finish what is queued, and let go of the database; a second time does nothing."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None
        self._reader.dispose()
        self._writer.dispose()

    def _work(self) -> None:
        while True:
            first = self._queue.get()
            if first is None:
                return
            group, last = [first], False
            while len(group) < _GROUP and not self._queue.empty():
                entry = self._queue.get()
                if entry is None:
                    last = True
                    break
                group.append(entry)
            self._commit(group)
            if last:
                return

    def _commit(self, group: list[tuple[Action, Future[Any]]]) -> None:
        results: list[tuple[Future[Any], Any]] = []
        try:
            with self._writer.begin() as connection:
                for action, future in group:
                    try:
                        with connection.begin_nested():
                            results.append((future, action(connection)))
                    except sa.exc.OperationalError as error:
                        future.set_exception(self._failed(error))
                        if self.url.get_backend_name() != "sqlite":
                            raise  # a server's deadlock or lost connection takes the whole transaction with it
                    except sa.exc.SQLAlchemyError as error:
                        future.set_exception(self._failed(error))
                    except BaseException as error:  # noqa: BLE001 - it belongs to the thread that waits for it
                        future.set_exception(error)
            self.commits += 1
        except BaseException as error:  # noqa: BLE001 - as above: whoever waits must hear that nothing was written
            failed = self._failed(error) if isinstance(error, sa.exc.SQLAlchemyError) else error
            for _, future in group:
                if not future.done():
                    future.set_exception(failed)
            return
        for future, result in results:
            if not future.done():
                future.set_result(result)

    def _failed(self, error: sa.exc.SQLAlchemyError) -> errors.StoreFailed:
        said = str(error.orig) if isinstance(error, sa.exc.DBAPIError) and error.orig else str(error)
        return errors.StoreFailed(f"the store {self.url.render_as_string(hide_password=True)} failed: {said}")


def open_store(url: str, root: Path) -> Store | None:
    """The store at ``url`` (relative SQLite paths are below ``root``), or None where none has been made yet.

    Errors: ``StoreFailed`` if it can't be read, ``PlatformMisconfigured`` if it is of another format or the URL is
    wrong.
    """
    address = _address(url, root)
    path = _file(address)
    if path is not None and not path.exists():
        return None
    store = Store(address)
    if not store.read(lambda connection: sa.inspect(connection).has_table(tables.store.name)):
        store.close()
        return None
    row = store.read(lambda connection: connection.execute(sa.select(tables.store)).one_or_none())
    if row is None:
        store.close()  # whoever made its tables died before it was a store
        return None
    if row.format != tables.FORMAT:
        store.close()
        raise errors.PlatformMisconfigured(
            f"the store {url} has format {row.format}; this version of reconciler reads format {tables.FORMAT}"
        )
    store.platform, store.platform_id = row.platform, row.platform_id
    return store


def make_store(url: str, root: Path, *, platform: str, platform_id: str, now: str) -> Store:
    """Make the store at ``url`` and return it open; one that is there already is opened. Safe to repeat.

    Errors: as for ``open_store``.
    """
    address = _address(url, root)
    path = _file(address)
    if path is not None:
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise errors.StoreFailed(f"the folder of the store {path} can't be made: {error}") from error
    store = Store(address)

    def make(connection: sa.Connection) -> None:
        if connection.execute(sa.select(tables.store.c.format)).first() is None:
            connection.execute(
                tables.store.insert().values(
                    format=tables.FORMAT, platform=platform, platform_id=platform_id, created_at=now
                )
            )

    try:
        store.make_tables()
        store.write(make)
    finally:
        store.close()
    if path is not None:
        path.chmod(0o600)
    opened = open_store(url, root)
    if opened is None:
        raise errors.StoreFailed(f"the store {url} was made and can't be found again")
    return opened


def _address(url: str, root: Path) -> sa.URL:
    try:
        address = sa.make_url(url)
        address.get_dialect()
    except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError, ImportError) as error:
        raise errors.PlatformMisconfigured(f"state.url {url!r} can't be used: {error}") from error
    if address.get_backend_name() == "sqlite" and address.database:
        return address.set(database=str(root / address.database))
    return address


def _file(address: sa.URL) -> Path | None:
    return Path(address.database) if address.get_backend_name() == "sqlite" and address.database else None


def _engine(url: sa.URL, *, writes: bool) -> sa.Engine:
    if url.get_backend_name() != "sqlite":
        return sa.create_engine(
            url, isolation_level="READ COMMITTED" if writes else "REPEATABLE READ", pool_pre_ping=True
        )
    engine = sa.create_engine(url, connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # the driver's own BEGIN comes too late for a writer; see `begin` below
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}")
        if writes:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")

    @event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine
