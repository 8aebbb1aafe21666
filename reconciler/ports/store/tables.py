"""The store's tables. JSON stands in text columns, so that every database keeps the bytes that were hashed.

Texts are kept in an encoding that holds every one, and short ones in the order of their bytes, whatever the database's
own defaults are.
"""

from __future__ import annotations

import sqlalchemy as sa

FORMAT = 2

metadata = sa.MetaData()


_BYTES = "utf8mb4_bin"
_TEXT = sa.Text().with_variant(sa.Text(collation=_BYTES), "mysql", "mariadb")
_LONG = sa.Text().with_variant(sa.Text(2**24 - 1, collation=_BYTES), "mysql", "mariadb")


class _Said(sa.types.TypeDecorator[str]):
    """A text for people. It may quote any file, and PostgreSQL keeps no text with a NUL."""

    impl = _TEXT
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:
        """With the sign for a NUL in its place."""
        return value.replace("\0", "␀") if value is not None and dialect.name == "postgresql" else value


def _short(longest: int) -> sa.String:
    """A short text. In PostgreSQL the order of a language would be another after an upgrade of the system's libraries,
    and an index that was made before it would miss rows; in MariaDB names that differ in case alone would be one.
    """
    plain = sa.String(longest)
    plain = plain.with_variant(sa.String(longest, collation="C"), "postgresql")
    return plain.with_variant(sa.String(longest, collation=_BYTES), "mysql", "mariadb")


store = sa.Table(
    "store",
    metadata,
    sa.Column("format", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("platform", _short(64), nullable=False),
    sa.Column("platform_id", _short(64), nullable=False),
    sa.Column("created_at", _short(32), nullable=False),
)

tenants = sa.Table(
    "tenants",
    metadata,
    sa.Column("name", _short(64), primary_key=True),
    sa.Column("product", _short(64), nullable=False),
    sa.Column("server", _short(64), nullable=False),
    sa.Column("database_name", _short(64), nullable=False),
    sa.Column("client_host", _short(255), nullable=False),
    sa.Column("state", _short(32), nullable=False),
    sa.Column("revision", _short(128), nullable=False),
    sa.Column("transaction_id", _short(64), nullable=False),
    sa.Column("spec", _LONG, nullable=False),
    sa.Column("tokens", _LONG, nullable=False),
    sa.Column("facts", _LONG, nullable=False),
    sa.Column("updated_at", _short(32), nullable=False),
)

secrets = sa.Table(
    "secrets",
    metadata,
    sa.Column("tenant", _short(64), primary_key=True),
    sa.Column("name", _short(128), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("mark", _short(255), nullable=False),
    sa.Column("sealed", sa.LargeBinary(4096), nullable=False),
    sa.Column("transaction_id", _short(64), nullable=False, index=True),
)

transactions = sa.Table(
    "transactions",
    metadata,
    sa.Column("id", _short(64), primary_key=True),
    sa.Column("tenant", _short(64), nullable=False),
    sa.Column("action", _short(16), nullable=False),
    sa.Column("state", _short(16), nullable=False),
    sa.Column("token", sa.BigInteger, nullable=False),
    sa.Column("actor", _short(255), nullable=False),
    sa.Column("revision", _short(128), nullable=False),
    sa.Column("started_at", _short(32), nullable=False),
    sa.Column("ended_at", _short(32)),
    sa.Column("head", _short(64), nullable=False),
    sa.Column("records", sa.Integer, nullable=False),
    sa.Index("transactions_by_tenant", "tenant", "started_at"),
    sa.Index("transactions_by_state", "state"),
)

journal = sa.Table(
    "journal",
    metadata,
    sa.Column("transaction_id", _short(64), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("kind", _short(16), nullable=False),
    sa.Column("tenant", _short(64), nullable=False),
    sa.Column("revision", _short(128), nullable=False),
    sa.Column("actor", _short(255), nullable=False),
    sa.Column("token", sa.BigInteger, nullable=False),
    sa.Column("at", _short(32), nullable=False),
    sa.Column("body", _LONG, nullable=False),
    sa.Column("previous", _short(64), nullable=False),
    sa.Column("hash", _short(64), nullable=False),
)

ends = sa.Table(
    "ends",
    metadata,
    sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=False),
    sa.Column("transaction_id", _short(64), nullable=False),
    sa.Column("record", sa.Integer, nullable=False),
    sa.Column("hash", _short(64), nullable=False),
)

outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("id", _short(96), primary_key=True),
    sa.Column("receiver", _short(64), primary_key=True),
    sa.Column("tenant", _short(64), nullable=False),
    sa.Column("event", _short(32), nullable=False),
    sa.Column("body", _LONG, nullable=False),
    sa.Column("written_at", _short(32), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("tried_at", _short(32)),
    sa.Column("due_at", _short(32), nullable=False),
    sa.Column("dead", sa.Boolean, nullable=False),
    sa.Column("error", _Said),
    sa.Index("outbox_by_due", "dead", "due_at"),
)

leases = sa.Table(
    "leases",
    metadata,
    sa.Column("tenant", _short(64), primary_key=True),
    sa.Column("token", sa.BigInteger, nullable=False),
    sa.Column("holder", _TEXT),
    sa.Column("since", _short(32)),
    sa.Column("renewals", sa.BigInteger, nullable=False),
)

standing = sa.Table(
    "standing",
    metadata,
    sa.Column("tenant", _short(64), primary_key=True),
    sa.Column("generation", _short(80), nullable=False),
    sa.Column("revision", _short(128), nullable=False),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("final", sa.Boolean, nullable=False),
    sa.Column("next_at", _short(32)),
    sa.Column("handled_request", _short(255)),
    sa.Column("plan_digest", _short(80)),
    sa.Column("said", _LONG, nullable=False),
    sa.Column("updated_at", _short(32), nullable=False),
)

conditions = sa.Table(
    "conditions",
    metadata,
    sa.Column("subject", _short(64), primary_key=True),
    sa.Column("type", _short(32), primary_key=True),
    sa.Column("status", _short(8), nullable=False),
    sa.Column("reason", _short(64), nullable=False),
    sa.Column("message", _Said, nullable=False),
    sa.Column("generation", _short(80), nullable=False),
    sa.Column("since", _short(32), nullable=False),
)

holds = sa.Table(
    "holds",
    metadata,
    sa.Column("subject", _short(64), primary_key=True),
    sa.Column("actor", _short(255), nullable=False),
    sa.Column("reason", _Said, nullable=False),
    sa.Column("until", _short(32)),
    sa.Column("since", _short(32), nullable=False),
)

sources = sa.Table(
    "sources",
    metadata,
    sa.Column("url", _short(255), primary_key=True),
    sa.Column("branch", _short(255), primary_key=True),
    sa.Column("revision", _short(64), nullable=False),
    sa.Column("at", _short(32), nullable=False),
)
