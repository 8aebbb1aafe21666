"""A central database that lost a part of itself, before a plan and while a tenant is worked on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from reconciler import errors
from reconciler.engine import reconcile
from reconciler.engine.progress import Progress
from reconciler.model import outcome
from reconciler.model import plan as plans
from reconciler.model.change import Change
from reconciler.model.outcome import Outcome, Result
from reconciler.ports import process
from reconciler.ports.central import view
from reconciler.ports.mysql.connection import Connection
from tests.engine.drifting import AGENDA, CENTRAL, POS, planned
from tests.support.shop import Shop

AWAY = "aside"
HOOKS = f"{CENTRAL}.webhook_endpoints"


class Died(BaseException):
    """The end of a process, as far as one test process can have it."""


class Meanwhile(Progress):
    """Somebody does something when the journal says what will be done, and nothing is done yet."""

    def __init__(self, act: Callable[[], object]) -> None:
        self._act = act

    def begins(self, tenant: str, changes: int) -> None:
        self._act()


@pytest.fixture(name="shop")
def ready(shop: Shop) -> Shop:
    """The tenants ``one`` of Agenda IA, with a webhook, and ``two`` of POS Tree Codes."""
    shop.tenant("AgendaTenant", "one", AGENDA)
    shop.tenant("PosTenant", "two", {**POS, "cloudSync": False})
    assert {entry.result for entry in shop.apply().values()} == {Result.APPLIED}
    return shop


def away(shop: Shop) -> None:
    """Take the table of the webhooks away."""
    shop.server.sql(f"CREATE DATABASE IF NOT EXISTS {AWAY}")
    shop.server.sql(f"RENAME TABLE {HOOKS} TO {AWAY}.webhook_endpoints")


def back(shop: Shop) -> None:
    """Put it back."""
    shop.server.sql(f"RENAME TABLE {AWAY}.webhook_endpoints TO {HOOKS}")
    shop.server.sql(f"DROP DATABASE {AWAY}")


def lose_the_row(shop: Shop) -> Callable[[], object]:
    """Delete the row of the webhook, so that a plan adds it; returns what puts it back as it was."""
    (row,) = shop.server.sql(f"SELECT * FROM {HOOKS}")
    shop.server.sql(f"DELETE FROM {HOOKS}")
    return lambda: shop.server.sql(f"INSERT INTO {HOOKS} VALUES ({', '.join(['%s'] * len(row))})", *row)


def applied(shop: Shop, act: Callable[[], object]) -> dict[str, Outcome]:
    """An apply during which somebody acts."""
    setting = shop.setting()
    _, outcomes = reconcile.apply(setting, reconcile.Options(parallel=1), Meanwhile(act))
    return {entry.tenant: entry for entry in outcomes}


def died(shop: Shop) -> None:
    """An apply of a process that ended between the journal's first record and the first change."""

    def end() -> None:
        raise Died

    me = process.this()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(process, "this", lambda: dataclasses.replace(me, started=me.started - 1))
        with pytest.raises(Died):
            applied(shop, end)


def status(outcomes: Any) -> int:
    return outcome.exit_status(outcomes.values() if isinstance(outcomes, dict) else outcomes)


# --- found by a plan ---------------------------------------------------------------------------------------


def test_a_central_table_that_is_gone_stops_every_tenant_before_it_is_touched(shop: Shop) -> None:
    away(shop)
    for tenant in ("one", "two"):
        found = planned(shop, tenant)
        assert (found.action, [entry.code for entry in found.blockers]) == (plans.Action.BLOCKED, ["central-damaged"])
        assert found.changes == ()
    before = shop.world()
    outcomes = shop.apply(keep_going=True)
    assert {entry.result for entry in outcomes.values()} == {Result.BLOCKED}
    assert status(outcomes) == 3
    assert before.difference(shop.world()) == []
    back(shop)
    assert shop.plan(deep=True).empty


def test_everything_that_is_gone_is_named_at_once(shop: Shop) -> None:
    away(shop)
    shop.server.sql(f"ALTER TABLE {CENTRAL}.tenants DROP COLUMN locale, DROP COLUMN timezone")
    shop.server.sql(f"DROP TABLE {CENTRAL}.license_devices")
    (blocker,) = planned(shop).blockers
    assert (
        "has lost the column tenants.locale, the column tenants.timezone, the table license_devices, "
        "the table webhook_endpoints;"
    ) in blocker.message


def test_the_servers_work_for_a_missing_table_does_not_grow_with_the_tenants(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = list[str]()
    lost = view.lost

    def counting(connection: Connection, database: str) -> list[str]:
        asked.append(database)
        return lost(connection, database)

    monkeypatch.setattr(view, "lost", counting)
    away(shop)
    assert all(entry.blockers for entry in shop.plan().tenants)
    assert len(asked) == 1


def test_a_central_database_that_can_not_say_whose_it_is_any_more_is_refused(shop: Shop) -> None:
    shop.server.sql(f"DROP TABLE {CENTRAL}.platform")
    before = shop.world()
    for work in (shop.plan, shop.apply):
        with pytest.raises(errors.CentralDamaged, match="has lost the table platform;") as refused:
            work()
        assert refused.value.exit == 3
    assert before.difference(shop.world()) == []
    shop.server.sql(f"DROP TABLE {CENTRAL}.alembic_version")
    shop.apply()
    assert shop.plan(deep=True).empty


@pytest.mark.parametrize("table", ["webhook_endpoints", "licenses", "license_devices", "tenants"])
def test_a_table_that_is_lost_for_good_is_made_again_in_the_way_that_the_blocker_names(shop: Shop, table: str) -> None:
    before = shop.server.sql(f"SELECT * FROM {CENTRAL}.{table} ORDER BY 1")
    shop.server.sql(f"DROP TABLE {CENTRAL}.{table}")
    (blocker,) = planned(shop).blockers
    (statement,) = (part for part in blocker.advice.split(": ") if part.startswith("DROP TABLE"))
    shop.server.sql(statement.split(";")[0])
    assert {entry.result for entry in shop.apply().values()} <= {Result.APPLIED, Result.UNCHANGED}
    assert shop.plan(deep=True).empty
    after = shop.server.sql(f"SELECT * FROM {CENTRAL}.{table} ORDER BY 1")
    assert len(before) == len(after) > 0


# --- while a tenant is worked on ---------------------------------------------------------------------------


def test_a_table_that_goes_away_under_a_change_leaves_nothing_to_undo(shop: Shop) -> None:
    put_back = lose_the_row(shop)
    outcomes = applied(shop, lambda: away(shop))
    failure = outcomes["one"].failure
    assert (outcomes["one"].result, outcomes["one"].leftovers) == (Result.ROLLED_BACK, ())
    assert failure is not None
    assert "the central table webhook_endpoints went away" in failure.message
    back(shop)
    put_back()
    assert shop.plan(deep=True).empty


def test_what_is_left_over_of_an_apply_is_never_called_nothing(shop: Shop) -> None:
    put_back = lose_the_row(shop)

    class Later(Progress):
        """The table goes away when its row was written, and the last step meets that."""

        def doing(self, tenant: str, number: int, change: Change) -> None:
            if change.resource == "activation":
                away(shop)

    setting = shop.setting()
    _, (one, _) = reconcile.apply(setting, reconcile.Options(parallel=1), Later())
    assert one.result is Result.STUCK
    assert [left.name for left in one.leftovers] == ["webhook_endpoints/one/one crm"]
    assert one.failure is not None
    assert "Nothing is left" not in one.failure.advice
    assert "reconcile recover" in one.failure.advice
    back(shop)
    assert [entry.result for entry in shop.recover()] == [Result.ROLLED_BACK]
    put_back()
    assert shop.plan(deep=True).empty


def test_a_row_that_had_been_out_of_sight_is_not_the_undos_to_take(shop: Shop) -> None:
    before = shop.world()
    put_back = lose_the_row(shop)
    died(shop)
    put_back()
    (settled,) = shop.recover()
    assert (settled.result, settled.leftovers) == (Result.ROLLED_BACK, ())
    assert before.difference(shop.world()) == []
    assert shop.plan(deep=True).empty


def test_a_row_with_a_mark_that_nobody_knows_is_left_over(shop: Shop) -> None:
    put_back = lose_the_row(shop)
    died(shop)
    put_back()
    shop.server.sql(f"UPDATE {HOOKS} SET transaction_id = 'somebody'")
    (settled,) = shop.recover()
    assert settled.result is Result.STUCK
    assert [left.name for left in settled.leftovers] == ["webhook_endpoints/one/one crm"]
    shop.server.sql(f"DELETE FROM {HOOKS}")
    assert [entry.result for entry in shop.recover()] == [Result.ROLLED_BACK]


def test_an_undo_waits_for_a_table_that_is_gone_because_its_row_may_be_in_it(shop: Shop) -> None:
    put_back = lose_the_row(shop)
    died(shop)
    away(shop)
    (settled,) = shop.recover()
    assert settled.result is Result.STUCK
    (left,) = settled.leftovers
    assert "the central table webhook_endpoints is gone" in left.reason
    assert left.clear == "put the table back, then run `reconcile recover`"
    outcomes = shop.apply()
    assert status(outcomes) == 7
    assert all("Nothing is left" not in (entry.failure.advice if entry.failure else "") for entry in outcomes.values())
    back(shop)
    put_back()
    assert [entry.result for entry in shop.recover()] == [Result.ROLLED_BACK]
    assert shop.plan(deep=True).empty


def test_a_row_of_a_central_database_that_is_there_no_more_was_undone_with_it(shop: Shop) -> None:
    lose_the_row(shop)
    died(shop)
    shop.server.sql(f"DROP TABLE {HOOKS}, {CENTRAL}.alembic_version")
    assert [entry.result for entry in shop.recover()] == [Result.ROLLED_BACK]
