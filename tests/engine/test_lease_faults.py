"""A process that is paused past its lease, taken over, and wakes up; two applies of one tenant at once."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import threading
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from reconciler.engine import keyring, reconcile
from reconciler.engine.progress import Progress
from reconciler.model.outcome import Outcome, Result
from reconciler.ports import process
from reconciler.ports.mysql import census
from reconciler.ports.store import tables
from tests.support import trial
from tests.support.deeds import Aside
from tests.support.faults import Boundaries, Kind, Pause
from tests.support.matrix import Cells, Recovery, Row
from tests.support.shop import Shop
from tests.support.trial import CREATE_AGENDA, CREATE_POS, Case, Trial

LEASE_SECONDS = 0.4
HOLDER = "holder"


@pytest.fixture
def two_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs in the thread HOLDER takes itself for a process of another host, and shares no lock with this one."""
    here = process.this
    there = dataclasses.replace(here(), host="elsewhere", boot="another", namespace="another")
    monkeypatch.setattr(process, "this", lambda: there if threading.current_thread().name == HOLDER else here())
    for kind in (census.Census, *census.Census.__subclasses__(), keyring.KeyFolder):
        for known in vars(kind).values():
            # Up to Python 3.11 all objects of a class share one lock while such a property is worked out.
            if isinstance(known, functools.cached_property) and hasattr(known, "lock"):
                monkeypatch.setattr(known, "lock", contextlib.nullcontext())


class Holder:
    """An apply in a thread of its own, paused in front of boundary ``at``."""

    def __init__(self, shop: Shop, at: int) -> None:
        self.pause = Pause()
        self.boundaries = Boundaries({at: self.pause})
        self.outcome: Outcome | None = None
        self.failure: BaseException | None = None
        self._shop = shop
        self._thread = threading.Thread(target=self._run, name=HOLDER, daemon=True)
        self._thread.start()
        assert self.pause.reached.wait(60), f"it never came to boundary {at}: {self.outcome}"

    def wake(self) -> None:
        """Let it go on, to its end."""
        self.pause.go.set()
        self._thread.join(120)
        assert not self._thread.is_alive()
        if self.failure is not None:
            raise AssertionError(f"it ended with {self.failure!r}") from self.failure

    def _run(self) -> None:
        try:
            self.outcome = trial.attempt(self._shop, self.boundaries, lease_seconds=LEASE_SECONDS)
        except BaseException as error:  # noqa: BLE001 - for the test's own thread
            self.failure = error


def written(shop: Shop) -> dict[str, Any]:
    """Everything in the store but how often leases were renewed."""
    setting = shop.setting()
    try:
        return setting.opened().read(
            lambda connection: {
                table.name: [
                    tuple(value for name, value in row._mapping.items() if name != "renewals")
                    for row in connection.execute(sa.select(table))
                ]
                for table in tables.metadata.sorted_tables
            }
        )
    finally:
        setting.opened().close()


def taken_over(tried: Trial, at: int, successor: Callable[[], Outcome | None]) -> None:
    """Pause an apply in front of ``at``, let the successor do its work, and wake the holder: it may do nothing more."""
    shop = tried.shop
    where = f"paused before {at} of {tried.count}, {tried.log[at - 1]}"
    holder = Holder(shop, at)
    try:
        outcome = successor()
        settled, store = shop.world(), written(shop)
    finally:
        holder.wake()
    where += f": {holder.outcome}; successor: {outcome}"
    world = shop.world()
    if tried.kinds[at - 1] is Kind.FILE:
        # One operation on files that had been entered can't be fenced; what it did is found, and taken away.
        assert dataclasses.replace(world, files={}) == dataclasses.replace(settled, files={}), where
        shop.recover()
        world = shop.world()
    assert settled.difference(world) == [], where
    assert written(shop) == store, where
    same = tried.is_before(False, where)
    assert same == (outcome is None), where
    said = holder.outcome.result.value if holder.outcome else "refused"
    tried.record(Row.PAUSED, said, after=not same, recovery=Recovery.RECOVER if same else Recovery.NEXT)
    if not same:
        tried.back()


def applying(shop: Shop) -> Outcome | None:
    """The successor applies."""
    outcome = trial.attempt(shop, Boundaries(), lease_seconds=LEASE_SECONDS)
    assert outcome is not None
    assert outcome.result is Result.APPLIED, outcome
    return outcome


def recovering(shop: Shop) -> None:
    """The successor recovers."""
    setting = shop.setting()
    setting.lease_seconds = LEASE_SECONDS
    try:
        outcomes = reconcile.recover(setting, Progress())
    finally:
        setting.opened().close()
    assert [outcome.result for outcome in outcomes] == [Result.ROLLED_BACK], outcomes


@pytest.mark.timeout(1800)
@pytest.mark.usefixtures("two_hosts")
@trial.trials(CREATE_POS, "change-agenda", "resume-agenda", often=6, among=(*trial.MAIN, "cloud-sync-on"))
def test_who_was_taken_over_while_it_slept_does_nothing_when_it_wakes(
    shop: Shop, cells: Cells, case: Case, times: int
) -> None:
    tried = Trial(shop, case, cells)
    for number, at in enumerate(trial.moments(tried.acts[0], tried.writes[-1], times)):
        taken_over(tried, at, (lambda: applying(shop)) if number % 2 else (lambda: recovering(shop)))


@pytest.mark.timeout(1800)
@pytest.mark.usefixtures("two_hosts")
@trial.trials(CREATE_AGENDA, often=1, among=(CREATE_POS, "change-agenda", "edition-pos"))
def test_who_wakes_up_in_front_of_a_publication_publishes_nothing(
    shop: Shop, cells: Cells, case: Case, times: int
) -> None:
    tried = Trial(shop, case, cells)
    for at in tried.saying("rename to", "exchange", "make the folder")[-1 - times :]:
        taken_over(tried, at, lambda: applying(shop))
        taken_over(tried, at, lambda: recovering(shop))


@pytest.mark.timeout(1800)
@pytest.mark.usefixtures("two_hosts")
@trial.trials(CREATE_POS, "suspend-agenda", often=3, among=(*trial.MAIN, "cloud-sync-on"))
def test_who_wakes_up_while_its_successor_works_does_it_no_harm(
    shop: Shop, cells: Cells, case: Case, times: int
) -> None:
    tried = Trial(shop, case, cells)
    for number, at in enumerate(trial.moments(tried.acts[0], tried.writes[-1], times)):
        holder = Holder(shop, at)
        # Behind the look of the successor: it undoes, looks, begins and makes.
        meanwhile = tried.count * (3 + number % 4) // 4
        try:
            outcome = trial.attempt(
                shop, Boundaries({meanwhile: Aside(holder.pause.go.set)}), lease_seconds=LEASE_SECONDS
            )
        finally:
            holder.wake()
        where = f"paused before {at}, {tried.log[at - 1]}: {holder.outcome}; awake at {meanwhile}: {outcome}"
        assert outcome is not None, where
        assert outcome.result is Result.APPLIED, where
        assert shop.recover() == [], where
        assert not tried.is_before(True, where)
        said = holder.outcome.result.value if holder.outcome else "refused"
        tried.record(Row.PAUSED, said, after=True, recovery=Recovery.NEXT)
        tried.back()
