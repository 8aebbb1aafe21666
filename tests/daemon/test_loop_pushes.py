"""Pushes that touch many tenants, or something that is no tenant, and faults that lie in somebody else's file."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from reconciler.daemon import passes
from reconciler.ports.http import Http
from reconciler.ports.ports import Ports
from tests.daemon.live import AT_ONCE, Pushed, living
from tests.engine.drifting import AGENDA
from tests.support import server as servers
from tests.support.shop import QUICK, Shop


def lupita(name: str) -> dict[str, Any]:
    return {"displayName": name, "edition": "standard", "license": {"expires": "2099-12-31"}}


def shown(shop: Shop, name: str) -> str:
    """What the central system calls a tenant; empty where there is none."""
    found = shop.server.sql("SELECT display_name FROM license_manager.tenants WHERE name = %s", name)
    return str(found[0][0]) if found else ""


@pytest.fixture
def shop(tmp_path: Path, clean_server: servers.Server) -> Shop:
    """A repository with one tenant of each product; nobody sweeps."""
    made = Shop(tmp_path / "repository", clean_server)
    made.platform(daemon={**AT_ONCE, "drift": {"policy": "off"}})
    made.tenant("PosTenant", "one", lupita("one"))
    return made


def test_an_invalid_newcomer_among_many_holds_nobody_up(shop: Shop, remote: Pushed, home: Path) -> None:
    remote.push("one tenant")
    with living(remote, home) as live:
        live.made("one")
        many = [f"many-{number}" for number in range(passes.FEW + 1)]
        for name in many:
            shop.tenant("PosTenant", name, lupita(name))
        shop.tenant("PosTenant", "broken", {**lupita("broken"), "edition": "none-of-ours"})
        remote.push("many, and one that is broken")
        live.knock()
        live.until(lambda: all(shown(shop, name) for name in many), "the others are made")
        assert live.has("broken", "Stalled", "BuildFailed")
        shop.tenant("PosTenant", "one", lupita("One"))
        remote.push("a later push")
        live.knock()
        live.until(lambda: shown(shop, "one") == "One", "what comes later is applied too")


def test_a_change_that_another_file_s_fault_held_back_is_applied_when_that_is_mended(
    shop: Shop, remote: Pushed, home: Path
) -> None:
    remote.push("one tenant")
    with living(remote, home) as live:
        live.made("one")
        shop.tenant("PosTenant", "one", lupita("One"))
        shop.document("specs/tenants/zz.yaml", "PosTenant", "one", lupita("double"))
        remote.push("a change, and a second document of the same name")
        live.knock()
        live.until(lambda: live.has("one", "Stalled", "BuildFailed"), "it is frozen")
        assert shown(shop, "one") == "one"
        (shop.root / "specs/tenants/zz.yaml").unlink()
        remote.push("mended")
        live.knock()
        live.until(lambda: shown(shop, "one") == "One", "the change is applied")
        live.made("one")


def test_what_a_merge_changed_under_tenants_is_no_drift(shop: Shop, remote: Pushed, home: Path) -> None:
    drift = {"policy": "report", "everySeconds": 86400}
    shop.platform(daemon={**AT_ONCE, "drift": drift})
    shop.tenant("AgendaTenant", "two", AGENDA)
    remote.push("two tenants")
    with living(remote, home) as live:
        live.made("one", "two")
        server = shop.server_spec(advertise={"host": "db.example.com", "port": 3307})
        shop.document("specs/servers/main.yaml", "DatabaseServer", "main", server)
        remote.push("another address")
        live.knock()
        delivered = home / "state/deliveries/two/.env"
        live.until(lambda: "db.example.com" in delivered.read_text(), "the delivery has the new address")
        live.made("two")
        delivered.write_text("")
        live.sweep()
        live.until(lambda: live.has("two", "Drifted", "DriftReported"), "what a person changed is only reported")
        assert delivered.read_text() == ""


class Hanging(Http):
    """A way to a receiver that does not answer before ``go`` is set."""

    def __init__(self) -> None:
        self.asked, self.go = threading.Event(), threading.Event()

    def post(self, url: str, headers: Mapping[str, str], body: bytes, *, seconds: float = 0.0) -> int:
        self.asked.set()
        self.go.wait()
        return 200


def test_a_receiver_that_hangs_holds_nothing_up(shop: Shop, remote: Pushed, home: Path) -> None:
    told = [{"name": "ops", "url": "http://ops.example.com/", "events": ["applied"]}]
    shop.platform(daemon={**AT_ONCE, "drift": {"policy": "off"}}, notifications=told)
    remote.push("one tenant")
    http = Hanging()
    with living(remote, home, Ports(entropy=QUICK, http=http)) as live:
        try:
            live.made("one")
            live.until(http.asked.is_set, "the receiver is told")
            shop.tenant("PosTenant", "one", lupita("One"))
            remote.push("a change")
            live.knock()
            live.until(lambda: shown(shop, "one") == "One", "it is applied meanwhile")
            live.made("one")
        finally:
            http.go.set()
