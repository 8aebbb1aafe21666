"""Opening the store, reading it, and writing to it: one writer thread, whose commits carry many writes at once."""

from __future__ import annotations

import queue
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa

from reconciler import errors
from reconciler.ports.store import engines, tables

T = TypeVar("T")
Action = Callable[[sa.Connection], Any]

_GROUP = 64  # writes in one commit; more would make the first wait for the last without saving much
_ON_A_SERVER = (
    "Check that the store's server answers, lets its account in and write, and has space, then run `reconcile recover`."
)
_TRIES = 20  # to make the tables; each was in vain only because somebody else made one at the same moment


class Store:
    """The state of one platform.

    ``read`` runs a function in a transaction that sees one moment. ``write`` runs a function in a transaction that is
    durable when it returns (SQLite: WAL with synchronous FULL); writes of several threads share a commit, each inside
    a savepoint of its own, so that one that raises does not take others with it. A server breaks a deadlock by
    refusing one side: that one is run again, so a function may be called several times.

    Errors: ``StoreFailed`` for everything that the database or the disk refuses; what a function raises itself is
    raised as it is, and nothing of that function's is written.
    """

    def __init__(self, url: sa.URL) -> None:
        self.url = url
        self.commits = 0
        self._reader = engines.make(url, writes=False)
        self._writer = engines.make(url, writes=True)
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
        """Make the tables that are not there yet; MariaDB commits each by itself, which ends all savepoints.

        Errors: ``StoreFailed``, and ``PlatformMisconfigured`` if the database can't hold what a store keeps.
        """
        for attempt in range(_TRIES):
            try:
                with self._writer.begin() as connection:
                    engines.check(connection)
                    tables.metadata.create_all(connection)
                return
            except sa.exc.SQLAlchemyError as error:
                if not engines.made_meanwhile(error) or attempt == _TRIES - 1:
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
        ends, attempt = time.monotonic() + engines.BUSY_SECONDS, 0
        while True:
            attempt += 1
            try:
                results = self._attempt([(action, future) for action, future in group if not future.done()])
                break
            except BaseException as error:  # noqa: BLE001 - whoever waits must hear that nothing was written
                if engines.left_aborted(error):
                    continue
                if engines.may_be_tried_again(error) and time.monotonic() < ends:
                    time.sleep(random.uniform(0.01, 0.1) * attempt)  # noqa: S311 - apart from the other side
                    continue
                failed = self._failed(error) if isinstance(error, sa.exc.SQLAlchemyError) else error
                for _, future in group:
                    if not future.done():
                        future.set_exception(failed)
                return
        self.commits += 1
        for future, result in results:
            future.set_result(result)

    def _attempt(self, group: list[tuple[Action, Future[Any]]]) -> list[tuple[Future[Any], Any]]:
        """Run a group in one transaction; what came of those that did not raise, once it is durable."""
        results: list[tuple[Future[Any], Any]] = []
        with self._writer.begin() as connection:
            for action, future in group:
                try:
                    with connection.begin_nested():
                        result = action(connection)
                    results.append((future, result))
                except sa.exc.SQLAlchemyError as error:
                    if self._takes_all(error):
                        raise
                    future.set_exception(self._failed(error))
                    if engines.left_aborted(error):
                        raise  # the others are run again, without this one
                except BaseException as error:  # noqa: BLE001 - it belongs to the thread that waits for it
                    future.set_exception(error)
        return results

    def _takes_all(self, error: sa.exc.SQLAlchemyError) -> bool:
        """Whether nothing of the transaction is left: a server's deadlock, or a lost connection."""
        return engines.on_a_server(self.url) and (
            isinstance(error, sa.exc.OperationalError)
            or (isinstance(error, sa.exc.DBAPIError) and error.connection_invalidated)
        )

    def _failed(self, error: sa.exc.SQLAlchemyError) -> errors.StoreFailed:
        return errors.StoreFailed(
            f"the store {engines.shown(self.url)} failed: {engines.said(error)}",
            advice=_ON_A_SERVER if engines.on_a_server(self.url) else "",
        )


def open_store(url: str, root: Path) -> Store | None:
    """The store at ``url`` (relative SQLite paths are below ``root``), or None where none has been made yet.

    Errors: ``StoreFailed`` if it can't be read, ``PlatformMisconfigured`` if it is of another format or the URL is
    wrong.
    """
    address = engines.address(url, root)
    path = engines.file(address)
    if path is not None and not path.exists():
        return None
    store, made = Store(address), False
    try:
        made = _is_made(store, url)
    finally:
        if not made:
            store.close()
    return store if made else None


def _is_made(store: Store, url: str) -> bool:
    """Whether there is a store, which then knows its platform. Errors: as for ``open_store``."""
    if not store.read(lambda connection: sa.inspect(connection).has_table(tables.store.name)):
        return False
    row = store.read(lambda connection: connection.execute(sa.select(tables.store)).one_or_none())
    if row is None:
        return False  # whoever made its tables died before it was a store
    if row.format != tables.FORMAT:
        raise errors.PlatformMisconfigured(
            f"the store {engines.shown(url)} has format {row.format}; "
            f"this version of reconciler reads format {tables.FORMAT}"
        )
    store.platform, store.platform_id = row.platform, row.platform_id
    return True


def make_store(url: str, root: Path, *, platform: str, platform_id: str, now: str) -> Store:
    """Make the store at ``url`` and return it open; one that is there already is opened. Safe to repeat.

    Errors: as for ``open_store``.
    """
    address = engines.address(url, root)
    path = engines.file(address)
    if path is not None:
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise errors.StoreFailed(f"the folder of the store {path} can't be made: {error}") from error
    store = Store(address)

    def make(connection: sa.Connection) -> None:
        if connection.execute(sa.select(tables.store.c.format)).first() is None:
            row = {"format": tables.FORMAT, "platform": platform, "platform_id": platform_id, "created_at": now}
            # On a server, somebody else may put the row there behind the look; then it is theirs that counts.
            with suppress(sa.exc.IntegrityError), connection.begin_nested():
                connection.execute(tables.store.insert().values(**row))

    try:
        store.make_tables()
        store.write(make)
    finally:
        store.close()
    if path is not None:
        path.chmod(0o600)
    opened = open_store(url, root)
    if opened is None:
        raise errors.StoreFailed(f"the store {engines.shown(url)} was made and can't be found again")
    return opened
