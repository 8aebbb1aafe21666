"""Seeds and the catalogue, on a real server: which row has a key is for the server to say, whatever the names are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler import errors
from reconciler.model import plan as plans
from reconciler.model.outcome import Result
from reconciler.products import seeds
from tests.engine import test_snapshot
from tests.engine.drifting import planned
from tests.engine.test_rows_of_people import AGENDA, EVA
from tests.support.shop import Shop

PRODUCT = "specs/products/agenda-ia"
DB = "agenda_one"


def has_table(shop: Shop, columns: str) -> None:
    """The product's schema gets a table ``things``."""
    (shop.root / PRODUCT / "schema/0999_things.sql").write_text(f"CREATE TABLE things ({columns});\n")


def has_seed(shop: Shop, key: str, *rows: dict[str, Any], file: str = "zz-things") -> None:
    """The product gets a seed for it."""
    data = {"table": "things", "key": key.split(), "rows": [*rows]}
    (shop.root / PRODUCT / f"seeds/{file}.yaml").write_text(yaml.safe_dump(data, allow_unicode=True))


def made(shop: Shop) -> None:
    shop.tenant("AgendaTenant", "one", AGENDA)
    assert shop.apply()["one"].result is Result.APPLIED
    assert shop.plan(deep=True).empty


def things(shop: Shop) -> list[tuple[Any, ...]]:
    return shop.server.sql(f"SELECT * FROM {DB}.things ORDER BY n")


# --- keys -------------------------------------------------------------------------------------------------


def test_a_row_that_the_tenant_spells_otherwise_is_there(shop: Shop) -> None:
    has_table(shop, "code VARCHAR(40) NOT NULL PRIMARY KEY, n INT")
    has_seed(shop, "code", {"code": "Corte", "n": 1}, {"code": "Peinado", "n": 2})
    made(shop)
    shop.server.sql(f"UPDATE {DB}.things SET code = 'córte ' WHERE n = 1")
    assert shop.plan(deep=True).empty
    has_seed(shop, "code", {"code": "Corte", "n": 1}, {"code": "Peinado", "n": 2}, {"code": "Tinte", "n": 3})
    (change,) = [change for change in planned(shop, "one").changes if change.resource == "seed-rows"]
    assert "1 to add (Tinte)" in change.summary
    assert shop.apply()["one"].result is Result.APPLIED
    assert things(shop) == [("córte ", 1), ("Peinado", 2), ("Tinte", 3)]
    assert shop.plan(deep=True).empty


def test_a_code_of_the_catalogue_that_somebody_spells_otherwise_is_still_that_code(shop: Shop) -> None:
    made(shop)
    shop.server.sql(f"UPDATE {DB}.business_settings SET plan_code = NULL")
    shop.server.sql(f"UPDATE {DB}.plans SET code = 'PRO' WHERE code = 'pro'")
    shop.server.sql(f"UPDATE {DB}.business_settings SET plan_code = 'PRO'")
    assert shop.apply(deep=True)["one"].result in (Result.APPLIED, Result.UNCHANGED)
    assert shop.plan(deep=True).empty
    # Rows refer to it, so that the server lets nobody spell it anew; what else the row holds is corrected all the same.
    shop.server.sql(f"UPDATE {DB}.plans SET price_cents = 1 WHERE code = 'pro'")
    assert shop.apply(deep=True)["one"].result is Result.APPLIED
    found = shop.server.sql(f"SELECT code, active, price_cents > 1 FROM {DB}.plans WHERE code = 'pro'")
    assert found == [("PRO", 1, 1)]
    assert shop.plan(deep=True).empty


@pytest.mark.parametrize(
    ("kind", "keys"),
    [
        ("DECIMAL(8,3)", [1.5, "2.50", 3]),
        ("DATETIME", ["2027-01-01", "2027-1-2 3:4"]),
        ("TIME(3)", ["-1:30", "25:00:00.5"]),
        ("BIT(4)", [0, 1, 5]),
        ("UUID", ["123E4567-E89B-12D3-A456-426614174000"]),
        ("ENUM('a','b')", ["A", "b"]),
        ("VARBINARY(9)", ["ñ", "n"]),
        ("CHAR(9)", ["a  ", "B"]),
        ("BOOLEAN", [True, False]),
    ],
)
def test_a_key_may_be_of_any_type(shop: Shop, kind: str, keys: list[Any]) -> None:
    has_table(shop, f"k {kind} NOT NULL, n INT, PRIMARY KEY (k)")
    has_seed(shop, "k", *({"k": key, "n": number} for number, key in enumerate(keys)))
    made(shop)
    stood = things(shop)
    shop.server.sql(f"DELETE FROM {DB}.things WHERE n = 0")
    assert shop.apply(deep=True)["one"].result is Result.APPLIED
    assert things(shop) == stood


def test_keys_of_several_columns_are_told_apart_by_all_of_them(shop: Shop) -> None:
    has_table(shop, "a VARCHAR(9) NOT NULL, b VARCHAR(9) NOT NULL, n INT, PRIMARY KEY (a, b)")
    has_seed(shop, "a b", {"a": "x y", "b": "z", "n": 1}, {"a": "x", "b": "y z", "n": 2})
    made(shop)
    assert things(shop) == [("x y", "z", 1), ("x", "y z", 2)]
    shop.server.sql(f"DELETE FROM {DB}.things WHERE n = 1")
    assert shop.apply(deep=True)["one"].result is Result.APPLIED
    assert things(shop) == [("x y", "z", 1), ("x", "y z", 2)]


# --- keys that can't be -----------------------------------------------------------------------------------


def test_two_rows_that_are_one_to_the_table_are_refused_by_the_plan(shop: Shop) -> None:
    has_table(shop, "code VARCHAR(40) NOT NULL, n INT")
    has_seed(shop, "code", {"code": "Corte", "n": 1})
    made(shop)
    for stored in ("Corte", "CORTE"):
        shop.server.sql(f"UPDATE {DB}.things SET code = %s", stored)
        has_seed(shop, "code", {"code": "Corte", "n": 1}, {"code": "corte", "n": 2})
        found = planned(shop, "one", deep=True)
        assert found.action is plans.Action.BLOCKED
        assert "corte and Corte are the same key to the table things" in found.blockers[0].message
        assert shop.apply(deep=True)["one"].result is Result.BLOCKED
    assert things(shop) == [("CORTE", 1)]


def test_a_key_that_the_table_can_not_hold_blocks_its_tenant_alone(shop: Shop) -> None:
    has_table(shop, "code VARCHAR(40) CHARACTER SET ascii NOT NULL PRIMARY KEY, n INT")
    has_seed(shop, "code", {"code": "Corte", "n": 1})
    made(shop)
    has_seed(shop, "code", {"code": "Corte", "n": 1}, {"code": "Señal", "n": 2})
    found = planned(shop, "one")
    assert found.action is plans.Action.BLOCKED
    assert "which rows of the table things are there already can't be told" in found.blockers[0].message


def test_a_row_of_the_catalogue_that_is_there_twice_is_not_corrected(shop: Shop) -> None:
    made(shop)
    for table, key in (("business_settings", "fk_business_settings_plan"), ("plans", "")):
        if key:
            shop.server.sql(f"ALTER TABLE {DB}.{table} DROP FOREIGN KEY {key}")
    shop.server.sql(f"ALTER TABLE {DB}.plans DROP KEY uq_plans_code")
    shop.server.sql(
        f"INSERT INTO {DB}.plans (code, name, price_cents, currency, interval_unit, limits) "
        "VALUES ('pro', 'x', 1, 'MXN', 'month', '{}')"
    )
    said = [blocker.message for blocker in planned(shop, "one", deep=True).blockers]
    assert any("plans has more than one row pro" in message for message in said), said


def test_rows_with_one_key_in_a_seed_are_a_fault_with_its_line(shop: Shop) -> None:
    text = "table: things\nkey: [a, b]\nrows:\n  - {a: 1, b: x}\n  - {a: 2, b: x}\n  - {a: '1', b: x}\n"
    (shop.root / PRODUCT / "seeds/zz-things.yaml").write_text(text)
    with pytest.raises(errors.InvalidSpecs) as found:
        seeds.load(shop.root, f"{PRODUCT}/seeds")
    (fault,) = found.value.faults
    assert (fault.where.line, fault.rule) == (6, "seed-double")
    assert "the same a, b as the one in line 4" in fault.message


# --- names ------------------------------------------------------------------------------------------------


def test_columns_with_percent_signs_are_in_nobodys_way(shop: Shop) -> None:
    has_table(shop, "`código%s` VARCHAR(9) NOT NULL PRIMARY KEY, n INT, `iva%` INT")
    for number, table in enumerate(("users", "plans", "business_settings")):
        extra = shop.root / PRODUCT / f"schema/099{number}_more.sql"
        extra.write_text(f"ALTER TABLE {table} ADD COLUMN `%d iva%` INT NULL;\n")
    has_seed(shop, "código%s", {"código%s": "a", "n": 1, "iva%": 16}, {"código%s": "b", "n": 2, "iva%": 8})
    made(shop)
    has_seed(shop, "código%s", *({"código%s": key, "n": n, "iva%": 16} for n, key in enumerate("BCA", 1)))
    shop.server.sql(f"UPDATE {DB}.plans SET name = 'x'")
    shop.tenant("AgendaTenant", "one", {**AGENDA, "displayName": "Luna", "admin": EVA})
    outcome = shop.apply(deep=True)["one"]
    assert outcome.result is Result.APPLIED, outcome
    assert sorted(row[:2] for row in things(shop)) == [("C", 2), ("a", 1), ("b", 2)]
    assert shop.plan(deep=True).empty


# --- without the server -----------------------------------------------------------------------------------


def test_what_only_a_server_can_tell_is_unknown_without_it(shop: Shop, tmp_path: Path) -> None:
    has_table(shop, "code VARCHAR(40) NOT NULL PRIMARY KEY, n INT")
    has_seed(shop, "code", {"code": "Corte", "n": 1})
    made(shop)
    shop.server.sql(f"UPDATE {DB}.things SET code = 'CORTÉ'")
    shop.server.sql(f"INSERT INTO {DB}.things VALUES ('Barba', 2)")
    file = test_snapshot.taken(shop)
    has_seed(shop, "code", {"code": "Corte", "n": 1}, {"code": "Tinte", "n": 3})
    (found,) = test_snapshot.offline(shop, file, tmp_path).tenants
    assert any("what server main would answer" in entry.what for entry in found.unknown)
    has_seed(shop, "code", {"code": "Tinte", "n": 3})
    online = shop.plan()
    assert any("1 to add (Tinte)" in change.summary for entry in online.tenants for change in entry.changes)
    test_snapshot.same(online, test_snapshot.offline(shop, file, tmp_path))
