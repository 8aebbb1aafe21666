"""Accounts whose password somebody changed and had expire: repaired where they are to be, and as before where not."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.model import plan as plans
from reconciler.model.outcome import Result
from tests.engine.test_counts import agenda
from tests.engine.test_drifted_accounts import add, log_in, planned, run
from tests.support.faults import Boundaries, Fault, SimulatedDeath
from tests.support.shop import Shop

DRIFT = ("ALTER USER {} IDENTIFIED BY 'by hand'", "ALTER USER {} PASSWORD EXPIRE")
ACCOUNTS = ["APP", "OWN"]


def drift(shop: Shop, whose: str) -> None:
    """Somebody gives the account another password and has it expire."""
    run(shop, "agenda", *(statement.format(whose) for statement in DRIFT))


def facts(shop: Shop, whose: str) -> Any:
    """What the world says of the account."""
    user = f"agenda_one_{whose.lower()}"
    return next(found for name, found in shop.world().accounts.items() if f"'{user}'" in name)


def repairs(boundaries: Boundaries) -> list[int]:
    """Where an account's password is set; in a log its hash is left out, so it is told by its place."""
    return [at for at, what in enumerate(boundaries.log, 1) if what.startswith("«ALTER USER")]


@pytest.mark.parametrize("whose", ACCOUNTS)
def test_what_a_repair_ends_does_not_block_it(shop: Shop, whose: str) -> None:
    add(shop, "agenda")
    drift(shop, whose)
    found = planned(shop)
    assert (found.action, found.blockers) == (plans.Action.REPAIR, ())
    assert (planned(shop, deep=True).action, planned(shop, deep=True).blockers) == (plans.Action.REPAIR, ())
    assert shop.apply()["one"].result is Result.APPLIED
    assert not facts(shop, whose)["expired"]
    log_in(shop, "deliveries")
    assert shop.plan(deep=True).empty


def test_events_are_disabled_by_an_own_account_whose_password_is_set_again(shop: Shop) -> None:
    add(shop, "agenda")
    drift(shop, "OWN")
    shop.tenant("AgendaTenant", "one", {**agenda(1), "state": "suspended"})
    assert planned(shop).blockers == ()
    assert shop.apply()["one"].result is Result.APPLIED
    assert shop.plan(deep=True).empty


def test_an_expired_password_that_nothing_sets_again_still_blocks(shop: Shop) -> None:
    add(shop, "agenda")
    drift(shop, "OWN")
    run(shop, "agenda", "ALTER USER APP PASSWORD EXPIRE")
    assert [(found.code, "agenda_one_app" in found.message) for found in planned(shop).blockers] == [
        ("login-refused", True)
    ]


@pytest.mark.parametrize("fault", [Fault.ERROR, Fault.LOST_AFTER, Fault.DEATH_AFTER])
@pytest.mark.parametrize("whose", ACCOUNTS)
def test_a_rollback_leaves_a_password_expired_that_was(shop: Shop, whose: str, fault: Fault) -> None:
    add(shop, "agenda")
    drift(shop, whose)
    clean = Boundaries()
    assert shop.apply(clean.ports())["one"].result is Result.APPLIED
    (first, *_), struck = repairs(clean), 0
    for at in range(first, clean.count, 9):
        drift(shop, whose)
        before = shop.world()
        assert facts(shop, whose)["expired"]
        try:
            ended = shop.apply(Boundaries({at: fault}).ports()).get("one")
        except SimulatedDeath:
            ended = None
            shop.recover()
        if facts(shop, whose)["expired"]:
            struck += 1
            assert before.difference(shop.world()) == [], clean.log[at - 1]
            assert ended is None or ended.result is Result.ROLLED_BACK
        else:
            assert shop.plan().empty
    assert struck > 1


def test_the_plan_says_that_the_way_back_lets_it_expire_again(shop: Shop) -> None:
    add(shop, "agenda")
    drift(shop, "APP")
    (change,) = (change for change in planned(shop).changes if change.resource == "account")
    assert change.undo == "set the former password hash again, expired as it was"
    run(shop, "agenda", "ALTER USER APP IDENTIFIED BY 'by hand'")
    (change,) = (change for change in planned(shop).changes if change.resource == "account")
    assert change.undo == "set the former password hash again"
