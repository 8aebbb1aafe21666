"""What can't be read is not gone: nobody is removed because of a fault, and who is gone goes once it is mended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.daemon.live import AT_ONCE, Live, Pushed, living
from tests.support import merged
from tests.support import server as servers
from tests.support.shop import Shop

NAMES = ("aaa", "bbb", "ccc")
BROKEN = "\n---\nkind: [PosTenant\n"


def lupita(name: str) -> dict[str, Any]:
    return {"displayName": name, "edition": "standard", "license": {"expires": "2099-12-31"}}


@pytest.fixture
def shop(tmp_path: Path, clean_server: servers.Server) -> Shop:
    """A repository with three tenants, whose removals go through."""
    made = Shop(tmp_path / "repository", clean_server)
    made.platform(daemon=AT_ONCE, guards={"prune": True})
    for name in NAMES:
        made.tenant("PosTenant", name, lupita(name))
    return made


def path(shop: Shop, name: str) -> Path:
    return shop.root / f"specs/tenants/{name}.yaml"


def states(shop: Shop) -> dict[str, str]:
    """What the central system says of the tenants."""
    return dict(shop.server.sql("SELECT name, state FROM license_manager.tenants"))


def seen(live: Live, remote: Pushed, message: str) -> None:
    """Push what was written, and wait until the daemon has handed it out."""
    commit = remote.push(message)
    live.knock()
    live.until(lambda: live.said("new revision", revision=f"main@sha1:{commit}"), "it is seen")
    live.sweep()


def moved_into_a_broken_file(shop: Shop) -> None:
    path(shop, "bbb").write_text(path(shop, "bbb").read_text() + "\n---\n" + path(shop, "aaa").read_text() + "\t:\n")
    path(shop, "aaa").unlink()


def given_a_name_that_is_none(shop: Shop) -> None:
    path(shop, "aaa").write_text(path(shop, "aaa").read_text().replace("name: aaa", "name: Aaa"))


def renamed_and_invalid(shop: Shop) -> None:
    text = path(shop, "aaa").read_text().replace("name: aaa", "name: another")
    path(shop, "aaa").write_text(text.replace("edition: standard", "edition: [standard]"))


@pytest.mark.parametrize("fault", [moved_into_a_broken_file, given_a_name_that_is_none, renamed_and_invalid])
def test_a_tenant_that_a_fault_may_hide_is_not_removed(shop: Shop, remote: Pushed, home: Path, fault: Any) -> None:
    remote.push("three tenants")
    with living(remote, home) as live:
        live.made(*NAMES)
        fault(shop)
        seen(live, remote, "a fault")
        assert states(shop) == dict.fromkeys(NAMES, "active")
        for name in NAMES:
            shop.tenant("PosTenant", name, lupita(name))
        seen(live, remote, "mended")
        live.made(*NAMES)


def test_nobody_is_removed_while_a_file_stays_unreadable_over_restarts_and_further_pushes(
    shop: Shop, remote: Pushed, home: Path
) -> None:
    path(shop, "bbb").write_text(path(shop, "bbb").read_text() + "\n---\n" + path(shop, "ccc").read_text())
    path(shop, "ccc").unlink()
    remote.push("two tenants in a file")
    with living(remote, home) as live:
        live.made(*NAMES)
    path(shop, "bbb").write_text(path(shop, "bbb").read_text().split("\n---\n")[0] + BROKEN)
    path(shop, "aaa").unlink()
    remote.push("the second of them is broken, and another one is gone")
    with living(remote, home) as live:
        live.until(lambda: live.has("aaa", "Stalled", "SourceUnreadable"), "the one that is gone waits")
        shop.tenant("PosTenant", "ddd", lupita("ddd"))
        seen(live, remote, "a further push")
        live.made("ddd")
        live.daemon.reload.set()
        live.knock()
        live.until(lambda: live.said("reloading"), "it understands everything anew")
        live.sweep()
        assert states(shop) == dict.fromkeys((*NAMES, "ddd"), "active")
        shop.tenant("PosTenant", "bbb", lupita("bbb"))
        shop.tenant("PosTenant", "ccc", lupita("ccc"))
        seen(live, remote, "mended")
        live.until(lambda: states(shop)["aaa"] == "trashed", "now the one that is gone goes")
        assert {**states(shop), "aaa": "trashed"} == {**dict.fromkeys((*NAMES, "ddd"), "active"), "aaa": "trashed"}


def test_a_tenant_that_is_gone_while_it_is_made_goes_as_well(shop: Shop, remote: Pushed, home: Path) -> None:
    shop.platform(daemon={**AT_ONCE, "drift": {"policy": "off"}}, guards={"prune": True})
    remote.push("three tenants")
    with living(remote, home) as live:
        live.made(*NAMES)
        with merged.held_up(shop.server) as held:
            shop.tenant("PosTenant", "late", lupita("late"))
            remote.push("a further one")
            live.knock()
            live.until(held.waits, "it is in the middle of being made")
            path(shop, "late").unlink()
            commit = remote.push("which is gone at once")
            live.knock()
            live.until(
                lambda: commit in str(live.daemon.setting and live.daemon.setting.revision), "that is understood"
            )
        live.until(lambda: states(shop).get("late") == "trashed", "it is in the trash")
