"""One pass over a whole script."""

from __future__ import annotations

import io

from reconciler import errors
from reconciler.sql import examine, firewall, script
from tests.sql.reading import for_tenant, items, schema, skipped


def test_a_report_counts_kinds_and_names_what_the_script_makes() -> None:
    report = examine.examine(
        b"CREATE TABLE a (x int); CREATE TABLE b (x int); CREATE TEMPORARY TABLE tmp (x int);\n"
        b"CREATE TABLE v (x int); DROP TABLE IF EXISTS v; CREATE VIEW v AS SELECT 1; RENAME TABLE b TO c;\n"
        b"CREATE TRIGGER g AFTER INSERT ON a FOR EACH ROW SET @x=1; CREATE PROCEDURE p() SELECT 1;\n"
        b"CREATE FUNCTION f() RETURNS INT RETURN 1; CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO SELECT 1;\n"
        b"INSERT INTO a VALUES (1); INSERT INTO a VALUES (2);",
        "s.sql",
    )
    assert (report.tables, report.views, report.triggers) == (("a", "c"), ("v",), ("g",))
    assert (report.routines, report.events) == (("p", "f"), ("e",))
    assert report.kinds["insert"] == 2
    assert report.kinds["create table"] == 4
    assert report.statements == 13
    assert report.longest == len(b"CREATE TRIGGER g AFTER INSERT ON a FOR EACH ROW SET @x=1")
    assert report.refusals == ()


def test_all_refusals_are_listed_with_their_places() -> None:
    text = b"USE x;\nCREATE TABLE t (a int);\n  DROP DATABASE y;\nGRANT ALL ON *.* TO a;\nsource b.sql\nSELECT 'open"
    report = examine.examine(text, "s.sql")
    assert [(fault.where.line, fault.where.column, fault.rule) for fault in report.refusals] == [
        (1, 1, "database"),
        (3, 3, "database"),
        (4, 1, "account"),
        (5, 1, "client-command"),
        (6, 8, "unreadable"),
    ]
    assert report.refused == 5
    assert report.databases == ("x", "y")
    assert report.tables == ("t",)


def test_a_script_that_is_one_big_mistake_keeps_a_hundred_refusals() -> None:
    report = examine.examine(b"GRANT ALL ON *.* TO a;\n" * 300, "s.sql")
    assert (report.refused, len(report.refusals)) == (300, 100)


def test_chinook_leaves_the_tenant_unless_its_database_is_mapped() -> None:
    text = schema("chinook/Chinook_MySql.sql")
    bare = examine.examine(text, "chinook.sql")
    assert [fault.where.line for fault in bare.refusals] == [19, 25, 28]
    assert bare.databases == ("Chinook",)
    mapped = examine.examine(io.BytesIO(text), "chinook.sql", wall=firewall.Firewall(mapping="Chinook"))
    assert (mapped.refusals, mapped.skipped, len(mapped.tables)) == ((), 3, 11)
    assert mapped.kinds == {"alter table": 11, "create index": 11, "create table": 11, "insert": 24}


def test_sakila_has_what_its_readme_says_once_its_database_is_mapped() -> None:
    text = schema("sakila-jooq/mysql-sakila-schema.sql")
    bare = examine.examine(text, "sakila.sql")
    assert [(fault.where.line, fault.where.column) for fault in bare.refusals] == [(21, 1), (22, 1), (23, 1), (421, 26)]
    report = examine.examine(text, "sakila.sql", wall=firewall.Firewall(mapping="sakila"))
    assert report.refusals == ()
    assert len(report.tables) == 16
    assert len(report.views) == 7
    assert len(report.triggers) == 3
    assert len(report.routines) == 6
    foreign = 0
    for item in items(text):
        if isinstance(item, script.Statement) and not skipped(item, mapping="sakila"):
            sent = for_tenant(item, mapping="sakila").text
            assert b"sakila." not in sent
            assert b"DEFINER=" not in sent
            foreign += sent.count(b"FOREIGN KEY")
    assert foreign == 22


def test_a_hostile_string_is_refused_where_it_opens() -> None:
    # Four megabytes: a pattern that tried all ways through them would not come to an end.
    report = examine.examine(io.BytesIO(b"SELECT '" + b"\\'" * 2_000_000), "s.sql")
    assert report.refusals[0].where == errors.Where("s.sql", 1, 8)


def test_a_session_is_not_gone_on_with_once_something_that_was_made_may_give_back_its_locks() -> None:
    wall = firewall.Firewall()
    for text, tidy in (
        (b"CREATE TRIGGER g AFTER INSERT ON t FOR EACH ROW SET NEW.a = 1;", True),
        (b"INSERT INTO t VALUES (1);", True),
        (b"CREATE TRIGGER h AFTER INSERT ON t FOR EACH ROW SET NEW.a = RELEASE_ALL_LOCKS();", False),
        (b"INSERT INTO t VALUES (1);", False),
    ):
        assert examine.examine(text, "s.sql", wall).tidy == tidy
