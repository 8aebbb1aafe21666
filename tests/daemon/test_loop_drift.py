"""What the daemon does about drift: it heals, or says so, within a budget, and fights nobody."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.daemon.live import AT_ONCE, Pushed, condition, living
from tests.engine.drifting import AGENDA, CENTRAL, DB
from tests.engine.test_counts import agenda
from tests.support import server as servers
from tests.support.shop import Shop

REVOKED = r"REVOKE DELETE ON `agenda\_one`.* FROM 'agenda_one_app'@'%'"


@pytest.fixture
def shop(tmp_path: Path, clean_server: servers.Server) -> Shop:
    """A repository with one tenant."""
    made = Shop(tmp_path / "repository", clean_server)
    made.tenant("AgendaTenant", "one", AGENDA)
    return made


def sweeping(shop: Shop, **drift: Any) -> None:
    shop.platform(daemon={**AT_ONCE, "drift": {"everySeconds": 86400, **drift}})


def grants(shop: Shop) -> bool:
    """Whether the application may delete in its database."""
    return any("DELETE" in row[0] for row in shop.server.sql("SHOW GRANTS FOR 'agenda_one_app'@'%'"))


def name(shop: Shop) -> str:
    found = shop.server.sql(f"SELECT display_name FROM {CENTRAL}.tenants WHERE name = 'one'")
    return str(found[0][0])


def rename(shop: Shop, to: str) -> None:
    shop.server.sql(f"UPDATE {CENTRAL}.tenants SET display_name = '{to}' WHERE name = 'one'")


def asked_again(shop: Shop, token: str) -> None:
    shop.document(
        "specs/tenants/one.yaml", "AgendaTenant", "one", AGENDA, annotations={"reconciler/requestedAt": token}
    )


def test_a_sweep_heals_what_a_person_or_a_program_took_away(shop: Shop, remote: Pushed, tmp_path: Path) -> None:
    sweeping(shop)
    remote.push()
    with living(remote, tmp_path / "home") as live:
        live.made("one")
        before = live.status("one")
        shop.server.sql(REVOKED)
        rename(shop, "Otra")
        shutil.rmtree(live.home / "state/deliveries/one")
        live.sweep()
        assert grants(shop)
        assert name(shop) == AGENDA["displayName"]
        assert (live.home / "state/deliveries/one/.env").exists()
        assert live.in_sync("one")
        after = live.status("one")
        assert [entry["action"] for entry in after["history"]] == ["repair", "create"]
        assert after["observedGeneration"] == before["observedGeneration"]
        assert after["planDigest"] != before["planDigest"]
        live.sweep()
        assert live.status("one")["history"] == after["history"]


def test_what_a_report_policy_holds_is_said_and_left(shop: Shop, remote: Pushed, tmp_path: Path) -> None:
    sweeping(shop, resources={"grants": "report", "delivery": "off"})
    remote.push()
    with living(remote, tmp_path / "home") as live:
        live.made("one")
        counted = live.scraped()
        shop.server.sql(REVOKED)
        rename(shop, "Otra")
        live.sweep()
        drifted = condition(live.status("one"), "Drifted")
        assert drifted["reason"] == "DriftReported"
        assert "grants is report" in drifted["message"]
        assert "DELETE" in drifted["message"]
        assert not grants(shop)
        assert name(shop) == "Otra"  # a plan is carried out whole or not at all
        found = live.scraped()
        assert found['reconcile_tenant_drifted{tenant="one"}'] == 1
        for result in ("blocked", "rolled-back"):
            series = f'reconcile_total{{result="{result}"}}'
            assert found[series] == counted[series], "what is only reported is no failure"
        assert "What would be done" not in str(live.why("one")["summary"])
        live.sweep()
        assert condition(live.status("one"), "Drifted") == drifted

        shop.server.sql(REVOKED.replace("REVOKE", "GRANT").replace("FROM", "TO"))
        live.sweep()
        assert live.in_sync("one")  # the rest may be healed
        assert name(shop) == AGENDA["displayName"]

        shutil.rmtree(live.home / "state/deliveries/one")
        live.sweep()
        assert live.in_sync("one")  # nobody wants to hear of it
        assert not (live.home / "state/deliveries/one").exists()


def test_without_a_sweep_nobody_looks(shop: Shop, remote: Pushed, tmp_path: Path) -> None:
    sweeping(shop, policy="off")
    remote.push()
    with living(remote, tmp_path / "home") as live:
        live.made("one")
        shop.server.sql(REVOKED)
        live.daemon._sweeps.soon()
        turns = live.said("new revision")
        remote.push("another")
        live.knock()
        live.until(lambda: len(live.said("new revision")) > len(turns), "it is looked at")
        live.until(lambda: live.daemon._taken is live.daemon._checkout, "it is handed out")
        assert not grants(shop)
        assert live.in_sync("one")


def test_what_plans_only_report_is_said_while_it_is_so(shop: Shop, remote: Pushed, tmp_path: Path) -> None:
    sweeping(shop)
    remote.push()
    with living(remote, tmp_path / "home") as live:
        live.made("one")
        shop.server.sql(f"CREATE TABLE {DB}.extra (a int)")
        live.sweep()
        drifted = condition(live.status("one"), "Drifted")
        assert drifted["reason"] == "DriftReported"
        assert "extra" in drifted["message"]
        assert drifted["observedGeneration"] == live.status("one")["observedGeneration"]
        shop.server.sql(REVOKED)
        live.sweep()
        assert grants(shop)  # the one is healed, and the other goes on to be said
        assert "extra" in condition(live.status("one"), "Drifted")["message"]
        assert shop.server.sql(f"SELECT * FROM {DB}.extra") == []
        shop.server.sql(f"DROP TABLE {DB}.extra")
        live.sweep()
        assert live.in_sync("one")


def test_what_blocks_a_heal_is_stalled_until_it_is_gone(shop: Shop, remote: Pushed, tmp_path: Path) -> None:
    sweeping(shop)
    remote.push()
    with living(remote, tmp_path / "home") as live:
        live.made("one")
        shop.server.sql(f"RENAME TABLE {DB}.appointments TO {DB}.was_appointments")
        live.sweep()
        assert live.has("one", "Stalled", "ReconciliationFailed")
        assert "appointments" in condition(live.status("one"), "Stalled")["message"]
        assert live.status("one")["nextAttemptAt"] is None
        shop.server.sql(f"RENAME TABLE {DB}.was_appointments TO {DB}.appointments")
        live.sweep()
        assert live.in_sync("one")
        found = live.why("one")
        assert found["inSync"]
        assert (found["failed"], found["failures"], found["final"]) == (None, 0, False)


def test_beyond_the_hours_budget_drift_is_only_reported(shop: Shop, remote: Pushed, tmp_path: Path) -> None:
    sweeping(shop, healsAnHour=1)
    shop.tenant("AgendaTenant", "two", agenda(2))
    remote.push()
    with living(remote, tmp_path / "home") as live:
        live.made("one", "two")
        for tenant in ("one", "two"):
            shutil.rmtree(live.home / f"state/deliveries/{tenant}")
        live.sweep()
        left = {tenant for tenant in ("one", "two") if not (live.home / f"state/deliveries/{tenant}").exists()}
        assert len(left) == 1
        (tenant,) = left
        assert "healsAnHour is 1" in condition(live.status(tenant), "Drifted")["message"]


def test_a_field_that_somebody_else_writes_is_healed_three_times(shop: Shop, remote: Pushed, tmp_path: Path) -> None:
    sweeping(shop)
    remote.push()
    with living(remote, tmp_path / "home") as live:
        live.made("one")
        for _ in range(3):
            rename(shop, "Otra")
            live.sweep()
            assert name(shop) == AGENDA["displayName"]
            assert live.in_sync("one")
        rename(shop, "Otra")
        live.sweep()
        stalled = condition(live.status("one"), "Stalled")
        assert stalled["reason"] == "DriftLoop"
        assert "healed 3 times" in stalled["message"]
        assert "'Otra'" in stalled["message"]
        assert live.has("one", "Drifted", "DriftLoop")
        assert name(shop) == "Otra"
        found = live.why("one")
        assert not found["inSync"]
        assert any("requestedAt" in way["text"] for way in found["ways"])
    with living(remote, tmp_path / "home") as live:  # a restart does not start the fight again
        live.until(lambda: live.health.first_pass, "it has looked")
        live.sweep()
        assert name(shop) == "Otra"
        assert live.has("one", "Stalled", "DriftLoop")

        asked_again(shop, "once-more")
        remote.push("ask again")
        live.knock()
        live.until(lambda: live.in_sync("one"), "it is healed because somebody asked")
        assert name(shop) == AGENDA["displayName"]
        assert live.status("one")["lastHandledReconcileAt"] == "once-more"


def test_a_new_spec_ends_a_fight_and_the_other_writers_are_named(shop: Shop, remote: Pushed, tmp_path: Path) -> None:
    sweeping(shop)
    shop.document("specs/servers/main.yaml", "DatabaseServer", "main", shop.server_spec(trustedAccounts=["backup"]))
    remote.push()
    with living(remote, tmp_path / "home") as live:
        live.made("one")
        with shop.server.root(database=DB):
            for _ in range(4):
                shop.server.sql(REVOKED)
                live.sweep()
            message = condition(live.status("one"), "Stalled")["message"]
        assert "Who else may write" in message
        assert f"is connected to {DB}" in message
        assert "trustedAccounts of server main: backup" in message
        assert not grants(shop)
        shop.tenant("AgendaTenant", "one", {**AGENDA, "displayName": "Otra"})
        commit = remote.push("a change")
        live.knock()
        live.until(lambda: live.in_sync("one", commit), "the new spec counts")
        assert grants(shop)
