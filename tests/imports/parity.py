"""One input, two databases: what `reconcile` makes of it, and what the official client does."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import yaml

from reconciler.model.outcome import Outcome
from reconciler.ports.ports import Ports
from tests.support import server as servers
from tests.support.shop import Shop

TENANT, DATABASE = "one", "pos_one"
PRODUCT = "specs/products/pos-tree-codes/product.yaml"
SPEC = {
    "displayName": "Tienda",
    "edition": "standard",
    "cloudSync": True,
    "license": {"expires": "2099-12-31"},
}
_CHARSET = "CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci"
_LEDGER = re.compile(
    rb"(?ms)^DROP TABLE IF EXISTS `_reconciler_migrations`;.*?ALTER TABLE `_reconciler_migrations` ENABLE.*?\n"
)
_DEFINER = re.compile(rb"DEFINER=`[^`]*`@`[^`]*`")
_ANSI_DEFINER = re.compile(rb'DEFINER="[^"]*"@"[^"]*"')
_HEADER = re.compile(rb"\A.*?\nUSE `[^`]*`;\n", re.DOTALL)


def product(shop: Shop, schema: str, mapping: str = "") -> None:
    """Let the product's schema be the file or folder ``schema`` of the repository."""
    path = shop.root / PRODUCT
    data = yaml.safe_load(path.read_text())
    data["spec"]["schema"] = schema
    data["spec"].pop("import", None)
    if mapping:
        data["spec"]["import"] = {"mapDatabase": mapping}
    path.write_text(yaml.safe_dump(data, sort_keys=False))


def ours(shop: Shop, text: bytes, mapping: str = "", ports: Ports | None = None) -> Outcome:
    """Make the tenant from a schema of this one file, ``specs/schema.sql``."""
    (shop.root / "specs/schema.sql").write_bytes(text)
    product(shop, "specs/schema.sql", mapping)
    shop.tenant("PosTenant", TENANT, SPEC)
    return shop.apply(ports)[TENANT]


def official(
    server: servers.Server, text: bytes, database: str = "official", *, folder: Path | None = None, make: bool = True
) -> subprocess.CompletedProcess[bytes]:
    """Send the file through the client, into ``database`` made as a tenant's is; run in ``folder``."""
    server.sql("SET GLOBAL character_set_server = utf8mb4")
    server.sql("SET GLOBAL collation_server = utf8mb4_unicode_ci")
    try:
        if make:
            server.sql(f"CREATE DATABASE `{database}` {_CHARSET}")
        arguments, environment = server._client_arguments()
        options = ["--no-defaults", "--default-character-set=utf8mb4", *arguments]
        return subprocess.run(
            ["mariadb", *options, *([database] if make else [])],
            input=text,
            capture_output=True,
            env=environment or None,
            cwd=folder,
            check=False,
        )
    finally:
        server.sql("SET GLOBAL character_set_server = DEFAULT")
        server.sql("SET GLOBAL collation_server = DEFAULT")


def dumped(server: servers.Server, database: str) -> bytes:
    """A database's dump without its name, its definers, and our own table."""
    text = server.dump([database])[database]
    text = text.replace(f"`{database}`".encode(), b"`it`")  # views keep the database of the functions that they call
    return _ANSI_DEFINER.sub(b"", _DEFINER.sub(b"", _LEDGER.sub(b"", _HEADER.sub(b"", text))))


def rows(server: servers.Server, database: str) -> dict[str, Any]:
    """How many rows each table has."""
    names = server.sql(
        "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s AND TABLE_TYPE <> 'VIEW' "
        "AND TABLE_NAME <> '_reconciler_migrations'",
        database,
    )
    return {name: server.sql(f"SELECT COUNT(*) FROM `{database}`.`{name}`")[0][0] for (name,) in names}
