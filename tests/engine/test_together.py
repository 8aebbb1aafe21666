"""Several tenants, several processes, and being told to stop."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from reconciler.engine import reconcile
from reconciler.engine.progress import Progress
from reconciler.model import plan as plans
from reconciler.model.change import Change
from reconciler.model.outcome import Outcome, Result, exit_status
from reconciler.ports import process
from reconciler.ports.store import tables
from tests.support import server as servers
from tests.support.faults import Boundaries, Pause
from tests.support.shop import Shop

ADMIN = {"name": "Ana Ruiz", "email": "ana@example.com"}


@pytest.fixture
def shop(tmp_path: Path, clean_server: servers.Server) -> Shop:
    """A repository whose platform has been laid, without tenants."""
    made = Shop(tmp_path, clean_server)
    made.apply()
    return made


@pytest.fixture
def sleeper() -> Iterator[process.Process]:
    """Another living process on this host."""
    with subprocess.Popen(
        [sys.executable, "-c", "import time; print(flush=True); time.sleep(600)"], stdout=-1
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        stat = Path(f"/proc/{other.pid}/stat").read_text().rpartition(")")[2].split()
        me = process.this()
        yield process.Process(me.host, me.boot, me.namespace, other.pid, int(stat[19]))
        other.kill()


def add_agenda(shop: Shop, name: str, **spec: Any) -> None:
    """A tenant of Agenda IA."""
    shop.tenant(
        "AgendaTenant",
        name,
        {"displayName": name, "plan": "pro", "domain": f"{name}.example.com", "admin": ADMIN, **spec},
    )


def add_pos(shop: Shop, name: str) -> None:
    """A tenant of POS Tree Codes with a database."""
    spec = {"displayName": name, "edition": "lite", "cloudSync": True, "license": {"expires": "2099-12-31"}}
    shop.tenant("PosTenant", name, spec)


def break_schema(shop: Shop) -> Path:
    """Make every import of Agenda IA fail in the middle."""
    broken = shop.root / "specs/products/agenda-ia/schema/0003a_broken.sql"
    broken.write_text("CREATE TABLE broken (id INT PRIMARY KEY, REFERENCES nothing);\n")
    return broken


def test_tenants_of_both_products_are_made_side_by_side(shop: Shop) -> None:
    for number in range(4):
        add_agenda(shop, f"clinic-{number}")
        add_pos(shop, f"shop-{number}")
    outcomes = shop.apply(parallel=4)
    assert {outcome.result for outcome in outcomes.values()} == {Result.APPLIED}, outcomes
    assert shop.plan(deep=True).empty


def test_a_failing_tenant_is_rolled_back_and_no_further_one_starts(shop: Shop) -> None:
    add_agenda(shop, "aaa")
    add_pos(shop, "bbb")
    break_schema(shop)
    before = shop.world()
    outcomes = shop.apply()
    assert outcomes["aaa"].result is Result.ROLLED_BACK
    assert outcomes["bbb"].result is Result.SKIPPED
    failure = outcomes["aaa"].failure
    assert failure is not None
    assert "specs/products/agenda-ia/schema/0003a_broken.sql:1:1" in failure.message
    assert failure.code == "script-failed"
    assert exit_status(outcomes.values()) == 6
    assert shop.world() == before


def test_with_keep_going_the_others_are_made(shop: Shop) -> None:
    add_agenda(shop, "aaa")
    add_pos(shop, "bbb")
    break_schema(shop)
    outcomes = shop.apply(keep_going=True)
    assert outcomes["aaa"].result is Result.ROLLED_BACK
    assert outcomes["bbb"].result is Result.APPLIED
    assert exit_status(outcomes.values()) == 6


@pytest.mark.parametrize("parallel", [1, 3])
def test_all_or_none_makes_none_when_one_fails(shop: Shop, parallel: int) -> None:
    add_pos(shop, "aaa")
    add_pos(shop, "bbb")
    add_agenda(shop, "ccc")
    broken = break_schema(shop)
    before = shop.world()
    outcomes = shop.apply(atomic="all", parallel=parallel)
    assert outcomes["ccc"].result is Result.ROLLED_BACK
    assert Result.APPLIED not in {outcome.result for outcome in outcomes.values()}
    assert shop.world() == before
    broken.unlink()
    outcomes = shop.apply(atomic="all", parallel=parallel)
    assert {outcome.result for outcome in outcomes.values()} == {Result.APPLIED}
    assert shop.plan(deep=True).empty


def test_two_tenants_can_exchange_their_domains(shop: Shop) -> None:
    add_agenda(shop, "aaa", domain="one.example.com")
    add_agenda(shop, "bbb", domain="two.example.com")
    shop.apply()
    add_agenda(shop, "aaa", domain="two.example.com")
    add_agenda(shop, "bbb", domain="one.example.com")
    assert {outcome.result for outcome in shop.apply().values()} == {Result.APPLIED}
    assert shop.plan(deep=True).empty


def test_a_domain_of_a_tenant_whose_spec_is_gone_is_not_given_away(shop: Shop) -> None:
    add_agenda(shop, "aaa", domain="one.example.com")
    shop.apply()
    shop.without("aaa")
    add_agenda(shop, "bbb", domain="ONE.example.com")
    before = shop.world()
    outcomes = shop.apply()
    assert outcomes["bbb"].result is Result.BLOCKED
    assert outcomes["bbb"].failure is not None
    assert "still belongs to tenant aaa" in outcomes["bbb"].failure.message
    assert exit_status(outcomes.values()) == 3
    assert shop.world() == before


def lease_to(shop: Shop, tenant: str, holder: process.Process) -> None:
    """Write into the store that somebody works on the tenant."""
    setting = shop.setting()
    values = {"tenant": tenant, "token": 7, "holder": json.dumps(holder.as_data()), "since": "now", "renewals": 3}
    store = setting.opened()
    store.write(lambda connection: connection.execute(sa.delete(tables.leases).where(tables.leases.c.tenant == tenant)))
    store.write(lambda connection: connection.execute(tables.leases.insert().values(**values)))
    store.close()


def test_a_tenant_that_a_living_process_works_on_is_left_to_it(shop: Shop, sleeper: process.Process) -> None:
    add_pos(shop, "aaa")
    lease_to(shop, "aaa", sleeper)
    before = shop.world()
    outcomes = shop.apply()
    assert outcomes["aaa"].result is Result.LEASED
    assert outcomes["aaa"].failure is not None
    assert str(sleeper.pid) in outcomes["aaa"].failure.message
    assert exit_status(outcomes.values()) == 5
    assert shop.world() == before


def test_a_lease_of_a_process_that_ended_is_free_at_once(shop: Shop, sleeper: process.Process) -> None:
    add_pos(shop, "aaa")
    gone = process.Process(sleeper.host, sleeper.boot, sleeper.namespace, sleeper.pid, sleeper.started - 1)
    lease_to(shop, "aaa", gone)
    assert shop.apply()["aaa"].result is Result.APPLIED


class StopAt(Progress):
    """Sets the stop of a run when a change of this step begins."""

    def __init__(self, step: str, stop: threading.Event) -> None:
        self.step = step
        self.stop = stop

    def doing(self, tenant: str, number: int, change: Change) -> None:
        """Look for the step."""
        if change.step == self.step:
            self.stop.set()


@pytest.mark.parametrize("step", ["database", "schema", "delivery", "activation"])
def test_a_signal_undoes_what_is_open(shop: Shop, step: str) -> None:
    add_agenda(shop, "aaa")
    before = shop.world()
    setting = shop.setting()
    _, outcomes = reconcile.apply(setting, reconcile.Options(parallel=1), StopAt(step, setting.stop))
    outcome: Outcome = outcomes[0]
    assert outcome.result is Result.ROLLED_BACK
    assert outcome.failure is not None
    assert outcome.failure.code == "interrupted"
    assert shop.world() == before


def test_what_another_apply_was_making_while_this_one_looked_is_found_to_be_ours(shop: Shop) -> None:
    shop.apply()
    add_agenda(shop, "aaa")
    counted = Boundaries()
    shop.apply(counted.ports())
    shop.reset()
    pause = Pause()
    other = threading.Thread(target=shop.apply, args=(Boundaries({counted.count // 2: pause}).ports(),))
    other.start()
    assert pause.reached.wait(60)

    def agreed(planned: plans.Plan) -> bool:
        """The plan was made while the other one was at it, which ends before this one begins."""
        assert {blocker.code for entry in planned.blocked for blocker in entry.blockers} == {"foreign"}
        pause.go.set()
        other.join(60)
        return True

    setting = shop.setting()
    _, outcomes = reconcile.apply(setting, reconcile.Options(), Progress(), confirm=agreed)
    assert {outcome.tenant: outcome.result for outcome in outcomes}["aaa"] is Result.UNCHANGED
