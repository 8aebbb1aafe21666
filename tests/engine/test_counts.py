"""What costs are counted in, on any machine: commits of the store, syncs of the disk, round trips to a server."""

from __future__ import annotations

import functools
import hashlib
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from reconciler.engine import reconcile
from reconciler.engine import setting as settings
from reconciler.engine.progress import Progress
from reconciler.model.outcome import Result
from tests.support import server as servers
from tests.support.faults import Boundaries
from tests.support.shop import Shop

COMMITS_A_TENANT = 4
"""The lease, the begin with every intent, the commit that gives the lease back; one to spare."""

ROUND_TRIPS_OF_A_LOOK = 20

LOGINS_OF_A_NEW_TENANT = {"agenda-ia": 3, "pos-tree-codes": 1, "pos-tree-codes-with-database": 3}
"""The administrator; where there is a database, its own account for the import and the events, and the application."""

ROUND_TRIPS_OF_A_NEW_TENANT = {"agenda-ia": 96, "pos-tree-codes": 17, "pos-tree-codes-with-database": 62}
"""Logins and statements, from the look under the lease to the proof."""


def agenda(number: int) -> dict[str, Any]:
    """A tenant of Agenda IA with a domain of its own."""
    return {
        "displayName": f"Clínica {number}",
        "plan": "pro",
        "domain": f"c{number}.example.com",
        "admin": {"name": "Ana Ruiz", "email": "ana@example.com"},
        "webhooks": [{"name": "crm", "url": "https://crm.example.com/hook", "events": ["appointment.created"]}],
    }


def pos(number: int, *, cloud_sync: bool = False) -> dict[str, Any]:
    """A tenant of POS Tree Codes with a device of its own."""
    hardware = {"machineId": f"8f3c1d7a52e94b06{number:04}", "boardSerial": f"PF2K9X1B{number:04}"}
    return {
        "displayName": f"Tienda {number}",
        "edition": "standard",
        "cloudSync": cloud_sync,
        "license": {"expires": "2099-12-31", "devices": [{"name": "caja-1", "hardware": hardware}]},
    }


@pytest.fixture
def shop(tmp_path: Path, clean_server: servers.Server) -> Shop:
    """A repository whose platform has been laid, without tenants."""
    made = Shop(tmp_path, clean_server)
    made.apply()
    return made


class Counted:
    """One apply, with the writes that its store was asked for and the commits that it made."""

    def __init__(self, shop: Shop, *, parallel: int = 1) -> None:
        boundaries = Boundaries()
        setting = shop.setting(boundaries.ports())
        self.writes = self.renewals = 0
        store = setting.opened()
        write = store.write

        def counting(action: Callable[[sa.Connection], Any]) -> Any:
            # A machine that is slow renews its leases now and then.
            if threading.current_thread().name == "lease-renewal":
                self.renewals += 1
            else:
                self.writes += 1
            return write(action)

        store.write = counting  # type: ignore[method-assign]
        _, outcomes = reconcile.apply(setting, reconcile.Options(parallel=parallel), Progress())
        self.commits = store.commits
        self.failures = [outcome for outcome in outcomes if outcome.failure]
        self.results = {outcome.result for outcome in outcomes}
        self.statements = statements(boundaries)
        self.files = [what for what in boundaries.log if what not in self.statements]


def statements(boundaries: Boundaries) -> list[str]:
    """The round trips to a server among what was crossed: logins and statements."""
    return [what for what in boundaries.log if what.startswith(("log in ", "«"))]


def look(shop: Shop, *, deep: bool = False) -> list[str]:
    """The round trips of one plan that finds nothing to do."""
    boundaries = Boundaries()
    setting: settings.Setting = shop.setting(boundaries.ports())
    try:
        planned = reconcile.plan(setting, reconcile.Options(deep=deep))
    finally:
        setting.opened().close()
    assert planned.empty
    return statements(boundaries)


# --- the store --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        pytest.param("AgendaTenant", agenda(1), id="agenda-ia"),
        pytest.param("PosTenant", pos(1), id="pos-tree-codes"),
        pytest.param("PosTenant", pos(1, cloud_sync=True), id="pos-tree-codes-with-database"),
    ],
)
def test_a_tenant_costs_few_commits_of_the_store_however_many_steps_it_has(
    shop: Shop, kind: str, spec: dict[str, Any]
) -> None:
    shop.tenant(kind, "one", spec)
    made = Counted(shop)
    assert made.results == {Result.APPLIED}
    assert made.writes <= COMMITS_A_TENANT
    assert made.commits <= made.writes + made.renewals
    shop.tenant(kind, "one", {**spec, "displayName": "Another"})
    changed = Counted(shop)
    assert changed.results == {Result.APPLIED}
    assert changed.writes <= COMMITS_A_TENANT


def test_tenants_that_are_made_at_the_same_time_share_commits(shop: Shop) -> None:
    count = 12
    for number in range(count):
        shop.tenant("PosTenant", f"pos-{number}", pos(number))
    made = Counted(shop, parallel=4)
    assert made.failures == []
    assert made.results == {Result.APPLIED}
    assert made.writes <= COMMITS_A_TENANT * count
    assert made.commits <= made.writes + made.renewals


def test_writes_that_wait_together_become_one_commit(shop: Shop) -> None:
    setting = shop.setting()
    store = setting.opened()
    began, go = threading.Event(), threading.Event()

    def first(connection: sa.Connection) -> None:
        began.set()
        go.wait(30)

    def nothing(connection: sa.Connection) -> None:
        connection.execute(sa.text("SELECT 1"))

    threads = [threading.Thread(target=store.write, args=(first,))]
    threads[0].start()
    began.wait(30)
    threads += [threading.Thread(target=store.write, args=(nothing,)) for _ in range(20)]
    for thread in threads[1:]:
        thread.start()
    while store._queue.qsize() < 20:  # there is no other way to know that all of them wait
        threads[1].join(0.01)
    go.set()
    for thread in threads:
        thread.join()
    assert store.commits == 2
    store.close()


# --- the disk ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "spec", "files"),
    [
        pytest.param("AgendaTenant", agenda(1), {".env", "admin.json", "manifest.json"}, id="agenda-ia"),
        pytest.param("PosTenant", pos(1), {"license.lic", "device-policy.json", "manifest.json"}, id="pos-tree-codes"),
    ],
)
def test_a_delivery_costs_one_sync_a_file_and_four_of_folders(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, kind: str, spec: dict[str, Any], files: set[str]
) -> None:
    synced: list[str] = []
    fsync = os.fsync

    def counting(descriptor: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", counting)
    shop.tenant(kind, "one", spec)
    assert Counted(shop).results == {Result.APPLIED}
    names = [Path(path).name for path in synced if not path.endswith("/state/keys")]
    assert sorted(name for name in names if name in files) == sorted(files)
    assert len(names) == len(files) + 4


# --- the server -------------------------------------------------------------------------------------------


def test_a_look_costs_the_same_round_trips_for_one_tenant_and_for_fifty(shop: Shop) -> None:
    shop.tenant("AgendaTenant", "agenda-0", agenda(0))
    assert Counted(shop, parallel=4).failures == []
    one = look(shop)
    for number in range(1, 10):
        if number < 3:
            shop.tenant("AgendaTenant", f"agenda-{number}", agenda(number))
        else:
            shop.tenant("PosTenant", f"pos-{number}", pos(number, cloud_sync=number < 5))
    assert Counted(shop, parallel=4).failures == []
    ten = look(shop)
    for number in range(10, 50):
        shop.tenant("PosTenant", f"pos-{number}", pos(number, cloud_sync=number < 12))
    assert Counted(shop, parallel=4).failures == []
    fifty = look(shop)
    assert len(one) == len(ten) == len(fifty), [set(fifty) - set(one), one]
    assert len(one) <= ROUND_TRIPS_OF_A_LOOK, one


@pytest.mark.parametrize(
    ("product", "kind", "spec"),
    [
        pytest.param("agenda-ia", "AgendaTenant", agenda, id="agenda-ia"),
        pytest.param("pos-tree-codes", "PosTenant", pos, id="pos-tree-codes"),
        pytest.param(
            "pos-tree-codes-with-database",
            "PosTenant",
            functools.partial(pos, cloud_sync=True),
            id="pos-tree-codes-with-database",
        ),
    ],
)
def test_a_new_tenant_costs_few_logins_and_round_trips(
    shop: Shop, product: str, kind: str, spec: Callable[[int], dict[str, Any]]
) -> None:
    shop.tenant(kind, "tenant-0", spec(0))
    one = Counted(shop)
    assert one.results == {Result.APPLIED}
    for number in range(1, 4):
        shop.tenant(kind, f"tenant-{number}", spec(number))
    three = Counted(shop)
    assert three.failures == []
    logins = [sum(what.startswith("log in ") for what in made.statements) for made in (one, three)]
    assert logins[1] - logins[0] == 2 * LOGINS_OF_A_NEW_TENANT[product]
    assert len(three.statements) - len(one.statements) <= 2 * ROUND_TRIPS_OF_A_NEW_TENANT[product], one.statements


def test_a_look_only_asks(shop: Shop) -> None:
    shop.tenant("AgendaTenant", "agenda-0", agenda(0))
    shop.tenant("PosTenant", "pos-0", pos(0, cloud_sync=True))
    shop.apply()
    for deep in (False, True):
        assert {what.split()[0] for what in look(shop, deep=deep)} <= {"log", "«SELECT", "«SHOW"}


def test_an_apply_that_finds_nothing_to_do_writes_nothing(shop: Shop) -> None:
    shop.tenant("AgendaTenant", "agenda-0", agenda(0))
    shop.tenant("PosTenant", "pos-0", pos(0, cloud_sync=True))
    shop.apply()
    before, state = shop.world(), _digests(shop.root / "state")
    positions = _written(shop)
    made = Counted(shop)
    assert made.results == {Result.UNCHANGED}
    assert (made.writes, made.commits) == (0, 0)
    assert {what.split()[0] for what in made.statements} <= {"log", "«SELECT", "«SHOW"}
    # The keys' folder is settled each time: whoever made the keys may have died before they were durable.
    assert {what.split()[0] for what in made.files} <= {"list", "look", "sync"}
    assert [what for what in made.files if what.startswith("sync")] == ["sync the folder keys"]
    assert _written(shop) == positions
    assert _digests(shop.root / "state") == state
    assert shop.world() == before


def _written(shop: Shop) -> list[tuple[Any, ...]]:
    """How often the server was told to write anything, by anybody."""
    return shop.server.sql(
        "SELECT VARIABLE_NAME, VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME REGEXP "
        "'^COM_(INSERT|UPDATE|DELETE|REPLACE|CREATE|DROP|ALTER|GRANT|REVOKE|RENAME|TRUNCATE|BEGIN|COMMIT)'"
        " ORDER BY VARIABLE_NAME"
    )


def _digests(folder: Path) -> dict[str, str]:
    """Every file by its bytes, but for what may be forgotten; SQLite's shared memory is no data."""
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith(("-shm", "-wal")) and path.parent.name != "cache"
    }
