"""Two whole daemons on one store, with one set of keys and deliveries: one leads, the other takes over."""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engine.test_counts import agenda, pos
from tests.support import server as servers
from tests.support.shop import Shop
from tests.support.stores import SERVERS, where

ROOT = Path(__file__).parents[2]
SECONDS = 5


class Daemon:
    """`reconcile daemon` as a process; what it logs is read as it comes."""

    def __init__(self, root: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._listens = f"127.0.0.1:{free.getsockname()[1]}"
        words = ["--poll", "0.5", "--log-format", "json", "--listen", self._listens]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "reconciler", "daemon", *words],
            cwd=root,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.said: list[str] = []
        self._lines: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def until(self, within: float = 60.0, **wanted: str) -> dict[str, Any]:
        """The next line that says all that; a text counts if it is in there."""
        ends = time.monotonic() + within
        while True:
            try:
                line = self._lines.get(timeout=max(0.0, ends - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"it did not say {wanted} but\n{chr(10).join(self.said)}") from None
            if all(value in str(line.get(name, "")) for name, value in wanted.items()):
                return line

    def ready(self) -> None:
        """Wait until it says that it is ready, which of one that follows means that it knows whom."""
        ends = time.monotonic() + 60
        while not self._answers():
            assert time.monotonic() < ends, "\n".join(self.said)
            time.sleep(0.1)

    def end(self) -> int:
        """Stop it as a service manager does; its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
        status = self.process.wait(timeout=120)
        self._reader.join()
        assert self.process.stderr is not None
        self.process.stderr.close()
        return status

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self._listens}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def _read(self) -> None:
        assert self.process.stderr is not None
        while line := self.process.stderr.readline():
            self.said.append(line.rstrip())
            self._lines.put(json.loads(line))


@pytest.fixture(params=["mariadb"])
def shop(request: pytest.FixtureRequest, tmp_path: Path, clean_server: servers.Server) -> Shop:
    """A platform with its store on a server, and one tenant."""
    made = Shop(tmp_path / "one", clean_server)
    made.platform(
        state={"url": where(request.param, request).url},
        delivery={"directory": "../shared/deliveries"},
        keys={"directory": "../shared/keys"},
        trash={"directory": "../shared/trash"},
        apply={"parallel": 2, "leaseSeconds": SECONDS},
    )
    made.tenant("AgendaTenant", "first", agenda(1))
    made.apply()
    return made


@pytest.fixture
def other(shop: Shop, tmp_path: Path) -> Path:
    """The root of the second daemon: the same specs and shared folders, and a state folder of its own."""
    (tmp_path / "two").mkdir()
    (tmp_path / "two/specs").symlink_to(shop.root / "specs")
    shutil.copy(shop.root / "password", tmp_path / "two/password")
    return tmp_path / "two"


@pytest.fixture
def pair(shop: Shop, other: Path) -> Iterator[tuple[Daemon, Daemon]]:
    """The one that leads, and the one that follows."""
    one = Daemon(shop.root)
    try:
        one.until(event="leading")
        two = Daemon(other)
        try:
            two.ready()
            yield one, two
        finally:
            two.end()
    finally:
        one.end()


@pytest.mark.parametrize("shop", SERVERS, indirect=True)
def test_after_kill_9_the_other_leads_and_settles_what_was_open(shop: Shop, pair: tuple[Daemon, Daemon]) -> None:
    one, two = pair
    for number in range(3):
        shop.tenant("AgendaTenant", f"agenda-{number}", agenda(10 + number))
        shop.tenant("PosTenant", f"pos-{number}", pos(10 + number))
    one.until(event="new revision")
    one.until(tenant="-")  # the work on one of them has begun
    killed = time.monotonic()
    one.process.kill()
    one.process.wait()
    two.until(event="leading", within=30)
    assert time.monotonic() - killed < SECONDS, two.said
    ends = time.monotonic() + 120
    while not (shop.root / "../shared/deliveries/pos-2").exists() or not shop.plan().empty:
        assert time.monotonic() < ends, "\n".join(two.said)
        time.sleep(1)
    assert shop.plan(deep=True).empty
    assert two.end() == 143


def test_a_paused_leader_is_followed_and_follows_when_it_wakes(shop: Shop, pair: tuple[Daemon, Daemon]) -> None:
    one, two = pair
    os.kill(one.process.pid, signal.SIGSTOP)
    paused = time.monotonic()
    two.until(event="leading")
    assert SECONDS * 5 / 6 - 1 < time.monotonic() - paused < SECONDS * 7 / 6 + 5  # it may wait for a busy machine
    os.kill(one.process.pid, signal.SIGCONT)
    one.until(event="not leading")
    shop.tenant("AgendaTenant", "second", agenda(2))
    two.until(tenant="second", result="applied")
    assert one.process.poll() is None
    assert not any('"second"' in line for line in one.said)
    two.process.kill()
    two.process.wait()
    one.until(event="leading")


def test_one_with_a_delivery_folder_of_its_own_never_leads(shop: Shop, other: Path, tmp_path: Path) -> None:
    one = Daemon(shop.root)
    one.until(event="leading")
    assert one.end() == 143
    away = tmp_path / "away"
    (tmp_path / "shared/deliveries").rename(away)
    two = Daemon(other)
    try:
        assert "neither .reconciler-store nor the delivery" in two.until(code="not-leader")["message"]
        away.rename(tmp_path / "shared/deliveries")
        two.until(event="leading")
    finally:
        two.end()
    assert shop.plan(deep=True).empty


def test_a_second_one_on_the_same_state_folder_ends(shop: Shop) -> None:
    one = Daemon(shop.root)
    try:
        one.until(event="leading")
        done = subprocess.run(
            [sys.executable, "-m", "reconciler", "daemon", "--once"],
            cwd=shop.root,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 5
        assert f"process {one.process.pid}" in done.stderr
    finally:
        assert one.end() == 143
