"""Tenants that were in sync are not planned again; and whatever a plan stands on, a change of it is seen.

That no drift hides behind the notes is shown by ``test_drift``: each of its cases begins with a plan that leaves some.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconciler.engine import planner, reconcile
from reconciler.model import plan as plans
from reconciler.model import written
from reconciler.products import pos_tree_codes
from reconciler.resources import visibility
from reconciler.spec import load
from tests.engine.drifting import AGENDA, POS
from tests.support.shop import Shop

NOTES = Path("state/cache/in-sync")
LITE = {"displayName": "La Esquina", "edition": "lite", "license": {"expires": "2099-12-31"}}
SHOP = "specs/products/pos-tree-codes"


@pytest.fixture
def made(shop: Shop) -> Shop:
    """Three tenants, two of them with a database, that were planned once since they were made."""
    shop.tenant("AgendaTenant", "one", AGENDA)
    shop.tenant("PosTenant", "two", POS)
    shop.tenant("PosTenant", "three", LITE)
    shop.apply()
    assert shop.plan().empty
    return shop


@pytest.fixture
def anew(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tenants that are planned and not remembered, as they come."""
    found: list[str] = []
    real = planner.plan_tenant

    def counting(product: Any, tenant: Any, *more: Any) -> Any:
        found.append(tenant.name)
        return real(product, tenant, *more)

    monkeypatch.setattr(planner, "plan_tenant", counting)
    return found


def actions(shop: Shop, **options: Any) -> dict[str, str]:
    return {entry.tenant: entry.action.value for entry in shop.plan(**options).tenants}


def test_a_plan_that_finds_nothing_again_reads_no_yaml_and_plans_nobody(
    made: Shop, anew: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: list[str] = []
    real = load.parse

    def parsing(source: Any, kinds: Any) -> load.Parsed:
        parsed.append(source.file)
        return real(source, kinds)

    monkeypatch.setattr(load, "parse", parsing)
    found = made.plan()
    assert (anew, parsed) == ([], [])
    assert found.empty
    assert [(entry.tenant, entry.action, str(entry.where)) for entry in found.tenants] == [
        ("one", plans.Action.UNCHANGED, "specs/tenants/one.yaml:1:1"),
        ("three", plans.Action.UNCHANGED, "specs/tenants/three.yaml:1:1"),
        ("two", plans.Action.UNCHANGED, "specs/tenants/two.yaml:1:1"),
    ]


def test_a_remembered_plan_is_the_one_that_is_made(made: Shop) -> None:
    remembered = made.plan()
    (made.root / NOTES).unlink()
    assert made.plan().tenants == remembered.tenants


def test_a_deep_look_remembers_nothing(made: Shop, anew: list[str]) -> None:
    assert made.plan(deep=True).empty
    assert sorted(anew) == ["one", "three", "two"]


def test_the_plan_of_one_tenant_leaves_what_is_noted_of_the_others(made: Shop, anew: list[str]) -> None:
    (made.root / NOTES).unlink()
    for name in ("one", "two", "one"):
        assert actions(made, tenants=(name,)) == {name: "unchanged"}
    assert anew == ["one", "two"]
    anew.clear()
    made.plan()
    assert anew == ["three"]


def _row(shop: Shop) -> None:
    shop.server.sql("UPDATE license_manager.tenants SET display_name = 'x' WHERE name = 'three'")


def _device(shop: Shop) -> None:
    shop.server.sql("DELETE FROM license_manager.license_devices WHERE tenant = 'two'")


def _another_row(shop: Shop) -> None:
    columns = "serial, name, hardware, platform_id, transaction_id"
    shop.server.sql(
        f"INSERT INTO license_manager.license_devices (tenant, {columns}) SELECT 'three', CONCAT(serial, 'x'), name, "
        "hardware, platform_id, transaction_id FROM license_manager.license_devices LIMIT 1"
    )


def _mode(shop: Shop) -> None:
    (shop.root / "state/deliveries/three/license.lic").chmod(0o644)


def _size(shop: Shop) -> None:
    with (shop.root / "state/deliveries/three/license.lic").open("a") as file:
        file.write("\n")


def _stray(shop: Shop) -> None:
    (shop.root / "state/deliveries/three/stray").write_text("x")


def _gone(shop: Shop) -> None:
    shutil.rmtree(shop.root / "state/deliveries/three")


def _spec(shop: Shop) -> None:
    shop.tenant("PosTenant", "three", {**LITE, "displayName": "Otra"})


def _account(shop: Shop) -> None:
    shop.server.sql("DROP USER pos_two_app@'%'")


def _right(shop: Shop) -> None:
    shop.server.sql("GRANT CREATE ON pos_two.* TO pos_two_app@'%'")


def _neighbor(shop: Shop) -> None:
    shop.server.sql("CREATE USER stranger@'%'")
    shop.server.sql("GRANT SELECT ON `pos%`.* TO stranger@'%'")


def _namesake(shop: Shop) -> None:
    shop.server.sql("CREATE USER pos_two_app@localhost")


def _role(shop: Shop) -> None:
    shop.server.sql("CREATE ROLE readers")
    shop.server.sql("GRANT readers TO pos_two_app@'%'")


def _table(shop: Shop) -> None:
    shop.server.sql("DROP TABLE pos_two.sale_lines")


def _sql(shop: Shop) -> None:
    (path, *_) = sorted((shop.root / SHOP / "schema").glob("*.sql"))
    path.write_text(path.read_text() + "\n-- a change\n")


def _catalogue(shop: Shop) -> None:
    path = shop.root / SHOP / "product.yaml"
    path.write_text(path.read_text().replace("multi-store, price-lists, api", "multi-store, api"))


def _server(shop: Shop) -> None:
    spec = shop.server_spec(advertise={"host": "db.example.com", "port": 3306})
    shop.document("specs/servers/main.yaml", "DatabaseServer", "main", spec)


@pytest.mark.parametrize(
    ("change", "seen_in"),
    [
        *((change, "three") for change in (_row, _another_row, _mode, _size, _stray, _gone, _spec)),
        *(
            (change, "two")
            for change in (_device, _account, _right, _neighbor, _namesake, _role, _table, _sql, _server)
        ),
    ],
)
def test_whatever_a_plan_stands_on_is_looked_at_again(made: Shop, change: Callable[[Shop], None], seen_in: str) -> None:
    change(made)
    found = actions(made)
    assert found[seen_in] != "unchanged"
    (made.root / NOTES).unlink()
    assert actions(made) == found


def test_a_changed_catalogue_is_planned_again(made: Shop, anew: list[str]) -> None:
    _catalogue(made)
    made.plan()
    assert {"two", "three"} <= {*anew}
    assert "one" not in anew


def test_what_another_process_applied_is_planned_again(made: Shop, anew: list[str]) -> None:
    _spec(made)
    made.apply()
    anew.clear()
    assert made.plan().empty
    assert anew == ["three"]


def test_the_revision_is_no_reason_to_plan_again(made: Shop, anew: list[str]) -> None:
    setting = made.setting()
    try:
        setting.revision = "main@sha1:" + "0" * 40
        assert reconcile.plan(setting, reconcile.Options()).empty
    finally:
        setting.opened().close()
    assert anew == []


def test_notes_that_are_not_whole_are_not_believed(made: Shop, anew: list[str]) -> None:
    path = made.root / NOTES
    path.write_bytes(path.read_bytes().replace(b"three", b"other"))
    assert actions(made)["three"] == "unchanged"
    assert sorted(anew) == ["one", "three", "two"]


def test_no_secret_and_no_hash_of_one_is_noted(made: Shop) -> None:
    kept = b"".join(path.read_bytes() for path in (made.root / "state/cache").iterdir())
    setting = made.setting()
    try:
        marks = [entry.mark for record in setting.records().values() for entry in record.secrets.values()]
    finally:
        setting.opened().close()
    assert [mark for mark in marks if mark] != []
    assert [mark for mark in marks if mark and mark.encode() in kept] == []
    for line in (made.root / "state/deliveries/two/.env").read_text().splitlines():
        if line.startswith("DB_PASSWORD="):
            assert line.partition("=")[2].strip("'").encode() not in kept


def test_a_product_that_does_not_tell_what_it_reads_is_planned_each_time(
    made: Shop, anew: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pos_tree_codes.PosTreeCodes, "reads", lambda self, root, catalogue: None)
    assert made.plan().empty
    assert sorted(anew) == ["three", "two"]


def test_a_look_that_nobody_watches_leaves_no_note(
    made: Shop, anew: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (made.root / NOTES).unlink()
    observe = visibility.Visibility.observe
    monkeypatch.setattr(
        visibility.Visibility, "observe", lambda self, sight: (sight.ports.clock.now(), observe(self, sight))[1]
    )
    for _ in range(2):
        assert made.plan().empty
    assert sorted(anew) == ["one", "one", "three", "three", "two", "two"]


def test_what_is_stored_is_read_when_it_is_looked_into() -> None:
    facts = {"a": {"size": 1}, 'quote " and \\': {}, "ñ\n": {"deep": ["a"]}, "none": None}
    text = json.dumps(facts, ensure_ascii=False)
    found = written.Written(text)
    assert (found.text, found == facts, facts == found, len(found), [*found]) == (text, True, True, 4, [*facts])
    assert [key in found for key in (*facts, "size", "deep", "absent", 1)] == [True] * 4 + [False] * 4
    assert [found.get(key, "other") for key in (*facts, "size")] == [*facts.values(), "other"]
    assert {**found, "b": 1} == {**facts, "b": 1}
    with pytest.raises(KeyError):
        found["absent"]
