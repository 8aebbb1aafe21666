"""The state store on a database server instead of in a file: the same promises."""

from __future__ import annotations

import urllib.parse
from pathlib import Path

import pytest

from reconciler.model.outcome import Result
from reconciler.ports.store import audit
from tests.engine.test_counts import agenda, pos
from tests.support import server as servers
from tests.support.faults import Boundaries, Fault
from tests.support.shop import Shop


@pytest.fixture
def shop(tmp_path: Path, clean_server: servers.Server) -> Shop:
    """A platform whose store is a database on the server that also holds the tenants."""
    made = Shop(tmp_path, clean_server)
    clean_server.sql("CREATE DATABASE reconcile_state CHARACTER SET utf8mb4")
    clean_server.sql("GRANT ALL ON reconcile_state.* TO 'provisioner'@'%'")
    password = urllib.parse.quote(clean_server.password, safe="")
    address = f"{clean_server.user}:{password}@{clean_server.host}:{clean_server.port}"
    made.platform(state={"url": f"mysql+pymysql://{address}/reconcile_state"})
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
