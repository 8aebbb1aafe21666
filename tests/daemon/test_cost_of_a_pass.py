"""What a pass of the daemon costs: with one tenant changed, that of one tenant, however many there are."""

from __future__ import annotations

import io
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from reconciler.daemon import health, logs, loop, metrics, opening
from reconciler.ports.mysql import connection as mysql
from reconciler.ports.ports import Ports
from tests.support import server as servers
from tests.support.shop import QUICK, Shop


@dataclass
class Counted:
    """Ports whose logins and statements are counted."""

    counts: Counter[str] = field(default_factory=Counter)

    def ports(self) -> Ports:
        return Ports(connect=self._connect, entropy=QUICK)

    def _connect(self, server: Any, **options: Any) -> mysql.Connection:
        found = mysql.connect(server, **options)
        send = found.send

        def counting(statement: Any, parameters: Any = ()) -> Any:
            self.counts["statements"] += 1
            return send(statement, parameters)

        found.send = counting  # type: ignore[method-assign]
        return found


def until(holds: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


@contextmanager
def running(root: Path, ports: Ports) -> Iterator[tuple[loop.Daemon, io.StringIO]]:
    said = io.StringIO()
    log = logs.make("text", said, ports.clock)
    daemon = loop.Daemon(
        root, ports, opening.folder(root), log, metrics=metrics.Metrics("test"), health=health.Health(), poll=3600
    )
    thread = threading.Thread(target=daemon.run)
    thread.start()
    try:
        yield daemon, said
    finally:
        daemon.interrupt()
        thread.join()


def lupita(name: str) -> dict[str, Any]:
    return {"displayName": name, "edition": "standard", "license": {"expires": "2099-12-31"}}


@pytest.mark.parametrize("policy", ["heal", "off"])
def test_a_pass_over_one_changed_tenant_sends_as_many_statements_among_many_as_among_few(
    tmp_path: Path, clean_server: servers.Server, policy: str
) -> None:
    found = {}
    for count in (2, 9):
        clean_server.wipe()
        shop = Shop(tmp_path / f"shop-{count}", clean_server)
        shop.platform(daemon={"drift": {"policy": policy}})
        for number in range(count):
            shop.tenant("PosTenant", f"tienda-{number}", lupita("Lupita"))
        counted = Counted()
        with running(shop.root, counted.ports()) as (_, said):
            until(lambda said=said, count=count: said.getvalue().count("result=applied") == count, "all are made")  # type: ignore[misc]
            time.sleep(0.3)
            counted.counts.clear()
            shop.tenant("PosTenant", "tienda-1", lupita("Tienda Lupita"))
            until(lambda said=said, count=count: said.getvalue().count("result=applied") == count + 1, "one is changed")  # type: ignore[misc]
            found[count] = dict(counted.counts)
    assert found[2] == found[9]
    assert found[2]["statements"] <= 120
