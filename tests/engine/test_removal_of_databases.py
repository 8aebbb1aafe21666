"""A tenant gives up its database and lives on: the database goes to the trash, comes back from it, or is purged."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dotenv
import pymysql
import pytest

from reconciler import errors
from reconciler.engine import removal
from reconciler.model import plan as plans
from reconciler.model.outcome import Result, exit_status
from reconciler.model.record import Record
from tests.engine.test_counts import pos
from tests.engine.test_removal import opened, planned, purge, purged, restore, tables_of
from tests.support import server as servers
from tests.support.shop import Shop

WITH, WITHOUT = pos(1, cloud_sync=True), pos(1)


@pytest.fixture
def shop(tmp_path: Path, clean_server: servers.Server) -> Shop:
    """A platform that prunes, with a tenant that stays and the tenant ``one``, which has a database."""
    made = Shop(tmp_path, clean_server)
    made.platform(guards={"prune": True})
    made.tenant("PosTenant", "other", pos(7))
    made.tenant("PosTenant", "one", WITH)
    made.apply()
    return made


def spec(shop: Shop, wanted: dict[str, Any], **metadata: Any) -> None:
    """The spec of the tenant ``one``."""
    shop.document("specs/tenants/one.yaml", "PosTenant", "one", wanted, **metadata)


def record(shop: Shop) -> Record:
    """The record of the tenant ``one``."""
    setting = shop.setting()
    try:
        return setting.records()["one"]
    finally:
        setting.opened().close()


def delivered(shop: Shop) -> dict[str, bytes]:
    """The files of the tenant ``one`` but its manifest, which names the transaction."""
    found = (shop.root / "state/deliveries/one").iterdir()
    return {path.name: path.read_bytes() for path in found if path.name != "manifest.json"}


def parted(shop: Shop) -> Shop:
    """Its database is in the trash."""
    spec(shop, WITHOUT)
    assert shop.apply()["one"].result is Result.APPLIED
    return shop


def test_a_database_that_is_given_up_goes_to_the_trash_and_its_tenant_lives(shop: Shop) -> None:
    data, files = tables_of(shop), delivered(shop)
    values = dotenv.dotenv_values(shop.root / "state/deliveries/one/.env")
    session = shop.server.connect(str(values["DB_USERNAME"]), str(values["DB_PASSWORD"]))
    spec(shop, WITHOUT)
    assert planned(shop).action is plans.Action.TRASH
    assert shop.apply()["one"].result is Result.APPLIED
    assert tables_of(shop) == data
    with pytest.raises(pymysql.MySQLError):
        session.cursor().execute("SELECT 1")
    with pytest.raises(pymysql.MySQLError):
        shop.server.connect(str(values["DB_USERNAME"]), str(values["DB_PASSWORD"]))
    del files[".env"]
    assert delivered(shop) == files  # the license among them
    assert shop.server.sql("SELECT state, database_name FROM license_manager.tenants WHERE name = 'one'") == [
        ("active", None)
    ]
    assert shop.server.sql("SELECT status FROM license_manager.licenses WHERE tenant = 'one'") == [("active",)]
    assert shop.plan(deep=True).empty
    assert shop.apply()["one"].result is Result.UNCHANGED
    assert record(shop).database == "pos_one"
    setting = shop.setting()
    assert [entry.tenant for entry in removal.in_trash(setting.records().values())] == ["one"]
    setting.opened().close()


def test_the_account_of_a_database_in_the_trash_is_locked_again_if_somebody_opens_it(shop: Shop) -> None:
    parted(shop)
    shop.server.sql("ALTER USER 'pos_one_app'@'%' ACCOUNT UNLOCK")
    assert planned(shop).action is plans.Action.REPAIR
    assert shop.apply()["one"].result is Result.APPLIED
    assert shop.plan(deep=True).empty


@pytest.mark.parametrize("state", ["active", "suspended"])
def test_a_database_that_is_asked_for_again_is_the_very_one_that_was_given_up(shop: Shop, state: str) -> None:
    spec(shop, {**WITH, "state": state})
    shop.apply()
    before, files = shop.world(), delivered(shop)
    parted(shop)
    spec(shop, {**WITH, "state": state})
    assert planned(shop).action is plans.Action.RESTORE
    assert shop.apply()["one"].result is Result.APPLIED
    after = shop.world()
    central = f"{shop.server.label} license_manager"
    assert {**before.dumps, central: b""} == {**after.dumps, central: b""}
    assert (before.accounts, before.grants) == (after.accounts, after.grants)
    assert delivered(shop) == files
    assert shop.plan(deep=True).empty
    assert record(shop).parted == ""


def test_without_pruning_a_database_is_not_given_up_and_it_is_said_what_can_be_done(shop: Shop) -> None:
    shop.platform(guards={"prune": False})
    spec(shop, WITHOUT)
    before = shop.world()
    [blocker] = planned(shop).blockers
    assert (blocker.code, blocker.exit) == ("guard", 3)
    assert "guards.prune is false" in blocker.message
    assert "cloudSync: true" in blocker.advice
    assert "guards.prune: true" in blocker.advice
    outcomes = shop.apply()
    assert outcomes["one"].result is Result.BLOCKED
    assert exit_status(outcomes.values()) == 3
    assert before.difference(shop.world()) == []


@pytest.mark.parametrize(
    ("guards", "annotations", "said"),
    [
        pytest.param({"prune": True, "maxDeletes": 0}, {}, "guards.maxDeletes is 0", id="counted"),
        pytest.param({"prune": True, "protect": ["one"]}, {}, "guards.protect", id="protected by the platform"),
        pytest.param({"prune": True}, {"reconciler/protect": "true"}, "protect", id="protected by its spec"),
        pytest.param({"prune": True}, {"reconciler/prune": "disabled"}, "keeps it", id="kept by its spec"),
    ],
)
def test_guards_hold_a_database_back_as_they_hold_a_tenant(
    shop: Shop, guards: dict[str, Any], annotations: dict[str, str], said: str
) -> None:
    shop.platform(guards=guards)
    spec(shop, WITHOUT, annotations=annotations)
    before = shop.world()
    [blocker] = planned(shop).blockers
    assert blocker.code == "guard"
    assert said in blocker.message
    assert shop.apply()["one"].result is Result.BLOCKED
    assert before.difference(shop.world()) == []


def test_databases_and_tenants_that_go_are_counted_together(shop: Shop) -> None:
    for number, name in enumerate(("two", "three"), 2):
        shop.tenant("PosTenant", name, pos(number, cloud_sync=True))
    shop.apply()
    shop.platform(guards={"prune": True, "maxDeletes": 2})
    for number, name in enumerate(("one", "two"), 1):
        shop.tenant("PosTenant", name, pos(number))
    shop.without("three")
    outcomes = shop.apply(tenants=["one"])
    failure = outcomes["one"].failure
    assert failure is not None
    assert "3 tenants would be deleted" in failure.message
    outcomes = shop.apply(allow_deletes=3)
    assert {outcomes[name].result for name in ("one", "two", "three")} == {Result.APPLIED}


def test_what_is_in_the_trash_already_is_no_deletion(shop: Shop) -> None:
    parted(shop)
    shop.platform(guards={"prune": False})
    spec(shop, {**WITHOUT, "displayName": "Otra"})
    assert planned(shop).action is plans.Action.UPDATE
    assert shop.apply()["one"].result is Result.APPLIED
    assert shop.plan(deep=True).empty


def test_a_database_alone_is_not_restored_by_hand_and_it_is_said_how_it_is(shop: Shop) -> None:
    parted(shop)
    with pytest.raises(errors.UsageError) as refused:
        restore(shop)
    assert "cloudSync: true" in refused.value.next


def test_a_tenant_goes_to_the_trash_and_comes_back_with_its_database_still_there(shop: Shop) -> None:
    parted(shop)
    before = shop.world()
    shop.without("one")
    assert shop.apply()["one"].result is Result.APPLIED
    assert record(shop).trashed
    assert restore(shop).result is Result.APPLIED
    assert before.difference(shop.world()) == []
    assert record(shop).parted
    spec(shop, WITH)
    assert shop.apply()["one"].result is Result.APPLIED
    assert shop.plan(deep=True).empty


def test_a_tenant_that_comes_back_without_its_database_leaves_that_in_the_trash(shop: Shop) -> None:
    data = tables_of(shop)
    shop.without("one")
    shop.apply()
    spec(shop, WITHOUT)
    assert planned(shop).action is plans.Action.RESTORE
    assert shop.apply()["one"].result is Result.APPLIED
    assert shop.plan(deep=True).empty
    assert tables_of(shop) == data
    assert ".env" not in delivered(shop)
    assert record(shop).parted


def test_a_tenant_comes_back_without_its_database_also_when_nothing_may_be_pruned_any_more(shop: Shop) -> None:
    shop.without("one")
    shop.apply()
    shop.platform(guards={"prune": False})
    spec(shop, WITHOUT)
    assert shop.apply()["one"].result is Result.APPLIED
    assert record(shop).parted
    assert shop.plan(deep=True).empty


# --- purge -------------------------------------------------------------------------------------------------


def test_a_purged_database_is_gone_with_its_accounts_and_its_tenant_lives(shop: Shop) -> None:
    parted(shop)
    files = delivered(shop)
    rows = shop.server.sql("SELECT * FROM license_manager.licenses")
    assert purge(shop).result is Result.APPLIED
    assert shop.server.databases() == ["license_manager"]
    assert shop.server.sql("SELECT user FROM mysql.global_priv WHERE user LIKE 'pos%' OR user LIKE 'reh%'") == []
    assert delivered(shop) == files
    assert shop.server.sql("SELECT * FROM license_manager.licenses") == rows
    [folder] = purged(shop)
    assert b"CREATE TABLE" in opened(shop, folder / "database.sql.sealed")
    assert json.loads(opened(shop, folder / "tenant.json.sealed"))["tenant"] == "one"
    left = record(shop)
    assert (left.database, left.parted) == ("", "")
    assert not [name for name in left.secrets if name.startswith("db.") or name == "rehearsal"]
    assert not [name for name in left.facts if "pos_one" in name]
    assert shop.plan(deep=True).empty
    assert [outcome.result for outcome in shop.apply().values()] == [Result.UNCHANGED, Result.UNCHANGED]
    spec(shop, WITH)
    assert planned(shop).action is plans.Action.UPDATE
    assert shop.apply()["one"].result is Result.APPLIED
    assert shop.plan(deep=True).empty


def test_a_database_is_kept_until_its_own_retention_ends(shop: Shop) -> None:
    parted(shop)
    spec(shop, {**WITHOUT, "displayName": "Otra"})
    shop.apply()  # which does not begin it anew
    since = record(shop).parted
    with pytest.raises(errors.GuardRefused, match="is kept until"):
        purge(shop, now=False)
    shop.platform(guards={"prune": True}, trash={"retentionDays": 0})
    assert record(shop).parted == since
    assert purge(shop, now=False).result is Result.APPLIED


def asked_for(shop: Shop) -> None:
    spec(shop, WITH)


def protected(shop: Shop) -> None:
    spec(shop, WITHOUT, annotations={"reconciler/protect": "true"})
    shop.apply()


def broken(shop: Shop) -> None:
    spec(shop, {**WITHOUT, "license": {}})


@pytest.mark.parametrize("before", [asked_for, protected, broken])
def test_a_database_that_may_be_wanted_is_not_purged(shop: Shop, before: Callable[[Shop], None]) -> None:
    parted(shop)
    before(shop)
    world = shop.world()
    with pytest.raises((errors.GuardRefused, errors.InvalidSpecs)):
        purge(shop)
    assert world.difference(shop.world()) == []


def test_a_tenant_in_the_trash_is_purged_with_the_database_that_it_had_given_up(shop: Shop) -> None:
    parted(shop)
    shop.without("one")
    shop.apply()
    assert purge(shop).result is Result.APPLIED
    assert shop.server.databases() == ["license_manager"]
    assert shop.server.sql("SELECT name FROM license_manager.tenants") == [("other",)]
    [folder] = purged(shop)
    delivery = json.loads(opened(shop, folder / "tenant.json.sealed"))["delivery"]
    assert b"license" in base64.b64decode(delivery["license.lic"]).lower()
