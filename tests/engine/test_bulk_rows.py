"""Rows that are read and written many at a time, on a real server: what a row is, and what somebody else did to one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from reconciler import errors
from reconciler.model.change import Change
from reconciler.model.server import PasswordSource, Server
from reconciler.ports.mysql import rows
from reconciler.ports.session import Place, Session
from reconciler.resources import resource
from reconciler.resources.seed_rows import SeedRows
from tests.support import server as servers
from tests.support.faults import Boundaries

DATABASE = "agenda_bulk"
TABLE = "`agenda_bulk`.`things`"
MADE = """CREATE TABLE agenda_bulk.things (
    id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    code VARCHAR(64) NOT NULL,
    day DATE NULL,
    price DECIMAL(8,2) NULL,
    raw VARBINARY(16) NULL,
    said LONGTEXT NULL,
    active BOOLEAN NOT NULL DEFAULT 1,
    UNIQUE KEY (code),
    KEY (day),
    KEY (price)
)"""


class Bench:
    """A table in a database of its own, and a session that counts what is sent."""

    def __init__(self, server: servers.Server, folder: Path) -> None:
        self.server = server
        self.boundaries = Boundaries()
        (folder / "password").write_text(server.password)
        password = PasswordSource(file=str(folder / "password"))
        self.spec = Server("main", server.host, server.port, user=server.user, password=password)
        self.session = Session(
            tenant="one",
            transaction="t",
            token=1,
            place=Place("default", "p", "main", "license_manager", folder, folder),
            servers={"main": self.spec},
            ports=self.boundaries.ports(),
            fence=lambda: None,
            reveal=lambda secret: "",
            sign=lambda terms: b"",
        )
        server.sql("CREATE DATABASE agenda_bulk CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
        server.sql(MADE)
        self.admin = self.session.admin("main")

    def sent(self) -> list[str]:
        """What was sent since it was asked last, by first word."""
        sent = [what.strip("«»").split()[0] for what in self.boundaries.log]
        self.boundaries.log.clear()
        return sent

    def stored(self) -> list[tuple[Any, ...]]:
        return self.server.sql("SELECT code, said FROM agenda_bulk.things ORDER BY id")

    def seeds(self, wanted: Mapping[str, str], *, fresh: bool = False) -> SeedRows:
        """Rows of code and text, enforced."""
        given = tuple({"code": code, "said": said} for code, said in wanted.items())
        return SeedRows(self.spec, DATABASE, "things", ("code",), given, "enforce", fresh, {}, {"active": 0})

    def planned(self, seeds: SeedRows) -> Change:
        """The change from what stands in the table."""
        if seeds.fresh:
            return next(seeds.diff(seeds.observe(None)))  # type: ignore[arg-type]
        columns = "id, code, day, price, raw, said, active"
        found = [
            {column: rows.plain(value) for column, value in record.items()}
            for record in self.server.records(f"SELECT {columns} FROM agenda_bulk.things")
        ]
        return next(seeds.diff({"rows": {str(row["code"]): row for row in found}}))


@pytest.fixture
def bench(clean_server: servers.Server, tmp_path: Path) -> Iterator[Bench]:
    made = Bench(clean_server, tmp_path)
    yield made
    made.session.close()


def many(count: int, said: str = "hello") -> dict[str, str]:
    return {f"code-{number:04}": said for number in range(count)}


# --- which row it is --------------------------------------------------------------------------------------


def test_rows_come_in_the_order_of_their_keys_with_none_for_those_that_are_not_there(bench: Bench) -> None:
    bench.server.sql("INSERT INTO agenda_bulk.things (code, said) VALUES ('a', '1'), ('b', '2'), ('c', '3')")
    keys = [{"code": code} for code in ("c", "nobody", "a")]
    found = rows.fetch_all(bench.admin, TABLE, ["code", "said"], keys)
    assert found == [{"code": "c", "said": "3"}, None, {"code": "a", "said": "1"}]


@pytest.mark.parametrize(
    ("column", "stored", "asked"),
    [
        pytest.param("code", "Álgebra", "algebra", id="case and accents"),
        pytest.param("code", "padded", "padded  ", id="trailing spaces"),
        pytest.param("day", "2027-02-01", "2027-2-1", id="a date written otherwise"),
        pytest.param("price", "1.50", "1.5", id="a decimal written otherwise"),
        pytest.param("active", 1, True, id="a truth value"),
        pytest.param("raw", b"\x00\xff", {"hex": "00ff"}, id="octets"),
    ],
)
def test_the_server_says_which_row_has_a_key(bench: Bench, column: str, stored: Any, asked: Any) -> None:
    row = {"code": "here", "active": 0} | {column: stored}
    bench.server.sql(
        f"INSERT INTO agenda_bulk.things ({', '.join(row)}) VALUES ({', '.join(['%s'] * len(row))})", *row.values()
    )
    bench.server.sql("INSERT INTO agenda_bulk.things (code, active) VALUES ('other', 0)")
    (number,) = bench.server.sql("SELECT id FROM agenda_bulk.things ORDER BY id LIMIT 1")[0]
    missing = {column: "1999-09-09" if column in ("day", "code", "raw") else 9}
    assert rows.fetch_all(bench.admin, TABLE, ["id"], [missing, {column: asked}]) == [None, {"id": number}]


def test_keys_of_several_columns_are_told_apart_by_all_of_them(bench: Bench) -> None:
    bench.server.sql("INSERT INTO agenda_bulk.things (code, day) VALUES ('a', '2027-01-01'), ('b', '2027-01-02')")
    keys = [{"code": "a", "day": "2027-01-02"}, {"code": "b", "day": "2027-01-02"}, {"code": "b", "day": "2027-01-01"}]
    found = rows.fetch_all(bench.admin, TABLE, ["code"], keys)
    assert found == [None, {"code": "b"}, None]


@pytest.mark.parametrize("many_bytes", [False, True])
def test_more_rows_than_share_a_statement_are_read_and_written_in_portions(bench: Bench, many_bytes: bool) -> None:
    count = 12 if many_bytes else 2 * rows.PORTION_ROWS + 1
    wanted = many(count, "x" * (rows.PORTION_BYTES // 20) if many_bytes else "x")
    seeds = bench.seeds(wanted, fresh=True)
    bench.sent()
    seeds.do(bench.planned(seeds), bench.session)
    # A character may take four bytes, so that five rows share a statement; their keys are short.
    reads, writes = (1, 3) if many_bytes else (3, 3)
    assert bench.sent() == ["SELECT"] * reads + ["START", *["INSERT"] * writes, "COMMIT"]
    assert bench.stored() == list(wanted.items())


# --- what is written --------------------------------------------------------------------------------------


def test_values_arrive_as_a_single_statement_would_bring_them(bench: Bench) -> None:
    wanted = (
        {
            "code": "all",
            "day": "2027-02-01",
            "price": "1.50",
            "said": {"b": [1, None], "a": "ñ'\\ \" 100%"},
            "active": True,
        },
        {"code": "none", "day": None, "price": None, "said": None, "active": False},
    )
    seeds = SeedRows(bench.spec, DATABASE, "things", ("code",), wanted, "if-absent", True, {})
    seeds.do(bench.planned(seeds), bench.session)
    found = rows.fetch_all(bench.admin, TABLE, ["day", "price", "said", "active"], [{"code": "all"}, {"code": "none"}])
    said = '{"a":"ñ\'\\\\ \\" 100%","b":[1,null]}'
    assert found == [
        {"day": "2027-02-01", "price": "1.50", "said": said, "active": 1},
        {"day": None, "price": None, "said": None, "active": 0},
    ]


def test_rows_of_other_columns_keep_their_place_among_the_others(bench: Bench) -> None:
    wanted = ({"code": "z"}, {"said": "1", "code": "y"}, {"code": "x", "said": "2"}, {"code": "w"})
    seeds = SeedRows(bench.spec, DATABASE, "things", ("code",), wanted, "if-absent", True, {})
    bench.sent()
    seeds.do(bench.planned(seeds), bench.session)
    assert bench.sent() == ["SELECT", "START", *["INSERT"] * 3, "COMMIT"]
    assert bench.stored() == [("z", None), ("y", "1"), ("x", "2"), ("w", None)]


def test_a_new_table_costs_one_question_and_one_statement(bench: Bench) -> None:
    seeds = bench.seeds(many(50), fresh=True)
    bench.sent()
    seeds.do(bench.planned(seeds), bench.session)
    assert bench.sent() == ["SELECT", "INSERT"]


def test_rows_that_the_script_put_into_a_new_table_are_brought_to_what_the_product_has(bench: Bench) -> None:
    bench.server.sql("INSERT INTO agenda_bulk.things (code, said) VALUES ('B', 'script'), ('own', 'script')")
    seeds = bench.seeds({"a": "1", "b": "2", "c": "3"}, fresh=True)
    bench.sent()
    seeds.do(bench.planned(seeds), bench.session)
    assert bench.sent() == ["SELECT", "START", "INSERT", "UPDATE", "INSERT", "COMMIT"]
    assert bench.stored() == [("b", "2"), ("own", "script"), ("a", "1"), ("c", "3")]


def test_a_table_of_a_tenant_is_corrected_in_one_transaction(bench: Bench) -> None:
    bench.server.sql("INSERT INTO agenda_bulk.things (code, said) VALUES ('a', 'theirs'), ('old', 'x')")
    seeds = bench.seeds({"a": "1", **many(30)})
    change = bench.planned(seeds)
    bench.sent()
    seeds.do(change, bench.session)
    assert bench.sent() == ["START", "SELECT", "UPDATE", "INSERT", "UPDATE", "COMMIT"]
    assert dict(bench.stored()) == {"a": "1", "old": "x", **many(30)}
    assert bench.server.sql("SELECT active FROM agenda_bulk.things WHERE code = 'old'") == [(0,)]


# --- somebody else ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "meanwhile",
    [
        pytest.param("UPDATE agenda_bulk.things SET said = 'others' WHERE code = 'here'", id="changed"),
        pytest.param("DELETE FROM agenda_bulk.things WHERE code = 'here'", id="deleted"),
        pytest.param("INSERT INTO agenda_bulk.things (code, said) VALUES ('code-0149', 'hello')", id="made"),
        pytest.param(
            "INSERT INTO agenda_bulk.things (code, said) VALUES ('CODE-0149', 'hello')", id="made in capitals"
        ),
    ],
)
def test_a_row_that_somebody_else_changed_meanwhile_stops_all_of_them(bench: Bench, meanwhile: str) -> None:
    bench.server.sql("INSERT INTO agenda_bulk.things (code, said) VALUES ('here', 'theirs')")
    seeds = bench.seeds({"here": "ours", **many(150)})
    change = bench.planned(seeds)
    bench.server.sql(meanwhile)
    stood = bench.stored()
    with pytest.raises(errors.MovedMeanwhile, match="changed by somebody else meanwhile"):
        seeds.do(change, bench.session)
    assert bench.stored() == stood


def test_what_the_product_does_not_write_is_in_nobodys_way(bench: Bench) -> None:
    bench.server.sql("INSERT INTO agenda_bulk.things (code, said) VALUES ('here', 'theirs')")
    seeds = bench.seeds({"here": "ours"})
    change = bench.planned(seeds)
    bench.server.sql("UPDATE agenda_bulk.things SET day = '2027-01-01'")
    seeds.do(change, bench.session)
    assert bench.server.sql("SELECT said, CAST(day AS CHAR) FROM agenda_bulk.things") == [("ours", "2027-01-01")]


def test_a_key_that_is_another_row_s_key_to_the_server_is_refused_with_all_of_its_table(bench: Bench) -> None:
    seeds = bench.seeds({"one": "1", "ONE": "2"})
    with pytest.raises(errors.StatementFailed) as failed:
        seeds.do(bench.planned(seeds), bench.session)
    assert failed.value.errno == 1062
    assert bench.stored() == []


def test_an_undo_puts_every_row_back(bench: Bench) -> None:
    bench.server.sql(
        "INSERT INTO agenda_bulk.things (code, day, price, raw, said) VALUES "
        "('a', '2027-01-01', 2.50, X'00FF', 'theirs'), ('old', NULL, NULL, NULL, NULL), ('same', NULL, NULL, NULL, 's')"
    )
    stood = bench.server.sql("SELECT * FROM agenda_bulk.things ORDER BY id")
    seeds = bench.seeds({"a": "1", "same": "s", **many(120)})
    change = bench.planned(seeds)
    assert SeedRows.undone(change, bench.session)
    seeds.do(change, bench.session)
    assert not SeedRows.undone(change, bench.session)
    for _ in range(2):
        SeedRows.undo(change, bench.session)
        assert bench.server.sql("SELECT * FROM agenda_bulk.things ORDER BY id") == stood
        assert SeedRows.undone(change, bench.session)


def test_an_undo_leaves_the_row_that_somebody_else_changed_and_says_which(bench: Bench) -> None:
    rows_wanted = tuple({"code": code, "said": said, "price": "1.5"} for code, said in many(120).items())
    seeds = SeedRows(bench.spec, DATABASE, "things", ("code",), rows_wanted, "if-absent", False, {})
    change = next(seeds.diff({"rows": {}}))
    seeds.do(change, bench.session)
    bench.server.sql("UPDATE agenda_bulk.things SET said = 'theirs' WHERE code = 'code-0110'")
    for _ in range(2):
        with pytest.raises(resource.Foreign, match="code-0110") as found:
            SeedRows.undo(change, bench.session)
        assert "reconcile recover" in found.value.leftover.clear
        assert bench.stored() == [("code-0110", "theirs")]
        assert not SeedRows.undone(change, bench.session)
    bench.server.sql("DELETE FROM agenda_bulk.things")
    SeedRows.undo(change, bench.session)
    assert SeedRows.undone(change, bench.session)


@pytest.mark.parametrize(
    "row",
    [
        pytest.param({"said": "theirs"}, id="with other values"),
        pytest.param({"said": "theirs", "price": None}, id="with what any row has"),
        pytest.param({"said": "OURS"}, id="with the same in capitals"),
    ],
)
def test_an_undo_leaves_a_row_that_has_nothing_but_the_key_of_the_one_that_was_added(
    bench: Bench, row: dict[str, Any]
) -> None:
    wanted = ({"code": "a", "said": "ours", "price": None, "active": True},)
    seeds = SeedRows(bench.spec, DATABASE, "things", ("code",), wanted, "if-absent", False, {})
    change = next(seeds.diff({"rows": {}}))
    columns = {"code": "A", **row}
    bench.server.sql(
        f"INSERT INTO agenda_bulk.things ({', '.join(columns)}) VALUES ({', '.join(['%s'] * len(columns))})",
        *columns.values(),
    )
    SeedRows.undo(change, bench.session)
    assert SeedRows.undone(change, bench.session)
    assert bench.stored() == [("A", row["said"])]


def test_an_undo_knows_a_row_in_whatever_form_the_server_keeps_its_values(bench: Bench) -> None:
    wanted = ({"code": "a", "day": "2027-1-1", "price": "1.5", "raw": "ñ", "said": {"b": 1, "a": []}, "active": True},)
    seeds = SeedRows(bench.spec, DATABASE, "things", ("code",), wanted, "if-absent", False, {})
    change = next(seeds.diff({"rows": {}}))
    seeds.do(change, bench.session)
    assert not SeedRows.undone(change, bench.session)
    SeedRows.undo(change, bench.session)
    assert bench.stored() == []


def test_an_undo_puts_back_what_the_server_keeps_in_another_form(bench: Bench) -> None:
    bench.server.sql("INSERT INTO agenda_bulk.things (code, day, price) VALUES ('a', '2026-12-31', 9)")
    stood = bench.server.sql("SELECT * FROM agenda_bulk.things")
    wanted = ({"code": "a", "day": "2027-1-1", "price": "1.5"},)
    seeds = SeedRows(bench.spec, DATABASE, "things", ("code",), wanted, "enforce", False, {})
    change = bench.planned(seeds)
    seeds.do(change, bench.session)
    assert bench.server.sql("SELECT * FROM agenda_bulk.things") != stood
    SeedRows.undo(change, bench.session)
    assert bench.server.sql("SELECT * FROM agenda_bulk.things") == stood


@pytest.mark.parametrize("gone", [True, False], ids=["deleted", "changed again"])
def test_an_undo_of_a_correction_leaves_what_somebody_else_made_of_it(bench: Bench, gone: bool) -> None:
    bench.server.sql("INSERT INTO agenda_bulk.things (code, said) VALUES ('a', 'before')")
    seeds = bench.seeds({"a": "ours"})
    change = bench.planned(seeds)
    seeds.do(change, bench.session)
    bench.server.sql("DELETE FROM agenda_bulk.things" if gone else "UPDATE agenda_bulk.things SET said = 'theirs'")
    SeedRows.undo(change, bench.session)
    assert SeedRows.undone(change, bench.session)
    assert bench.stored() == ([] if gone else [("a", "theirs")])


def test_rows_of_a_new_table_are_undone_with_their_database(bench: Bench) -> None:
    seeds = bench.seeds(many(3), fresh=True)
    change = bench.planned(seeds)
    seeds.do(change, bench.session)
    bench.sent()
    SeedRows.undo(change, bench.session)
    assert SeedRows.undone(change, bench.session)
    assert bench.sent() == []


# --- one row ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keyed", [True, False], ids=["with its key", "with its key lost"])
def test_a_row_is_added_only_where_there_is_none(bench: Bench, keyed: bool) -> None:
    if not keyed:
        bench.server.sql("ALTER TABLE agenda_bulk.things DROP KEY code")
    row = {"code": "a", "day": "2027-01-01", "price": "1.50", "said": "ours", "active": 1}
    assert rows.add(bench.admin, TABLE, {"code": "a"}, row)
    assert not rows.add(bench.admin, TABLE, {"code": "A"}, {**row, "code": "A", "said": "again"})
    assert bench.server.sql("SELECT code, day, price, said FROM agenda_bulk.things") == [
        tuple(bench.server.sql("SELECT 'a', DATE '2027-01-01', 1.50, 'ours'")[0])
    ]


def test_a_row_that_somebody_holds_is_left_to_a_longer_way(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.admin.run("SET innodb_lock_wait_timeout = 1")
    holder = bench.server.root()
    try:
        holder.begin()
        with holder.cursor() as cursor:
            cursor.execute("INSERT INTO agenda_bulk.things (code) VALUES ('a')")
        assert not rows.add(bench.admin, TABLE, {"code": "a"}, {"code": "a"})
    finally:
        holder.close()
    assert bench.stored() == []


def test_what_waited_too_long_for_a_lock_is_tried_again(bench: Bench) -> None:
    bench.server.sql("INSERT INTO agenda_bulk.things (code, said) VALUES ('a', 'script')")
    seeds = bench.seeds({"a": "ours"}, fresh=True)
    change = bench.planned(seeds)
    bench.admin.run("SET innodb_lock_wait_timeout = 1")
    holder = bench.server.root()
    holder.begin()
    with holder.cursor() as cursor:
        cursor.execute("UPDATE agenda_bulk.things SET said = 'theirs'")
    run, tries = bench.admin.send, []

    def sending(statement: Any, parameters: Any = ()) -> Any:
        try:
            return run(statement, parameters)
        except errors.StatementFailed as error:
            tries.append(error.errno)
            holder.rollback()
            raise

    bench.admin.send = sending  # type: ignore[method-assign]
    try:
        seeds.do(change, bench.session)
    finally:
        holder.close()
    assert tries == [1205]
    assert bench.stored() == [("a", "ours")]
