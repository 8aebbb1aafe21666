"""The private MariaDB: it starts, stops, dies and comes back in its folder, and leaves the rest alone."""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pymysql
import pytest

from reconciler import errors
from reconciler.ports import devserver
from tests.support import server as servers

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="reconcile-test-", dir=servers.fast_folder()))
    yield path
    devserver.DevServer(path).kill()
    shutil.rmtree(path, ignore_errors=True)


def make(folder: Path) -> devserver.DevServer:
    return devserver.DevServer(folder, options=servers.QUICK_AND_SMALL)


def as_root(dev: devserver.DevServer, *statements: str) -> list[tuple[object, ...]]:
    with pymysql.connect(unix_socket=str(dev.endpoint.socket), user="root", autocommit=True) as connection:
        return run(connection, *statements)


def as_provisioner(dev: devserver.DevServer, *statements: str) -> list[tuple[object, ...]]:
    host, port, password = dev.endpoint.host, dev.endpoint.port, dev.password
    with pymysql.connect(
        host=host, port=port, user=devserver.PROVISIONER, password=password, autocommit=True
    ) as connection:
        return run(connection, *statements)


def run(connection: pymysql.Connection[pymysql.cursors.Cursor], *statements: str) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        return list(cursor.fetchall())


def eventually(true: object, seconds: float = 20.0) -> bool:
    assert callable(true)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if true():
            return True
        time.sleep(0.02)
    return False


def lives(pid: int) -> bool:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


def test_a_fresh_server_has_no_anonymous_account_no_test_database_and_one_root(folder: Path) -> None:
    dev = make(folder)
    dev.start()
    accounts = as_root(dev, "SELECT User, Host FROM mysql.global_priv ORDER BY User")
    assert accounts == [("mariadb.sys", "localhost"), ("provisioner", "%"), ("root", "localhost")]
    databases = {name for (name,) in as_root(dev, "SHOW DATABASES")}
    assert databases == servers.SYSTEM_DATABASES
    assert as_root(dev, "SELECT * FROM mysql.db WHERE User <> 'provisioner'") == []


def test_root_comes_in_over_the_socket_only(folder: Path) -> None:
    dev = make(folder)
    where = dev.start()
    assert as_root(dev, "SELECT 1") == [(1,)]
    with pytest.raises(pymysql.OperationalError, match="Access denied"):
        pymysql.connect(host=where.host, port=where.port, user="root")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert dev.password_file.stat().st_mode & 0o777 == 0o600


def test_the_provisioner_reaches_its_prefixes_and_nothing_that_only_looks_alike(folder: Path) -> None:
    dev = devserver.DevServer(folder, options=servers.QUICK_AND_SMALL, prefixes=["agenda_", "pos_", "shop_"])
    dev.start()
    as_provisioner(
        dev,
        "CREATE DATABASE agenda_sun",
        "CREATE DATABASE pos_sun",
        "CREATE DATABASE shop_sun",
        "CREATE DATABASE license_manager",
        "CREATE USER agenda_sun_app@'%'",
        "GRANT SELECT, INSERT ON `agenda\\_sun`.* TO agenda_sun_app@'%'",
        "SELECT * FROM mysql.global_priv",
        "SHOW PROCESSLIST",
    )
    for name in ("agendaxsun", "licensexmanager", "license_managers", "other"):
        with pytest.raises(pymysql.OperationalError, match="Access denied"):
            as_provisioner(dev, f"CREATE DATABASE {name}")
    with pytest.raises(pymysql.OperationalError, match="Access denied"):
        as_provisioner(dev, "SET GLOBAL general_log = 1")


def test_a_stopped_server_comes_back_with_its_data_port_and_password(folder: Path) -> None:
    dev = make(folder)
    first = dev.start()
    password = dev.password
    as_root(dev, "CREATE DATABASE kept")
    assert dev.running()
    dev.stop()
    assert not dev.running()
    dev.stop()
    again = make(folder)
    assert again.endpoint == first
    assert again.start() == first
    assert again.password == password
    assert as_provisioner(again, "SELECT 1") == [(1,)]
    assert ("kept",) in as_root(again, "SHOW DATABASES")


def test_a_killed_server_comes_back_with_what_was_committed(folder: Path) -> None:
    dev = make(folder)
    first = dev.start()
    as_root(dev, "CREATE DATABASE kept", "CREATE TABLE kept.rows_ (n INT)", "INSERT INTO kept.rows_ VALUES (7)")
    dev.kill()
    assert not dev.running()
    assert dev.start() == first
    assert as_root(dev, "SELECT n FROM kept.rows_") == [(7,)]


def test_starting_a_running_server_changes_nothing(folder: Path) -> None:
    dev = make(folder)
    first = dev.start()
    pid = (folder / "server.pid").read_text()
    assert make(folder).start() == first
    assert (folder / "server.pid").read_text() == pid


def test_two_starters_at_once_start_one_server(folder: Path) -> None:
    found: list[devserver.Endpoint] = []
    starters = [threading.Thread(target=lambda: found.append(make(folder).start())) for _ in range(3)]
    for starter in starters:
        starter.start()
    for starter in starters:
        starter.join()
    assert len(found) == 3
    assert len(set(found)) == 1
    assert (folder / "server.log").read_text().count("ready for connections") == 1


def test_servers_that_start_side_by_side_do_not_disturb_each_other(folder: Path) -> None:
    # In a shared temporary folder each start deletes the others' temporary tables.
    servers_ = [make(folder / str(number)) for number in range(4)]
    try:
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            ports = {where.port for where in pool.map(lambda dev: dev.start(), servers_)}
        assert len(ports) == 4
        assert [as_root(dev, "SELECT @@tmpdir") for dev in servers_] == [
            [(str(dev.directory / "tmp"),)] for dev in servers_
        ]
    finally:
        for dev in servers_:
            dev.kill()


def test_a_server_outlives_its_caller(folder: Path) -> None:
    code = (
        "import pathlib, sys; from reconciler.ports import devserver\n"
        "devserver.DevServer(pathlib.Path(sys.argv[1])).start()"
    )
    subprocess.run([sys.executable, "-c", code, str(folder)], cwd=ROOT, check=True)
    dev = make(folder)
    assert dev.running()
    assert as_provisioner(dev, "SELECT 1") == [(1,)]


def test_a_socket_path_that_is_too_long_is_replaced_and_cleared_away(folder: Path) -> None:
    deep = folder / ("d" * 60) / ("e" * 60)
    dev = make(deep)
    short = dev.start().socket
    try:
        assert len(os.fsencode(short)) <= 107
        assert short.parent.stat().st_mode & 0o777 == 0o700
        assert as_root(dev, "SELECT 1") == [(1,)]
        dev.kill()
        again = dev.start().socket
        assert as_root(dev, "SELECT 1") == [(1,)]
        assert not short.parent.exists()
    finally:
        dev.stop()
    assert not again.parent.exists()


@pytest.mark.parametrize("length", [107, 108])
def test_the_longest_socket_path_is_the_one_that_the_kernel_takes(folder: Path, length: int) -> None:
    room = length - len(os.fsencode(folder)) - len("/") - len("/server.sock")
    dev = make(folder / ("d" * room))
    where = dev.start().socket
    try:
        assert (where.parent == dev.directory) == (length == 107)
        assert as_root(dev, "SELECT 1") == [(1,)]
    finally:
        dev.stop()


def test_a_process_id_that_now_belongs_to_another_program_is_left_alone(folder: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as bystander:
        (folder / "server.pid").write_text(f"{bystander.pid}\n")
        dev = make(folder)
        assert not dev.running()
        dev.stop()
        dev.kill()
        assert bystander.poll() is None
        bystander.kill()


def test_a_port_that_was_taken_meanwhile_is_given_up(folder: Path) -> None:
    dev = make(folder)
    first = dev.start()
    dev.stop()
    with socket.create_server((first.host, first.port)):
        second = dev.start()
    assert second.port != first.port
    assert as_provisioner(dev, "SELECT 1") == [(1,)]


def test_an_installation_that_was_cut_short_is_done_again(folder: Path) -> None:
    (folder / "data.unfinished" / "mysql").mkdir(parents=True)
    dev = make(folder)
    dev.start()
    assert as_provisioner(dev, "SELECT 1") == [(1,)]
    assert not (folder / "data.unfinished").exists()


def test_without_mariadb_the_error_says_what_to_install(folder: Path) -> None:
    dev = devserver.DevServer(folder, find=lambda name: None)
    with pytest.raises(errors.PlatformMisconfigured) as caught:
        dev.start()
    assert "mariadbd is not installed" in str(caught.value)
    assert "apt-get install --no-install-recommends mariadb-server-core mariadb-client" in caught.value.next
    assert list(folder.iterdir()) == []


def test_a_server_that_can_not_start_shows_the_end_of_its_log(folder: Path) -> None:
    dev = devserver.DevServer(folder, options=["--no-such-option-at-all"])
    with pytest.raises(errors.PlatformMisconfigured, match="no-such-option-at-all"):
        dev.start()
    assert not dev.running()


def test_before_the_first_start_there_is_no_endpoint(folder: Path) -> None:
    dev = make(folder)
    assert not dev.running()
    with pytest.raises(errors.PlatformMisconfigured, match="no server was ever started"):
        _ = dev.endpoint


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_test_process_that_is_ended_leaves_no_server_behind(number: signal.Signals) -> None:
    code = (
        "import time; from tests.support import server\n"
        "with server.private_server() as started:\n"
        "    print(started.dev.directory, flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        folder = Path(process.stdout.readline().strip())
        pid = int((folder / "server.pid").read_text())
        assert lives(pid)
        process.send_signal(number)
    assert eventually(lambda: not lives(pid) and not folder.exists())
