"""What a tenant's own accounts can do, and what they can't, as the server itself has it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dotenv
import pymysql
import pytest

from reconciler.engine import reconcile, reveal
from reconciler.engine.progress import Progress
from reconciler.model import names
from reconciler.model.outcome import Result
from reconciler.ports.mysql import names as quoting
from tests.support import server as servers
from tests.support.faults import Boundaries
from tests.support.shop import Shop

AGENDA: dict[str, Any] = {
    "displayName": "Clínica Sol",
    "plan": "pro",
    "domain": "sol.example.com",
    "admin": {"name": "Ana Ruiz", "email": "ana@example.com"},
}
POS: dict[str, Any] = {
    "displayName": "Abarrotes Lupita",
    "edition": "standard",
    "cloudSync": True,
    "license": {"expires": "2099-12-31"},
}
WEBHOOK = {"name": "crm", "url": "https://crm.example.com/hook", "events": ["appointment.created"]}
# As a wildcard, the `_` of the first one's database would be the `x` of the second one's.
NEIGHBOURS = ("ten-a", "tenxa")
DENIED = {1044, 1045, 1142, 1143, 1227, 1370}


@pytest.fixture
def shop(tmp_path: Path, clean_server: servers.Server) -> Shop:
    """Two neighbours of each product, ready."""
    made = Shop(tmp_path, clean_server)
    for name in NEIGHBOURS:
        made.tenant("AgendaTenant", name, {**AGENDA, "domain": f"{name}.example.com"})
        made.tenant("PosTenant", f"{name}p", {**POS})
    outcomes = made.apply()
    assert {outcome.result for outcome in outcomes.values()} == {Result.APPLIED}, outcomes
    return made


TENANTS = [("ten-a", "agenda_ten_a"), ("tenxa", "agenda_tenxa"), ("ten-ap", "pos_ten_ap"), ("tenxap", "pos_tenxap")]


def credential(shop: Shop, tenant: str) -> dict[str, str]:
    """What the tenant's delivery says."""
    found = dotenv.dotenv_values(shop.root / f"state/deliveries/{tenant}/.env")
    return {key: value for key, value in found.items() if value is not None}


@contextmanager
def application(shop: Shop, tenant: str) -> Iterator[Any]:
    """A cursor of the product's application, logged in with the delivered credential and nothing else."""
    said = credential(shop, tenant)
    connection = pymysql.connect(
        host=said["DB_HOST"],
        port=int(said["DB_PORT"]),
        user=said["DB_USERNAME"],
        password=said["DB_PASSWORD"],
        database=said["DB_DATABASE"],
        autocommit=True,
    )
    try:
        with connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()


def denied(cursor: Any, statement: str) -> None:
    """The server refuses the statement for want of a privilege, and not for another reason."""
    with pytest.raises(pymysql.MySQLError) as raised:
        cursor.execute(statement)
    assert raised.value.args[0] in DENIED, raised.value


def test_the_application_does_its_work_in_its_own_database(shop: Shop) -> None:
    with application(shop, "ten-a") as cursor:
        cursor.execute("INSERT INTO clients (name, phone) VALUES ('Luz', '555')")
        cursor.execute("UPDATE clients SET name = 'Luz María'")
        cursor.execute("SELECT name FROM clients")
        assert cursor.fetchall() == (("Luz María",),)
        cursor.execute("SELECT appointment_total_cents(1)")
        assert cursor.fetchall() == ((0,),)
        cursor.execute("SELECT * FROM upcoming_appointments")
        cursor.execute("DELETE FROM clients")
        assert cursor.rowcount == 1


def test_a_trigger_of_the_locked_owner_still_runs_for_the_application(shop: Shop) -> None:
    with application(shop, "ten-ap") as cursor:
        cursor.execute("SELECT COUNT(*) FROM taxes")
        assert cursor.fetchall() == ((4,),)
        cursor.execute("SELECT COUNT(*) FROM stock_status")


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE extra (id INT)",
        "ALTER TABLE sync_batches ADD extra INT",
        "DROP TABLE sync_batches",
        "TRUNCATE TABLE sync_batches",
        "CREATE INDEX extra ON sync_batches (id)",
        "CREATE VIEW extra AS SELECT 1",
        "CREATE FUNCTION extra() RETURNS INT RETURN 1",
        "CREATE TRIGGER extra BEFORE INSERT ON taxes FOR EACH ROW SET @a = 1",
        "CREATE EVENT extra ON SCHEDULE EVERY 1 DAY DO SELECT 1",
        "CREATE DATABASE extra",
        "DROP DATABASE {database}",
        "ALTER DATABASE {database} COMMENT 'mine'",
        "CREATE USER extra",
        "GRANT SELECT ON {database}.* TO {user}",
        "SET GLOBAL max_connections = 1",
        "SELECT * FROM mysql.global_priv",
        "SELECT 1 INTO OUTFILE '/tmp/reconciler-never-written'",
        "LOCK TABLES taxes WRITE",
    ],
)
def test_the_application_can_not_change_what_is_not_its_data(shop: Shop, statement: str) -> None:
    said = credential(shop, "ten-ap")
    with application(shop, "ten-ap") as cursor:
        denied(cursor, statement.format(database=said["DB_DATABASE"], user=said["DB_USERNAME"]))


@pytest.mark.parametrize(("tenant", "database"), TENANTS)
def test_the_application_sees_its_own_database_and_no_other(shop: Shop, tenant: str, database: str) -> None:
    with application(shop, tenant) as cursor:
        cursor.execute("SHOW DATABASES")
        assert {name for (name,) in cursor.fetchall()} == {"information_schema", database}
        cursor.execute("SELECT DISTINCT TABLE_SCHEMA FROM information_schema.TABLES")
        assert {name for (name,) in cursor.fetchall()} <= {"information_schema", "performance_schema", database}
        for other in (*(neighbour for _, neighbour in TENANTS if neighbour != database), "license_manager"):
            table = quoting.qualified(other, "tenants" if other == "license_manager" else "products")
            denied(cursor, f"USE {quoting.identifier(other)}")
            denied(cursor, f"SELECT * FROM {table}")
            denied(cursor, f"INSERT INTO {table} VALUES (1)")


@pytest.mark.parametrize(("tenant", "database"), TENANTS)
def test_the_owners_account_is_locked_and_no_one_is_logged_in(shop: Shop, tenant: str, database: str) -> None:
    setting = shop.setting()
    try:
        password = reveal.secrets(setting, tenant)["db.own"]
    finally:
        setting.opened().close()
    with pytest.raises(pymysql.MySQLError) as raised:
        shop.server.connect(names.owner(database), password)
    assert raised.value.args[0] == 4151  # the password is right: it is the lock that keeps it out
    with pytest.raises(pymysql.MySQLError) as raised:
        shop.server.connect(names.owner(database), "wrong")
    assert raised.value.args[0] == 1045
    users = shop.server.sql("SELECT USER FROM information_schema.PROCESSLIST")
    assert {user for (user,) in users} <= {"root", "system user", "event_scheduler"}


def test_the_owner_is_the_definer_of_everything(shop: Shop) -> None:
    definers = shop.server.sql(
        "SELECT TABLE_SCHEMA, DEFINER, 'view' FROM information_schema.VIEWS UNION ALL"
        " SELECT TRIGGER_SCHEMA, DEFINER, 'trigger' FROM information_schema.TRIGGERS UNION ALL"
        " SELECT ROUTINE_SCHEMA, DEFINER, 'routine' FROM information_schema.ROUTINES UNION ALL"
        " SELECT EVENT_SCHEMA, DEFINER, 'event' FROM information_schema.EVENTS"
    )
    ours = [
        (database, definer, kind) for database, definer, kind in definers if database not in servers.SYSTEM_DATABASES
    ]
    assert {kind for _, _, kind in ours} == {"view", "trigger", "routine", "event"}
    assert [row for row in ours if row[1] != f"{row[0]}_own@%"] == []


def test_each_account_has_its_own_database_and_nothing_else(shop: Shop) -> None:
    rows = shop.server.sql("SELECT User, Db FROM mysql.db WHERE User <> 'provisioner'")
    expected = {(f"{database}_{role}", quoting.pattern(database)) for _, database in TENANTS for role in ("own", "app")}
    assert set(rows) == expected
    for table in ("tables_priv", "procs_priv", "columns_priv", "roles_mapping"):
        mine = shop.server.sql(f"SELECT 1 FROM mysql.{table} WHERE User LIKE 'agenda%' OR User LIKE 'pos%'")
        assert mine == [], table


def test_the_delivered_files_are_for_their_owner_only(shop: Shop) -> None:
    for path in (shop.root / "state").rglob("*"):
        if path.name.endswith("license-keys.json") or path.suffix in (".db-wal", ".db-shm"):
            continue
        assert path.stat().st_mode & 0o077 == 0, path
    assert (shop.root / "state").stat().st_mode & 0o077 == 0


def test_events_sleep_and_accounts_are_locked_until_the_tenant_is_shown(
    tmp_path: Path, clean_server: servers.Server
) -> None:
    shop = Shop(tmp_path, clean_server)
    shop.apply()
    shop.tenant("AgendaTenant", "ten-a", AGENDA)
    seen: list[tuple[Any, ...]] = []
    boundaries = Boundaries()
    cross = boundaries.cross

    def watching(what: str, *arguments: Any) -> Any:
        # Whatever was made, before the step that shows it: nothing of it is open or awake yet.
        if shop.server.sql("SELECT 1 FROM mysql.event WHERE db = 'agenda_ten_a'"):
            awake = shop.server.sql("SELECT 1 FROM mysql.event WHERE db = 'agenda_ten_a' AND status = 'ENABLED'")
            app = shop.server.sql("SELECT Priv FROM mysql.global_priv WHERE User = 'agenda_ten_a_app'")[0][0]
            states = shop.server.sql("SELECT state FROM license_manager.tenants WHERE name = 'ten-a'")
            shown = (shop.root / "state/deliveries/ten-a").exists()
            seen.append((bool(awake), '"account_locked":true' not in app.replace(" ", ""), states, shown))
        return cross(what, *arguments)

    boundaries.cross = watching  # type: ignore[method-assign, assignment]
    _, outcomes = reconcile.apply(shop.setting(boundaries.ports()), reconcile.Options(parallel=1), Progress())
    assert outcomes[0].result is Result.APPLIED
    assert len(seen) > 20
    order = [next(number for number, row in enumerate(seen) if row[part]) for part in (0, 1, 3)]
    assert order == sorted(order), "events, then the account, then the delivery"
    active = next(number for number, row in enumerate(seen) if row[2] == [("active",)])
    assert active > order[-1]
    assert all(row[2] in ([], [("provisioning",)]) for row in seen[:active])


def test_a_tenants_password_stands_in_its_delivery_alone(tmp_path: Path, clean_server: servers.Server) -> None:
    log = tmp_path / "general.log"
    clean_server.sql("SET GLOBAL general_log_file = %s", str(log))
    clean_server.sql("SET GLOBAL general_log = 1")
    try:
        (tmp_path / "shop").mkdir()
        shop = Shop(tmp_path / "shop", clean_server)
        shop.tenant("AgendaTenant", "ten-a", {**AGENDA, "webhooks": [WEBHOOK]})
        assert shop.apply()["ten-a"].result is Result.APPLIED
    finally:
        clean_server.sql("SET GLOBAL general_log = 0")
        clean_server.sql("SET GLOBAL general_log_file = DEFAULT")
    said = credential(shop, "ten-a")
    once = (shop.root / "state/deliveries/ten-a/admin.json").read_text()
    secrets = [said["DB_PASSWORD"], said["WEBHOOK_CRM_SECRET"], once.split('"oneTimePassword": "')[1].split('"')[0]]
    assert log.stat().st_size > 10_000
    places = [log, *(path for path in (shop.root / "state").rglob("*") if path.is_file())]
    for secret in secrets:
        assert len(secret) >= 20
        holding = [path.name for path in places if secret.encode() in path.read_bytes()]
        assert holding in ([".env"], ["admin.json"]), holding


def test_a_server_with_its_performance_schema_makes_tenants_too(tmp_path: Path) -> None:
    with servers.private_server("--performance-schema=ON") as started:
        shop = Shop(tmp_path, started)
        shop.tenant("PosTenant", "ten-ap", POS)
        outcome = shop.apply()["ten-ap"]
        assert outcome.result is Result.APPLIED, outcome
