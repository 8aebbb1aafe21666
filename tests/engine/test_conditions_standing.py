"""Conditions where a daemon has written something down, or somebody holds the tenant."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from reconciler.engine import conditions, held
from reconciler.model.standing import ALL, SOURCE, Condition, Hold, Standing
from reconciler.model.states import TransactionState
from reconciler.ports.store import records, standing, tables
from reconciler.report import tenants
from tests.engine.test_conditions import COMMITTED, NAME, ROLLED_BACK, STUCK, Past

LATER = "2027-01-01T01:00:00.000000Z"
READY = Condition("Ready", "True", "ReconciliationSucceeded", "it is in sync", "2027-01-01T00:00:10.000000Z")
RETRIED = Condition("Reconciling", "True", "ProgressingWithRetry", "tried again at 01:05", LATER, generation="g1")
STALLED = Condition("Stalled", "True", "ReconciliationFailed", "the import failed", LATER, generation="g1")
LEFT_OVER = Condition("RollbackFailed", "True", "RollbackFailed", "left over: account a", LATER, generation="g1")
INVALID = Condition("Stalled", "True", "BuildFailed", "unknown key", LATER, generation="g2")
DRIFTED = Condition("Drifted", "True", "Reported", "a table was added", LATER)


@pytest.fixture
def past(tmp_path: Path) -> Iterator[Past]:
    made = Past(tmp_path)
    yield made
    made.store.close()


def put(past: Past, *wanted: Condition, at: str = LATER, subject: str = NAME) -> None:
    past.store.write(lambda connection: standing.put_conditions(connection, subject, wanted))
    past.store.write(lambda connection: standing.save(connection, Standing(subject, updated_at=at, failures=1)))


def told(past: Past) -> dict[str, str]:
    return {found.type: found.reason for found in past.status().conditions}


def test_a_failure_that_is_tried_again_is_not_stalled(past: Past) -> None:
    past.transaction(*COMMITTED)
    past.transaction(*ROLLED_BACK)
    put(past, READY, RETRIED)
    assert told(past) == {"Ready": "ReconciliationSucceeded", "Reconciling": "ProgressingWithRetry"}


def test_the_daemons_reason_takes_the_place_of_the_journals(past: Past) -> None:
    past.transaction(*ROLLED_BACK)
    put(past, STALLED)
    assert told(past) == {"Ready": "RolledBack", "Stalled": "ReconciliationFailed"}


def test_a_commit_behind_the_daemons_word_supersedes_it(past: Past) -> None:
    put(past, STALLED, DRIFTED, at="2027-01-01T00:00:00.000000Z")
    past.transaction(*COMMITTED)
    assert told(past) == {"Ready": "ReconciliationSucceeded"}


def test_no_commit_supersedes_that_a_spec_is_invalid(past: Past) -> None:
    put(past, INVALID, at="2027-01-01T00:00:00.000000Z")
    past.transaction(*COMMITTED)
    assert told(past) == {"Ready": "ReconciliationSucceeded", "Stalled": "BuildFailed"}


def test_what_is_stuck_is_told_by_the_journal(past: Past) -> None:
    past.transaction(*STUCK)
    put(past, READY, RETRIED, DRIFTED)
    assert told(past) == {
        "Ready": "RollbackFailed",
        "Stalled": "RollbackFailed",
        "RollbackFailed": "RollbackFailed",
        "Drifted": "Reported",
    }


def test_what_is_left_over_is_left_over_while_it_is_undone_once_more(past: Past) -> None:
    past.transaction(*STUCK, TransactionState.UNDOING)
    assert "RollbackFailed" not in told(past)
    put(past, LEFT_OVER, RETRIED)
    assert told(past) == {"Ready": "Progressing", "Stalled": "Interrupted", "RollbackFailed": "RollbackFailed"}


def test_what_was_left_over_of_one_transaction_says_nothing_of_the_undoing_of_the_next(past: Past) -> None:
    put(past, LEFT_OVER, at="2027-01-01T00:00:00.000000Z")
    past.transaction(TransactionState.UNDOING)
    assert "RollbackFailed" not in told(past)


def test_what_was_left_open_waits_for_recover_whatever_the_daemon_said(past: Past) -> None:
    past.transaction()
    put(past, READY, RETRIED)
    assert told(past) == {"Ready": "Progressing", "Stalled": "Interrupted"}


def test_a_condition_that_no_longer_holds_is_not_shown(past: Past) -> None:
    past.transaction(*COMMITTED)
    put(past, READY, dataclasses.replace(DRIFTED, status="False"))
    assert told(past) == {"Ready": "ReconciliationSucceeded"}


def test_conditions_stand_in_their_order(past: Past) -> None:
    past.transaction(*COMMITTED)
    put(past, DRIFTED, RETRIED, READY)
    assert list(told(past)) == ["Ready", "Reconciling", "Drifted"]


def test_an_invalid_tenant_that_never_was_made_is_there(past: Past) -> None:
    put(past, INVALID)
    assert told(past) == {"Ready": "NotApplied", "Stalled": "BuildFailed"}
    assert past.status().product == "agenda-ia"


def test_a_paused_tenant_says_until_when_by_whom_and_why(past: Past) -> None:
    past.transaction(*COMMITTED)
    hold = Hold(NAME, "ana@host", "audit", until="9000-01-31T23:59:59.999999Z", since=LATER)
    past.store.write(lambda connection: standing.hold(connection, hold))
    found = past.status().of("Suspended")
    assert found is not None
    assert (found.reason, found.since) == ("Suspended", LATER)
    assert found.message == "held until 9000-01-31 23:59:59Z, by ana@host: audit"
    assert past.status().has("Ready")


def test_a_pause_that_has_run_out_is_gone(past: Past) -> None:
    past.transaction(*COMMITTED)
    hold = Hold(NAME, "ana@host", "audit", until="2020-01-31T23:59:59.999999Z", since="2019")
    past.store.write(lambda connection: standing.hold(connection, hold))
    assert told(past) == {"Ready": "ReconciliationSucceeded"}


def test_a_pause_joins_what_else_suspends_a_tenant(past: Past) -> None:
    identity = past.transaction(*COMMITTED)
    past.store.write(lambda connection: records.save(connection, past.record(identity, state="suspended")))
    past.store.write(lambda connection: standing.hold(connection, Hold(NAME, "ana", "audit", since=LATER)))
    [found] = [entry for entry in past.status().conditions if entry.type == "Suspended"]
    assert found.message == "held until it is released, by ana: audit; its spec says `state: suspended`"


def test_what_is_no_tenants_stands_beside_the_tenants(past: Past) -> None:
    past.transaction(*COMMITTED)
    failed = Condition("FetchFailed", "True", "HistoryRewritten", "the branch was rewritten", LATER)
    past.store.write(lambda connection: standing.put_conditions(connection, SOURCE, [failed]))
    past.store.write(lambda connection: standing.hold(connection, Hold(ALL, "ana", "moving", since=LATER)))
    for found in (conditions.overview(past.setting), conditions.overview(past.setting, NAME)):
        assert [entry.tenant for entry in found.tenants] == [NAME]
        assert found.source == (failed,)
        assert found.paused is not None
        assert not found.tenants[0].has("Suspended")


def test_a_store_of_an_earlier_version_is_read_as_if_nothing_was_known(past: Past) -> None:
    past.transaction(*COMMITTED)

    def drop(connection: sa.Connection) -> None:
        for table in (tables.standing, tables.conditions, tables.holds):
            table.drop(connection)

    past.store.write(drop)
    assert told(past) == {"Ready": "ReconciliationSucceeded"}
    assert held.holds(past.setting) == {}
    assert past.store.read(standing.load) == {}


def test_something_open_is_found_however_much_was_done_since(past: Past, monkeypatch: pytest.MonkeyPatch) -> None:
    past.transaction(*STUCK)
    for number in range(4):
        past.transaction(*COMMITTED, tenant=f"other-{number}")
    monkeypatch.setattr(conditions, "_MOST_TRANSACTIONS", 2)
    found = {entry.tenant: entry for entry in conditions.of_tenants(past.setting)}
    assert found[NAME].has("RollbackFailed")


def test_ten_thousand_tenants_take_about_a_second(past: Past) -> None:
    names = [f"tenant-{number:05}" for number in range(10_000)]

    begun = {"action": "create", "state": "committed", "token": 1, "actor": "ana", "revision": "r", "records": 1}
    made = {"product": "agenda-ia", "server": "main", "database_name": "d", "client_host": "%", "state": "active"}
    facts = json.dumps({"schema/x": {"shape": "x" * 6000}})

    def write(connection: sa.Connection) -> None:
        standing.save(connection, *(Standing(name, generation="g", updated_at=LATER) for name in names))
        standing.put_all(connection, {name: [READY, DRIFTED] for name in names})
        times = {"started_at": "2027-01-01T00:00:00Z", "ended_at": "2027-01-01T00:00:30Z"}
        heads = [{"id": name, "tenant": name, "head": "", **begun, **times} for name in names]
        connection.execute(tables.transactions.insert(), heads)
        rest = {"revision": "r", "spec": "{}", "tokens": "{}", "facts": facts, "updated_at": LATER}
        connection.execute(
            tables.tenants.insert(), [{"name": name, "transaction_id": name, **made, **rest} for name in names]
        )

    past.store.write(write)
    started = time.process_time()
    found = conditions.overview(past.setting)
    shown = tenants.status_data(found)
    taken = time.process_time() - started
    assert len(shown["tenants"]) == len(names)
    assert all(entry.has("Drifted") for entry in found.tenants)
    assert taken < 3, taken  # about one on a machine that does nothing else


def test_a_spec_that_went_back_to_what_it_was_before_the_attempt_that_was_undone_is_in_sync(past: Past) -> None:
    past.transaction(*COMMITTED)
    past.transaction(*ROLLED_BACK)
    assert told(past).keys() == {"Ready", "Stalled"}
    past.store.write(lambda connection: standing.save(connection, Standing(NAME, updated_at=LATER)))
    assert told(past) == {"Ready": "ReconciliationSucceeded"}
