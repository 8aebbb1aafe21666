"""Accounts that somebody changed: the tenant goes to the trash and comes back all the same, and no green plan fails."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dotenv
import pymysql
import pytest

from reconciler.engine import doctor, reconcile
from reconciler.engine.progress import Progress
from reconciler.model import plan as plans
from reconciler.model.outcome import Outcome, Result, exit_status
from reconciler.ports.mysql import census, everybody
from reconciler.ports.mysql import connection as mysql
from reconciler.ports.ports import Ports
from tests.engine.drifting import follow_advice
from tests.engine.test_counts import agenda, pos
from tests.engine.test_snapshot import offline, taken
from tests.support.shop import Shop

DATABASES = {"agenda": "agenda_one", "pos": "pos_one"}
SPECS: dict[str, tuple[str, dict[str, Any]]] = {
    "agenda": ("AgendaTenant", agenda(1)),
    "pos": ("PosTenant", pos(1, cloud_sync=True)),
}


@pytest.fixture
def shop(pruning: Shop) -> Shop:
    """A platform that prunes, with a tenant that stays."""
    return pruning


def add(shop: Shop, what: str, **more: Any) -> None:
    """The tenant ``one``, ready."""
    kind, spec = SPECS[what]
    shop.tenant(kind, "one", {**spec, **more})
    assert shop.apply()["one"].result is Result.APPLIED


def run(shop: Shop, what: str, *statements: str) -> None:
    """Statements of an administrator, about the accounts of the tenant ``one``."""
    database = DATABASES[what]
    for statement in statements:
        said = statement.replace("APP", f"'{database}_app'@'%'").replace("OWN", f"'{database}_own'@'%'")
        shop.server.sql(said.replace("DB", database))


def planned(shop: Shop, **options: Any) -> plans.TenantPlan:
    """The plan of the tenant ``one``."""
    return next(entry for entry in shop.plan(**options).tenants if entry.tenant == "one")


def alone(shop: Shop, action: Callable[..., Outcome], **options: Any) -> Outcome:
    """What ``trash restore one`` or ``trash purge one`` does."""
    setting = shop.setting()
    try:
        return action(setting, "one", Progress(), **options)
    finally:
        setting.opened().close()


def log_in(shop: Shop, folder: str) -> None:
    """As the product's application would."""
    said = dotenv.dotenv_values(shop.root / "state" / folder / "one/.env")
    connection = shop.server.connect(str(said["DB_USERNAME"]), str(said["DB_PASSWORD"]), database=said["DB_DATABASE"])
    connection.close()


DRIFTED = {
    "the application's password": ["SET PASSWORD FOR APP = PASSWORD('by hand')"],
    "the application's account": ["DROP USER APP"],
    "the application's limit": ["ALTER USER APP WITH MAX_USER_CONNECTIONS -1 PASSWORD EXPIRE"],
    "the own password": ["SET PASSWORD FOR OWN = PASSWORD('by hand')"],
    "the own account": ["DROP USER OWN"],
    "both accounts": ["DROP USER OWN", "DROP USER APP"],
    "the own privileges": [r"REVOKE ALL PRIVILEGES, GRANT OPTION FROM OWN"],
    "the application's TLS": ["ALTER USER APP REQUIRE SSL"],
}


@pytest.mark.parametrize("drifted", DRIFTED)
@pytest.mark.parametrize("what", SPECS)
def test_a_tenant_with_drifted_accounts_goes_to_the_trash_and_comes_back_ready(
    shop: Shop, what: str, drifted: str
) -> None:
    add(shop, what)
    run(shop, what, *DRIFTED[drifted])
    spec = (shop.root / "specs/tenants/one.yaml").read_text()
    shop.without("one")
    assert planned(shop).action is plans.Action.TRASH
    assert shop.apply()["one"].result is Result.APPLIED
    assert shop.plan(deep=True).empty
    with pytest.raises(pymysql.MySQLError):
        log_in(shop, "trash")
    outcome = alone(shop, reconcile.restore)
    if any("REQUIRE" in done or "CONNECTIONS" in done for done in DRIFTED[drifted]):
        assert outcome.result is Result.BLOCKED, outcome
        run(shop, what, "ALTER USER APP REQUIRE NONE WITH MAX_USER_CONNECTIONS 0", "SET PASSWORD FOR APP = ''")
        outcome = alone(shop, reconcile.restore)
    assert outcome.result is Result.APPLIED, outcome
    log_in(shop, "deliveries")
    (shop.root / "specs/tenants/one.yaml").write_text(spec)
    found = planned(shop, deep=True)
    assert (found.action, found.changes) == (plans.Action.UNCHANGED, ())


def test_a_tenant_without_its_accounts_is_purged(shop: Shop) -> None:
    add(shop, "agenda")
    run(shop, "agenda", "DROP USER OWN", "DROP USER APP")
    shop.without("one")
    assert shop.apply()["one"].result is Result.APPLIED
    assert alone(shop, reconcile.purge, now=True).result is Result.APPLIED
    assert shop.server.sql("SHOW DATABASES LIKE 'agenda%'") == []


def test_an_event_of_somebody_else_that_would_run_on_in_the_trash_is_named_with_the_statement(shop: Shop) -> None:
    add(shop, "agenda")
    event = "agenda_one.purge_expired_sessions"
    run(shop, "agenda", f"ALTER DEFINER = root@localhost EVENT {event} ENABLE", "DROP USER OWN")
    shop.without("one")
    (blocker,) = planned(shop).blockers
    assert "purge_expired_sessions runs as root@localhost" in blocker.message
    assert shop.apply()["one"].result is Result.BLOCKED
    follow_advice(shop)
    assert shop.apply()["one"].result is Result.APPLIED


def test_a_tenant_that_was_suspended_without_its_own_account_is_in_sync_and_comes_back(shop: Shop) -> None:
    add(shop, "agenda")
    run(shop, "agenda", "DROP USER OWN")
    add(shop, "agenda", state="suspended")
    assert shop.plan(deep=True).empty
    add(shop, "agenda")
    assert shop.plan(deep=True).empty


# --- logins that are known to fail -------------------------------------------------------------------------

REFUSING = {
    "TLS": ("ALTER USER APP REQUIRE SSL", "requires TLS"),
    "a certificate": ("ALTER USER APP REQUIRE X509", "requires a client's certificate"),
    "no connection": ("ALTER USER APP WITH MAX_USER_CONNECTIONS -1", "allowed no connection"),
    "expired": ("ALTER USER APP PASSWORD EXPIRE", "its password has expired"),
}


@pytest.mark.parametrize("refusing", REFUSING)
def test_a_change_is_blocked_where_it_can_be_seen_that_the_login_will_be_refused(shop: Shop, refusing: str) -> None:
    add(shop, "agenda")
    statement, words = REFUSING[refusing]
    run(shop, "agenda", statement)
    assert [entry.code for entry in planned(shop).reports] == ["account-options"]
    shop.tenant("AgendaTenant", "one", {**agenda(1), "displayName": "Clínica Luna"})
    found = planned(shop)
    assert [(entry.code, words in entry.message) for entry in found.blockers] == [("login-refused", True)]
    before = shop.world()
    outcomes = shop.apply()
    assert (outcomes["one"].result, exit_status(outcomes.values())) == (Result.BLOCKED, 3)
    assert before.difference(shop.world()) == []
    follow_advice(shop)
    assert shop.apply()["one"].result is Result.APPLIED
    log_in(shop, "deliveries")


def test_events_are_not_promised_to_be_disabled_by_an_account_that_can_not_log_in(shop: Shop) -> None:
    add(shop, "agenda")
    run(shop, "agenda", "ALTER USER OWN REQUIRE SSL")
    shop.tenant("AgendaTenant", "one", {**agenda(1), "state": "suspended"})
    assert [entry.code for entry in planned(shop).blockers] == ["login-refused"]
    follow_advice(shop)
    assert shop.apply()["one"].result is Result.APPLIED


@pytest.mark.parametrize("deep", [False, True])
def test_an_expired_password_is_told_with_the_statement_that_clears_it(shop: Shop, deep: bool) -> None:
    add(shop, "agenda")
    run(shop, "agenda", "ALTER USER APP PASSWORD EXPIRE")
    if deep:
        assert [entry.code for entry in planned(shop, deep=True).blockers] == ["login-refused"]
        follow_advice(shop, deep=True)
        assert planned(shop, deep=True).action is plans.Action.UNCHANGED
        log_in(shop, "deliveries")
    else:
        assert planned(shop).action is plans.Action.UNCHANGED
        assert ["PASSWORD EXPIRE" in entry.message for entry in planned(shop).reports] == [True]


# --- what everybody has ------------------------------------------------------------------------------------

EVERYBODYS = {
    "public, everywhere": ["GRANT SELECT ON *.* TO PUBLIC"],
    "public, one database": ["CREATE DATABASE wiki", "GRANT SELECT ON wiki.* TO PUBLIC"],
    "public, a central table": ["GRANT SELECT ON license_manager.tenants TO PUBLIC"],
    "nobody, one database": [
        "CREATE DATABASE forum",
        "INSERT INTO mysql.db (Host, Db, User, Select_priv) VALUES ('%', 'forum', '', 'Y')",
        "FLUSH PRIVILEGES",
    ],
}


@pytest.mark.parametrize("case", EVERYBODYS)
@pytest.mark.parametrize("change", ["a new tenant", "a changed tenant", "a tenant that goes"])
def test_nothing_is_changed_while_everybody_reaches_something(shop: Shop, case: str, change: str) -> None:
    if change != "a new tenant":
        add(shop, "agenda")
    for statement in EVERYBODYS[case]:
        shop.server.sql(statement)
    if change == "a tenant that goes":
        shop.without("one")
    else:
        shop.tenant("AgendaTenant", "one", {**agenda(1), "displayName": "Clínica Luna"})
    (blocker,) = planned(shop).blockers  # the server's and the tenant's are one
    assert (blocker.code, "everybody" in blocker.message) == ("isolation", True)
    before = shop.world()
    assert shop.apply()["one"].result is Result.BLOCKED
    assert before.difference(shop.world()) == []
    follow_advice(shop)
    assert shop.apply()["one"].result is Result.APPLIED


@pytest.mark.parametrize("case", EVERYBODYS)
def test_the_doctor_tells_what_everybody_reaches(shop: Shop, case: str) -> None:
    assert doctor.examine(shop.root, Ports()).exit == 0
    for statement in EVERYBODYS[case]:
        shop.server.sql(statement)
    found = doctor.examine(shop.root, Ports())
    (failed,) = (check for check in found.checks if check.health is doctor.Health.FAILED)
    assert (found.exit, failed.code, "everybody" in failed.message) == (3, "isolation", True)
    assert "FROM PUBLIC;" in failed.advice or "DELETE FROM mysql.db" in failed.advice


def test_a_look_at_few_a_look_at_all_and_the_preflight_find_the_same_of_everybody(shop: Shop) -> None:
    add(shop, "agenda")
    run(
        shop,
        "agenda",
        *(statement for statements in EVERYBODYS.values() for statement in statements),
        "CREATE ROLE support",
        "GRANT support TO PUBLIC",
        "GRANT SELECT, UPDATE (id) ON agenda_one.users TO PUBLIC WITH GRANT OPTION",
        "GRANT EXECUTE ON FUNCTION agenda_one.staff_is_free TO PUBLIC WITH GRANT OPTION",
        "GRANT INSERT ON wiki.* TO PUBLIC WITH GRANT OPTION",
    )
    setting = shop.setting()
    connection = mysql.connect(setting.servers["main"])
    try:
        few = census.Census(connection, ["agenda_one"], ["agenda_one_app"]).everybodys
        everything = census.Census(connection).everybodys
        hosts, found = everybody.asked(connection)
    finally:
        connection.close()
        setting.opened().close()
    assert few == everything == found
    assert (hosts, len(found)) == ([], 7)
    follow_advice(shop)
    assert shop.plan(deep=True).empty


def test_a_plan_from_a_snapshot_tells_what_everybody_reaches_and_what_can_not_be_revoked(
    shop: Shop, tmp_path: Path
) -> None:
    add(shop, "agenda")
    run(shop, "agenda", "CREATE DATABASE wiki", "CREATE TABLE wiki.b (id INT)", "GRANT INSERT ON wiki.b TO APP")
    for words in ("INSERT ON wiki.b, which", "everybody has privileges ON *.*"):
        (found,) = (entry for entry in offline(shop, taken(shop), tmp_path).tenants if entry.tenant == "one")
        assert [(entry.code, words in entry.message) for entry in found.blockers] == [("isolation", True)]
        shop.server.sql("GRANT SELECT ON *.* TO PUBLIC")


def test_a_row_for_nobody_that_gives_nothing_and_one_of_a_table_are_no_fault(shop: Shop) -> None:
    add(shop, "agenda")
    run(
        shop,
        "agenda",
        "CREATE DATABASE wiki",
        "CREATE TABLE wiki.t (id INT)",
        "INSERT INTO mysql.db (Host, Db, User) VALUES ('%', 'wiki', '')",
        "INSERT INTO mysql.tables_priv (Host, Db, User, Table_name, Grantor, Table_priv, Column_priv) "
        "VALUES ('%', 'wiki', '', 't', '', 'Select', '')",
        "GRANT USAGE ON *.* TO PUBLIC",
        "FLUSH PRIVILEGES",
    )
    shop.tenant("AgendaTenant", "one", {**agenda(1), "displayName": "Clínica Luna"})
    assert shop.apply()["one"].result is Result.APPLIED  # which tries what the application reaches


@pytest.mark.parametrize("who", ["nobody", "public"])
def test_what_servers_are_installed_with_is_no_fault(shop: Shop, who: str) -> None:
    given = ", ".join(f"{name}_priv" for name in ("Select", "Insert", "Create", "Drop", "Trigger"))
    shop.server.sql("CREATE DATABASE test")
    shop.server.sql("CREATE DATABASE test_of_somebody")
    if who == "nobody":
        for name in ("test", r"test\_%"):
            row = f"INSERT INTO mysql.db (Host, Db, User, {given}) VALUES ('%%', %s, '', 'Y', 'Y', 'Y', 'Y', 'Y')"
            shop.server.sql(row, name)
        shop.server.sql("FLUSH PRIVILEGES")
    else:
        for level in ("test", r"`test\_%`"):
            shop.server.sql(f"GRANT ALL PRIVILEGES ON {level}.* TO PUBLIC")
    shop.tenant("AgendaTenant", "one", agenda(1))
    assert shop.apply()["one"].failure is None
    shop.tenant("AgendaTenant", "one", {**agenda(1), "displayName": "Clínica Luna"})
    assert shop.apply()["one"].result is Result.APPLIED
    assert shop.plan(deep=True).empty


# --- privileges elsewhere ----------------------------------------------------------------------------------


def test_a_planning_account_does_not_say_that_a_privilege_could_not_be_revoked(shop: Shop) -> None:
    add(shop, "agenda")
    run(
        shop, "agenda", "GRANT INSERT ON license_manager.tenants TO APP", "CREATE USER watcher IDENTIFIED BY 'watching'"
    )
    shop.server.sql("GRANT SELECT, SHOW DATABASES, SHOW VIEW, PROCESS, EVENT ON *.* TO watcher")
    assert planned(shop).action is plans.Action.REPAIR
    (shop.root / "watcher").write_text("watching")
    spec = shop.server_spec(user="watcher", passwordFrom={"file": "watcher"}, trustedAccounts=["provisioner"])
    former = (shop.root / "specs/servers/main.yaml").read_text()
    shop.document("specs/servers/main.yaml", "DatabaseServer", "main", spec)
    assert (planned(shop).action, planned(shop).blockers) == (plans.Action.REPAIR, ())
    (shop.root / "specs/servers/main.yaml").write_text(former)
    assert shop.apply()["one"].result is Result.APPLIED
