"""A daemon whose central database, or journal, holds what no tenant can answer for."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.model.outcome import Result
from tests.daemon.live import AT_ONCE, Pushed, condition, living
from tests.engine.drifting import AGENDA
from tests.engine.test_central_damage import HOOKS, away, back, died, lose_the_row
from tests.engine.test_unsettled import ghost
from tests.support import server as servers
from tests.support.shop import Shop


@pytest.fixture
def shop(tmp_path: Path, clean_server: servers.Server) -> Shop:
    """A repository with one tenant, for a daemon that looks for drift when it is told."""
    made = Shop(tmp_path / "repository", clean_server)
    made.tenant("AgendaTenant", "one", AGENDA)
    made.platform(daemon={**AT_ONCE, "drift": {"everySeconds": 86400}})
    return made


def test_central_rows_of_nobody_are_no_tenant_of_a_daemon(shop: Shop, remote: Pushed, tmp_path: Path) -> None:
    remote.push()
    with living(remote, tmp_path / "home") as live:
        live.made("one")
        ghost(shop)
        live.sweep()
        assert live.status("ghost") == {"conditions": []}
        assert live.in_sync("one")


def test_a_daemon_says_that_the_central_database_is_damaged_until_it_is_whole(
    shop: Shop, remote: Pushed, tmp_path: Path
) -> None:
    remote.push()
    with living(remote, tmp_path / "home") as live:
        live.made("one")
        away(shop)
        live.sweep()
        assert "has lost the table webhook_endpoints" in condition(live.status("one"), "Stalled")["message"]
        back(shop)
        live.sweep()
        assert live.in_sync("one")


def test_a_daemon_that_finds_a_stuck_transaction_goes_on_trying_to_settle_it(
    shop: Shop, remote: Pushed, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    remote.push()
    with living(remote, home) as live:
        live.made("one")
    shop.root, former = home, shop.root
    put_back = lose_the_row(shop)
    (home / "specs").symlink_to(former / "specs")
    died(shop)
    put_back()
    shop.server.sql(f"UPDATE {HOOKS} SET transaction_id = 'somebody'")
    assert [entry.result for entry in shop.recover()] == [Result.STUCK]
    (home / "specs").unlink()
    with living(remote, home) as live:
        live.until(lambda: live.has("one", "RollbackFailed"), "it says what is left over")
        live.sweep()
        assert live.has("one", "RollbackFailed")
        shop.server.sql(f"DELETE FROM {HOOKS}")
        live.sweep()
        live.until(lambda: live.in_sync("one"), "it is settled and applied")
