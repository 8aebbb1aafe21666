"""What a plan says of transactions that have not ended."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from reconciler.cli.plan import status as plan_status
from reconciler.model import outcome
from reconciler.model import plan as plans
from reconciler.model.outcome import Result
from reconciler.ports.mysql import census
from reconciler.ports.store import journal
from tests.engine.drifting import CENTRAL, planned
from tests.engine.test_central_damage import HOOKS, died, lose_the_row, ready
from tests.support.shop import Shop

__all__ = ["ready"]


@pytest.fixture
def stuck(shop: Shop) -> Shop:
    """A shop whose tenant ``one`` has a transaction that can't be undone before a row is deleted by hand."""
    put_back = lose_the_row(shop)
    died(shop)
    put_back()
    shop.server.sql(f"UPDATE {HOOKS} SET transaction_id = 'somebody'")
    assert [entry.result for entry in shop.recover()] == [Result.STUCK]
    return shop


def transaction(shop: Shop) -> str:
    """The id of the last transaction, as people are told it."""
    setting = shop.setting()
    try:
        return setting.opened().read(lambda connection: journal.latest(connection, "one", 1))[0].id[:8]
    finally:
        setting.opened().close()


def test_a_plan_names_a_stuck_transaction_and_the_way_out(stuck: Shop) -> None:
    for options in ({}, {"tenants": ("one",)}, {"deep": True}):
        found = stuck.plan(**options)
        one = next(entry for entry in found.tenants if entry.tenant == "one")
        assert one.action is plans.Action.BLOCKED
        (blocker,) = one.blockers
        assert (blocker.code, transaction(stuck) in blocker.message) == ("stuck", True)
        assert "reconcile recover" in blocker.advice
        assert plan_status(found, detailed=False) == 3
    assert planned(stuck, "two").blockers == ()
    assert stuck.plan(tenants=("two",)).empty


def test_an_apply_of_a_stuck_tenant_says_what_is_left_over(stuck: Shop) -> None:
    outcomes = stuck.apply(keep_going=True)
    assert outcomes["one"].result is Result.STUCK
    assert outcomes["one"].leftovers
    assert outcome.exit_status(outcomes.values()) == 7


def test_an_apply_settles_what_was_stuck_and_goes_on(stuck: Shop) -> None:
    stuck.server.sql(f"DELETE FROM {HOOKS}")
    assert stuck.apply()["one"].result is Result.APPLIED
    assert stuck.plan(deep=True).empty


def test_a_stuck_tenant_without_a_spec_is_in_the_plan_and_settled_by_an_apply(stuck: Shop) -> None:
    stuck.without("one")
    (blocker,) = planned(stuck).blockers
    assert blocker.code == "stuck"
    assert stuck.apply()["one"].result is Result.STUCK
    stuck.server.sql(f"DELETE FROM {HOOKS}")
    assert stuck.apply()["one"].result is Result.UNCHANGED
    assert planned(stuck).action is plans.Action.ORPHANED


def test_a_stuck_transaction_of_a_tenant_that_nobody_knows_is_in_the_plan(stuck: Shop) -> None:
    """Its creation failed, and its spec was taken back."""
    setting = stuck.setting()
    setting.opened().write(lambda connection: connection.execute(sa.text("UPDATE transactions SET tenant = 'never'")))
    setting.opened().close()
    found = planned(stuck, "never")
    assert (found.action, [entry.code for entry in found.blockers]) == (plans.Action.BLOCKED, ["stuck"])
    assert planned(stuck).blockers == ()
    assert stuck.apply()["never"].result is Result.STUCK


def test_a_plan_reports_a_transaction_that_is_open_and_an_apply_settles_it_first(shop: Shop) -> None:
    lose_the_row(shop)
    died(shop)
    found = planned(shop)
    assert found.action is plans.Action.REPAIR
    assert [entry.code for entry in found.reports] == [plans.OPEN]
    assert transaction(shop) in found.reports[0].message
    assert shop.apply()["one"].result is Result.APPLIED
    assert planned(shop).reports == ()


# --- central rows of nobody --------------------------------------------------------------------------------


def ghost(shop: Shop, platform: str = "platform_id") -> None:
    """A row of the index that bears a platform's id, of a tenant that nobody knows."""
    shop.server.sql(
        f"INSERT INTO {CENTRAL}.tenants SELECT 'ghost', product, display_name, server, database_name, domain, plan, "
        f"locale, timezone, state, revision, {platform}, transaction_id FROM {CENTRAL}.tenants WHERE name = 'one'"
    )


@pytest.mark.parametrize("few", [200, 0])
def test_a_central_row_of_nobody_is_reported_whether_rows_are_read_or_their_digests(
    shop: Shop, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(census, "NARROW", few)
    for _ in range(2):  # without notes, and with those of the run before
        assert [entry.reports for entry in shop.plan().tenants] == [(), ()]
    ghost(shop)
    for deep in (False, True):
        found = shop.plan(deep=deep)
        (stray,) = (entry for entry in found.tenants if entry.tenant == "ghost")
        assert (stray.action, stray.product) == (plans.Action.ORPHANED, "agenda-ia")
        assert [entry.code for entry in stray.reports] == ["central-stray"]
        assert (found.empty, plan_status(found, detailed=True)) == (True, 0)
    assert [entry.tenant for entry in shop.plan(tenants=("one",)).tenants] == ["one"]


def test_a_central_row_of_another_platform_is_none_of_ours(shop: Shop) -> None:
    ghost(shop, "'other'")
    assert [entry.tenant for entry in shop.plan().tenants] == ["one", "two"]


def test_a_tenant_that_is_being_made_elsewhere_is_not_called_nobodys(shop: Shop) -> None:
    """Its spec is not in this tree, its record comes with its commit, and its rows are there before."""
    ghost(shop)
    lose_the_row(shop)
    died(shop)
    setting = shop.setting()
    setting.opened().write(
        lambda connection: connection.execute(sa.text("UPDATE transactions SET tenant = 'ghost' WHERE state = 'open'"))
    )
    setting.opened().close()
    assert [entry.tenant for entry in shop.plan().tenants] == ["one", "two"]
