"""The tenant that every contender makes: a database of 24 tables with its first rows, two accounts, central rows.

The schema is the sample product's, cut to 24 tables. The statements are taken from the product's own flow, so that
what the others make is what `reconcile apply` makes.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pymysql.converters

from reconciler.engine import setting as settings
from reconciler.model.given import Given
from reconciler.model.server import Server
from reconciler.ports.mysql import names
from reconciler.resources import importing, scripts
from reconciler.resources.account import Account
from reconciler.resources.admin_user import AdminUser
from reconciler.resources.central_rows import CentralRows
from reconciler.resources.database import CHARSET, COLLATION
from reconciler.resources.schema import Schema
from reconciler.resources.seed_rows import SeedRows
from reconciler.sql import outgoing
from tests.support.server import Server as TestServer
from tests.support.shop import QUICK, Shop

TABLES = 24
SCHEMA = "specs/products/agenda-ia/schema"
_CENTRAL = "license_manager"


def shop(root: Path, server: TestServer) -> Shop:
    """A repository without tenants whose product has 24 tables."""
    made = Shop(root, server)
    _cut(root / SCHEMA)
    return made


def _cut(folder: Path) -> None:
    """The tables of settings, staff, clients and appointments, the first one of the assistant; no billing."""
    (folder / "0007_billing.sql").unlink()
    assistant = folder / "0006_assistant.sql"
    assistant.write_text(re.split(r"(?m)^CREATE TABLE ", assistant.read_text(), maxsplit=2)[0] + _first(assistant))
    programs = folder / "0008_programs.sql"
    programs.write_text(re.sub(r"(?ms)^CREATE TRIGGER messages_sent.*?^END\$\$\n", "", programs.read_text()))
    text = "".join(path.read_text() for path in folder.glob("*.sql"))
    found = len(re.findall(r"(?m)^CREATE TABLE ", text))
    assert found == TABLES, f"the sample's schema has changed: {found} tables are left of it"


def _first(path: Path) -> str:
    return "CREATE TABLE " + re.split(r"(?m)^CREATE TABLE ", path.read_text(), maxsplit=2)[1]


def write(shop: Shop, count: int) -> None:
    """The specs of ``count`` tenants, and no others."""
    wanted = {name(number) for number in range(count)}
    have = {path.stem for path in (shop.root / "specs/tenants").iterdir()}
    for gone in have - wanted:
        shop.without(gone)
    for number in range(count):
        if name(number) not in have:
            shop.tenant("AgendaTenant", name(number), spec(number))


def name(number: int) -> str:
    """The name of one tenant."""
    return f"clinic-{number:05}"


def spec(number: int) -> dict[str, Any]:
    """The spec of one tenant."""
    return {
        "displayName": f"Clínica {number}",
        "plan": "pro",
        "domain": f"clinic-{number}.example.com",
        "admin": {"name": "Ana Ruiz", "email": f"ana@clinic-{number}.example.com"},
        "webhooks": [
            {"name": "crm", "url": f"https://crm.example.com/{number}", "events": ["appointment.created"]},
        ],
    }


# --- the statements -----------------------------------------------------------------------------------------


def work(shop: Shop, parallel: int, platform_id: str = "") -> dict[str, Any]:
    """Everything that ``peers/steps.py`` needs: the server, and each tenant's packets, step by step, with undo.

    The packets of the schema, equal for all, stand once; a step names them by ``schema``.
    """
    setting = shop.setting()
    try:
        found = [_tenant(setting, tenant, platform_id) for tenant in setting.tenants({})]
    finally:
        if setting.store is not None:
            setting.store.close()
    server = shop.server
    return {
        "server": {"host": server.host, "port": server.port, "user": server.user, "password": server.password},
        "parallel": parallel,
        "schema": _schema(scripts.load(shop.root, SCHEMA)),
        "tenants": found,
    }


def _schema(source: scripts.Scripts) -> list[str]:
    packets, asleep = [], []
    for _, statements in scripts.statements(source):
        for packet in outgoing.packets(statements, importing.PACKET_BYTES):
            packets.append("\n;\n".join(sent.text.decode() for sent in packet))
            asleep += [sent.event for sent in packet if sent.event and sent.enable]
    return [*packets, *(f"ALTER EVENT {names.identifier(event)} ENABLE" for event in asleep)]


def _tenant(setting: settings.Setting, tenant: Any, platform_id: str) -> dict[str, Any]:
    transaction = secrets.token_hex(16)
    given = Given(
        today=setting.ports.clock.now().date().isoformat(),
        revision=setting.revision_of(tenant),
        draw=QUICK.draw,
        draw_token=lambda what: setting.ports.clock.stamp()[:10] if what == "issued" else secrets.token_hex(16),
    )
    wanted = [step.wanted for step in setting.products[tenant.product].flow(tenant, given)]
    database, server = tenant.database, tenant.server
    quoted = names.identifier(database)
    users = [entry for entry in wanted if isinstance(entry, Account)]
    central = [entry for entry in wanted if isinstance(entry, CentralRows)]
    mark = {"platform_id": platform_id, "transaction_id": transaction}
    central_rows = [_central(entry, mark) for entry in central if entry.rows]
    delete = [f"DELETE FROM {_CENTRAL}.{entry.table} WHERE {_owner(entry.table)} = {literal(tenant.name)}"
              for entry in central]  # fmt: skip
    options = f"CHARACTER SET {CHARSET} COLLATE {COLLATION}"
    comment = f"reconciler/v1 default {platform_id} {tenant.name} {transaction}"
    assert any(isinstance(entry, Schema) for entry in wanted)
    steps = [
        _step("database", [f"CREATE DATABASE {quoted} {options} COMMENT {literal(comment)}"],
              [f"DROP DATABASE IF EXISTS {quoted}"]),
        _step("accounts", _accounts(users, database, tenant.catalogue.privileges, server),
              [f"DROP USER IF EXISTS {names.account(entry.user, entry.host)}" for entry in users]),
        {**_step("schema", [], []), "schema": True, "database": database},
        {**_step("rows", [_together(_rows(wanted))], []), "database": database},
        _step("central", [_together(central_rows)], [_together(delete)]),
    ]  # fmt: skip
    return {
        "name": tenant.name,
        "database": database,
        "steps": steps,
        "users": [[entry.user, entry.secret.mark] for entry in users],
        "rows": _rows(wanted),
        "central": central_rows,
    }


def _step(name: str, packets: list[str], undo: list[str]) -> dict[str, Any]:
    return {"name": name, "database": "", "schema": False, "packets": packets, "undo": undo}


def _accounts(users: list[Account], database: str, privileges: Iterable[str], server: Server) -> list[str]:
    own, _ = users
    statements = []
    for entry in users:
        who, locked = names.account(entry.user, entry.host), " ACCOUNT LOCK" * (entry is own)
        mark = literal(entry.secret.mark)
        statements.append(f"CREATE USER {who} IDENTIFIED VIA mysql_native_password USING {mark}{locked}")
        rights = "ALL PRIVILEGES" if entry is own else ", ".join(sorted(privileges))
        statements.append(f"GRANT {rights} ON {names.grant_level(database)} TO {who}")
    return ["\n;\n".join(statements)]


def _rows(wanted: list[Any]) -> list[str]:
    statements = []
    for entry in wanted:
        if isinstance(entry, SeedRows):
            statements.append(_insert(names.identifier(entry.table), entry.rows))
        elif isinstance(entry, AdminUser):
            row = {**entry.key, **entry.follows, **entry.once, entry.hash_column: entry.secret.mark}
            statements.append(_insert(names.identifier(entry.table), [row]))
    return statements


def _central(entry: CentralRows, mark: Mapping[str, str]) -> str:
    born = {**entry.born, ("status" if entry.table == "licenses" else "state"): "active"}
    return _insert(f"{_CENTRAL}.{entry.table}", [{**row, **born, **mark} for row in entry.rows])


def _owner(table: str) -> str:
    return "name" if table == "tenants" else "tenant"


def _insert(target: str, rows: Iterable[Mapping[str, Any]]) -> str:
    listed = list(rows)
    columns = list(listed[0])
    values = ", ".join("(" + ", ".join(literal(row[column]) for column in columns) + ")" for row in listed)
    return f"INSERT INTO {target} ({', '.join(names.identifier(column) for column in columns)}) VALUES {values}"


def _together(statements: list[str]) -> str:
    return "\n;\n".join(["START TRANSACTION", *statements, "COMMIT"])


def literal(value: Any) -> str:
    """A value inside a statement; lists and mappings as JSON."""
    if value is None:
        return "NULL"
    if isinstance(value, bool | int):
        return str(int(value))
    if isinstance(value, dict | list | tuple):
        value = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "'" + pymysql.converters.escape_string(str(value)) + "'"
