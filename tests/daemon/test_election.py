from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from reconciler import errors
from reconciler.daemon import election
from reconciler.ports import process
from reconciler.ports.clock import Clock
from reconciler.ports.store import leases, tables
from reconciler.ports.store import store as stores
from tests.support.stores import KINDS, where

SECONDS = 5.0
QUICK = 0.6
ROOT = Path(__file__).parents[2]


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A store that was made, in a file or on a server."""
    found = where(request.param, request).url
    stores.make_store(found, tmp_path, platform="default", platform_id="one", now=Clock().stamp()).close()
    return found


@pytest.fixture
def store(url: str, tmp_path: Path) -> Iterator[stores.Store]:
    opened = stores.open_store(url, tmp_path)
    assert opened is not None
    yield opened
    opened.close()


Stands = Callable[..., election.Election]


@pytest.fixture
def stands(store: stores.Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stands]:
    """Makes candidates, each as a process of a host of its own."""
    made: list[election.Election] = []

    def stand(length: float = QUICK) -> election.Election:
        me = process.Process(f"host-{len(made)}", f"boot-{len(made)}", "", 1, 1)
        monkeypatch.setattr(process, "this", lambda: me)
        made.append(election.Election(leases.Leases(store, Clock().stamp, length=length)))
        return made[-1]

    yield stand
    for entry in made:
        entry.close()


def until(condition: Callable[[], bool], seconds: float = 20.0) -> float:
    """How long it took to come true."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, "it did not come true"
        time.sleep(0.01)
    return time.monotonic() - began


def dead(candidate: election.Election) -> None:
    """Let it renew nothing more and give nothing back, as a process that was killed."""
    candidate._held._stop.set()
    thread = candidate._held._thread
    assert thread is not None
    thread.join()


# --- candidates in this process, told apart as if on other hosts ---------------------------------------------


def test_of_two_one_leads_and_the_other_knows_who(stands: Stands) -> None:
    one, other = stands(), stands()
    assert other.leader() == ""
    assert one.try_lead()
    assert not other.try_lead()
    assert (one.leading, other.leading) == (True, False)
    assert (one.lost.is_set(), other.lost.is_set()) == (False, True)
    assert "on host-0" in other.leader()


def test_a_look_waits_for_nothing_and_a_leader_that_renews_is_never_taken_over(stands: Stands) -> None:
    one, other = stands(), stands()
    one.try_lead()
    longest, ends = 0.0, time.monotonic() + QUICK * 3
    while time.monotonic() < ends:
        began = time.monotonic()
        assert not other.try_lead()
        longest = max(longest, time.monotonic() - began)
        time.sleep(0.01)
    assert one.leading
    assert longest < QUICK
    assert 0 <= other.wait_seconds <= QUICK / 6


def test_who_resigns_is_followed_at_once_and_may_lead_again(stands: Stands) -> None:
    one, other = stands(60), stands(60)
    one.try_lead()
    other.try_lead()
    one.resign()
    assert not one.leading
    assert one.lost.is_set()
    assert other.try_lead()
    other.resign()
    assert one.try_lead()
    assert not one.lost.is_set()


def test_a_leader_that_stands_still_is_followed_after_a_length_and_stops_before(stands: Stands) -> None:
    one, other = stands(), stands()
    one.try_lead()
    other.try_lead()
    dead(one)
    began = time.monotonic()
    both = []

    def follows() -> bool:
        leads = one.leading
        taken = other.try_lead()
        both.append(leads and taken)
        return taken

    assert until(follows) <= QUICK * (1 + 1 / 6) + 0.5
    assert not any(both)
    assert not one.leading
    assert one.lost.is_set()
    assert time.monotonic() - began >= QUICK * 5 / 6


def test_what_a_former_leader_writes_is_refused(stands: Stands, store: stores.Store) -> None:
    one, other = stands(), stands()
    one.try_lead()
    dead(one)
    lease = one._lease
    assert lease is not None

    def write(candidate: election.Election, subject: str) -> None:
        def action(connection: sa.Connection) -> None:
            candidate.fence(connection)
            connection.execute(
                tables.holds.insert().values(subject=subject, actor="a", reason="b", since=Clock().stamp())
            )

        store.write(action)

    write(one, "before")
    until(other.try_lead)
    lease.lost.clear()  # as in a process that was paused and does not know yet
    with pytest.raises(errors.NotLeader, match="another daemon leads now"):
        write(one, "after")
    assert one.lost.is_set()
    with pytest.raises(errors.NotLeader, match="does not lead"):
        write(one, "later")
    write(other, "new")
    found = store.read(lambda connection: connection.execute(sa.select(tables.holds.c.subject)).scalars().all())
    assert sorted(found) == ["before", "new"]


def test_who_lost_does_not_lead_again_before_it_resigned(stands: Stands) -> None:
    one = stands()
    one.try_lead()
    dead(one)
    until(lambda: not one.leading)
    assert not one.try_lead()
    one.resign()
    assert one.try_lead()


def test_a_leader_hears_from_the_store_that_it_was_taken_over(stands: Stands, store: stores.Store) -> None:
    one = stands()
    one.try_lead()
    store.write(lambda connection: connection.execute(sa.update(tables.leases).values(token=tables.leases.c.token + 1)))
    assert one.lost.wait(QUICK)
    assert not one.leading


def test_without_the_store_it_leads_for_a_length_and_no_longer(
    stands: Stands, store: stores.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = stands()
    one.try_lead()

    def away(_action: object) -> None:
        raise errors.StoreFailed("the store is away")

    monkeypatch.setattr(store, "write", away)
    assert one.leading
    assert QUICK / 2 <= until(lambda: not one.leading) <= QUICK + 0.5
    one.resign()
    monkeypatch.undo()


def test_many_that_stand_at_once_elect_one(store: stores.Store) -> None:
    me = process.this()
    candidates = []
    for number in range(6):
        held = leases.Leases(store, Clock().stamp, length=60)
        held._me = process.Process(f"host-{number}", f"boot-{number}", me.namespace, 1, 1)
        candidates.append(election.Election(held))
    gate = threading.Barrier(len(candidates))
    results: queue.SimpleQueue[bool] = queue.SimpleQueue()

    def stand(candidate: election.Election) -> None:
        gate.wait()
        results.put(candidate.try_lead())

    threads = [threading.Thread(target=stand, args=(candidate,)) for candidate in candidates]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results.get() for _ in candidates) == [False] * 5 + [True]
    for candidate in candidates:
        candidate.close()


# --- real processes ------------------------------------------------------------------------------------------


class Candidate:
    """A process that stands for election."""

    def __init__(self, url: str, root: Path, seconds: float = SECONDS) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.daemon.candidate", url, str(seconds)],
            cwd=root,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._lines: queue.SimpleQueue[tuple[float, str]] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def says(self, word: str, within: float = 20.0) -> float:
        """Wait for its next word, which has to be this; when it came."""
        at, said = self._lines.get(timeout=within)
        assert said == word
        return at

    def send(self, number: signal.Signals) -> float:
        """Send a signal; when it was sent."""
        os.kill(self.process.pid, number)
        return time.monotonic()

    def end(self) -> None:
        """Let it end in order, if it still runs."""
        if self.process.poll() is None:
            self.send(signal.SIGCONT)
        self.process.communicate(timeout=20)
        self._reader.join()

    def _read(self) -> None:
        assert self.process.stdout is not None
        while line := self.process.stdout.readline():
            self._lines.put((time.monotonic(), line.strip()))


Starts = Callable[[], Candidate]


@pytest.fixture
def starts(url: str, tmp_path: Path) -> Iterator[Starts]:
    made: list[Candidate] = []

    def start() -> Candidate:
        made.append(Candidate(url, tmp_path))
        return made[-1]

    yield start
    for entry in made:
        entry.end()


def test_after_kill_9_of_the_leader_on_this_host_the_next_look_takes_over(starts: Starts) -> None:
    leader = starts()
    leader.says("leads")
    follower = starts()
    follower.says("follows")
    killed = leader.send(signal.SIGKILL)
    leader.process.wait()
    assert follower.says("leads") - killed <= SECONDS / 6 + 1


def test_an_orderly_end_is_followed_at_the_next_look(starts: Starts) -> None:
    leader = starts()
    leader.says("leads")
    follower = starts()
    follower.says("follows")
    ended = time.monotonic()
    leader.end()
    assert follower.says("leads") - ended <= SECONDS / 6 + 2


def test_a_paused_leader_is_followed_after_the_lease_and_follows_when_it_wakes(starts: Starts) -> None:
    leader = starts()
    leader.says("leads")
    follower = starts()
    follower.says("follows")
    paused = leader.send(signal.SIGSTOP)
    took = follower.says("leads") - paused
    assert SECONDS * 5 / 6 - 0.5 <= took <= SECONDS * 7 / 6 + 1
    awake = leader.send(signal.SIGCONT)
    assert leader.says("lost") - awake <= 1
    leader.says("follows")
    assert leader.process.poll() is None
    follower.send(signal.SIGKILL)
    leader.says("leads")
