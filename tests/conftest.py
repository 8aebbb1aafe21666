"""Fixtures that every test may ask for, first of all a real MariaDB (see tests/support/server.py)."""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import matrix, postgres
from tests.support import server as servers

EXTERNAL = "RECONCILE_TEST_SERVER"
STORE = "RECONCILE_TEST_STORE"
_start_seconds = pytest.StashKey[list[float]]()
_cells = pytest.StashKey[matrix.Cells]()


@pytest.fixture(scope="session", autouse=True)
def own_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What is kept for a user from one run to the next is kept apart from that of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state-home")))
        yield


@pytest.fixture(scope="session")
def server(pytestconfig: pytest.Config) -> Iterator[servers.Server]:
    """A private MariaDB, one a test process. A test that uses it directly leaves it as it was."""
    began = time.monotonic()
    with servers.private_server() as started:
        seconds = time.monotonic() - began
        pytestconfig.stash.setdefault(_start_seconds, []).append(seconds)
        getattr(pytestconfig, "workeroutput", {})["server_seconds"] = seconds
        yield started


@pytest.fixture
def clean_server(server: servers.Server) -> Iterator[servers.Server]:
    """The private MariaDB without any database or account of earlier tests; wiped again afterwards."""
    server.wipe()
    yield server
    server.wipe()


def _server_kinds() -> list[str]:
    return ["private", "external"] if os.environ.get(EXTERNAL) else ["private"]


@pytest.fixture(scope="session")
def external() -> Iterator[servers.Server]:
    """The server that RECONCILE_TEST_SERVER names (mysql://user:password@host:port)."""
    with servers.external_server(os.environ[EXTERNAL]) as found:
        yield found


@pytest.fixture(params=_server_kinds())
def any_server(request: pytest.FixtureRequest) -> Iterator[servers.Server]:
    """Each server there is, wiped: the private one and, where the environment names one, another version."""
    name = "server" if request.param == "private" else "external"
    chosen: servers.Server = request.getfixturevalue(name)
    chosen.wipe()
    yield chosen
    chosen.wipe()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.Postgres]:
    """The PostgreSQL that RECONCILE_TEST_STORE names (postgresql+psycopg://…), or a private one, one a test process."""
    if url := os.environ.get(STORE):
        with postgres.external(url) as found:
            yield found
        return
    programs = postgres.programs()
    if programs is None:
        pytest.skip(f"no PostgreSQL (initdb, pg_ctl, postgres) is installed, and {STORE} names none")
    with postgres.private(programs) as started:
        yield started


@pytest.fixture(name="postgres")
def fresh_postgres(postgres_server: postgres.Postgres) -> Iterator[postgres.Postgres]:
    """An empty database for a store on PostgreSQL."""
    with postgres_server.fresh() as made:
        yield made


@pytest.fixture
def tmp_path(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty folder, in one place for all tests of a process, and afterwards where pytest keeps those that failed.

    What the program knows of files by their path and time (a product's schema, examined) it then knows for every test
    that has the same files, while a test that changes one has it read again.
    """
    place = tmp_path_factory.getbasetemp() / "test"
    tmp_path.rename(place)
    yield place
    place.rename(tmp_path)


class _Report:
    """Tells how long the private servers took to start; with xdist each worker has its own."""

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        if (seconds := getattr(node, "workeroutput", {}).get("server_seconds")) is not None:
            node.config.stash.setdefault(_start_seconds, []).append(seconds)

    def pytest_terminal_summary(self, terminalreporter: Any, config: pytest.Config) -> None:
        if seconds := config.stash.get(_start_seconds, []):
            terminalreporter.write_line(f"private MariaDB: {len(seconds)} started, the slowest in {max(seconds):.1f} s")


@pytest.fixture
def cells(request: pytest.FixtureRequest) -> matrix.Cells:
    """Where a test records the faults that it made and judged (see tests/support/matrix.py)."""
    made = matrix.Cells()
    request.node.stash[_cells] = made
    return made


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Put a test's cells onto its report."""
    result = yield
    if (made := item.stash.get(_cells, None)) is not None and len(made):
        item.user_properties.append(matrix.carried(made))
    return result


def pytest_configure(config: pytest.Config) -> None:
    """Register the reports, and see to what this process and those that it starts take from the environment."""
    config.pluginmanager.register(_Report())
    config.pluginmanager.register(matrix.Collector())
    memory = servers.fast_folder()
    if memory is not None and not os.statvfs(memory).f_flag & os.ST_NOEXEC:  # tests make programs, too
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", memory)  # stores are written through, over and over
    if sys.dont_write_bytecode and (cache := getattr(config, "cache", None)) is not None:
        # Hundreds of processes would compile the program, and each worker the tests. Nothing of it is written beside
        # the sources, which is what was asked for.
        os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix = str(cache.mkdir("bytecode"))
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        sys.dont_write_bytecode = False


def pytest_collection_finish() -> None:
    """What was imported and collected stays to the end, so nobody has to look through it for garbage; nor as often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000)
