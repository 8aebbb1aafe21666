"""Rows for tables that know no transactions: what does not fit is refused in whichever row of a statement it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import yaml

from reconciler.model.outcome import Result
from tests.engine.test_counts import agenda
from tests.support.shop import Shop

PRODUCT = "specs/products/agenda-ia"
TABLE = (
    "CREATE TABLE things (code VARCHAR(4) NOT NULL PRIMARY KEY, name VARCHAR(5) NOT NULL, state ENUM('a', 'b') "
    "NOT NULL DEFAULT 'a', day DATE NULL, number TINYINT NOT NULL DEFAULT 0) ENGINE = {};\n"
)
FITS: dict[str, Any] = {"code": "a", "name": "abc", "state": "a", "day": "2027-02-28", "number": 1}
DOES_NOT = {
    "a text": {"code": "b", "name": "too long a name"},
    "a key": {"code": "too long", "name": "b"},
    "a number": {"code": "b", "name": "b", "number": 1000},
    "a word": {"code": "b", "name": "b", "state": "z"},
    "a date": {"code": "b", "name": "b", "day": "2027-02-31"},
    "nothing": {"code": "b", "name": None},
}


def seeds(shop: Shop, rows: Sequence[dict[str, Any]]) -> None:
    """The rows that the product brings along."""
    (shop.root / PRODUCT / "seeds/things.yaml").write_text(
        yaml.safe_dump({"table": "things", "key": ["code"], "rows": list(rows)})
    )


def behind_one_that_fits(row: dict[str, Any]) -> list[dict[str, Any]]:
    """Two rows of the same columns, so that one statement inserts them."""
    return [{column: FITS[column] for column in row}, row]


@pytest.mark.parametrize("what", DOES_NOT)
@pytest.mark.parametrize("engine", ["MyISAM", "Aria"])
def test_a_new_tenant_whose_rows_do_not_fit_is_not_made_with_others(shop: Shop, engine: str, what: str) -> None:
    (shop.root / PRODUCT / "schema/0009_things.sql").write_text(TABLE.format(engine))
    seeds(shop, behind_one_that_fits(DOES_NOT[what]))
    shop.tenant("AgendaTenant", "one", agenda(1))
    before = shop.world()
    assert shop.apply()["one"].result is Result.ROLLED_BACK
    assert before.difference(shop.world()) == []


@pytest.mark.parametrize("engine", ["MyISAM", "Aria"])
def test_rows_that_come_later_and_do_not_fit_leave_the_table_as_it_was(shop: Shop, engine: str) -> None:
    (shop.root / PRODUCT / "schema/0009_things.sql").write_text(TABLE.format(engine))
    shop.tenant("AgendaTenant", "one", agenda(1))
    assert shop.apply()["one"].result is Result.APPLIED
    seeds(shop, behind_one_that_fits(DOES_NOT["a text"]))
    before = shop.world()
    assert shop.apply()["one"].result is Result.ROLLED_BACK
    assert before.difference(shop.world()) == []
    seeds(shop, [{"code": "a", "name": "abc"}])
    assert shop.apply()["one"].result is Result.APPLIED
    assert shop.server.sql("SELECT code, name FROM agenda_one.things") == [("a", "abc")]


def test_a_script_s_own_rows_are_what_the_client_would_make_of_them(shop: Shop) -> None:
    """Which is strict in the first row of a statement only, as servers are installed."""
    rows = "INSERT INTO things (code, name) VALUES ('a', 'abc'), ('b', 'too long a name');\n"
    (shop.root / PRODUCT / "schema/0009_things.sql").write_text(TABLE.format("MyISAM") + rows)
    shop.tenant("AgendaTenant", "one", agenda(1))
    assert shop.apply()["one"].result is Result.APPLIED
    assert shop.server.sql("SELECT code, name FROM agenda_one.things") == [("a", "abc"), ("b", "too l")]
