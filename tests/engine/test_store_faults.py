"""The store locked, full, read-only, its last write torn; the delivery folder full; a disk that both are on full."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from reconciler import errors
from reconciler.engine import setting as settings
from reconciler.model.outcome import Result
from reconciler.ports.store import engines
from tests.support import changes
from tests.support import server as servers
from tests.support.changes import CREATE_AGENDA, CREATE_POS, Case
from tests.support.deeds import Aside
from tests.support.faults import Boundaries, Deed, Fault, Kind
from tests.support.matrix import Cells, Row
from tests.support.shop import Shop
from tests.support.trial import Trial

T = TypeVar("T")
STUCK_TOO = (Result.ROLLED_BACK, Result.STUCK)
"""A rollback that can't write the journal says so; `recover` settles what is open when the store is well again."""

DELIVERING = (CREATE_AGENDA, "change-agenda", CREATE_POS, "edition-pos", "cloud-sync-on")
"""The cases that write files."""

LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print(flush=True)
sys.stdin.read()
connection.execute("ROLLBACK")
"""


def store_file(shop: Shop) -> Path:
    return shop.root / "state/reconcile.db"


class Locker:
    """Another process inside BEGIN IMMEDIATE, from ``lock`` to ``free``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._other: subprocess.Popen[bytes] | None = None

    def lock(self) -> None:
        """Return when it has the store."""
        self._other = subprocess.Popen([sys.executable, "-c", LOCK, str(self._path)], stdin=-1, stdout=-1)
        assert self._other.stdout is not None
        self._other.stdout.readline()

    def free(self) -> None:
        """Return when it has let go; a second time does nothing."""
        if self._other is not None:
            self._other.communicate()
            self._other = None


@pytest.fixture
def locker(shop: Shop) -> Iterator[Locker]:
    """Somebody who may lock the store."""
    made = Locker(store_file(shop))
    yield made
    made.free()


# --- locked -----------------------------------------------------------------------------------------------


@changes.trials(CREATE_POS, "suspend-agenda", often=4)
def test_a_locked_store_is_waited_for(shop: Shop, cells: Cells, case: Case, times: int, locker: Locker) -> None:
    tried = Trial(shop, case, cells)
    for at in tried.writes[-times:]:
        in_time = threading.Timer(0.4, locker.free)

        def lock(in_time: threading.Timer = in_time) -> None:
            locker.lock()
            in_time.start()

        outcome = tried.strike(Row.STORE_LOCKED, {at: Aside(lock)})
        in_time.join()
        assert outcome is not None
        assert outcome.result is Result.APPLIED


@changes.trials(CREATE_AGENDA, "resume-pos", often=4, among=(*changes.MAIN, *changes.TRASH))
def test_a_store_that_stays_locked_leaves_before_or_after(
    shop: Shop, cells: Cells, case: Case, times: int, locker: Locker, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = Trial(shop, case, cells)
    for at in tried.writes[-times:]:
        with monkeypatch.context() as patch:
            patch.setattr(engines, "BUSY_SECONDS", 0.2)
            outcome = tried.attempt(Boundaries({at: Aside(locker.lock)}))
        locker.free()
        tried.judge(Row.STORE_LOCKED_LONGER, outcome, f"locked from write {at} on: {outcome}", may=STUCK_TOO)


# --- full, read-only --------------------------------------------------------------------------------------


def from_write(setting: settings.Setting, number: int, pragma: str) -> None:
    """From the ``number``-th write on, the store's connection obeys ``pragma`` as it is after the first one."""
    store = setting.opened()
    write, count = store.write, 0

    def hampered(action: Callable[[Any], T]) -> T:
        nonlocal count
        count += threading.current_thread().name != "lease-renewal"

        def within(connection: Any) -> T:
            if count >= number:
                connection.exec_driver_sql(pragma)
            return action(connection)

        return write(within)

    store.write = hampered  # type: ignore[method-assign]


@changes.trials(CREATE_POS, "suspend-agenda", often=4, among=(*changes.MAIN, *changes.TRASH))
def test_a_store_that_is_full_leaves_before_or_after(shop: Shop, cells: Cells, case: Case, times: int) -> None:
    tried = Trial(shop, case, cells)
    for number in range(len(tried.writes) - times + 1, len(tried.writes) + 1):
        with contextlib.closing(sqlite3.connect(store_file(shop))) as connection:
            connection.execute("VACUUM")  # so that no free page is left over

        def full(setting: settings.Setting, number: int = number) -> None:
            # Less than there are means no more than there are (sqlite.org, "PRAGMA max_page_count").
            from_write(setting, number, "PRAGMA max_page_count=1")

        tried.strike(Row.STORE_FULL, {}, may=STUCK_TOO, ready=full)


@changes.trials(CREATE_AGENDA, "resume-pos", often=4)
def test_a_store_that_is_read_only_leaves_before_or_after(shop: Shop, cells: Cells, case: Case, times: int) -> None:
    tried = Trial(shop, case, cells)
    for number in range(len(tried.writes) - times + 1, len(tried.writes) + 1):

        def read_only(setting: settings.Setting, number: int = number) -> None:
            from_write(setting, number, "PRAGMA query_only=ON")

        outcome = tried.strike(Row.STORE_READ_ONLY, {}, may=STUCK_TOO, ready=read_only)
        assert outcome is None or outcome.result is not Result.APPLIED


# --- torn -------------------------------------------------------------------------------------------------


class Torn:
    """A deed: the process dies inside the write, of which the disk has everything but the last ``missing`` bytes."""

    def __init__(self, path: Path, aside: Path, missing: int) -> None:
        self._path = path
        self._aside = aside
        self._missing = missing

    def __call__(self, action: Callable[[], T]) -> T:
        """The write, and a copy of what the disk would hold."""
        result = action()
        self._aside.mkdir()
        shutil.copy(self._path, self._aside)
        log = self._path.with_name(self._path.name + "-wal")
        (self._aside / log.name).write_bytes(log.read_bytes()[: -self._missing])
        return result

    def put(self) -> None:
        """After the process's end: what the disk held."""
        for name in ("-wal", "-shm"):
            self._path.with_name(self._path.name + name).unlink(missing_ok=True)
        for file in self._aside.iterdir():
            shutil.copy(file, self._path.parent)
        shutil.rmtree(self._aside)


@changes.trials(CREATE_AGENDA, "suspend-pos", often=4)
def test_a_torn_write_of_the_store_is_as_if_it_had_not_begun(
    shop: Shop, cells: Cells, case: Case, times: int, tmp_path: Path
) -> None:
    tried = Trial(shop, case, cells)
    for at in tried.writes[-times:]:
        for missing in (1, 30, 4000)[: times + 1]:
            torn = Torn(store_file(shop), tmp_path / "torn", missing)
            boundaries = Boundaries({at: torn, at + 1: Fault.DEATH_BEFORE})
            outcome = tried.attempt(boundaries)
            assert outcome is None
            torn.put()
            assert not tried.judge(Row.STORE_TORN, outcome, f"write {at} lacks {missing} bytes")


# --- deliveries, and everything ---------------------------------------------------------------------------


def half_written(shop: Shop, name: str) -> Deed:
    """A deed: the disk is full after half of the file ``name``."""

    def write(action: Callable[[], T]) -> T:
        action()
        for path in (shop.root / "state/deliveries").glob(f".reconciler-*/delivery/{name}"):
            content = path.read_bytes()
            path.write_bytes(content[: len(content) // 2])
        raise errors.FileFailed(f"could not write {name}: {os.strerror(errno.ENOSPC)}")

    return write


@changes.trials(CREATE_POS, "change-agenda", often=4, among=DELIVERING)
def test_a_full_delivery_folder_leaves_before(shop: Shop, cells: Cells, case: Case, times: int) -> None:
    tried = Trial(shop, case, cells)
    for at in tried.saying("write ")[-times:]:
        name = tried.log[at - 1].removeprefix("write ")
        outcome = tried.strike(Row.DELIVERY_FULL, {at: half_written(shop, name)})
        assert outcome is not None
        assert outcome.result is Result.ROLLED_BACK
    assert len(cells) > 0


@pytest.fixture
def small_disk(tmp_path: Path, clean_server: servers.Server) -> Iterator[Shop]:
    """A repository on a file system of its own with little room."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = (
        os.geteuid() == 0
        and not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", str(folder)], capture_output=True, check=False
        ).returncode
    )
    if not mounted:
        pytest.skip("only root may mount a file system")
    try:
        made = Shop(folder, clean_server)
        made.apply()
        yield made
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> None:
    """Leave no room."""
    with (folder / "filler").open("wb", buffering=0) as file:
        for size in (256 * 1024, 1024):
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(size))


@changes.trials(CREATE_AGENDA, "suspend-pos", often=5)
def test_a_full_disk_leaves_before_or_after(small_disk: Shop, cells: Cells, case: Case, times: int) -> None:
    tried = Trial(small_disk, case, cells)
    places = [at for at in (*tried.writes, *tried.acts) if tried.kinds[at - 1] in (Kind.STORE, Kind.FILE)]
    for number in changes.moments(0, len(places) - 1, times):
        at = sorted(places)[number]
        outcome = tried.attempt(Boundaries({at: Aside(lambda: fill(small_disk.root))}))
        (small_disk.root / "filler").unlink()
        tried.judge(Row.DISK_FULL, outcome, f"full at {at}, {tried.log[at - 1]}: {outcome}", may=STUCK_TOO)
