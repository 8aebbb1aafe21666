"""One tenant after another, for who works for a long time: what was in the way when the roll was called may be gone."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler import errors
from reconciler.engine import roll as rolls
from reconciler.engine import setting as settings
from reconciler.engine.progress import Progress
from reconciler.engine.setting import Setting
from reconciler.model import plan as plans
from reconciler.model.outcome import Outcome, Result
from tests.engine.drifting import AGENDA
from tests.support import server as servers
from tests.support.shop import Shop


@pytest.fixture
def setting(tmp_path: Path, clean_server: servers.Server) -> Iterator[Setting]:
    """A platform that is laid, and one tenant that is not made yet."""
    shop = Shop(tmp_path / "shop", clean_server)
    shop.apply()
    shop.tenant("AgendaTenant", "one", AGENDA)
    made = shop.setting()
    yield made
    made.opened().close()


def worked(setting: Setting, roll: rolls.Roll, refusal: errors.ReconcileError | None = None) -> Outcome:
    held = setting.leases()
    try:
        return rolls.work(roll, "one", held, Progress(), lambda _planned: refusal, setting)
    finally:
        held.close()


def test_a_server_that_was_away_when_the_roll_was_called_is_asked_again(setting: Setting) -> None:
    roll = dataclasses.replace(rolls.call(setting), refused={"main": errors.ServerUnreachable("it was away")})
    assert worked(setting, roll).result is Result.APPLIED


def test_what_still_stands_in_the_way_blocks(setting: Setting) -> None:
    roll = rolls.call(setting)
    setting.place.deliveries.rmdir()
    setting.place.deliveries.write_text("not a folder")
    refused = dataclasses.replace(roll, refused={"main": [errors.DeliveryUnusable("as it was")]})
    ended = worked(setting, refused)
    assert ended.result is Result.BLOCKED
    assert ended.failure is not None
    assert ended.failure.code == "delivery-unusable"


def test_who_does_not_consent_says_why_and_nothing_is_begun(setting: Setting) -> None:
    assert worked(setting, rolls.call(setting), errors.PlanStale("not as reviewed")).result is Result.STALE
    assert setting.records(["one"]) == {}


def test_of_a_tenant_whose_spec_is_gone_only_is_said_what_holds_it(setting: Setting) -> None:
    assert worked(setting, rolls.call(setting)).result is Result.APPLIED
    (setting.root / "specs/tenants/one.yaml").unlink()
    found = settings.load_setting(setting.root, setting.ports)
    try:
        wanted = rolls.call(found).wanted("one")
    finally:
        found.opened().close()
    assert isinstance(wanted, plans.TenantPlan)
    assert wanted.action is plans.Action.ORPHANED
