"""What every account of a server may do besides its own privileges: by grants to PUBLIC, and by rows for nobody.

PUBLIC stands in the grant tables as a role without a host. A row of ``mysql.db`` with an empty user counts for every
account that has none of its own there. (A row of ``mysql.tables_priv`` without a user counts for anonymous accounts
only.) Servers are installed with such a grant on the databases ``test`` and ``test_…``, for people to try things out.
No tenant's database has a name like that, so this one is no fault.

Source: MariaDB Knowledge Base, "GRANT", section "To PUBLIC" (from 10.11.0 on), "mysql.db Table" and
"mariadb-install-db", option ``--skip-test-db``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from reconciler.ports.mysql import names, privileges, routines
from reconciler.ports.mysql.connection import Connection

PUBLIC: Final = "PUBLIC"
HOLDERS: Final = ("", PUBLIC)
"""The users under which the grant tables keep it. No account can be named so, and from 10.11 on no role."""
_SINCE: Final = (10, 11)
GRANTING: Final = 1024
"""The bit of GRANT OPTION in an account's ``access`` (the server's ``privilege.h``)."""

_PLAYGROUND: Final = "test"
_INSTALLED: Final = frozenset({_PLAYGROUND, rf"{_PLAYGROUND}\_%", f"{_PLAYGROUND}_%"})
"""The databases of those grants, as ``mysql.db`` has them."""

_ASKED = (
    "SELECT 'anonymous', User, Host, '', '', 0 FROM mysql.global_priv WHERE User = '' "
    "UNION ALL SELECT 'global', User, Host, '', '', (JSON_VALUE(Priv, '$.access') & 1024) <> 0 FROM mysql.global_priv "
    "WHERE User = 'PUBLIC' AND Host = '' AND JSON_VALUE(Priv, '$.access') <> 0 "
    "UNION ALL SELECT 'database', User, Host, Db, '', Grant_priv = 'Y' FROM mysql.db "
    "WHERE (User = '' OR (User = 'PUBLIC' AND Host = '')) "
    "AND 'Y' IN ({}) "
    "UNION ALL SELECT 'table', User, Host, Db, Table_name, FIND_IN_SET('Grant', Table_priv) > 0 "
    "FROM mysql.tables_priv WHERE User = 'PUBLIC' AND Host = '' AND (Table_priv <> '' OR Column_priv <> '') "
    "UNION ALL SELECT 'routine', User, Host, Db, CONCAT(Routine_type, ' ', Routine_name), "
    "FIND_IN_SET('Grant', Proc_priv) > 0 "
    "FROM mysql.procs_priv WHERE User = 'PUBLIC' AND Host = '' AND Proc_priv <> '' "
    "UNION ALL SELECT 'role', User, Host, '', Role, 0 FROM mysql.roles_mapping WHERE User = 'PUBLIC' AND Host = ''"
)


@dataclass(frozen=True, slots=True, order=True)
class Reach:
    """One thing that everybody may do something with.

    ``kind`` is ``global``, ``database``, ``table``, ``routine`` or ``role``; ``user`` and ``host`` are those of the
    row; ``database`` is as the grant table has it; ``object`` a table, a routine behind its type, or a role;
    ``granting`` says that it may be passed on.
    """

    kind: str
    user: str
    host: str
    database: str
    object: str
    granting: bool = False

    @property
    def installed(self) -> bool:
        """Whether it is what servers are installed with."""
        return self.kind == "database" and self.database in _INSTALLED and not self.granting

    @property
    def said(self) -> str:
        """What it is, in words."""
        if self.kind == "role":
            return f"everybody has the role {self.object}, which was granted to PUBLIC"
        kind, name = routines.parts(self.object) if self.kind == "routine" else ("", self.object)
        where = "*.*" if self.kind == "global" else f"{kind} {self.database}.{name or '*'}".strip()
        if self.user == PUBLIC:
            return f"everybody has privileges ON {where}, which were granted to PUBLIC"
        return f"everybody has privileges ON {where} by the row of mysql.db for no user at {names.text(self.host)}"

    @property
    def statement(self) -> str:
        """What an administrator runs to take it away. REVOKE finds no account where there is no user."""
        match self.kind:
            case "role":
                return f"REVOKE {names.identifier(self.object)} FROM PUBLIC;"
            case "global":
                target = "*.*"
            case "database":
                target = "`" + self.database.replace("`", "``") + "`.*"
            case "routine" if not routines.findable(self.database, self.object):
                return routines.deletion(self.user, self.host, self.database, self.object)
            case "routine":
                target = routines.target(self.database, self.object)
            case _:
                target = names.qualified(self.database, self.object)
        if self.user != PUBLIC:
            row = zip(("User", "Host", "Db"), (self.user, self.host, self.database), strict=True)
            where = " AND ".join(f"{column} = {names.text(value)}" for column, value in row)
            return f"DELETE FROM mysql.db WHERE {where}; FLUSH PRIVILEGES;"
        more = f" REVOKE GRANT OPTION ON {target} FROM PUBLIC;" if self.granting else ""
        return f"REVOKE ALL PRIVILEGES ON {target} FROM PUBLIC;{more}"


def asked(connection: Connection) -> tuple[list[str], list[Reach]]:
    """The hosts of anonymous accounts, and what everybody has beyond what servers are installed with.

    Errors: ``StatementFailed``.
    """
    hosts, found = [], []
    giving = privileges.columns(privileges.columns_of(connection))
    for row in connection.rows(_ASKED.format(", ".join(map(names.identifier, giving)))):
        kind, user, host, database, name = map(_text, row[:5])
        if kind == "anonymous":
            hosts.append(host)
        else:
            if kind == "routine":
                database, name = routines.named(database), routines.named(name)
            found.append(Reach(kind, user, host, database, name, bool(int(row[5] or 0))))
    public = has_public(connection.greeting)
    return sorted(hosts), sorted(r for r in found if not r.installed and (public or r.user != PUBLIC))


def has_public(version: str) -> bool:
    """Whether PUBLIC is everybody on a server of this version; on an older one a role may be called so."""
    major, minor = version.removeprefix("5.5.5-").split("-")[0].split(".")[:2]
    return (int(major), int(minor)) >= _SINCE


def playground(database: str) -> bool:
    """Whether a database is one of those that servers are installed to let everybody use."""
    return database == _PLAYGROUND or database.startswith(f"{_PLAYGROUND}_")


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
