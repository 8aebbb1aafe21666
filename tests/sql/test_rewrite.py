"""What a statement looks like once it is fit for a tenant."""

from __future__ import annotations

import pytest

from reconciler.sql import rewrite, statement
from tests.sql.reading import for_tenant, one

DEFINERS = {
    b"CREATE DEFINER=`root`@`localhost` PROCEDURE p() SELECT 1": b"CREATE PROCEDURE p() SELECT 1",
    b"CREATE DEFINER = 'a'@'%' VIEW v AS SELECT 1": b"CREATE VIEW v AS SELECT 1",
    (b"CREATE DEFINER=root@localhost SQL SECURITY INVOKER VIEW v AS SELECT 1"): (
        b"CREATE SQL SECURITY INVOKER VIEW v AS SELECT 1"
    ),
    b"create definer=current_user() function f() returns int return 1": b"create function f() returns int return 1",
    (b"CREATE DEFINER=CURRENT_USER SQL SECURITY DEFINER VIEW v AS SELECT 1"): (
        b"CREATE SQL SECURITY DEFINER VIEW v AS SELECT 1"
    ),
    b"CREATE DEFINER=CURRENT_ROLE PROCEDURE p() SELECT 1": b"CREATE PROCEDURE p() SELECT 1",
    b"CREATE DEFINER=`a role` PROCEDURE p() SELECT 1": b"CREATE PROCEDURE p() SELECT 1",
    (b"CREATE DEFINER=admin\nTRIGGER g AFTER INSERT ON t FOR EACH ROW SET @a=1"): (
        b"CREATE \nTRIGGER g AFTER INSERT ON t FOR EACH ROW SET @a=1"
    ),
    b"CREATE DEFINER=`a`@/* x */'b' PROCEDURE p() SELECT 1": b"CREATE /* x */ PROCEDURE p() SELECT 1",
    (
        b"/*!50003 CREATE*/ /*!50017 "
        b"DEFINER=`root`@`localhost`*/ /*!50003 "
        b"TRIGGER `g` AFTER INSERT ON `t` FOR EACH ROW SET @a=1 */"
    ): (b"/*!50003 CREATE*/ /*!50003 TRIGGER `g` AFTER INSERT ON `t` FOR EACH ROW SET @a=1 */"),
    (
        b"/*!50001 CREATE ALGORITHM=UNDEFINED "
        b"*/\n/*!50013 DEFINER=`r`@`%` SQL "
        b"SECURITY DEFINER */\n/*!50001 VIEW `v` AS SELECT 1 */"
    ): (b"/*!50001 CREATE ALGORITHM=UNDEFINED */\n/*!50013 SQL SECURITY DEFINER */\n/*!50001 VIEW `v` AS SELECT 1 */"),
    b"/*!50003 CREATE*/ /*!50020 DEFINER=`a`@`b`*/ /*!50003 FUNCTION `f`() RETURNS int RETURN 1 */": (
        b"/*!50003 CREATE*/ /*!50003 FUNCTION `f`() RETURNS int RETURN 1 */"
    ),
    b"CREATE DEFINER=/*!50017 `a`@`b` */ VIEW v AS SELECT 1": b"CREATE VIEW v AS SELECT 1",
    b"ALTER DEFINER=`a`@`b` VIEW v AS SELECT 1": b"ALTER VIEW v AS SELECT 1",
}


@pytest.mark.parametrize("text", DEFINERS)
def test_a_definer_is_dropped_in_every_spelling(text: bytes) -> None:
    assert for_tenant(one(text)).text == DEFINERS[text]
    assert statement.parse(one(DEFINERS[text])).kind is statement.parse(one(text)).kind
    assert for_tenant(one(DEFINERS[text])).text == DEFINERS[text]


@pytest.mark.parametrize(
    "text",
    [
        b"CREATE PROCEDURE p() SQL SECURITY DEFINER SELECT 'DEFINER=`a`@`b`'",
        b"CREATE TABLE t (definer int DEFAULT 1)",
        b"CREATE PROCEDURE p() BEGIN SET definer=1; UPDATE t SET DEFINER=x; END",
        b"INSERT INTO t (definer) VALUES ('DEFINER=`a`@`b`')",
        b"/*!40101 SET NAMES utf8 */",
    ],
)
def test_the_word_definer_elsewhere_stays(text: bytes) -> None:
    assert for_tenant(one(text)) == rewrite.Rewritten(text)


EVENTS = {
    b"CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO SELECT 1": (
        b"CREATE EVENT e ON SCHEDULE EVERY 1 DAY DISABLE DO SELECT 1",
        True,
    ),
    b"CREATE EVENT e ON SCHEDULE EVERY 1 DAY ENABLE DO SELECT 1": (
        b"CREATE EVENT e ON SCHEDULE EVERY 1 DAY DISABLE DO SELECT 1",
        True,
    ),
    b"CREATE EVENT e ON SCHEDULE AT '2030-01-01' ON COMPLETION PRESERVE COMMENT 'ENABLE DO' DO SELECT 1": (
        b"CREATE EVENT e ON SCHEDULE AT '2030-01-01' ON COMPLETION PRESERVE DISABLE COMMENT 'ENABLE DO' DO SELECT 1",
        True,
    ),
    b"CREATE EVENT e ON SCHEDULE EVERY 1 DAY DISABLE DO SELECT 1": (
        b"CREATE EVENT e ON SCHEDULE EVERY 1 DAY DISABLE DO SELECT 1",
        False,
    ),
    b"CREATE EVENT e ON SCHEDULE EVERY 1 DAY DISABLE ON SLAVE DO SELECT 1": (
        b"CREATE EVENT e ON SCHEDULE EVERY 1 DAY DISABLE ON SLAVE DO SELECT 1",
        False,
    ),
    (
        b"/*!50106 CREATE*/ /*!50106 EVENT `e` ON SCHEDULE "
        b"EVERY 1 DAY STARTS '2020-01-01' ON "
        b"COMPLETION NOT PRESERVE ENABLE DO BEGIN SET @a=1; ALTER EVENT x ENABLE; END */"
    ): (
        (
            b"/*!50106 CREATE*/ /*!50106 EVENT `e` ON SCHEDULE "
            b"EVERY 1 DAY STARTS '2020-01-01' ON "
            b"COMPLETION NOT PRESERVE DISABLE DO BEGIN SET @a=1; ALTER EVENT x ENABLE; END */"
        ),
        True,
    ),
}


@pytest.mark.parametrize("text", EVENTS)
def test_an_event_is_made_asleep_and_remembered(text: bytes) -> None:
    expected, enabled = EVENTS[text]
    assert for_tenant(one(text)) == rewrite.Rewritten(expected, "e", enabled)


def test_what_makes_no_event_is_left_alone() -> None:
    text = b"CREATE TABLE event (enable int)"
    assert for_tenant(one(text)) == rewrite.Rewritten(text)


def test_the_dump_s_own_database_is_taken_out_of_names() -> None:
    text = (
        b"CREATE VIEW `Shop`.v AS SELECT shop.t.a, t.b, Shop.f(1), 'shop.x' FROM shop . t JOIN u shop ON shop.a = t.a"
    )
    wanted = b"CREATE VIEW v AS SELECT t.a, t.b, f(1), 'shop.x' FROM t JOIN u shop ON shop.a = t.a"
    assert for_tenant(one(text), mapping="shop").text == wanted


def test_all_is_done_at_once() -> None:
    text = (
        b"/*!50106 CREATE*/ /*!50117 DEFINER=`a`@`b`*/ "
        b"/*!50106 EVENT shop.`e` "
        b"ON SCHEDULE EVERY 1 DAY DO DELETE FROM shop.t */"
    )
    assert for_tenant(one(text), mapping="shop") == rewrite.Rewritten(
        b"/*!50106 CREATE*/ /*!50106 EVENT `e` ON SCHEDULE EVERY 1 DAY DISABLE DO DELETE FROM t */", "e", True
    )
