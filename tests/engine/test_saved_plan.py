"""A saved plan is carried out exactly, or not at all: what moved since is said, and the others go on."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconciler import errors
from reconciler.engine import reconcile
from reconciler.model import plan as plans
from reconciler.model import saved
from reconciler.model.outcome import Outcome, Result, exit_status
from tests.engine.test_counts import agenda, pos
from tests.support import server as servers
from tests.support.shop import Shop


@pytest.fixture
def shop(tmp_path: Path, clean_server: servers.Server) -> Shop:
    """A repository with a tenant of each product, neither of which is made yet; the platform is."""
    made = Shop(tmp_path, clean_server)
    made.apply()
    made.tenant("AgendaTenant", "sol", agenda(1))
    made.tenant("PosTenant", "lupita", pos(1, cloud_sync=True))
    return made


def save(shop: Shop, **options: Any) -> saved.SavedPlan:
    """What ``plan --out`` writes, read again."""
    found = shop.plan(**options)
    setting = shop.setting()
    text = saved.save(found, setting.place.platform_id)
    if setting.store is not None:
        setting.store.close()
    return saved.load(text, "plan.json")


def apply(shop: Shop, plan: saved.SavedPlan, **options: Any) -> dict[str, Outcome]:
    """What ``apply PLANFILE`` does."""
    return shop.applied(reconcile.Options(parallel=1, saved=plan, **options))


def stale(outcomes: dict[str, Outcome], name: str) -> str:
    """What the outcome of a stale tenant says moved."""
    failure = outcomes[name].failure
    assert outcomes[name].result is Result.STALE, outcomes[name]
    assert failure is not None
    assert failure.code == "stale"
    return failure.message


@pytest.mark.parametrize("deep", [False, True])
def test_a_plan_is_applied_as_it_was_saved(shop: Shop, deep: bool) -> None:
    outcomes = apply(shop, save(shop, deep=deep))
    assert {outcome.result for outcome in outcomes.values()} == {Result.APPLIED}, outcomes
    shop.tenant("AgendaTenant", "sol", {**agenda(1), "displayName": "Luna", "state": "suspended"})
    shop.tenant("PosTenant", "lupita", {**pos(1, cloud_sync=True), "edition": "enterprise"})
    shop.server.sql("ALTER USER 'pos_lupita_app'@'%' ACCOUNT LOCK")
    outcomes = apply(shop, save(shop, deep=deep))
    assert {outcome.result for outcome in outcomes.values()} == {Result.APPLIED}, outcomes
    assert shop.plan(deep=True).empty


def test_a_plan_of_a_platform_that_is_not_laid_yet_is_applied_too(tmp_path: Path, clean_server: servers.Server) -> None:
    shop = Shop(tmp_path, clean_server)
    shop.tenant("PosTenant", "lupita", pos(1))
    assert apply(shop, save(shop))["lupita"].result is Result.APPLIED


def test_it_holds_at_a_later_revision_that_changed_nothing_of_it(shop: Shop) -> None:
    plan = save(shop)
    shop.tenant("PosTenant", "other", pos(2))
    outcomes = apply(shop, plan)
    assert {name: outcome.result for name, outcome in outcomes.items()} == {
        "sol": Result.APPLIED,
        "lupita": Result.APPLIED,
    }
    assert [entry.tenant for entry in shop.plan().changed] == ["other"]


MOVES: dict[str, tuple[Callable[[Shop], object], str]] = {
    "the spec": (
        lambda shop: shop.tenant("AgendaTenant", "sol", {**agenda(1), "displayName": "Luna"}),
        "its spec, or the catalogue or server",
    ),
    "the database": (
        lambda shop: shop.server.sql("CREATE DATABASE agenda_sol"),
        "database main/agenda_sol is not as it was",
    ),
    "an account": (
        lambda shop: shop.server.sql("CREATE USER agenda_sol_app"),
        "account main/agenda_sol_app@% is not as it was",
    ),
    "a central row": (
        lambda shop: shop.server.sql(
            "INSERT IGNORE INTO license_manager.licenses (tenant, product, serial, status, platform_id) "
            "VALUES ('sol', 'agenda-ia', 'X', 'active', 'p')"
        ),
        "central-rows licenses/sol is not as it was",
    ),
    "the delivery": (
        lambda shop: (shop.root / "state/deliveries/sol").mkdir(mode=0o700),
        "delivery sol is not as it was",
    ),
    "the spec is gone": (lambda shop: shop.without("sol"), "not to be worked on any more"),
}


@pytest.mark.parametrize("what", MOVES)
def test_what_moved_makes_its_tenant_stale_and_the_others_go_on(shop: Shop, what: str) -> None:
    plan = save(shop)
    move, said = MOVES[what]
    move(shop)
    outcomes = apply(shop, plan)
    assert said in stale(outcomes, "sol")
    assert outcomes["lupita"].result is Result.APPLIED
    assert exit_status(outcomes.values()) == 4
    assert not (shop.root / "state/deliveries/sol/.env").exists()


def test_a_seed_or_a_script_that_changed_makes_a_plan_stale(shop: Shop) -> None:
    plan = save(shop)
    seeds = next((shop.root / "specs/products/agenda-ia/seeds").glob("*.yaml"))
    text = seeds.read_text()
    seeds.write_text(text.replace("name: ", "name: X", 1))
    assert text != seeds.read_text()
    assert "its spec, or the catalogue or server" in stale(apply(shop, plan), "sol")
    assert apply(shop, plan)["sol"].result is Result.STALE


def test_a_deletion_that_was_reviewed_and_is_not_wanted_any_more_is_stale(shop: Shop) -> None:
    shop.apply()
    shop.platform(guards={"prune": True})
    shop.without("sol")
    plan = save(shop)
    assert plan.tenants["sol"].action is plans.Action.TRASH
    shop.platform()
    assert "not to be worked on" in stale(apply(shop, plan), "sol")
    shop.platform(guards={"prune": True})
    assert apply(shop, plan)["sol"].result is Result.APPLIED
    assert apply(shop, plan)["sol"].result is Result.STALE


def test_a_plan_of_the_platform_alone_is_carried_out(tmp_path: Path, clean_server: servers.Server) -> None:
    shop = Shop(tmp_path, clean_server)
    plan = save(shop)
    assert plan.platform
    assert apply(shop, plan) == {}
    assert shop.plan().empty


def test_a_plan_that_was_applied_is_stale(shop: Shop) -> None:
    plan = save(shop)
    apply(shop, plan)
    before = shop.world()
    outcomes = apply(shop, plan)
    assert "nothing is left to do: the tenant is in sync already" in stale(outcomes, "sol")
    failure = outcomes["sol"].failure
    assert failure is not None
    assert failure.advice == "Nothing has to be done for it."
    assert shop.world() == before


def test_with_equal_risk_a_tenant_that_moved_goes_on_if_nothing_worse_is_done(shop: Shop) -> None:
    plan = save(shop)
    shop.tenant("AgendaTenant", "sol", {**agenda(1), "displayName": "Luna"})
    assert apply(shop, plan, equal_risk=True)["sol"].result is Result.APPLIED
    plan_of_nothing = apply(shop, plan, equal_risk=True)
    assert {outcome.result for outcome in plan_of_nothing.values()} == {Result.UNCHANGED}


def test_equal_risk_lets_no_higher_action_through(shop: Shop) -> None:
    shop.apply()
    shop.server.sql("ALTER USER 'agenda_sol_app'@'%' ACCOUNT LOCK")
    plan = save(shop)
    assert plan.tenants["sol"].action is plans.Action.REPAIR
    shop.tenant("AgendaTenant", "sol", {**agenda(1), "displayName": "Luna"})
    assert "riskier" in stale(apply(shop, plan, equal_risk=True), "sol")


def test_equal_risk_takes_nothing_away_that_was_not_reviewed(shop: Shop) -> None:
    shop.apply()
    shop.tenant("AgendaTenant", "sol", {**agenda(1), "displayName": "Luna"})
    plan = save(shop)
    shop.server.sql("GRANT DROP ON `agenda\\_sol`.* TO 'agenda_sol_app'@'%'")
    assert "riskier" in stale(apply(shop, plan, equal_risk=True), "sol")
    shop.server.sql("REVOKE DROP ON `agenda\\_sol`.* FROM 'agenda_sol_app'@'%'")
    shop.tenant("AgendaTenant", "sol", {**agenda(1), "displayName": "Luna", "webhooks": []})
    assert "riskier" in stale(apply(shop, plan, equal_risk=True), "sol")
    shop.tenant("AgendaTenant", "sol", {**agenda(1), "displayName": "Estrella"})
    assert apply(shop, plan, equal_risk=True)["sol"].result is Result.APPLIED


def test_equal_risk_revokes_no_privilege_that_was_not_reviewed(shop: Shop) -> None:
    shop.apply()
    app = "'agenda_sol_app'@'%'"
    shop.server.sql(rf"GRANT CREATE, INDEX ON `agenda\_sol`.* TO {app}")
    plan = save(shop)
    assert apply(shop, plan)["sol"].result is Result.APPLIED
    shop.server.sql(rf"GRANT INDEX ON `agenda\_sol`.* TO {app}")
    assert apply(shop, plan, equal_risk=True)["sol"].result is Result.APPLIED, "less than what was reviewed"
    shop.server.sql(rf"GRANT DROP, INDEX ON `agenda\_sol`.* TO {app}")
    shop.server.sql(f"GRANT ALTER ON agenda_sol.roles TO {app}")
    before = shop.world()
    said = stale(apply(shop, plan, equal_risk=True), "sol")
    assert r"grants main/agenda_sol_app@% (ALTER ON agenda_sol.roles), " in said
    assert r"(DROP ON agenda\_sol.*)" in said
    assert "INDEX" not in said
    assert shop.world() == before


def test_no_guess_at_a_password_can_be_tried_on_a_saved_plan(shop: Shop) -> None:
    shop.apply()
    app = "'agenda_sol_app'@'%'"
    texts = []
    for password in ("verano2026", "otono2026"):
        shop.server.sql(f"ALTER USER {app} IDENTIFIED BY '{password}'")
        shop.server.sql(f"UPDATE agenda_sol.users SET password_hash = MD5('{password}')")
        texts.append(saved.save(dataclasses.replace(shop.plan(deep=True), created_at=""), "p"))
    assert texts[0] == texts[1]
    assert "account main/agenda_sol_app@%" in texts[0]


def test_a_password_that_was_changed_since_is_not_as_it_was(shop: Shop) -> None:
    shop.apply()
    app = "'agenda_sol_app'@'%'"
    shop.tenant("AgendaTenant", "sol", {**agenda(1), "displayName": "Luna"})
    plan = save(shop)
    shop.server.sql(f"ALTER USER {app} IDENTIFIED BY 'verano2026'")
    assert "account main/agenda_sol_app@% is not as it was" in stale(apply(shop, plan), "sol")
    plan = save(shop)
    shop.server.sql(f"ALTER USER {app} IDENTIFIED BY 'otono2026'")
    assert apply(shop, plan)["sol"].result is Result.APPLIED, "what would be done is the same"


def test_what_is_now_blocked_is_stale_and_untouched(shop: Shop) -> None:
    plan = save(shop)
    shop.server.sql("CREATE DATABASE agenda_sol")
    before = shop.world()
    outcomes = apply(shop, dataclasses.replace(plan, tenants={"sol": plan.tenants["sol"]}), equal_risk=True)
    assert "database main/agenda_sol" in stale(outcomes, "sol")
    assert shop.world() == before


def test_a_plan_of_another_platform_is_refused(shop: Shop) -> None:
    plan = save(shop)
    with pytest.raises(errors.PlanUnusable, match="made for the platform"):
        apply(shop, dataclasses.replace(plan, platform_id="ffff"))


def test_the_file_is_canonical_and_holds_no_secret(shop: Shop) -> None:
    shop.apply()
    shop.tenant("AgendaTenant", "sol", {**agenda(1), "displayName": "Luna"})
    found = shop.plan()
    text = saved.save(found, "p")
    assert text == saved.save(dataclasses.replace(found), "p")
    for line in (shop.root / "state/deliveries/sol/.env").read_text().splitlines():
        if "PASSWORD" in line or "SECRET" in line:
            assert line.partition("=")[2].strip("'\"") not in text


def written(text: str, **members: Any) -> str:
    """The file with other members, and a digest that fits them."""
    said = {**json.loads(text), **members}
    del said["digest"]
    return json.dumps({**said, "digest": plans.digest(said)})


def of_a_tenant(text: str, **members: Any) -> str:
    """The same with other members of each tenant."""
    return written(text, tenants=[{**entry, **members} for entry in json.loads(text)["tenants"]])


DAMAGES: dict[str, Callable[[str], str]] = {
    "edited": lambda text: text.replace('"create"', '"update"', 1),
    "cut off": lambda text: text[:-20],
    "empty": lambda _: "",
    "a list": lambda _: "[]",
    "an object": lambda _: "{}",
    "another format": lambda text: written(text, formatVersion=2),
    "a format that is a truth": lambda text: written(text, formatVersion=True),
    "nested without end": lambda _: "[" * 200_000,
    "nested objects": lambda _: '{"a":' * 200_000,
    "tenants by name": lambda text: written(text, tenants={}),
    "a tenant twice": lambda text: written(text, tenants=json.loads(text)["tenants"] * 2),
    "a key twice": lambda text: text.replace('"deep": false', '"deep": true, "deep": false'),
    "a tenant without a name": lambda text: of_a_tenant(text, tenant=7),
    "a look that is a word": lambda text: written(text, deep="no"),
    "observations in a list": lambda text: of_a_tenant(text, observed=["a"]),
    "half a letter": lambda text: written(text, revision="x").replace('"x"', '"\\ud800"'),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_file_that_no_plan_wrote_is_refused(shop: Shop, damage: str) -> None:
    text = saved.save(shop.plan(), "p")
    assert saved.load(written(text), "plan.json").tenants
    with pytest.raises(errors.PlanUnusable):
        saved.load(DAMAGES[damage](text), "plan.json")
