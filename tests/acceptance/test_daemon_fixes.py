"""A fix does not wait for what it mends: neither for the wait after a failure nor for the attempt that runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import merged
from tests.support.merged import Remote, Watch, condition, pos

SCRIPT = "specs/products/pos-tree-codes/schema/0001_devices_and_sync.sql"
LONG_WAITS = {"retry": {"firstSeconds": 3600, "longestSeconds": 86400}}


def ready(watch: Watch, name: str) -> bool:
    """Whether a tenant is ready, and nothing else is said of it."""
    found = watch.status().get(name, {"conditions": []})["conditions"]
    return [(entry["type"], entry["status"]) for entry in found] == [("Ready", "True")]


def stalled(watch: Watch, name: str) -> str:
    """For which reason a tenant is stalled; empty if it is not."""
    found = watch.status().get(name)
    return condition(found, "Stalled").get("reason", "") if found else ""


def test_a_script_that_fails_is_not_tried_again_until_it_is_mended(remote: Remote, tmp_path: Path) -> None:
    repository = remote.repository
    script = repository.root / SCRIPT
    good = script.read_text()
    with merged.watching(remote, tmp_path / "home", "--poll", "0.5") as watch:
        watch.until(lambda: not watch.unready() and ready(watch, "first"), "the first is made")
        script.write_text(f"{good}\nCREATE TABLE twice (id INT);\nCREATE TABLE twice (id INT);\n")
        pos(repository, "second", cloudSync=True)
        remote.push("a script that fails")
        watch.knock()
        watch.until(lambda: stalled(watch, "second") == "RolledBack", "the second is undone and waits for a fix")
        assert watch.past("second") == ["rolled-back"]
        assert repository.server.databases() == ["license_manager"]
        assert watch.end() == 143

        # A restart is no reason, and neither is a push that has nothing to do with it.
        watch.start()
        watch.until(lambda: not watch.unready(), "the next daemon has made its first pass")
        pos(repository, "third")
        remote.push("something else")
        watch.knock()
        watch.until(lambda: ready(watch, "third"), "something else is made")
        assert watch.past("second") == ["rolled-back"]
        assert stalled(watch, "second") == "RolledBack"

        script.write_text(good)
        remote.push("the fix")
        watch.knock()
        watch.until(lambda: ready(watch, "second"), "the fix is applied")
        assert watch.past("second") == ["applied", "rolled-back"]
        assert watch.past("first") == ["applied"]
        assert watch.end() == 143
        assert watch.said("unforeseen") == watch.said("attempt failed") == []


@pytest.mark.sweep
def test_a_foreign_database_is_left_alone_and_a_push_looks_again(remote: Remote, tmp_path: Path) -> None:
    repository, server = remote.repository, remote.repository.server
    server.sql("CREATE DATABASE pos_second")
    server.sql("CREATE TABLE pos_second.theirs (id INT)")
    with merged.watching(remote, tmp_path / "home", "--poll", "0.5") as watch:
        watch.until(lambda: not watch.unready(), "the first is made")
        pos(repository, "second", cloudSync=True)
        remote.push("a name that is taken")
        watch.knock()
        watch.until(lambda: stalled(watch, "second"), "the second is refused")
        assert watch.past("second") == []
        assert server.sql("SHOW TABLES IN pos_second") == [("theirs",)]
        server.sql("DROP DATABASE pos_second")
        pos(repository, "second", cloudSync=True, displayName="Lupita 2")
        remote.push("the fix")
        watch.knock()
        watch.until(lambda: ready(watch, "second"), "the fix is applied")
        assert watch.past("second") == ["applied"]
        assert watch.end() == 143


def test_a_fix_does_not_wait_for_the_backoff(remote: Remote, tmp_path: Path) -> None:
    repository = remote.repository
    merged.platform(repository, daemon=LONG_WAITS)
    remote.push("long waits")
    with merged.watching(remote, tmp_path / "home") as watch:
        watch.until(lambda: not watch.unready() and ready(watch, "first"), "the first is made")
        with merged.held_up(repository.server) as held:
            pos(repository, "second")
            remote.push("the second")
            watch.knock()
            watch.until(held.waits, "the second is in the middle of being made")
            held.cut()
        watch.until(lambda: watch.said("ends", tenant="second", result="rolled-back"), "its connection broke")
        entry = watch.status()["second"]
        assert condition(entry, "Reconciling")["reason"] == "ProgressingWithRetry"
        pos(repository, "second", displayName="Lupita 2")
        remote.push("the fix")
        watch.knock()
        watch.until(lambda: ready(watch, "second"), "the fix is applied", 20)
        assert watch.past("second") == ["applied", "rolled-back"]
        assert repository.rows("tenants", "second", "name")[0]["display_name"] == "Lupita 2"
        assert watch.end() == 143


def test_a_fix_ends_an_attempt_that_runs_where_others_failed_before(remote: Remote, tmp_path: Path) -> None:
    repository = remote.repository
    script = repository.root / SCRIPT
    good = script.read_text()
    with merged.watching(remote, tmp_path / "home") as watch:
        watch.until(lambda: not watch.unready() and ready(watch, "first"), "the first is made")
        script.write_text(f"{good}\nCREATE TABLE twice (id INT);\nCREATE TABLE twice (id INT);\n")
        pos(repository, "second", cloudSync=True)
        remote.push("a script that fails")
        watch.knock()
        watch.until(lambda: watch.said("ends", tenant="second", result="rolled-back"), "the second is undone")
        with merged.held_up(repository.server) as held:
            script.write_text(good)
            remote.push("a fix")
            watch.knock()
            watch.until(held.waits, "the second is in the middle of being made")
            pos(repository, "second", cloudSync=True, displayName="Lupita 2")
            remote.push("a better fix")
            watch.knock()
            watch.until(lambda: watch.said("preempting", tenant="second"), "the attempt is asked to stop")
        watch.until(lambda: ready(watch, "second"), "the better fix is applied")
        assert watch.said("stopped", tenant="second")
        assert watch.past("second") == ["applied", "rolled-back", "rolled-back"]
        assert repository.rows("tenants", "second", "name")[0]["display_name"] == "Lupita 2"
        assert watch.end() == 143


@pytest.mark.sweep
def test_an_attempt_that_did_not_fail_before_comes_to_its_end(remote: Remote, tmp_path: Path) -> None:
    repository = remote.repository
    with merged.watching(remote, tmp_path / "home") as watch:
        watch.until(lambda: not watch.unready() and ready(watch, "first"), "the first is made")
        with merged.held_up(repository.server) as held:
            pos(repository, "second")
            remote.push("the second")
            watch.knock()
            watch.until(held.waits, "the second is in the middle of being made")
            pos(repository, "second", displayName="Lupita 2")
            commit = remote.push("a change")
            watch.knock()
            watch.until(lambda: watch.said("new revision", revision=f"main@sha1:{commit}"), "the change is seen")
        watch.until(
            lambda: watch.past("second") == ["applied", "applied"] and ready(watch, "second"), "one after the other"
        )
        assert repository.rows("tenants", "second", "name")[0]["display_name"] == "Lupita 2"
        assert watch.end() == 143
