"""What the forge is told of a merge, and what the reviewed plan means: with a stand-in for GitHub."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from reconciler.daemon import review
from reconciler.ports.ports import Ports
from reconciler.report import markdown, merged
from tests.daemon.live import AT_ONCE, Live, Pushed, condition, living
from tests.daemon.test_loop_status import FullDisk
from tests.engine.drifting import AGENDA
from tests.engine.test_counts import agenda
from tests.support import github as fakes
from tests.support import server as servers
from tests.support.github import FakeGitHub
from tests.support.shop import QUICK, Shop

BOT = "github-actions[bot]"


@pytest.fixture
def forge() -> Iterator[FakeGitHub]:
    """The stand-in."""
    with fakes.running() as found:
        yield found


@pytest.fixture
def shop(tmp_path: Path, clean_server: servers.Server, forge: FakeGitHub) -> Shop:
    """A repository without tenants, on the forge."""
    made = Shop(tmp_path / "repository", clean_server)
    (tmp_path / "home/state").mkdir(parents=True)
    (tmp_path / "home/token").write_text(fakes.TOKEN)
    (made.root / "state").symlink_to(tmp_path / "home/state")
    told(made, forge)
    return made


@pytest.fixture
def remote(shop: Shop, tmp_path: Path) -> Pushed:
    """Where it is pushed to; nobody asks for a review yet."""
    found = Pushed(shop, tmp_path / "remote.git")
    (shop.root / ".gitignore").write_text("state\n")
    return found


def told(shop: Shop, forge: FakeGitHub, policy: str = "off", **more: Any) -> None:
    github = {"repository": fakes.REPOSITORY, "tokenFrom": {"file": "token"}, "api": forge.url}
    shop.platform(daemon={**AT_ONCE, "review": policy, "forge": {"github": github}, **more})


def merge(remote: Pushed, forge: FakeGitHub, number: int, plan: str = "", author: str = BOT) -> str:
    """Merge a pull request in which ``plan`` was shown; the commit."""
    remote.git("add", "--all", "specs", "schemas")
    remote.git("commit", "--quiet", "--allow-empty", "--message", f"Merge #{number}")
    commit = remote.git("rev-parse", "HEAD")
    forge.pull(number, commit)
    if plan:
        forge.comment(number, plan, author, "Bot")
    remote.git("push", "--quiet", "origin", "HEAD:main")
    return commit


def shown(shop: Shop) -> str:
    """The comment that CI makes of the plan for what stands in the checkout."""
    return markdown.render(shop.plan())


def states(forge: FakeGitHub, commit: str) -> list[str]:
    """The states of a commit in the order in which they were told."""
    return [entry["state"] for entry in forge.statuses if entry["sha"] == commit]


def ours(forge: FakeGitHub, number: int) -> list[str]:
    return [body for body in forge.bodies(number) if body.startswith(merged.MARKER)]


@contextmanager
def begun(remote: Pushed, home: Path, forge: FakeGitHub, ports: Ports | None = None) -> Iterator[Live]:
    """A daemon that has seen the platform without a tenant: whatever comes is news."""
    merge(remote, forge, 1)
    with living(remote, home, ports) as live:
        live.until(lambda: live.health.first_pass, "it has looked")
        yield live


def until_told(live: Live, forge: FakeGitHub, commit: str, state: str) -> None:
    live.until(lambda: states(forge, commit)[-1:] == [state], f"{state} is told of {commit}")


def until_commented(live: Live, forge: FakeGitHub, number: int, words: str) -> None:
    live.until(lambda: words in "".join(ours(forge, number)), f"{words} is told in {number}")


def test_a_merge_is_told_when_it_begins_and_ends_and_not_again(
    shop: Shop, remote: Pushed, home: Path, forge: FakeGitHub
) -> None:
    with begun(remote, home, forge) as live:
        shop.tenant("AgendaTenant", "one", AGENDA)
        shop.tenant("AgendaTenant", "two", agenda(2))
        commit = merge(remote, forge, 7)
        live.made("one", "two")
        until_told(live, forge, commit, "success")
        assert states(forge, commit) == ["pending", "success"]
        assert {entry["context"] for entry in forge.statuses} == {"reconcile/apply"}
        live.until(lambda: len(ours(forge, 7)) == 1, "the comment is there")
        assert "2 applied" in ours(forge, 7)[0]
        written = forge.written()
        live.sweep()
        live.daemon.reload.set()
        live.sweep()
        assert forge.written() == written
    with living(remote, home) as live:
        live.until(lambda: live.health.first_pass, "it has looked")
        live.sweep()
        assert forge.written() == written


def test_the_comment_is_edited_when_a_tenant_ends_in_another_way(
    shop: Shop, remote: Pushed, home: Path, forge: FakeGitHub
) -> None:
    disk = FullDisk()
    with begun(remote, home, forge, Ports(entropy=QUICK, files=disk)) as live:
        shop.tenant("AgendaTenant", "one", AGENDA)
        commit = merge(remote, forge, 7)
        until_told(live, forge, commit, "failure")
        live.until(lambda: ours(forge, 7), "the comment is there")
        assert "file-failed" in ours(forge, 7)[0]
        attempts = live.status("one")["history"]
        live.until(lambda: live.status("one")["history"][0] != attempts[0], "it was tried again")
        assert states(forge, commit) == ["pending", "failure"]  # which is no news
        disk.full = False
        until_told(live, forge, commit, "success")
        live.until(lambda: "1 applied" in ours(forge, 7)[0], "the comment is edited")
        assert len(ours(forge, 7)) == 1


def test_what_was_merged_before_a_restart_is_told_after_it(
    shop: Shop, remote: Pushed, home: Path, forge: FakeGitHub
) -> None:
    with begun(remote, home, forge, Ports(entropy=QUICK, files=FullDisk())) as live:
        shop.tenant("AgendaTenant", "one", AGENDA)
        first = merge(remote, forge, 7)
        until_told(live, forge, first, "failure")
        shop.tenant("AgendaTenant", "two", agenda(2))
        second = merge(remote, forge, 8)
        until_told(live, forge, second, "failure")
    shop.tenant("AgendaTenant", "three", agenda(3))
    third = merge(remote, forge, 9)  # while nobody looks
    with living(remote, home) as live:
        live.made("one", "two", "three")
        for number, commit in ((7, first), (8, second), (9, third)):
            until_told(live, forge, commit, "success")
            until_commented(live, forge, number, "1 applied")
            assert len(ours(forge, number)) == 1


def test_two_merges_that_are_seen_at_once_are_told_apart(
    shop: Shop, remote: Pushed, home: Path, forge: FakeGitHub
) -> None:
    told(shop, forge, "require")
    with begun(remote, home, forge) as live:
        commits, live.daemon._poll = [], 3600.0
        live.knock()
        live.until(lambda: live.daemon._looks.at > 0 and not live.daemon._looks.now, "it looks no more by itself")
        for number, name in ((7, "one"), (8, "two")):
            shop.tenant("AgendaTenant", name, agenda(number))
            if number == 8:
                shop.without("one")
            plan = shown(shop)
            shop.tenant("AgendaTenant", "one", agenda(7))
            commits.append(merge(remote, forge, number, plan))
        live.knock()
        live.made("one", "two")
        for number, commit in zip((7, 8), commits, strict=True):
            until_told(live, forge, commit, "success")
            until_commented(live, forge, number, "1 applied")


def test_a_plan_as_it_was_reviewed_is_applied_and_another_one_is_not(
    shop: Shop, remote: Pushed, home: Path, forge: FakeGitHub
) -> None:
    told(shop, forge, "require")
    with begun(remote, home, forge) as live:
        shop.tenant("AgendaTenant", "one", AGENDA)
        commit = merge(remote, forge, 7, shown(shop))
        live.made("one")
        until_told(live, forge, commit, "success")

        # What the merge brings is more than what was shown, or was shown by nobody who counts.
        hooks = AGENDA["webhooks"]
        shop.tenant("AgendaTenant", "one", {**AGENDA, "displayName": "Otra"})
        milder = shown(shop)
        shop.tenant("AgendaTenant", "one", {**AGENDA, "displayName": "Otra", "webhooks": []})
        commit = merge(remote, forge, 8, milder)
        live.until(lambda: live.has("one", "Stalled", "PlanStale"), "it takes away what was not shown to go")
        until_told(live, forge, commit, "failure")
        live.until(lambda: ours(forge, 8), "the comment is there")
        assert "What would be done now" in ours(forge, 8)[0]
        assert "crm" in ours(forge, 8)[0]
        found = live.why("one")
        assert found["failed"]["code"] == "stale"
        assert any("riskier" in way["text"] for way in found["ways"])
        written = forge.written()
        live.sweep()
        assert live.has("one", "Stalled", "PlanStale")
        assert forge.written() == written

        shop.tenant("AgendaTenant", "one", {**AGENDA, "displayName": "Otra", "webhooks": [], "plan": "starter"})
        commit = merge(remote, forge, 9, shown(shop), author="mallory")
        until_told(live, forge, commit, "failure")
        assert "was not reviewed" in condition(live.status("one"), "Stalled")["message"]

        # What was shown to go and stays after all is no risk.
        riskier = shown(shop)
        shop.tenant("AgendaTenant", "one", {**AGENDA, "displayName": "Otra", "webhooks": hooks, "plan": "starter"})
        commit = merge(remote, forge, 10, riskier)
        live.until(lambda: live.in_sync("one", commit), "it is applied")
        until_told(live, forge, commit, "success")


def test_with_warn_it_is_applied_and_said(shop: Shop, remote: Pushed, home: Path, forge: FakeGitHub) -> None:
    told(shop, forge, "warn")
    with begun(remote, home, forge) as live:
        shop.tenant("AgendaTenant", "one", AGENDA)
        commit = merge(remote, forge, 7)
        live.made("one")
        until_told(live, forge, commit, "success")
        live.until(lambda: ours(forge, 7), "the comment is there")
        assert "Applied although" in ours(forge, 7)[0]
        assert "was not reviewed" in ours(forge, 7)[0]


def test_drift_is_healed_though_nobody_reviewed_that(shop: Shop, remote: Pushed, home: Path, forge: FakeGitHub) -> None:
    told(shop, forge, "require")
    with begun(remote, home, forge) as live:
        shop.tenant("AgendaTenant", "one", AGENDA)
        commit = merge(remote, forge, 7, shown(shop))
        live.made("one")
        until_told(live, forge, commit, "success")
        written = forge.written()
        (home / "state/deliveries/one/.env").unlink()
        live.sweep()
        assert (home / "state/deliveries/one/.env").exists()
        assert live.in_sync("one")
        live.sweep()
        assert forge.written() == written


def test_a_forge_that_is_down_harms_nobody_and_is_told_later(
    shop: Shop, remote: Pushed, home: Path, forge: FakeGitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(review, "FRESH_SECONDS", 0.5)

    def down(_method: str, _path: str) -> None:
        raise fakes.Refused(503, "unavailable")

    up, forge.refuse = forge.refuse, down
    with begun(remote, home, forge) as live:
        shop.tenant("AgendaTenant", "one", AGENDA)
        first = merge(remote, forge, 7)
        live.made("one")
        live.until(lambda: live.said("forge"), "somebody hears of it")
        told(shop, forge, "require")
        merge(remote, forge, 1)
        shop.tenant("AgendaTenant", "two", agenda(2))
        second = merge(remote, forge, 8, shown(shop))
        live.until(lambda: live.has("two", "Reconciling", "ProgressingWithRetry"), "under require it waits")
        assert live.status("two")["nextAttemptAt"]
        assert live.in_sync("one")
    with living(remote, home) as live:  # and does after a restart
        live.until(lambda: live.health.first_pass, "it has looked")
        live.sweep()
        assert live.has("two", "Reconciling", "ProgressingWithRetry")
        forge.refuse = up
        live.made("one", "two")
        if live.daemon._teller is not None:
            live.daemon._teller._forge.soon()
        until_told(live, forge, second, "success")
        assert states(forge, first)[-1:] in ([], ["success"])  # who saw it applied has ended
