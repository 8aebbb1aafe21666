"""Rows as plain data, on a real server: what is written down of a value, and which values are the same."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reconciler.ports.mysql import rows
from tests.engine.test_bulk_rows import Bench, bench

__all__ = ["bench"]


@pytest.mark.parametrize(
    "value",
    ["-00:30:01.250000", "-00:00:00.000001", "-01:30:00", "00:00:00", "01:00:01.5", "838:59:59.999999", "-838:59:59"],
)
def test_a_time_comes_back_as_it_was(bench: Bench, value: str) -> None:
    bench.server.sql("CREATE TABLE agenda_bulk.times (id INT PRIMARY KEY, t TIME(6))")
    bench.server.sql("INSERT INTO agenda_bulk.times VALUES (1, %s)", value)
    target = "`agenda_bulk`.`times`"
    stood = rows.fetch(bench.admin, target, ["id", "t"], {"id": 1})
    assert stood is not None
    kept = json.loads(json.dumps(stood))
    bench.server.sql("UPDATE agenda_bulk.times SET t = '00:00:07'")
    rows.put(bench.admin, target, {"id": 1}, now={"t": "00:00:07"}, then=kept)
    assert rows.same(stood["t"], kept["t"])
    assert bench.server.sql("SELECT COUNT(*) FROM agenda_bulk.times WHERE t = %s", value) == [(1,)]


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        pytest.param("DECIMAL(12,2)", 79900, id="a decimal and a whole number"),
        pytest.param("DECIMAL(12,2)", 1.5, id="a decimal and a number"),
        pytest.param("VARCHAR(20)", 5, id="a text and a number"),
        pytest.param("DOUBLE", 7, id="a number and a whole number"),
        pytest.param("BIT(1)", 1, id="a bit and a number"),
        pytest.param("BIT(1)", 0, id="no bit and a number"),
        pytest.param("BIT(12)", 257, id="bits and a number"),
        pytest.param("VARBINARY(20)", "añb", id="octets and a text"),
        pytest.param("DATETIME", "2027-01-01", id="a moment and a day"),
        pytest.param("JSON", '{"b": [1, 2], "a": null}', id="objects"),
    ],
)
def test_a_value_is_the_same_as_what_the_server_keeps_of_it(bench: Bench, kind: str, wanted: Any) -> None:
    bench.server.sql(f"CREATE TABLE agenda_bulk.kept (id INT PRIMARY KEY, v {kind})")
    target = "`agenda_bulk`.`kept`"
    rows.put(bench.admin, target, {"id": 1}, now=None, then={"id": 1, "v": wanted})
    found = rows.fetch(bench.admin, target, ["v"], {"id": 1})
    assert found is not None
    assert rows.same(found["v"], wanted)
    assert rows.same(wanted, found["v"])
    for other in ("another", 4, None, "2027-01-02", '{"b": []}', 1.25):
        assert not rows.same(found["v"], other)
        assert not rows.same(other, found["v"])


@pytest.mark.parametrize(("one", "other"), [("1.10", "1.1"), ("a", "A"), ("1_0", 10), ({"hex": "3130"}, 10), ("", 0)])
def test_texts_are_the_same_to_the_letter(one: Any, other: Any) -> None:
    assert not rows.same(one, other)


def test_a_key_may_have_no_value(bench: Bench) -> None:
    bench.server.sql("INSERT INTO agenda_bulk.things (code, day) VALUES ('a', NULL), ('b', '2027-01-01')")
    (number,) = bench.server.sql("SELECT id FROM agenda_bulk.things WHERE code = 'a'")[0]
    target = "`agenda_bulk`.`things`"
    keys = [{"code": "b", "day": None}, {"code": "a", "day": None}]
    assert rows.fetch_all(bench.admin, target, ["id"], keys) == [None, {"id": number}]
    rows.put(bench.admin, target, keys[1], now={}, then={"said": "x"})
    assert bench.stored() == [("a", "x"), ("b", None)]


def test_a_name_may_hold_a_percent_sign(bench: Bench) -> None:
    bench.server.sql("CREATE TABLE agenda_bulk.`100%s` (`iva%` VARCHAR(9) PRIMARY KEY, `%(n)s` INT)")
    target, key = "`agenda_bulk`.`100%s`", {"iva%": "a"}
    row = {"iva%": "a", "%(n)s": 1}
    assert rows.add(bench.admin, target, key, row)
    rows.put(bench.admin, target, key, now=row, then={"%(n)s": 2})
    rows.put(bench.admin, target, {"iva%": "b"}, now=None, then={**row, "iva%": "b"})
    assert rows.fetch_all(bench.admin, target, ["%(n)s"], [{"iva%": "b"}, key]) == [{"%(n)s": 1}, {"%(n)s": 2}]
    assert rows.equal(bench.admin, target, key, {"%(n)s": "2", "iva%": "b"}) == {"%(n)s"}
    rows.put(bench.admin, target, key, now=row, then=None)
    assert bench.server.sql("SELECT COUNT(*) FROM agenda_bulk.`100%s`") == [(1,)]
