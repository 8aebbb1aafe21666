"""What must be refused is refused with its line and nothing is touched; what fails in the middle leaves nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconciler import errors
from reconciler.model.outcome import Result
from tests.imports import parity
from tests.support import server as servers
from tests.support.faults import Boundaries
from tests.support.shop import Shop

REFUSED = {
    "accounts": (b"CREATE TABLE t (a int);\n\nCREATE USER 'x'@'%' IDENTIFIED BY 'y';\n", 3, "accounts"),
    "grants": (b"CREATE TABLE t (a int);\nGRANT ALL ON *.* TO x;\n", 2, "grants"),
    "another database": (b"\nCREATE TABLE other.t (a int);\n", 2, "another database"),
    "a database as a whole": (b"CREATE DATABASE shop;\nUSE shop;\n", 1, "as a whole"),
    "the server": (b"SELECT 1;\nSET GLOBAL max_connections = 1;\n", 2, "every tenant"),
    "the header of mysqldump 8": (
        b"SET @MYSQLDUMP_TEMP_LOG_BIN = @@SESSION.SQL_LOG_BIN;\nSET @@SESSION.SQL_LOG_BIN= 0;\n"
        b"SET @@GLOBAL.GTID_PURGED=/*!80000 '+'*/ 'a:1-5';\nCREATE TABLE t (a int);\n",
        2,
        "administrator",
    ),
    "a file of the server": (b"SELECT 1 INTO OUTFILE '/tmp/x';\n", 1, "files"),
    "a plugin": (b"INSTALL SONAME 'ha_connect';\n", 1, "administers"),
    "the client": (b"SELECT 1;\n\\! ls\n", 2, "command-line client"),
    "a text that only the server knows": (b"SET @s = 'DROP TABLE t';\nPREPARE s FROM @s;\n", 2, "only known"),
    "a procedure that puts its statements together": (
        b"DELIMITER //\nCREATE PROCEDURE p() BEGIN PREPARE s FROM @x; EXECUTE s; END //\nDELIMITER ;\nCALL p();\n",
        4,
        "procedure",
    ),
    "a package": (b"SET sql_mode = ORACLE;\nCREATE PACKAGE p AS FUNCTION f RETURN INT; END;\n", 1, "dialect"),
    "a file that is not there": (b"CREATE TABLE t (a int);\nsource missing.sql\n", 2, "not there"),
    "a file outside": (b"source ../platform.yaml\n", 1, "outside"),
    "an open string": (b"CREATE TABLE t (a int);\nINSERT INTO t VALUES ('x);\n", 2, "no end"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_leaves_the_tenant_is_refused_with_its_line_and_nothing_is_touched(shop: Shop, name: str) -> None:
    text, line, words = REFUSED[name]
    before = shop.world()
    with pytest.raises(errors.InvalidSpecs) as refused:
        parity.ours(shop, text)
    fault = refused.value.faults[0]
    assert (fault.where.file, fault.where.line) == ("specs/schema.sql", line)
    assert words in fault.message
    assert fault.hint
    assert shop.world() == before


def test_every_refusal_of_a_dump_header_says_which_option_leaves_it_out(shop: Shop) -> None:
    with pytest.raises(errors.InvalidSpecs) as refused:
        parity.ours(shop, REFUSED["the header of mysqldump 8"][0])
    assert [fault.where.line for fault in refused.value.faults] == [2, 3]
    assert all("--set-gtid-purged=OFF" in fault.hint for fault in refused.value.faults)


FAILING = {
    "a table that is not there": (
        b"CREATE TABLE t (a int);\n" + b"-- seeds\n" * 16 + b"INSERT INTO u VALUES (1);\n",
        18,
    ),
    "a row that is there twice": (
        b"CREATE TABLE t (a int PRIMARY KEY);\n"
        + b"".join(b"INSERT INTO t VALUES (%d);\n" % n for n in range(16))
        + b"INSERT INTO t VALUES (3);\nINSERT INTO t VALUES (99);\n",
        18,
    ),
    "a word that is none": (b"CREATE TABLE t (a int);\nSELECT 1;\nSELECT FROM WHERE;\nSELECT 2;\n", 3),
    "a collation of MySQL": (
        b"SELECT 1;\nCREATE TABLE t (a text) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_zh_0900_as_cs;\n",
        2,
    ),
    "an error of a trigger": (
        b"CREATE TABLE t (a int);\nDELIMITER $$\nCREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW BEGIN\n"
        b"  IF NEW.a > 1 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no'; END IF;\nEND $$\nDELIMITER ;\n"
        b"INSERT INTO t VALUES (1);\nINSERT INTO t VALUES (2);\n",
        8,
    ),
    "a called procedure": (
        b"DELIMITER $$\nCREATE PROCEDURE p() BEGIN SELECT 1; SELECT 2; SELECT * FROM nowhere; END $$\nDELIMITER ;\n"
        b"CREATE TABLE t (a int);\nCALL p();\n",
        5,
    ),
}


@pytest.mark.parametrize("name", FAILING)
def test_a_file_that_fails_in_the_middle_names_the_line_and_leaves_nothing(shop: Shop, name: str) -> None:
    text, line = FAILING[name]
    before = shop.world()
    ended = parity.ours(shop, text)
    assert ended.result is Result.ROLLED_BACK
    assert ended.failure is not None
    assert ended.failure.code == "script-failed"
    assert ended.failure.message.startswith(f"specs/schema.sql:{line}:1: ")
    assert shop.world() == before
    assert b" at line %d: " % line in parity.official(shop.server, text).stderr


def test_a_collation_of_mysql_comes_with_advice(shop: Shop) -> None:
    ended = parity.ours(shop, FAILING["a collation of MySQL"][0])
    assert ended.failure is not None
    assert "11.4.5" in ended.failure.advice


UNUSABLE = {
    "a key that leads nowhere": (
        b"SET FOREIGN_KEY_CHECKS = 0;\n"
        b"CREATE TABLE t (a int, CONSTRAINT nowhere FOREIGN KEY (a) REFERENCES gone (a));\n",
        "foreign key t.nowhere",
    ),
    "a view of a table that was dropped": (
        b"CREATE TABLE t (a int);\nCREATE VIEW v AS SELECT a FROM t;\nDROP TABLE t;\n",
        "view v",
    ),
    "a view of a function that was dropped": (
        b"CREATE FUNCTION f() RETURNS int DETERMINISTIC RETURN 1;\n"
        b"CREATE VIEW v AS SELECT f() AS a;\nDROP FUNCTION f;\n",
        "view v",
    ),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_what_was_imported_and_can_t_be_used_is_not_called_done(shop: Shop, name: str) -> None:
    text, words = UNUSABLE[name]
    before = shop.world()
    ended = parity.ours(shop, text)
    assert ended.result is Result.ROLLED_BACK
    assert ended.failure is not None
    assert ended.failure.code == "verification-failed"
    assert words in ended.failure.message
    assert shop.world() == before


def test_a_statement_that_is_longer_than_the_server_takes_is_refused_before_the_start(shop: Shop) -> None:
    shop.server.sql("SET GLOBAL max_allowed_packet = 1048576")
    try:
        before = shop.world()
        ended = parity.ours(shop, b"CREATE TABLE t (a longtext);\nINSERT INTO t VALUES ('%b');\n" % (b"x" * 1_100_000))
        assert ended.result is Result.BLOCKED
        assert ended.failure is not None
        assert "1100025 bytes" in ended.failure.message
        assert shop.world() == before
    finally:
        shop.server.sql("SET GLOBAL max_allowed_packet = DEFAULT")


def test_the_own_account_reaches_nothing_but_its_database(shop: Shop) -> None:
    shop.server.sql("CREATE DATABASE neighbour")
    boundaries = Boundaries()
    cross = boundaries.cross

    def meanwhile(kind: Any, what: str, *arguments: Any) -> Any:
        if "CREATE DATABASE `pos_one`" in what:  # after the look, which would have seen it
            shop.server.sql("GRANT SELECT ON neighbour.* TO PUBLIC")
        return cross(kind, what, *arguments)

    boundaries.cross = meanwhile  # type: ignore[method-assign, assignment]
    ended = parity.ours(shop, b"CREATE TABLE t (a int);\n", ports=boundaries.ports())
    assert ended.failure is not None
    assert "could import into more than pos_one: it reaches neighbour" in ended.failure.message
    assert "pos_one" not in shop.server.databases()


def test_the_own_account_is_locked_and_has_no_session_afterwards(shop: Shop) -> None:
    assert parity.ours(shop, b"CREATE TABLE t (a int);\n").result is Result.APPLIED
    priv = shop.server.sql("SELECT Priv FROM mysql.global_priv WHERE User = 'pos_one_own'")[0][0]
    assert '"account_locked":true' in priv
    assert shop.server.sql("SELECT 1 FROM information_schema.PROCESSLIST WHERE USER = 'pos_one_own'") == []


@pytest.fixture(scope="module")
def logging_server() -> object:
    """A server with a binary log that trusts nobody to make functions."""
    with servers.private_server("--log-bin=log", "--server-id=1", "--log-bin-trust-function-creators=0") as started:
        yield started


PROGRAMS = (Path(__file__).parent / "files/mariadb_dump.sql").read_bytes()


def test_functions_and_triggers_wait_for_trust_where_there_is_a_binary_log(
    tmp_path: Path, logging_server: servers.Server
) -> None:
    logging_server.wipe()
    shop = Shop(tmp_path, logging_server)
    shop.apply()
    before = shop.world()
    ended = parity.ours(shop, PROGRAMS, "shop")
    assert ended.result is Result.BLOCKED
    assert ended.failure is not None
    assert "log_bin_trust_function_creators" in ended.failure.advice
    assert shop.world() == before


def test_an_administrator_makes_functions_and_triggers_in_the_own_account_s_name(
    tmp_path: Path, logging_server: servers.Server
) -> None:
    logging_server.wipe()
    logging_server.sql(f"GRANT SUPER, SET USER ON *.* TO '{logging_server.user}'@'%'")
    shop = Shop(tmp_path, logging_server)
    shop.apply()
    ended = parity.ours(shop, PROGRAMS, "shop")
    assert ended.result is Result.APPLIED, ended.failure
    assert parity.official(logging_server, PROGRAMS, "shop", make=False).returncode == 0
    assert parity.dumped(logging_server, parity.DATABASE) == parity.dumped(logging_server, "shop")
    definers = logging_server.sql(
        "SELECT DEFINER FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = 'pos_one' "
        "UNION SELECT DEFINER FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = 'pos_one'"
    )
    assert definers == [("pos_one_own@%",)]


def test_super_alone_makes_none_where_another_definer_takes_a_privilege_of_its_own(
    tmp_path: Path, logging_server: servers.Server
) -> None:
    logging_server.wipe()
    logging_server.sql(f"GRANT SUPER ON *.* TO '{logging_server.user}'@'%'")
    shop = Shop(tmp_path, logging_server)
    shop.apply()
    ended = parity.ours(shop, PROGRAMS, "shop")
    release = int(logging_server.sql("SELECT VERSION()")[0][0].split(".")[0])
    assert ended.result is (Result.APPLIED if release < 11 else Result.BLOCKED), ended.failure
    assert ended.failure is None or "SET USER" in ended.failure.message
