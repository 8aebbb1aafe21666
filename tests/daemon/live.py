"""A daemon in threads of the test's own process: a real git remote, a real MariaDB, and the loop as it is."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from reconciler.daemon import fitness, git_source, logs, opening
from reconciler.daemon.health import Health
from reconciler.daemon.loop import Daemon
from reconciler.daemon.metrics import Metrics
from reconciler.engine import conditions
from reconciler.engine import setting as settings
from reconciler.engine import why as reasons
from reconciler.ports.ports import Ports
from reconciler.report import tenants as report
from reconciler.report import why as told
from tests.support.merged import Remote, condition
from tests.support.shop import QUICK, Shop

WAIT_SECONDS = 90.0
AT_ONCE = {"pollSeconds": 1, "retry": {"firstSeconds": 0.1, "longestSeconds": 1}, "graceSeconds": 10}


class Pushed(Remote):
    """A shop whose specs are pushed to a bare repository."""

    def __init__(self, shop: Shop, place: Path) -> None:
        (shop.root / "schemas").mkdir(exist_ok=True)
        (shop.root / "schemas/none").touch()
        super().__init__(shop, place)  # type: ignore[arg-type]  # only its root counts


class Live:
    """The daemon that works in ``home``, from its start to ``stop``."""

    def __init__(self, remote: Remote, home: Path, ports: Ports | None = None) -> None:
        self.home, self.stream = home, io.StringIO()
        self.ports = ports or Ports(entropy=QUICK)
        self.metrics, self.health = Metrics("test"), Health()
        self.daemon = Daemon(
            home,
            self.ports,
            opening.git(home, str(remote.place), "main", self.ports, ""),
            logs.make("json", self.stream, self.ports.clock),
            metrics=self.metrics,
            health=self.health,
            branch="main",
        )
        self._thread = threading.Thread(target=self.daemon.run, name="daemon")
        self._thread.start()

    def stop(self) -> None:
        """End it as SIGTERM does."""
        self.daemon.interrupt()
        self._thread.join(60)
        assert not self._thread.is_alive()

    def knock(self) -> None:
        """Have it look at once."""
        self.daemon.wake.set()

    def sweep(self) -> None:
        """Have the next sweep come now, and wait until whatever it handed out is done."""
        daemon = self.daemon
        daemon._sweeps.soon()
        daemon.wake.set()
        self.until(lambda: not daemon._sweeps.now, "the sweep has begun")
        self.until(lambda: daemon._queue.drained(0.0), "what it handed out is done")
        daemon._upkeep.count_soon()
        self._turns()

    def _turns(self) -> None:
        """Wait until the loop has gone round once more, and with that written everything down."""
        for _ in range(2):
            turn = self.health.beat
            self.knock()
            self.until(partial(self._turned, turn), "the loop has turned")

    def _turned(self, since: float) -> bool:
        return self.health.beat > since

    @property
    def log(self) -> list[dict[str, Any]]:
        """What it said."""
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]

    def said(self, event: str, **members: Any) -> list[dict[str, Any]]:
        """The lines of the log about an event."""
        found = [line for line in self.log if line["event"] == event]
        return [line for line in found if all(line.get(name) == value for name, value in members.items())]

    def until(self, holds: Callable[[], object], what: str, seconds: float = WAIT_SECONDS) -> None:
        """Wait until something holds."""
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, f"not within {seconds} s: {what}\n" + self.stream.getvalue()[-8000:]
            assert self._thread.is_alive(), f"it ended\n{self.stream.getvalue()[-8000:]}"
            time.sleep(0.1)

    def status(self, tenant: str) -> dict[str, Any]:
        """What ``reconcile status --format json`` says of a tenant; of one that is unknown, no conditions."""
        with _looking(self.home) as setting:
            found = report.status_data(conditions.overview(setting))["tenants"] if setting else []
        return next((entry for entry in found if entry["tenant"] == tenant), {"conditions": []})

    def source(self) -> list[dict[str, Any]]:
        """The conditions of the source."""
        with _looking(self.home) as setting:
            assert setting is not None
            found: list[dict[str, Any]] = report.status_data(conditions.overview(setting))["source"]
        return found

    def why(self, tenant: str) -> dict[str, Any]:
        """What ``reconcile why --format json`` says."""
        with _looking(self.home) as setting:
            assert setting is not None
            return told.data(reasons.of(setting, tenant))

    def has(self, tenant: str, kind: str, reason: str = "") -> bool:
        """Whether a condition is said of a tenant, and for that reason."""
        found = condition(self.status(tenant), kind)
        return found.get("status") == "True" and reason in ("", found["reason"])

    def in_sync(self, tenant: str, revision: str = "") -> bool:
        """Whether a tenant is ready, and nothing else is said of it; at a commit, if one is given."""
        entry = self.status(tenant)
        kinds = [found["type"] for found in entry["conditions"] if found["status"] == "True"]
        return kinds == ["Ready"] and (not revision or entry["lastAppliedRevision"] == f"main@sha1:{revision}")

    def made(self, *names: str) -> None:
        """Wait until these tenants are in sync, and the daemon knows its delivery folder again."""
        self.until(lambda: all(self.in_sync(name) for name in names), f"{names} are made")
        self.until((self.home / "state/deliveries" / fitness.MARK).exists, "the folder is marked")

    def scraped(self) -> dict[str, float]:
        """The metrics by the whole name of the series, labels and all."""
        lines = [line for line in self.metrics.scrape().decode().splitlines() if not line.startswith("#")]
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


@contextmanager
def living(remote: Remote, home: Path, ports: Ports | None = None) -> Iterator[Live]:
    """A daemon that is ended afterwards, and in which nothing unforeseen may happen."""
    home.mkdir(exist_ok=True)
    if not (home / "password").exists():
        (home / "password").write_text(remote.repository.server.password)
    found = Live(remote, home, ports)
    try:
        yield found
    finally:
        found.stop()
    assert [line for line in found.log if line["event"] in ("unforeseen", "attempt failed")] == []


@contextmanager
def _looking(home: Path) -> Iterator[settings.Setting | None]:
    ports = Ports()
    found = git_source.resting(home, ports.clock)
    if found is None or not (home / "state/reconcile.db").exists():
        yield None
        return
    setting = settings.setting_of(
        home, ports, found.tree, found.folder, revision=found.revision, tolerate=lambda _fault: True
    )
    setting.commits = found.commits
    try:
        yield setting
    finally:
        if setting.store is not None:
            setting.store.close()


__all__ = ["AT_ONCE", "Live", "Pushed", "condition", "living"]
