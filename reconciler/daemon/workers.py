"""The threads that work on tenants. Each tenant in work can be asked to stop: what is open of it is then undone."""

from __future__ import annotations

import enum
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from reconciler.daemon import logs
from reconciler.daemon.queue import Queue

_LOOK_SECONDS: Final = 1.0


class Why(enum.StrEnum):
    """Why a tenant in work was asked to stop."""

    PREEMPTED = "preempted"
    OVERTIME = "overtime"
    SHUTDOWN = "shutdown"


@dataclass(slots=True)
class Running:
    """A tenant in work; ``since`` is of the monotonic clock."""

    stop: threading.Event = field(default_factory=threading.Event)
    since: float = field(default_factory=time.monotonic)
    why: Why | None = None

    def end(self, why: Why) -> None:
        """Ask it to stop at its next step; the first reason stays."""
        self.why = self.why or why
        self.stop.set()


class Workers:
    """Takes keys from ``queue`` and calls ``attempt`` with each; what that raises is logged and tried again later."""

    def __init__(self, queue: Queue, attempt: Callable[[str, Running], None], log: logs.Log) -> None:
        self._queue = queue
        self._attempt = attempt
        self._log = log
        self._guard = threading.Lock()
        self._running: dict[str, Running] = {}
        self._wanted = 0
        self._threads: list[threading.Thread] = []

    def resize(self, count: int) -> None:
        """Work on so many tenants at a time from now on; what runs is not disturbed."""
        self._wanted = count
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        for number in range(len(self._threads), count):
            thread = threading.Thread(target=self._work, args=(number,), name=f"worker-{number}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def end(self, name: str, why: Why) -> bool:
        """Ask the work on a tenant to stop; False if there is none."""
        with self._guard:
            if name in self._running:
                self._running[name].end(why)
            return name in self._running

    def end_all(self, why: Why, *, older_than: float = 0.0) -> list[str]:
        """Ask all work to stop that began more than so many seconds ago; the tenants that were not asked before."""
        now = time.monotonic()
        with self._guard:
            found = [name for name, one in self._running.items() if now - one.since >= older_than and one.why is None]
            for name in found:
                self._running[name].end(why)
        return found

    @property
    def busy(self) -> list[str]:
        """The tenants in work."""
        with self._guard:
            return sorted(self._running)

    def idle(self, timeout: float) -> bool:
        """Wait until nothing is in work; False if that takes longer than ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        while self.busy:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.02)
        return True

    def join(self) -> None:
        """After the queue was shut down: wait for all threads."""
        for thread in self._threads:
            thread.join()

    def _work(self, number: int) -> None:
        while number < self._wanted and not self._queue.closing:
            key = self._queue.get(_LOOK_SECONDS)
            if key is None:
                continue
            running = Running()
            with self._guard:
                self._running[key] = running
            try:
                self._attempt(key, running)
            except Exception as error:  # noqa: BLE001 - a fault of ours must not end the thread that others wait for
                self._log.error("attempt failed", tenant=key, **logs.failure(error))
                self._queue.retry(key)
            finally:
                with self._guard:
                    del self._running[key]
                self._queue.done(key)
