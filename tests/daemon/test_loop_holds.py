"""Freeze windows, pauses and suspended tenants: nothing is begun, what is open is settled, and everybody sees why."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from reconciler import cli
from reconciler.model.states import TransactionState
from reconciler.ports import process
from reconciler.ports.store import journal
from tests.daemon.live import AT_ONCE, Pushed, condition, living
from tests.engine.drifting import AGENDA
from tests.engine.test_counts import agenda
from tests.support import trial
from tests.support.faults import Boundaries, Kind, SimulatedDeath
from tests.support.shop import Shop

T = TypeVar("T")

AHEAD = 7.0
"""Seconds that a window still lasts when it is first met, at most."""


def moment(seconds: float) -> str:
    return (dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def frozen(shop: Shop, until: str) -> None:
    once = {"start": moment(-60), "end": until}
    window = {"name": "holidays", "reason": "nobody is here", "by": "Ana Ruiz", "once": once}
    shop.platform(daemon={**AT_ONCE, "freeze": [window]})


def made(shop: Shop, name: str = "one") -> bool:
    return bool(shop.server.sql(f"SHOW DATABASES LIKE 'agenda\\_{name}'"))


def command(home: Path, *words: str) -> None:
    assert cli.main(["-C", str(home), *words]) == 0


def status(home: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """All of what ``reconcile status`` says."""
    capsys.readouterr()
    command(home, "status", "--format", "json")
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


class Dying(Boundaries):
    """Ports of a process that is killed when it has updated its first row."""

    def cross(self, kind: Kind, what: str, action: Callable[[], T], error: Any, lose: Any = None) -> T:
        done = super().cross(kind, what, action, error, lose)
        if what.startswith("«UPDATE") and not self.dead:
            self._die()
            raise SimulatedDeath
        return done


def left_open(shop: Shop, home: Path) -> None:
    """An apply beside the daemon that was killed in the middle of a change of the tenant."""
    (shop.root / "state").symlink_to(home / "state")
    shop.tenant("AgendaTenant", "one", {**AGENDA, "displayName": "Otra"})
    me = process.this()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(process, "this", lambda: dataclasses.replace(me, started=me.started - 1))
        assert trial.attempt(shop, Dying()) is None
    assert [entry.state for entry in unsettled(shop)] == [TransactionState.OPEN]


def unsettled(shop: Shop) -> list[journal.Transaction]:
    setting = shop.setting()
    try:
        return setting.opened().read(journal.unsettled)
    finally:
        setting.opened().close()


def test_in_a_freeze_window_nothing_starts_and_then_it_does(shop: Shop, remote: Pushed, home: Path) -> None:
    end = moment(AHEAD)
    frozen(shop, end)
    commit = remote.push()
    with living(remote, home) as live:
        live.until(lambda: live.has("one", "Suspended"), "it is held")
        held = condition(live.status("one"), "Suspended")
        assert held["reason"] == "OutsideSyncWindow"
        assert held["message"] == f"window holidays until {end}, by Ana Ruiz: nobody is here"
        assert not made(shop)
        found = live.why("one")
        assert not found["inSync"]
        assert any("until the freeze is over" in way["text"] for way in found["ways"])
        live.until(lambda: live.in_sync("one", commit), "it is made when the window ends")
        assert moment(0) >= end


def test_a_fix_that_is_frozen_is_newer_than_what_was_frozen_first(shop: Shop, remote: Pushed, home: Path) -> None:
    frozen(shop, moment(AHEAD))
    remote.push()
    with living(remote, home) as live:
        live.until(lambda: live.has("one", "Suspended"), "it is held")
        shop.tenant("AgendaTenant", "one", {**AGENDA, "displayName": "Otra"})
        commit = remote.push("before it ends")
        live.knock()
        live.until(lambda: live.in_sync("one", commit), "the newest one is made when the window ends")
        assert [entry["action"] for entry in live.status("one")["history"]] == ["create"]


def test_a_window_that_is_taken_out_holds_nobody(shop: Shop, remote: Pushed, home: Path) -> None:
    frozen(shop, moment(3600))
    remote.push()
    with living(remote, home) as live:
        live.until(lambda: live.has("one", "Suspended", "OutsideSyncWindow"), "it is held")
        shop.platform(daemon=AT_ONCE)
        commit = remote.push("no window")
        live.knock()
        live.until(lambda: live.in_sync("one", commit), "it is made at once")


@pytest.mark.parametrize("how", ["window", "daemon", "tenant"])
def test_nothing_holds_a_recovery(how: str, shop: Shop, remote: Pushed, home: Path) -> None:
    remote.push()
    with living(remote, home) as live:
        live.made("one")
    before = shop.server.sql("SELECT * FROM license_manager.tenants")
    left_open(shop, home)
    if how == "window":
        shop.tenant("AgendaTenant", "one", AGENDA)
        frozen(shop, moment(3600))
        remote.push("a window")
    else:
        command(home, "pause", *(["one"] if how == "tenant" else []), "--reason", "audit")
    with living(remote, home) as live:
        live.until(lambda: not unsettled(shop), "what was left open is settled")
        live.until(lambda: live.has("one", "Suspended"), "and nothing else is done")
        assert shop.server.sql("SELECT * FROM license_manager.tenants") == before
        assert [entry["outcome"] for entry in live.status("one")["history"]] == ["rolled-back", "applied"]


def test_a_paused_daemon_begins_nothing_until_it_is_resumed(
    shop: Shop, remote: Pushed, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    remote.push()
    with living(remote, home) as live:
        live.made("one")
        command(home, "pause", "--reason", "moving the server", "--until", "9000-01-31")
        shop.tenant("AgendaTenant", "two", agenda(2))
        commit = remote.push("one more")
        live.knock()
        live.until(lambda: live.has("two", "Suspended"), "it waits")
        words = f"until 9000-01-31 23:59:59Z, by {process.actor()}: moving the server"
        assert condition(live.status("two"), "Suspended")["message"] == f"nothing is done {words}"
        assert not made(shop, "two")
        paused = status(home, capsys)["paused"]
        assert (paused["by"], paused["reason"], paused["until"][:10]) == (
            process.actor(),
            "moving the server",
            "9000-01-31",
        )
        assert live.why("two")["paused"]["reason"] == "moving the server"
        live.sweep()
        assert live.has("two", "Suspended")
        command(home, "resume")
        live.until(lambda: live.in_sync("two", commit), "it is heard at the next look, which nobody asked for")
        assert live.in_sync("one")


def test_one_paused_tenant_holds_up_no_other(shop: Shop, remote: Pushed, home: Path) -> None:
    shop.tenant("AgendaTenant", "two", agenda(2))
    remote.push()
    with living(remote, home) as live:
        live.made("one", "two")
        command(home, "pause", "one", "--reason", "audit")
        live.until(lambda: live.daemon._upkeep._holds, "it is heard")
        shop.tenant("AgendaTenant", "one", {**AGENDA, "displayName": "Otra"})
        shop.tenant("AgendaTenant", "two", {**agenda(2), "displayName": "Otra"})
        commit = remote.push("both")
        live.knock()
        live.until(lambda: live.in_sync("two", commit), "the other one is changed")
        live.until(lambda: live.has("one", "Suspended"), "the held one is not")
        assert condition(live.status("one"), "Ready")["status"] == "True"
        since = condition(live.status("one"), "Suspended")["lastTransitionTime"]
        live.sweep()
        live.sweep()
        found = live.daemon._kit.book if live.daemon._kit else None
        assert found is not None
        assert found.has("one", "Suspended")  # a sweep does not take the word back
        assert condition(live.status("one"), "Suspended")["lastTransitionTime"] == since
        assert live.why("one")["hold"]["reason"] == "audit"
        command(home, "resume", "one")
        live.until(lambda: live.in_sync("one", commit), "it is changed when it is let go")


def test_an_annotation_suspends_until_its_time_has_come(shop: Shop, remote: Pushed, home: Path) -> None:
    end = moment(AHEAD)
    suspend = {"reason": "audit", "by": "Ana Ruiz", "until": end}
    shop.document("specs/tenants/one.yaml", "AgendaTenant", "one", AGENDA, annotations={"reconciler/suspend": suspend})
    commit = remote.push()
    with living(remote, home) as live:
        live.until(lambda: live.has("one", "Suspended"), "it is held")
        message = condition(live.status("one"), "Suspended")["message"]
        assert f"until {end.replace('T', ' ')}, by Ana Ruiz: audit (specs/tenants/one.yaml:" in message
        assert not made(shop)
        live.until(lambda: live.in_sync("one", commit), "it is made when that is over")
        assert moment(0) >= end
        assert live.why("one")["inSync"]


def test_a_tenant_that_failed_for_good_is_not_suspended_for_ever(shop: Shop, remote: Pushed, home: Path) -> None:
    """What is shown of a hold goes with it, though nothing is tried."""
    schema = shop.root / "specs/products/agenda-ia/schema"
    (schema / "999_broken.sql").write_text("CREATE TABLE broken (id int, PRIMARY KEY (nothing));\n")
    remote.push()
    with living(remote, home) as live:
        live.until(lambda: live.has("one", "Stalled"), "it failed for good")
        command(home, "pause", "--reason", "audit")
        live.until(lambda: live.has("one", "Suspended"), "it is held")
        command(home, "resume")
        live.until(lambda: not live.has("one", "Suspended"), "it is held no more")
        assert live.has("one", "Stalled", "RolledBack")
