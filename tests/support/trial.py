"""One change of one tenant, tried again and again under faults, each judged: the world before, or the world after."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Callable, Collection, Iterable
from typing import Any

from reconciler import errors
from reconciler.engine import observe, planner, reconcile, removal
from reconciler.engine import setting as settings
from reconciler.engine.progress import Progress
from reconciler.model.given import Given
from reconciler.model.goal import Goal
from reconciler.model.outcome import Outcome, Result
from tests.support import world
from tests.support.changes import NAME, PRODUCTS, By, Case, Confirm, applied, purged, restored
from tests.support.faults import Boundaries, Deed, Fault, Kind, SimulatedDeath
from tests.support.matrix import Cells, Operation, Recovery, Row
from tests.support.shop import Shop


class Trial:
    """One case on one shop, brought back to its beginning as often as needed."""

    def __init__(self, shop: Shop, case: Case, cells: Cells) -> None:
        self.shop = shop
        self.case = case
        self.cells = cells
        self.product = PRODUCTS.get(case.kind, case.kind)
        if case.removes:
            shop.platform(guards={"prune": True})
        self.bare = self.ready = self.world()
        self._begin()
        clean = Boundaries()
        ended = self.attempt(clean)
        assert ended is not None
        assert ended.result is Result.APPLIED, ended
        self.count = clean.count
        self.log = clean.log
        self.kinds = clean.kinds
        self._dumps(forget=True)
        self.back()

    def attempt(self, boundaries: Boundaries, **options: Any) -> Outcome | None:
        """Make the change under faults; None if they struck before anything was worked on, or killed the process."""
        if self.case.removes:
            # The folders that a first removal makes would shift the boundaries of the later ones.
            (self.shop.root / "state/trash/.purged").mkdir(mode=0o700, parents=True, exist_ok=True)
        return attempt(self.shop, boundaries, by=self.case.by, **options)

    def back(self) -> None:
        """To the world before the change."""
        if self.case.before is None or self.case.one_way:
            self.shop.reset()
        self._begin()
        self.before = self.world()

    def _begin(self) -> None:
        shop, case = self.shop, self.case
        if case.before is not None:
            shop.tenant(case.kind, NAME, case.before)
            assert shop.apply()[NAME].result in (Result.APPLIED, Result.UNCHANGED)
            self.ready = self.world()
        if case.trashed:
            if case.given_up is not None:
                shop.tenant(case.kind, NAME, case.given_up)
            else:
                shop.without(NAME)
            assert shop.apply()[NAME].result is Result.APPLIED
        if case.after is not None:
            shop.tenant(case.kind, NAME, case.after)
        elif not case.trashed:
            shop.without(NAME)

    def world(self) -> world.World:
        """Everything that is compared: of a tenant in the trash its delivery there too."""
        folders = [self.shop.root / "state/deliveries", self.shop.root / "state/trash" / NAME]
        return world.snapshot(self.shop.server, folders)

    def _dumps(self, *, forget: bool = False) -> int:
        """How many final dumps there are."""
        place = self.shop.root / "state/trash/.purged"
        found = [*place.iterdir()] if place.exists() else []
        for folder in found if forget else ():
            shutil.rmtree(folder)
        return len(found)

    # --- places -------------------------------------------------------------------------------------------

    @property
    def writes(self) -> list[int]:
        """The writes of the store: taking the lease, the begin of the transaction, …, the commit.

        A purge passes its point of no return in between.
        """
        return [at for at, kind in enumerate(self.kinds, 1) if kind is Kind.STORE]

    @property
    def acts(self) -> range:
        """What lies between the begin's write and the commit's: there things are made, or proven."""
        return range(self.writes[1] + 1, self.brink)

    @property
    def brink(self) -> int:
        """The write behind which nothing is undone: the commit; of a purge the point of no return."""
        return self.writes[2]

    def saying(self, *words: str) -> list[int]:
        """The acts whose text begins with one of ``words``."""
        return [at for at in self.acts if self.log[at - 1].startswith(tuple(words))]

    # --- judging ------------------------------------------------------------------------------------------

    def strike(
        self,
        row: Row,
        faults: dict[int, Fault | Deed],
        then: Callable[[str], None] = lambda where: None,
        *,
        may: Collection[Result] = (Result.ROLLED_BACK,),
        **options: Any,
    ) -> Outcome | None:
        """Make the change under faults, do something ``then`` if the process died, and judge what it came to."""
        boundaries = Boundaries(faults)
        outcome = self.attempt(boundaries, **options)
        crossed = [boundaries.log[at - 1] for at in faults if at <= boundaries.count]
        where = f"{faults} of {self.count} ({', '.join(crossed)}): {outcome}"
        if outcome is None:
            then(where)
        self.judge(row, outcome, where, may=may, said="killed" if boundaries.died else "refused")
        return outcome

    def judge(
        self,
        row: Row,
        outcome: Outcome | None,
        where: str,
        *,
        may: Collection[Result] = (Result.ROLLED_BACK,),
        said: str = "killed",
        recovery: Recovery | None = None,
    ) -> bool:
        """Recover where that is called for, look at the world, and record the cell; whether it is the one after.

        ``outcome`` is None where apply could not say any more how it ended; else it has to be one that ``may`` be.
        """
        applied = outcome is not None and outcome.result in (Result.APPLIED, Result.UNCHANGED)
        forward = self.case.operation is Operation.PURGE
        assert outcome is None or applied or outcome.result in (*may, *[Result.STUCK] * forward), where
        recovered: list[Outcome] = []
        if outcome is None or outcome.result is not Result.ROLLED_BACK:
            recovered = self.shop.recover()
            settled = (Result.ROLLED_BACK, *[Result.APPLIED] * forward)
            assert all(entry.result in settled for entry in recovered), f"{where}\n{recovered}"
        if recovery is None:
            recovery = _recovery(outcome, recovered)
        finished = applied or recovery is Recovery.FORWARD
        same = self.is_before(finished, where)
        if not same:
            # What was committed counts as applied, whatever the process could still say about it.
            assert outcome is None or finished, where
        self.record(row, outcome.result.value if outcome else said, after=not same, recovery=recovery)
        if not same:
            self.back()
        self.free()
        return not same

    def free(self) -> None:
        """Nobody holds a lease, so that the next apply crosses the same boundaries as the first one."""
        with contextlib.closing(sqlite3.connect(self.shop.root / "state/reconcile.db")) as connection, connection:
            connection.execute("UPDATE leases SET holder = NULL, since = NULL")

    def record(self, row: Row, outcome: str, *, after: bool, recovery: Recovery) -> None:
        """Add a cell for this case."""
        self.cells.add(row, self.product, self.case.operation, outcome, after=after, recovery=recovery)

    def is_before(self, applied: bool, where: str) -> bool:
        """Whether the world is the one before; if not, it has to be the one after."""
        after = self.world()
        if after == self.before:
            assert not applied, where
            assert self._dumps() == 0, where
            return True
        left = [path for path in after.files if ".reconciler-" in path]
        assert not left, f"{where}: {left}"
        assert self.shop.plan(deep=True).empty, f"{where}\n" + "\n".join(self.before.difference(after)[:12])
        assert self._dumps(forget=True) == (self.case.operation is Operation.PURGE), where
        if self.case.by is restored:
            assert self.ready.difference(after) == [], where
        elif self.case.given_up is not None:
            assert self._has_database() == (self.case.by is not purged), where
        elif self.case.by is purged:
            assert self.bare.difference(after) == [], where
        elif self.case.after is None:
            assert self._withdrawn() == [], where
        return False

    def _has_database(self) -> bool:
        """Whether the tenant has a database that is in use, on record and on the server."""
        setting = self.shop.setting()
        try:
            record = setting.records()[NAME]
            there = record.database in self.shop.server.databases()
            assert there == bool(record.database)
            return there and not record.parted
        finally:
            setting.opened().close()

    def _withdrawn(self) -> list[str]:
        """What would still have to be done for the tenant to be in the trash."""
        setting = self.shop.setting()
        try:
            record = setting.records()[NAME]
            tenant = removal.tenant_of(setting, record, Goal.TRASHED)
            with observe.overview(setting, [tenant], deep=True) as look:
                given = Given(today="2026-01-01", revision="", record=record)
                planned, _ = planner.plan_tenant(setting.products[tenant.product], tenant, given, look.sight)
            return [change.summary for change in planned.changes] + ["not recorded"] * (not record.trashed)
        finally:
            setting.opened().close()


def attempt(
    shop: Shop,
    boundaries: Boundaries,
    *,
    patience: float = 5.0,
    lease_seconds: float | None = None,
    confirm: Confirm | None = None,
    ready: Callable[[settings.Setting], None] = lambda setting: None,
    by: By = applied,
) -> Outcome | None:
    """Apply under faults; None if they struck before any tenant was worked on, or killed the process."""
    setting = boundaries.watch(shop.setting(boundaries.ports(), patience=patience))
    if lease_seconds is not None:
        setting.lease_seconds = lease_seconds
    ready(setting)
    try:
        outcomes = by(setting, confirm)
    except (errors.ReconcileError, SimulatedDeath):
        return None
    finally:
        boundaries.close(setting)
    return outcomes[0]


def attempt_recovery(shop: Shop, boundaries: Boundaries) -> bool:
    """Recover under faults; whether it came to its end."""
    setting = boundaries.watch(shop.setting(boundaries.ports()))
    try:
        reconcile.recover(setting, Progress())
    except (errors.ReconcileError, SimulatedDeath):
        return False
    finally:
        boundaries.close(setting)
    return True


def row_of(fault: Fault, kind: Kind, phase: str = "apply") -> Row:
    """The line of the matrix for a fault at a boundary; ``phase`` is apply, rollback or recovery."""
    deadly = fault in (Fault.DEATH_BEFORE, Fault.DEATH_AFTER)
    match kind:
        case Kind.STORE if not deadly:
            return Row.STORE_FAILED
        case Kind.FILE if not deadly:
            return Row.FILE_FAILED
        case Kind.STORE | Kind.FILE:
            return _DEATHS[phase, kind]
        case _ if deadly:
            return _DEATHS[phase, Kind.STATEMENT]
    return {Fault.LOST_BEFORE: Row.LOST_BEFORE, Fault.LOST_AFTER: Row.LOST_AFTER}.get(fault, Row.ERROR_REPLY)


_DEATHS = {
    (phase, kind): Row[f"{name}_{word}"]
    for phase, name in (("apply", "DEATH"), ("rollback", "ROLLBACK"), ("recovery", "RECOVERY"))
    for kind, word in ((Kind.STATEMENT, "STATEMENT"), (Kind.STORE, "STORE"), (Kind.FILE, "FILE"))
}


def _recovery(outcome: Outcome | None, recovered: Iterable[Outcome]) -> Recovery:
    if any(entry.result is Result.APPLIED for entry in recovered):
        return Recovery.FORWARD
    if any(recovered):
        return Recovery.RECOVER
    if outcome is None or outcome.result is not Result.ROLLED_BACK or not outcome.transaction:
        return Recovery.NONE
    lost = outcome.failure is not None and outcome.failure.code in ("connection-lost", "server-unreachable")
    return Recovery.SUCCESSOR if lost else Recovery.APPLY
