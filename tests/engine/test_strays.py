"""Central rows of nobody are found whoever else there is to look at, and at no cost where rows are looked at anyway."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.cli.plan import status as plan_status
from reconciler.engine import held
from reconciler.engine import setting as settings
from reconciler.model import plan as plans
from reconciler.model.outcome import Result
from reconciler.ports.central import view
from reconciler.ports.mysql import census
from tests.engine.drifting import CENTRAL
from tests.engine.test_counts import pos
from tests.support.shop import Shop

SUSPENDED = {held.ANNOTATION: {"reason": "an audit", "by": "ana"}}


def platform(shop: Shop) -> str:
    setting: settings.Setting = shop.setting()
    setting.opened().close()
    return setting.place.platform_id


def ghost(shop: Shop, name: str = "ghost", owner: str = "") -> None:
    """A row of the index that bears a platform's id, ours if no other is named, of a tenant that nobody knows."""
    shop.server.sql(
        f"INSERT INTO {CENTRAL}.tenants (name, product, display_name, server, database_name, domain, plan, locale, "
        "timezone, state, revision, platform_id, transaction_id) VALUES (%s, 'agenda-ia', 'Ghost', 'main', '', '', '', "
        "'', '', 'active', '', %s, '')",
        name,
        owner or platform(shop),
    )


def many(shop: Shop, count: int = 3) -> list[str]:
    """So many tenants, made."""
    names = [f"pos-{number}" for number in range(count)]
    for number, name in enumerate(names):
        shop.tenant("PosTenant", name, pos(number))
    assert {entry.result for entry in shop.apply().values()} == {Result.APPLIED}
    return names


def nobodys(found: plans.Plan) -> list[str]:
    """Of whom a plan says that their rows are nobody's."""
    return [entry.tenant for entry in found.tenants if [one.code for one in entry.reports] == ["central-stray"]]


@pytest.mark.parametrize("options", [{}, {"deep": True}])
def test_rows_of_nobody_are_found_where_there_is_no_tenant(shop: Shop, options: dict[str, Any]) -> None:
    assert shop.plan(**options).tenants == ()
    ghost(shop)
    ghost(shop, "another-platforms", "other")
    found = shop.plan(**options)
    assert nobodys(found) == ["ghost"]
    assert [(entry.tenant, entry.action, entry.product) for entry in found.tenants] == [
        ("ghost", plans.Action.ORPHANED, "agenda-ia")
    ]
    assert (found.empty, plan_status(found, detailed=True)) == (True, 0)
    assert {name: entry.result for name, entry in shop.apply().items()} == {"ghost": Result.UNCHANGED}


def test_rows_of_nobody_are_found_where_every_tenant_is_held(shop: Shop) -> None:
    names = many(shop)
    for number, name in enumerate(names):
        shop.document(f"specs/tenants/{name}.yaml", "PosTenant", name, pos(number), annotations=SUSPENDED)
    assert nobodys(shop.plan()) == []
    ghost(shop)
    found = shop.plan()
    assert nobodys(found) == ["ghost"]
    assert [entry.tenant for entry in found.tenants if entry.reports] == ["ghost", *names]


def test_rows_of_a_tenant_that_is_held_before_it_was_made_are_not_nobodys(shop: Shop) -> None:
    shop.document("specs/tenants/ghost.yaml", "PosTenant", "ghost", pos(1), annotations=SUSPENDED)
    ghost(shop)
    assert nobodys(shop.plan()) == []


def test_rows_of_nobody_are_found_where_no_tenant_can_be_looked_at(shop: Shop) -> None:
    """They stand on a server that can't be reached, and the central one can."""
    shop.document("specs/servers/second.yaml", "DatabaseServer", "second", shop.server_spec(port=1))
    shop.tenant("PosTenant", "there", {**pos(1), "server": "second"})
    ghost(shop)
    found = shop.plan()
    assert nobodys(found) == ["ghost"]
    assert [entry.tenant for entry in found.blocked] == ["there"]


def test_rows_of_nobody_are_found_where_the_server_does_not_tell_of_all_digests(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    ghost(shop)
    monkeypatch.setattr(view, "digests", lambda *_: None)
    assert nobodys(shop.plan()) == ["ghost"]


def test_a_central_database_that_is_damaged_or_not_made_yet_has_nobody(shop: Shop) -> None:
    ghost(shop)
    shop.server.sql(f"DROP TABLE {CENTRAL}.licenses")
    assert shop.plan().tenants == ()
    shop.server.sql(f"DROP DATABASE {CENTRAL}")
    found = shop.plan()
    assert (found.tenants, found.platform != ()) == ((), True)


@pytest.mark.parametrize("few", [200, 0])
def test_who_is_registered_is_not_asked_for_where_rows_or_digests_are_looked_at_anyway(
    shop: Shop, said: list[str], few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    many(shop)
    monkeypatch.setattr(census, "NARROW", few)
    for _ in range(2):  # without notes, and with those of the run before
        said.clear()
        assert shop.plan().empty
        assert len([statement for statement in said if f"FROM `{CENTRAL}`.`tenants`" in statement]) == 1


def test_a_plan_of_some_tenants_does_not_look_for_rows_of_others(shop: Shop, said: list[str]) -> None:
    (name,) = many(shop, 1)
    ghost(shop)
    said.clear()
    assert [entry.tenant for entry in shop.plan(tenants=(name,)).tenants] == [name]
    assert [statement for statement in said if "GROUP_CONCAT" in statement or "ghost" in statement] == []
