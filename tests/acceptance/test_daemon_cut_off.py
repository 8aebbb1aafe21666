"""The daemon killed at random moments under a stream of pushes: it ends as the newest good revision says."""

from __future__ import annotations

import copy
import random
import time
from pathlib import Path
from typing import Any

import pymysql
import pytest

from tests.support import merged
from tests.support.merged import Remote, Watch, condition
from tests.support.repository import Repository

SEED = 20270511
KINDS = {"agenda-ia": "AgendaTenant", "pos-tree-codes": "PosTenant"}
PREFIXES = {"agenda-ia": "agenda", "pos-tree-codes": "pos"}
BROKEN = "kind: [AgendaTenant\n"


class Stream:
    """Pushes of tenants of both products: made, changed, suspended, resumed, and now and then a file that is broken.

    ``good`` is what the newest revision in which a tenant's file could be read says of it.
    """

    def __init__(self, remote: Remote, tenants: int, seed: int) -> None:
        self.remote = remote
        self.dice = random.Random(seed)  # noqa: S311 - moments of a test, the same each time
        self.names = [f"tenant-{number}" for number in range(1, tenants + 1)]
        self.good: dict[str, dict[str, Any]] = {}
        self.broken: set[str] = set()

    def product(self, name: str) -> str:
        """Which product a tenant is of."""
        return "agenda-ia" if int(name.rpartition("-")[2]) % 2 else "pos-tree-codes"

    def push(self) -> None:
        """Mend what the push before broke, change up to three tenants, and break the file of perhaps one."""
        for name in sorted(self.broken):
            self._write(name)
        self.broken.clear()
        changed = self.dice.sample(self.names, self.dice.randint(1, 3))
        for name in changed:
            self._change(name)
            self._write(name)
        rest = sorted(self.good.keys() - {*changed})
        if rest and self.dice.random() < 0.3:
            name = self.dice.choice(rest)
            self.broken.add(name)
            self._path(name).write_text(BROKEN)
        self.remote.push(f"change {', '.join(changed)}")

    def mend(self) -> str:
        """The last push: nothing in it is broken. Its commit."""
        for name in self.names:
            if name not in self.good:
                self._change(name)
            self._write(name)
        self.broken.clear()
        return self.remote.push("the end")

    def _path(self, name: str) -> Path:
        return self.remote.repository.root / f"specs/tenants/{name}.yaml"

    def _write(self, name: str) -> None:
        if name in self.good:
            self.remote.repository.tenant(name, KINDS[self.product(name)], **self.good[name])

    def _change(self, name: str) -> None:
        spec = copy.deepcopy(self.good.get(name))
        if spec is None:
            self.good[name] = self._new(name)
            return
        if self.dice.random() < 0.5:
            spec["displayName"] = f"Nuevo {self.dice.randrange(10**9)}"
            if "license" in spec:
                spec["license"]["maxDevices"] = self.dice.randrange(2, 10**5)
        else:
            spec["state"] = "active" if spec.get("state") == "suspended" else "suspended"
        self.good[name] = spec

    def _new(self, name: str) -> dict[str, Any]:
        if self.product(name) == "agenda-ia":
            admin = {"name": "Ana Ruiz", "email": "ana@example.com"}
            return {"displayName": "Sol", "plan": "pro", "domain": f"{name}.example.com", "admin": admin}
        grants = {"expires": "2099-12-31"}
        return {"displayName": "Lupita", "edition": "standard", "cloudSync": True, "license": grants}

    # --- the end ----------------------------------------------------------------------------------------------

    def as_wanted(self) -> bool:
        """Whether the central system says of every tenant what the newest revision says."""
        return self._central() == {
            name: (spec["displayName"], spec.get("state", "active")) for name, spec in self.good.items()
        }

    def _central(self) -> dict[str, tuple[str, str]]:
        try:
            rows = self.remote.repository.server.sql("SELECT name, display_name, state FROM license_manager.tenants")
        except pymysql.err.ProgrammingError:  # no daemon has lived long enough to make it
            return {}
        return {name: (shown, state) for name, shown, state in rows}

    def judge(self, watch: Watch, commit: str) -> int:
        """Everything is as the newest revision says, and there is nothing else: no database, account, row or file.
        Returns how many transactions were undone on the way.
        """
        planned = watch.told("plan", "--deep", "--detailed-exitcode")
        assert planned["revision"] == f"main@sha1:{commit}"
        assert {entry["tenant"]: entry["action"] for entry in planned["tenants"]} in (
            {},
            dict.fromkeys(self.good, "unchanged"),
        )
        assert self.as_wanted()
        self._assert_no_orphans(watch.home)
        watch.told("history", "--verify")
        past = watch.past()
        assert {*past} <= {"applied", "rolled-back"}
        assert watch.told("recover")["outcomes"] == []
        for entry in watch.status().values():
            assert condition(entry, "Ready")["status"] == "True", entry
            said = {found["type"] for found in entry["conditions"]} - {"Ready"}
            wanted = self.good[entry["tenant"]].get("state", "active")
            assert said <= ({"Suspended"} if wanted == "suspended" else set()), entry
        return past.count("rolled-back")

    def _assert_no_orphans(self, home: Path) -> None:
        server, names = self.remote.repository.server, {*self.good}
        databases = {f"{PREFIXES[self.product(name)]}_{name.replace('-', '_')}" for name in names}
        assert {*server.databases()} == databases | {"license_manager"}
        accounts = {user for (user,) in server.sql("SELECT User FROM mysql.global_priv")}
        assert {user for user in accounts if user.startswith(("agenda_", "pos_"))} == {
            f"{database}_{purpose}" for database in databases for purpose in ("own", "app")
        }
        for table, column in (("tenants", "name"), ("licenses", "tenant")):
            assert {name for (name,) in server.sql(f"SELECT {column} FROM license_manager.{table}")} == names, table
        # A leftover workspace would stand beside the deliveries.
        found = {path.name for path in (home / "state/deliveries").iterdir()}
        assert found - {".reconciler-store"} == names


@pytest.fixture
def remote(repository: Repository, tmp_path: Path) -> Remote:
    """A remote with the sample products and no tenants."""
    for path in (repository.root / "specs/tenants").iterdir():
        path.unlink()
    merged.platform(repository, daemon={"pollSeconds": 1})
    made = Remote(repository, tmp_path / "remote.git")
    made.push("no tenants")
    return made


def kill_under_pushes(remote: Remote, home: Path, kills: int, tenants: int, seed: int) -> int:
    """The daemon is killed so often, at random moments from its start on; meanwhile and in between there are pushes.
    Returns how many transactions were undone.
    """
    stream, watch = Stream(remote, tenants, seed), Watch(remote, home)
    try:
        for _ in range(kills):
            if stream.dice.random() < 0.5:
                stream.push()  # while no daemon runs
            watch.start()
            time.sleep(stream.dice.uniform(0, 1.5))
            for _ in range(stream.dice.randint(1, 2)):
                stream.push()
                watch.knock()
                time.sleep(stream.dice.uniform(0, 1))
            watch.kill()
            assert unforeseen(watch) == []
        commit = stream.mend()
        watch.start()
        watch.until(lambda: not watch.unready(), "it is ready")
        # The last push may have changed nothing but a file that was broken.
        watch.until(lambda: watch.told("plan")["revision"] == f"main@sha1:{commit}", "the newest revision is known")
        watch.until(stream.as_wanted, "every tenant is as it was merged last")
        watch.until(lambda: not unsettled(watch), "nothing is open any more")
        assert watch.end() == 143
    finally:
        if watch.process is not None and watch.process.poll() is None:
            watch.kill()
    assert unforeseen(watch) == []
    return stream.judge(watch, commit)


def unforeseen(watch: Watch) -> list[dict[str, Any]]:
    """What the daemon did not know how to bear."""
    return [*watch.said("unforeseen"), *watch.said("attempt failed"), *watch.said("check failed")]


def unsettled(watch: Watch) -> list[str]:
    """The tenants that are not ready, or of which something is said besides."""
    return [
        name
        for name, entry in watch.status().items()
        if condition(entry, "Ready")["status"] != "True"
        or any(
            found["type"] in ("Reconciling", "Stalled", "RollbackFailed", "Drifted") for found in entry["conditions"]
        )
    ]


def test_a_daemon_that_is_killed_ends_as_the_newest_revision_says(remote: Remote, tmp_path: Path) -> None:
    kill_under_pushes(remote, tmp_path / "home", 3, 4, SEED)


@pytest.mark.sweep
@pytest.mark.timeout(2400)
def test_a_daemon_that_is_killed_fifty_times_ends_as_the_newest_revision_says(remote: Remote, tmp_path: Path) -> None:
    assert kill_under_pushes(remote, tmp_path / "home", 50, 12, SEED + 1) > 0, "no kill came in the middle of anything"
