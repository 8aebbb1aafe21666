"""The changes of one tenant that are tried under faults: from which spec to which, and how each is made."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import pytest

from reconciler import products
from reconciler.engine import reconcile
from reconciler.engine import setting as settings
from reconciler.engine.progress import Progress
from reconciler.model import plan as plans
from reconciler.model.outcome import Outcome
from tests.support.matrix import Operation

NAME = "one"

AGENDA, POS = "AgendaTenant", "PosTenant"
PRODUCTS = {AGENDA: "agenda-ia", POS: "pos-tree-codes"}

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


Confirm = Callable[[plans.Plan], bool]
By = Callable[[settings.Setting, Confirm | None], list[Outcome]]


def applied(setting: settings.Setting, confirm: Confirm | None = None) -> list[Outcome]:
    """What `reconcile apply` does."""
    return reconcile.apply(setting, reconcile.Options(parallel=1), Progress(), confirm=confirm)[1]


def restored(setting: settings.Setting, confirm: Confirm | None = None) -> list[Outcome]:
    """What `reconcile trash restore` does."""
    return [reconcile.restore(setting, NAME, Progress())]


def purged(setting: settings.Setting, confirm: Confirm | None = None) -> list[Outcome]:
    """What `reconcile trash purge --now` does."""
    return [reconcile.purge(setting, NAME, Progress(), now=True)]


@dataclass(frozen=True)
class Case:
    """A change of one tenant, from one spec to another; from None: its creation, to None: its removal.

    ``one_way`` says that it can't be taken back by putting the former spec in place again; ``trashed`` that the tenant
    is in the trash when the change begins, or with ``given_up``, the spec that asks for none, its database alone. The
    change is made ``by`` applying or by a command of its own.
    """

    kind: str
    operation: Operation
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    one_way: bool = False
    trashed: bool = False
    by: By = applied
    given_up: dict[str, Any] | None = None

    @property
    def removes(self) -> bool:
        """Whether it has to do with the trash, so that the platform has to prune."""
        return self.operation in (Operation.TRASH, Operation.RESTORE, Operation.PURGE)


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
REMOVALS = {
    f"{name}-{product}": Case(kind, operation, spec, spec if name == "return" else None, trashed=name != "trash", by=by)
    for product, kind, spec in (("agenda", AGENDA, _SOL), ("pos", POS, _SHOP))
    for name, operation, by in (
        ("trash", Operation.TRASH, applied),
        ("restore", Operation.RESTORE, restored),
        ("return", Operation.RESTORE, applied),
        ("purge", Operation.PURGE, purged),
    )
}
_ALONE: dict[str, Any] = {**_SHOP, "cloudSync": False}
REMOVALS["give-up-pos"] = Case(POS, Operation.TRASH, _SHOP, _ALONE)
REMOVALS["take-back-pos"] = Case(POS, Operation.RESTORE, _SHOP, _SHOP, trashed=True, given_up=_ALONE)
REMOVALS["purge-database-pos"] = Case(POS, Operation.PURGE, _SHOP, _ALONE, trashed=True, by=purged, given_up=_ALONE)
CASES = {**CREATIONS, **CHANGES}
CREATE_AGENDA, CREATE_POS = "create-agenda-ia-0", "create-pos-tree-codes-0"
MAIN = (
    *(CREATE_AGENDA, "change-agenda", "suspend-agenda", "resume-agenda"),
    *(CREATE_POS, "edition-pos", "suspend-pos", "resume-pos"),
)
"""One of each operation and product, but for those that have to do with the trash."""

TRASH = ("trash-agenda", "restore-pos", "purge-agenda")
"""One of each operation that has to do with the trash."""


def trials(*few: str, often: int, among: Collection[str] = MAIN) -> Callable[[Any], Any]:
    """Parametrize a test by ``case`` and ``times``: ``few`` of the cases once in every run, all ``often`` in sweeps."""
    every = {**CASES, **REMOVALS}
    sampled = [pytest.param(every[name], 1, id=name) for name in few]
    swept = [pytest.param(every[name], often, id=f"{name}-often", marks=pytest.mark.sweep) for name in among]
    return pytest.mark.parametrize(("case", "times"), [*sampled, *swept])


def moments(first: int, last: int, times: int) -> list[int]:
    """``times`` numbers from ``first`` to ``last``, evenly spread; one alone stands in the middle."""
    width = last - first + 1
    return sorted({first + width * (2 * at + 1) // (2 * times) for at in range(times)})
