from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import sqlalchemy as sa

from reconciler.engine import setting as settings
from reconciler.model.standing import SOURCE, Condition, Standing
from reconciler.ports.ports import Ports
from reconciler.ports.store import records, standing
from reconciler.ports.store import store as stores
from reconciler.report import shapes
from reconciler.spec import option
from tests.cli import conftest

Said = Callable[..., tuple[int, str, str]]
SPEC = "specs/tenants/clinica-sol.yaml"
AT = "2027-03-01T00:00:00.000000Z"
NEXT = "2027-03-01T00:05:00.000000Z"


@pytest.fixture
def in_sync(past: stores.Store, specs: Path) -> stores.Store:
    """The store, where what is on record of clinica-sol is what its spec says."""
    found = settings.load_setting(specs, Ports(), offline=True)
    spec = next(option.plain(entry.spec) for entry in found.specs.tenants if entry.name == "clinica-sol")
    past.write(lambda c: records.save(c, conftest.record("clinica-sol", conftest.COMMITTED, spec=spec)))
    return past


def why(said: Said, tenant: str = "clinica-sol") -> dict[str, Any]:
    status, out, _ = said("why", tenant, "--format", "json")
    assert status == 0
    found: dict[str, Any] = json.loads(out)
    jsonschema.Draft202012Validator(shapes.all_of_them()["why"]).validate(found)
    return found


def ways(found: dict[str, Any]) -> list[str]:
    return [way["command"] or way["text"] for way in found["ways"]]


def stands(store: stores.Store, *conditions: Condition, **more: Any) -> None:
    def write(connection: sa.Connection) -> None:
        standing.put_conditions(connection, "clinica-sol", conditions)
        standing.save(connection, Standing("clinica-sol", updated_at=AT, **more))

    store.write(write)


def git(root: Path, words: Sequence[str]) -> str:
    who = ["-c", "user.name=Ana Ruiz", "-c", "user.email=ana@example.com", "-c", "commit.gpgsign=false"]
    return subprocess.run(["git", "-C", root, *who, *words], check=True, capture_output=True, text=True).stdout


def test_a_tenant_in_sync_says_so_with_its_last_transaction(in_sync: stores.Store, said: Said) -> None:
    found = why(said)
    assert found["inSync"]
    assert "in sync" in found["summary"]
    assert conftest.COMMITTED[:8] in found["summary"]
    assert found["where"]["file"] == SPEC
    assert found["where"]["line"] >= 1
    assert ways(found) == ["reconcile plan --tenant clinica-sol --deep"]
    status, out, err = said("why", "clinica-sol")
    assert (status, err) == (0, "")
    assert f"spec          {SPEC}:" in out


def test_a_changed_spec_waits_for_its_apply(in_sync: stores.Store, specs: Path, said: Said) -> None:
    path = specs / SPEC
    path.write_text(path.read_text().replace("plan: pro", "plan: starter"))
    found = why(said)
    assert not found["inSync"]
    assert found["summary"] == "its spec was changed since it was applied"
    assert ways(found)[-1] == "reconcile apply --tenant clinica-sol"


def test_a_tenant_that_was_never_made_has_a_spec_and_no_more(past: stores.Store, said: Said) -> None:
    found = why(said, "abarrotes-lupita")
    assert found["summary"] == "it has a spec and was never made"
    assert found["product"] == "pos-tree-codes"
    assert found["history"] == []


def test_it_works_where_nothing_was_applied_yet(specs: Path, said: Said) -> None:
    assert why(said)["summary"] == "it has a spec and was never made"


def test_an_invalid_spec_is_told_with_its_lines(in_sync: stores.Store, specs: Path, said: Said) -> None:
    path = specs / SPEC
    path.write_text(path.read_text().replace("plan: pro", "plna: pro"))
    found = why(said)
    assert "can't be used" in found["summary"]
    assert {fault["where"]["file"] for fault in found["faults"]} == {SPEC}
    assert "reconcile validate" in ways(found)
    assert any(SPEC in way for way in ways(found))


def test_a_file_that_hides_the_spec_is_told(in_sync: stores.Store, specs: Path, said: Said) -> None:
    (specs / SPEC).write_text("kind: [\n")
    found = why(said)
    assert "may hold its spec" in found["summary"]
    assert found["faults"]


def test_what_failed_is_told_by_the_journal_where_no_daemon_did(past: stores.Store, said: Said) -> None:
    found = why(said, "clinica-luna")
    assert found["failed"]["message"]
    assert found["leftovers"]
    assert "reconcile recover" in ways(found)
    assert any("DROP DATABASE x;" in way for way in ways(found))


def test_what_failed_is_told_by_the_daemon(in_sync: stores.Store, said: Said) -> None:
    where = "specs/products/agenda-ia/schema/0002_services.sql:7:1"
    told = {
        "code": "script-failed",
        "step": "schema",
        "message": "the server refused it",
        "where": where,
        "undone": ["database: create it"],
        "commit": "d" * 40,
        "author": "Eva Gil",
    }
    retried = Condition("Reconciling", "True", "ProgressingWithRetry", "the server refused it", AT)
    stands(in_sync, retried, failures=2, next_at=NEXT, said=told)
    found = why(said)
    assert found["failed"] == {
        "code": "script-failed",
        "step": "schema",
        "message": "the server refused it",
        "where": where,
    }
    assert (found["failures"], found["final"], found["nextAttemptAt"]) == (2, False, NEXT)
    assert found["undone"] == ["database: create it"]
    assert found["commit"] == {"id": "d" * 40, "author": "Eva Gil", "at": None, "subject": None}
    assert "reconcile explain script-failed" in ways(found)
    out = said("why", "clinica-sol")[1]
    assert "next attempt  2027-03-01 00:05:00Z" in out
    assert f"schema: script-failed: {where}: the server refused it" in out


def test_what_failed_for_good_waits_for_a_change_or_a_request(in_sync: stores.Store, said: Said) -> None:
    stalled = Condition("Stalled", "True", "ReconciliationFailed", "it failed", AT)
    stands(in_sync, stalled, failures=1, final=True, next_at=NEXT, said={"message": "it failed"})
    assert any("reconciler/requestedAt" in way for way in ways(why(said)))
    assert "next attempt" not in said("why", "clinica-sol")[1]


@pytest.mark.parametrize("reason", ["PlanStale", "ApprovalRequired", "DeletionCapExceeded", "OutsideSyncWindow"])
def test_a_reason_that_tells_its_way_out_is_followed(reason: str, in_sync: stores.Store, said: Said) -> None:
    before = ways(why(said))
    stands(in_sync, Condition("Stalled", "True", reason, "it waits", AT))
    found = why(said)
    assert found["summary"] == "it waits"
    assert set(ways(found)) - set(before)


def test_a_rewritten_history_is_why_nothing_follows(in_sync: stores.Store, said: Said) -> None:
    failed = Condition("FetchFailed", "True", "HistoryRewritten", "main was rewritten", AT)
    in_sync.write(lambda connection: standing.put_conditions(connection, SOURCE, [failed]))
    found = why(said)
    assert [entry["reason"] for entry in found["source"]] == ["HistoryRewritten"]
    assert any("--accept-history" in way for way in ways(found))


def test_who_holds_it_is_told_with_the_way_out(in_sync: stores.Store, said: Said) -> None:
    assert said("pause", "clinica-sol", "--reason", "audit", "--until", "9000-01-31")[0] == 0
    assert said("pause", "--reason", "moving")[0] == 0
    found = why(said)
    assert (found["hold"]["reason"], found["paused"]["reason"]) == ("audit", "moving")
    assert {"reconcile resume clinica-sol", "reconcile resume"} <= set(ways(found))
    assert not found["inSync"]


def test_a_hold_that_is_over_is_told_as_over(in_sync: stores.Store, specs: Path, said: Said) -> None:
    path = specs / SPEC
    note = 'metadata:\n  annotations: {reconciler/suspend: {reason: audit, by: ana, until: "2020-01-31"}}\n'
    path.write_text(path.read_text().replace("metadata:\n", note))
    assert why(said)["hold"] is None
    assert "hold ended    2020-01-31 23:59:59Z, by ana: audit" in said("why", "clinica-sol")[1]


def test_the_commit_is_the_last_one_that_touched_the_spec(in_sync: stores.Store, specs: Path, said: Said) -> None:
    git(specs, ["init", "-q", "-b", "main"])
    git(specs, ["add", SPEC])
    git(specs, ["commit", "-q", "-m", "Add clinica-sol"])
    head = git(specs, ["rev-parse", "HEAD"]).strip()
    git(specs, ["commit", "-q", "--allow-empty", "-m", "Something else"])
    found = why(said)["commit"]
    assert (found["id"], found["author"], found["subject"]) == (head, "Ana Ruiz <ana@example.com>", "Add clinica-sol")


def test_a_tenant_whose_spec_is_gone_says_so(in_sync: stores.Store, specs: Path, said: Said) -> None:
    (specs / SPEC).unlink()
    found = why(said)
    assert "its spec is gone" in found["summary"]
    assert found["where"] is None


def test_a_tenant_that_nobody_knows_is_wrong_usage(past: stores.Store, said: Said) -> None:
    assert said("why", "nobody")[0] == 64
    assert said("why")[0] == 64
