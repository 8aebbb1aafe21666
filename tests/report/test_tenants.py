from __future__ import annotations

import pytest

from reconciler.engine.conditions import Condition, Status
from reconciler.model.states import TransactionState
from reconciler.ports.store import journal
from reconciler.report import data, styled, tenants, transaction
from tests.report import samples

READY = Condition("Ready", "True", "ReconciliationSucceeded", "transaction 1f0c33aa is committed", "2027-01-31T12:00Z")
STALLED = Condition("Stalled", "True", "RolledBack", "transaction 2f0c33aa (update) failed and was undone", "")
FOUND = [
    Status("clinica-sol", "agenda-ia", "active", "main@sha1:" + "a" * 40, (READY, STALLED)),
    Status("nueva", "agenda-ia", "provisioning", "", (Condition("Ready", "False", "RolledBack", "never made", ""),)),
]


def test_conditions_read_as_in_their_golden_file() -> None:
    assert styled.plain(tenants.status_lines(FOUND)) == samples.golden("status.txt")


def test_conditions_for_programs_have_the_keys_of_the_contract() -> None:
    first, second = tenants.status_data(FOUND)["tenants"]
    assert set(first) == {"tenant", "product", "state", "revision", "conditions"}
    assert first["conditions"][0] == {
        "type": "Ready",
        "status": "True",
        "reason": "ReconciliationSucceeded",
        "message": "transaction 1f0c33aa is committed",
        "lastTransitionTime": "2027-01-31T12:00Z",
    }
    assert second["revision"] is None


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
