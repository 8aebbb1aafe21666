"""What a spec's annotations say of its tenant's removal is remembered, and counts once the spec is gone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from reconciler import errors
from reconciler.engine import guard, removal
from reconciler.model import plan as plans
from reconciler.model.outcome import Result
from reconciler.model.record import Record
from reconciler.ports.store import journal
from tests.engine.test_counts import pos
from tests.engine.test_removal import planned, restore
from tests.support import server as servers
from tests.support.faults import Boundaries, Fault, Kind
from tests.support.shop import Shop
from tests.support.trial import attempt

PROTECTED: Mapping[str, str] = {"reconciler/protect": "true"}
KEPT: Mapping[str, str] = {"reconciler/prune": "disabled"}
OPEN: Mapping[str, str] = {"reconciler/protect": "false", "reconciler/prune": "enabled"}


@pytest.fixture
def shop(tmp_path: Path, clean_server: servers.Server) -> Shop:
    """A platform that prunes, with the tenants ``one`` and ``other``."""
    made = Shop(tmp_path, clean_server)
    made.platform(guards={"prune": True})
    made.tenant("PosTenant", "other", pos(7))
    annotated(made, {})
    made.apply()
    return made


def annotated(shop: Shop, annotations: Mapping[str, str], spec: dict[str, Any] | None = None) -> None:
    """The spec of the tenant ``one`` with these annotations."""
    shop.document("specs/tenants/one.yaml", "PosTenant", "one", spec or pos(1), annotations=dict(annotations))


def record(shop: Shop) -> Record:
    """The record of the tenant ``one``."""
    setting = shop.setting()
    try:
        return setting.records()["one"]
    finally:
        setting.opened().close()


def transactions(shop: Shop) -> int:
    """How many transactions the journal has."""
    setting = shop.setting()
    try:
        return len(setting.opened().read(lambda connection: journal.latest(connection, None, limit=1000)))
    finally:
        setting.opened().close()


def test_a_tenant_is_not_deleted_whose_spec_protected_it_when_it_was_applied(shop: Shop) -> None:
    annotated(shop, PROTECTED, {**pos(1), "displayName": "Otra"})
    shop.apply()
    shop.without("one")
    before = shop.world()
    [blocker] = planned(shop).blockers
    assert blocker.code == "guard"
    assert "reconciler/protect" in blocker.message
    outcome = shop.apply(allow_deletes=5)["one"]
    assert outcome.result is Result.BLOCKED
    assert before.difference(shop.world()) == []


def test_a_tenant_whose_spec_forbade_its_pruning_is_orphaned_and_kept(shop: Shop) -> None:
    annotated(shop, KEPT)
    shop.apply()
    shop.without("one")
    before = shop.world()
    assert planned(shop).action is plans.Action.ORPHANED
    assert shop.apply()["one"].result is Result.UNCHANGED
    assert before.difference(shop.world()) == []


def test_a_new_tenants_annotations_are_remembered_with_its_first_commit(shop: Shop) -> None:
    shop.document("specs/tenants/two.yaml", "PosTenant", "two", pos(2), annotations=dict(PROTECTED))
    shop.apply()
    shop.without("two")
    assert shop.apply()["two"].result is Result.BLOCKED


def test_a_change_of_annotations_alone_is_remembered_and_is_no_change_of_the_tenant(shop: Shop) -> None:
    before, count, stood = shop.world(), transactions(shop), record(shop)
    annotated(shop, PROTECTED)
    assert planned(shop, deep=True).action is plans.Action.UNCHANGED
    assert guard.noted(record(shop)) == {}  # a plan writes nothing
    assert shop.apply()["one"].result is Result.UNCHANGED
    assert guard.noted(record(shop)) == PROTECTED
    assert before.difference(shop.world()) == []
    assert transactions(shop) == count
    now = record(shop)
    assert (now.revision, now.transaction, now.updated_at) == (stood.revision, stood.transaction, stood.updated_at)


@pytest.mark.parametrize("annotations", [PROTECTED, KEPT])
def test_a_tenant_may_go_when_its_annotation_was_taken_back_first(shop: Shop, annotations: Mapping[str, str]) -> None:
    annotated(shop, annotations)
    shop.apply()
    annotated(shop, OPEN)
    shop.apply()
    shop.without("one")
    assert planned(shop).action is plans.Action.TRASH
    assert shop.apply()["one"].result is Result.APPLIED


def test_tenants_that_stay_by_annotation_are_not_counted_as_deletions(shop: Shop) -> None:
    for number, name in enumerate(("two", "three"), 2):
        shop.document(f"specs/tenants/{name}.yaml", "PosTenant", name, pos(number), annotations=dict(KEPT))
    shop.apply()
    shop.platform(guards={"prune": True, "maxDeletes": 1})
    for name in ("one", "two", "three"):
        shop.without(name)
    outcomes = shop.apply()
    assert outcomes["one"].result is Result.APPLIED
    assert {outcomes[name].result for name in ("two", "three")} == {Result.UNCHANGED}


def test_only_the_chosen_tenants_are_brought_up_to_date(shop: Shop) -> None:
    annotated(shop, PROTECTED)
    shop.apply(tenants=["other"])
    assert guard.noted(record(shop)) == {}
    shop.apply(tenants=["one"])
    assert guard.noted(record(shop)) == PROTECTED


def test_a_blocked_tenants_annotations_are_remembered_too(shop: Shop) -> None:
    annotated(shop, PROTECTED)
    shop.server.sql("UPDATE license_manager.licenses SET platform_id = 'theirs' WHERE tenant = 'one'")
    assert shop.apply()["one"].result is Result.BLOCKED
    assert guard.noted(record(shop)) == PROTECTED


def test_a_tenant_that_somebody_works_on_is_left_to_the_next_apply(shop: Shop) -> None:
    annotated(shop, PROTECTED)
    setting = shop.setting()
    held = setting.leases()
    held.acquire("one")
    try:
        remember_elsewhere(shop)
        assert guard.noted(record(shop)) == {}
    finally:
        held.close()
        setting.opened().close()
    shop.apply()
    assert guard.noted(record(shop)) == PROTECTED


def remember_elsewhere(shop: Shop) -> None:
    """Remember as another process on this host would, which sees that the holder of the lease lives."""
    code = (
        "import pathlib, sys; from reconciler.engine import removal, setting; from reconciler.ports.ports import Ports;"
        "found = setting.load_setting(pathlib.Path(sys.argv[1]), Ports());"
        "removal.remember(found, found.records(), ()); found.opened().close()"
    )
    subprocess.run([sys.executable, "-c", code, str(shop.root)], check=True, timeout=60)


def test_what_a_dead_process_left_open_is_settled_before_anything_is_remembered(shop: Shop) -> None:
    annotated(shop, {}, {**pos(1), "edition": "enterprise"})
    clean = Boundaries()
    attempt(shop, clean)
    annotated(shop, {}, pos(1))
    shop.apply()
    annotated(shop, {}, {**pos(1), "edition": "enterprise"})
    begin = [at for at, kind in enumerate(clean.kinds, 1) if kind is Kind.STORE][1]
    assert attempt(shop, Boundaries({begin + 2: Fault.DEATH_BEFORE})) is None
    annotated(shop, PROTECTED, pos(1))
    setting = shop.setting()
    try:
        removal.remember(setting, setting.records(), ())
    finally:
        setting.opened().close()
    assert guard.noted(record(shop)) == {}
    shop.apply()
    shop.apply()
    assert guard.noted(record(shop)) == PROTECTED
    assert shop.plan(deep=True).empty


def test_who_was_taken_over_remembers_nothing(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    annotated(shop, PROTECTED)

    def lost(*_arguments: Any) -> None:
        raise errors.LeaseLost("somebody else took over")

    monkeypatch.setattr("reconciler.ports.store.leases.hold", lost)
    setting = shop.setting()
    try:
        removal.remember(setting, setting.records(), ())
    finally:
        setting.opened().close()
    assert guard.noted(record(shop)) == {}


def test_a_tenant_that_was_held_against_git_is_let_go_when_its_spec_is_back(shop: Shop) -> None:
    annotated(shop, {})
    shop.without("one")
    shop.apply()
    restore(shop)
    assert removal.HOLD in record(shop).facts
    annotated(shop, PROTECTED)
    assert shop.apply()["one"].result is Result.UNCHANGED
    assert removal.HOLD not in record(shop).facts
    assert guard.noted(record(shop)) == PROTECTED
