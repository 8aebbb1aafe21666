"""The central system: tenant index, licenses, devices, webhook endpoints, and whose they are.

Every table has what undoing needs: the platform's id and the id of the transaction that last wrote the row.
``CREATE TABLE IF NOT EXISTS`` makes the revision repeatable. A domain is unique in the specs, which is where it is
checked: an index that insisted on it would keep two tenants from exchanging theirs.
"""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None

_OPTIONS = "ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci"
_MARK = "platform_id VARCHAR(64) NOT NULL, transaction_id VARCHAR(64) NOT NULL"

_TABLES = (
    f"""CREATE TABLE IF NOT EXISTS platform (
        id TINYINT NOT NULL PRIMARY KEY, name VARCHAR(64) NOT NULL, platform_id VARCHAR(64) NOT NULL
    ) {_OPTIONS}""",
    f"""CREATE TABLE IF NOT EXISTS tenants (
        name VARCHAR(40) NOT NULL PRIMARY KEY, product VARCHAR(40) NOT NULL, display_name VARCHAR(200) NOT NULL,
        server VARCHAR(40) NOT NULL, database_name VARCHAR(64) NULL, domain VARCHAR(253) NULL,
        plan VARCHAR(64) NOT NULL, locale VARCHAR(35) NULL, timezone VARCHAR(64) NULL, state VARCHAR(32) NOT NULL,
        revision VARCHAR(128) NOT NULL, {_MARK},
        KEY tenants_by_domain (domain), KEY tenants_by_product (product, state)
    ) {_OPTIONS}""",
    f"""CREATE TABLE IF NOT EXISTS licenses (
        tenant VARCHAR(40) NOT NULL PRIMARY KEY, product VARCHAR(40) NOT NULL, serial VARCHAR(64) NOT NULL,
        edition VARCHAR(64) NOT NULL, status VARCHAR(32) NOT NULL, issued_at DATE NOT NULL, expires_at DATE NULL,
        grace_days INT NOT NULL, max_devices INT NULL, key_id VARCHAR(64) NULL, seq INT NOT NULL,
        terms LONGTEXT NULL, {_MARK},
        UNIQUE KEY licenses_by_serial (serial), KEY licenses_by_expiry (status, expires_at)
    ) {_OPTIONS}""",
    f"""CREATE TABLE IF NOT EXISTS license_devices (
        serial VARCHAR(64) NOT NULL, name VARCHAR(64) NOT NULL, hardware LONGTEXT NOT NULL,
        tenant VARCHAR(40) NOT NULL, {_MARK},
        PRIMARY KEY (serial, name), KEY license_devices_by_tenant (tenant)
    ) {_OPTIONS}""",
    f"""CREATE TABLE IF NOT EXISTS webhook_endpoints (
        tenant VARCHAR(40) NOT NULL, name VARCHAR(64) NOT NULL, url VARCHAR(2048) NOT NULL, events LONGTEXT NOT NULL,
        state VARCHAR(32) NOT NULL, {_MARK},
        PRIMARY KEY (tenant, name)
    ) {_OPTIONS}""",
)


def upgrade() -> None:
    """Make what is not there yet."""
    for table in _TABLES:
        op.execute(table)


def downgrade() -> None:
    """Refused: the central system is the record of what was sold."""
    raise NotImplementedError("the central database is never taken down by a migration")
