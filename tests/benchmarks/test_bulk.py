"""What the benchmarks make in bulk is what an apply leaves, and nothing is measured on what is not in sync."""

from __future__ import annotations

import argparse
import datetime as dt
import hashlib
import itertools
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from benchmarks import bulk, plan
from benchmarks.process import Unmeasured
from reconciler.engine import reconcile
from reconciler.ports.clock import Clock
from reconciler.ports.ports import Ports
from reconciler.ports.secrets import Entropy
from reconciler.ports.store import tables
from reconciler.products import pos_tree_codes
from tests.support.server import Server
from tests.support.shop import Shop

SPECS = {plan.name(number): plan.spec(number, False) for number in range(3)} | {
    f"sample-{number}": {**spec, "cloudSync": False} for number, spec in enumerate(pos_tree_codes.PRODUCT.samples())
}


class Noon(Clock):
    """A clock that stands still."""

    def now(self) -> dt.datetime:
        """Always the same moment."""
        return dt.datetime(2027, 1, 31, 12, tzinfo=dt.UTC)

    def monotonic(self) -> float:
        """Always the same moment."""
        return 0.0


class Counted(Entropy):
    """Draws the same values in the same order, each time it is made anew."""

    def __init__(self) -> None:
        super().__init__()
        self._count = itertools.count()

    def token(self, length: int) -> bytes:
        """The next value."""
        return hashlib.sha512(b"%d" % next(self._count)).digest()[:length]

    def identity(self) -> str:
        """The next value, as an id."""
        return self.token(16).hex()


def _applied(shop: Shop, ports: Ports) -> None:
    shop.apply(ports)


def _made(shop: Shop, ports: Ports) -> None:
    setting = shop.setting(ports)
    bulk.make(setting, set(SPECS))
    setting.opened().close()


def _rows(shop: Shop) -> dict[str, list[dict[str, Any]]]:
    """Everything that the store holds, by table."""
    setting = shop.setting()

    def read(connection: sa.Connection) -> dict[str, list[dict[str, Any]]]:
        return {
            table.name: [dict(row) for row in connection.execute(sa.select(table).order_by(*table.c)).mappings()]
            for table in tables.metadata.sorted_tables
        }

    try:
        return setting.opened().read(read)
    finally:
        setting.opened().close()


def test_what_is_made_in_bulk_is_what_an_apply_leaves(
    clean_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "PORTION", 2)
    shop = Shop(tmp_path / "shop", clean_server)

    def left(act: Callable[[Shop, Ports], None]) -> Any:
        ports = Ports(clock=Noon(), entropy=Counted())
        shop.platform(apply={"leaseSeconds": 600})  # a lease that is not renewed on a slow machine
        shop.applied(reconcile.Options(), ports)
        for name, spec in SPECS.items():
            shop.tenant("PosTenant", name, spec)
        act(shop, ports)
        return _rows(shop), shop.world()

    rows, world = left(_applied)
    clean_server.wipe()
    shutil.rmtree(shop.root / "state")
    for name in SPECS:
        shop.without(name)
    made, seen = left(_made)

    assert len(made["tenants"]) == len(SPECS)
    assert made == rows
    assert world.difference(seen) == []
    assert shop.plan(deep=True).empty


def test_a_repository_grows_and_every_tenant_is_in_sync(clean_server: Server, tmp_path: Path) -> None:
    shop = Shop(tmp_path / "shop", clean_server)
    plan.grow(shop, 5, 1)
    plan.grow(shop, 7, 2)

    assert len(_rows(shop)["tenants"]) == 7
    assert {name for (name,) in clean_server.sql("SHOW DATABASES LIKE 'pos%%'")} == {
        "pos_shop_000000",
        "pos_shop_000001",
    }
    clean_server.sql("UPDATE license_manager.tenants SET display_name = 'x' WHERE name = %s", plan.name(6))
    with pytest.raises(Unmeasured, match=r"of 7 tenants .*\{'repair': 1, 'unchanged': 6\}"):
        plan.prove(shop, 7)


def test_a_tenant_with_a_database_is_not_made_in_bulk(clean_server: Server, tmp_path: Path) -> None:
    shop = Shop(tmp_path / "shop", clean_server)
    shop.apply()
    shop.tenant("PosTenant", plan.name(0), plan.spec(0, True))
    setting = shop.setting()
    try:
        with pytest.raises(Unmeasured, match="pos_shop_000000"):
            bulk.make(setting, {plan.name(0)})
    finally:
        setting.opened().close()
    left = _rows(shop)
    assert plan.name(0) not in {row["tenant"] for table in ("leases", "transactions", "journal") for row in left[table]}


def test_databases_are_given_once_or_for_each_size() -> None:
    def sizes(tenants: str, databases: str) -> list[tuple[int, int]]:
        return plan.sizes(argparse.Namespace(tenants=tenants, databases=databases))

    assert sizes("100,10", "2") == [(10, 2), (100, 2)]
    assert sizes("100,10", "5,1") == [(10, 1), (100, 5)]
    with pytest.raises(ValueError, match="shorter"):
        sizes("100,10,1", "5,1")
