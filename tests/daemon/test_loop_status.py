"""What ``reconcile status`` and ``reconcile why`` tell of a daemon's work."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from reconciler import errors
from reconciler.ports.files import Files
from reconciler.ports.ports import Ports
from tests.daemon.live import AT_ONCE, Live, Pushed, condition, living
from tests.engine.drifting import AGENDA
from tests.engine.test_counts import agenda
from tests.support.shop import QUICK, Shop

T = TypeVar("T")
SPEC = "specs/tenants/one.yaml"
BROKEN = "specs/products/agenda-ia/schema/0999_broken.sql"


class FullDisk(Files):
    """A disk on which no delivery can be written, for as long as it is ``full``."""

    full = True

    def _do(self, verb: str, path: Path, action: Callable[[], T]) -> T:
        if self.full and path.name == ".env":
            raise errors.FileFailed(f"could not {verb} {path.name}: no space left on device")
        return super()._do(verb, path, action)


def asking(shop: Shop, token: str, **more: Any) -> None:
    shop.document(SPEC, "AgendaTenant", "one", {**AGENDA, **more}, annotations={"reconciler/requestedAt": token})


def words(found: dict[str, Any]) -> str:
    return " | ".join(way["text"] for way in found["ways"])


def test_what_was_seen_attempted_and_applied_is_shown(shop: Shop, remote: Pushed, home: Path) -> None:
    asking(shop, "first")
    first = remote.push("one tenant")
    with living(remote, home) as live:
        live.until(lambda: live.in_sync("one", first), "it is made")
        before = live.status("one")
        assert before["observedGeneration"] == remote.git("rev-parse", f"HEAD:{SPEC}")
        assert before["lastAttemptedRevision"] == before["lastAppliedRevision"] == f"main@sha1:{first}"
        assert before["lastHandledReconcileAt"] == "first"
        assert before["planDigest"].startswith("sha256:")
        assert before["nextAttemptAt"] is None
        found = live.why("one")
        assert found["inSync"]
        assert found["where"]["file"] == SPEC
        assert found["where"]["line"] >= 1
        assert (found["commit"]["id"], found["commit"]["author"]) == (first, "Ana Ruiz <ana@example.com>")
        assert found["commit"]["subject"] == "one tenant"

        shop.tenant("AgendaTenant", "two", agenda(2))
        second = remote.push("another tenant")
        live.knock()
        live.until(lambda: live.in_sync("two", second), "the other one is made")
        assert live.status("one") == before  # nothing of it is news to the first

        asking(shop, "second")
        third = remote.push("ask again")
        live.knock()
        live.until(lambda: live.status("one")["lastHandledReconcileAt"] == "second", "it is asked for again")
        after = live.status("one")
        assert after["observedGeneration"] == remote.git("rev-parse", f"HEAD:{SPEC}") != before["observedGeneration"]
        assert after["lastAttemptedRevision"] == f"main@sha1:{third}"
        assert after["lastAppliedRevision"] == f"main@sha1:{first}"  # there was nothing to do
        assert after["planDigest"] == before["planDigest"]
        assert condition(after, "Ready") == condition(before, "Ready")
        assert live.why("one")["commit"]["id"] == third


def test_one_that_was_in_sync_before_the_daemon_came_is_known_as_well(shop: Shop, remote: Pushed, home: Path) -> None:
    (home / "state").mkdir(parents=True)
    (shop.root / "state").symlink_to(home / "state")
    asking(shop, "before")
    shop.apply()
    commit = remote.push()
    with living(remote, home) as live:
        live.until(lambda: live.health.first_pass, "it has looked")
        live.until(lambda: live.status("one").get("lastHandledReconcileAt"), "and has written down what it saw")
        found = live.status("one")
        assert found["observedGeneration"] == remote.git("rev-parse", f"HEAD:{SPEC}")
        assert found["lastAttemptedRevision"] == f"main@sha1:{commit}"
        assert live.in_sync("one")
        assert live.why("one")["inSync"]


def test_what_fails_and_is_tried_again_says_when_and_why(shop: Shop, remote: Pushed, home: Path) -> None:
    shop.platform(daemon={**AT_ONCE, "retry": {"firstSeconds": 3600, "longestSeconds": 3600}})
    commit = remote.push("one tenant")
    disk = FullDisk()
    with living(remote, home, Ports(entropy=QUICK, files=disk)) as live:
        live.until(lambda: live.has("one", "Reconciling", "ProgressingWithRetry"), "it fails")
        entry, found = live.status("one"), live.why("one")
        assert condition(entry, "Ready")["status"] == "False"
        assert not live.has("one", "Stalled")
        assert entry["lastAttemptedRevision"] == f"main@sha1:{commit}"
        assert entry["lastAppliedRevision"] is None
        assert dt.datetime.fromisoformat(entry["nextAttemptAt"]) > dt.datetime.now(dt.UTC)
        assert found["failed"]["code"] == "file-failed"
        assert found["failed"]["step"]
        assert "no space left" in found["failed"]["message"]
        assert found["failed"]["where"].startswith(f"{SPEC}:")
        assert found["failures"] == 1
        assert not found["final"]
        assert found["undone"]
        assert (found["commit"]["id"], found["commit"]["author"]) == (commit, "Ana Ruiz <ana@example.com>")
        assert f"tries again at {entry['nextAttemptAt'][:19].replace('T', ' ')}Z" in words(found)
        counted = live.scraped()
        assert counted['reconcile_total{result="rolled-back"}'] == 1
        assert counted['reconcile_rollback_total{result="rolled-back"}'] == 1
        assert counted['reconcile_errors_total{class="file-failed"}'] == 1
        assert counted["reconcile_workqueue_retries_total"] == 1
        assert counted['reconcile_workqueue_depth{lane="fresh"}'] == 0
        assert counted["reconcile_leader"] == 1

        disk.full = False
        asking(shop, "now")
        commit = remote.push("try it now")
        live.knock()
        live.until(lambda: live.in_sync("one", commit), "a person need not wait for it")
        entry, found = live.status("one"), live.why("one")
        assert (entry["nextAttemptAt"], found["failed"], found["failures"]) == (None, None, 0)
        row = {"tenant": "one", "product": "agenda-ia", "ready": "True", "reason": "ReconciliationSucceeded"}
        live.daemon._upkeep.count_soon()
        live.until(lambda: tenants(live) == [{**row, "revision": entry["revision"]}], "it is shown")


def tenants(live: Live) -> list[dict[str, str]]:
    """The labels of the rows about tenants."""
    rows = [series for series in live.scraped() if series.startswith("reconcile_tenant_info{")]
    return [dict(re.findall(r'(\w+)="([^"]*)"', series)) for series in rows]


def test_what_fails_for_good_waits_for_a_person(shop: Shop, remote: Pushed, home: Path) -> None:
    (shop.root / BROKEN).write_text("CREATE TABLE broken (id int, PRIMARY KEY (nothing));\n")
    commit = remote.push("a broken script")
    with living(remote, home) as live:
        live.until(lambda: live.has("one", "Stalled", "RolledBack"), "it fails")
        entry, found = live.status("one"), live.why("one")
        assert entry["nextAttemptAt"] is None
        assert found["final"]
        assert found["failed"]["code"] == "script-failed"
        assert found["failed"]["message"].startswith(f"{BROKEN}:1:1: ")
        assert found["undone"]
        assert found["commit"]["id"] == commit
        assert "requestedAt" in words(found)
        live.sweep()
        assert len(live.status("one")["history"]) == 1  # a sweep tries nothing that failed for good
    with living(remote, home) as live:
        live.until(lambda: live.health.first_pass, "it has looked")
        live.sweep()
        assert len(live.status("one")["history"]) == 1  # nor does a restart
        asking(shop, "again")
        remote.push("try it again")
        live.knock()
        live.until(lambda: len(live.status("one")["history"]) == 2, "it does if it is asked to")
        live.until(lambda: live.has("one", "Stalled", "RolledBack"), "and fails as before")
        assert live.status("one")["lastHandledReconcileAt"] == "again"
        (shop.root / BROKEN).unlink()
        commit = remote.push("mended")
        live.knock()
        live.until(lambda: live.in_sync("one", commit), "the fix counts at once")


def test_an_invalid_spec_is_told_with_its_line_and_its_author(shop: Shop, remote: Pushed, home: Path) -> None:
    first = remote.push("one tenant")
    with living(remote, home) as live:
        live.made("one")
        shop.tenant("AgendaTenant", "one", {**AGENDA, "plna": "pro"})
        shop.tenant("AgendaTenant", "never", {"displayName": 7})
        (shop.root / "specs/tenants/apart.yaml").write_text("kind: [AgendaTenant\n")
        commit = remote.push("three mistakes")
        live.knock()
        live.until(
            lambda: live.has("one", "Stalled", "BuildFailed") and live.has("never", "Stalled"), "they are frozen"
        )
        entry, found = live.status("one"), live.why("one")
        assert condition(entry, "Ready")["status"] == "True"
        assert entry["lastAppliedRevision"] == f"main@sha1:{first}"
        assert condition(entry, "Stalled")["observedGeneration"] == remote.git("rev-parse", f"HEAD:{SPEC}")
        assert "plna" in condition(entry, "Stalled")["message"]
        assert f"{SPEC}:" in condition(entry, "Stalled")["message"]
        assert not found["inSync"]
        assert {(fault["where"]["file"], fault["where"]["line"] > 1) for fault in found["faults"]} == {(SPEC, True)}
        assert (found["commit"]["id"], found["commit"]["author"]) == (commit, "Ana Ruiz <ana@example.com>")
        assert f"mend {SPEC}:" in words(found)
        assert condition(live.status("never"), "Ready")["reason"] == "NotApplied"
        assert live.why("never")["commit"]["id"] == commit


def test_a_removal_that_a_guard_holds_back_says_what_would_let_it_go(shop: Shop, remote: Pushed, home: Path) -> None:
    shop.platform(daemon=AT_ONCE, guards={"prune": True, "maxDeletes": 1})
    for number, name in enumerate(("two", "three"), 2):
        shop.tenant("AgendaTenant", name, agenda(number))
    remote.push()
    with living(remote, home) as live:
        live.made("one", "two", "three")
        for name in ("one", "two"):
            shop.without(name)
        commit = remote.push("two are gone")
        live.knock()
        live.until(lambda: live.has("one", "Stalled", "DeletionCapExceeded"), "it is held back")
        live.until(lambda: live.has("two", "Stalled", "DeletionCapExceeded"), "and so is the other one")
        found = live.why("one")
        assert condition(live.status("one"), "Ready")["status"] == "True"
        assert found["failed"]["code"] == "guard"
        assert found["commit"]["id"] == commit
        assert any(way["command"] == "reconcile apply --allow-deletes N" for way in found["ways"])
        shop.tenant("AgendaTenant", "two", agenda(2))
        remote.push("one is back")
        live.knock()
        live.until(lambda: condition(live.status("one"), "Ready")["reason"] == "Trashed", "one may go")
        assert live.in_sync("two")
        assert live.why("two")["failed"] is None


def test_a_reload_looks_at_everything_and_is_no_news(shop: Shop, remote: Pushed, home: Path) -> None:
    remote.push()
    with living(remote, home) as live:
        live.made("one")
        before = live.status("one")
        (home / "state/deliveries/one/.env").unlink()
        live.daemon.reload.set()
        live.knock()
        live.until(lambda: (home / "state/deliveries/one/.env").exists(), "it is healed")
        live.until(lambda: live.in_sync("one"), "it is in sync")
        assert live.status("one")["lastAttemptedRevision"] == before["lastAttemptedRevision"]
