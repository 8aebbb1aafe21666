"""Which tenant is worked on next. No I/O; the clock, the waits and the group of a key are handed in.

The rules are those of the work queue of Kubernetes' controller-runtime (pkg/controller/priorityqueue):

- A key is never with two workers. Adding one that waits changes nothing, but that it then has the earlier of the two
  times and the fresher of the two lanes. Adding one that runs makes it run once more after it is done.
- ``retry`` makes a key wait, longer each time, and ``forget`` starts the counting again. No wait holds a worker, and
  any ``add`` ends it: a fix does not stand behind the backoff of what it mends.

What is its own here stands in ``daemon.lanes``: two lanes instead of numbers, and a cap of running keys a group.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from reconciler.daemon.backoff import Backoff
from reconciler.daemon.lanes import Lane, Lanes, Waiting

_STALE_TIMERS: Final = 64
"""So many timers that no longer mean anything are left lying before the heap is made anew."""


class Observer(Protocol):
    """Hears of what happens, for metrics. It is called under the queue's lock: it is quick, and asks the queue nothing.

    Seconds are of the queue's clock.
    """

    def added(self, lane: Lane) -> None:
        """A key may be taken from now on; one that waits for a time counts when that has come."""

    def retried(self) -> None:
        """A key failed and is tried again."""

    def queued(self, seconds: float) -> None:
        """A key was taken, so long after it could have been."""

    def worked(self, seconds: float) -> None:
        """A worker was done with a key after so long."""


class Nobody:
    """An observer that nothing is made of."""

    def added(self, lane: Lane) -> None:
        """Nothing."""

    def retried(self) -> None:
        """Nothing."""

    def queued(self, seconds: float) -> None:
        """Nothing."""

    def worked(self, seconds: float) -> None:
        """Nothing."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """The queue at one moment. ``depth`` counts keys that may be taken, ``delayed`` those that wait for a time."""

    depth: Mapping[Lane, int]
    delayed: int
    running: int
    adds_total: int
    retries_total: int
    longest_running_seconds: float
    unfinished_seconds: float
    """The seconds that all running work has taken so far, added up."""


@dataclass(frozen=True, slots=True)
class _Running:
    group: str
    since: float


class Queue:
    """The work queue. Every method may be called by any thread; only ``get`` and ``drained`` wait.

    ``group_of`` is asked on every add, outside of the lock; keys of the group ``""`` have no cap. ``monotonic`` is a
    clock in seconds that never goes back.
    """

    def __init__(
        self,
        backoff: Backoff,
        per_group: int,
        group_of: Callable[[str], str] = lambda _: "",
        *,
        monotonic: Callable[[], float] = time.monotonic,
        observer: Observer | None = None,
    ) -> None:
        self._backoff = backoff
        self._per_group = per_group
        self._group_of = group_of
        self._monotonic = monotonic
        self._observer: Observer = observer if observer is not None else Nobody()
        lock = threading.Lock()
        self._wanted = threading.Condition(lock)
        self._settled = threading.Condition(lock)
        self._waiting: dict[str, Waiting] = {}
        self._running: dict[str, _Running] = {}
        self._lanes = Lanes()
        self._timers: list[tuple[float, int, Waiting]] = []
        self._failures: dict[str, int] = {}
        self._numbers = itertools.count(1)
        self._adds = self._retries = 0
        self._closing = False

    # --- putting in -------------------------------------------------------------------------------------------

    def add(self, key: str, lane: Lane = Lane.FRESH) -> None:
        """Have ``key`` worked on as soon as may be."""
        self.add_after(key, 0.0, lane)

    def add_after(self, key: str, seconds: float, lane: Lane = Lane.BACKGROUND) -> None:
        """Have ``key`` worked on in ``seconds``, or earlier if it waits for an earlier time already."""
        group = self._group_of(key)
        with self._wanted:
            self._put(key, group, lane, seconds)

    def retry(self, key: str) -> float:
        """``key`` failed: have it worked on again after its backoff. Returns the seconds until it may be taken.

        They are 0 where something new came in while it ran. It is called by the worker, before ``done``.
        """
        group = self._group_of(key)
        with self._wanted:
            failures = self._failures.get(key, 0)
            self._failures[key] = failures + 1
            self._retries += 1
            self._observer.retried()
            return self._put(key, group, Lane.BACKGROUND, self._backoff.wait(failures))

    def forget(self, key: str) -> None:
        """Count the failures of ``key`` from 0: it succeeded, or is another thing now. When it runs is as it was."""
        with self._wanted:
            self._failures.pop(key, None)

    # --- taking out -------------------------------------------------------------------------------------------

    def get(self, timeout: float | None = None) -> str | None:
        """The next key, the caller's until ``done``. None after ``timeout`` seconds, or at once after ``shut_down``."""
        deadline = None if timeout is None else self._monotonic() + timeout
        with self._wanted:
            while not self._closing:
                now = self._monotonic()
                self._ripen(now)
                taken = self._take(now)
                if taken is not None or (deadline is not None and now >= deadline):
                    # Who leaves may have been the only one that knew of the next timer.
                    self._wanted.notify()
                    return taken
                self._wanted.wait(self._pause(now, deadline))
            return None

    def done(self, key: str) -> None:
        """The caller of ``get`` has finished with ``key``, however it ended. For a key that does not run: nothing."""
        with self._wanted:
            now = self._monotonic()
            self._ripen(now)
            job = self._running.pop(key, None)
            if job is None:
                return
            self._lanes.free(job.group)
            self._observer.worked(now - job.since)
            again = self._waiting.get(key)
            if again is not None and again.ready:
                self._place(again)
            self._wanted.notify()  # there is room in its group
            self._settled.notify_all()

    # --- the whole of it --------------------------------------------------------------------------------------

    def adjust(self, backoff: Backoff, per_group: int) -> None:
        """Other settings from now on; waits that have begun are not changed, and nothing that runs is stopped."""
        with self._wanted:
            self._backoff, self._per_group = backoff, per_group
            self._wanted.notify_all()

    def shut_down(self) -> None:
        """Hand out nothing and take nothing any more; every ``get`` returns at once. For good."""
        with self._wanted:
            self._closing = True
            self._wanted.notify_all()
            self._settled.notify_all()

    def drained(self, timeout: float | None = None) -> bool:
        """Wait until no key runs and none could be taken; False if that takes longer than ``timeout`` seconds.

        Keys that wait for a time don't count, and after ``shut_down`` only running ones do.
        """
        with self._settled:
            return self._settled.wait_for(self._quiet, timeout)

    @property
    def closing(self) -> bool:
        """Whether it was shut down."""
        return self._closing

    # --- asking -----------------------------------------------------------------------------------------------

    def __contains__(self, key: str) -> bool:
        """Whether ``key`` waits or runs; what should and does not was dropped."""
        with self._wanted:
            return key in self._waiting or key in self._running

    def superseded(self, key: str) -> bool:
        """Whether ``key`` runs and something fresh came in for it meanwhile, which would run next."""
        with self._wanted:
            self._ripen(self._monotonic())
            again = self._waiting.get(key)
            return key in self._running and again is not None and again.ready and again.lane is Lane.FRESH

    def failures(self, key: str) -> int:
        """How often ``key`` was retried since it was last forgotten."""
        with self._wanted:
            return self._failures.get(key, 0)

    def due_in(self, key: str) -> float | None:
        """Seconds until ``key`` may be taken, 0 if it may; None if it does not wait."""
        with self._wanted:
            waiting = self._waiting.get(key)
            return None if waiting is None else max(0.0, waiting.ready_at - self._monotonic())

    def running(self) -> dict[str, float]:
        """The keys that are with a worker, and for how many seconds, longest first."""
        with self._wanted:
            now = self._monotonic()
            return {key: now - job.since for key, job in sorted(self._running.items(), key=lambda one: one[1].since)}

    def overdue(self, now: float, older_than: float) -> tuple[str, ...]:
        """Keys that nobody took though their time came ``older_than`` seconds before ``now``, oldest first.

        ``now`` is of the queue's clock. A key that runs and is to run again waits for itself, and is not among them.
        """
        with self._wanted:
            late = [one for one in self._waiting.values() if one.key not in self._running]
            late = [one for one in late if now - one.ready_at >= older_than]
            return tuple(one.key for one in sorted(late, key=lambda one: one.ready_at))

    def statistics(self) -> Statistics:
        """How it stands."""
        with self._wanted:
            now = self._monotonic()
            self._ripen(now)
            depth = dict.fromkeys(Lane, 0)
            for waiting in self._waiting.values():
                depth[waiting.lane] += waiting.ready
            spent = [now - job.since for job in self._running.values()]
            return Statistics(
                depth=depth,
                delayed=len(self._waiting) - sum(depth.values()),
                running=len(spent),
                adds_total=self._adds,
                retries_total=self._retries,
                longest_running_seconds=max(spent, default=0.0),
                unfinished_seconds=sum(spent),
            )

    # --- under the lock ---------------------------------------------------------------------------------------

    def _put(self, key: str, group: str, lane: Lane, seconds: float) -> float:
        now, seconds = self._monotonic(), max(0.0, seconds)
        if self._closing:
            return seconds
        self._ripen(now)
        waiting = self._waiting.get(key)
        if waiting is None:
            waiting = self._waiting[key] = Waiting(key, group, lane, now + seconds)
            self._await(waiting, now)
            return seconds
        fresher = Lane.FRESH if Lane.FRESH in (lane, waiting.lane) else Lane.BACKGROUND
        if waiting.ready:
            if (fresher, group) != (waiting.lane, waiting.group):
                self._lanes.remove(waiting)
                waiting.lane, waiting.group = fresher, group
                self._place(waiting)
            return 0.0
        waiting.lane, waiting.group = fresher, group
        if now + seconds < waiting.ready_at:
            waiting.ready_at = now + seconds
            self._await(waiting, now)
        return max(0.0, waiting.ready_at - now)

    def _await(self, waiting: Waiting, now: float) -> None:
        if waiting.ready_at <= now:
            self._make_ready(waiting)
            return
        if len(self._timers) > 2 * len(self._waiting) + _STALE_TIMERS:
            self._timers = [one for one in self._timers if self._means(one)]
            heapq.heapify(self._timers)
        heapq.heappush(self._timers, (waiting.ready_at, next(self._numbers), waiting))
        self._wanted.notify()  # somebody has to wake up in time

    def _ripen(self, now: float) -> None:
        """Move what has waited for its time into its lane, in the order of these times."""
        while self._timers and self._timers[0][0] <= now:
            timer = heapq.heappop(self._timers)
            if self._means(timer):
                self._make_ready(timer[2])

    def _means(self, timer: tuple[float, int, Waiting]) -> bool:
        at, _, waiting = timer
        return not waiting.ready and waiting.ready_at == at and self._waiting.get(waiting.key) is waiting

    def _make_ready(self, waiting: Waiting) -> None:
        waiting.ready = True
        self._adds += 1
        self._observer.added(waiting.lane)
        self._place(waiting)

    def _place(self, waiting: Waiting) -> None:
        """In its lane; a key that runs gets there when it is done."""
        if waiting.key not in self._running:
            self._lanes.append(waiting)
            self._wanted.notify()

    def _take(self, now: float) -> str | None:
        waiting = self._lanes.take(self._per_group)
        if waiting is None:
            return None
        del self._waiting[waiting.key]
        self._running[waiting.key] = _Running(waiting.group, now)
        self._observer.queued(now - waiting.ready_at)
        return waiting.key

    def _pause(self, now: float, deadline: float | None) -> float | None:
        moments = [moment for moment in (deadline, self._timers[0][0] if self._timers else None) if moment is not None]
        return max(0.0, min(moments) - now) if moments else None

    def _quiet(self) -> bool:
        self._ripen(self._monotonic())
        return not self._running and (self._closing or not any(one.ready for one in self._waiting.values()))
