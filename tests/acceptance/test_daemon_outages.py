"""What the daemon needs goes away and comes back: the server, the remote, the store, room on the disk.

Each time the same is asked for: readiness says so and why, the daemon itself stays alive, nothing of a tenant is
touched, and once it is back everything that was merged meanwhile is applied without anybody's help.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import merged
from tests.support import server as servers
from tests.support.merged import Remote, Watch, condition, pos
from tests.support.repository import Repository

POLL = ("--poll", "0.5")


@pytest.fixture(scope="module")
def own() -> Iterator[servers.Server]:
    """A server that may be stopped."""
    with servers.private_server() as started:
        yield started


@pytest.fixture
def remote(own: servers.Server, tmp_path: Path) -> Iterator[Remote]:
    """A remote with one tenant."""
    own.wipe()
    repository = Repository.made(tmp_path / "shop", own)
    for path in (repository.root / "specs/tenants").iterdir():
        path.unlink()
    merged.platform(repository)
    pos(repository, "first")
    made = Remote(repository, tmp_path / "remote.git")
    made.push("the first")
    yield made
    own.wipe()


def is_ready(watch: Watch, name: str) -> bool:
    """Whether a tenant is said to be ready, and nothing else of it."""
    found = watch.status().get(name, {"conditions": []})["conditions"]
    return [(entry["type"], entry["status"]) for entry in found] == [("Ready", "True")]


def begin(watch: Watch) -> None:
    """Wait until the first tenant is there, and all is well."""
    watch.until(lambda: not watch.unready() and is_ready(watch, "first"), "all is well at first")
    assert watch.of_source() == {}
    assert watch.past("first") == ["applied"]


def mended(watch: Watch, name: str = "second") -> None:
    """Wait until all is well again and what was merged meanwhile is there; nothing was done to the first tenant."""
    watch.until(lambda: not watch.unready(), "it is ready again")
    watch.until(lambda: is_ready(watch, name), "what was merged meanwhile is applied")
    watch.until(lambda: watch.of_source() == {}, "nothing is said of the source any more")
    assert not watch.unready()
    assert is_ready(watch, "first")
    assert watch.past("first") == ["applied"]
    assert watch.end() == 143
    assert watch.said("unforeseen") == watch.said("attempt failed") == []
    watch.told("plan", "--deep", "--detailed-exitcode")
    watch.told("history", "--verify")


def killed(own: servers.Server) -> Callable[[], object]:
    """End the server at once; starts it again."""
    assert own.dev is not None
    own.dev.kill()
    return own.dev.start


def stopped(own: servers.Server) -> Callable[[], object]:
    """The server takes connections, and says nothing; lets it go on."""
    assert own.dev is not None
    pid = int((own.dev.directory / "server.pid").read_text())
    os.kill(pid, signal.SIGSTOP)
    return lambda: os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("outage", [killed, pytest.param(stopped, marks=pytest.mark.sweep)])
def test_a_server_that_goes_away_in_the_middle_of_an_apply_and_comes_back(
    own: servers.Server, remote: Remote, tmp_path: Path, outage: Callable[[servers.Server], Callable[[], object]]
) -> None:
    with merged.watching(remote, tmp_path / "home", *POLL) as watch:
        begin(watch)
        with merged.held_up(own) as held:
            pos(remote.repository, "second")
            remote.push("before the server goes away")
            watch.until(held.waits, "the second is in the middle of being made")
            back = outage(own)
            try:
                pos(remote.repository, "third")
                remote.push("while the server is away")
                watch.until(lambda: "[-]servers failed" in watch.unready(), "readiness says that the server is away")
                watch.until(lambda: watch.of_source() == {"Stalled": "ServerUnreachable"}, "the source says so")
                assert condition(watch.status()["first"], "Ready")["status"] == "True"
            finally:
                back()
        watch.until(lambda: is_ready(watch, "second"), "what was open is made after all")
        mended(watch, "third")
        assert watch.past("second")[0] == "applied"


def test_a_remote_that_is_away_and_comes_back(remote: Remote, tmp_path: Path) -> None:
    aside = tmp_path / "aside.git"
    with merged.watching(remote, tmp_path / "home", *POLL) as watch:
        begin(watch)
        remote.place.rename(aside)
        watch.until(lambda: "[-]source failed" in watch.unready(), "readiness says that the remote is away")
        watch.until(lambda: watch.of_source() == {"FetchFailed": "FetchFailed"}, "the source says so")
        assert is_ready(watch, "first")
        aside.rename(remote.place)
        pos(remote.repository, "second")
        remote.push("after the remote came back")
        mended(watch)


def test_a_rewritten_history_is_not_followed_until_somebody_accepts_it(remote: Remote, tmp_path: Path) -> None:
    with merged.watching(remote, tmp_path / "home", *POLL) as watch:
        begin(watch)
        pos(remote.repository, "second")
        remote.git("add", "--all", "specs")
        remote.git("commit", "--quiet", "--amend", "--message", "another first")
        remote.git("push", "--quiet", "--force", "origin", "HEAD:main")
        commit = remote.git("rev-parse", "HEAD")
        watch.knock()
        watch.until(lambda: "[-]source failed" in watch.unready(), "readiness says that the history is another")
        assert watch.of_source() == {"FetchFailed": "HistoryRewritten"}
        assert commit in watch.unready()
        # Neither is it followed by the daemon that comes after this one.
        assert watch.end() == 143
        watch.start()
        watch.until(lambda: watch.said("source", code="history-rewritten"), "it is not followed after a restart")
        assert "[-]source failed" in watch.unready()
        assert watch.status().keys() == {"first"}
        assert watch.end() == 143
        watch.start("--accept-history", commit)
        mended(watch)


def test_a_store_that_is_locked_longer_than_a_lease_lasts(remote: Remote, tmp_path: Path) -> None:
    home = tmp_path / "home"
    with merged.watching(remote, home, *POLL) as watch:
        begin(watch)
        with contextlib.closing(sqlite3.connect(home / "state/reconcile.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            pos(remote.repository, "second")
            remote.push("while the store is locked")
            watch.knock()
            watch.until(watch.unready, "readiness says that the store can't be written", 20)
            assert "[-]lease failed" in watch.unready() or "[-]store failed" in watch.unready()
            other.execute("ROLLBACK")
        mended(watch)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A home with little room, on a file system of its own."""
    home = tmp_path / "home"
    home.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", str(home)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a file system")
    try:
        yield home
    finally:
        subprocess.run(["umount", "--lazy", str(home)], check=True)


def test_a_disk_that_is_full_and_has_room_again(remote: Remote, small: Path) -> None:
    with merged.watching(remote, small, *POLL) as watch:
        begin(watch)
        with (small / "filler").open("wb", buffering=0) as file:
            for size in (256 * 1024, 1024):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(bytes(size))
        pos(remote.repository, "second")
        remote.push("while there is no room")
        watch.knock()
        watch.until(watch.unready, "readiness says that there is no room", 30)
        assert "[-]source failed" in watch.unready() or "[-]store failed" in watch.unready()
        (small / "filler").unlink()
        mended(watch)
