"""A single pass of the daemon, for cron and for trying things."""

from __future__ import annotations

import time

from reconciler import errors
from reconciler.daemon.loop import TICK_SECONDS, Daemon
from reconciler.model.outcome import Outcome


class Once(Daemon):
    """A daemon that makes one pass: what is merged is applied, and what fails is not tried again."""

    def make(self) -> list[Outcome]:
        """Make the pass; how each tenant ended.

        Errors: whatever keeps the pass from being made.
        """
        try:
            self._checkout = self._source.look()
            self._equip()
            self._stand()
            self._pass()
            if self._refusal is not None or self._kit is None:
                raise self._refusal or errors.SourceFailed("the source gave no revision")
            while not self._queue.drained(TICK_SECONDS) and not self.stop.is_set():
                self._upkeep.limit(self._kit, self._current().setting)
            self._beside()
            if self._teller is not None:
                self._teller.once()
            return sorted(self._kit.attempts.last.values(), key=lambda one: one.tenant)
        finally:
            self._end()

    def _stand(self) -> None:
        """Lead, for a single pass; a leader that died elsewhere is only known after its lease's length.

        Errors: ``AlreadyRunning`` if somebody else goes on to lead.
        """
        if self._kit is None:
            return
        deadline = time.monotonic() + self._kit.leases.length * 7 / 6
        while True:
            self._lead()
            if self._leading:
                return
            if time.monotonic() >= deadline or self.stop.is_set():
                raise errors.AlreadyRunning(f"another daemon leads: {self._health.following}")
            self.stop.wait(min(self._kit.election.wait_seconds + 0.05, 1.0))
