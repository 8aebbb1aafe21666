"""The sweeps have teeth: with the engine broken on purpose, the same checks that pass fail.

Each mutant is tried with the check that is there for it; the first test is the same checks on the engine as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconciler.engine import recovery, saga, sweep
from reconciler.model.change import Change
from reconciler.ports.mysql import locks, names
from reconciler.ports.session import Session
from reconciler.ports.store import leases
from reconciler.resources import account, central_rows, database, delivery, visibility
from tests.engine import test_foreign_faults as foreign
from tests.engine import test_lease_faults as paused
from tests.engine.test_lease_faults import two_hosts
from tests.support import changes, trial
from tests.support.changes import CASES, CREATE_AGENDA, CREATE_POS, REMOVALS
from tests.support.deeds import HalfDrop
from tests.support.faults import Boundaries, Deed, Fault
from tests.support.matrix import Cells, Row
from tests.support.shop import Shop
from tests.support.trial import Trial

__all__ = ["two_hosts"]

Check = Callable[[Shop, Cells], None]


# --- the checks -------------------------------------------------------------------------------------------


def deaths(shop: Shop, cells: Cells) -> None:
    """Killed at some boundaries of a creation."""
    tried = Trial(shop, CASES[CREATE_POS], cells)
    for at in changes.moments(tried.writes[0], tried.writes[-1], 5):
        tried.strike(trial.row_of(Fault.DEATH_AFTER, tried.kinds[at - 1]), {at: Fault.DEATH_AFTER})


def losses(shop: Shop, cells: Cells) -> None:
    """The answer to each statement that makes something is lost."""
    tried = Trial(shop, CASES[CREATE_POS], cells)
    for at in tried.saying("«CREATE DATABASE", "«CREATE USER"):
        tried.strike(Row.LOST_AFTER, {at: Fault.LOST_AFTER})


def a_failure_late(shop: Shop, cells: Cells) -> None:
    """The commit fails, in a creation and in a change."""
    tried = Trial(shop, CASES["edition-pos"], cells)
    tried.strike(Row.STORE_FAILED, {tried.writes[-1]: Fault.ERROR})


def a_foreign_database(shop: Shop, cells: Cells) -> None:
    """Somebody makes the database between the intent and a death."""
    foreign.test_what_a_foreigner_makes_before_a_death_is_left_alone_by_recover(
        shop, cells, CASES[CREATE_AGENDA], foreign.FOREIGNERS["database"]
    )


def a_foreign_account(shop: Shop, cells: Cells) -> None:
    """Somebody makes the account between the intent and a death."""
    foreign.test_what_a_foreigner_makes_before_a_death_is_left_alone_by_recover(
        shop, cells, CASES[CREATE_POS], foreign.FOREIGNERS["account"]
    )


def a_drop_half_way(shop: Shop, cells: Cells) -> None:
    """A server that stopped inside DROP DATABASE."""
    tried = Trial(shop, CASES[CREATE_POS], cells)
    counted = Boundaries({tried.writes[-1]: Fault.ERROR})
    trial.attempt(shop, counted)
    drop = next(at for at, said in enumerate(counted.log, 1) if said.startswith("«DROP DATABASE"))
    faults: dict[int, Fault | Deed] = {tried.writes[-1]: Fault.ERROR, drop: HalfDrop(shop.server, "pos_one")}
    tried.strike(Row.SERVER_HALF_DROPPED, faults)


def a_sleeper_at_a_write(shop: Shop, cells: Cells) -> None:
    """Paused in front of the commit, taken over, and awake again."""
    tried = Trial(shop, CASES["edition-pos"], cells)
    paused.taken_over(tried, tried.writes[-1], lambda: paused.applying(tried))


def a_sleeper_at_a_statement(shop: Shop, cells: Cells) -> None:
    """Paused in front of a statement, taken over, and awake again."""
    tried = Trial(shop, CASES[CREATE_POS], cells)
    paused.taken_over(tried, tried.saying("«CREATE USER")[0], lambda: paused.recovering(shop))


def a_sleeper_at_a_publication(shop: Shop, cells: Cells) -> None:
    """Paused in front of the rename that publishes, taken over, and awake again."""
    tried = Trial(shop, CASES[CREATE_POS], cells)
    paused.taken_over(tried, tried.saying("rename to")[-1], lambda: paused.recovering(shop))


def a_sleeper_at_the_trash(shop: Shop, cells: Cells) -> None:
    """Asleep in front of the folder that a delivery passes through on its way to the trash."""
    tried = Trial(shop, REMOVALS["trash-pos"], cells)
    paused.taken_over(tried, tried.saying("make the folder .reconciler")[0], lambda: paused.recovering(shop))


def a_foreign_row(shop: Shop, cells: Cells) -> None:
    """Another platform takes the tenant's row between the intent and the act."""
    foreign.test_what_a_foreigner_makes_between_intent_and_act_is_left_alone(
        shop, cells, CASES[CREATE_POS], foreign.FOREIGNERS["row"]
    )


# --- the mutants ------------------------------------------------------------------------------------------


def intent_after_act(patch: pytest.MonkeyPatch) -> None:
    """The first record is written when everything is done."""
    begin, act = saga.Saga.begin, saga.Saga.act

    def late(self: saga.Saga) -> None:
        act(self)
        begin(self)

    patch.setattr(saga.Saga, "begin", lambda self: None)
    patch.setattr(saga.Saga, "act", late)


def blind_drop_of_databases(patch: pytest.MonkeyPatch) -> None:
    """An undo drops the database, whoever made it."""
    patch.setattr(database.Database, "held", classmethod(lambda cls, change, session: True))


def blind_drop_of_accounts(patch: pytest.MonkeyPatch) -> None:
    """An undo drops the account, whoever made it."""
    patch.setattr(account.Account, "held", classmethod(lambda cls, change, session: True))


def lost_is_not_done(patch: pytest.MonkeyPatch) -> None:
    """What got no answer is taken for not done."""
    settle = recovery.settle

    def fewer(*arguments: Any, begun: int | None = None) -> recovery.Settled:
        return settle(*arguments, begun=begun and begun - 1)

    patch.setattr(recovery, "settle", fewer)


def forgetting_recovery(patch: pytest.MonkeyPatch) -> None:
    """A recovery does not read which drops were announced."""
    make = recovery._session

    def forgetful(*arguments: Any) -> Session:
        session = make(*arguments)
        session.dropping = frozenset()
        return session

    patch.setattr(recovery, "_session", forgetful)


def unannounced_drops(patch: pytest.MonkeyPatch) -> None:
    """What an undo destroys is not journaled before."""
    patch.setattr(recovery, "_announce_drops", lambda *arguments: None)


def no_fencing_of_the_store(patch: pytest.MonkeyPatch) -> None:
    """Nobody looks whether the number is still the tenant's."""
    patch.setattr(leases, "hold", lambda connection, lease: None)
    patch.setattr(leases, "check", lambda store, lease: None)


def no_expulsion(patch: pytest.MonkeyPatch) -> None:
    """A successor neither ends the connections of the holder nor takes the locks."""
    patch.setattr(locks, "expel", lambda connection, names: None)
    patch.setattr(locks, "take", lambda connection, name, **options: None)


def no_claim_of_files(patch: pytest.MonkeyPatch) -> None:
    """A successor leaves the holder's folder where it is, and nobody takes it away."""
    patch.setattr(sweep, "sweep", lambda setting: [])
    patch.setattr(Session, "claim", lambda self: None)
    patch.setattr(delivery.Delivery, "undo", classmethod(lambda cls, change, session: None))


def no_number_at_the_door(patch: pytest.MonkeyPatch) -> None:
    """Who makes the folder that files pass through does not look whether the number is still the tenant's."""

    def entered(session: Session) -> Path:
        session.ports.files.make_folder(session.workspace)
        return session.workspace

    patch.setattr(visibility, "entered", entered)


def blind_removal_of_rows(patch: pytest.MonkeyPatch) -> None:
    """An undo takes a central row away, whoever wrote it."""

    def undo(cls: type[central_rows.CentralRows], change: Change, session: Session) -> None:
        table, _, key = change.name.split("/", 2)
        if table == "tenants" and change.before is None:
            session.central().run("DELETE FROM license_manager.tenants WHERE name = %s", (key,))

    act = saga.Saga.act

    def wholly(self: saga.Saga) -> None:
        try:
            act(self)
        finally:
            self._begun = len(self.plan.changes) if self.plan else 0

    patch.setattr(central_rows.CentralRows, "undo", classmethod(undo))
    patch.setattr(saga.Saga, "act", wholly)


def no_way_back_for_deliveries(patch: pytest.MonkeyPatch) -> None:
    """An undo leaves what was published."""
    patch.setattr(delivery.Publication, "undo", classmethod(lambda cls, change, session: None))
    patch.setattr(delivery.Publication, "undone", classmethod(lambda cls, change, session: True))


def accounts_are_dropped_by_name(patch: pytest.MonkeyPatch) -> None:
    """An undo drops an account by its name alone, without looking and without an announcement."""

    def undo(cls: type[account.Account], change: Change, session: Session) -> None:
        server, user, host = account.split(change.name)
        session.admin(server).run(f"DROP USER IF EXISTS {names.account(user, host)}")

    patch.setattr(account.Account, "undo", classmethod(undo))
    patch.setattr(recovery, "_announce_drops", lambda *arguments: None)


CHECKS: list[Check] = [
    deaths,
    losses,
    a_failure_late,
    a_foreign_database,
    a_foreign_account,
    a_drop_half_way,
    a_sleeper_at_a_write,
    a_sleeper_at_a_statement,
    a_sleeper_at_a_publication,
    a_sleeper_at_the_trash,
    a_foreign_row,
]
MUTANTS: list[tuple[Callable[[pytest.MonkeyPatch], None], Check]] = [
    (intent_after_act, deaths),
    (blind_drop_of_databases, a_foreign_database),
    (blind_drop_of_accounts, a_foreign_account),
    (accounts_are_dropped_by_name, a_foreign_account),
    (lost_is_not_done, losses),
    (forgetting_recovery, a_drop_half_way),
    (unannounced_drops, a_drop_half_way),
    (no_fencing_of_the_store, a_sleeper_at_a_write),
    (no_expulsion, a_sleeper_at_a_statement),
    (no_claim_of_files, a_sleeper_at_a_publication),
    (no_number_at_the_door, a_sleeper_at_the_trash),
    (blind_removal_of_rows, a_foreign_row),
    (no_way_back_for_deliveries, a_failure_late),
]


@pytest.mark.usefixtures("two_hosts")
@pytest.mark.sweep
@pytest.mark.parametrize("check", CHECKS)
def test_the_engine_as_it_is_passes(shop: Shop, check: Check) -> None:
    check(shop, Cells())


@pytest.mark.timeout(120)
@pytest.mark.usefixtures("two_hosts")
@pytest.mark.parametrize(
    ("mutant", "check"), [pytest.param(mutant, check, id=mutant.__name__) for mutant, check in MUTANTS]
)
def test_a_broken_engine_does_not_pass(
    shop: Shop, mutant: Callable[[pytest.MonkeyPatch], None], check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutant(monkeypatch)
    with pytest.raises(AssertionError):
        check(shop, Cells())
