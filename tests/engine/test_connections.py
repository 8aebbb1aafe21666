"""A transaction's connections: what each states at its login, which lock name it holds, and how few there are."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler import errors
from reconciler.model import names as derived
from reconciler.model.secret import Secret
from reconciler.model.server import PasswordSource, Server
from reconciler.ports.mysql import connection as mysql
from reconciler.ports.mysql import locks
from reconciler.ports.session import ROLES, Place, Session
from tests.support import server as servers
from tests.support.faults import Boundaries

OWN, OTHER = "agenda_one_own", "agenda_two_own"
SECRET = Secret("db.own", 1)
STATED = {
    "character_set_client": "utf8mb4",
    "character_set_connection": "utf8mb4",
    "character_set_results": "utf8mb4",
    "autocommit": 1,
    "lock_wait_timeout": 10,
}
ELSEWHERE = {
    "character_set_client": "latin1",
    "collation_server": "utf8mb4_unicode_ci",
    "autocommit": 0,
    "lock_wait_timeout": 77,
    "time_zone": "+05:00",
    "sql_mode": "ANSI_QUOTES,NO_BACKSLASH_ESCAPES",
    "group_concat_max_len": 4,
}
KEPT_FOR_SCRIPTS = ("time_zone", "sql_mode", "group_concat_max_len")


@pytest.fixture
def spec(server: servers.Server, tmp_path: Path) -> Server:
    """The server as a transaction knows it."""
    (tmp_path / "password").write_text(server.password)
    password = PasswordSource(file=str(tmp_path / "password"))
    return Server("main", server.host, server.port, user=server.user, password=password)


@pytest.fixture
def other_defaults(clean_server: servers.Server) -> Iterator[servers.Server]:
    """A server that gives every session something else than ours."""
    former = {name: clean_server.sql(f"SELECT @@GLOBAL.{name}")[0][0] for name in ELSEWHERE}
    for name, value in ELSEWHERE.items():
        clean_server.sql(f"SET GLOBAL {name} = %s", value)
    yield clean_server
    for name, value in former.items():
        clean_server.sql(f"SET GLOBAL {name} = %s", value)


def made(spec: Server, folder: Path, boundaries: Boundaries | None = None, *, transaction: str = "t") -> Session:
    return Session(
        tenant="one",
        transaction=transaction,
        token=1,
        place=Place("default", "p", "main", "license_manager", folder, folder),
        servers={"main": spec},
        ports=(boundaries or Boundaries()).ports(),
        fence=lambda: None,
        reveal=lambda secret: "a-password",
        sign=lambda terms: b"",
    )


@pytest.fixture
def accounts(clean_server: servers.Server) -> servers.Server:
    """A server with the own accounts of two tenants, both locked."""
    for name in ("agenda_one", "agenda_two"):
        clean_server.sql(f"CREATE DATABASE {name}")
        clean_server.sql(f"CREATE USER {name}_own@'%' IDENTIFIED BY 'a-password' ACCOUNT LOCK")
        clean_server.sql(f"GRANT ALL ON {name}.* TO {name}_own@'%'")
    return clean_server


def test_whoever_was_taken_over_gets_no_connection_and_holds_no_name(
    clean_server: servers.Server, spec: Server, tmp_path: Path
) -> None:
    def lost() -> None:
        raise errors.LeaseLost("somebody else took over")

    session = made(spec, tmp_path)
    session.fence = lost
    before = sessions(clean_server, clean_server.user)
    with pytest.raises(errors.LeaseLost):
        session.admin("main")
    assert free(clean_server, "admin")
    assert settled(lambda: set(sessions(clean_server, clean_server.user)) <= set(before))


def locked(server: servers.Server, user: str) -> bool:
    return "ACCOUNT LOCK" in server.sql(f"SHOW CREATE USER {user}@'%'")[0][0]


def settled(holds: Callable[[], bool]) -> bool:
    """Whether it holds, in the end: a server notices a moment later that a connection was closed."""
    for _ in range(500):
        if holds():
            return True
        time.sleep(0.02)
    return False


def free(server: servers.Server, role: str) -> bool:
    """Whether nobody holds the lock name of a role, in the end."""
    return settled(lambda: server.sql("SELECT IS_FREE_LOCK(%s)", derived.lock("p", "one", role)) == [(1,)])


def sessions(server: servers.Server, user: str) -> list[int]:
    found = server.sql("SELECT ID FROM information_schema.PROCESSLIST WHERE USER = %s ORDER BY ID", user)
    return [number for (number,) in found]


# --- what a login states ----------------------------------------------------------------------------------


def variables(found: mysql.Connection, names: Any) -> dict[str, Any]:
    return dict(zip(names, found.rows("SELECT " + ", ".join(f"@@SESSION.{name}" for name in names))[0], strict=True))


def of_the_version(server: servers.Server) -> dict[str, str]:
    """The collation that goes with the character set where nothing else is said, another one from 11.5 on."""
    return {"collation_connection": server.sql("SELECT @@collation_connection")[0][0]}


def test_a_login_states_its_session_whatever_the_server_s_defaults_are(
    other_defaults: servers.Server, spec: Server
) -> None:
    ours = {"time_zone": "+00:00", "sql_mode": mysql.SQL_MODE, "group_concat_max_len": mysql.GROUPED_BYTES}
    wanted = STATED | of_the_version(other_defaults) | ours
    found = mysql.connect(spec)
    try:
        assert variables(found, wanted) == wanted
        assert found.value("SELECT %s", ("it's a \\ here",)) == "it's a \\ here"
    finally:
        found.close()


def test_a_login_for_scripts_leaves_what_scripts_are_written_for(other_defaults: servers.Server, spec: Server) -> None:
    wanted = STATED | of_the_version(other_defaults) | {name: ELSEWHERE[name] for name in KEPT_FOR_SCRIPTS}
    found = mysql.connect(spec, plain=True)
    try:
        assert variables(found, wanted) == wanted
        assert found.value("SELECT %s", ("it's a \\ here",)) == "it's a \\ here"
        found.packet([b"SELECT 1", b"SELECT 2"])
    finally:
        found.close()


def test_a_login_states_all_of_it_in_one_statement(clean_server: servers.Server, spec: Server) -> None:
    for plain in (False, True):
        found = mysql.connect(spec, plain=plain)
        try:
            assert found.rows("SHOW SESSION STATUS LIKE 'Questions'") == [("Questions", "2")]
        finally:
            found.close()


# --- how few there are ------------------------------------------------------------------------------------


def test_the_central_database_on_the_tenant_s_server_needs_no_connection_of_its_own(
    clean_server: servers.Server, spec: Server, tmp_path: Path
) -> None:
    session = made(spec, tmp_path)
    assert session.central() is session.admin("main")
    session.close()


def test_every_connection_holds_the_lock_name_of_its_role(
    accounts: servers.Server, spec: Server, tmp_path: Path
) -> None:
    session = made(spec, tmp_path)
    roles = {}
    with session.owner("main", OWN, "%", SECRET, "agenda_one") as own:
        roles["owner"] = own.thread
        roles["admin"] = session.admin("main").thread
        roles["programmer"] = session.programmer("main", "agenda_one").thread
        assert set(roles) | {"login"} == set(ROLES)
        for role, thread in roles.items():
            assert accounts.sql("SELECT IS_USED_LOCK(%s)", derived.lock("p", "one", role)) == [(thread,)]
    session.close()
    for role in roles:
        assert free(accounts, role)


def test_the_own_account_is_open_for_the_moment_of_its_login_only(
    accounts: servers.Server, spec: Server, tmp_path: Path
) -> None:
    boundaries = Boundaries()
    session = made(spec, tmp_path, boundaries)
    with session.owner("main", OWN, "%", SECRET, "agenda_one"):
        assert locked(accounts, OWN)
    assert settled(lambda: sessions(accounts, OWN) == [])
    words = [what.strip("«»").split()[0] for what in boundaries.log]
    assert words == ["log", "SELECT", "ALTER", "log", "SELECT", "ALTER"]
    session.close()


def test_an_own_connection_that_was_kept_is_used_again_and_closed_at_the_end(
    accounts: servers.Server, spec: Server, tmp_path: Path
) -> None:
    boundaries = Boundaries()
    session = made(spec, tmp_path, boundaries)
    with session.owner("main", OWN, "%", SECRET, "agenda_one") as own:
        session.keep(own)
    assert locked(accounts, OWN)
    crossed = boundaries.count
    with session.owner("main", OWN, "%", SECRET, "agenda_one") as again:
        assert again is own
        assert again.value("SELECT DATABASE()") == "agenda_one"
    assert boundaries.log[crossed:] == ["«SELECT DATABASE()»"]
    assert settled(lambda: sessions(accounts, OWN) == [])
    with session.owner("main", OWN, "%", SECRET, "agenda_one") as third:
        assert third is not own
        session.keep(third)
    session.close()
    assert settled(lambda: sessions(accounts, OWN) == [])


def test_an_own_connection_that_was_kept_is_nobody_else_s(
    accounts: servers.Server, spec: Server, tmp_path: Path
) -> None:
    session = made(spec, tmp_path)
    with session.owner("main", OWN, "%", SECRET, "agenda_one") as own:
        session.keep(own)
    with session.owner("main", OTHER, "%", SECRET, "agenda_two") as other:
        assert other.value("SELECT CURRENT_USER()") == f"{OTHER}@%"
        assert settled(lambda: sessions(accounts, OWN) == [])
    session.close()


def test_a_successor_ends_an_own_connection_that_was_kept(
    accounts: servers.Server, spec: Server, tmp_path: Path
) -> None:
    session, successor = made(spec, tmp_path), made(spec, tmp_path, transaction="u")
    with session.owner("main", OWN, "%", SECRET, "agenda_one") as own:
        session.keep(own)
    successor.expel()
    assert settled(lambda: sessions(accounts, OWN) == [])
    with session.owner("main", OWN, "%", SECRET, "agenda_one") as again, pytest.raises(errors.ConnectionLost):
        again.value("SELECT 1")
    session.close()


def test_a_successor_ends_what_the_version_before_this_one_called_otherwise(
    clean_server: servers.Server, spec: Server, tmp_path: Path
) -> None:
    former = mysql.connect(spec)
    locks.take(former, derived.lock("p", "one", "central"))
    made(spec, tmp_path, transaction="u").expel()
    with pytest.raises(errors.ConnectionLost):
        former.value("SELECT 1")
    assert free(clean_server, "central")


def test_a_kept_connection_that_broke_is_known_as_lost(accounts: servers.Server, spec: Server, tmp_path: Path) -> None:
    session = made(spec, tmp_path)
    with session.owner("main", OWN, "%", SECRET, "agenda_one") as own:
        session.keep(own)
    accounts.sql(f"KILL {own.thread}")
    with pytest.raises(errors.ConnectionLost):
        own.value("SELECT 1")
    assert session.lost
    session.close()
