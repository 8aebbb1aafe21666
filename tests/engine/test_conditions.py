from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from reconciler import errors
from reconciler.engine import conditions, setting
from reconciler.model.record import Record
from reconciler.model.states import TransactionState
from reconciler.ports import process
from reconciler.ports.ports import Ports
from reconciler.ports.store import journal, leases, records, tables
from reconciler.ports.store import store as stores

ROOT = Path(__file__).parents[2]
NAME = "clinica-sol"


@functools.cache
def _sample() -> setting.Setting:
    found = setting.load_setting(ROOT, Ports())
    if found.store is not None:
        found.store.close()
    return found


class Past:
    """A store whose transactions are told one after the other; each begins in its own minute."""

    def __init__(self, root: Path) -> None:
        self.store = stores.make_store(
            "sqlite:///reconcile.db", root, platform="default", platform_id="p", now="2027-01-01T00:00:00.000000Z"
        )
        self.count = 0
        self.setting = dataclasses.replace(_sample(), store=self.store)

    def transaction(self, *states: TransactionState, tenant: str = NAME) -> str:
        """One that goes through ``states``; its id."""
        self.count += 1
        identity = f"{self.count:032x}"
        begin, end = (f"2027-01-01T00:{self.count:02}:{second}.000000Z" for second in ("00", "30"))

        def write(connection: sa.Connection) -> None:
            head = journal.Transaction(identity, tenant, "create", TransactionState.OPEN, 1, "ana@host", "r", begin)
            journal.begin(connection, head, {"product": "agenda-ia", "changes": []})
            for state in states:
                at = None if state is TransactionState.UNDOING else end
                journal.advance(connection, identity, state, token=1, at=at)
            if states and states[-1] is TransactionState.COMMITTED:
                records.save(connection, self.record(identity, tenant))

        self.store.write(write)
        return identity

    def record(self, transaction: str, tenant: str = NAME, **more: Any) -> Record:
        known: dict[str, Any] = {
            "state": "active",
            "revision": "r",
            "updated_at": f"2027-01-01T00:{self.count:02}:30.000000Z",
        }
        return Record(tenant, "agenda-ia", "main", "d", "%", transaction=transaction, spec={}, **{**known, **more})

    def held_by(self, holder: process.Process) -> None:
        text = json.dumps(holder.as_data())
        self.store.write(
            lambda connection: connection.execute(
                tables.leases.insert().values(tenant=NAME, token=1, holder=text, since="2027", renewals=0)
            )
        )

    def status(self) -> conditions.Status:
        (found,) = conditions.of_tenants(self.setting, NAME)
        return found

    def told(self) -> dict[str, tuple[str, str, str]]:
        return {found.type: (found.status, found.reason, found.since[11:19]) for found in self.status().conditions}


COMMITTED = (TransactionState.COMMITTED,)
ROLLED_BACK = (TransactionState.UNDOING, TransactionState.ROLLED_BACK)
STUCK = (TransactionState.UNDOING, TransactionState.STUCK)


@pytest.fixture
def past(tmp_path: Path) -> Iterator[Past]:
    made = Past(tmp_path)
    yield made
    made.store.close()


def test_a_tenant_that_was_made_is_ready_since_then(past: Past) -> None:
    past.transaction(*COMMITTED)
    past.transaction(*COMMITTED)
    assert past.told() == {"Ready": ("True", "ReconciliationSucceeded", "00:01:30")}
    assert (past.status().product, past.status().state, past.status().revision) == ("agenda-ia", "active", "r")


def test_an_undone_change_leaves_a_tenant_ready_and_stalled_since_the_first_failure(past: Past) -> None:
    past.transaction(*COMMITTED)
    past.transaction(*ROLLED_BACK)
    past.transaction(*ROLLED_BACK)
    assert past.told() == {
        "Ready": ("True", "ReconciliationSucceeded", "00:01:30"),
        "Stalled": ("True", "RolledBack", "00:02:30"),
    }


def test_a_change_that_succeeds_ends_the_stalling(past: Past) -> None:
    past.transaction(*ROLLED_BACK)
    past.transaction(*COMMITTED)
    assert past.told() == {"Ready": ("True", "ReconciliationSucceeded", "00:02:30")}


def test_a_tenant_whose_making_was_undone_is_not_there_and_says_why(past: Past) -> None:
    past.transaction(*ROLLED_BACK)
    assert past.told() == {"Ready": ("False", "RolledBack", "00:01:30"), "Stalled": ("True", "RolledBack", "00:01:30")}
    assert (past.status().product, past.status().state) == ("agenda-ia", "provisioning")


def test_a_tenant_that_is_stuck_is_not_ready(past: Past) -> None:
    past.transaction(*COMMITTED)
    past.transaction(*STUCK)
    assert past.told() == {
        "Ready": ("False", "RollbackFailed", "00:02:30"),
        "Stalled": ("True", "RollbackFailed", "00:02:30"),
        "RollbackFailed": ("True", "RollbackFailed", "00:02:30"),
    }


@pytest.mark.parametrize("states", [(), (TransactionState.UNDOING,)], ids=["open", "undoing"])
def test_what_a_living_process_works_on_is_being_reconciled(past: Past, states: tuple[TransactionState, ...]) -> None:
    past.transaction(*states)
    past.held_by(process.this())
    assert past.told() == {
        "Ready": ("Unknown", "Progressing", "00:01:00"),
        "Reconciling": ("True", "Progressing", "00:01:00"),
    }


def test_a_process_on_another_host_is_taken_for_living(past: Past) -> None:
    past.transaction()
    past.held_by(dataclasses.replace(process.this(), host="elsewhere", boot="other"))
    assert past.status().has("Reconciling")


def test_what_a_process_left_open_and_gave_back_waits_for_recover(past: Past) -> None:
    past.transaction()
    assert past.told()["Stalled"] == ("True", "Interrupted", "00:01:00")


def test_what_a_dead_process_left_open_waits_for_recover(past: Past) -> None:
    past.transaction()
    past.held_by(dataclasses.replace(process.this(), started=1))
    assert past.told()["Stalled"] == ("True", "Interrupted", "00:01:00")
    assert not past.status().has("Reconciling")


def test_a_suspended_tenant_says_so(past: Past) -> None:
    identity = past.transaction(*COMMITTED)
    past.store.write(lambda connection: records.save(connection, past.record(identity, state="suspended")))
    assert past.status().has("Suspended")
    assert past.status().has("Ready")


def test_the_platforms_own_transactions_are_no_tenant(past: Past) -> None:
    past.transaction(*COMMITTED, tenant="@platform")
    past.transaction(*COMMITTED, tenant="other")
    assert [found.tenant for found in conditions.of_tenants(past.setting)] == ["other"]


def test_a_tenant_without_a_past_is_unknown(past: Past) -> None:
    with pytest.raises(errors.UsageError, match=NAME):
        past.status()


def test_without_a_store_there_are_no_tenants(past: Past) -> None:
    assert conditions.of_tenants(dataclasses.replace(past.setting, store=None), NAME) == []


def test_a_lease_that_was_given_back_is_nobodys(past: Past) -> None:
    held = leases.Leases(past.store, lambda: "2027")
    past.transaction()
    held.release(held.acquire(NAME))
    held.close()
    assert past.status().has("Stalled")
