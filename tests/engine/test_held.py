"""A tenant that somebody holds is not worked on, until then; what a dead process left open is settled all the same."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from reconciler import errors
from reconciler.engine import held, reconcile
from reconciler.engine.progress import Progress
from reconciler.model import plan as plans
from reconciler.model.outcome import Result
from reconciler.model.standing import ALL, Hold
from reconciler.model.states import TransactionState
from reconciler.model.tenant import Tenant
from reconciler.ports.store import journal, standing
from tests.engine.test_counts import agenda
from tests.support.faults import Boundaries, Fault, SimulatedDeath
from tests.support.shop import Shop

NOW = dt.datetime(2027, 1, 31, 12, tzinfo=dt.UTC)
AUDIT = {"reason": "audit", "by": "ana"}
KIND = "AgendaTenant"


def tenant(**suspend: Any) -> Tenant[Any, Any]:
    """A tenant with this annotation, if any."""
    notes = {held.ANNOTATION: suspend} if suspend else {}
    where = errors.Where("specs/tenants/one.yaml", 6, 7)
    nothing: Any = None
    return Tenant(
        "one", "agenda-ia", Path(), nothing, "", None, None, dict, where, annotations=notes, at=lambda *path: where
    )


@pytest.mark.parametrize(
    ("until", "lasts"),
    [
        ("2027-01-31", True),
        ("2027-01-30", False),
        ("2027-01-31T12:00:00Z", True),
        ("2027-01-31T11:59:59Z", False),
        ("2027-01-31T07:00:00-06:00", True),
        ("2027-01-31T13:00:00+06:00", False),
        ("9999-12-31", True),
        ("9999-12-31T23:59:59-06:00", True),
        ("0001-01-01T00:00:00+06:00", False),
        ("0999-01-01T00:00:00Z", False),
    ],
)
def test_an_annotation_holds_until_the_end_of_its_day_or_its_moment(until: str, lasts: bool) -> None:
    found = held.held(tenant(**AUDIT, until=until), {}, NOW)
    assert (found is not None) is lasts


def test_an_annotation_without_an_end_holds_and_says_where_it_stands() -> None:
    found = held.held(tenant(**AUDIT), {}, NOW)
    assert found == Hold("one", "ana", "audit", where="specs/tenants/one.yaml:6")
    assert held.words(found) == "until it is released, by ana: audit (specs/tenants/one.yaml:6)"


def test_of_two_holds_the_longer_one_is_told() -> None:
    short, long = Hold("one", "eva", "move", until="2027-02-01T00:00:00.000000Z"), Hold("one", "eva", "move")
    noted = tenant(**AUDIT, until="2027-03-01")
    for kept, actor in ((short, "ana"), (long, "eva")):
        found = held.held(noted, {"one": kept}, NOW)
        assert found is not None
        assert found.actor == actor


def test_a_hold_on_the_daemon_holds_no_tenant() -> None:
    kept = {ALL: Hold(ALL, "eva", "moving")}
    assert held.held(tenant(), kept, NOW) is None
    assert held.daemon(kept, NOW) == kept[ALL]
    assert held.daemon({ALL: Hold(ALL, "eva", "moving", until="2027-01-01")}, NOW) is None


def test_what_is_no_end_is_refused() -> None:
    for text in ("soon", "2027-02-30", "2027-01-31T10:00:00", ""):
        assert not held.is_until(text)
        with pytest.raises(ValueError, match="neither"):
            held.until(text)


def note(shop: Shop, name: str, number: int, **suspend: Any) -> None:
    annotations = {"annotations": {held.ANNOTATION: suspend}} if suspend else {}
    shop.document(f"specs/tenants/{name}.yaml", KIND, name, agenda(number), **annotations)


def pause(shop: Shop, subject: str, until: str = "") -> None:
    found = shop.setting()
    try:
        hold = Hold(subject, "ana", "audit", until=until, since="2027")
        found.opened().write(lambda connection: standing.hold(connection, hold))
    finally:
        found.opened().close()


def entry(found: plans.Plan, name: str) -> plans.TenantPlan:
    return next(one for one in found.tenants if one.tenant == name)


def test_an_annotated_tenant_is_left_out_of_the_work_and_the_plan_says_why(shop: Shop) -> None:
    note(shop, "one", 1, **AUDIT, until="9000-01-31")
    note(shop, "two", 2)
    planned = entry(shop.plan(), "one")
    assert planned.action is plans.Action.UNCHANGED
    assert not planned.changes
    assert not planned.blockers
    [report] = planned.reports
    assert report.code == plans.HELD
    assert "until 9000-01-31 23:59:59Z, by ana: audit (specs/tenants/one.yaml:" in report.message
    outcomes = shop.apply(tenants=["one", "two"])
    assert {name: found.result for name, found in outcomes.items()} == {"one": Result.UNCHANGED, "two": Result.APPLIED}
    assert not (shop.root / "state/deliveries/one").exists()
    note(shop, "one", 1)
    assert shop.apply()["one"].result is Result.APPLIED


def test_a_paused_tenant_waits_and_an_expired_pause_holds_nobody(shop: Shop) -> None:
    note(shop, "one", 1)
    pause(shop, "one")
    assert shop.apply()["one"].result is Result.UNCHANGED
    pause(shop, "one", until="2020-01-31T23:59:59.999999Z")
    assert shop.apply()["one"].result is Result.APPLIED


def test_a_persons_apply_goes_on_while_the_daemon_is_paused(shop: Shop) -> None:
    note(shop, "one", 1)
    pause(shop, ALL)
    assert shop.apply()["one"].result is Result.APPLIED


def test_a_paused_tenant_whose_spec_is_gone_does_not_go_to_the_trash(shop: Shop) -> None:
    shop.platform(guards={"prune": True})
    note(shop, "one", 1)
    shop.apply()
    shop.without("one")
    pause(shop, "one")
    assert entry(shop.plan(), "one").action is plans.Action.UNCHANGED
    before = shop.world()
    assert shop.apply()["one"].result is Result.UNCHANGED
    assert shop.world() == before


def test_what_was_left_open_of_a_held_tenant_is_settled_and_nothing_else_done(shop: Shop) -> None:
    def applied(name: str, boundaries: Boundaries) -> None:
        found = boundaries.watch(shop.setting(boundaries.ports()))
        try:
            reconcile.apply(found, reconcile.Options(parallel=1, tenants=[name]), Progress())
        finally:
            found.opened().close()

    note(shop, "one", 1)
    clean = Boundaries()
    applied("one", clean)
    before = shop.world()
    note(shop, "two", 2)
    with pytest.raises(SimulatedDeath):
        applied("two", Boundaries({clean.count * 2 // 3: Fault.DEATH_BEFORE}))
    assert shop.world() != before
    note(shop, "two", 2, **AUDIT)
    pause(shop, "two")
    assert shop.apply()["two"].result is Result.UNCHANGED
    assert shop.world() == before
    found = shop.setting()
    try:
        [last] = found.opened().read(lambda connection: journal.latest(connection, "two"))
        assert last.state is TransactionState.ROLLED_BACK
    finally:
        found.opened().close()
