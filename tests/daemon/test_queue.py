import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from reconciler.daemon.backoff import Backoff
from reconciler.daemon.lanes import FRESH_IN_A_ROW, Lane
from reconciler.daemon.queue import Queue

FRESH, BACKGROUND = Lane.FRESH, Lane.BACKGROUND


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Heard:
    """An observer that keeps what it was told."""

    adds: list[str] = field(default_factory=list)
    retries: int = 0
    waits: list[float] = field(default_factory=list)
    works: list[float] = field(default_factory=list)

    def added(self, lane: Lane) -> None:
        self.adds.append(lane)

    def retried(self) -> None:
        self.retries += 1

    def queued(self, seconds: float) -> None:
        self.waits.append(seconds)

    def worked(self, seconds: float) -> None:
        self.works.append(seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def made(clock: Callable[[], float], per_group: int = 4, observer: Heard | None = None, longest: float = 900) -> Queue:
    """A queue whose backoff always waits as long as it may; the group of ``a:x`` is ``a``, and ``x`` has none."""
    backoff = Backoff(2, longest, lambda _, high: high)
    return Queue(backoff, per_group, lambda key: key.rpartition(":")[0], monotonic=clock, observer=observer)


def taken(queue: Queue, most: int = 100) -> list[str]:
    """What is handed out now, each key done before the next is asked for."""
    found: list[str] = []
    while len(found) < most and (key := queue.get(0)) is not None:
        found.append(key)
        queue.done(key)
    return found


# --- controller-runtime's rules -----------------------------------------------------------------------------


def test_keys_are_handed_out_in_the_order_in_which_they_came(clock: Clock) -> None:
    queue = made(clock)
    for key in "cab":
        queue.add(key)
    assert taken(queue) == ["c", "a", "b"]
    assert queue.get(0) is None


def test_adding_a_key_that_waits_changes_nothing(clock: Clock) -> None:
    queue = made(clock)
    for key in "abaab":
        queue.add(key)
    assert taken(queue) == ["a", "b"]


def test_a_key_that_runs_is_with_nobody_else_and_runs_again_when_it_was_added_meanwhile(clock: Clock) -> None:
    queue = made(clock)
    queue.add("a")
    assert queue.get(0) == "a"
    queue.add("a")
    queue.add("a")
    assert queue.get(0) is None
    queue.done("a")
    assert taken(queue) == ["a"]


def test_a_key_that_was_not_added_meanwhile_does_not_run_again(clock: Clock) -> None:
    queue = made(clock)
    queue.add("a")
    assert taken(queue) == ["a"]
    assert "a" not in queue


def test_a_key_that_runs_again_stands_behind_those_that_waited(clock: Clock) -> None:
    queue = made(clock)
    queue.add("a")
    assert queue.get(0) == "a"
    queue.add("a")
    queue.add("b")
    queue.done("a")
    assert taken(queue) == ["b", "a"]


def test_failures_make_a_key_wait_longer_and_success_forgets_them(clock: Clock) -> None:
    queue = made(clock)
    waits = []
    for _ in range(4):
        queue.add("a")
        assert queue.get(0) == "a"
        waits.append(queue.retry("a"))
        queue.done("a")
    assert waits == [2, 4, 8, 16]
    assert queue.failures("a") == 4
    queue.forget("a")
    assert (queue.failures("a"), queue.retry("b")) == (0, 2)
    clock.now += 16
    assert queue.get(0) == "b"
    assert queue.get(0) == "a"  # forgetting does not unmake its turn
    assert queue.retry("a") == 2


def test_a_wait_is_over_when_its_time_has_come_and_not_before(clock: Clock) -> None:
    queue = made(clock)
    queue.add_after("a", 10)
    clock.now += 9.999
    assert queue.get(0) is None
    assert queue.due_in("a") == pytest.approx(0.001)
    clock.now += 0.001
    assert queue.get(0) == "a"
    assert queue.due_in("a") is None


@pytest.mark.parametrize("lane", Lane)
def test_a_fix_does_not_wait_for_the_backoff_of_what_it_mends(clock: Clock, lane: Lane) -> None:
    queue = made(clock)
    queue.add("a")
    assert queue.get(0) == "a"
    queue.retry("a")
    queue.done("a")
    assert queue.get(0) is None
    queue.add("a", lane)
    assert queue.get(0) == "a"
    queue.done("a")
    clock.now += 100
    assert queue.get(0) is None  # the wait that was ended does not come again


def test_a_fix_that_came_while_the_old_one_ran_is_not_held_by_its_failure(clock: Clock) -> None:
    queue = made(clock)
    queue.add("a")
    assert queue.get(0) == "a"
    assert not queue.superseded("a")
    queue.add("a")
    assert queue.superseded("a")
    assert queue.retry("a") == 0
    queue.done("a")
    assert not queue.superseded("a")
    assert queue.get(0) == "a"


def test_a_resync_of_a_running_key_supersedes_nothing(clock: Clock) -> None:
    queue = made(clock)
    queue.add("a")
    assert queue.get(0) == "a"
    queue.add_after("a", 10)
    queue.add("a", BACKGROUND)
    assert not queue.superseded("a")


def test_of_two_times_the_earlier_holds(clock: Clock) -> None:
    queue = made(clock)
    queue.add_after("a", 10)
    queue.add_after("a", 30)
    queue.add_after("b", 30)
    queue.add_after("b", 10)
    clock.now += 10
    assert taken(queue) == ["a", "b"]
    clock.now += 100
    assert taken(queue) == []


def test_what_became_due_is_handed_out_in_the_order_of_its_times(clock: Clock) -> None:
    queue = made(clock)
    for seconds in (30, 10, 20):
        queue.add_after(str(seconds), seconds)
    clock.now += 60
    assert taken(queue) == ["10", "20", "30"]


def test_a_time_in_the_past_is_now(clock: Clock) -> None:
    queue = made(clock)
    queue.add_after("a", -5)
    assert queue.get(0) == "a"


def test_done_without_get_is_nothing(clock: Clock) -> None:
    queue = made(clock)
    queue.done("a")
    queue.add("a")
    queue.done("a")
    assert queue.get(0) == "a"


# --- two lanes ----------------------------------------------------------------------------------------------


def test_fresh_keys_go_before_retries_and_resyncs(clock: Clock) -> None:
    queue = made(clock)
    queue.add("resync", BACKGROUND)
    queue.retry("retry")
    clock.now += 2
    queue.add("fresh")
    assert taken(queue) == ["fresh", "resync", "retry"]


def test_a_fresh_add_raises_a_key_that_waits_in_the_background(clock: Clock) -> None:
    queue = made(clock)
    for key in "ab":
        queue.add(key, BACKGROUND)
    queue.add("c")
    queue.add("b")
    assert taken(queue) == ["c", "b", "a"]


def test_a_background_add_does_not_lower_a_fresh_key(clock: Clock) -> None:
    queue = made(clock)
    queue.add("b", BACKGROUND)
    queue.add("a")
    queue.add("a", BACKGROUND)
    assert taken(queue) == ["a", "b"]


def test_a_fresh_key_with_a_time_keeps_its_lane_when_the_time_is_dropped(clock: Clock) -> None:
    queue = made(clock)
    queue.add("b", BACKGROUND)
    queue.add_after("a", 10, FRESH)
    queue.add("a", BACKGROUND)
    assert taken(queue) == ["a", "b"]


def test_the_background_lane_does_not_starve(clock: Clock) -> None:
    queue = made(clock)
    queue.add("old", BACKGROUND)
    for number in range(3 * FRESH_IN_A_ROW):
        queue.add(f"f{number}")
    assert taken(queue).index("old") == FRESH_IN_A_ROW


def test_the_background_lanes_share_is_the_same_with_many_servers(clock: Clock) -> None:
    queue = made(clock)
    for number in range(100):
        queue.add(f"s{number % 5}:resync{number}", BACKGROUND)
        queue.add(f"s{number % 5}:fresh{number}")
    found = taken(queue, 90)
    assert sum("resync" in key for key in found) == 10
    assert {key[:2] for key in found if "resync" in key} == {f"s{number}" for number in range(5)}


def test_a_background_key_of_a_busy_server_has_its_turn_beside_a_quiet_one(clock: Clock) -> None:
    """Server a is always full of fresh work; what b gets done in its background is not counted against a."""
    queue = made(clock, per_group=1)
    queue.add("a:old", BACKGROUND)
    found = []
    for number in range(3 * 2 * FRESH_IN_A_ROW):
        queue.add(f"a:{number}")
        queue.add(f"b:{number}", BACKGROUND)
        first, second = queue.get(0), queue.get(0)
        assert {str(first)[0], str(second)[0]} == {"a", "b"}
        for key in (first, second):
            found.append(str(key))
            queue.done(str(key))
    assert "a:old" in found


# --- groups -------------------------------------------------------------------------------------------------


def test_keys_of_a_full_group_are_passed_over_and_block_nobody(clock: Clock) -> None:
    queue = made(clock, per_group=2)
    for key in ("a:1", "a:2", "a:3", "a:4", "b:1"):
        queue.add(key)
    assert [queue.get(0) for _ in range(4)] == ["a:1", "a:2", "b:1", None]
    queue.done("a:2")
    assert [queue.get(0) for _ in range(2)] == ["a:3", None]


def test_keys_without_a_group_have_no_cap(clock: Clock) -> None:
    queue = made(clock, per_group=1)
    for key in "abc":
        queue.add(key)
    assert [queue.get(0) for _ in range(3)] == ["a", "b", "c"]


def test_a_background_key_runs_while_all_fresh_ones_are_in_full_groups(clock: Clock) -> None:
    queue = made(clock, per_group=1)
    for key in ("a:1", "a:2"):
        queue.add(key)
    queue.add("b:1", BACKGROUND)
    assert [queue.get(0) for _ in range(3)] == ["a:1", "b:1", None]


def test_the_cap_can_be_changed(clock: Clock) -> None:
    queue = made(clock, per_group=1)
    for key in ("a:1", "a:2", "a:3"):
        queue.add(key)
    assert [queue.get(0), queue.get(0)] == ["a:1", None]
    queue.adjust(Backoff(7, 7, lambda _, high: high), 2)
    assert [queue.get(0), queue.get(0)] == ["a:2", None]
    assert queue.retry("a:1") == 7
    queue.adjust(Backoff(7, 7), 1)
    queue.done("a:1")
    assert queue.get(0) is None  # one still runs


def test_a_tenant_whose_server_is_known_later_moves_to_its_group(clock: Clock) -> None:
    groups = {"x": "a", "y": "a"}
    queue = Queue(Backoff(1, 1), 1, lambda key: groups[key], monotonic=clock)
    queue.add("x")
    queue.add("y")
    assert queue.get(0) == "x"
    groups["y"] = "b"
    assert queue.get(0) is None
    queue.add("y")
    assert queue.get(0) == "y"
    groups["x"] = "b"
    queue.add("x")
    queue.done("x")
    assert queue.get(0) is None
    queue.done("y")
    assert queue.get(0) == "x"


# --- the end, the sweeper, the figures ----------------------------------------------------------------------


def test_after_shut_down_nothing_is_handed_out_or_taken(clock: Clock) -> None:
    queue = made(clock)
    queue.add("a")
    queue.add("b")
    assert queue.get(0) == "a"
    queue.shut_down()
    assert queue.closing
    queue.add("c")
    assert queue.retry("a") == 2  # still told, for the status
    assert "c" not in queue
    assert queue.get(None) is None
    assert queue.drained(0) is False
    queue.done("a")
    assert queue.drained(0) is True
    assert queue.get(None) is None


def test_a_queue_is_drained_when_nothing_runs_and_nothing_could(clock: Clock) -> None:
    queue = made(clock)
    assert queue.drained(0)
    queue.add("a")
    assert not queue.drained(0)
    assert queue.get(0) == "a"
    queue.retry("a")
    assert not queue.drained(0)
    queue.done("a")
    assert queue.drained(0)  # waiting for a time is not waiting for a worker
    clock.now += 2
    assert not queue.drained(0)


def test_the_sweeper_sees_what_nobody_took_oldest_first(clock: Clock) -> None:
    queue = made(clock, per_group=1)
    queue.add("a:runs")
    assert queue.get(0) == "a:runs"
    queue.add("a:runs")
    queue.add_after("a:late", 10)
    queue.add("a:first")
    queue.add_after("a:future", 500)
    clock.now += 100
    assert queue.overdue(clock.now, 60) == ("a:first", "a:late")
    assert queue.overdue(clock.now, 95) == ("a:first",)
    assert queue.overdue(clock.now, 101) == ()


def test_the_sweeper_sees_what_was_dropped(clock: Clock) -> None:
    queue = made(clock)
    queue.add("ready")
    queue.add_after("later", 10)
    assert queue.get(0) == "ready"
    assert ["ready" in queue, "later" in queue, "dropped" in queue] == [True, True, False]


def test_the_figures_are_those_of_the_moment(clock: Clock) -> None:
    heard = Heard()
    queue = made(clock, observer=heard)
    queue.add("a")
    queue.add("b")
    queue.add("b")
    queue.add("c", BACKGROUND)
    queue.add_after("d", 10)
    queue.add_after("e", 100)
    clock.now += 3
    assert queue.get(0) == "a"
    clock.now += 7
    assert queue.get(0) == "b"
    queue.add("a")
    clock.now += 5
    figures = queue.statistics()
    assert figures.depth == {FRESH: 1, BACKGROUND: 2}
    assert (figures.delayed, figures.running) == (1, 2)
    assert (figures.adds_total, figures.retries_total) == (5, 0)
    assert (figures.longest_running_seconds, figures.unfinished_seconds) == (12, 17)
    assert queue.running() == {"a": 12, "b": 5}
    queue.retry("b")
    queue.done("a")
    queue.done("b")
    assert queue.statistics().retries_total == heard.retries == 1
    assert heard.adds == ["fresh", "fresh", "background", "background", "fresh"]
    assert heard.waits == [3, 10]
    assert heard.works == [12, 5]


def test_ended_waits_do_not_pile_up(clock: Clock) -> None:
    """Each fix ends a wait of 15 minutes; the heap of timers holds no more than it needs."""
    queue = made(clock, longest=900)
    for _ in range(5000):
        queue.add_after("a", 900)
        queue.add("a")
        assert taken(queue) == ["a"]
    assert len(queue._timers) < 100


# --- against a simple model ---------------------------------------------------------------------------------

KEYS = st.sampled_from(["a:1", "a:2", "a:3", "b:1", "b:2", "free"])
LANES = st.sampled_from(list(Lane))
CAP = 2


@dataclass
class Entry:
    lane: Lane
    at: float
    since: int  # in the order in which keys got their times
    place: int = -1  # in the order in which keys came into lanes; -1: not in one


class QueueAgainstModel(RuleBasedStateMachine):
    """The queue as the documentation of controller-runtime has it, written for being read: scans and no timers."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.queue = made(self.clock, CAP, longest=16)
        self.waiting: dict[str, Entry] = {}
        self.running: list[str] = []
        self.failed: Counter[str] = Counter()
        self.passed: Counter[str] = Counter()
        self.places = 0
        self.times = 0

    def settle(self) -> None:
        due = [key for key, one in self.waiting.items() if one.place < 0 and one.at <= self.clock.now]
        for key in sorted(due, key=lambda key: (self.waiting[key].at, self.waiting[key].since)):
            if key not in self.running:
                self.place(key)

    def place(self, key: str) -> None:
        self.places += 1
        self.waiting[key].place = self.places

    def put(self, key: str, lane: Lane, seconds: float) -> float:
        self.settle()
        self.times += 1
        one = self.waiting.setdefault(key, Entry(lane, self.clock.now + seconds, self.times))
        raised = lane is FRESH and one.lane is BACKGROUND
        if raised:
            one.lane = FRESH
        if one.at > self.clock.now + seconds:
            one.at, one.since = self.clock.now + seconds, self.times
        elif raised and one.place >= 0:
            self.place(key)
            if self.group(key) not in self.behind():
                del self.passed[self.group(key)]
        self.settle()
        return max(0.0, one.at - self.clock.now)

    def group(self, key: str) -> str:
        return key.rpartition(":")[0]

    def full(self, key: str) -> bool:
        group = self.group(key)
        return bool(group) and sum(self.group(one) == group for one in self.running) >= CAP

    def behind(self) -> set[str]:
        """The groups with keys in the background lane."""
        return {self.group(key) for key, one in self.waiting.items() if one.place >= 0 and one.lane is BACKGROUND}

    def done(self, key: str) -> None:
        self.queue.done(key)
        self.settle()
        self.running.remove(key)
        self.settle()

    def choose(self) -> str | None:
        self.settle()
        placed = sorted((one.place, key) for key, one in self.waiting.items() if one.place >= 0)
        lanes = {lane: [key for _, key in placed if self.waiting[key].lane is lane] for lane in Lane}
        fresh = [key for key in lanes[FRESH] if not self.full(key)]
        background = [key for key in lanes[BACKGROUND] if not self.full(key)]
        due = [key for key in background if self.passed[self.group(key)] >= FRESH_IN_A_ROW * len(self.behind())]
        if due or (background and not fresh):
            key = (due or background)[0]
            self.passed[self.group(key)] = 0
            return key
        for name in {self.group(key) for key in background}:
            self.passed[name] += 1
        return fresh[0] if fresh else None

    @rule(key=KEYS, lane=LANES)
    def add(self, key: str, lane: Lane) -> None:
        self.queue.add(key, lane)
        self.put(key, lane, 0)

    @rule(key=KEYS, lane=LANES, seconds=st.integers(0, 12))
    def add_after(self, key: str, lane: Lane, seconds: int) -> None:
        self.queue.add_after(key, seconds, lane)
        self.put(key, lane, seconds)

    @rule(seconds=st.integers(1, 9))
    def wait(self, seconds: int) -> None:
        self.clock.now += seconds

    @rule()
    def get(self) -> None:
        key = self.queue.get(0)
        assert key not in self.running
        assert key == self.choose()
        if key is not None:
            del self.waiting[key]
            self.running.append(key)

    @precondition(lambda self: self.running)
    @rule(data=st.data(), fails=st.booleans())
    def finish(self, data: st.DataObject, fails: bool) -> None:
        key = data.draw(st.sampled_from(self.running))
        if fails:
            wait = min(16, 2 * 2 ** self.failed[key])
            self.failed[key] += 1
            assert self.queue.retry(key) == self.put(key, BACKGROUND, wait)
        else:
            self.queue.forget(key)
            del self.failed[key]
        self.done(key)

    @rule(rounds=st.integers(1, 3 * FRESH_IN_A_ROW))
    def stream_of_fresh_work(self, rounds: int) -> None:
        """What it takes to bring the other lane to its turn."""
        for _ in range(rounds):
            for key in ("free", "a:1"):
                if key not in self.running:
                    self.add(key, FRESH)
            self.get()
            if self.running:
                self.done(self.running[-1])

    @invariant()
    def the_same_is_asked_and_answered(self) -> None:
        figures = self.queue.statistics()
        ready = {key: one for key, one in self.waiting.items() if one.at <= self.clock.now}
        assert figures.depth == {lane: sum(one.lane is lane for one in ready.values()) for lane in Lane}
        assert figures.delayed == len(self.waiting) - len(ready)
        assert sorted(self.queue.running()) == sorted(self.running)
        assert self.queue.drained(0) == (not ready and not self.running)
        for key in ("a:1", "b:1", "free"):
            assert (key in self.queue) == (key in self.waiting or key in self.running)
            assert self.queue.failures(key) == self.failed[key]
            again = ready.get(key)
            assert self.queue.superseded(key) == (key in self.running and again is not None and again.lane is FRESH)


TestQueueAgainstModel = QueueAgainstModel.TestCase
TestQueueAgainstModel.settings = settings(
    max_examples=100, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


# --- with real threads --------------------------------------------------------------------------------------


def test_no_key_is_ever_with_two_workers_and_none_is_lost() -> None:
    """Four adders and eight workers, some of whose work fails: at the end every key ran after its last add."""
    queue = Queue(Backoff(0.001, 0.004), 3, lambda key: key[0])
    keys = [f"{group}{number}" for group in "abc" for number in range(6)]
    guard = threading.Lock()
    inside: Counter[str] = Counter()
    groups: Counter[str] = Counter()
    wanted: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    wrong: list[str] = []

    def work(number: int) -> None:
        turn = 0
        while (key := queue.get()) is not None:
            turn += 1
            with guard:
                inside[key] += 1
                groups[key[0]] += 1
                if inside[key] > 1 or groups[key[0]] > 3:
                    wrong.append(key)
                version = wanted[key]
            time.sleep(0.0002 * (number % 3))
            with guard:
                inside[key] -= 1
                groups[key[0]] -= 1
            if (turn + number) % 5 == 0:
                queue.retry(key)
            else:
                with guard:
                    seen[key] = max(seen[key], version)
                queue.forget(key)
            queue.done(key)

    def push(number: int) -> None:
        for turn in range(200):
            key = keys[(turn * 7 + number * 5) % len(keys)]
            with guard:
                wanted[key] += 1
            if turn % 4:
                queue.add(key, BACKGROUND if turn % 3 else FRESH)
            else:
                queue.add_after(key, 0.001)
            if turn % 20 == 0:
                time.sleep(0.001)

    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(8)]
    pushers = [threading.Thread(target=push, args=(number,), daemon=True) for number in range(4)]
    for thread in (*threads, *pushers):
        thread.start()
    for thread in pushers:
        thread.join(60)
    end = time.monotonic() + 60
    while any(key in queue for key in keys) and time.monotonic() < end:
        time.sleep(0.005)
    queue.shut_down()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert wrong == []
    assert seen == wanted


def waiting_for(get: Callable[[], str | None]) -> tuple[threading.Thread, list[str | None]]:
    """A worker that has nothing to do, for long enough that it sleeps by now; and what it will have got."""
    got: list[str | None] = []
    thread = threading.Thread(target=lambda: got.append(get()), daemon=True)
    thread.start()
    thread.join(0.1)
    assert thread.is_alive()
    return thread, got


def test_a_waiting_worker_is_woken_by_a_key() -> None:
    queue = Queue(Backoff(1, 1), 9)
    thread, got = waiting_for(queue.get)
    queue.add("a")
    thread.join(10)
    assert got == ["a"]


def test_a_waiting_worker_is_woken_by_a_time_that_comes() -> None:
    queue = Queue(Backoff(1, 1), 9)
    thread, got = waiting_for(queue.get)
    queue.add_after("later", 300)
    queue.add_after("sooner", 0.2)
    thread.join(10)
    assert got == ["sooner"]


def test_a_waiting_worker_is_woken_when_its_group_has_room() -> None:
    queue = Queue(Backoff(1, 1), 1, lambda _: "a")
    queue.add("x")
    queue.add("y")
    assert queue.get(0) == "x"
    thread, got = waiting_for(queue.get)
    queue.done("x")
    thread.join(10)
    assert got == ["y"]


def test_a_waiting_worker_is_woken_when_the_cap_is_raised() -> None:
    queue = Queue(Backoff(1, 1), 1, lambda _: "a")
    queue.add("x")
    queue.add("y")
    assert queue.get(0) == "x"
    thread, got = waiting_for(queue.get)
    queue.adjust(Backoff(1, 1), 2)
    thread.join(10)
    assert got == ["y"]


def test_a_worker_that_gives_up_hands_on_what_it_knew_of_the_next_time() -> None:
    queue = Queue(Backoff(1, 1), 9)
    impatient, nothing = waiting_for(lambda: queue.get(1.5))
    patient, got = waiting_for(queue.get)
    queue.add_after("a", 2)  # wakes the one that waited longest, which then gives up
    impatient.join(10)
    patient.join(10)
    assert (nothing, got) == ([None], ["a"])


def test_shut_down_wakes_every_worker_and_its_end_who_waits_for_that() -> None:
    queue = Queue(Backoff(1, 1), 9)
    queue.add("runs")
    assert queue.get(0) == "runs"
    workers = [waiting_for(queue.get) for _ in range(3)]
    ended: list[bool] = []
    waiter = threading.Thread(target=lambda: ended.append(queue.drained(30)), daemon=True)
    waiter.start()
    queue.shut_down()
    for thread, got in workers:
        thread.join(10)
        assert got == [None]
    assert ended == []
    queue.done("runs")
    waiter.join(10)
    assert ended == [True]


def test_a_get_that_gives_up_leaves_nothing_behind() -> None:
    queue = Queue(Backoff(1, 1), 9)
    began = time.monotonic()
    assert queue.get(0.02) is None
    assert time.monotonic() - began >= 0.02
    queue.add("a")
    assert queue.get(0.02) == "a"
