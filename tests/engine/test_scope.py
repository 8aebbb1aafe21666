"""Which tenants a plan and an apply are about: all, the chosen ones, and those of whom only traces are left."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable

import pytest
import sqlalchemy as sa

from reconciler import errors
from reconciler.engine import reconcile
from reconciler.engine.progress import Progress
from reconciler.model import outcome
from reconciler.model import plan as plans
from reconciler.model.outcome import Outcome, Result
from reconciler.model.standing import Hold
from reconciler.ports import process
from reconciler.ports.store import journal, standing, tables
from tests.engine.drifting import AGENDA
from tests.engine.test_central_damage import HOOKS, died, lose_the_row, ready
from tests.engine.test_counts import agenda
from tests.engine.test_strays import ghost
from tests.support.shop import Shop

__all__ = ["ready"]

NOBODY = "nadie"


def write(shop: Shop, *statements: sa.Executable) -> None:
    """Write into the store."""
    setting = shop.setting()

    def all_of_them(connection: sa.Connection) -> None:
        for statement in statements:
            connection.execute(statement)

    setting.opened().write(all_of_them)
    setting.opened().close()


def unsettled(shop: Shop) -> list[str]:
    """The tenants with transactions that have not ended."""
    setting = shop.setting()
    try:
        return [entry.tenant for entry in setting.opened().read(journal.unsettled)]
    finally:
        setting.opened().close()


def left_open(shop: Shop, name: str = NOBODY, *, living: bool = False) -> None:
    """A transaction that a dead process left open, or that a ``living`` one is at, of a tenant without a spec."""
    shop.tenant("PosTenant", name, {"displayName": "Otra", "edition": "lite", "license": {"expires": "2099-12-31"}})
    died(shop)
    shop.without(name)
    if living:
        parent = dataclasses.replace(process.this(), pid=os.getppid(), started=process._started(os.getppid()))
        holder = json.dumps(parent.as_data(), sort_keys=True)
        write(shop, sa.update(tables.leases).where(tables.leases.c.tenant == name).values(holder=holder))


def stuck(shop: Shop) -> Callable[[], object]:
    """A stuck transaction of a tenant without spec and record; returns what makes that it can be undone."""
    put_back = lose_the_row(shop)
    died(shop)
    put_back()
    shop.server.sql(f"UPDATE {HOOKS} SET transaction_id = 'somebody'")
    assert [entry.result for entry in shop.recover()] == [Result.STUCK]
    write(shop, sa.update(tables.transactions).where(tables.transactions.c.state == "stuck").values(tenant=NOBODY))
    return lambda: shop.server.sql(f"DELETE FROM {HOOKS}")


def entry(found: plans.Plan, name: str = NOBODY) -> plans.TenantPlan:
    return next(one for one in found.tenants if one.tenant == name)


def applied(shop: Shop, meanwhile: Callable[[], object], **options: object) -> dict[str, Outcome]:
    """An apply, and what somebody else does between its look and its work."""
    setting = shop.setting()

    def agreed(_: plans.Plan) -> bool:
        meanwhile()
        return True

    chosen = reconcile.Options(**{"parallel": 1, **options})  # type: ignore[arg-type]
    _, outcomes = reconcile.apply(setting, chosen, Progress(), confirm=agreed)
    return {one.tenant: one for one in outcomes}


# --- names that a plan of all lists -------------------------------------------------------------------------


def test_whoever_a_plan_of_all_lists_can_be_planned_by_name(shop: Shop) -> None:
    stuck(shop)
    ghost(shop)
    shop.without("two")
    everybody = {one.tenant: one for one in shop.plan().tenants}
    assert [*everybody] == ["ghost", NOBODY, "one", "two"]
    for name, listed in everybody.items():
        (alone,) = shop.plan(tenants=(name,)).tenants
        assert (alone.action, alone.blockers, alone.reports) == (listed.action, listed.blockers, listed.reports)
    assert [one.tenant for one in shop.plan(tenants=tuple(everybody)).tenants] == [*everybody]


def test_a_stuck_transaction_of_nobody_is_settled_by_name(shop: Shop) -> None:
    clear = stuck(shop)
    assert shop.apply(tenants=(NOBODY,))[NOBODY].result is Result.STUCK
    clear()
    assert shop.apply(tenants=(NOBODY,))[NOBODY].result is Result.UNCHANGED
    assert unsettled(shop) == []
    with pytest.raises(errors.UsageError, match=f"there is no tenant {NOBODY} in the specs"):
        shop.plan(tenants=(NOBODY,))


def test_rows_of_nobody_are_left_as_they_are_by_name_too(shop: Shop) -> None:
    ghost(shop)
    assert shop.apply(tenants=("ghost",))["ghost"].result is Result.UNCHANGED
    assert [row[0] for row in shop.server.sql("SELECT name FROM license_manager.tenants WHERE name = 'ghost'")] == [
        "ghost"
    ]


@pytest.mark.parametrize("name", ["typo", "theirs", "@platform", "Ñandú 'x'"])
def test_a_name_of_whom_nobody_knows_anything_is_wrong_usage(shop: Shop, name: str) -> None:
    ghost(shop, "theirs", "other")
    before = shop.world()
    for chosen in ((name,), ("one", name)):
        with pytest.raises(errors.UsageError):
            shop.plan(tenants=chosen)
        with pytest.raises(errors.UsageError):
            shop.apply(tenants=chosen)
    assert before.difference(shop.world()) == []


def test_an_unknown_name_is_wrong_usage_where_the_server_can_t_be_reached(shop: Shop) -> None:
    shop.document("specs/servers/main.yaml", "DatabaseServer", "main", shop.server_spec(port=1))
    with pytest.raises(errors.UsageError):
        shop.plan(tenants=("typo",))
    with pytest.raises(errors.ServerUnreachable):
        shop.plan(tenants=("one",))


# --- what a dead process left open --------------------------------------------------------------------------


def test_what_a_dead_process_left_open_of_nobody_is_in_the_plan_and_settled_by_an_apply(shop: Shop) -> None:
    left_open(shop)
    found = entry(shop.plan())
    assert (found.action, [one.code for one in found.reports]) == (plans.Action.UNCHANGED, [plans.OPEN])
    assert shop.apply()[NOBODY].result is Result.UNCHANGED
    assert unsettled(shop) == []
    assert [one.tenant for one in shop.plan().tenants] == ["one", "two"]


def test_what_a_living_process_makes_from_other_specs_is_left_to_it(shop: Shop) -> None:
    left_open(shop, living=True)
    assert [one.tenant for one in shop.plan().tenants] == ["one", "two"]
    outcomes = shop.apply()
    assert NOBODY not in outcomes
    assert outcome.exit_status(outcomes.values()) == 0
    assert [one.code for one in entry(shop.plan(tenants=(NOBODY,))).reports] == [plans.OPEN]
    assert shop.apply(tenants=(NOBODY,))[NOBODY].result is Result.LEASED
    assert unsettled(shop) == [NOBODY]


def test_what_was_left_open_of_a_tenant_without_a_spec_is_settled_by_an_apply(shop: Shop) -> None:
    left_open(shop, "two")
    found = entry(shop.plan(), "two")
    assert (found.action, [one.code for one in found.reports]) == (plans.Action.ORPHANED, [plans.OPEN])
    assert shop.apply()["two"].result is Result.UNCHANGED
    assert unsettled(shop) == []


def test_what_was_left_open_of_a_tenant_that_must_not_go_is_settled_and_it_stays(shop: Shop) -> None:
    shop.platform(guards={"prune": True, "maxDeletes": 0})
    left_open(shop, "two")
    assert [one.code for one in entry(shop.plan(), "two").blockers] == ["guard"]
    ended = shop.apply()["two"]
    assert (ended.result, ended.failure.code if ended.failure else "") == (Result.BLOCKED, "guard")
    assert unsettled(shop) == []


def test_an_orphan_that_somebody_works_on_is_no_matter(shop: Shop) -> None:
    left_open(shop, "two", living=True)
    assert shop.apply()["two"].result is Result.UNCHANGED
    assert shop.apply(tenants=("two",))["two"].result is Result.LEASED


# --- what somebody else does between the look and the work --------------------------------------------------


def test_what_somebody_else_settles_before_an_apply_gets_to_it_is_no_stale_plan(shop: Shop) -> None:
    clear = stuck(shop)

    def settle() -> None:
        clear()
        assert [one.result for one in shop.recover()] == [Result.ROLLED_BACK]

    outcomes = applied(shop, settle)
    assert outcomes[NOBODY].result is Result.UNCHANGED
    assert outcome.exit_status(outcomes.values()) == 0


def test_who_is_held_before_an_apply_gets_to_it_is_left_alone(shop: Shop) -> None:
    shop.tenant("AgendaTenant", "one", {**AGENDA, "displayName": "Otra"})

    def hold() -> None:
        setting = shop.setting()
        hold = Hold("one", "ana", "an audit", "", "2026-01-01T00:00:00.000000Z")
        setting.opened().write(lambda connection: standing.hold(connection, hold))
        setting.opened().close()

    assert applied(shop, hold)["one"].result is Result.UNCHANGED
    assert shop.server.sql("SELECT display_name FROM license_manager.tenants WHERE name = 'one'") == [
        (AGENDA["displayName"],)
    ]


def test_who_must_not_go_any_more_when_an_apply_gets_to_it_is_blocked(shop: Shop) -> None:
    """Somebody else made tenants whose specs are not here, so that more would go than may."""
    shop.platform(guards={"prune": True, "maxDeletes": 1})
    shop.without("two")
    assert entry(shop.plan(), "two").action is plans.Action.TRASH

    def make() -> None:
        shop.tenant("AgendaTenant", "three", agenda(3))
        assert shop.apply(tenants=("three",))["three"].result is Result.APPLIED
        shop.without("three")

    ended = applied(shop, make)["two"]
    assert (ended.result, ended.failure.code if ended.failure else "") == (Result.BLOCKED, "guard")
