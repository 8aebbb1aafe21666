"""Whatever fails, wherever it fails: the tenant is ready, or the world is as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterable
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

ORDINARY = [Fault.ERROR, Fault.LOST_BEFORE, Fault.LOST_AFTER]
DEADLY = [Fault.DEATH_BEFORE, Fault.DEATH_AFTER]

SAMPLES = [
    pytest.param(product.tenant_kind.name, sample, id=f"{product.name}-{number}")
    for product in products.discover().values()
    for number, sample in enumerate(product.samples())
]


@pytest.fixture
def shop(tmp_path: Path, clean_server: servers.Server) -> Shop:
    """A repository whose platform has been laid, without tenants."""
    made = Shop(tmp_path, clean_server)
    made.apply()
    return made


def attempt(shop: Shop, boundaries: Boundaries) -> Outcome | None:
    """Apply under a fault; None if the fault struck before any tenant was worked on, or killed the process."""
    setting = boundaries.watch(shop.setting(boundaries.ports()))
    try:
        _, outcomes = reconcile.apply(setting, reconcile.Options(parallel=1), Progress())
    except (errors.ReconcileError, SimulatedDeath):
        return None
    finally:
        boundaries.dead = False
        if setting.store is not None:
            setting.store.close()
    return outcomes[0]


def settled(shop: Shop, before: world.World, where: str) -> bool:
    """Whether the world is after (ready, nothing to do) rather than before; anything between fails."""
    after = shop.world()
    if after == before:
        return False
    left = [path for path in after.files if ".reconciler-" in path]
    assert not left, f"{where}: {left}"
    planned = shop.plan(deep=True)
    assert planned.empty, f"{where}\n" + "\n".join(before.difference(after)[:10])
    return True


def every(boundaries: int, stride: int, offset: int) -> range:
    """The boundaries of one slice: all slices together are all of them."""
    return range(1 + offset, boundaries + 1, stride)


def sweep(shop: Shop, fault: Fault, slices: Callable[[int], Iterable[int]]) -> None:
    """Let each boundary of one apply fail in turn; the tenant is in the shop already."""
    clean = Boundaries()
    ended = attempt(shop, clean)
    assert ended is not None
    assert ended.result is Result.APPLIED, ended
    shop.reset()
    before = shop.world()
    cells = 0
    for at in slices(clean.count):
        boundaries = Boundaries(at, fault)
        outcome = attempt(shop, boundaries)
        crossed = boundaries.log[at - 1] if at <= boundaries.count else "none"
        where = f"{fault} at {at} of {clean.count} ({crossed}): {outcome}"
        if fault in DEADLY or (outcome is not None and outcome.result is Result.APPLIED):
            assert all(entry.result is not Result.STUCK for entry in shop.recover()), where
        elif outcome is not None:
            assert outcome.result is Result.ROLLED_BACK, where
        cells += 1
        if settled(shop, before, where):
            assert fault in DEADLY or outcome is None or outcome.result is Result.APPLIED, where
            shop.reset()
            before = shop.world()
    assert cells > 0


@pytest.mark.parametrize(("kind", "sample"), SAMPLES)
@pytest.mark.parametrize("fault", [*ORDINARY, *DEADLY])
def test_a_creation_that_fails_somewhere_leaves_nothing(
    shop: Shop, kind: str, sample: dict[str, Any], fault: Fault
) -> None:
    shop.tenant(kind, "one", sample)
    offset = list(Fault).index(fault) * 2
    sweep(shop, fault, lambda count: every(count, 37, offset))


@pytest.mark.sweep
@pytest.mark.parametrize("offset", range(6))
@pytest.mark.parametrize(("kind", "sample"), SAMPLES)
@pytest.mark.parametrize("fault", [*ORDINARY, *DEADLY])
def test_a_creation_that_fails_anywhere_leaves_nothing(
    shop: Shop, kind: str, sample: dict[str, Any], fault: Fault, offset: int
) -> None:
    shop.tenant(kind, "one", sample)
    sweep(shop, fault, lambda count: every(count, 6, offset))
