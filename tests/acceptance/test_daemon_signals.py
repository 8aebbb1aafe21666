"""The daemon's process: how it ends, that it is alone in its home, that it reads everything anew, and a single pass."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from tests.support import merged
from tests.support.merged import Remote, Watch, condition, pos

SCRIPT = "specs/products/pos-tree-codes/schema/0001_devices_and_sync.sql"


def made(watch: Watch, name: str) -> bool:
    """Whether a tenant is ready."""
    found = watch.status()
    return name in found and condition(found[name], "Ready")["status"] == "True"


# --- signals ----------------------------------------------------------------------------------------------


def test_sigterm_lets_what_is_open_come_to_its_end_within_the_grace(remote: Remote, tmp_path: Path) -> None:
    with merged.watching(remote, tmp_path / "home") as watch:
        watch.until(lambda: not watch.unready() and made(watch, "first"), "it is ready")
        with merged.held_up(remote.repository.server) as held:
            pos(remote.repository, "second")
            remote.push("the second")
            watch.knock()
            watch.until(held.waits, "the second is in the middle of being made")
            watch.signal(signal.SIGTERM)
            watch.until(lambda: watch.said("ending"), "it waits for it")
        assert watch.ended() == 143
        assert watch.said("ends", tenant="second", result="applied")
    assert made(watch, "second")
    assert watch.past() == ["applied"] * 3  # with the platform's own
    watch.told("plan", "--deep", "--detailed-exitcode")


def test_sigterm_undoes_what_takes_longer_than_the_grace(remote: Remote, tmp_path: Path) -> None:
    merged.platform(remote.repository, daemon={"graceSeconds": 0.5})
    remote.push("a short grace")
    with merged.watching(remote, tmp_path / "home") as watch:
        watch.until(lambda: not watch.unready() and made(watch, "first"), "it is ready")
        with merged.held_up(remote.repository.server) as held:
            pos(remote.repository, "second")
            remote.push("the second")
            watch.knock()
            watch.until(held.waits, "the second is in the middle of being made")
            watch.signal(signal.SIGTERM)
            watch.until(lambda: watch.said("grace over"), "the grace is over")
        assert watch.ended() == 143
    assert watch.past("second") == ["rolled-back"]
    server = remote.repository.server
    assert server.databases() == ["license_manager"]
    assert server.sql("SELECT name FROM license_manager.tenants") == [("first",)]
    assert {path.name for path in (watch.home / "state/deliveries").iterdir()} <= {"first", ".reconciler-store"}
    # The next daemon makes it.
    watch.start()
    watch.until(lambda: made(watch, "second"), "it is made after all")
    assert watch.end() == 143
    assert watch.past("second") == ["applied", "rolled-back"]


def test_sighup_looks_at_once_and_reads_everything_anew(remote: Remote, tmp_path: Path) -> None:
    merged.platform(remote.repository, daemon={"drift": {"everySeconds": 86400}})
    remote.push("no sweeps")
    with merged.watching(remote, tmp_path / "home", "--poll", "3600") as watch:
        watch.until(lambda: not watch.unready() and made(watch, "first"), "it is ready")
        server = remote.repository.server
        server.sql("UPDATE license_manager.tenants SET display_name = 'somebody' WHERE name = 'first'")
        pos(remote.repository, "second")
        remote.push("nobody knocks")
        watch.signal(signal.SIGHUP)
        watch.until(lambda: made(watch, "second"), "what was pushed is applied")
        shown = "SELECT display_name FROM license_manager.tenants WHERE name = 'first'"
        watch.until(lambda: server.sql(shown) == [("Lupita",)], "what drifted is mended")
        assert watch.end() == 143


class Folder(Watch):
    """A daemon that watches the folder in which a person works."""

    def source(self) -> list[str]:
        """The words that say what it watches."""
        return ["--path", str(self.remote.repository.root)]


def test_a_changed_platform_of_a_folder_counts_after_sighup(remote: Remote, tmp_path: Path) -> None:
    repository = remote.repository
    watch = Folder(remote, repository.root)
    try:
        watch.start("--poll", "3600")
        watch.until(lambda: not watch.unready() and made(watch, "first"), "it is ready")
        assert watch.knock() == 202
        merged.platform(repository, daemon={"hookSecretFrom": {"env": "ANOTHER_SECRET"}})
        watch.signal(signal.SIGHUP)
        watch.until(lambda: watch.knock() == 404, "the hook is closed")
        assert watch.end() == 143
    finally:
        watch.kill()


def test_a_second_daemon_in_one_home_ends_with_5(remote: Remote, tmp_path: Path) -> None:
    home = tmp_path / "home"
    with merged.watching(remote, home) as watch:
        watch.until(lambda: not watch.unready(), "it is ready")
        said = remote.repository.call(
            "-C", str(home), "daemon", "--git", str(remote.place), "--log-format", "json", expect=5
        )[1]
        assert f"process {watch.pid}" in said
        assert not watch.unready()
        assert watch.end() == 143


# --- a single pass ----------------------------------------------------------------------------------------


@pytest.fixture
def once(remote: Remote, tmp_path: Path) -> Any:
    """Makes a single pass that has to end with a status; what it prints."""
    home = tmp_path / "home"
    home.mkdir()

    def call(expect: int) -> str:
        words = ("-C", str(home), "daemon", "--git", str(remote.place), "--once", "--log-format", "json")
        return "\n".join(remote.repository.call(*words, expect=expect))

    return call


def test_a_single_pass_ends_with_what_apply_would_end_with(remote: Remote, once: Any) -> None:
    repository = remote.repository
    assert "first" in once(expect=0)
    once(expect=0)  # everything is there

    text = (repository.root / "specs/platform.yaml").read_text()
    (repository.root / "specs/platform.yaml").write_text(text.replace('"guards"', '"gards"'))
    pos(repository, "second")
    remote.push("a platform that can't be read")
    assert "gards" in once(expect=65)
    assert repository.server.sql("SELECT name FROM license_manager.tenants") == [("first",)]

    merged.platform(repository, guards={"prune": True, "maxDeletes": 0})
    (repository.root / "specs/tenants/first.yaml").unlink()
    remote.push("more is gone than may go")
    assert "first" in once(expect=3)
    rows = repository.server.sql("SELECT name, state FROM license_manager.tenants")
    assert sorted(rows) == [("first", "active"), ("second", "active")]

    pos(repository, "first")
    pos(repository, "third", cloudSync=True)
    script = repository.root / SCRIPT
    script.write_text(f"CREATE TABLE twice (id INT);\nCREATE TABLE twice (id INT);\n{script.read_text()}")
    remote.push("a script that fails")
    assert "third" in once(expect=6)
    assert "third" in once(expect=6)  # it is not tried again, and not forgotten

    repository.edit("specs/servers/main.yaml", f"port: {repository.server.port}", "port: 1")
    remote.push("a server that nobody can reach")
    assert "does not let" in once(expect=69)
    assert repository.server.databases() == ["license_manager"]
