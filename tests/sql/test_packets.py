"""Which statements share a packet, and which procedures may be called."""

from __future__ import annotations

import pytest

from reconciler import errors
from reconciler.sql import firewall, outgoing, rewrite


def sent(text: bytes) -> list[outgoing.Outgoing]:
    return list(outgoing.outgoing(text, file="s.sql", wall=firewall.Firewall()))


def packets(text: bytes, limit: int = 1000) -> list[list[bytes]]:
    return [[one.text for one in packet] for packet in outgoing.packets(sent(text), limit)]


def test_statements_share_a_packet_up_to_the_limit() -> None:
    assert packets(b"SELECT 1;SELECT 2;SELECT 3;SELECT 4;", 25) == [
        [b"SELECT 1", b"SELECT 2"],
        [b"SELECT 3", b"SELECT 4"],
    ]


def test_a_statement_that_is_longer_than_the_limit_goes_alone() -> None:
    assert packets(b"SELECT 1;SELECT 'long enough';SELECT 2;", 12) == [
        [b"SELECT 1"],
        [b"SELECT 'long enough'"],
        [b"SELECT 2"],
    ]


def test_no_packet_has_more_than_a_thousand_statements() -> None:
    assert [len(packet) for packet in packets(b"SELECT 1;" * 2500, 10**9)] == [1000, 1000, 500]


@pytest.mark.parametrize(
    "text",
    [
        b"CREATE TRIGGER g AFTER INSERT ON t FOR EACH ROW SET @a = 1",
        b"CREATE PROCEDURE p() SELECT 1",
        b"DROP TRIGGER g",
        b"SELECT 1;",
        b"/*!100100 SET SESSION x = 1 */",
        b"/*M!100100 SELECT 1 */",
    ],
)
def test_what_a_server_could_take_for_more_or_less_than_one_goes_alone(text: bytes) -> None:
    assert packets(b"DELIMITER $$\nSELECT 0$$\n" + text + b"$$\nSELECT 2$$") == [[b"SELECT 0"], [text], [b"SELECT 2"]]


def test_functions_and_triggers_say_where_a_definer_goes() -> None:
    trigger = sent(
        b"/*!50003 CREATE*/ /*!50017 DEFINER=`a`@`b`*/ /*!50003 TRIGGER g AFTER INSERT ON t FOR EACH ROW SET @a=1 */"
    )
    function = sent(b"CREATE /* x */ OR REPLACE FUNCTION f() RETURNS int RETURN 1")
    for (one,), expected in (
        (trigger, b"/*!50003 CREATE DEFINER='o'@'%'*/ /*!50003 TRIGGER"),
        (function, b"CREATE  OR REPLACE DEFINER='o'@'%' FUNCTION"),
    ):
        assert rewrite.with_definer(one.text, one.definer_place, b"'o'@'%'").startswith(expected)
    assert sent(b"CREATE PROCEDURE p() SELECT 1")[0].definer_place == -1


CALLED = {
    "made before": (b"CREATE PROCEDURE p() BEGIN SELECT 1; END//CALL p()//", True),
    "made before, in other letters": (b"CREATE PROCEDURE `P`() BEGIN SELECT 1; END//CALL p(1, 'x')//", True),
    "calls one that was made before": (
        b"CREATE PROCEDURE p() SELECT 1//CREATE PROCEDURE q() CALL p()//CALL q()//",
        True,
    ),
    "calls itself": (b"CREATE PROCEDURE p() BEGIN IF @a THEN CALL p(); END IF; END//CALL p()//", True),
    "sets a column that is called password": (b"CREATE PROCEDURE p() UPDATE t SET password = 'x'//CALL p()//", True),
    "made nowhere": (b"CALL p()//", False),
    "made later": (b"CALL p()//CREATE PROCEDURE p() SELECT 1//", False),
    "puts statements together": (b"CREATE PROCEDURE p() BEGIN PREPARE s FROM @a; END//CALL p()//", False),
    "executes a text": (b"CREATE PROCEDURE p() EXECUTE IMMEDIATE 'SELECT 1'//CALL p()//", False),
    "calls one that does": (
        b"CREATE PROCEDURE p() EXECUTE IMMEDIATE 'SELECT 1'//CREATE PROCEDURE q() CALL p()//CALL q()//",
        False,
    ),
    "sets its own password": (b"CREATE PROCEDURE p() BEGIN SET PASSWORD = PASSWORD('x'); END//CALL p()//", False),
    "gives locks back": (b"CREATE PROCEDURE p() DO RELEASE_ALL_LOCKS()//CALL p()//", False),
    "calls one that does so": (
        b"CREATE PROCEDURE p() DO `release_lock` ('x')//CREATE PROCEDURE q() CALL p()//CALL q()//",
        False,
    ),
    "made again in another way": (
        b"CREATE PROCEDURE p() SELECT 1//CREATE OR REPLACE PROCEDURE p() EXECUTE IMMEDIATE @a//CALL p()//",
        False,
    ),
}


@pytest.mark.parametrize("name", CALLED)
def test_a_procedure_may_be_called_if_the_script_says_all_that_it_does(name: str) -> None:
    text, allowed = CALLED[name]
    if allowed:
        assert sent(b"DELIMITER //\n" + text)[-1].call
    else:
        with pytest.raises(errors.ScriptRefused, match="procedure"):
            sent(b"DELIMITER //\n" + text)
