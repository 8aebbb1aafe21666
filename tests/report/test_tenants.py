from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from reconciler.engine.conditions import Overview, Status
from reconciler.model.standing import Condition, Hold, Standing
from reconciler.model.states import TransactionState
from reconciler.ports.store import journal
from reconciler.report import data, styled, tenants, transaction
from tests.report import samples

AT = "2027-01-31T12:00:00.000000Z"
READY = Condition("Ready", "True", "ReconciliationSucceeded", "transaction 1f0c33aa is committed", AT)
STALLED = Condition("Stalled", "True", "RolledBack", "transaction 2f0c33aa (update) failed and was undone", "")
RETRIED = Condition("Reconciling", "True", "ProgressingWithRetry", "the import failed", AT, generation="9d0f11aa")
SUSPENDED = Condition("Suspended", "True", "Suspended", "held until 2027-02-01 23:59:59Z, by ana: audit", AT)
HOLD = Hold("en-pausa", "ana", "audit", until="2027-02-01T23:59:59.999999Z", since=AT)
STANDING = Standing(
    "reintento",
    generation="9d0f11aa",
    revision="main@sha1:" + "b" * 40,
    failures=2,
    next_at="2027-01-31T12:05:00.000000Z",
    handled_request="again",
    plan_digest="sha256:" + "c" * 64,
    updated_at=AT,
)
REVISION = "main@sha1:" + "a" * 40
FOUND = Overview(
    [
        Status("clinica-sol", "agenda-ia", "active", REVISION, (READY, STALLED)),
        Status("en-pausa", "agenda-ia", "active", REVISION, (READY, SUSPENDED), hold=HOLD),
        Status(
            "nueva", "agenda-ia", "provisioning", "", (Condition("Ready", "False", "RolledBack", "never made", ""),)
        ),
        Status("reintento", "agenda-ia", "active", REVISION, (READY, RETRIED), STANDING, (samples.head(),)),
    ],
    source=(
        Condition("SourceVerified", "True", "Verified", "every commit is signed", AT),
        Condition("FetchFailed", "True", "SourceFailed", "the remote does not answer", AT),
    ),
    paused=Hold("@all", "eva", "moving the server", since=AT),
)


def test_conditions_read_as_in_their_golden_file() -> None:
    assert styled.plain(tenants.status_lines(FOUND)) == samples.golden("status.txt")


def test_conditions_for_programs_are_as_in_their_golden_file() -> None:
    assert data.text(tenants.status_data(FOUND)) == samples.golden("status.json")


def test_what_no_daemon_has_said_is_null() -> None:
    first = tenants.status_data(FOUND)["tenants"][0]
    for name in ("observedGeneration", "lastHandledReconcileAt", "nextAttemptAt", "planDigest"):
        assert first[name] is None
    assert tenants.status_data(FOUND)["tenants"][2]["revision"] is None


@pytest.mark.parametrize("change", [{"final": True}, {"failures": 0}], ids=str)
def test_what_is_not_tried_again_has_no_next_attempt(change: dict[str, Any]) -> None:
    entry = dataclasses.replace(FOUND.tenants[3], standing=dataclasses.replace(STANDING, **change))
    assert tenants.next_attempt(FOUND.tenants[3])
    assert not tenants.next_attempt(entry)


def test_a_tenant_that_is_held_has_no_next_attempt() -> None:
    assert not tenants.next_attempt(dataclasses.replace(FOUND.tenants[3], hold=HOLD))


def test_a_history_reads_as_in_its_golden_file() -> None:
    found = [
        samples.head(TransactionState.OPEN, id="9" * 32, ended_at=None),
        samples.head(TransactionState.ROLLED_BACK, tenant="abarrotes-lupita"),
        samples.head(),
    ]
    assert styled.plain(tenants.history_lines(found)) == samples.golden("history.txt")


@pytest.mark.parametrize("state", TransactionState)
def test_every_state_has_a_word(state: TransactionState) -> None:
    assert tenants.transaction_data(samples.head(state))["outcome"] == tenants.OUTCOMES[state][0]


def test_an_open_transaction_has_no_end_and_no_length() -> None:
    found = tenants.history_data([samples.head(TransactionState.OPEN, ended_at=None)])["transactions"][0]
    assert (found["endedAt"], found["seconds"]) == (None, None)


@pytest.mark.parametrize(
    ("name", "state", "entries"),
    [
        ("show-committed.txt", TransactionState.COMMITTED, samples.COMMITTED),
        ("show-stuck.txt", TransactionState.STUCK, samples.STUCK),
        ("show-open.txt", TransactionState.OPEN, [samples.BEGIN]),
    ],
)
def test_a_transaction_reads_as_in_its_golden_file(
    name: str, state: TransactionState, entries: list[journal.Entry]
) -> None:
    ended = None if state is TransactionState.OPEN else samples.head().ended_at
    shown = transaction.lines(samples.head(state, ended_at=ended), entries)
    assert styled.plain(shown) == samples.golden(name)


def test_the_json_of_a_stuck_transaction_is_as_in_its_golden_file() -> None:
    shown = transaction.as_data(samples.head(TransactionState.STUCK), samples.STUCK)
    assert data.text(shown) == samples.golden("show-stuck.json")


def test_each_change_has_the_time_that_it_took() -> None:
    shown = transaction.as_data(samples.head(), samples.COMMITTED)
    assert [change["seconds"] for change in shown["changes"]] == [0.01, 0.5, 0.02, 0.1]
