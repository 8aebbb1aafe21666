"""What stands in a tenant's way is said once, looked at again with each sweep, and no more when it is gone."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.daemon import backoff
from tests.daemon.live import AT_ONCE, Pushed, condition, living
from tests.engine.test_counts import pos
from tests.engine.test_servers import SECOND, WORDS, second, started
from tests.support import server as servers
from tests.support.shop import Shop

__all__ = ["second", "started"]


@pytest.fixture
def shop(tmp_path: Path, clean_server: servers.Server) -> Shop:
    """A repository with one tenant, and sweeps that come when they are asked for."""
    made = Shop(tmp_path / "repository", clean_server)
    made.platform(daemon={**AT_ONCE, "drift": {"everySeconds": 86400}})
    made.tenant("PosTenant", "one", pos(1))
    return made


def test_what_is_foreign_is_said_once_while_nothing_changes(shop: Shop, remote: Pushed, home: Path) -> None:
    shop.server.sql("CREATE DATABASE pos_two")
    shop.server.sql("CREATE TABLE pos_two.theirs (id INT)")
    shop.tenant("PosTenant", "two", pos(2, cloud_sync=True))
    remote.push()
    with living(remote, home) as live:
        live.made("one")
        live.until(lambda: live.has("two", "Stalled"), "it is said to be in the way")
        stalled = condition(live.status("two"), "Stalled")
        for _ in range(3):
            live.sweep()
        assert len(live.said("ends", tenant="two", code="foreign")) == 1
        assert condition(live.status("two"), "Stalled") == stalled

        shop.server.sql("CREATE USER pos_two_app@'%'")  # more is in the way, and that is news
        live.sweep()
        assert len(live.said("ends", tenant="two", code="foreign")) == 2
        shop.server.sql("DROP USER pos_two_app@'%'")
        shop.server.sql("DROP DATABASE pos_two")
        live.sweep()
        assert live.in_sync("two")


def named(shop: Shop, second: servers.Server) -> None:
    """Have the specs name the second server."""
    spec = shop.server_spec(port=second.port, user=second.user, passwordFrom={"file": "other"})
    shop.document(SECOND, "DatabaseServer", "second", spec)


def keep(home: Path, password: str) -> None:
    """Where the daemon works, the password of that server."""
    home.mkdir()
    (home / "other").write_text(password)


def test_a_sweep_ends_no_wait_for_a_server_that_lets_nobody_in(
    shop: Shop, second: servers.Server, remote: Pushed, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backoff.Backoff, "wait", backoff.Backoff.bound)
    retry = {"firstSeconds": 3600, "longestSeconds": 3600}
    shop.platform(daemon={**AT_ONCE, "retry": retry, "drift": {"everySeconds": 86400}})
    named(shop, second)
    keep(home, "not the password")
    shop.tenant("PosTenant", "two", {**pos(2, cloud_sync=True), "server": "second"})
    remote.push()
    with living(remote, home) as live:
        live.made("one")
        live.until(lambda: live.said("ends", tenant="two"), "it was tried")
        for _ in range(2):
            live.sweep()
        assert [line["code"] for line in live.said("ends", tenant="two")] == ["server-unreachable"]
        assert live.status("two")["nextAttemptAt"] is not None


def test_a_tenant_whose_server_is_gone_is_stalled_and_the_others_go_on(
    shop: Shop, second: servers.Server, remote: Pushed, home: Path
) -> None:
    named(shop, second)
    keep(home, second.password)
    shop.tenant("PosTenant", "two", {**pos(2, cloud_sync=True), "server": "second"})
    remote.push()
    with living(remote, home) as live:
        live.made("one", "two")
        shop.tenant("PosTenant", "two", pos(2, cloud_sync=True))
        commit = remote.push("its spec names no server")
        live.knock()
        live.until(lambda: live.daemon._taken and live.daemon._taken.revision.endswith(commit), "it is handed out")
        assert live.in_sync("two")
        (shop.root / SECOND).unlink()
        shop.tenant("PosTenant", "three", pos(3))
        commit = remote.push("the server is gone")
        live.knock()
        live.until(lambda: live.in_sync("three", commit), "another tenant is made")
        live.until(lambda: live.has("two", "Stalled", "ReconciliationFailed"), "it is said of the one")
        live.sweep()
        assert WORDS in condition(live.status("two"), "Stalled")["message"]
        assert live.in_sync("one")
        assert live.said("unforeseen") == []

        named(shop, second)
        remote.push("it is back")
        live.knock()
        live.until(lambda: live.in_sync("two"), "it is as it was")
