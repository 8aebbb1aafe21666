"""A world is equal when nothing that matters changed, and tells each kind of thing that did."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from tests.support import server as servers
from tests.support import world

HASHES = ["*" + hashlib.sha1(word, usedforsecurity=False).hexdigest().upper() for word in (b"one", b"two")]

BEFORE = [
    "CREATE DATABASE agenda_sun CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci COMMENT 'ours'",
    "CREATE TABLE agenda_sun.guests (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(40)) ENGINE=InnoDB",
    "INSERT INTO agenda_sun.guests (name) VALUES ('Ana'), ('Eva')",
    "CREATE TABLE agenda_sun.visits (id INT PRIMARY KEY, guest INT)",
    "CREATE FUNCTION agenda_sun.one() RETURNS INT DETERMINISTIC RETURN 1",
    "CREATE TRIGGER agenda_sun.shout BEFORE INSERT ON agenda_sun.guests FOR EACH ROW SET NEW.name = UPPER(NEW.name)",
    "CREATE EVENT agenda_sun.nightly ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 00:00:00' DISABLE DO SELECT 1",
    "CREATE VIEW agenda_sun.names AS SELECT name FROM agenda_sun.guests",
    "CREATE DATABASE agenda_moon",
    f"CREATE USER sun@'%' IDENTIFIED VIA mysql_native_password USING '{HASHES[0]}'",
    "CREATE ROLE readers",
    "GRANT SELECT ON `agenda\\_sun`.* TO sun@'%'",
]

CHANGES = {
    "a row": ("UPDATE agenda_sun.guests SET name = 'Ada' WHERE id = 1", "Ada"),
    "a column": ("ALTER TABLE agenda_sun.visits ADD note TEXT", "note"),
    "a table": ("DROP TABLE agenda_sun.visits", "visits"),
    "a view": ("CREATE OR REPLACE VIEW agenda_sun.names AS SELECT id FROM agenda_sun.guests", "names"),
    "a routine": ("DROP FUNCTION agenda_sun.one", "FUNCTION `one`"),
    "a trigger": ("DROP TRIGGER agenda_sun.shout", "UPPER"),
    "an event": ("ALTER EVENT agenda_sun.nightly ENABLE", "EVENT `nightly`"),
    "a database": ("CREATE DATABASE agenda_rain", "agenda_rain is new"),
    "a dropped database": ("DROP DATABASE agenda_moon", "agenda_moon is gone"),
    "a character set": ("ALTER DATABASE agenda_moon CHARACTER SET latin2", "latin2"),
    "a collation": ("ALTER DATABASE agenda_sun COLLATE utf8mb4_bin", "utf8mb4_bin"),
    "a database's comment": ("ALTER DATABASE agenda_moon COMMENT 'mine'", "mine"),
    "an account": ("CREATE USER moon@'%'", "'moon'@'%' is new"),
    "a dropped account": ("DROP USER sun@'%'", "'sun'@'%' is gone"),
    "a hash": (f"ALTER USER sun@'%' IDENTIFIED VIA mysql_native_password USING '{HASHES[1]}'", "logins"),
    "a second hash": (
        f"ALTER USER sun@'%' IDENTIFIED VIA mysql_native_password USING '{HASHES[0]}'"
        f" OR mysql_native_password USING '{HASHES[1]}'",
        "logins",
    ),
    "a lock": ("ALTER USER sun@'%' ACCOUNT LOCK", "locked: False → True"),
    "a limit": ("ALTER USER sun@'%' WITH MAX_USER_CONNECTIONS 3", "max_user_connections: "),
    "TLS": ("ALTER USER sun@'%' REQUIRE SSL", "ssl_type"),
    "an expiry": ("ALTER USER sun@'%' PASSWORD EXPIRE", "expired: False → True"),
    "a lifetime": ("ALTER USER sun@'%' PASSWORD EXPIRE INTERVAL 9 DAY", "lifetime: -1 → 9"),
    "a password that never expires": ("ALTER USER sun@'%' PASSWORD EXPIRE NEVER", "lifetime: -1 → 0"),
    "a role": ("CREATE ROLE writers", "role 'writers' is new"),
    "a role's member": ("GRANT readers TO sun@'%'", "'sun'@'%' has role 'readers' is new"),
    "a global grant": ("GRANT PROCESS ON *.* TO sun@'%'", "'sun'@'%' on *.*"),
    "a grant on a database": ("GRANT INSERT ON `agenda\\_sun`.* TO sun@'%'", "gained ['Insert']"),
    "a grant on another spelling": ("GRANT SELECT ON `agenda_sun`.* TO sun@'%'", "on agenda_sun.* is new"),
    "a grant option": ("GRANT USAGE ON `agenda\\_sun`.* TO sun@'%' WITH GRANT OPTION", "gained ['Grant']"),
    "a grant on a table": ("GRANT UPDATE ON agenda_sun.visits TO sun@'%'", "on table agenda_sun.visits"),
    "a grant on a column": ("GRANT UPDATE (name) ON agenda_sun.guests TO sun@'%'", "agenda_sun.guests.name"),
    "a grant on a routine": ("GRANT EXECUTE ON FUNCTION agenda_sun.one TO sun@'%'", "function agenda_sun.one"),
    "a proxy": ("GRANT PROXY ON root@localhost TO sun@'%'", "is proxy for"),
}

EQUAL = {
    "a number used up": [
        "INSERT INTO agenda_sun.guests (name) VALUES ('Zoe')",
        "DELETE FROM agenda_sun.guests WHERE name = 'ZOE'",
    ],
    "a row written again": [
        "DELETE FROM agenda_sun.guests WHERE id = 1",
        "INSERT INTO agenda_sun.guests VALUES (1, 'Ana')",
        "UPDATE agenda_sun.guests SET name = 'Ana' WHERE id = 1",
    ],
    "a database made again": ["DROP DATABASE agenda_moon", "CREATE DATABASE agenda_moon"],
    "a lock taken off": ["ALTER USER sun@'%' ACCOUNT LOCK", "ALTER USER sun@'%' ACCOUNT UNLOCK"],
    "a second hash dropped": [
        f"ALTER USER sun@'%' IDENTIFIED VIA mysql_native_password USING '{HASHES[0]}'"
        f" OR mysql_native_password USING '{HASHES[1]}'",
        f"ALTER USER sun@'%' IDENTIFIED VIA mysql_native_password USING '{HASHES[0]}'",
    ],
    "a grant given and taken": [
        "GRANT INSERT ON `agenda\\_sun`.* TO sun@'%'",
        "REVOKE INSERT ON `agenda\\_sun`.* FROM sun@'%'",
    ],
}


@pytest.fixture
def furnished(any_server: servers.Server) -> servers.Server:
    for statement in BEFORE:
        any_server.sql(statement)
    return any_server


@pytest.mark.parametrize("kind", CHANGES)
def test_a_change_on_the_server_is_seen_and_named(furnished: servers.Server, kind: str) -> None:
    statement, expected = CHANGES[kind]
    before = world.snapshot(furnished)
    furnished.sql(statement)
    after = world.snapshot(furnished)
    assert before != after
    told = before.difference(after)
    assert any(expected in line for line in told), told


@pytest.mark.parametrize("kind", EQUAL)
def test_what_does_not_matter_leaves_the_world_equal(furnished: servers.Server, kind: str) -> None:
    before = world.snapshot(furnished)
    for statement in EQUAL[kind]:
        furnished.sql(statement)
    after = world.snapshot(furnished)
    assert before.difference(after) == []
    assert before == after


def test_a_default_role_is_seen(furnished: servers.Server) -> None:
    furnished.sql("GRANT readers TO sun@'%'")
    before = world.snapshot(furnished)
    furnished.sql("SET DEFAULT ROLE readers FOR sun@'%'")
    assert before.difference(world.snapshot(furnished)) == [
        f"accounts: {furnished.label} 'sun'@'%': default role:  → readers"
    ]


def test_each_database_of_one_dump_has_its_own_text(furnished: servers.Server) -> None:
    dumps = furnished.dump()
    assert list(dumps) == ["agenda_moon", "agenda_sun"]
    assert b"guests" in dumps["agenda_sun"]
    assert b"agenda_sun" not in dumps["agenda_moon"]
    assert b"ENGINE=InnoDB DEFAULT" in dumps["agenda_sun"]  # AUTO_INCREMENT=3 stood between


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "deliveries"
    (folder / "sun").mkdir(parents=True, mode=0o700)
    (folder / "sun" / ".env").write_text("DB_HOST=one\n")
    (folder / "latest").symlink_to("sun")
    return folder


def _write(folder: Path) -> None:
    (folder / "sun" / ".env").write_text("DB_HOST=two\n")


def _protect(folder: Path) -> None:
    (folder / "sun" / ".env").chmod(0o400)


def _open_up(folder: Path) -> None:
    (folder / "sun").chmod(0o755)


def _add(folder: Path) -> None:
    (folder / "sun" / "new").write_bytes(b"")


def _remove(folder: Path) -> None:
    (folder / "sun" / ".env").unlink()


def _retarget(folder: Path) -> None:
    (folder / "latest").unlink()
    (folder / "latest").symlink_to("moon")


def _replace_by_a_pipe(folder: Path) -> None:
    (folder / "sun" / ".env").unlink()
    os.mkfifo(folder / "sun" / ".env")


@pytest.mark.parametrize("change", [_write, _protect, _open_up, _add, _remove, _retarget, _replace_by_a_pipe])
def test_a_change_in_a_folder_is_seen(folder: Path, change: object) -> None:
    assert callable(change)
    before = world.snapshot([], [folder])
    assert before == world.snapshot([], [folder])
    change(folder)
    after = world.snapshot([], [folder])
    assert before != after
    assert len(before.difference(after)) == 1


def test_a_folder_that_is_not_there_is_an_empty_one_is_not(tmp_path: Path) -> None:
    before = world.snapshot([], [tmp_path / "deliveries"])
    (tmp_path / "deliveries").mkdir()
    after = world.snapshot([], [tmp_path / "deliveries"])
    assert before.difference(after)[0].startswith(f"files: {tmp_path}/deliveries is new")


def test_a_wiped_server_is_the_server_as_it_began(clean_server: servers.Server) -> None:
    empty = world.snapshot(clean_server)
    for statement in BEFORE:
        clean_server.sql(statement)
    clean_server.sql("GRANT readers TO sun@'%'")
    clean_server.sql(f"GRANT SELECT ON agenda_sun.visits TO {clean_server.user}@'%'")
    clean_server.sql(f"REVOKE PROCESS ON *.* FROM {clean_server.user}@'%'")
    blocker = clean_server.root()
    with blocker.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT * FROM agenda_sun.guests FOR UPDATE")
    clean_server.wipe()
    assert empty.difference(world.snapshot(clean_server)) == []
    assert clean_server.databases() == []
    blocker.close()
