"""Whatever fails, wherever it fails: the tenant is as it should be, or the world is as it was.

A clean run counts the boundaries (statements, logins, file operations, writes of the store); then each of them is made
to fail in turn, in every way. So a longer flow gets a longer sweep, and no number is written down here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from reconciler import errors, products
from reconciler.engine import reconcile
from reconciler.engine.progress import Progress
from reconciler.model.outcome import Outcome, Result
from tests.support import server as servers
from tests.support import world
from tests.support.faults import Boundaries, Fault, SimulatedDeath
from tests.support.shop import Shop

NAME = "one"
ORDINARY = [Fault.ERROR, Fault.LOST_BEFORE, Fault.LOST_AFTER]
DEADLY = [Fault.DEATH_BEFORE, Fault.DEATH_AFTER]
ALL = [*ORDINARY, *DEADLY]
SLICES = 4

AGENDA, POS = "AgendaTenant", "PosTenant"
_SOL = {
    "displayName": "Clínica Sol",
    "plan": "pro",
    "domain": "sol.example.com",
    "admin": {"name": "Ana Ruiz", "email": "ana@example.com"},
    "webhooks": [
        {"name": "crm", "url": "https://crm.example.com/hook", "events": ["appointment.created"]},
        {"name": "old", "url": "https://old.example.com/hook", "events": ["appointment.created"]},
    ],
}
_LUNA = {
    **_SOL,
    "displayName": "Clínica Luna",
    "plan": "starter",
    "domain": "luna.example.com",
    "locale": "es-ES",
    "admin": {"name": "Eva Gil", "email": "eva@example.com"},
    "webhooks": [
        {"name": "crm", "url": "https://crm.example.com/new", "events": ["appointment.created"]},
        {"name": "new", "url": "https://new.example.com/hook", "events": ["appointment.created"]},
    ],
}
_ONE = {"name": "caja-1", "hardware": {"machineId": "8f3c1d7a52e94b06", "boardSerial": "PF2K9X1B"}}
_TWO = {"name": "caja-2", "hardware": {"machineId": "0d3c1d7a52e94b07", "boardSerial": "PF2K9X1C"}}
_SHOP = {
    "displayName": "Abarrotes Lupita",
    "edition": "standard",
    "cloudSync": True,
    "license": {"expires": "2099-12-31", "devices": [_ONE]},
}


@dataclass(frozen=True)
class Case:
    """A change of one tenant, from one spec to another; from None: its creation.

    ``one_way`` says that it can't be taken back by putting the former spec in place again.
    """

    kind: str
    before: dict[str, Any] | None
    after: dict[str, Any]
    one_way: bool = False


CREATIONS = {
    f"create-{product.name}-{number}": Case(product.tenant_kind.name, None, sample)
    for product in products.discover().values()
    for number, sample in enumerate(product.samples())
}
CHANGES = {
    "change-agenda": Case(AGENDA, _SOL, _LUNA),
    "suspend-agenda": Case(AGENDA, _SOL, {**_SOL, "state": "suspended"}),
    "resume-agenda": Case(AGENDA, {**_SOL, "state": "suspended"}, _SOL),
    "limit-pos": Case(POS, _SHOP, {**_SHOP, "license": {**_SHOP["license"], "maxDevices": 9}}),
    "add-device-pos": Case(POS, _SHOP, {**_SHOP, "license": {**_SHOP["license"], "devices": [_ONE, _TWO]}}),
    "remove-device-pos": Case(POS, _SHOP, {**_SHOP, "license": {**_SHOP["license"], "devices": []}}),
    "edition-pos": Case(POS, _SHOP, {**_SHOP, "edition": "enterprise", "displayName": "Súper Lupita"}),
    "suspend-pos": Case(POS, _SHOP, {**_SHOP, "state": "suspended"}),
    "resume-pos": Case(POS, {**_SHOP, "state": "suspended"}, _SHOP),
    "cloud-sync-on": Case(POS, {**_SHOP, "cloudSync": False}, _SHOP, one_way=True),
}
CASES = [pytest.param(case, id=name) for name, case in {**CREATIONS, **CHANGES}.items()]


@pytest.fixture
def shop(tmp_path: Path, clean_server: servers.Server) -> Shop:
    """A repository whose platform has been laid, without tenants."""
    made = Shop(tmp_path, clean_server)
    made.apply()
    return made


class Sweep:
    """One case on one shop, brought back to its beginning as often as needed."""

    def __init__(self, shop: Shop, case: Case) -> None:
        self.shop = shop
        self.case = case
        self.cells = 0
        if case.before is not None:
            shop.tenant(case.kind, NAME, case.before)
            assert shop.apply()[NAME].result is Result.APPLIED
        shop.tenant(case.kind, NAME, case.after)
        clean = Boundaries()
        ended = attempt(shop, clean)
        assert ended is not None
        assert ended.result is Result.APPLIED, ended
        self.count = clean.count
        self.log = clean.log
        self.back()

    def back(self) -> None:
        """To the world before the change."""
        if self.case.before is None or self.case.one_way:
            self.shop.reset()
        if self.case.before is not None:
            self.shop.tenant(self.case.kind, NAME, self.case.before)
            assert self.shop.apply()[NAME].result is Result.APPLIED
            self.shop.tenant(self.case.kind, NAME, self.case.after)
        self.before = self.shop.world()

    def cell(self, faults: dict[int, Fault], then: Callable[[str], None] = lambda where: None) -> None:
        """Apply under faults, recover if the process died, and look at what it came to."""
        boundaries = Boundaries(faults)
        outcome = attempt(self.shop, boundaries)
        crossed = [boundaries.log[at - 1] for at in faults if at <= boundaries.count]
        where = f"{faults} of {self.count} ({', '.join(crossed)}): {outcome}"
        applied = outcome is not None and outcome.result is Result.APPLIED
        if outcome is None or applied:
            then(where)
            assert all(entry.result is not Result.STUCK for entry in self.shop.recover()), where
        else:
            assert outcome.result is Result.ROLLED_BACK, where
        self.cells += 1
        after = self.shop.world()
        if after == self.before:
            assert not applied, where
            return
        left = [path for path in after.files if ".reconciler-" in path]
        assert not left, f"{where}: {left}"
        assert self.shop.plan(deep=True).empty, f"{where}\n" + "\n".join(self.before.difference(after)[:12])
        # What was committed counts as applied, whatever the process could still say about it.
        assert outcome is None or applied, where
        self.back()


def attempt(shop: Shop, boundaries: Boundaries) -> Outcome | None:
    """Apply under faults; None if they struck before any tenant was worked on, or killed the process."""
    setting = boundaries.watch(shop.setting(boundaries.ports()))
    try:
        _, outcomes = reconcile.apply(setting, reconcile.Options(parallel=1), Progress())
    except (errors.ReconcileError, SimulatedDeath):
        return None
    finally:
        close(setting, boundaries)
    return outcomes[0]


def attempt_recovery(shop: Shop, boundaries: Boundaries) -> bool:
    """Recover under faults; whether it came to its end."""
    setting = boundaries.watch(shop.setting(boundaries.ports()))
    try:
        reconcile.recover(setting, Progress())
    except (errors.ReconcileError, SimulatedDeath):
        return False
    finally:
        close(setting, boundaries)
    return True


def close(setting: Any, boundaries: Boundaries) -> None:
    """Give back what a dead process would have lost with its end."""
    boundaries.dead = False
    boundaries.faults.clear()
    if setting.store is not None:
        setting.store.close()


def check(shop: Shop, case: Case, fault: Fault, chosen: Callable[[int], Iterable[int]]) -> None:
    """Let the chosen boundaries of the case fail in turn."""
    sweep = Sweep(shop, case)
    for at in chosen(sweep.count):
        sweep.cell({at: fault})
    assert sweep.cells > 0


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("fault", ALL)
def test_a_failure_somewhere_leaves_before_or_after(shop: Shop, case: Case, fault: Fault) -> None:
    offset = ALL.index(fault) * 9
    check(shop, case, fault, lambda count: range(1 + offset % count, count + 1, 53))


IN_EVERY_WAY = [case for case in CASES if case.id in {"create-agenda-ia-0", "create-pos-tree-codes-0"}]


@pytest.mark.sweep
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("slice_", range(SLICES))
@pytest.mark.parametrize("case", CASES)
def test_a_failure_anywhere_leaves_before_or_after(shop: Shop, case: Case, slice_: int) -> None:
    """Each boundary fails in one way; the ways take turns."""
    sweep = Sweep(shop, case)
    for at in range(1 + slice_, sweep.count + 1, SLICES):
        sweep.cell({at: ALL[at // SLICES % len(ALL)]})
    assert sweep.cells > 0


@pytest.mark.sweep
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("slice_", range(SLICES))
@pytest.mark.parametrize("case", IN_EVERY_WAY)
@pytest.mark.parametrize("fault", ORDINARY)
def test_every_failure_anywhere_leaves_before_or_after(shop: Shop, case: Case, fault: Fault, slice_: int) -> None:
    check(shop, case, fault, lambda count: range(1 + slice_, count + 1, SLICES))


def late(sweep: Sweep) -> int:
    """The boundary at which the most has been done and nothing is committed yet: the commit's own write."""
    writes = [number for number, said in enumerate(sweep.log, 1) if said == "store write"]
    return writes[-1]


TWICE = [CASES[0], *(case for case in CASES if case.id in {"create-pos-tree-codes-0", "change-agenda", "suspend-pos"})]


@pytest.mark.parametrize("case", TWICE)
def test_a_death_somewhere_in_a_rollback_leaves_before(shop: Shop, case: Case) -> None:
    rollback(shop, case, 17, 0)


@pytest.mark.sweep
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("slice_", range(SLICES))
@pytest.mark.parametrize("case", TWICE[1:3])
def test_a_death_anywhere_in_a_rollback_leaves_before(shop: Shop, case: Case, slice_: int) -> None:
    rollback(shop, case, SLICES, slice_)


def rollback(shop: Shop, case: Case, stride: int, offset: int) -> None:
    """Fail at the commit, and die at each boundary of the rollback that follows."""
    sweep = Sweep(shop, case)
    first = late(sweep)
    counted = Boundaries({first: Fault.ERROR})
    attempt(shop, counted)
    assert shop.world() == sweep.before
    for second in range(first + 1 + offset, counted.count + 1, stride):
        sweep.cell({first: Fault.ERROR, second: Fault.DEATH_BEFORE if second % 2 else Fault.DEATH_AFTER})
    assert sweep.cells > 0


@pytest.mark.parametrize("case", TWICE)
def test_a_death_somewhere_in_a_recovery_leaves_before(shop: Shop, case: Case) -> None:
    recovery(shop, case, 17, 0)


@pytest.mark.sweep
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("slice_", range(SLICES))
@pytest.mark.parametrize("case", TWICE[1:3])
def test_a_death_anywhere_in_a_recovery_leaves_before(shop: Shop, case: Case, slice_: int) -> None:
    recovery(shop, case, SLICES, slice_)


def recovery(shop: Shop, case: Case, stride: int, offset: int) -> None:
    """Die at the commit, then die at each boundary of the recovery, then recover."""
    sweep = Sweep(shop, case)
    first = late(sweep)
    at, ended = 1 + offset, False
    while not ended:
        faults = {at: Fault.DEATH_BEFORE if at % 2 else Fault.DEATH_AFTER}

        def dying(_where: str, faults: dict[int, Fault] = faults) -> None:
            nonlocal ended
            ended = attempt_recovery(shop, Boundaries(faults))

        sweep.cell({first: Fault.DEATH_BEFORE}, dying)
        at += stride
    assert sweep.cells > 1


def test_what_a_world_is_can_be_told_apart(shop: Shop) -> None:
    before: world.World = shop.world()
    shop.server.sql("CREATE DATABASE stray")
    assert shop.world() != before
