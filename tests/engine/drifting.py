"""Every class of drift as a case: what makes it on a real server, and how a person would take it back."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconciler.model import plan as plans
from reconciler.resources import options
from tests.support.shop import Shop

AGENDA: dict[str, Any] = {
    "displayName": "Clínica Sol",
    "plan": "pro",
    "domain": "sol.example.com",
    "admin": {"name": "Ana Ruiz", "email": "ana@example.com"},
    "webhooks": [{"name": "crm", "url": "https://crm.example.com/hook", "events": ["appointment.created"]}],
}
DEVICE = {"name": "caja-1", "hardware": {"machineId": "8f3c1d7a52e94b06", "boardSerial": "PF2K9X1B"}}
POS: dict[str, Any] = {
    "displayName": "Abarrotes Lupita",
    "edition": "standard",
    "cloudSync": True,
    "license": {"expires": "2099-12-31", "devices": [DEVICE]},
}
APP, OWN = "'agenda_one_app'@'%'", "'agenda_one_own'@'%'"
DB, CENTRAL = "agenda_one", "license_manager"
DATED = "UPDATE mysql.global_priv SET Priv = JSON_SET(Priv,"
UNLIMITED, UNTIED = "WITH MAX_STATEMENT_TIME 0", f"ALTER USER {APP} PASSWORD EXPIRE DEFAULT"
Act = Callable[[Shop], "Act | None"]
"""Does something to a shop; a drift returns how a person would undo it, a repaired one returns nothing."""


def planned(shop: Shop, tenant: str = "one", **options: Any) -> plans.TenantPlan:
    """The plan of one tenant."""
    return next(entry for entry in shop.plan(**options).tenants if entry.tenant == tenant)


# --- making it, and a person's way back --------------------------------------------------------------------


def sql(*statements: str, undo: Sequence[str] = ()) -> Act:
    """Statements of an administrator, and those that take them back."""

    def make(shop: Shop) -> Act | None:
        for statement in statements:
            shop.server.sql(statement)
        return sql(*undo) if undo else None

    return make


def advised(*statements: str, after: Sequence[str] = (), deep: bool = False) -> Act:
    """Statements of an administrator, taken back by those that the plan itself shows, and then by ``after``."""

    def make(shop: Shop) -> Act:
        for statement in statements:
            shop.server.sql(statement)

        def undo(shop: Shop) -> None:
            follow_advice(shop, deep=deep)
            for statement in after:
                shop.server.sql(statement)

        return undo

    return make


def follow_advice(shop: Shop, *, deep: bool = False) -> None:
    """Run the statements that the blockers of a plan show."""
    said = {entry.advice for found in shop.plan(deep=deep).tenants for entry in found.blockers}
    (advice,) = (text for text in said if text.startswith("As an administrator run: "))
    for statement in advice.removeprefix("As an administrator run: ").rstrip(";").split("; "):
        shop.server.sql(statement)


def without(kind: str, name: str, *instead: str) -> Act:
    """Drop something out of the schema, put ``instead`` there, and make it again just as it was."""

    def make(shop: Shop) -> Act:
        (shown,) = shop.server.records(f"SHOW CREATE {kind} {DB}.{name}")
        text = shown.get(f"Create {kind.title()}") or shown["SQL Original Statement"]

        def undo(shop: Shop) -> None:
            connection = shop.server.root(database=DB)
            with connection, connection.cursor() as cursor:
                if "time_zone" in shown:
                    cursor.execute("SET time_zone = %s", (shown["time_zone"],))
                if "sql_mode" in shown:
                    cursor.execute("SET sql_mode = %s", (shown["sql_mode"],))
                cursor.execute(f"DROP {kind} IF EXISTS {name}")
                cursor.execute(text)

        shop.server.sql(f"DROP {kind} {DB}.{name}")
        for statement in instead:
            shop.server.sql(statement)
        return undo

    return make


HEADER = b"""
SET @OLD_TIME_ZONE = @@TIME_ZONE, @OLD_SQL_MODE = @@SQL_MODE, @OLD_FOREIGN_KEY_CHECKS = 1, @OLD_UNIQUE_CHECKS = 1;
SET @OLD_CHARACTER_SET_CLIENT = @@CHARACTER_SET_CLIENT, @OLD_CHARACTER_SET_RESULTS = @@CHARACTER_SET_RESULTS;
SET @OLD_COLLATION_CONNECTION = @@COLLATION_CONNECTION, @OLD_SQL_NOTES = 1;
/*M!100616 SET @OLD_NOTE_VERBOSITY = @@NOTE_VERBOSITY */;
SET FOREIGN_KEY_CHECKS = 0, TIME_ZONE = '+00:00', SQL_MODE = 'NO_AUTO_VALUE_ON_ZERO';
"""
"""What the client's dump has before its first database."""


def drop_the_database(shop: Shop) -> Act:
    """Drop it, and restore it from a dump."""
    dump = shop.server.dump([DB])[DB]
    arguments, environment = shop.server._client_arguments()

    def undo(shop: Shop) -> None:
        subprocess.run(
            ["mariadb", "--no-defaults", "--default-character-set=utf8mb4", *arguments],
            input=HEADER + dump,
            env=environment or None,
            check=True,
        )

    shop.server.sql(f"DROP DATABASE {DB}")
    return undo


def mark(text: str) -> Act:
    """Another comment on the database."""

    def make(shop: Shop) -> Act:
        former = shop.server.sql(f"SELECT SCHEMA_COMMENT FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = '{DB}'")
        shop.server.sql(f"ALTER DATABASE {DB} COMMENT '{text}'")
        return sql(f"ALTER DATABASE {DB} COMMENT '{former[0][0]}'")

    return make


def wait_for_a_tenant(shop: Shop) -> Act:
    """A grant on a database that a new spec wants."""
    shop.server.sql("CREATE USER stranger")
    shop.server.sql(r"GRANT SELECT ON `agenda\_three`.* TO stranger")
    shop.tenant("AgendaTenant", "three", {**AGENDA, "domain": "three.example.com"})

    def undo(shop: Shop) -> None:
        shop.server.sql("DROP USER stranger")
        assert planned(shop, "three").action is plans.Action.CREATE
        shop.without("three")

    return undo


def another_platform(shop: Shop) -> Act:
    """The row of the index says that it belongs to somebody else."""
    (former,) = shop.server.sql(f"SELECT platform_id FROM {CENTRAL}.tenants WHERE name = 'one'")[0]
    shop.server.sql(f"UPDATE {CENTRAL}.tenants SET platform_id = 'other' WHERE name = 'one'")
    return sql(f"UPDATE {CENTRAL}.tenants SET platform_id = '{former}' WHERE name = 'one'")


def schema_file(name: str, text: str) -> Act:
    """Write ``text`` at the end of a file of the product's schema."""

    def make(shop: Shop) -> Act:
        path = shop.root / "specs/products/agenda-ia/schema" / name
        former = path.read_text() if path.exists() else None
        path.write_text((former or "") + text)

        def undo(shop: Shop) -> None:
            if former is None:
                path.unlink()
            else:
                path.write_text(former)

        return undo

    return make


def delivered(act: Callable[[Path], object], name: str = ".env") -> Act:
    """Do something to a file of the delivery, or with an empty name to its folder."""

    def make(shop: Shop) -> None:
        act(shop.root / "state/deliveries/one" / name)

    return make


def lead_elsewhere(shop: Shop) -> Act:
    """A link in the place of the delivery folder."""
    folder, elsewhere = shop.root / "state/deliveries/one", shop.root / "elsewhere"
    folder.rename(elsewhere)
    folder.symlink_to(elsewhere)

    def undo(shop: Shop) -> None:
        folder.unlink()
        elsewhere.rename(folder)

    return undo


# --- the cases ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """One drift of the class ``code``. ``says`` is what the plan must name; ``tenant`` is whose plan."""

    code: str
    make: Act
    says: str
    tenant: str = "one"


HISTORY, BY_USER = f"ALTER TABLE {DB}.appointment_history", "fk_appointment_history_user"
LEADS = f"CONSTRAINT {BY_USER} FOREIGN KEY (changed_by) REFERENCES users (id)"
EVENT = f"{DB}.purge_expired_sessions"
CASES: list[Case] = [
    Case("account-gone", sql(f"DROP USER {APP}"), "agenda_one_app@%"),
    Case("account-gone", sql(f"DROP USER {OWN}"), "agenda_one_own@%"),
    Case("account-locked", sql(f"ALTER USER {APP} ACCOUNT LOCK"), "unlock account agenda_one_app@%"),
    Case("account-open", sql(f"ALTER USER {OWN} ACCOUNT UNLOCK"), "lock account agenda_one_own@%"),
    Case("account-password", sql(f"SET PASSWORD FOR {APP} = PASSWORD('by hand')"), "agenda_one_app@%"),
    Case(
        "account-elsewhere",
        sql(f"RENAME USER {APP} TO 'agenda_one_app'@'10.%'", undo=[f"RENAME USER 'agenda_one_app'@'10.%' TO {APP}"]),
        "for the host 10.%",
    ),
    Case("account-elsewhere", advised("CREATE USER 'agenda_one_app'@'localhost'"), "for the host localhost"),
    Case("account-anonymous", advised("CREATE USER ''@'localhost'"), "''@'localhost'"),
    Case(
        "account-options",
        sql(f"ALTER USER {APP} WITH MAX_USER_CONNECTIONS 5", undo=[f"ALTER USER {APP} WITH MAX_USER_CONNECTIONS 0"]),
        "MAX_USER_CONNECTIONS 5",
    ),
    Case(
        "account-options",
        sql(f"GRANT USAGE ON *.* TO {APP} WITH MAX_STATEMENT_TIME 1.5", undo=[f"ALTER USER {APP} {UNLIMITED}"]),
        "MAX_STATEMENT_TIME 1.5",
    ),
    Case(
        "account-options",
        sql(f"ALTER USER {APP} REQUIRE SSL", undo=[f"ALTER USER {APP} REQUIRE NONE"]),
        "made with: REQUIRE SSL",
    ),
    Case(
        "account-options",
        sql(f"ALTER USER {APP} REQUIRE ISSUER '/CN=ca'", undo=[f"ALTER USER {APP} REQUIRE NONE"]),
        "made with: REQUIRE ISSUER '/CN=ca'",
    ),
    Case(
        "account-options",
        sql(
            f"ALTER USER {APP} PASSWORD EXPIRE",
            undo=[*options.renewal("agenda_one_app", "%").rstrip(";").split("; "), UNTIED],
        ),
        "made with: PASSWORD EXPIRE",
    ),
    Case(
        "account-options",
        sql(f"ALTER USER {APP} PASSWORD EXPIRE INTERVAL 90 DAY", undo=[UNTIED]),
        "PASSWORD EXPIRE INTERVAL 90 DAY",
    ),
    Case("account-options", sql(f"ALTER USER {APP} PASSWORD EXPIRE NEVER", undo=[UNTIED]), "PASSWORD EXPIRE NEVER"),
    Case(
        "login-refused",
        advised(
            f"{DATED} '$.password_last_changed', UNIX_TIMESTAMP()) WHERE User = 'root'",
            f"{DATED} '$.password_last_changed', 1) WHERE User = 'agenda_one_app'",
            "FLUSH PRIVILEGES",
            "SET GLOBAL default_password_lifetime = 1",
            after=["SET GLOBAL default_password_lifetime = DEFAULT"],
            deep=True,
        ),
        "agenda_one_app",
    ),
    Case("privilege-gone", sql(rf"REVOKE INSERT ON `agenda\_one`.* FROM {APP}"), "+INSERT"),
    Case("privilege-gone", sql(rf"REVOKE ALL PRIVILEGES ON `agenda\_one`.* FROM {OWN}"), "+ALL PRIVILEGES"),
    Case("privilege-extra", sql(rf"GRANT DROP ON `agenda\_one`.* TO {APP}"), "-DROP"),
    Case("privilege-extra", sql(f"GRANT SELECT ON {CENTRAL}.tenants TO {APP}"), "license_manager.tenants"),
    Case("privilege-extra", sql(f"GRANT EXECUTE ON FUNCTION {DB}.staff_is_free TO {APP}"), "staff_is_free"),
    Case(
        "privilege-elsewhere",
        advised(
            "CREATE DATABASE wiki",
            "CREATE TABLE wiki.b (id INT)",
            f"GRANT INSERT, SELECT (id) ON wiki.b TO {APP}",
            after=["DROP DATABASE wiki"],
        ),
        "INSERT, SELECT ON wiki.b",
    ),
    Case(
        "privilege-elsewhere",
        advised("CREATE DATABASE wi_ki", rf"GRANT INSERT ON `wi\_ki`.* TO {APP}", after=["DROP DATABASE wi_ki"]),
        r"INSERT ON wi\_ki.*",
    ),
    Case("privilege-extra", sql(rf"GRANT INSERT ON `pos\_two`.* TO {APP}"), "-INSERT"),
    Case("grant-option", sql(rf"GRANT SELECT ON `agenda\_one`.* TO {APP} WITH GRANT OPTION"), "-GRANT OPTION"),
    Case("privilege-global", advised(f"GRANT PROCESS ON *.* TO {APP}"), "PROCESS ON *.*"),
    Case("privilege-global", advised(f"GRANT SELECT ON `agenda_one`.* TO {APP}"), "SELECT ON agenda_one.*"),
    Case(
        "grant-reaching",
        sql("CREATE USER stranger", r"GRANT SELECT ON `agenda\_%`.* TO stranger", undo=["DROP USER stranger"]),
        "stranger@%",
    ),
    Case(
        "grant-reaching",
        sql("CREATE USER stranger", f"GRANT SELECT ON {DB}.users TO stranger", undo=["DROP USER stranger"]),
        "table agenda_one.users",
    ),
    Case("grant-waiting", wait_for_a_tenant, "stranger@%", tenant="three"),
    Case("grant-everybody", advised("GRANT SELECT ON *.* TO PUBLIC"), "everybody has privileges ON *.*"),
    Case(
        "grant-everybody",
        advised(
            "CREATE DATABASE wiki",
            "GRANT SELECT ON wiki.* TO PUBLIC WITH GRANT OPTION",
            after=["DROP DATABASE wiki"],
        ),
        "everybody has privileges ON wiki.*",
    ),
    Case("grant-everybody", advised(f"GRANT SELECT (name) ON {CENTRAL}.tenants TO PUBLIC"), f"{CENTRAL}.tenants"),
    Case(
        "grant-everybody",
        advised(f"GRANT EXECUTE ON FUNCTION {DB}.staff_is_free TO PUBLIC"),
        "ON FUNCTION agenda_one.staff_is_free",
    ),
    Case(
        "grant-everybody",
        advised("CREATE ROLE support", "GRANT support TO PUBLIC", after=["DROP ROLE support"]),
        "everybody has the role support",
    ),
    Case(
        "grant-everybody",
        advised("INSERT INTO mysql.db (Host, Db, User, Select_priv) VALUES ('%', 'wiki', '', 'Y')", "FLUSH PRIVILEGES"),
        "ON wiki.* by the row of mysql.db for no user at '%'",
    ),
    Case(
        "role-reaching",
        sql("CREATE ROLE support", r"GRANT SELECT ON `agenda\_one`.* TO support", undo=["DROP ROLE support"]),
        "support",
    ),
    Case(
        "role-granted",
        advised("CREATE ROLE support", f"GRANT support TO {APP}", after=["DROP ROLE support"]),
        "agenda_one_app@% has the role support",
    ),
    Case(
        "proxy-granted",
        advised("CREATE USER stranger", f"GRANT PROXY ON {APP} TO stranger", after=["DROP USER stranger"]),
        "stranger@% may act as agenda_one_app@%",
    ),
    Case("database-gone", drop_the_database, "agenda_one"),
    Case("database-charset", sql(f"ALTER DATABASE {DB} CHARACTER SET latin1"), "latin1"),
    Case("database-charset", sql(f"ALTER DATABASE {DB} COLLATE utf8mb4_general_ci"), "utf8mb4_general_ci"),
    Case("mark-gone", sql(f"ALTER DATABASE {DB} COMMENT ''"), "mark database agenda_one again"),
    Case("mark-foreign", mark("reconciler/v1 other 0123 one 4567"), "other 0123"),
    Case("table-gone", without("TABLE", "webhook_deliveries"), "table webhook_deliveries is gone"),
    Case(
        "table-added",
        sql(f"CREATE TABLE {DB}.extra (id INT)", undo=[f"DROP TABLE {DB}.extra"]),
        "table or view extra was added",
    ),
    Case(
        "table-added",
        sql(f"CREATE VIEW {DB}.peek AS SELECT 1 AS one", undo=[f"DROP VIEW {DB}.peek"]),
        "table or view peek was added",
    ),
    Case(
        "table-changed",
        sql(f"ALTER TABLE {DB}.clients ADD extra INT", undo=[f"ALTER TABLE {DB}.clients DROP extra"]),
        "column clients.extra was added",
    ),
    Case(
        "table-changed",
        sql(
            f"ALTER TABLE {DB}.clients ALTER phone SET DEFAULT '555'",
            undo=[f"ALTER TABLE {DB}.clients ALTER phone DROP DEFAULT"],
        ),
        "column clients.phone was changed",
    ),
    Case(
        "table-changed",
        sql(f"ALTER TABLE {DB}.clients ADD KEY extra (name(3))", undo=[f"ALTER TABLE {DB}.clients DROP KEY extra"]),
        "key clients.extra was added",
    ),
    Case(
        "table-changed",
        without(
            "TABLE",
            "webhook_deliveries",
            f"CREATE TABLE {DB}.webhook_deliveries (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY) "
            "COLLATE utf8mb4_unicode_ci",
        ),
        "is gone",
    ),
    Case(
        "table-changed",
        sql(
            f"ALTER TABLE {DB}.clients ADD CONSTRAINT extra CHECK (name <> 'x')",
            undo=[f"ALTER TABLE {DB}.clients DROP CONSTRAINT extra"],
        ),
        "check clients.extra was added",
    ),
    Case(
        "table-changed",
        sql(f"{HISTORY} DROP FOREIGN KEY {BY_USER}", undo=[f"{HISTORY} ADD {LEADS} ON DELETE SET NULL"]),
        f"foreign key appointment_history.{BY_USER} is gone",
    ),
    Case(
        "table-changed",
        sql(
            f"{HISTORY} DROP FOREIGN KEY {BY_USER}",
            f"{HISTORY} ADD {LEADS} ON DELETE CASCADE",
            undo=[f"{HISTORY} DROP FOREIGN KEY {BY_USER}", f"{HISTORY} ADD {LEADS} ON DELETE SET NULL"],
        ),
        f"rule of foreign key appointment_history.{BY_USER} was changed",
    ),
    Case(
        "table-changed",
        sql(
            f"ALTER TABLE {DB}.roles COLLATE utf8mb4_general_ci",
            undo=[f"ALTER TABLE {DB}.roles COLLATE utf8mb4_unicode_ci"],
        ),
        "InnoDB utf8mb4_general_ci instead of InnoDB utf8mb4_unicode_ci",
    ),
    Case(
        "table-engine",
        sql(f"ALTER TABLE {DB}.holidays ENGINE Aria", undo=[f"ALTER TABLE {DB}.holidays ENGINE InnoDB"]),
        "table holidays is Aria",
    ),
    Case("view-gone", without("VIEW", "client_summary"), "view client_summary is gone"),
    Case(
        "view-changed",
        without("VIEW", "client_summary", f"CREATE VIEW {DB}.client_summary AS SELECT 1 AS one"),
        "view client_summary was changed",
    ),
    Case("trigger-gone", without("TRIGGER", "messages_sent"), "trigger messages_sent is gone"),
    Case(
        "trigger-changed",
        without(
            "TRIGGER",
            "messages_sent",
            f"CREATE TRIGGER {DB}.messages_sent AFTER INSERT ON {DB}.messages FOR EACH ROW SET @sent = 1",
        ),
        "trigger messages_sent was changed",
    ),
    Case(
        "trigger-added",
        sql(
            f"CREATE TRIGGER {DB}.extra AFTER DELETE ON {DB}.clients FOR EACH ROW SET @gone = 1",
            undo=[f"DROP TRIGGER {DB}.extra"],
        ),
        "trigger extra was added",
    ),
    Case("routine-gone", without("FUNCTION", "staff_is_free"), "function staff_is_free is gone"),
    Case("routine-gone", without("PROCEDURE", "free_slots"), "procedure free_slots is gone"),
    Case(
        "routine-changed",
        without(
            "FUNCTION",
            "appointment_total_cents",
            f"CREATE FUNCTION {DB}.appointment_total_cents() RETURNS INT RETURN 1",
        ),
        "function appointment_total_cents was changed",
    ),
    Case(
        "routine-changed",
        sql(
            f"ALTER PROCEDURE {DB}.free_slots SQL SECURITY INVOKER",
            undo=[f"ALTER PROCEDURE {DB}.free_slots SQL SECURITY DEFINER"],
        ),
        "procedure free_slots was changed",
    ),
    Case(
        "routine-added",
        sql(f"CREATE PROCEDURE {DB}.extra() SELECT 1", undo=[f"DROP PROCEDURE {DB}.extra"]),
        "procedure extra was added",
    ),
    Case("event-gone", without("EVENT", "purge_expired_sessions"), "event purge_expired_sessions is gone"),
    Case(
        "event-changed",
        without(
            "EVENT", "purge_expired_sessions", f"CREATE EVENT {EVENT} ON SCHEDULE EVERY 9 DAY DO DELETE FROM sessions"
        ),
        "event purge_expired_sessions was changed",
    ),
    Case(
        "event-added",
        sql(f"CREATE EVENT {DB}.extra ON SCHEDULE EVERY 1 DAY DO SELECT 1", undo=[f"DROP EVENT {DB}.extra"]),
        "event extra was added",
    ),
    Case(
        "event-definer",
        sql(
            f"ALTER DEFINER = root@localhost EVENT {EVENT} ENABLE",
            undo=[f"ALTER DEFINER = {OWN} EVENT {EVENT} ENABLE"],
        ),
        "event purge_expired_sessions runs as root@localhost instead of agenda_one_own@%",
    ),
    Case("event-asleep", sql(f"ALTER EVENT {EVENT} DISABLE"), "purge_expired_sessions"),
    Case("schema-behind", schema_file("0099_more.sql", "CREATE TABLE more (id INT PRIMARY KEY);\n"), "0099_more.sql"),
    Case("schema-file-changed", schema_file("0003_staff.sql", "-- said later\n"), "0003_staff.sql"),
    Case("seed-changed", sql(f"UPDATE {DB}.plans SET price_cents = 1 WHERE code = 'pro'"), "pro.price_cents"),
    Case("seed-changed", sql(f"UPDATE {DB}.plans SET active = 0 WHERE code = 'pro'"), "pro.active"),
    Case("seed-gone", sql(f"DELETE FROM {DB}.plans WHERE code = 'starter'"), "starter"),
    Case("seed-gone", sql(f"DELETE FROM {DB}.roles WHERE code <> 'admin'"), "seed roles"),
    Case("admin-gone", sql(f"DELETE FROM {DB}.users"), "Ana Ruiz"),
    Case("admin-changed", sql(f"UPDATE {DB}.users SET email = 'x@example.com'"), "x@example.com"),
    Case("central-gone", sql(f"DELETE FROM {CENTRAL}.tenants WHERE name = 'one'"), "add tenant one"),
    Case("central-gone", sql(f"DELETE FROM {CENTRAL}.webhook_endpoints"), "add webhook crm"),
    Case("central-gone", sql(f"DELETE FROM {CENTRAL}.license_devices"), "caja-1", tenant="two"),
    Case("central-changed", sql(f"UPDATE {CENTRAL}.tenants SET domain = 'x.org' WHERE name = 'one'"), "x.org"),
    Case("central-changed", sql(f"UPDATE {CENTRAL}.webhook_endpoints SET url = 'https://x.org/'"), "https://x.org/"),
    Case(
        "central-extra",
        sql(
            f"INSERT INTO {CENTRAL}.webhook_endpoints SELECT tenant, 'extra', url, events, state, platform_id, "
            f"transaction_id FROM {CENTRAL}.webhook_endpoints"
        ),
        "withdraw webhook extra",
    ),
    Case(
        "central-extra",
        sql(
            f"INSERT INTO {CENTRAL}.license_devices SELECT serial, 'extra', hardware, tenant, platform_id, "
            f"transaction_id FROM {CENTRAL}.license_devices"
        ),
        "extra",
        tenant="two",
    ),
    Case(
        "central-double",
        sql(
            f"ALTER TABLE {CENTRAL}.webhook_endpoints DROP PRIMARY KEY",
            f"INSERT INTO {CENTRAL}.webhook_endpoints SELECT * FROM {CENTRAL}.webhook_endpoints",
            undo=[
                f"DELETE FROM {CENTRAL}.webhook_endpoints LIMIT 1",
                f"ALTER TABLE {CENTRAL}.webhook_endpoints ADD PRIMARY KEY (tenant, name)",
            ],
        ),
        "one crm",
    ),
    Case(
        "central-damaged",
        sql(
            "CREATE DATABASE aside",
            f"RENAME TABLE {CENTRAL}.webhook_endpoints TO aside.webhook_endpoints",
            undo=[f"RENAME TABLE aside.webhook_endpoints TO {CENTRAL}.webhook_endpoints", "DROP DATABASE aside"],
        ),
        "has lost the table webhook_endpoints;",
    ),
    Case(
        "central-damaged",
        sql(
            f"ALTER TABLE {CENTRAL}.tenants RENAME COLUMN locale TO locale_was",
            undo=[f"ALTER TABLE {CENTRAL}.tenants RENAME COLUMN locale_was TO locale"],
        ),
        "has lost the column tenants.locale;",
    ),
    Case(
        "central-stray",
        sql(
            f"INSERT INTO {CENTRAL}.webhook_endpoints SELECT 'ghost', name, url, events, state, platform_id, "
            f"transaction_id FROM {CENTRAL}.webhook_endpoints",
            undo=[f"DELETE FROM {CENTRAL}.webhook_endpoints WHERE tenant = 'ghost'"],
        ),
        "rows of ghost (1 in webhook_endpoints)",
        tenant="ghost",
    ),
    Case("central-foreign", another_platform, "of another platform (other)"),
    Case("central-state", sql(f"UPDATE {CENTRAL}.tenants SET state = 'suspended' WHERE name = 'one'"), "active"),
    Case("license-changed", sql(f"UPDATE {CENTRAL}.licenses SET serial = 'X-1' WHERE tenant = 'one'"), "X-1"),
    Case(
        "license-changed",
        sql(f"UPDATE {CENTRAL}.licenses SET expires_at = '2199-01-01', max_devices = 999 WHERE tenant = 'two'"),
        "2199-01-01",
        tenant="two",
    ),
    Case(
        "license-changed", sql(f"UPDATE {CENTRAL}.license_devices SET hardware = '{{}}'"), "change device", tenant="two"
    ),
    Case("delivery-gone", delivered(shutil.rmtree, ""), "the delivery folder is gone"),
    Case("file-gone", delivered(Path.unlink), ".env is missing"),
    Case("file-changed", delivered(lambda path: path.write_bytes(path.read_bytes() + b"#")), ".env has"),
    Case("file-rewritten", delivered(lambda path: path.write_bytes(path.read_bytes()[::-1])), ".env was changed"),
    Case("file-exposed", delivered(lambda path: path.chmod(0o644)), ".env has mode 0644"),
    Case("file-exposed", delivered(lambda path: path.chmod(0o755), ""), "the folder has mode 0755"),
    Case("file-added", delivered(lambda path: path.write_text("stray"), "stray.txt"), "stray.txt does not belong"),
    Case("delivery-replaced", lead_elsewhere, "is a symlink or a file"),
]
