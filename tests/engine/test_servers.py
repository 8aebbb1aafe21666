"""Tenants on several servers: one that lets nobody in, and one that is no longer in the specs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler import errors
from reconciler.engine import conditions, observe, reconcile, roll, why
from reconciler.engine.progress import Progress
from reconciler.model import outcome, saved
from reconciler.model import plan as plans
from reconciler.model.outcome import Outcome, Result
from reconciler.resources import watched
from tests.engine.test_counts import pos
from tests.engine.test_memo import anew
from tests.engine.test_snapshot import offline, taken
from tests.support import server as servers
from tests.support.shop import Shop

__all__ = ["anew"]

ELSEWHERE = ("there-1", "there-2", "there-3")
SECOND = "specs/servers/second.yaml"
WORDS = "can't be worked on: its server second is no longer in the specs"


def elsewhere(number: int, **more: Any) -> dict[str, Any]:
    return {**pos(number, cloud_sync=True), **more}


def made_on(shop: Shop, server: str) -> None:
    for number, name in enumerate(ELSEWHERE, 1):
        shop.tenant("PosTenant", name, elsewhere(number, **({"server": server} if server else {})))


@pytest.fixture(scope="module")
def started() -> Iterator[servers.Server]:
    """Another server, of this module's own."""
    with servers.private_server() as found:
        yield found


@pytest.fixture
def second(started: servers.Server) -> Iterator[servers.Server]:
    """It, without anything of earlier tests."""
    started.wipe()
    yield started
    started.wipe()


def named(shop: Shop, second: servers.Server) -> None:
    """Have the specs name the second server, which has a password of its own."""
    spec = shop.server_spec(port=second.port, user=second.user, passwordFrom={"file": "other"})
    shop.document(SECOND, "DatabaseServer", "second", spec)
    let_in(shop, second)


@pytest.fixture
def two(shop: Shop, second: servers.Server) -> Shop:
    """A tenant on the central server and three on the second; all of them noted as in sync."""
    named(shop, second)
    shop.tenant("PosTenant", "here", elsewhere(0))
    made_on(shop, "second")
    assert {entry.result for entry in shop.apply().values()} == {Result.APPLIED}
    assert shop.plan().empty
    return shop


def by_tenant(found: plans.Plan) -> dict[str, plans.TenantPlan]:
    return {entry.tenant: entry for entry in found.tenants}


def codes(found: plans.Plan) -> dict[str, tuple[str, ...]]:
    return {entry.tenant: tuple(blocker.code for blocker in entry.blockers) for entry in found.tenants}


# --- a server that lets nobody in ---------------------------------------------------------------------------


def lock_out(shop: Shop) -> None:
    (shop.root / "other").write_text("not the password")


def let_in(shop: Shop, second: servers.Server) -> None:
    (shop.root / "other").write_text(second.password)


def denied(second: servers.Server) -> int:
    """How many logins the server has refused."""
    return int(second.sql("SHOW GLOBAL STATUS LIKE 'Access_denied_errors'")[0][1])


@pytest.mark.parametrize("options", [{}, {"tenants": (*ELSEWHERE, "here")}, {"deep": True}])
def test_a_server_that_lets_nobody_in_is_tried_once_however_many_tenants_it_has(
    two: Shop, second: servers.Server, options: dict[str, Any]
) -> None:
    lock_out(two)
    before = denied(second)
    found = two.plan(**options)
    assert denied(second) - before == 1
    assert codes(found) == {"here": (), **dict.fromkeys(ELSEWHERE, ("server-unreachable",))}
    assert by_tenant(found)["here"].action is plans.Action.UNCHANGED


def test_nothing_is_asked_about_tenants_on_a_server_that_lets_nobody_in(
    two: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    answer = watched.answer

    def asking(sight: Any, server: Any, question: watched.Question) -> str:
        asked.extend(part for part in question if isinstance(part, str))
        return answer(sight, server, question)

    monkeypatch.setattr(watched, "answer", asking)
    lock_out(two)
    two.plan()
    assert [word for word in asked if "there" in word] == []
    assert [word for word in asked if "here" in word] != []


def test_who_was_noted_and_can_t_be_looked_at_is_noted_still(
    two: Shop, second: servers.Server, anew: list[str]
) -> None:
    lock_out(two)
    two.plan()
    let_in(two, second)
    assert two.plan().empty
    assert anew == []


def test_who_is_there_no_more_is_noted_no_more(two: Shop) -> None:
    notes = two.root / "state/cache/in-sync"
    assert b"\nthere-1\t" in notes.read_bytes()
    two.platform(guards={"prune": True})
    two.without("there-1")
    assert two.apply()["there-1"].result is Result.APPLIED
    setting = two.setting()
    assert reconcile.purge(setting, "there-1", Progress(), now=True).result is Result.APPLIED
    setting.opened().close()
    assert two.plan().empty
    assert b"\nthere-1\t" not in notes.read_bytes()
    assert b"\nthere-2\t" in notes.read_bytes()


def test_one_look_tries_a_server_once_and_says_the_same_each_time(two: Shop, second: servers.Server) -> None:
    lock_out(two)
    setting = two.setting()
    setting.opened().close()
    readers, before = observe.Readers(setting), denied(second)
    said = []
    for _ in range(3):
        with pytest.raises(errors.ServerUnreachable) as refused:
            readers(setting.servers["second"])
        said.append((str(refused.value), refused.value.next, str(refused.value.__cause__)))
    assert denied(second) - before == 1
    assert len({*said}) == 1
    assert "Access denied" in said[0][2]
    assert readers(setting.servers["main"]) is readers(setting.servers["main"])
    readers.close()


def test_an_apply_tries_a_server_that_lets_nobody_in_once(two: Shop, second: servers.Server) -> None:
    two.tenant("PosTenant", "here", elsewhere(0, displayName="Otra"))
    lock_out(two)
    before = denied(second)
    outcomes = two.apply()
    assert denied(second) - before == 1
    assert {name: entry.result for name, entry in outcomes.items()} == {
        "here": Result.APPLIED,
        **dict.fromkeys(ELSEWHERE, Result.BLOCKED),
    }
    assert outcome.exit_status(outcomes.values()) == 69


# --- a server that only records name ------------------------------------------------------------------------


@pytest.fixture
def stranded(two: Shop) -> Shop:
    """The same tenants, in sync, when no spec names their server any more and its document was taken away."""
    made_on(two, "")
    assert two.plan().empty
    (two.root / SECOND).unlink()
    return two


def words(entry: plans.TenantPlan) -> str:
    (blocker,) = entry.blockers
    assert (blocker.code, blocker.exit) == ("forbidden-change", 3)
    assert "Put the server's document back" in blocker.advice
    return blocker.message


def test_tenants_whose_server_is_gone_are_blocked_and_the_others_are_planned(stranded: Shop) -> None:
    stranded.tenant("PosTenant", "new", elsewhere(4))
    for deep in (False, True):
        found = by_tenant(stranded.plan(deep=deep))
        assert {name: words(found[name]) for name in ELSEWHERE} == {
            name: f"tenant {name} {WORDS}" for name in ELSEWHERE
        }
        assert str(found["there-1"].where) == "specs/tenants/there-1.yaml:1:1"
        assert found["there-1"].product == "pos-tree-codes"
        assert (found["here"].action, found["new"].action) == (plans.Action.UNCHANGED, plans.Action.CREATE)


def test_an_apply_goes_on_with_the_tenants_whose_server_is_there(stranded: Shop) -> None:
    stranded.tenant("PosTenant", "new", elsewhere(4))
    outcomes = stranded.apply()
    assert {name: entry.result for name, entry in outcomes.items()} == {
        "here": Result.UNCHANGED,
        "new": Result.APPLIED,
        **dict.fromkeys(ELSEWHERE, Result.BLOCKED),
    }
    assert outcome.exit_status(outcomes.values()) == 3


def test_who_is_named_is_blocked_or_planned_as_in_a_plan_of_all(stranded: Shop) -> None:
    (found,) = stranded.plan(tenants=("there-1",)).tenants
    assert words(found) == f"tenant there-1 {WORDS}"
    assert stranded.plan(tenants=("here",)).empty
    assert stranded.apply(tenants=("there-1",))["there-1"].result is Result.BLOCKED


def test_with_the_server_s_document_everything_is_as_it_was(
    stranded: Shop, second: servers.Server, anew: list[str]
) -> None:
    stranded.plan()
    named(stranded, second)
    anew.clear()
    assert stranded.plan().empty
    assert anew == []
    assert stranded.plan(deep=True).empty


def test_a_saved_plan_of_a_tenant_whose_server_is_gone_since_is_stale(two: Shop) -> None:
    made_on(two, "")
    two.tenant("PosTenant", "there-1", elsewhere(1, displayName="Otra"))
    kept = saved.load(saved.save(two.plan(), ""), "plan.json")
    (two.root / SECOND).unlink()
    assert {name: entry.result for name, entry in two.applied(reconcile.Options(saved=kept)).items()} == {
        "there-1": Result.STALE
    }


def test_what_asks_no_server_knows_tenants_whose_server_is_gone(stranded: Shop) -> None:
    setting = stranded.setting()
    try:
        assert [entry.tenant for entry in conditions.of_tenants(setting)] == ["here", *ELSEWHERE]
        assert conditions.of_tenants(setting, "there-1")[0].has("Ready")
        assert why.of(setting, "there-1").status.tenant == "there-1"
    finally:
        setting.opened().close()


def test_a_plan_from_a_snapshot_says_the_same(stranded: Shop, tmp_path: Path) -> None:
    found = by_tenant(offline(stranded, taken(stranded), tmp_path))
    assert words(found["there-2"]) == f"tenant there-2 {WORDS}"
    assert found["here"].action is plans.Action.UNCHANGED


def test_the_roll_has_a_tenant_whose_server_is_gone_as_one_that_can_t_be_worked_on(stranded: Shop) -> None:
    setting = stranded.setting()
    held = setting.leases()
    try:
        called = roll.call(setting)
        assert (called.server_of("here"), called.server_of("there-1")) == ("main", "second")
        ended = roll.work(called, "there-1", held, Progress(), lambda planned: None, setting)
        assert (ended.result, WORDS in (ended.failure.message if ended.failure else "")) == (Result.BLOCKED, True)
        assert roll.work(called, "here", held, Progress(), lambda planned: None, setting).result is Result.UNCHANGED
    finally:
        held.close()
        setting.opened().close()


def ended(shop: Shop, act: Any, name: str, **how: Any) -> Outcome:
    setting = shop.setting()
    try:
        found: Outcome = act(setting, name, Progress(), **how)
        return found
    finally:
        setting.opened().close()


def test_the_trash_holds_what_was_on_a_server_that_is_gone(two: Shop) -> None:
    """A tenant, and a database whose tenant lives: neither comes back or is destroyed without the server."""
    two.platform(guards={"prune": True})
    made_on(two, "")
    two.without("there-1")
    two.tenant("PosTenant", "there-2", {**elsewhere(2), "cloudSync": False})
    outcomes = two.apply()
    assert {outcomes[name].result for name in ("there-1", "there-2")} == {Result.APPLIED}
    (two.root / SECOND).unlink()
    for act, name, how in (
        (reconcile.restore, "there-1", {}),
        (reconcile.purge, "there-1", {"now": True}),
        (reconcile.purge, "there-2", {"now": True}),
    ):
        with pytest.raises(errors.GuardRefused, match=f"{name} {WORDS}"):
            ended(two, act, name, **how)
    two.without("there-3")
    found = by_tenant(two.plan())
    assert words(found["there-2"]) == f"tenant there-2 {WORDS}"
    assert WORDS in found["there-3"].blockers[0].message
    two.tenant("PosTenant", "there-1", elsewhere(1))
    assert WORDS in by_tenant(two.plan())["there-1"].blockers[0].message
