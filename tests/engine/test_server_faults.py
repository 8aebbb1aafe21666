"""MariaDB killed with SIGKILL while it works, and started again; MariaDB gone for a while, or for too long."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.model.outcome import Result
from tests.support import changes
from tests.support import server as servers
from tests.support.changes import CREATE_AGENDA, CREATE_POS, Case
from tests.support.deeds import HalfDrop, Kill
from tests.support.faults import Boundaries, Fault, Kind
from tests.support.matrix import Cells, Row
from tests.support.shop import Shop
from tests.support.trial import Trial

DDL = ("«CREATE", "«SET NAMES utf8mb4 ; CREATE", "«GRANT", "«REVOKE", "«ALTER")
DROPPING = (CREATE_AGENDA, CREATE_POS, "cloud-sync-on")
LONG = pytest.mark.timeout(1800)


@pytest.fixture(scope="module")
def mortal() -> Iterator[servers.Server]:
    """A server of this module's own, which keeps what it acknowledged when it is killed."""
    with servers.private_server("--innodb-flush-log-at-trx-commit=1") as started:
        yield started


@pytest.fixture
def shop(tmp_path: Path, mortal: servers.Server) -> Iterator[Shop]:
    """A repository whose platform has been laid on that server, without tenants."""
    mortal.wipe()
    made = Shop(tmp_path, mortal)
    made.apply()
    yield made
    mortal.wipe()


def struck(tried: Trial, row: Row, faults: dict[int, Any], kill: Kill, **how: Any) -> None:
    """Apply while the server is killed, and judge when it is back."""
    patience, may = how.get("patience", 60.0), how.get("may", (Result.ROLLED_BACK,))
    outcome = tried.attempt(Boundaries(faults), patience=patience)
    kill.back()
    where = f"{row.title} at {', '.join(tried.log[at - 1] for at in faults if at <= tried.count)}: {outcome}"
    tried.judge(row, outcome, where, may=may, said="refused")


def within(tried: Trial) -> list[int]:
    """The acts that make or change something on a server."""
    return tried.saying(*DDL) or [at for at in tried.acts if tried.kinds[at - 1] is Kind.STATEMENT]


@LONG
@changes.trials(CREATE_AGENDA, "suspend-pos", often=6, among=(*changes.MAIN, "cloud-sync-on", *changes.TRASH))
def test_a_server_that_is_killed_during_a_statement_leaves_before_or_after(
    shop: Shop, cells: Cells, case: Case, times: int
) -> None:
    tried = Trial(shop, case, cells)
    places = within(tried)
    for number, at in enumerate(changes.moments(0, len(places) - 1, times)):
        kill = Kill(shop.server, after=0.0005 + 0.0015 * (number % 5))
        struck(tried, Row.SERVER_STATEMENT, {places[at]: kill}, kill)


def first_drop(tried: Trial) -> int:
    """The boundary at which a rollback, after a failure of the commit, drops the database."""
    counted = Boundaries({tried.writes[-1]: Fault.ERROR})
    outcome = tried.attempt(counted)
    assert outcome is not None
    assert outcome.result is Result.ROLLED_BACK
    return next(at for at, said in enumerate(counted.log, 1) if said.startswith("«DROP DATABASE"))


@LONG
@changes.trials(CREATE_POS, often=10, among=DROPPING)
def test_a_server_that_is_killed_during_a_drop_leaves_before(shop: Shop, cells: Cells, case: Case, times: int) -> None:
    tried = Trial(shop, case, cells)
    drop = first_drop(tried)
    for number in range(times):
        kill = Kill(shop.server, after=0.001 * (1 + 2 * number))
        struck(tried, Row.SERVER_DROP, {tried.writes[-1]: Fault.ERROR, drop: kill}, kill)


@LONG
@changes.trials(CREATE_POS, often=2, among=DROPPING)
def test_a_drop_that_stopped_half_way_is_finished(shop: Shop, cells: Cells, case: Case, times: int) -> None:
    """The journal is the mark then: the comment died before the tables."""
    tried = Trial(shop, case, cells)
    database = f"{case.kind.removesuffix('Tenant').lower()}_{changes.NAME}"
    first, drop = tried.writes[-1], first_drop(tried)
    tried.strike(Row.SERVER_HALF_DROPPED, {first: Fault.ERROR, drop: HalfDrop(shop.server, database)})
    if times > 1:
        boundaries = Boundaries({first: Fault.ERROR, drop: HalfDrop(shop.server, database)})
        boundaries.faults[drop + 1] = Fault.DEATH_BEFORE
        tried.judge(Row.SERVER_HALF_DROPPED, tried.attempt(boundaries), "killed behind it")


def last_drop(tried: Trial) -> int:
    """The boundary at which a purge drops the tenant's database, behind its point of no return."""
    return max(at for at, said in enumerate(tried.log, 1) if said.startswith("«DROP DATABASE") and at > tried.brink)


@LONG
@changes.trials("purge-pos", often=6, among=("purge-agenda",))
def test_a_server_that_is_killed_during_the_drop_of_a_purge_leaves_after(
    shop: Shop, cells: Cells, case: Case, times: int
) -> None:
    tried = Trial(shop, case, cells)
    for number in range(times):
        kill = Kill(shop.server, after=0.001 * (1 + 2 * number))
        struck(tried, Row.SERVER_DROP, {last_drop(tried): kill}, kill)


@LONG
@changes.trials("purge-agenda", often=1, among=("purge-pos", "purge-database-pos"))
def test_the_drop_of_a_purge_that_stopped_half_way_is_finished(
    shop: Shop, cells: Cells, case: Case, times: int
) -> None:
    tried = Trial(shop, case, cells)
    drop = last_drop(tried)
    half = HalfDrop(shop.server, f"{case.kind.removesuffix('Tenant').lower()}_{changes.NAME}")
    tried.strike(Row.SERVER_HALF_DROPPED, {drop: half})
    boundaries = Boundaries({drop: half, drop + 1: Fault.DEATH_BEFORE})
    assert tried.judge(Row.SERVER_HALF_DROPPED, tried.attempt(boundaries), "killed behind it")


@LONG
@changes.trials(CREATE_POS, "resume-agenda", often=2)
def test_a_server_that_is_gone_for_a_while_is_waited_for(shop: Shop, cells: Cells, case: Case, times: int) -> None:
    tried = Trial(shop, case, cells)
    for at, away in zip(changes.moments(tried.acts[0], tried.acts[-1], times), (1.0, 30.0), strict=False):
        kill = Kill(shop.server, away=away)
        struck(tried, Row.SERVER_GONE, {at: kill}, kill)


@LONG
@changes.trials(CREATE_AGENDA, often=2)
def test_a_server_that_is_gone_for_too_long_leaves_before_once_it_is_back(
    shop: Shop, cells: Cells, case: Case, times: int
) -> None:
    tried = Trial(shop, case, cells)
    for at in changes.moments(tried.acts[0], tried.acts[-1], times):
        kill = Kill(shop.server, away=2.0)
        struck(tried, Row.SERVER_GONE_LONGER, {at: kill}, kill, patience=0.5, may=(Result.STUCK, Result.ROLLED_BACK))
