"""The store's tables. JSON stands in text columns, so that every database keeps the bytes that were hashed."""

from __future__ import annotations

import sqlalchemy as sa

FORMAT = 2

metadata = sa.MetaData()
_LONG = sa.Text().with_variant(sa.Text(2**24 - 1), "mysql", "mariadb")

store = sa.Table(
    "store",
    metadata,
    sa.Column("format", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("platform", sa.String(64), nullable=False),
    sa.Column("platform_id", sa.String(64), nullable=False),
    sa.Column("created_at", sa.String(32), nullable=False),
)

tenants = sa.Table(
    "tenants",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("product", sa.String(64), nullable=False),
    sa.Column("server", sa.String(64), nullable=False),
    sa.Column("database_name", sa.String(64), nullable=False),
    sa.Column("client_host", sa.String(255), nullable=False),
    sa.Column("state", sa.String(32), nullable=False),
    sa.Column("revision", sa.String(128), nullable=False),
    sa.Column("transaction_id", sa.String(64), nullable=False),
    sa.Column("spec", _LONG, nullable=False),
    sa.Column("tokens", _LONG, nullable=False),
    sa.Column("facts", _LONG, nullable=False),
    sa.Column("updated_at", sa.String(32), nullable=False),
)

secrets = sa.Table(
    "secrets",
    metadata,
    sa.Column("tenant", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(128), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("mark", sa.String(255), nullable=False),
    sa.Column("sealed", sa.LargeBinary(4096), nullable=False),
    sa.Column("transaction_id", sa.String(64), nullable=False, index=True),
)

transactions = sa.Table(
    "transactions",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("tenant", sa.String(64), nullable=False),
    sa.Column("action", sa.String(16), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("token", sa.BigInteger, nullable=False),
    sa.Column("actor", sa.String(255), nullable=False),
    sa.Column("revision", sa.String(128), nullable=False),
    sa.Column("started_at", sa.String(32), nullable=False),
    sa.Column("ended_at", sa.String(32)),
    sa.Column("head", sa.String(64), nullable=False),
    sa.Column("records", sa.Integer, nullable=False),
    sa.Index("transactions_by_tenant", "tenant", "started_at"),
    sa.Index("transactions_by_state", "state"),
)

journal = sa.Table(
    "journal",
    metadata,
    sa.Column("transaction_id", sa.String(64), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("tenant", sa.String(64), nullable=False),
    sa.Column("revision", sa.String(128), nullable=False),
    sa.Column("actor", sa.String(255), nullable=False),
    sa.Column("token", sa.BigInteger, nullable=False),
    sa.Column("at", sa.String(32), nullable=False),
    sa.Column("body", _LONG, nullable=False),
    sa.Column("previous", sa.String(64), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
)

ends = sa.Table(
    "ends",
    metadata,
    sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=False),
    sa.Column("transaction_id", sa.String(64), nullable=False),
    sa.Column("record", sa.Integer, nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
)

outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("id", sa.String(96), primary_key=True),
    sa.Column("receiver", sa.String(64), primary_key=True),
    sa.Column("tenant", sa.String(64), nullable=False),
    sa.Column("event", sa.String(32), nullable=False),
    sa.Column("body", _LONG, nullable=False),
    sa.Column("written_at", sa.String(32), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("tried_at", sa.String(32)),
    sa.Column("due_at", sa.String(32), nullable=False),
    sa.Column("dead", sa.Boolean, nullable=False),
    sa.Column("error", sa.Text),
    sa.Index("outbox_by_due", "dead", "due_at"),
)

leases = sa.Table(
    "leases",
    metadata,
    sa.Column("tenant", sa.String(64), primary_key=True),
    sa.Column("token", sa.BigInteger, nullable=False),
    sa.Column("holder", sa.Text),
    sa.Column("since", sa.String(32)),
    sa.Column("renewals", sa.BigInteger, nullable=False),
)

standing = sa.Table(
    "standing",
    metadata,
    sa.Column("tenant", sa.String(64), primary_key=True),
    sa.Column("generation", sa.String(80), nullable=False),
    sa.Column("revision", sa.String(128), nullable=False),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("final", sa.Boolean, nullable=False),
    sa.Column("next_at", sa.String(32)),
    sa.Column("handled_request", sa.String(255)),
    sa.Column("plan_digest", sa.String(80)),
    sa.Column("said", _LONG, nullable=False),
    sa.Column("updated_at", sa.String(32), nullable=False),
)

conditions = sa.Table(
    "conditions",
    metadata,
    sa.Column("subject", sa.String(64), primary_key=True),
    sa.Column("type", sa.String(32), primary_key=True),
    sa.Column("status", sa.String(8), nullable=False),
    sa.Column("reason", sa.String(64), nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("generation", sa.String(80), nullable=False),
    sa.Column("since", sa.String(32), nullable=False),
)

holds = sa.Table(
    "holds",
    metadata,
    sa.Column("subject", sa.String(64), primary_key=True),
    sa.Column("actor", sa.String(255), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("until", sa.String(32)),
    sa.Column("since", sa.String(32), nullable=False),
)

sources = sa.Table(
    "sources",
    metadata,
    sa.Column("url", sa.String(255), primary_key=True),
    sa.Column("branch", sa.String(255), primary_key=True),
    sa.Column("revision", sa.String(64), nullable=False),
    sa.Column("at", sa.String(32), nullable=False),
)
