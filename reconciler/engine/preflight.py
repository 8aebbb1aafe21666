"""What can be known before the first change: whether the servers and folders will do what the plan needs.

A check that fails blocks the tenants of that server, in the plan already, so that a green plan is a green apply. An
account without any right to write is taken for a planning account: then nothing is said about what it could not do.
"""

from __future__ import annotations

import os
import shutil
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler import errors, resources
from reconciler.engine.setting import Setting
from reconciler.model.server import Server
from reconciler.ports.mysql import everybody, names, privileges
from reconciler.ports.mysql.connection import AGAIN, DENIED, Connection

OLDEST = (10, 5)
"""Databases carry a comment, our mark, since MariaDB 10.5 (Knowledge Base, "CREATE DATABASE")."""

GLOBAL = ("CREATE USER", "RELOAD", "PROCESS", "CONNECTION ADMIN", "SHOW DATABASES")
_WRITING = frozenset({"CREATE USER", "CREATE", "DROP", "ALTER", "INSERT", "UPDATE", "DELETE"})
_FREE_BYTES = 16 * 1024 * 1024


@dataclass(slots=True)
class Finding:
    """What is wrong with one server; ``planning`` says that the account can only look."""

    refusals: list[errors.Refused] = field(default_factory=list)
    planning: bool = False


def check_server(connection: Connection, server: Server, setting: Setting, *, acts: bool = False) -> Finding:
    """Everything about ``server`` that would stop a change there; ``acts`` asks for it of a planning account too."""
    finding = Finding()
    facts = connection.rows("SELECT VERSION(), CURRENT_USER(), @@GLOBAL.read_only, @@GLOBAL.max_allowed_packet")[0]
    version, account = str(facts[0]), str(facts[1])
    if "mariadb" not in version.lower() or _numbers(version) < OLDEST:
        finding.refusals.append(
            errors.Refused(
                f"server {server.name} is {version}; tenants are provisioned on MariaDB from "
                f"{'.'.join(map(str, OLDEST))} on",
                advice="Name a MariaDB server in the spec. MySQL is not supported yet.",
            )
        )
        return finding
    held, levels = _held(connection, account, version)
    finding.planning = _WRITING.isdisjoint(held.union(*({p.rstrip("+") for p in found} for found in levels.values())))
    finding.refusals += _settings(server, read_only=bool(int(facts[2])), packet=int(facts[3]))
    finding.refusals += _everybody(connection, server)
    if acts or not finding.planning:
        finding.refusals += _missing(connection, server, setting, account, held, levels)
        finding.refusals += _policies(connection, server)
    return finding


def check_delivery(setting: Setting) -> Iterator[errors.Refused]:
    """Whether the delivery folder can take what will be written."""
    folder = setting.place.deliveries
    if not folder.exists():
        return
    if folder.is_symlink() or not folder.is_dir():
        yield errors.DeliveryUnusable(f"the delivery folder {folder} is a symlink or no folder")
    elif not os.access(folder, os.W_OK | os.X_OK) or os.statvfs(folder).f_flag & os.ST_RDONLY:
        yield errors.DeliveryUnusable(f"the delivery folder {folder} can't be written to")
    elif (free := shutil.disk_usage(folder).free) < _FREE_BYTES:
        yield errors.DeliveryUnusable(f"the delivery folder {folder} has {free // 1024} KiB left")


def grants_needed(setting: Setting, server: Server) -> list[str]:
    """The GRANT statements that make ``server``'s user a provisioning account, as an administrator would run them."""
    account = names.account(server.user, "%")
    statements = [f"GRANT {', '.join(GLOBAL)} ON *.* TO {account};", f"GRANT SELECT ON mysql.* TO {account};"]
    for prefix in prefixes(setting):
        statements.append(f"GRANT ALL PRIVILEGES ON `{names.pattern(prefix)}%`.* TO {account} WITH GRANT OPTION;")
    if server.name == setting.place.central_server:
        central = names.grant_level(setting.place.central_database)
        statements.append(f"GRANT ALL PRIVILEGES ON {central} TO {account} WITH GRANT OPTION;")
    return statements


def planning_grants(user: str) -> list[str]:
    """The GRANT statement that makes ``user`` a planning account."""
    return [f"GRANT SELECT, SHOW DATABASES, SHOW VIEW, PROCESS, EVENT ON *.* TO {names.account(user, '%')};"]


def _missing(
    connection: Connection,
    server: Server,
    setting: Setting,
    current: str,
    held: frozenset[str],
    levels: Mapping[str, frozenset[str]],
) -> Iterator[errors.MissingPrivilege]:
    account = names.account(*current.rsplit("@", 1))
    lacking = [privilege for privilege in GLOBAL if privilege not in held]
    if lacking:
        yield _lacks(server, lacking, "*.*", f"GRANT {', '.join(lacking)} ON *.* TO {account};")
    if "SELECT" not in held and levels.get("mysql", frozenset()).isdisjoint({"SELECT", "SELECT+"}):
        try:
            connection.value("SELECT 1 FROM mysql.global_priv LIMIT 1")
        except errors.StatementFailed as error:
            if error.errno not in DENIED:
                raise
            yield _lacks(server, ["SELECT"], "mysql.*", f"GRANT SELECT ON mysql.* TO {account};")
            return  # what ALL means can't be seen without it
    everything = privileges.expanded(privileges.columns_of(connection, again=False))
    if {*everything, privileges.GRANT_OPTION} <= held:
        return
    wanted = [f"{names.pattern(prefix)}%" for prefix in prefixes(setting)]
    if server.name == setting.place.central_server:
        wanted.append(names.pattern(setting.place.central_database))
    for level in wanted:
        probe = level.removesuffix("%").replace("\\", "") + ("x" if level.endswith("%") else "")
        covered: set[str] = set()
        for pattern, found in levels.items():
            if names.reaches(pattern, probe):
                covered |= found
        if not everything <= {entry.rstrip("+") for entry in covered if entry.endswith("+")} | {
            privilege for privilege in held if privileges.GRANT_OPTION in held
        }:
            statement = f"GRANT ALL PRIVILEGES ON `{level}`.* TO {account} WITH GRANT OPTION;"
            yield _lacks(server, ["ALL PRIVILEGES with GRANT OPTION"], f"`{level}`.*", statement)


def _lacks(server: Server, lacking: list[str], level: str, statement: str) -> errors.MissingPrivilege:
    return errors.MissingPrivilege(
        f"the account {server.user} on server {server.name} lacks {', '.join(lacking)} ON {level}",
        advice=f"As an administrator run: {statement}",
    )


def _settings(server: Server, *, read_only: bool, packet: int) -> Iterator[errors.Refused]:
    if read_only:
        yield errors.Refused(
            f"server {server.name} is read-only",
            advice="Name the primary server in the spec, or SET GLOBAL read_only = OFF on it.",
        )
    if packet < 1024 * 1024:
        yield errors.Refused(
            f"server {server.name} takes packets of at most {packet} bytes",
            advice="SET GLOBAL max_allowed_packet = 16777216;",
        )


def _everybody(connection: Connection, server: Server) -> Iterator[errors.Refused]:
    try:
        hosts, reaches = everybody.asked(connection)
    except errors.StatementFailed as error:
        if error.errno in DENIED or error.errno in AGAIN:
            return  # of each tenant it is said that its accounts can't be seen
        raise
    for host in hosts:
        yield resources.account.anonymous(server.name, host)
    if reaches:
        yield resources.grants.everybodys(server.name, [(found.said, found.statement) for found in reaches])


def _policies(connection: Connection, server: Server) -> Iterator[errors.PasswordPolicy]:
    rows = connection.rows(
        "SELECT PLUGIN_NAME FROM information_schema.PLUGINS "
        "WHERE PLUGIN_TYPE = 'PASSWORD VALIDATION' AND PLUGIN_STATUS = 'ACTIVE'"
    )
    strict = connection.rows("SHOW GLOBAL VARIABLES LIKE 'strict_password_validation'") if rows else []
    if strict and str(strict[0][1]).upper() in ("ON", "1"):
        plugins = ", ".join(sorted(str(row[0]) for row in rows))
        yield errors.PasswordPolicy(
            f"server {server.name} checks passwords ({plugins}) and refuses accounts that are made with a hash, which "
            f"is how {resources.account.PLUGIN} accounts are made here so that no password crosses the server's log",
            advice="Either SET GLOBAL strict_password_validation = OFF; or "
            + " ".join(f"UNINSTALL PLUGIN {row[0]!s};" for row in rows),
        )


def _held(connection: Connection, account: str, version: str) -> tuple[frozenset[str], dict[str, frozenset[str]]]:
    """The account's global privileges; and by the database part of a grant those there, which end with ``+`` if it may
    pass them on.
    """
    rows: list[tuple[Any, ...]] = connection.rows(
        "SELECT '', PRIVILEGE_TYPE, IS_GRANTABLE FROM information_schema.USER_PRIVILEGES WHERE GRANTEE = %s "
        "UNION ALL SELECT TABLE_SCHEMA, PRIVILEGE_TYPE, IS_GRANTABLE FROM information_schema.SCHEMA_PRIVILEGES "
        "WHERE GRANTEE = %s",
        (_grantee(account), _grantee(account)),
    )
    held, found = set[str](), defaultdict[str, set[str]](set)
    for level, name, grantable in rows:
        privilege = privileges.normal(str(name))
        if level:
            found[str(level)].add(privilege + ("+" if grantable == "YES" else ""))
        else:
            held |= {privilege, privileges.GRANT_OPTION} if grantable == "YES" else {privilege}
    if "SUPER" in held and privileges.super_holds_the_rest(version):
        held.add("CONNECTION ADMIN")
    return frozenset(held), {level: frozenset(there) for level, there in found.items()}


def _grantee(account: str) -> str:
    user, host = account.rsplit("@", 1)
    return f"'{user}'@'{host}'"


def prefixes(setting: Setting) -> list[str]:
    """What tenants' databases begin with, sorted."""
    found = []
    for product in setting.products.values():
        document = product.catalogue(setting.specs)
        if document is not None:
            found.append(str(document.spec.database_prefix))
    return sorted(set(found))


def _numbers(version: str) -> tuple[int, int]:
    parts = version.removeprefix("5.5.5-").split("-")[0].split(".")
    return int(parts[0]), int(parts[1])
