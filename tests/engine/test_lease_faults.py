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
from tests.support import changes
from tests.support.changes import CREATE_AGENDA, CREATE_POS, Case
from tests.support.deeds import Aside
from tests.support.faults import Boundaries, Kind, Pause
from tests.support.matrix import Cells, Recovery, Row
from tests.support.shop import Shop
from tests.support.trial import Trial

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
    """A change in a thread of its own, paused in front of boundary ``at``."""

    def __init__(self, tried: Trial, at: int) -> None:
        self.pause = Pause()
        self.boundaries = Boundaries({at: self.pause})
        self.outcome: Outcome | None = None
        self.failure: BaseException | None = None
        self._tried = tried
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
            self.outcome = self._tried.attempt(self.boundaries, lease_seconds=LEASE_SECONDS)
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
    """Pause a change in front of ``at``, let the successor do its work, and wake the holder: it may do nothing more."""
    shop = tried.shop
    where = f"paused before {at} of {tried.count}, {tried.log[at - 1]}"
    holder = Holder(tried, at)
    try:
        outcome = successor()
        settled, store = tried.world(), written(shop)
    finally:
        holder.wake()
    where += f": {holder.outcome}; successor: {outcome}"
    world = tried.world()
    if tried.kinds[at - 1] is Kind.FILE:
        # One operation on files that had been entered can't be fenced; what it did is found, and taken away.
        assert dataclasses.replace(world, files={}) == dataclasses.replace(settled, files={}), where
        shop.recover()
        world = tried.world()
    assert settled.difference(world) == [], where
    assert written(shop) == store, where
    same = tried.is_before(False, where)
    assert same == (outcome is None), where
    said = holder.outcome.result.value if holder.outcome else "refused"
    onward = Recovery.SUCCESSOR_FORWARD if at > tried.brink else Recovery.NEXT
    tried.record(Row.PAUSED, said, after=not same, recovery=Recovery.RECOVER if same else onward)
    if not same:
        tried.back()


def applying(tried: Trial) -> Outcome | None:
    """The successor makes the same change."""
    outcome = tried.attempt(Boundaries(), lease_seconds=LEASE_SECONDS)
    assert outcome is not None
    assert outcome.result is Result.APPLIED, outcome
    return outcome


def recovering(shop: Shop) -> Outcome | None:
    """The successor recovers; the outcome of what it finished."""
    setting = shop.setting()
    setting.lease_seconds = LEASE_SECONDS
    try:
        outcomes = reconcile.recover(setting, Progress())
    finally:
        setting.opened().close()
    [outcome] = outcomes
    assert outcome.result in (Result.ROLLED_BACK, Result.APPLIED), outcomes
    return outcome if outcome.result is Result.APPLIED else None


@pytest.mark.timeout(1800)
@pytest.mark.usefixtures("two_hosts")
@changes.trials(
    *(CREATE_POS, "change-agenda", "resume-agenda", "purge-pos"),
    often=6,
    among=(*changes.MAIN, "cloud-sync-on", *changes.TRASH, "give-up-pos"),
)
def test_who_was_taken_over_while_it_slept_does_nothing_when_it_wakes(
    shop: Shop, cells: Cells, case: Case, times: int
) -> None:
    tried = Trial(shop, case, cells)
    for number, at in enumerate(changes.moments(tried.acts[0], tried.writes[-1], times)):
        taken_over(tried, at, (lambda: applying(tried)) if number % 2 else (lambda: recovering(shop)))


@pytest.mark.timeout(1800)
@pytest.mark.usefixtures("two_hosts")
@changes.trials(
    *(CREATE_AGENDA, "trash-pos"),
    often=1,
    among=(CREATE_POS, "change-agenda", "edition-pos", "trash-agenda", "restore-pos", "return-agenda"),
)
def test_who_wakes_up_in_front_of_a_publication_publishes_nothing(
    shop: Shop, cells: Cells, case: Case, times: int
) -> None:
    tried = Trial(shop, case, cells)
    for at in tried.saying("rename to", "exchange", "make the folder")[-2 - times :]:
        taken_over(tried, at, lambda: applying(tried))
        taken_over(tried, at, lambda: recovering(shop))


@pytest.mark.timeout(1800)
@pytest.mark.usefixtures("two_hosts")
@changes.trials(CREATE_POS, "suspend-agenda", often=3, among=(*changes.MAIN, "cloud-sync-on"))
def test_who_wakes_up_while_its_successor_works_does_it_no_harm(
    shop: Shop, cells: Cells, case: Case, times: int
) -> None:
    tried = Trial(shop, case, cells)
    for number, at in enumerate(changes.moments(tried.acts[0], tried.writes[-1], times)):
        holder = Holder(tried, at)
        # Behind the look of the successor: it undoes, looks, begins and makes.
        meanwhile = tried.count * (3 + number % 4) // 4
        try:
            outcome = tried.attempt(Boundaries({meanwhile: Aside(holder.pause.go.set)}), lease_seconds=LEASE_SECONDS)
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


@pytest.mark.timeout(1800)
@pytest.mark.usefixtures("two_hosts")
@changes.trials("purge-pos", often=1, among=("purge-agenda",))
def test_who_wakes_up_in_a_purge_takes_nothing_of_a_later_tenant_of_that_name(
    shop: Shop, cells: Cells, case: Case, times: int
) -> None:
    tried = Trial(shop, case, cells)
    places = [at for at, kind in enumerate(tried.kinds, 1) if kind is Kind.FILE and at > tried.brink]
    touching = [at for at in places if tried.log[at - 1].startswith(("make", "rename", "remove"))]
    for at in touching[: 3 * times]:
        holder = Holder(tried, at)
        try:
            applying(tried)
            tried.is_before(True, "the successor purged it")
            tried.back()
        finally:
            holder.wake()
        shop.recover()
        assert tried.before.difference(tried.world()) == [], f"{tried.log[at - 1]}: {holder.outcome}"
        said = holder.outcome.result.value if holder.outcome else "refused"
        tried.record(Row.PAUSED, said, after=True, recovery=Recovery.SUCCESSOR_FORWARD)
    assert touching
