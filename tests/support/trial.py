"""One change of one tenant, tried again and again under faults, each judged: the world before, or the world after."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any

import pytest

from reconciler import errors, products
from reconciler.engine import reconcile
from reconciler.engine import setting as settings
from reconciler.engine.progress import Progress
from reconciler.model import plan as plans
from reconciler.model.outcome import Outcome, Result
from tests.support.faults import Boundaries, Deed, Fault, Kind, SimulatedDeath
from tests.support.matrix import Cells, Operation, Recovery, Row
from tests.support.shop import Shop

NAME = "one"

AGENDA, POS = "AgendaTenant", "PosTenant"
PRODUCTS = {AGENDA: "agenda-ia", POS: "pos-tree-codes"}

# --- cases ------------------------------------------------------------------------------------------------

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
_LICENSE: dict[str, Any] = {"expires": "2099-12-31", "devices": [_ONE]}
_SHOP: dict[str, Any] = {
    "displayName": "Abarrotes Lupita",
    "edition": "standard",
    "cloudSync": True,
    "license": _LICENSE,
}


@dataclass(frozen=True)
class Case:
    """A change of one tenant, from one spec to another; from None: its creation.

    ``one_way`` says that it can't be taken back by putting the former spec in place again.
    """

    kind: str
    operation: Operation
    before: dict[str, Any] | None
    after: dict[str, Any]
    one_way: bool = False


CREATIONS = {
    f"create-{product.name}-{number}": Case(product.tenant_kind.name, Operation.CREATE, None, sample)
    for product in products.discover().values()
    for number, sample in enumerate(product.samples())
}
_SUSPENDED: dict[str, Any] = {"state": "suspended"}
CHANGES = {
    "change-agenda": Case(AGENDA, Operation.UPDATE, _SOL, _LUNA),
    "suspend-agenda": Case(AGENDA, Operation.SUSPEND, _SOL, _SOL | _SUSPENDED),
    "resume-agenda": Case(AGENDA, Operation.RESUME, _SOL | _SUSPENDED, _SOL),
    "limit-pos": Case(POS, Operation.UPDATE, _SHOP, {**_SHOP, "license": {**_LICENSE, "maxDevices": 9}}),
    "add-device-pos": Case(POS, Operation.UPDATE, _SHOP, {**_SHOP, "license": {**_LICENSE, "devices": [_ONE, _TWO]}}),
    "remove-device-pos": Case(POS, Operation.UPDATE, _SHOP, {**_SHOP, "license": {**_LICENSE, "devices": []}}),
    "edition-pos": Case(
        POS, Operation.UPDATE, _SHOP, {**_SHOP, "edition": "enterprise", "displayName": "Súper Lupita"}
    ),
    "suspend-pos": Case(POS, Operation.SUSPEND, _SHOP, _SHOP | _SUSPENDED),
    "resume-pos": Case(POS, Operation.RESUME, _SHOP | _SUSPENDED, _SHOP),
    "cloud-sync-on": Case(POS, Operation.UPDATE, {**_SHOP, "cloudSync": False}, _SHOP, one_way=True),
}
CASES = {**CREATIONS, **CHANGES}
CREATE_AGENDA, CREATE_POS = "create-agenda-ia-0", "create-pos-tree-codes-0"
MAIN = (
    *(CREATE_AGENDA, "change-agenda", "suspend-agenda", "resume-agenda"),
    *(CREATE_POS, "edition-pos", "suspend-pos", "resume-pos"),
)
"""One of each operation and product."""


def trials(*few: str, often: int, among: Collection[str] = MAIN) -> Callable[[Any], Any]:
    """Parametrize a test by ``case`` and ``times``: ``few`` of the cases once in every run, all ``often`` in sweeps."""
    sampled = [pytest.param(CASES[name], 1, id=name) for name in few]
    swept = [pytest.param(CASES[name], often, id=f"{name}-often", marks=pytest.mark.sweep) for name in among]
    return pytest.mark.parametrize(("case", "times"), [*sampled, *swept])


def moments(first: int, last: int, times: int) -> list[int]:
    """``times`` numbers from ``first`` to ``last``, evenly spread; one alone stands in the middle."""
    width = last - first + 1
    return sorted({first + width * (2 * at + 1) // (2 * times) for at in range(times)})


# --- trials -----------------------------------------------------------------------------------------------


class Trial:
    """One case on one shop, brought back to its beginning as often as needed."""

    def __init__(self, shop: Shop, case: Case, cells: Cells) -> None:
        self.shop = shop
        self.case = case
        self.cells = cells
        self.product = PRODUCTS.get(case.kind, case.kind)
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
        self.kinds = clean.kinds
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

    # --- places -------------------------------------------------------------------------------------------

    @property
    def writes(self) -> list[int]:
        """The writes of the store: taking the lease, the begin of the transaction, …, the commit."""
        return [at for at, kind in enumerate(self.kinds, 1) if kind is Kind.STORE]

    @property
    def acts(self) -> range:
        """What lies between the begin's write and the commit's: there things are made, or proven."""
        _, begin, commit, *_ = self.writes
        return range(begin + 1, commit)

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
        """Apply under faults, do something ``then`` if the process died, and judge what it came to."""
        boundaries = Boundaries(faults)
        outcome = attempt(self.shop, boundaries, **options)
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
        assert outcome is None or applied or outcome.result in may, where
        recovered: list[Outcome] = []
        if outcome is None or outcome.result is not Result.ROLLED_BACK:
            recovered = self.shop.recover()
            assert all(entry.result is Result.ROLLED_BACK for entry in recovered), f"{where}\n{recovered}"
        if recovery is None:
            recovery = _recovery(outcome, recovered)
        same = self.is_before(applied, where)
        if not same:
            # What was committed counts as applied, whatever the process could still say about it.
            assert outcome is None or applied, where
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
        after = self.shop.world()
        if after == self.before:
            assert not applied, where
            return True
        left = [path for path in after.files if ".reconciler-" in path]
        assert not left, f"{where}: {left}"
        assert self.shop.plan(deep=True).empty, f"{where}\n" + "\n".join(self.before.difference(after)[:12])
        return False


def attempt(
    shop: Shop,
    boundaries: Boundaries,
    *,
    patience: float = 5.0,
    lease_seconds: float | None = None,
    confirm: Callable[[plans.Plan], bool] | None = None,
    ready: Callable[[settings.Setting], None] = lambda setting: None,
) -> Outcome | None:
    """Apply under faults; None if they struck before any tenant was worked on, or killed the process."""
    setting = boundaries.watch(shop.setting(boundaries.ports(), patience=patience))
    if lease_seconds is not None:
        setting.lease_seconds = lease_seconds
    ready(setting)
    try:
        _, outcomes = reconcile.apply(setting, reconcile.Options(parallel=1), Progress(), confirm=confirm)
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
    if any(recovered):
        return Recovery.RECOVER
    if outcome is None or outcome.result is not Result.ROLLED_BACK or not outcome.transaction:
        return Recovery.NONE
    lost = outcome.failure is not None and outcome.failure.code in ("connection-lost", "server-unreachable")
    return Recovery.SUCCESSOR if lost else Recovery.APPLY
