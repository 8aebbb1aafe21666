import datetime as dt
import json
from collections.abc import Mapping
from typing import Any

import pytest

from reconciler.daemon.healing import Decision, Field, Healing, Verdict
from reconciler.model.change import Change
from reconciler.model.plan import Action, TenantPlan
from reconciler.spec.daemon import DriftSweep

NOON = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
MINUTE = dt.timedelta(minutes=1)
LOCKED = ("account", "locked", "open")
HEAL = DriftSweep()


def change(resource: str = "access", name: str = "sol_app@%", *details: tuple[str, str, str], note: str = "") -> Change:
    summary = f"mend {resource} {name}{note}"
    return Change("s", resource, name, "update", {}, {}, summary, "it drifted", "put it back", tuple(details))


def plan(
    *changes: Change,
    tenant: str = "sol",
    spec: str = "sha256:1",
    action: Action = Action.REPAIR,
    along: tuple[Change, ...] = (),
) -> TenantPlan:
    differing = frozenset(one.summary for one in changes)
    return TenantPlan(tenant, "agenda-ia", action, (*changes, *along), differing=differing, spec=spec)


def sweep(policy: Any = "heal", heals: int = 50, **resources: Any) -> DriftSweep:
    return DriftSweep(
        policy=policy, heals_an_hour=heals, resources={k.replace("_", "-"): v for k, v in resources.items()}
    )


def heal(healing: Healing, what: TenantPlan, now: dt.datetime, policy: DriftSweep = HEAL) -> None:
    assert healing.decide(what, policy, now).decision is Decision.HEAL
    healing.healed(what, now)


def fought(healing: Healing, what: TenantPlan, policy: DriftSweep = HEAL) -> dt.datetime:
    """Three heals, ten minutes apart; when the next sweep comes."""
    for number in range(3):
        heal(healing, what, NOON + 10 * number * MINUTE, policy)
    return NOON + 30 * MINUTE


def test_drift_is_healed_by_default_and_the_reason_says_what() -> None:
    verdict = Healing().decide(plan(change(), change("grants", "sol_app@% on sol")), HEAL, NOON)
    assert verdict == Verdict(Decision.HEAL, "healed by policy: access sol_app@% and 1 more")


@pytest.mark.parametrize("action", [action for action in Action if action is not Action.REPAIR])
def test_only_a_repair_is_drift(action: Action) -> None:
    verdict = Healing().decide(plan(change(), action=action), HEAL, NOON)
    assert verdict.decision is Decision.NOTHING
    assert action.value in verdict.reason


@pytest.mark.parametrize(
    ("policy", "decision"),
    [
        (sweep("heal"), Decision.HEAL),
        (sweep("report"), Decision.REPORT),
        (sweep("off"), Decision.NOTHING),
        (sweep("heal", grants="report"), Decision.REPORT),  # one that is only reported holds back all
        (sweep("heal", access="report", grants="report"), Decision.REPORT),
        (sweep("heal", grants="off"), Decision.REPORT),  # the other may not be healed for it, and is still told
        (sweep("report", grants="off"), Decision.REPORT),
        (sweep("heal", access="off", grants="off"), Decision.NOTHING),
        (sweep("off", access="heal", grants="heal"), Decision.HEAL),
        (sweep("report", access="heal"), Decision.REPORT),
        (sweep("heal", central_rows="report"), Decision.HEAL),  # nothing of it differs
    ],
)
def test_the_strictest_policy_of_what_differs_wins(policy: DriftSweep, decision: Decision) -> None:
    verdict = Healing().decide(plan(change("access"), change("grants")), policy, NOON)
    assert verdict.decision is decision
    assert verdict.reason


def test_a_report_names_the_resources_that_hold_back() -> None:
    verdict = Healing().decide(plan(change("access"), change("grants")), sweep("heal", grants="report"), NOON)
    assert verdict.reason == "not healed, because the policy for grants is report: access sol_app@% and 1 more"


def test_changes_that_only_go_along_have_no_say() -> None:
    what = plan(change("access"), along=(change("login", note=" again"),))
    assert Healing().decide(what, sweep("heal", login="off"), NOON).decision is Decision.HEAL


def test_the_budget_is_a_sliding_hour_over_all_tenants() -> None:
    healing, policy = Healing(), sweep(heals=2)
    heal(healing, plan(change(), tenant="a"), NOON, policy)
    heal(healing, plan(change(), tenant="b"), NOON + 30 * MINUTE, policy)
    third = plan(change(), tenant="c")
    verdict = healing.decide(third, policy, NOON + HOUR - dt.timedelta(seconds=1))
    assert verdict == Verdict(Decision.REPORT, "2 tenants were healed within the hour, and healsAnHour is 2")
    assert healing.decide(third, policy, NOON + HOUR).decision is Decision.HEAL  # a's place is free
    assert healing.decide(plan(change(), tenant="d"), policy, NOON + HOUR).decision is Decision.REPORT


def test_decisions_of_workers_at_the_same_time_share_the_budget() -> None:
    """A place is taken with the decision, not with the heal that comes seconds later."""
    healing, policy = Healing(), sweep(heals=1)
    assert healing.decide(plan(change(), tenant="a"), policy, NOON).decision is Decision.HEAL
    assert healing.decide(plan(change(), tenant="b"), policy, NOON).decision is Decision.REPORT


def test_a_heal_that_is_tried_again_takes_one_place() -> None:
    healing, policy = Healing(), sweep(heals=1)
    for minute in range(3):
        assert healing.decide(plan(change()), policy, NOON + minute * MINUTE).decision is Decision.HEAL


def test_a_budget_of_none_heals_nothing() -> None:
    assert Healing().decide(plan(change()), sweep(heals=0), NOON).decision is Decision.REPORT


def test_what_is_not_healed_takes_no_place() -> None:
    healing = Healing()
    healing.decide(plan(change(), tenant="a"), sweep("report", heals=1), NOON)
    assert healing.decide(plan(change(), tenant="b"), sweep(heals=1), NOON).decision is Decision.HEAL


def test_a_field_that_was_healed_three_times_stalls_and_says_since_when_and_what_stands_there() -> None:
    healing, what = Healing(), plan(change("access", "sol_app@%", LOCKED))
    verdict = healing.decide(what, HEAL, fought(healing, what))
    assert verdict == Verdict(
        Decision.STALLED,
        "account of access sol_app@% was healed 3 times since 2026-03-02 12:00 UTC and differs again; somebody else "
        "writes it, last as 'locked'. Stop them, or write into the spec what they want.",
        Field("access", "sol_app@%", "account"),
        NOON,
    )


def test_a_stalled_tenant_takes_no_place_in_the_budget() -> None:
    healing, what, policy = Healing(), plan(change()), sweep(heals=1)
    now = fought(healing, what, policy)
    healing.decide(what, policy, now + HOUR)
    assert healing.decide(plan(change(), tenant="b"), policy, now + HOUR).decision is Decision.HEAL


def test_heals_that_were_rolled_back_do_not_count() -> None:
    healing = Healing()
    for minute in range(9):
        assert healing.decide(plan(change()), HEAL, NOON + minute * MINUTE).decision is Decision.HEAL


@pytest.mark.parametrize(
    "other",
    [
        change("access", "sol_own@%", LOCKED),
        change("grants", "sol_app@%", LOCKED),
        change("access", "sol_app@%", ("limits", "3", "none")),
        change("access", "sol_app@%"),
    ],
)
def test_another_field_is_another_fight(other: Change) -> None:
    healing, what = Healing(), plan(change("access", "sol_app@%", LOCKED))
    now = fought(healing, what)
    assert healing.decide(plan(other), HEAL, now).decision is Decision.HEAL


def test_one_stalled_field_holds_back_the_whole_tenant() -> None:
    healing, what = Healing(), plan(change())
    now = fought(healing, what)
    both = plan(change("grants"), change())
    assert healing.decide(both, HEAL, now).decision is Decision.STALLED


def test_a_value_that_changes_is_still_the_same_field() -> None:
    healing = Healing()
    for number in range(3):
        heal(healing, plan(change("central-rows", "x", ("domain", f"d{number}", "wanted"), note=str(number))), NOON)
    verdict = healing.decide(plan(change("central-rows", "x", ("domain", "d9", "wanted"))), HEAL, NOON)
    assert verdict.decision is Decision.STALLED
    assert "last as 'd9'" in verdict.reason


def test_tenants_do_not_share_their_fights() -> None:
    healing = Healing()
    now = fought(healing, plan(change()))
    assert healing.decide(plan(change(), tenant="luna"), HEAL, now).decision is Decision.HEAL


def test_a_changed_spec_begins_anew() -> None:
    healing, what = Healing(), plan(change())
    now = fought(healing, what)
    assert healing.decide(what, HEAL, now).decision is Decision.STALLED
    assert healing.decide(plan(change(), spec="sha256:2"), HEAL, now).decision is Decision.HEAL


def test_three_heals_over_more_than_a_day_are_no_fight() -> None:
    healing, what = Healing(), plan(change())
    for number in range(10):
        heal(healing, what, NOON + number * 12 * HOUR)


def test_a_stall_does_not_end_by_waiting() -> None:
    healing, what = Healing(), plan(change())
    now = fought(healing, what)
    healing.decide(what, HEAL, now)
    verdict = healing.decide(what, HEAL, now + 72 * HOUR)
    assert verdict.decision is Decision.STALLED
    assert verdict.since == NOON


def test_a_stall_ends_when_the_field_is_in_order_but_is_remembered_for_the_day() -> None:
    healing, what = Healing(), plan(change())
    now = fought(healing, what)
    healing.decide(what, HEAL, now)
    healing.decide(plan(action=Action.UNCHANGED, spec=""), HEAL, now + HOUR)
    assert healing.decide(what, HEAL, now + 2 * HOUR).decision is Decision.STALLED
    healing.decide(plan(action=Action.UNCHANGED, spec=""), HEAL, now + 3 * HOUR)
    assert healing.decide(what, HEAL, now + 25 * HOUR).decision is Decision.HEAL


def test_a_person_may_ask_for_another_attempt() -> None:
    healing, what = Healing(), plan(change())
    now = fought(healing, what)
    assert healing.decide(what, HEAL, now).decision is Decision.STALLED
    healing.forgive("sol")
    assert healing.decide(what, HEAL, now).decision is Decision.HEAL
    healing.forgive("nobody")


def test_a_policy_that_reports_comes_before_the_stall() -> None:
    healing, what = Healing(), plan(change())
    now = fought(healing, what)
    assert healing.decide(what, sweep("report"), now).decision is Decision.REPORT


def again(healing: Healing) -> Healing:
    """After a restart: what is remembered went through JSON."""
    data: Mapping[str, Any] = json.loads(json.dumps(healing.to_data()))
    found = Healing.from_data(data)
    assert found.to_data() == data
    return found


def test_a_restart_forgets_no_fight() -> None:
    healing, what = Healing(), plan(change("access", "sol_app@%", LOCKED))
    now = NOON
    for _ in range(3):
        heal(healing, what, now)
        healing, now = again(healing), now + MINUTE
    verdict = healing.decide(what, HEAL, now)
    assert (verdict.decision, verdict.since) == (Decision.STALLED, NOON)
    assert again(healing).decide(what, HEAL, now + 72 * HOUR) == verdict  # the stall too


def test_a_restart_gives_no_new_budget() -> None:
    healing, policy = Healing(), sweep(heals=1)
    heal(healing, plan(change(), tenant="a"), NOON, policy)
    assert again(healing).decide(plan(change(), tenant="b"), policy, NOON).decision is Decision.REPORT


@pytest.mark.parametrize("data", [{}, {"formatVersion": 99, "tenants": 7}])
def test_a_memory_of_another_format_is_an_empty_one(data: dict[str, Any]) -> None:
    assert Healing.from_data(data).decide(plan(change()), HEAL, NOON).decision is Decision.HEAL


def test_a_clock_that_was_set_back_closes_the_budget_for_an_hour_at_most() -> None:
    healing, policy = Healing(), sweep(heals=1)
    heal(healing, plan(change(), tenant="a"), NOON + 1000 * HOUR, policy)
    other = plan(change(), tenant="b")
    assert healing.decide(other, policy, NOON).decision is Decision.REPORT
    assert healing.decide(other, policy, NOON + HOUR).decision is Decision.HEAL


def test_what_is_long_ago_is_not_kept() -> None:
    healing = Healing()
    for number in range(100):
        heal(healing, plan(change(), tenant=f"t{number}"), NOON, sweep(heals=1000))
    healing.decide(plan(change()), HEAL, NOON + 25 * HOUR)
    assert healing.to_data()["tenants"] == {}
    assert list(healing.to_data()["admitted"]) == ["sol"]


def test_moments_of_another_zone_are_kept_in_utc() -> None:
    healing, what = Healing(), plan(change())
    there = dt.timezone(dt.timedelta(hours=-6))
    for _ in range(3):
        heal(healing, what, NOON.astimezone(there))
    assert "since 2026-03-02 12:00 UTC" in healing.decide(what, HEAL, NOON.astimezone(there)).reason
