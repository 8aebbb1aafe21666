"""The table in a tenant's database that tells its application which files of the schema it has got.

It is for information only: what was applied is on record in the store, and nothing inside a tenant is trusted. Neither
counts, comparisons nor shapes have it.
"""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.ports.mysql import census, names
from reconciler.ports.mysql.connection import Connection


def write(own: Connection, sums: Mapping[str, str], now: str) -> None:
    """Make the table anew (a script may have brought one along) and write the SHA-256 of each file by its name."""
    table = names.identifier(census.LEDGER)
    rows = ", ".join(f"({names.text(name)}, {names.text(digest)}, {names.text(now)})" for name, digest in sums.items())
    own.packet(
        [
            f"CREATE OR REPLACE TABLE {table} (name VARCHAR(255) NOT NULL, sha256 CHAR(64) NOT NULL, "
            "applied_at VARCHAR(40) NOT NULL, PRIMARY KEY (name)) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 "
            "COLLATE = utf8mb4_bin COMMENT = 'files of the schema, written by reconcile'".encode(),
            f"INSERT INTO {table} VALUES {rows}".encode(),
        ]
    )
