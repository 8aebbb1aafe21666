"""Grants on routines, of which a server keeps a name that is no ASCII in other letters; and what versions differ in."""

from __future__ import annotations

from collections.abc import Iterator

import pymysql
import pytest

from reconciler.model import plan as plans
from reconciler.model.outcome import Result
from reconciler.model.server import Server
from reconciler.ports.mysql import census, everybody, routines
from reconciler.ports.mysql import connection as mysql
from tests.engine.drifting import follow_advice
from tests.engine.test_drifted_accounts import add, planned, run
from tests.support import server as servers
from tests.support.faults import Boundaries, Fault
from tests.support.shop import Shop

NAMES = ["año_actual", "Ñandú", "日本", "ÁÍ", "Ã±", "with two blanks"]
LONG = "x" * 60 + "ñññ"
"""Of which the server keeps 64 letters, two for each of the last ones."""
FILE = "specs/products/agenda-ia/schema/0009_more.sql"
GRANTED = "SELECT COUNT(*) FROM mysql.procs_priv"


@pytest.fixture
def oracle(shop: Shop) -> Iterator[pymysql.cursors.Cursor]:
    """An administrator's session in which packages can be granted."""
    connection = shop.server.root()
    with connection.cursor() as cursor:
        cursor.execute("SET sql_mode = ORACLE")
        yield cursor
    connection.close()


def made(shop: Shop, *names: str) -> None:
    """The tenant ``one``, whose schema has functions of these names."""
    functions = [f"CREATE FUNCTION `{name}` () RETURNS INT DETERMINISTIC RETURN 1;\n" for name in names]
    (shop.root / FILE).write_text("".join(functions))
    add(shop, "agenda")


def grant(shop: Shop, name: str, *, to: str = "APP", restarted: bool = False) -> None:
    """Somebody grants a function; ``restarted`` as it is after the server's next start."""
    run(shop, "agenda", f"GRANT EXECUTE, ALTER ROUTINE ON FUNCTION DB.`{name}` TO {to} WITH GRANT OPTION")
    if restarted:
        run(shop, "agenda", "FLUSH PRIVILEGES")


@pytest.mark.parametrize("restarted", [False, True])
def test_what_an_account_got_on_a_routine_is_revoked_whatever_its_name(shop: Shop, restarted: bool) -> None:
    made(shop, *NAMES)
    for name in NAMES:
        grant(shop, name, restarted=restarted)
    found = planned(shop)
    assert (found.action, found.blockers) == (plans.Action.REPAIR, ())
    (change,) = (change for change in found.changes if change.resource == "grants")
    assert {level for level, *_ in change.details} == {f"agenda_one.FUNCTION {name}" for name in NAMES}
    assert shop.apply()["one"].failure is None
    assert shop.server.sql(GRANTED) == [(0,)]
    assert shop.plan(deep=True).empty


@pytest.mark.parametrize("restarted", [False, True])
def test_a_rollback_leaves_the_grant_on_a_routine_as_it_was(shop: Shop, restarted: bool) -> None:
    made(shop, "año_actual")
    grant(shop, "año_actual", restarted=restarted)
    before = shop.world()
    clean = Boundaries()
    shop.apply(clean.ports())
    (first, *_) = (at for at, what in enumerate(clean.log, 1) if what.startswith("«REVOKE"))
    tried = 0
    for at in range(first, clean.count, 11):
        grant(shop, "año_actual", restarted=restarted)
        before = shop.world()
        ended = shop.apply(Boundaries({at: Fault.ERROR}).ports())["one"]
        if ended.result is Result.ROLLED_BACK:
            assert before.difference(shop.world()) == []
            tried += 1
    assert tried > 1


@pytest.mark.parametrize("gone", [False, True])
def test_a_grant_that_no_revoke_finds_blocks_with_the_statement_that_ends_it(shop: Shop, gone: bool) -> None:
    """The routine that it is on is gone, or has a name of which the server kept only a part."""
    add(shop, "agenda")
    name = "año_viejo" if gone else LONG
    run(shop, "agenda", f"CREATE FUNCTION DB.`{name}` () RETURNS INT DETERMINISTIC RETURN 1")
    grant(shop, name, restarted=True)
    if gone:
        run(shop, "agenda", f"DROP FUNCTION DB.`{name}`")
    assert [blocker.code for blocker in planned(shop).blockers] == ["isolation"]
    follow_advice(shop)
    assert shop.server.sql(GRANTED) == [(0,)]
    assert shop.plan().empty


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("name", [*NAMES, LONG])
def test_the_statement_against_a_grant_of_a_routine_to_everybody_ends_it(
    shop: Shop, name: str, restarted: bool
) -> None:
    made(shop, name)
    grant(shop, name, to="PUBLIC", restarted=restarted)
    found = planned(shop).blockers
    assert {blocker.code for blocker in found} == {"isolation"}
    assert any(f"ON FUNCTION agenda_one.{name[:62]}, which" in blocker.message for blocker in found)
    follow_advice(shop)
    assert shop.server.sql(GRANTED) == [(0,)]
    assert shop.plan().empty


@pytest.mark.parametrize("restarted", [False, True])
def test_a_routine_elsewhere_whose_database_is_no_ascii_is_taken_away_too(shop: Shop, restarted: bool) -> None:
    add(shop, "agenda")
    run(
        shop,
        "agenda",
        "CREATE DATABASE `ñandú`",
        "CREATE FUNCTION `ñandú`.one () RETURNS INT DETERMINISTIC RETURN 1",
        "GRANT EXECUTE ON FUNCTION `ñandú`.one TO APP",
        *["FLUSH PRIVILEGES"] * restarted,
    )
    (blocker,) = planned(shop).blockers
    assert "EXECUTE ON ñandú.FUNCTION one, which" in blocker.message
    follow_advice(shop)
    assert shop.server.sql(GRANTED) == [(0,)]
    assert shop.plan().empty


@pytest.mark.parametrize("kind", ["PACKAGE", "PACKAGE BODY"])
@pytest.mark.parametrize("who", ["agenda_one_app@'%'", "PUBLIC"])
def test_a_grant_on_a_package_blocks_with_the_statement_that_ends_it(
    shop: Shop, oracle: pymysql.cursors.Cursor, who: str, kind: str
) -> None:
    add(shop, "agenda")
    shop.server.sql("CREATE DATABASE wiki")
    oracle.execute("CREATE PACKAGE wiki.pages AS PROCEDURE p(); END")
    oracle.execute("CREATE PACKAGE BODY wiki.pages AS PROCEDURE p() AS BEGIN NULL; END; END")
    oracle.execute(f"GRANT EXECUTE ON {kind} wiki.pages TO {who}")
    (blocker,) = planned(shop).blockers
    assert (blocker.code, kind in blocker.message) == ("isolation", True)
    follow_advice(shop)
    assert shop.server.sql(GRANTED) == [(0,)]
    assert shop.plan().empty


def test_a_name_is_read_back_only_if_it_can_have_come_about_so() -> None:
    assert routines.named("aÃ±o_actual") == "año_actual"
    assert routines.named("ÃƒÂ±") == "Ã±"
    assert routines.named("Ã\x81Ã\x8d") == "ÁÍ"
    assert routines.named("año_actual") == "año_actual"  # of a server that keeps it as it is
    assert routines.named("Ã") == "Ã"
    assert routines.named("日本") == "日本"


def test_a_routine_s_type_and_name_are_told_apart() -> None:
    assert routines.parts("FUNCTION with two blanks") == ("FUNCTION", "with two blanks")
    assert routines.parts("PACKAGE BODY pages") == ("PACKAGE BODY", "pages")
    reach = everybody.Reach("routine", "PUBLIC", "", "wiki", "FUNCTION with two blanks")
    assert "ON FUNCTION wiki.with two blanks, which" in reach.said
    assert "FUNCTION `wiki`.`with two blanks`" in reach.statement


# --- versions of the server --------------------------------------------------------------------------------


def test_a_role_called_public_is_nobody_else_s_where_public_is_no_word(shop: Shop) -> None:
    """A server before 10.11, as which this one greets."""
    add(shop, "agenda")
    run(shop, "agenda", "CREATE DATABASE wiki", "GRANT SELECT ON wiki.* TO PUBLIC")
    connection = mysql.connect(shop.setting().servers["main"])
    try:
        assert [found.database for found in everybody.asked(connection)[1]] == ["wiki"]
        connection.driver.server_version = "5.5.5-10.6.18-MariaDB"  # type: ignore[attr-defined]
        assert everybody.asked(connection)[1] == []
        look = census.Census(connection)
        vars(look)["version"] = "10.6"
        assert look.everybodys == []
    finally:
        connection.close()


def test_a_privilege_that_only_a_newer_server_has_is_seen_of_everybody_too() -> None:
    """SHOW CREATE ROUTINE, a column of the grant table since 11.3."""
    with servers.private_server() as server:
        added = "Show_create_routine_priv ENUM('N', 'Y') NOT NULL DEFAULT 'N'"
        server.sql(f"ALTER TABLE mysql.db ADD COLUMN IF NOT EXISTS {added}")
        server.sql("INSERT INTO mysql.db (Host, Db, User, Show_create_routine_priv) VALUES ('%', 'wiki', '', 'Y')")
        connection = mysql.connect(Server("main", server.host, server.port, user="root", socket=_socket(server)))
        try:
            found = everybody.asked(connection)[1]
            assert [reach.database for reach in found] == ["wiki"]
            assert found == census.Census(connection).everybodys
        finally:
            connection.close()


def _socket(server: servers.Server) -> str:
    return str(server.administrator["unix_socket"])
