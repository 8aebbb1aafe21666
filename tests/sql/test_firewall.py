"""What may run in a tenant's database, and where the finger points when something may not."""

from __future__ import annotations

import pytest

from reconciler import errors
from tests.sql.reading import check, items, one, skipped

ALLOWED = [
    (
        b"CREATE TABLE t (a int, grant_id int, "
        b"`grant` int, `load` int) "
        b"ENGINE=InnoDB DEFAULT CHARSET=gbk COMMENT='GRANT ALL; x'"
    ),
    b"CREATE TABLE t (a int REFERENCES u (a) ON DELETE CASCADE ON UPDATE CASCADE, CHECK (a > 0))",
    b"CREATE TABLE t (d datetime DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP) /*!50100 TABLESPACE `x` */",
    b"CREATE TABLE t LIKE u",
    b"CREATE TABLE t (LIKE u)",
    b"CREATE TABLE t AS SELECT a.x FROM u a JOIN v b ON a.x LIKE b.y WHERE a.y LIKE b.z",
    b"ALTER TABLE t DROP user, DROP role, ALTER server SET DEFAULT 1, CHANGE master slave int, RENAME COLUMN a TO b",
    b"ALTER TABLE t ADD CONSTRAINT FOREIGN KEY (a) REFERENCES `u` (`a`), RENAME TO w",
    b"CREATE INDEX i ON t (a)",
    b"DROP INDEX i ON t",
    b"INSERT INTO t VALUES (1, 'x.y', NULL, -1.5e3, 0xff, N'a', _utf8'b', x'00'), (DEFAULT, TRUE, '', 2)",
    b"INSERT INTO t (a, `b`) SELECT s.a, s.b FROM s ON DUPLICATE KEY UPDATE a = VALUES(a), t.b = s.b, t.c = 1",
    b"INSERT INTO t SET server_id = 1, password = 'x'",
    b"UPDATE t a, u b SET a.x = b.y, a.role = 'x', a.password = 'y' WHERE a.id = b.id",
    b"DELETE a.*, b FROM t a JOIN u b ON a.id = b.id WHERE a.x IN (SELECT c.x FROM c)",
    b"DELETE FROM t USING t JOIN u WHERE t.a = u.a",
    b"REPLACE INTO t VALUES (1)",
    b"SELECT TRIM(LEADING 'x' FROM a.b), EXTRACT(YEAR FROM a.c), SUBSTRING(a.d FROM 2), f(a.e, b.g) FROM t a, u b",
    b"SELECT tables, a.b, event, a.c FROM event, a ORDER BY a.b, a.c",
    b"SELECT COUNT(*) INTO @n FROM information_schema.TABLES",
    b"SELECT CASE WHEN a.x THEN a.reset ELSE a.flush END FROM a",
    b"SELECT * FROM (a JOIN b USING (x)) LEFT JOIN (c, d) ON c.x = a.x AND d.y = b.y FOR UPDATE",
    b"CREATE VIEW v AS select `a`.`x` AS `x`,`b`.`y` AS `y` from (`t` `a` join `u` `b` on((`a`.`x` = `b`.`x`)))",
    (
        b"/*!50001 CREATE ALGORITHM=UNDEFINED */ "
        b"/*!50013 DEFINER=`a`@`%` SQL "
        b"SECURITY DEFINER */ /*!50001 VIEW `v` AS SELECT 1 */"
    ),
    b"CREATE TRIGGER g BEFORE UPDATE ON t FOR EACH ROW SET NEW.a = OLD.a, NEW.b = 1",
    b"CREATE TRIGGER g AFTER INSERT ON t FOR EACH ROW IF NEW.a THEN UPDATE u SET u.a = 1; ELSE DELETE FROM u; END IF",
    b"CREATE TRIGGER g AFTER INSERT ON t FOR EACH ROW BEGIN INSERT INTO u VALUES (NEW.a); SET @x = 'USE y'; END",
    b"CREATE PROCEDURE p() BEGIN DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN END; PREPARE s FROM @x; EXECUTE s; END",
    b"CREATE PROCEDURE p() BEGIN CASE a WHEN 1 THEN SELECT 1; END CASE; SELECT CASE 1 WHEN 1 THEN 2 END; END;",
    b"CREATE PROCEDURE p(OUT n INT) lab: BEGIN SELECT r.a, r.b INTO n, @x FROM r; LEAVE lab; END lab",
    b"CREATE PROCEDURE p() BEGIN ALTER TABLE t DROP user; DROP TABLE IF EXISTS a, b; CALL q(); END",
    b"CREATE FUNCTION f(a INT) RETURNS INT DETERMINISTIC RETURN REPLACE(a, 'x', 'y')",
    b"CREATE DEFINER=`root`@`localhost` EVENT e ON SCHEDULE EVERY 1 DAY DO DELETE FROM t WHERE t.a < NOW()",
    b"CREATE SEQUENCE s START WITH 1",
    b"DO SETVAL(`s`, 1001, 0)",
    b"/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */",
    b"/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */",
    b"/*M!100616 SET @OLD_NOTE_VERBOSITY=@@NOTE_VERBOSITY, NOTE_VERBOSITY=0 */",
    b"SET NAMES utf8mb4",
    b"SET @a = @@GLOBAL.x, autocommit = 0, SESSION foreign_key_checks = 0",
    b"SET character_set_client = latin1",
    b"LOCK TABLES `t` WRITE, u AS a READ",
    b"UNLOCK TABLES",
    b"DROP TABLE IF EXISTS a, b",
    b"DROP VIEW IF EXISTS a, b",
    b"RENAME TABLE a TO b, c TO d",
    b"START TRANSACTION",
    b"COMMIT",
    b"SHOW CREATE TABLE t",
    b"DESCRIBE t",
    b"INSERT INTO t VALUES (ST_GeomFromText('POINT(1 2)', 4326), UUID(), 1.5 + 2, next_of(s))",
    b"CREATE TABLE t (a int) WITH SYSTEM VERSIONING",
    b"CREATE TABLE t AS SELECT a, b FROM u",
    b"CREATE TABLE t (a geometry NOT NULL, SPATIAL KEY (a))",
    b"SET @MYSQLDUMP_TEMP_LOG_BIN = @@SESSION.SQL_LOG_BIN",
    b"CREATE PROCEDURE p() BEGIN DO GET_LOCK('x', 1); DELETE FROM t; DO RELEASE_LOCK('x'); END",
    b"CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO BEGIN IF GET_LOCK('x', 0) THEN DO RELEASE_ALL_LOCKS(); END IF; END",
    b"CREATE TRIGGER g AFTER INSERT ON t FOR EACH ROW SET @x = RELEASE_LOCK('x')",
    b"CREATE FUNCTION f() RETURNS INT RETURN IS_USED_LOCK('x')",
    b"CREATE VIEW v AS SELECT GET_LOCK('x', 0) AS x",
    b"CREATE TABLE `get_lock` (a int, KEY `release_lock` (a))",
    b"CREATE TABLE IF NOT EXISTS release_all_locks (a int)",
    b"CREATE INDEX get_lock ON release_lock (a)",
    b"INSERT INTO release_lock (a, get_lock) VALUES (1, 'RELEASE_ALL_LOCKS()')",
    b"INSERT INTO `release_lock` (a) SELECT get_lock FROM t -- RELEASE_LOCK('x')",
    b"SELECT IS_FREE_LOCK('x'), a.get_lock FROM a",
]


@pytest.mark.parametrize("text", ALLOWED)
def test_what_a_tenant_s_schema_needs_is_allowed(text: bytes) -> None:
    assert check(one(text), database=None) is None


# The statement with the word that the finger must point at between ^ and ^, and the rule.
REFUSED = [
    (b"^CREATE^ DATABASE x", "database"),
    (b"^ALTER^ DATABASE x CHARACTER SET utf8", "database"),
    (b"/*!50003 ^DROP^ DATABASE x */", "database"),
    (b"/*!40000 ^USE^ x */", "database"),
    (b"^GRANT^ ALL ON *.* TO a", "account"),
    (b"^REVOKE^ ALL ON *.* FROM a", "account"),
    (b"^CREATE^ USER a", "account"),
    (b"^CREATE^ OR REPLACE ROLE a", "account"),
    (b"^SET^ PASSWORD = PASSWORD('x')", "account"),
    (b"^SET^ GLOBAL x = 1", "global"),
    (b"SET @a = 1^,^ GLOBAL x = 1", "global"),
    (b"SET a = 1^,^ @@global.x = 1", "global"),
    (b"^SET^ PERSIST x = 1", "global"),
    (b"^SET^ sql_log_bin = 0", "session"),
    (b"^SET^ @@SESSION.SQL_LOG_BIN= 0", "session"),
    (b"^SET^ SESSION `sql_log_bin` = 0", "session"),
    (b"SET ^NAMES^ gbk", "charset"),
    (b"^SET^ character_set_client = 'sjis'", "charset"),
    (b"^SET^ sql_mode='ORACLE'", "session"),
    (b"^LOAD^ DATA LOCAL INFILE 'x' INTO TABLE t", "file"),
    (b"SELECT 1\n^INTO^ OUTFILE 'x'", "file"),
    (b"SELECT 1 ^INTO^ /* c */ DUMPFILE 'x'", "file"),
    (b"SELECT ^LOAD_FILE^ ('x')", "file"),
    (b"INSERT INTO t VALUES (1), (^load_file^('x'))", "file"),
    (b"CREATE FUNCTION f RETURNS INT ^SONAME^ 'x.so'", "plugin"),
    (b"^INSTALL^ PLUGIN x SONAME 'y'", "server"),
    (b"^CREATE^ SERVER s FOREIGN DATA WRAPPER mysql OPTIONS (HOST 'x')", "server"),
    (b"^CREATE^ TABLESPACE x ADD DATAFILE 'y'", "server"),
    (b"CREATE TABLE t (a int) ^ENGINE^=FEDERATED CONNECTION='mysql://x'", "engine"),
    (b"CREATE TABLE t (a int) ^ENGINE^ = 'Connect'", "engine"),
    (b"ALTER TABLE t ^ENGINE^ `SPIDER`", "engine"),
    (b"CREATE TABLE t (a int) ^DATA^ DIRECTORY='/tmp'", "file"),
    (b"ALTER TABLE t ^IMPORT^ TABLESPACE", "file"),
    (b"^HANDLER^ t OPEN", "not-allowed"),
    (b"^FLUSH^ PRIVILEGES", "server"),
    (b"^KILL^ 1", "server"),
    (b"^SHUTDOWN^", "server"),
    (b"^CHANGE^ MASTER TO MASTER_HOST='x'", "server"),
    (b"^PREPARE^ s FROM 'x'", "dynamic"),
    (b"^EXECUTE^ IMMEDIATE 'x'", "dynamic"),
    (b"^SET^ STATEMENT max_statement_time=1 FOR DROP TABLE t", "dynamic"),
    (b"^CALL^ p()", "call"),
    (b"^ALTER^ EVENT e ENABLE", "event"),
    (b"^BEGIN^ NOT ATOMIC DROP TABLE t; END", "not-allowed"),
    (b"^SET^ @@GLOBAL.GTID_PURGED=/*!80000 '+'*/ 'a:1-5'", "global"),
    (b"^CREATE^ PACKAGE p AS FUNCTION f RETURN INT; END", "not-allowed"),
    (b"^gibberish^", "not-allowed"),
    (b"INSERT INTO t VALUES (1); ^DROP^ TABLE t", "several-statements"),
    (b"CREATE PROCEDURE p() SELECT 1; ^DROP^ TABLE t", "several-statements"),
    (b"CREATE PROCEDURE p() BEGIN SELECT 1; END; ^DROP^ TABLE t", "several-statements"),
    (b"CREATE PROCEDURE p() BEGIN ^GRANT^ ALL ON x TO y; END", "account"),
    (b"CREATE PROCEDURE p() BEGIN IF 1 THEN ^DROP^ DATABASE x; END IF; END", "database"),
    (b"CREATE PROCEDURE p() ^DROP^ USER x", "account"),
    (b"CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO ^SET^ GLOBAL x = 1", "global"),
    (b"CREATE PROCEDURE p() BEGIN ^KILL^ 5; END", "server"),
    (b"SELECT ^/*!99999 ' */^ 1 /* ' */", "murky"),
    (b"SELECT ^RELEASE_ALL_LOCKS^()", "lock"),
    (b"SELECT 1, ^`release_all_locks`^ ()", "lock"),
    (b"DO ^Release_Lock^('x')", "lock"),
    (b"SELECT ^GET_LOCK^('x', 1)", "lock"),
    (b"SET @x = ^RELEASE_ALL_LOCKS^()", "lock"),
    (b"SELECT /*!50003 ^release_lock^('x') */", "lock"),
    (b"INSERT INTO t VALUES (1), (^release_all_locks^())", "lock"),
    (b"INSERT INTO t (a) VALUES (1) ON DUPLICATE KEY UPDATE a = ^RELEASE_LOCK^('x')", "lock"),
    (b"UPDATE t SET a = 1 WHERE ^GET_LOCK^('x', 1)", "lock"),
    (b"CREATE TABLE t AS SELECT ^RELEASE_ALL_LOCKS^() AS x", "lock"),
    (b"SELECT * FROM a JOIN b ON ^RELEASE_ALL_LOCKS^()", "lock"),
]


def pointed(text: bytes) -> tuple[bytes, int]:
    before, word, after = text.split(b"^")
    return before + word + after, len(before)


@pytest.mark.parametrize(("marked", "rule"), REFUSED)
def test_what_would_leave_the_tenant_is_refused_at_the_word(marked: bytes, rule: str) -> None:
    text, offset = pointed(marked)
    statement = one(text)
    fault = check(statement, database=None)
    assert fault is not None
    assert fault.rule == rule
    if rule != "murky":
        assert fault.where == statement.place(offset)
    assert fault.message
    assert fault.hint


QUALIFIED = [
    b"CREATE TABLE ^other.t (a int)",
    b"CREATE TABLE IF NOT EXISTS ^`other` . `t` (a int)",
    b"CREATE TABLE t LIKE ^other.u",
    b"CREATE TABLE t (LIKE ^other.u)",
    b"CREATE TABLE t (a int, FOREIGN KEY (a) REFERENCES ^other.u (a))",
    b"CREATE TABLE t (a int DEFAULT nextval(^`other`.`s`))",
    b"CREATE TABLE t (a int) ENGINE=MERGE UNION=(u,^other.v)",
    b"CREATE TABLE t AS SELECT * FROM ^other.u",
    b"ALTER TABLE ^other.t ADD a int",
    b"ALTER TABLE t RENAME TO ^other.t",
    b"ALTER TABLE t RENAME ^other.t",
    b"DROP TABLE IF EXISTS t, ^other.t",
    b"DROP VIEW v, ^other.v",
    b"TRUNCATE TABLE ^other.t",
    b"RENAME TABLE t TO ^other.t",
    b"CREATE INDEX i ON ^other.t (a)",
    b"DROP INDEX i ON ^other.t",
    b"CREATE VIEW ^other.v AS SELECT 1",
    b"CREATE VIEW v AS SELECT * FROM t JOIN ^other.u ON t.a = u.a",
    b"CREATE VIEW v AS SELECT a.x FROM t a, ^other.u b",
    b"CREATE VIEW v AS SELECT * FROM (t JOIN ^other.u)",
    b"CREATE VIEW v AS SELECT (SELECT 1 FROM ^other.u LIMIT 1)",
    b"CREATE VIEW v AS SELECT ^other.u.c FROM u",
    b"CREATE VIEW v AS SELECT ^other.f(1)",
    b"CREATE VIEW v AS SELECT 1 FROM a UNION SELECT 2 FROM ^other.b",
    b"CREATE TRIGGER g BEFORE UPDATE ON ^other.t FOR EACH ROW SET @a = 1",
    b"CREATE TRIGGER ^other.g AFTER INSERT ON t FOR EACH ROW SET @a = 1",
    b"CREATE TRIGGER g AFTER INSERT ON t FOR EACH ROW BEGIN UPDATE ^other.u SET a = 1; END",
    b"CREATE TRIGGER g AFTER INSERT ON t FOR EACH ROW INSERT ^other.u VALUES (1)",
    b"CREATE PROCEDURE ^other.p() SELECT 1",
    b"CREATE PROCEDURE p() BEGIN CALL ^other.q(); END",
    b"CREATE PROCEDURE p() BEGIN DROP TEMPORARY TABLE ^other.t; END",
    b"CREATE PROCEDURE p() BEGIN DROP VIEW a, ^other.v; END",
    b"CREATE DEFINER=a@b EVENT ^other.e ON SCHEDULE EVERY 1 DAY DO SELECT 1",
    b"INSERT INTO ^other.t VALUES (1)",
    b"INSERT IGNORE INTO t SELECT * FROM ^mysql.user",
    b"REPLACE ^other.t VALUES (1)",
    b"UPDATE t, ^other.u SET t.a = 1",
    b"DELETE FROM ^other.t",
    b"DELETE t FROM t JOIN ^other.u",
    b"DELETE FROM t USING t JOIN ^other.u",
    b"LOCK TABLES t READ, ^other.t WRITE",
    b"ANALYZE TABLE ^other.t",
    b"SELECT * FROM t WHERE a IN (SELECT b FROM ^/*!50003 other*/.u)",
    b"/*!50001 CREATE VIEW v AS SELECT 1 FROM ^other.t */",
]


@pytest.mark.parametrize("marked", QUALIFIED)
def test_the_name_of_another_database_is_refused_where_it_stands(marked: bytes) -> None:
    before, _, after = marked.partition(b"^")
    statement = one(before + after)
    fault = check(statement, database=None)
    assert fault is not None
    assert fault.rule == "other-database"
    comment = b"/*!50003 " if after.startswith(b"/*!50003 ") else b""
    assert fault.where == statement.place(len(before + comment))


@pytest.mark.parametrize("marked", QUALIFIED)
def test_the_tenant_s_own_database_may_be_named(marked: bytes) -> None:
    own = "mysql" if b"mysql" in marked else "other"
    assert check(one(marked.replace(b"^", b"")), database=own) is None
    assert check(one(marked.replace(b"^", b"")), database=own.upper()) is not None


HEADER = b"DROP DATABASE IF EXISTS `Shop`;\nCREATE DATABASE /*!32312 IF NOT EXISTS*/ `Shop`;\nUSE `Shop`;\nuse shop\n"


def test_a_header_that_names_the_mapped_database_is_skipped() -> None:
    header = items(HEADER + b"ALTER DATABASE Shop CHARACTER SET utf8;")
    assert len(header) == 5
    assert all(skipped(item, mapping="shop") for item in header)
    assert all(check(item, database=None, mapping="shop") is None for item in header)


def test_a_header_that_names_another_database_than_the_mapped_one_is_refused() -> None:
    for item in items(HEADER):
        assert not skipped(item, mapping="other")
        assert check(item, database=None, mapping="other") is not None
        assert check(item, database=None) is not None


def test_nothing_hides_behind_a_skipped_header() -> None:
    statement = one(b"CREATE DATABASE shop; DROP DATABASE mysql")
    assert not skipped(statement, mapping="shop")
    assert check(statement, database=None, mapping="shop") is not None


@pytest.mark.parametrize(
    "text",
    [
        b"/*!50717 PREPARE s FROM @rocksdb_get_is_supported */",
        b"/*!50717 EXECUTE s */",
        b"/*!80000 SET SESSION information_schema_stats_expiry=0 */",
    ],
)
def test_what_no_mariadb_executes_is_left_out(text: bytes) -> None:
    assert skipped(one(text), mapping=None)


@pytest.mark.parametrize(
    "text", [b"/*!50650 DROP DATABASE x */", b"/*!100100 DROP DATABASE x */", b"/*!50700 a */ DROP DATABASE x"]
)
def test_what_a_mariadb_executes_is_not_left_out(text: bytes) -> None:
    assert not skipped(one(text), mapping=None)
    assert check(one(text)) is not None


def test_use_of_the_tenant_s_own_database_is_allowed() -> None:
    for item in items(b"USE `t`;\nUSE t\n"):
        assert check(item, database="t") is None
    assert check(one(b"/*!40000 USE t */"), database="t") is None


@pytest.mark.parametrize("command", [b"source x.sql", b"\\! ls", b"system ls", b"tee f", b"pager x", b"quit", b"\\. f"])
def test_commands_of_the_client_are_refused_with_the_line(command: bytes) -> None:
    item = items(b"SELECT 1;\n" + command + b"\n")[1]
    fault = check(item, database=None)
    assert fault is not None
    assert (fault.rule, fault.where) == ("client-command", errors.Where("s.sql", 2, 1))
