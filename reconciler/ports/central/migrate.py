"""Making and migrating the central database with Alembic.

MariaDB commits every DDL, so no migration is atomic: each revision looks before it acts, and can be repeated after
it was cut off anywhere. One lock keeps two platforms' processes from migrating at once.
"""

from __future__ import annotations

from pathlib import Path

from reconciler import errors
from reconciler.ports.central import view
from reconciler.ports.mysql import locks, names
from reconciler.ports.mysql.connection import DENIED, Connection

HEAD = view.HEAD
_LOCK = "reconciler:central"
_MIGRATIONS = Path(__file__).parent / "migrations"


def version(connection: Connection, database: str) -> str | None:
    """The revision that the central database stands at; None where it has not been made.

    Errors: ``PlatformMisconfigured`` where a database of that name holds something else, or a newer revision.
    """
    try:
        found = connection.value(f"SELECT version_num FROM {names.qualified(database, 'alembic_version')}")
    except errors.StatementFailed as error:
        if error.errno in view.MISSING:
            return None
        if error.errno in DENIED:
            # Without any right on it a database that is not there can't be told from one that may not be seen.
            if _listed(connection, database):
                account = names.account(*str(connection.value("SELECT CURRENT_USER()")).rsplit("@", 1))
                raise errors.MissingPrivilege(
                    f"the account {connection.user} may not read the central database {database}",
                    advice=f"As an administrator run: GRANT SELECT ON {names.grant_level(database)} TO {account};",
                ) from error
            return None
        raise
    if found is not None and str(found) > HEAD:
        raise errors.PlatformMisconfigured(
            f"the central database {database} stands at revision {found}; this version knows up to {HEAD}",
            advice="Upgrade reconciler to the version that the other operators use.",
        )
    return None if found is None else str(found)


def owner(connection: Connection, database: str) -> str | None:
    """The id of the platform that the central database belongs to; None where nothing says so yet."""
    try:
        found = connection.value(f"SELECT platform_id FROM {names.qualified(database, 'platform')}")
    except errors.StatementFailed as error:
        if error.errno in view.MISSING | DENIED:
            return None
        raise
    return None if found is None else str(found)


def upgrade(connection: Connection, database: str, *, platform: str, platform_id: str) -> None:
    """Make the central database, or bring it to ``HEAD``, and write down whose it is. Safe to repeat.

    Errors: ``PlatformMisconfigured`` if it is another platform's, or holds tables that are not the central system's.
    """
    locks.take(connection, _LOCK)
    try:
        connection.run(
            f"CREATE DATABASE IF NOT EXISTS {names.identifier(database)} "
            "CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci"
        )
        _refuse_strangers(connection, database, platform_id)
        connection.run(f"USE {names.identifier(database)}")
        _alembic(connection)
        connection.run(
            f"INSERT IGNORE INTO {names.qualified(database, 'platform')} (id, name, platform_id) VALUES (1, %s, %s)",
            (platform, platform_id),
        )
        _refuse_strangers(connection, database, platform_id)
    finally:
        if not connection.lost:
            locks.release(connection, _LOCK)


def _refuse_strangers(connection: Connection, database: str, platform_id: str) -> None:
    found = owner(connection, database)
    if found is not None and found != platform_id:
        raise errors.PlatformMisconfigured(
            f"the central database {database} on {connection.server.name} belongs to the platform with id {found}, "
            f"this store's id is {platform_id}",
            advice="Name another central database in specs/platform.yaml, or use the store that belongs to this one.",
        )
    if found is None and version(connection, database) is None:
        tables = connection.rows(
            "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s", (database,)
        )
        ours = {*view.COLUMNS, "platform", "alembic_version"}
        strangers = sorted(str(name) for (name,) in tables if name not in ours)
        if strangers:
            raise errors.PlatformMisconfigured(
                f"the database {database} on {connection.server.name} is not a central database: it holds "
                f"{', '.join(strangers[:5])}",
                advice="Name another database under spec.central.database in specs/platform.yaml.",
            )


def _listed(connection: Connection, database: str) -> bool:
    statement = "SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = %s"
    return bool(connection.rows(statement, (database,)))


def _alembic(connection: Connection) -> None:
    # Alembic takes a tenth of a second to import, and is needed once in a platform's life.
    import alembic.command
    import alembic.config
    import sqlalchemy as sa

    engine = sa.create_engine("mysql+pymysql://", creator=lambda: connection.driver, poolclass=sa.pool.StaticPool)
    config = alembic.config.Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    try:
        with engine.connect() as bound:
            config.attributes["connection"] = bound
            alembic.command.upgrade(config, "head")
    except sa.exc.DBAPIError as error:
        raise errors.StatementFailed(f"migrating the central database failed: {error.orig}") from error
