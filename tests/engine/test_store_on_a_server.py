"""The state store on a database server instead of in a file: the same promises."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reconciler.model.outcome import Result
from reconciler.model.plan import Action
from reconciler.ports.store import audit
from tests.engine.test_counts import agenda, pos
from tests.support import server as servers
from tests.support.faults import Boundaries, Fault
from tests.support.shop import Shop
from tests.support.stores import SERVERS, where

SOURCE = Path(__file__).parents[2]


@pytest.fixture(params=SERVERS)
def shop(request: pytest.FixtureRequest, tmp_path: Path, clean_server: servers.Server) -> Shop:
    """A platform whose store is a database: on the server that also holds the tenants, or on PostgreSQL."""
    made = Shop(tmp_path, clean_server)
    made.platform(state={"url": where(request.param, request).url})
    made.apply()
    return made


def test_tenants_are_made_changed_and_recovered_and_the_journal_is_whole(shop: Shop) -> None:
    for number in range(3):
        shop.tenant("AgendaTenant", f"agenda-{number}", agenda(number))
        shop.tenant("PosTenant", f"pos-{number}", pos(number))
    outcomes = shop.apply(parallel=4)
    assert {outcome.result for outcome in outcomes.values()} == {Result.APPLIED}, outcomes
    shop.tenant("PosTenant", "pos-0", {**pos(0), "displayName": "Otra"})
    dying = Boundaries({40: Fault.ERROR})
    shop.apply(dying.ports())
    assert all(outcome.result is not Result.STUCK for outcome in shop.recover())
    shop.apply()
    assert shop.plan(deep=True).empty
    setting = shop.setting()
    found = setting.opened().read(audit.audit)
    setting.opened().close()
    assert found.faults == ()
    assert found.transactions >= 7


def reconcile(shop: Shop, *words: str) -> subprocess.Popen[str]:
    """The command, running."""
    return subprocess.Popen(
        [sys.executable, "-m", "reconciler", "-C", str(shop.root), *words],
        cwd=SOURCE,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def says(shop: Shop, *words: str) -> str:
    """What the command says when it does what it was asked."""
    with reconcile(shop, *words) as running:
        said, _ = running.communicate(timeout=120)
    assert running.returncode == 0, said
    return said


def test_after_kill_9_of_the_command_everything_is_settled_and_the_journal_is_whole(shop: Shop) -> None:
    shop.tenant("AgendaTenant", "agenda-1", agenda(1))
    shop.tenant("PosTenant", "pos-1", pos(1))
    with reconcile(shop, "apply", "--yes", "--parallel", "2") as running:
        ends = time.monotonic() + 60
        while "agenda_agenda_1" not in shop.server.databases():
            assert time.monotonic() < ends
            assert running.poll() is None, running.communicate()[0]
            time.sleep(0.005)
        running.send_signal(signal.SIGKILL)
        running.communicate()
    says(shop, "recover")
    says(shop, "history", "--verify")
    left = {entry.tenant: entry.action for entry in shop.plan(deep=True).tenants}
    assert {*left.values()} <= {Action.CREATE, Action.UNCHANGED}, left
    made = left["agenda-1"] is Action.UNCHANGED  # it was quicker than the kill
    assert ("agenda_agenda_1" in shop.server.databases()) == made
    says(shop, "apply", "--yes")
    assert shop.plan(deep=True).empty
    assert "pos-1" in says(shop, "status")
    says(shop, "history", "--verify")


def test_nobody_is_told_the_password_of_the_store(
    request: pytest.FixtureRequest, tmp_path: Path, clean_server: servers.Server
) -> None:
    shop = Shop(tmp_path, clean_server)
    place = where("mariadb", request)
    shop.platform(state={"url": place.url})
    [making] = [change for change in shop.plan().platform if change.resource == "store"]
    assert "reconcile_state" in making.summary
    assert clean_server.password not in str(making)
    shop.platform(state={"url": "mysql+pymysql://who:canary@127.0.0.1:1/nowhere"})
    for words in (["doctor"], ["doctor", "--format", "json"], ["plan"], ["status"], ["apply", "--yes"]):
        with reconcile(shop, *words) as running:
            said, _ = running.communicate(timeout=60)
        assert running.returncode in (1, 78), said
        assert "canary" not in said
