"""Real processes, cut off: SIGKILL, SIGTERM, Ctrl-C, SIGSTOP; several at once, and many tenants at once.

Nothing here calls the engine: the program runs in processes of its own, and the world is looked at with other tools
than those that made it.
"""

from __future__ import annotations

import copy
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.support.matrix import Cells, Operation, Recovery, Row
from tests.support.repository import Repository

LONG = pytest.mark.timeout(2400)
KINDS = {"agenda-ia": "AgendaTenant", "pos-tree-codes": "PosTenant"}
PREFIXES = {"agenda-ia": "agenda", "pos-tree-codes": "pos"}
SEED = 20260217


class Fleet:
    """Tenants of both products whose specs are changed at random, and what is known of each."""

    def __init__(self, repository: Repository, seed: int = SEED) -> None:
        repository.empty()  # the platform's own things stay, whatever follows
        self.repository = repository
        self.dice = random.Random(seed)  # noqa: S311 - moments of a test, the same each time
        self.settled: dict[str, dict[str, Any] | None] = {}
        self.wanted: dict[str, tuple[Operation, dict[str, Any]]] = {}
        self.struck = False

    def product(self, name: str) -> str:
        """Which product a tenant is of."""
        return "agenda-ia" if int(name.rpartition("-")[2]) % 2 else "pos-tree-codes"

    def write(self, name: str, spec: dict[str, Any] | None) -> None:
        """Write a tenant's file, or take it away."""
        if spec is None:
            (self.repository.root / f"specs/tenants/{name}.yaml").unlink(missing_ok=True)
        else:
            self.repository.tenant(name, KINDS[self.product(name)], **spec)

    def change(self, name: str, operation: Operation | None = None) -> None:
        """Want something else of a tenant: it made, changed, suspended or resumed."""
        now = self.settled.get(name)
        if now is None:
            operation, then = Operation.CREATE, self._new(name)
        else:
            then = copy.deepcopy(now)
            suspended = now.get("state") == "suspended"
            operation = operation or self.dice.choice(
                [Operation.UPDATE, Operation.RESUME if suspended else Operation.SUSPEND]
            )
            if operation is Operation.UPDATE:
                then["displayName"] = f"Nuevo {self.dice.randrange(10**9)}"
                if "license" in then:
                    then["license"]["maxDevices"] = self.dice.randrange(2, 10**5)
            else:
                then["state"] = "suspended" if operation is Operation.SUSPEND else "active"
        self.wanted[name] = (operation, then)
        self.write(name, then)

    def _new(self, name: str) -> dict[str, Any]:
        if self.product(name) == "agenda-ia":
            admin = {"name": "Ana Ruiz", "email": "ana@example.com"}
            return {"displayName": "Sol", "plan": "pro", "domain": f"{name}.example.com", "admin": admin}
        grants = {"expires": "2099-12-31"}
        return {"displayName": "Lupita", "edition": "standard", "cloudSync": True, "license": grants}

    def judge(self, cells: Cells, row: Row, said: dict[str, str], recovered: set[str]) -> None:
        """Every tenant that was to change is as its spec says now, or as its spec said before; and nothing else is
        there: no database, account, row or file of anybody.
        """
        found = self.repository.data("plan", "--deep", expect=0)
        actions = {entry["tenant"]: entry["action"] for entry in found["tenants"]}
        assert {actions[name] for name in actions.keys() - self.wanted.keys()} <= {"unchanged"}, found
        after = {name for name in self.wanted if actions[name] == "unchanged"}
        before = self.wanted.keys() - after
        for name in before:
            self.write(name, self.settled.get(name))
        for name, (operation, spec) in self.wanted.items():
            recovery = Recovery.RECOVER if name in recovered else Recovery.NONE
            cells.add(row, self.product(name), operation, said[name], after=name in after, recovery=recovery)
            if name in after:
                self.settled[name] = spec
        self.wanted = {}
        if any(self.settled.get(name) for name in before):
            self.repository.run("plan", "--deep", "--detailed-exitcode", expect=0)
        self.assert_no_orphans()

    def assert_no_orphans(self) -> None:
        """What is on the server and in the folders belongs to a tenant that is there."""
        names = {name for name, spec in self.settled.items() if spec is not None}
        databases = {f"{PREFIXES[self.product(name)]}_{name.replace('-', '_')}" for name in names}
        server, root = self.repository.server, self.repository.root
        assert {*server.databases()} == databases | {"license_manager"}
        accounts = {user for (user,) in server.sql("SELECT User FROM mysql.global_priv")}
        assert {user for user in accounts if user.startswith(("agenda_", "pos_"))} == {
            f"{database}_{purpose}" for database in databases for purpose in ("own", "app")
        }
        for table, column in (("tenants", "name"), ("licenses", "tenant"), ("webhook_endpoints", "tenant")):
            rows = {name for (name,) in server.sql(f"SELECT {column} FROM license_manager.{table}")}
            assert rows == names if table != "webhook_endpoints" else rows <= names, table
        assert {path.name for path in (root / "state/deliveries").iterdir()} == names

    def recover(self) -> set[str]:
        """`reconcile recover`; the tenants of which something was open."""
        outcomes = self.repository.data("recover", expect=0)["outcomes"]
        assert {outcome["outcome"] for outcome in outcomes} <= {"rolled-back"}
        return {outcome["tenant"] for outcome in outcomes}


def begun(process: subprocess.Popen[str], lines: int = 0) -> None:
    """Wait for the first word of the work, and for so many lines more, or for the end."""
    assert process.stderr is not None
    for line in iter(process.stderr.readline, ""):
        if "begins" in line:
            break
    for _ in range(lines):
        process.stderr.readline()


def ended(process: subprocess.Popen[str]) -> int:
    """Its status as a shell says it, when it has ended."""
    process.communicate(timeout=300)
    return process.returncode if process.returncode >= 0 else 128 - process.returncode


def strike(fleet: Fleet, name: str, blow: signal.Signals) -> int:
    """Apply one tenant, and hit the process at some moment; its status."""
    with fleet.repository.start("apply", "--yes", "--tenant", name) as process:
        # The first at once, so that at least one is hit; a change has fewer lines, and is over sometimes.
        begun(process, fleet.dice.randrange(20) if fleet.struck else 0)
        time.sleep(fleet.dice.uniform(0, 0.1) if fleet.struck else 0)
        fleet.struck = True
        process.send_signal(blow)
        return ended(process)


def killed(process: subprocess.Popen[str], lines: int, pause: float) -> int:
    """Kill a process so many lines after the first word of its work, and so many seconds after that; its status."""
    with process:
        begun(process, lines)
        time.sleep(pause)
        process.kill()
        return ended(process)


KILLED = 128 + signal.SIGKILL


def in_turn(fleet: Fleet, rounds: int) -> Iterator[str]:
    """Tenants of both products by turns, each first made, then changed, suspended, resumed, changed."""
    for number in range(rounds):
        name = f"tenant-{1 + number % 2}"
        fleet.change(name)
        yield name


def kill_one_by_one(repository: Repository, cells: Cells, rounds: int, seed: int) -> None:
    """One tenant at a time, killed, recovered, judged."""
    fleet, ends = Fleet(repository, seed), set()
    for name in in_turn(fleet, rounds):
        status = strike(fleet, name, signal.SIGKILL)
        fleet.judge(cells, Row.KILLED, {name: "killed" if status == KILLED else "applied"}, fleet.recover())
        ends.add(status)
    assert ends <= {KILLED, 0}
    assert KILLED in ends
    repository.run("history", "--verify", expect=0)


@LONG
def test_a_process_that_is_killed_leaves_all_or_nothing_behind_recover(repository: Repository, cells: Cells) -> None:
    kill_one_by_one(repository, cells, 4, SEED)


@LONG
@pytest.mark.sweep
def test_a_process_that_is_killed_many_times_leaves_all_or_nothing_behind_recover(
    repository: Repository, cells: Cells
) -> None:
    kill_one_by_one(repository, cells, 24, SEED + 1)


def kill_under_load(repository: Repository, cells: Cells, kills: int, *, side_by_side: int, tenants: int) -> None:
    """Rounds of several applies at once, of other tenants each, all of them killed, each at its own moment."""
    fleet, struck = Fleet(repository), 0
    names = [f"tenant-{number}" for number in range(1, side_by_side * tenants + 1)]
    while struck < kills:
        fleet.dice.shuffle(names)
        shares = [sorted(names[at::side_by_side]) for at in range(side_by_side)]
        for name in names:
            fleet.change(name)
        processes = [
            repository.start("apply", "--yes", "--keep-going", *(f"--tenant={name}" for name in share))
            for share in shares
        ]
        lines = [fleet.dice.randrange(10 * tenants) for _ in processes]
        pauses = [fleet.dice.uniform(0, 0.2) for _ in processes]
        with ThreadPoolExecutor(len(processes)) as pool:
            statuses = list(pool.map(killed, processes, lines, pauses))
        struck += statuses.count(KILLED)
        assert set(statuses) <= {KILLED, 0}
        said = {
            name: "killed" if status == KILLED else "applied"
            for share, status in zip(shares, statuses, strict=True)
            for name in share
        }
        fleet.judge(cells, Row.KILLED_LOAD, said, fleet.recover())
    repository.run("history", "--verify", expect=0)


@LONG
def test_a_few_kills_under_load_leave_no_tenant_between(repository: Repository, cells: Cells) -> None:
    kill_under_load(repository, cells, 2, side_by_side=2, tenants=2)


@LONG
@pytest.mark.sweep
def test_two_hundred_kills_under_load_leave_no_tenant_between(repository: Repository, cells: Cells) -> None:
    kill_under_load(repository, cells, 200, side_by_side=8, tenants=2)


def kill_many(repository: Repository, cells: Cells, count: int, kills: int) -> list[str]:
    """One apply of many tenants, killed in the middle, again and again until it comes to its end."""
    fleet, told = Fleet(repository), []
    for number in range(1, count + 1):
        fleet.change(f"tenant-{number}")
    wanted = dict(fleet.wanted)
    for turn in range(kills):
        with repository.start("apply", "--yes") as process:
            begun(process)
            time.sleep(fleet.dice.uniform(0.2, count / 8))
            process.kill()
            ended(process)
        started = time.monotonic()
        recovered = fleet.recover()
        told.append(f"recover settled {len(recovered)} tenants in {time.monotonic() - started:.1f} s")
        fleet.judge(cells, Row.KILLED_MANY, dict.fromkeys(fleet.wanted, "killed"), recovered)
        for name, (operation, spec) in wanted.items():
            if fleet.settled.get(name) is None:
                fleet.wanted[name] = (operation, spec)
                fleet.write(name, spec)
        assert turn or fleet.wanted, "it was killed too late"
    repository.run("apply", "--yes", expect=0)
    repository.run("plan", "--deep", "--detailed-exitcode", expect=0)
    repository.run("history", "--verify", expect=0)
    return told


@LONG
def test_an_apply_of_several_tenants_that_is_killed_ends_with_an_empty_plan(
    repository: Repository, cells: Cells, record_property: Any
) -> None:
    record_property("told", kill_many(repository, cells, 6, 1))


@LONG
@pytest.mark.sweep
def test_an_apply_of_fifty_tenants_that_is_killed_ends_with_an_empty_plan(
    repository: Repository, cells: Cells, record_property: Any
) -> None:
    record_property("told", kill_many(repository, cells, 50, 3))


# --- signals ----------------------------------------------------------------------------------------------


def stop_one_by_one(repository: Repository, cells: Cells, blow: signal.Signals, said: int, rounds: int) -> None:
    """One tenant at a time, whose process is asked to stop; nothing is recovered, because nothing has to be."""
    fleet, ends = Fleet(repository), []
    for name in in_turn(fleet, rounds):
        status = strike(fleet, name, blow)
        assert status in (said, 0)
        ends.append(status)
        before = fleet.settled.get(name)
        fleet.judge(cells, Row.SIGNALLED, {name: "interrupted" if status == said else "applied"}, set())
        assert status or fleet.settled[name] != before, "it said that it was done"
    assert fleet.recover() == set()
    assert said in ends
    repository.run("history", "--verify", expect=0)


@LONG
@pytest.mark.parametrize(("blow", "said"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_process_that_is_asked_to_stop_settles_what_is_open(
    repository: Repository, cells: Cells, blow: signal.Signals, said: int
) -> None:
    stop_one_by_one(repository, cells, blow, said, 2)


@LONG
@pytest.mark.sweep
@pytest.mark.parametrize(("blow", "said"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_process_that_is_asked_to_stop_many_times_settles_what_is_open(
    repository: Repository, cells: Cells, blow: signal.Signals, said: int
) -> None:
    stop_one_by_one(repository, cells, blow, said, 10)


# --- two of one tenant ------------------------------------------------------------------------------------


def side_by_side(repository: Repository, cells: Cells, rounds: int) -> None:
    """Two applies of one tenant at once: one does it, the other finds it leased, or done."""
    fleet = Fleet(repository)
    for name in in_turn(fleet, rounds):
        both = [repository.start("apply", "--yes", "--tenant", name) for _ in range(2)]
        statuses = []
        for process in both:
            with process:
                statuses.append(ended(process))
        assert sorted(statuses) in ([0, 0], [0, 5]), statuses
        fleet.judge(cells, Row.TWO_APPLIES, {name: "leased and applied" if 5 in statuses else "applied"}, set())
        assert fleet.settled[name] is not None


@LONG
def test_of_two_applies_of_one_tenant_one_does_it(repository: Repository, cells: Cells) -> None:
    side_by_side(repository, cells, 2)


@LONG
@pytest.mark.sweep
def test_of_two_applies_of_one_tenant_one_does_it_every_time(repository: Repository, cells: Cells) -> None:
    side_by_side(repository, cells, 8)


def sleepers(repository: Repository, cells: Cells, rounds: int) -> None:
    """A process is stopped, taken over after its lease's length, and told to go on."""
    fleet = Fleet(repository)
    repository.edit("specs/platform.yaml", "  apply:\n", "  apply:\n    leaseSeconds: 5\n")
    for name in in_turn(fleet, rounds):
        with repository.start("apply", "--yes", "--tenant", name) as process:
            begun(process)
            time.sleep(fleet.dice.uniform(0, 0.5))
            process.send_signal(signal.SIGSTOP)
            repository.run("apply", "--yes", "--tenant", name, expect=0)
            process.send_signal(signal.SIGCONT)
            status = ended(process)
        # On one host the successor ends the holder; one that had committed before it was stopped is let alone.
        assert status in (KILLED, 0), status
        said = "killed by its successor" if status == KILLED else "applied"
        fleet.judge(cells, Row.STOPPED, {name: said}, set())
        assert fleet.settled[name] is not None


@LONG
def test_a_process_that_sleeps_past_its_lease_is_taken_over(repository: Repository, cells: Cells) -> None:
    sleepers(repository, cells, 1)


@LONG
@pytest.mark.sweep
def test_processes_that_sleep_past_their_leases_are_taken_over(repository: Repository, cells: Cells) -> None:
    sleepers(repository, cells, 8)
