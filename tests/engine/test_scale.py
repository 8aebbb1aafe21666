"""What a plan reads when there are many tenants, counted: files, documents, records, rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from reconciler.engine import reconcile
from reconciler.model import plan as plans
from reconciler.model import record
from reconciler.ports import cache
from reconciler.ports.central import view
from reconciler.ports.mysql import census, connection
from reconciler.ports.store import records
from reconciler.spec import folder, kept, load
from tests.engine.test_counts import agenda, pos
from tests.support.shop import Shop

MANY = 200


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """No file counts as changed just now."""
    monkeypatch.setattr(cache, "_TICK", -(10**15))


@pytest.fixture
def many(shop: Shop, settled: None) -> Shop:
    """One tenant that was applied, and the specs and records of many others that were not."""
    shop.tenant("AgendaTenant", "one", agenda(0))
    shop.apply()
    setting = shop.setting()
    store = setting.opened()
    [made] = setting.records().values()
    others = [replace(made, tenant=f"other-{number}", database=f"agenda_{number}") for number in range(1, MANY)]

    def save(c: sa.Connection) -> None:
        for entry in others:
            records.save(c, entry)

    store.write(save)
    store.close()
    for number in range(1, MANY):
        shop.tenant("AgendaTenant", f"other-{number}", agenda(number))
    return shop


def test_the_plan_of_one_tenant_among_many_reads_what_is_its_own(many: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    many.plan(tenants=("one",))
    many.tenant("AgendaTenant", "one", {**agenda(0), "displayName": "Otra"})
    opened: list[str] = []
    parsed: list[str] = []
    decoded: list[str] = []
    loaded: list[str] = []
    content, parse, real = folder.content, load.parse, record.Record
    spec: Any = vars(kept.Kept)["spec"]

    def opening(path: str) -> bytes:
        if Path(path).parent.name == "tenants":  # a product reads its seeds as it needs them
            opened.append(Path(path).stem)
        return content(path)

    def parsing(source: Any, kinds: Any) -> load.Parsed:
        parsed.append(source.file)
        return parse(source, kinds)

    def decoding(self: kept.Kept) -> Any:
        if self.is_tenant and self._typed is None:
            decoded.append(self.name)
        return spec.fget(self)

    def loading(name: str, *more: Any) -> Any:
        loaded.append(name)
        return real(name, *more)

    monkeypatch.setattr(folder, "content", opening)
    monkeypatch.setattr(load, "parse", parsing)
    monkeypatch.setattr(kept.Kept, "spec", property(decoding))
    monkeypatch.setattr(records, "Record", loading)
    planned = many.plan(tenants=("one",))
    assert [(entry.tenant, entry.action) for entry in planned.tenants] == [("one", plans.Action.UPDATE)]
    assert (opened, parsed, decoded, loaded) == (["one"], ["specs/tenants/one.yaml"], [], ["one"])


def test_the_plan_of_one_tenant_still_heeds_what_one_without_a_spec_has(many: Shop) -> None:
    many.without("other-7")
    setting = many.setting()
    held = setting.records(["other-7"])["other-7"]
    setting.opened().write(lambda c: records.save(c, replace(held, spec={**held.spec, "domain": "kept.example.com"})))
    setting.opened().close()
    many.tenant("AgendaTenant", "one", {**agenda(0), "domain": "kept.example.com"})
    [entry] = many.plan(tenants=("one",)).tenants
    assert entry.action is plans.Action.BLOCKED
    assert "still belongs to tenant other-7" in entry.blockers[0].message


def test_the_plan_of_a_tenant_that_is_to_go_knows_all_who_go(many: Shop) -> None:
    many.platform(guards={"prune": True, "maxDeletes": 1})
    for name in ("other-1", "other-2"):
        many.without(name)
    [entry] = many.plan(tenants=("other-1",)).tenants
    assert "2 tenants would be deleted" in entry.blockers[0].message


# --- central rows --------------------------------------------------------------------------------------------


@pytest.fixture
def central(shop: Shop) -> Iterator[connection.Connection]:
    """A connection to a central system with rows of every kind."""
    shop.tenant("AgendaTenant", "one", {**agenda(0), "displayName": "Ñandú «ß» 𝒳 '\\\" \u2028", "timezone": "UTC"})
    shop.tenant("PosTenant", "two", pos(1))
    shop.tenant("PosTenant", "three", {**pos(2), "license": {"expires": "2099-12-31"}})
    shop.apply()
    shop.server.sql(
        "INSERT INTO license_manager.webhook_endpoints SELECT tenant, 'second', url, events, state, platform_id, "
        "transaction_id FROM license_manager.webhook_endpoints"
    )
    setting = shop.setting()
    setting.opened().close()
    found = setting.ports.connect(setting.servers["main"])
    yield found
    found.close()


@pytest.mark.parametrize("tenants", [3, 50_000])
def test_the_server_tells_of_rows_what_is_told_of_them_when_they_are_read(
    central: connection.Connection, tenants: int
) -> None:
    seen, told = view.look(central, "license_manager", None), view.digests(central, "license_manager", tenants)
    assert told is not None
    for table in view.COLUMNS:
        assert told[table].keys() == {*seen.tables[table]}
        for tenant in ("one", "two", "three", "nobody"):
            assert told[table].get(tenant, "") == seen.told(table, tenant)
    assert len(told["webhook_endpoints"]["one"]) > len(told["tenants"]["one"])


def test_where_the_server_cuts_off_what_it_tells_nothing_is_believed(central: connection.Connection) -> None:
    central.run("SET SESSION group_concat_max_len = 100")
    assert view.digests(central, "license_manager", 3) is None


def test_no_central_database_is_told_as_no_rows(central: connection.Connection) -> None:
    assert view.digests(central, "agenda_none", 3) == {table: {} for table in view.COLUMNS}


@pytest.mark.parametrize("table", ["tenants", "licenses", "license_devices"])
def test_of_many_tenants_only_the_rows_of_those_that_changed_are_read(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    names = [f"pos-{number}" for number in range(4)]
    for number, name in enumerate(names):
        shop.tenant("PosTenant", name, pos(number))
    shop.apply()
    monkeypatch.setattr(census, "NARROW", 2)
    read: list[Any] = []
    real = view._rows

    def reading(one: Any, database: str, table: str, tenants: Any) -> Any:
        read.append((table, sorted(tenants or ())))
        return real(one, database, table, tenants)

    monkeypatch.setattr(view, "_rows", reading)
    assert shop.plan().empty
    assert read != []
    read.clear()
    assert shop.plan().empty
    assert read == []
    column = {"tenants": "display_name", "licenses": "edition", "license_devices": "hardware"}[table]
    shop.server.sql(f"UPDATE license_manager.{table} SET {column} = 'x' WHERE {view.tenant_column(table)} = 'pos-2'")
    found = {entry.tenant: entry.action for entry in shop.plan().tenants}
    assert [name for name in names if found[name] is not plans.Action.UNCHANGED] == ["pos-2"]
    assert read == [(one, ["pos-2"]) for one in view.COLUMNS]


def test_what_is_known_of_a_tenant_goes_with_its_turn(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        shop.tenant("PosTenant", f"pos-{number}", pos(number))
    shop.apply()
    left: list[int] = []
    real = view.CentralView.let_go

    def letting(self: view.CentralView, tenant: str) -> None:
        real(self, tenant)
        left.append(len(self.tables["licenses"]))

    monkeypatch.setattr(view.CentralView, "let_go", letting)
    setting = shop.setting()
    assert reconcile.plan(setting, reconcile.Options()).empty
    setting.opened().close()
    assert left == [2, 1, 0]
