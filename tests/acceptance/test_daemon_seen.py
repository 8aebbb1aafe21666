"""Two daemons with homes of their own, one store on MariaDB and one set of keys and deliveries; and what they show."""

from __future__ import annotations

import signal
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.test_daemon import agenda, pos
from tests.support import merged
from tests.support.merged import Remote, Watch
from tests.support.repository import Repository

LEASE_SECONDS = 5


def shared(repository: Repository, **more: Any) -> str:
    """Write a platform whose store is on the server; the password that stands in its address."""
    server = repository.server
    server.sql("CREATE DATABASE reconcile_state CHARACTER SET utf8mb4")
    server.sql("GRANT ALL ON reconcile_state.* TO 'provisioner'@'%'")
    password = urllib.parse.quote(server.password, safe="")
    url = f"mysql+pymysql://{server.user}:{password}@{server.host}:{server.port}/reconcile_state"
    merged.platform(repository, state={"url": url}, daemon={"pollSeconds": 1}, **more)
    return server.password


@pytest.fixture
def remote(repository: Repository, tmp_path: Path) -> Remote:
    """A remote without tenants, of a platform that several daemons can work for."""
    for path in (repository.root / "specs/tenants").iterdir():
        path.unlink()
    return Remote(repository, tmp_path / "remote.git")


@pytest.fixture
def pair(remote: Remote, tmp_path: Path) -> Iterator[tuple[Watch, Watch]]:
    """The one that leads and the one that follows; the paths that they share are absolute."""
    folders = {name: {"directory": str(tmp_path / "shared" / name)} for name in ("keys", "trash")}
    password = shared(remote.repository, **folders, delivery={"directory": str(tmp_path / "shared/deliveries")})
    remote.push("the platform")
    with ExitStack() as stack:
        one, two = (stack.enter_context(merged.watching(remote, tmp_path / name)) for name in ("one", "two"))
        one.until(lambda: leads(one) + leads(two) == 1, "one of them leads")
        for watch in (one, two):
            until_ready(watch)
            note = watch.home / "state/source/remote.json"
            watch.until(note.exists, "commands beside it know what is merged, if it follows, too")
        first, second = (one, two) if leads(one) else (two, one)
        yield first, second
        for watch in (one, two):
            assert watch.said("unforeseen") == watch.said("attempt failed") == []
            assert password not in str(watch.log)


def until_ready(watch: Watch) -> None:
    watch.until(lambda: watch.ask("/readyz")[0] == 200, "it is ready")


def leads(watch: Watch) -> bool:
    return merged.metric(watch.ask("/metrics")[1], "reconcile_leader") == 1


def ready(watch: Watch, *names: str) -> bool:
    found = watch.status()
    return all(name in found and merged.condition(found[name], "Ready").get("status") == "True" for name in names)


def rows(watch: Watch) -> set[str]:
    """The tenants that its metrics tell of."""
    lines = watch.ask("/metrics")[1].splitlines()
    return {line.split('tenant="')[1].split('"')[0] for line in lines if line.startswith("reconcile_tenant_info{")}


def made_once(watch: Watch, *names: str) -> None:
    for name in names:
        outcomes = [(entry["action"], entry["outcome"]) for entry in watch.status()[name]["history"]]
        assert outcomes.count(("create", "applied")) == 1, outcomes


def test_after_kill_9_what_was_open_is_settled_and_the_rest_is_made(remote: Remote, pair: tuple[Watch, Watch]) -> None:
    first, second = pair
    names = [*(f"clinica-{number}" for number in range(3)), *(f"tienda-{number}" for number in range(3))]
    for name in names:
        if name.startswith("clinica"):
            remote.repository.tenant(name, "AgendaTenant", **agenda(name))
        else:
            remote.repository.tenant(name, "PosTenant", **pos())
    remote.push("six tenants")
    assert first.knock() == 202
    first.until(lambda: first.said("begins"), "it is at work")
    first.kill()
    killed = time.monotonic()
    second.until(lambda: leads(second), "the other one leads", seconds=30)
    assert time.monotonic() - killed < 2 * LEASE_SECONDS
    second.until(lambda: ready(second, *names), "all are made")
    made_once(second, *names)
    second.until(lambda: rows(second) == {*names}, "all are shown", seconds=60)
    first.start()
    until_ready(first)
    assert not leads(first)
    assert rows(first) == set()  # who leads tells of them
    assert second.end() == 143
    first.until(lambda: leads(first), "it leads at once, because the other one let go", seconds=30)


@pytest.mark.sweep
def test_a_leader_that_was_stopped_at_work_harms_nobody(remote: Remote, pair: tuple[Watch, Watch]) -> None:
    first, second = pair
    assert first.process is not None
    names = [f"clinica-{number}" for number in range(4)]
    for name in names:
        remote.repository.tenant(name, "AgendaTenant", **agenda(name))
    remote.push("four tenants")
    first.knock()
    first.until(lambda: first.said("begins"), "it is at work")
    first.process.send_signal(signal.SIGSTOP)
    second.until(lambda: leads(second), "the other one leads", seconds=60)
    second.until(lambda: ready(second, *names), "all are made")
    # Nothing fences a file system against a process that may wake at any moment, so on the same host it is killed.
    assert first.process.wait(30) == -signal.SIGKILL
    first.start()
    until_ready(first)
    assert not leads(first)
    for name in names:
        remote.repository.tenant(name, "AgendaTenant", **agenda(name, displayName="Otra"))
    commit = remote.push("all are changed")
    second.knock()
    changed = f"main@sha1:{commit}"
    second.until(lambda: all(entry["revision"] == changed for entry in second.status().values()), "they are changed")
    made_once(second, *names)
    assert first.said("begins") == []
    second.until(lambda: all(len(entry["conditions"]) == 1 for entry in second.status().values()), "and in sync")


def test_one_with_keys_of_its_own_does_not_lead_and_says_so(remote: Remote, tmp_path: Path) -> None:
    shared(remote.repository)  # keys and deliveries below each home, as on two hosts that share nothing
    remote.push("the platform")
    with merged.watching(remote, tmp_path / "one") as one, merged.watching(remote, tmp_path / "two") as two:
        one.until(lambda: leads(one) + leads(two) == 1, "one of them leads")
        first, second = (one, two) if leads(one) else (two, one)
        second.until(lambda: second.ask("/readyz")[0] == 200, "nothing was sealed yet, so the other one may follow")
        remote.repository.tenant("clinica-sol", "AgendaTenant", **agenda("clinica-sol"))
        remote.push("a tenant")
        first.until(lambda: ready(first, "clinica-sol"), "it is made")
        first.until(lambda: rows(first) == {"clinica-sol"}, "it is shown", seconds=60)
        first.kill()
        before = remote.repository.server.records("SELECT * FROM license_manager.tenants")
        second.until(lambda: second.said("failed", code="not-leader"), "it refuses")
        assert "must not lead" in second.said("failed", code="not-leader")[0]["message"]
        status, text = second.ask("/readyz?verbose")
        assert status == 503
        assert "must not lead" in text
        assert second.ask("/healthz")[0] == 200
        assert not leads(second)
        assert second.end() == 143
    assert remote.repository.server.records("SELECT * FROM license_manager.tenants") == before
    with merged.watching(remote, tmp_path / "three") as three:
        three.until(lambda: three.said("failed"), "one that comes without any refuses as well")
        assert "the keys that seal their secrets are not in" in three.ask("/readyz?verbose")[1]
