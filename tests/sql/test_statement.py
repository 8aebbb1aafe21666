"""What a statement is, seen through comments, versioned comments and quotes."""

from __future__ import annotations

import pytest

from reconciler.sql import lexer, statement, tokens
from reconciler.sql.statement import Kind
from tests.sql.reading import one

KINDS = {
    b"CREATE TABLE `t` (a int)": (Kind.CREATE_TABLE, "t"),
    b"create temporary table if not exists t (a int)": (Kind.CREATE_TABLE, "t"),
    b"CREATE OR REPLACE TABLE db.`we``ird` (a int)": (Kind.CREATE_TABLE, "we`ird"),
    (
        b"/*!50001 CREATE ALGORITHM=UNDEFINED */ "
        b"/*!50013 DEFINER=`a`@`b` SQL "
        b"SECURITY DEFINER */\n/*!50001 VIEW `v` AS SELECT 1 */"
    ): (
        Kind.CREATE_VIEW,
        "v",
    ),
    (
        b"/*!50003 CREATE*/ /*!50017 "
        b"DEFINER=`root`@`localhost`*/ /*!50003 "
        b"TRIGGER `g` AFTER INSERT ON `t` FOR EACH ROW SET @a=1 */"
    ): (
        Kind.CREATE_TRIGGER,
        "g",
    ),
    b"CREATE DEFINER=CURRENT_USER() PROCEDURE p() SELECT 1": (Kind.CREATE_PROCEDURE, "p"),
    b"CREATE DEFINER = 'a' @ 'b' FUNCTION f() RETURNS INT RETURN 1": (Kind.CREATE_FUNCTION, "f"),
    b"CREATE AGGREGATE FUNCTION IF NOT EXISTS f RETURNS INT SONAME 'x.so'": (Kind.CREATE_FUNCTION, "f"),
    b"CREATE DEFINER=some_role EVENT IF NOT EXISTS e ON SCHEDULE EVERY 1 DAY DO SELECT 1": (Kind.CREATE_EVENT, "e"),
    b"CREATE UNIQUE INDEX i ON t (a)": (Kind.CREATE_INDEX, "i"),
    b"CREATE SEQUENCE s": (Kind.CREATE_SEQUENCE, "s"),
    b"CREATE DATABASE /*!32312 IF NOT EXISTS*/ `shop` /*!40100 DEFAULT CHARACTER SET utf8mb4 */": (
        Kind.CREATE_DATABASE,
        "shop",
    ),
    b"DROP SCHEMA IF EXISTS shop": (Kind.DROP_DATABASE, "shop"),
    b"ALTER TABLE t DROP user": (Kind.ALTER_TABLE, "t"),
    b"/*!40000 ALTER TABLE `t` DISABLE KEYS */": (Kind.ALTER_TABLE, "t"),
    b"ALTER EVENT e ENABLE": (Kind.ALTER_EVENT, "e"),
    b"ALTER DATABASE shop CHARACTER SET utf8": (Kind.ALTER_DATABASE, "shop"),
    b"DROP TABLE IF EXISTS a, b": (Kind.DROP_TABLE, "a"),
    b"RENAME TABLE a TO b": (Kind.RENAME_TABLE, "a"),
    b"TRUNCATE TABLE t": (Kind.TRUNCATE, ""),
    b"INSERT INTO t VALUES (1)": (Kind.INSERT, ""),
    b"REPLACE INTO t VALUES (1)": (Kind.REPLACE, ""),
    b"(SELECT 1) UNION (SELECT 2)": (Kind.SELECT, ""),
    b"WITH a AS (SELECT 1) SELECT * FROM a": (Kind.SELECT, ""),
    b"DO SETVAL(`s`, 1, 0)": (Kind.DO, ""),
    b"SET @a = 1": (Kind.SET, ""),
    b"SET /* x */ GLOBAL a = 1": (Kind.SET_GLOBAL, ""),
    b"SET @@GLOBAL.a = 1": (Kind.SET_GLOBAL, ""),
    b"SET @@persist_only . a = 1": (Kind.SET_GLOBAL, ""),
    b"SET PASSWORD = 'x'": (Kind.ACCOUNT, ""),
    b"SET DEFAULT ROLE r": (Kind.ACCOUNT, ""),
    b"SET TRANSACTION READ ONLY": (Kind.SET, ""),
    b"SET STATEMENT max_statement_time=1 FOR SELECT 1": (Kind.SET_STATEMENT, ""),
    b"LOCK TABLES `t` WRITE": (Kind.LOCK, ""),
    b"UNLOCK TABLES": (Kind.UNLOCK, ""),
    b"LOCK INSTANCE FOR BACKUP": (Kind.SERVER, ""),
    b"START TRANSACTION": (Kind.TRANSACTION, ""),
    b"START SLAVE": (Kind.SERVER, ""),
    b"BEGIN": (Kind.TRANSACTION, ""),
    b"BEGIN WORK": (Kind.TRANSACTION, ""),
    b"BEGIN NOT ATOMIC SELECT 1; END": (Kind.OTHER, ""),
    b"COMMIT": (Kind.TRANSACTION, ""),
    b"ANALYZE LOCAL TABLE t": (Kind.MAINTAIN, ""),
    b"ANALYZE SELECT 1": (Kind.OTHER, ""),
    b"/*!40000 USE shop */": (Kind.USE, "shop"),
    b"CALL p()": (Kind.CALL, "p"),
    b"SHOW CREATE TABLE t": (Kind.SHOW, ""),
    b"EXECUTE IMMEDIATE 'x'": (Kind.DYNAMIC, ""),
    b"DROP PREPARE s": (Kind.DYNAMIC, "s"),
    b"GRANT ALL ON *.* TO a": (Kind.ACCOUNT, ""),
    b"DROP USER a": (Kind.ACCOUNT, "a"),
    b"LOAD DATA INFILE 'x' INTO TABLE t": (Kind.LOAD, ""),
    b"CREATE SERVER s FOREIGN DATA WRAPPER mysql": (Kind.SERVER, "s"),
    b"CREATE UNDO TABLESPACE x": (Kind.SERVER, "x"),
    b"CREATE PACKAGE p AS FUNCTION f RETURN INT; END": (Kind.OTHER, ""),
    b"XA START 'x'": (Kind.OTHER, ""),
}


@pytest.mark.parametrize("text", KINDS)
def test_a_statement_is_known_by_its_first_words(text: bytes) -> None:
    kind, name = KINDS[text]
    parsed = statement.parse(one(text))
    assert (parsed.kind, parsed.name) == (kind, name)


def test_a_list_of_names_is_read_to_its_end() -> None:
    assert statement.parse(one(b"DROP TABLE IF EXISTS a, `b c`, db.d CASCADE")).names() == ("a", "b c", "d")
    assert statement.parse(one(b"RENAME TABLE a TO b, db.c TO d")).renamed() == (("a", "b"), ("c", "d"))


def sorts(text: bytes, quoting: lexer.Quoting | None = None) -> list[tuple[str, bytes]]:
    return [(token.sort.value, token.text) for token in tokens.tokenize(text, quoting or lexer.Quoting())]


def test_tokens_are_told_apart() -> None:
    assert sorts(b"SELECT `a b`.c, 'x''y', \"z\", 1.5e3, .5, @v, @@session.x, 0xff FROM t.1st -- end") == [
        ("word", b"SELECT"), ("quoted", b"`a b`"), ("punct", b"."), ("word", b"c"), ("punct", b","),
        ("string", b"'x''y'"), ("punct", b","), ("string", b'"z"'), ("punct", b","), ("number", b"1.5e3"),
        ("punct", b","), ("number", b".5"), ("punct", b","), ("variable", b"@v"), ("punct", b","),
        ("variable", b"@@session.x"), ("punct", b","), ("number", b"0xff"), ("word", b"FROM"), ("word", b"t"),
        ("punct", b"."), ("word", b"1st"),
    ]  # fmt: skip


def test_double_quotes_make_names_under_ansi_quotes() -> None:
    assert sorts(b'"a""b"', lexer.Quoting(ansi_quotes=True)) == [("quoted", b'"a""b"')]


def test_versioned_comments_are_code_and_other_comments_are_not_there() -> None:
    assert sorts(b"a/*!50003 b*/ /* c */ /*M!100100d*/ #e\n2*/*f*/3") == [
        ("word", b"a"), ("word", b"b"), ("word", b"d"), ("number", b"2"), ("punct", b"*"), ("number", b"3"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text", [b"/*!99999 ' */ GRANT /* ' */", b"/*M!100100 -- */ GRANT */", b"/*!80000 `*/`*/", b"/*!99999 # */ DROP"]
)
def test_a_string_that_only_some_servers_see_is_murky(text: bytes) -> None:
    assert "murky" in [sort for sort, _ in sorts(text)]


def test_a_string_that_all_servers_see_may_hold_the_end_of_a_comment() -> None:
    assert sorts(b"/*!50003 SET @a = '*/' */") == [
        ("word", b"SET"), ("variable", b"@a"), ("punct", b"="), ("string", b"'*/'"),
    ]  # fmt: skip
