"""Faults that nobody foresaw, met while what was left open is settled: they stay with the tenant that has them."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import pytest

from reconciler import errors
from reconciler.engine import reconcile, recovery
from reconciler.engine.progress import Progress
from reconciler.engine.setting import Setting
from reconciler.model.change import Change
from reconciler.model.outcome import Outcome, Result
from reconciler.ports import process
from reconciler.ports.session import Session
from reconciler.resources.account import Account
from reconciler.resources.resource import Resource
from tests.engine.test_counts import agenda
from tests.support import trial
from tests.support.faults import Boundaries, Fault
from tests.support.shop import Shop

NAMES = ("one", "two")


@pytest.fixture
def left_open(shop: Shop) -> Shop:
    """Two tenants that a dead process had half made."""
    me = process.this()
    for number, name in enumerate(NAMES):
        shop.tenant("AgendaTenant", name, agenda(number))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(process, "this", lambda: dataclasses.replace(me, started=me.started - 1))
        for name in NAMES:
            options = reconcile.Options(tenants=(name,), parallel=1)
            by = functools.partial(applied_with, options)
            assert trial.attempt(shop, Dying(name), by=by) is None
    return shop


def applied_with(options: reconcile.Options, setting: Setting, _: object) -> list[Outcome]:
    return reconcile.apply(setting, options, Progress())[1]


class Dying(Boundaries):
    """The process dies behind the schema of the tenant."""

    def __init__(self, tenant: str) -> None:
        super().__init__()
        self.mark = f"log in agenda_{tenant}_own"

    def cross(self, kind: Any, what: str, action: Callable[[], Any], error: Any, lose: Any = None) -> Any:
        """As the other boundaries, with that."""
        if what == self.mark:
            self.faults[self.count + 1] = Fault.DEATH_AFTER
        return super().cross(kind, what, action, error, lose)


def failing(monkeypatch: pytest.MonkeyPatch, kind: type[Resource], method: str, error: Exception) -> None:
    """What ``kind`` does about ``agenda_one`` fails."""
    does = getattr(kind, method)

    def does_not(change: Change, session: Session) -> Any:
        if "agenda_one" in change.name:
            raise error
        return does(change, session)

    monkeypatch.setattr(kind, method, does_not)


@pytest.mark.parametrize("method", ["undo", "undone", "held"])
@pytest.mark.parametrize("error", [TypeError("not enough arguments for format string"), ValueError("too long")])
def test_an_undo_that_fails_unforeseen_is_left_over_and_the_others_go_on(
    left_open: Shop, monkeypatch: pytest.MonkeyPatch, method: str, error: Exception
) -> None:
    with monkeypatch.context() as patch:
        failing(patch, Account, method, error)
        one, two = left_open.recover()
        assert (one.tenant, one.result, two.tenant, two.result) == ("one", Result.STUCK, "two", Result.ROLLED_BACK)
        assert {left.resource for left in one.leftovers} == {Account.kind}
        assert all(f"unforeseen {type(error).__name__}: {error}" in left.reason for left in one.leftovers)
        assert left_open.server.sql("SHOW DATABASES LIKE 'agenda%'") == []
    assert [entry.result for entry in left_open.recover()] == [Result.ROLLED_BACK]
    assert {entry.result for entry in left_open.apply().values()} == {Result.APPLIED}


@pytest.mark.parametrize("error", [KeyError("servers"), errors.StepFailed("no"), errors.LeaseLost("taken over")])
def test_a_transaction_that_can_not_even_be_begun_to_settle_holds_up_no_other(
    left_open: Shop, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    made = recovery._session

    def makes(tools: Any, lease: Any, transaction: Any, entries: Any) -> Session:
        if transaction.tenant == "one":
            raise error
        return made(tools, lease, transaction, entries)

    expected = Result.LEASED if isinstance(error, errors.LeaseLost) else Result.STUCK
    with monkeypatch.context() as patch:
        patch.setattr(recovery, "_session", makes)
        outcomes = {entry.tenant: entry for entry in left_open.recover()}
        assert {name: entry.result for name, entry in outcomes.items()} == {"one": expected, "two": Result.ROLLED_BACK}
        assert outcomes["one"].failure is not None
        again = left_open.apply(keep_going=True)
        assert {name: entry.result for name, entry in again.items()} == {"one": expected, "two": Result.APPLIED}
        if expected is Result.STUCK:
            assert "what was left open is not settled" in again["one"].leftovers[0].reason
    assert left_open.apply()["one"].result is Result.APPLIED
