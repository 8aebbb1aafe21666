"""Recovery with the journal and nothing else; several at once; undos that fail."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconciler import errors, products
from reconciler.engine import reconcile
from reconciler.engine import setting as settings
from reconciler.engine.progress import Progress
from reconciler.model.outcome import Outcome, Result
from reconciler.ports import process
from reconciler.ports.ports import Ports
from tests.support import changes, trial
from tests.support.changes import CASES, CREATE_AGENDA, CREATE_POS, NAME
from tests.support.faults import Boundaries, Fault
from tests.support.matrix import Cells
from tests.support.shop import Shop
from tests.support.trial import Trial

SOURCE = Path(__file__).parents[2]


def died_late(tried: Trial) -> None:
    """An apply that was killed when everything was made and nothing committed, by a process that is gone."""
    me = process.this()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(process, "this", lambda: dataclasses.replace(me, started=me.started - 1))
        assert trial.attempt(tried.shop, Boundaries({tried.acts[-1]: Fault.DEATH_AFTER})) is None
    assert tried.shop.world() != tried.before


def recover(shop: Shop) -> subprocess.Popen[str]:
    """`reconcile recover`, running."""
    return subprocess.Popen(
        [sys.executable, "-m", "reconciler", "-C", str(shop.root), "recover"],
        cwd=SOURCE,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.parametrize("name", [CREATE_AGENDA, "edition-pos"])
def test_recovery_needs_no_specs_and_no_product(
    shop: Shop, cells: Cells, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that it uses stands in the journal; the platform's document says where that is."""
    tried = Trial(shop, CASES[name], cells)
    died_late(tried)
    (shop.root / "specs/tenants").rename(shop.root / "tenants")
    (shop.root / "specs/products").rename(shop.root / "products")
    (shop.root / "specs/servers").rename(shop.root / "servers")
    monkeypatch.setattr(products, "discover", dict)
    setting = settings.load_setting(shop.root, Ports(), tolerate=lambda fault: True)
    try:
        outcomes = reconcile.recover(setting, Progress())
    finally:
        setting.opened().close()
    assert [outcome.result for outcome in outcomes] == [Result.ROLLED_BACK]
    assert tried.before.difference(shop.world()) == []


def test_the_command_recovers_with_the_platforms_document_alone(shop: Shop, cells: Cells) -> None:
    tried = Trial(shop, CASES[CREATE_POS], cells)
    died_late(tried)
    for folder in ("tenants", "products", "servers"):
        (shop.root / "specs" / folder).rename(shop.root / folder)
    with recover(shop) as running:
        said, _ = running.communicate(timeout=120)
    assert running.returncode == 0, said
    assert tried.before.difference(shop.world()) == []


def test_several_recoveries_at_once_settle_everything_once(shop: Shop, cells: Cells) -> None:
    tried = Trial(shop, CASES[CREATE_POS], cells)
    died_late(tried)
    running = [recover(shop) for _ in range(3)]
    said = [one.communicate(timeout=120)[0] for one in running]
    ends = [one.returncode for one in running]
    # Who finds the tenant in another one's hands says so.
    assert set(ends) <= {0, errors.TenantLeased.exit}, said
    assert 0 in ends, said
    assert shop.recover() == []
    assert tried.before.difference(shop.world()) == []


class Refusing(Boundaries):
    """Every statement that begins with one of ``words`` gets an error reply."""

    def __init__(self, faults: dict[int, Fault], *words: str) -> None:
        super().__init__(faults)
        self._words = words

    def cross(self, kind: Any, what: str, action: Callable[[], Any], error: Any, lose: Any = None) -> Any:
        """As the other boundaries, but for those statements."""
        if what.startswith(self._words):
            raise error()
        return super().cross(kind, what, action, error, lose)


def test_an_undo_that_fails_stops_no_other_and_is_tried_again(shop: Shop, cells: Cells) -> None:
    tried = Trial(shop, CASES[CREATE_AGENDA], cells)
    refusing = Refusing({tried.writes[-1]: Fault.ERROR}, "«DROP USER")
    outcome = trial.attempt(shop, refusing)
    assert outcome is not None
    assert outcome.result is Result.STUCK
    left = {(entry.resource, entry.name) for entry in outcome.leftovers}
    assert left == {("account", "main/agenda_one_own@%"), ("account", "main/agenda_one_app@%")}
    # Everything else of it is gone.
    now = shop.world()
    assert now.databases == tried.before.databases
    assert now.files == tried.before.files
    assert {line.split("'")[1] for line in tried.before.difference(now)} == {"agenda_one_own", "agenda_one_app"}
    again = [entry for entry in shop.recover(Refusing({}, "«DROP USER").ports()) if entry.tenant == NAME]
    assert [entry.result for entry in again] == [Result.STUCK]
    assert [entry.result for entry in shop.recover()] == [Result.ROLLED_BACK]
    assert tried.before.difference(shop.world()) == []
    assert shop.apply()[NAME].result is Result.APPLIED


def test_a_stuck_tenant_holds_up_no_other(shop: Shop, cells: Cells) -> None:
    tried = Trial(shop, CASES[CREATE_AGENDA], cells)
    stuck = trial.attempt(shop, Refusing({tried.writes[-1]: Fault.ERROR}, "«DROP USER"))
    assert stuck is not None
    assert stuck.result is Result.STUCK
    shop.tenant(changes.POS, "two", CASES[CREATE_POS].after or {})
    outcomes: dict[str, Outcome] = shop.apply(Refusing({}, "«DROP USER").ports(), keep_going=True)
    assert outcomes[NAME].result is Result.STUCK
    assert outcomes["two"].result is Result.APPLIED
    # The next apply that can, clears it and goes on.
    assert shop.apply()[NAME].result is Result.APPLIED
    assert shop.plan(deep=True).empty
