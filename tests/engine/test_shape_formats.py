"""Shapes that another version of ours recorded: they block nobody, and are recorded anew with the next change."""

from __future__ import annotations

import base64
import json
import sqlite3
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from reconciler.model import plan as plans
from reconciler.model.outcome import Result
from reconciler.resources import shape
from tests.engine.drifting import planned
from tests.engine.test_counts import agenda
from tests.support.shop import Shop

DB = "agenda_one"
PARTED = "CREATE TABLE parted (id INT PRIMARY KEY, n INT) PARTITION BY HASH (id) PARTITIONS 2;\n"
VERSIONED = "CREATE TABLE versioned (id INT PRIMARY KEY) WITH SYSTEM VERSIONING;\n"


@pytest.fixture(autouse=True)
def made(shop: Shop) -> None:
    """The tenant ``one``, with a table that has partitions and one that has versions of its rows."""
    (shop.root / "specs/products/agenda-ia/schema/0009_more.sql").write_text(PARTED + VERSIONED)
    shop.tenant("AgendaTenant", "one", agenda(1))
    assert shop.apply()["one"].result is Result.APPLIED


def fact(shop: Shop, edit: Callable[[dict[str, Any]], object] = lambda _: None) -> dict[str, Any]:
    """What is on record of the schema's shape, after it was edited."""
    with sqlite3.connect(shop.root / "state/reconcile.db") as store:
        (text,) = store.execute("SELECT facts FROM tenants WHERE name = 'one'").fetchone()
        facts = json.loads(text)
        found: dict[str, Any] = facts[f"schema/main/{DB}"]["shape"]
        edit(found)
        store.execute("UPDATE tenants SET facts = ? WHERE name = 'one'", (json.dumps(facts),))
    store.close()
    return found


def first(found: dict[str, Any]) -> None:
    """As the first version recorded it, which did not tell of partitions, and packed it in other letters."""
    parts = json.loads(zlib.decompress(base64.b64decode(found["parts"])))
    for table in parts["tables"].values():
        table["is"] = table["is"].removesuffix(" PARTITIONED")
    found["parts"] = base64.b85encode(zlib.compress(json.dumps(parts).encode(), 9)).decode()
    del found["format"]


def between(found: dict[str, Any]) -> None:
    """As one recorded it that told of partitions already, and not of its format."""
    del found["format"]


def blocked(shop: Shop) -> list[str]:
    return [entry.message for entry in planned(shop, deep=True).blockers]


@pytest.mark.parametrize("edit", [first, between])
def test_an_older_shape_blocks_nobody_and_the_next_change_records_it_anew(
    shop: Shop, edit: Callable[[dict[str, Any]], object]
) -> None:
    fact(shop, edit)
    for deep in (False, True):
        found = planned(shop, deep=deep)
        assert (found.action, found.blockers, found.unknown) == (plans.Action.UNCHANGED, (), ())
    shop.tenant("AgendaTenant", "one", {**agenda(1), "displayName": "Clínica Luna"})
    assert "record" in [change.action for change in planned(shop).changes]
    assert shop.apply()["one"].result is Result.APPLIED
    assert fact(shop)["format"] == shape.FORMAT
    assert planned(shop, deep=True).action is plans.Action.UNCHANGED
    shop.server.sql(f"ALTER TABLE {DB}.parted REMOVE PARTITIONING")
    assert ["parted is InnoDB" in message for message in blocked(shop)] == [True]


@pytest.mark.parametrize("edit", [first, between])
def test_an_older_shape_still_tells_what_it_told(shop: Shop, edit: Callable[[dict[str, Any]], object]) -> None:
    fact(shop, edit)
    shop.server.sql(f"ALTER TABLE {DB}.versioned DROP SYSTEM VERSIONING")
    assert ["versioned is InnoDB" in message for message in blocked(shop)] == [True]
    shop.server.sql(f"ALTER TABLE {DB}.parted MODIFY n BIGINT")
    assert ["column parted.n was changed" in message for message in blocked(shop)] == [True]


def test_a_shape_that_told_of_partitions_misses_them(shop: Shop) -> None:
    fact(shop, between)
    shop.server.sql(f"ALTER TABLE {DB}.parted REMOVE PARTITIONING")
    assert ["parted is InnoDB" in message for message in blocked(shop)] == [True]


def test_a_newer_shape_is_unknown_and_its_names_are_still_compared(shop: Shop) -> None:
    fact(shop, lambda found: found.update(format=shape.FORMAT + 1))
    shop.server.sql(f"ALTER TABLE {DB}.parted MODIFY n BIGINT")
    found = planned(shop, deep=True)
    assert (found.action, found.blockers) == (plans.Action.UNCHANGED, ())
    assert ["a newer version recorded it" in entry.what for entry in found.unknown] == [True]
    shop.server.sql(f"DROP TABLE {DB}.versioned")
    assert ["table versioned is gone" in message for message in blocked(shop)] == [True]
