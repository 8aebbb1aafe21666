"""What is done beside the passes: limits, what was dropped, holds that came or went, and the numbers of tenants."""

from __future__ import annotations

import time
from typing import Final

from reconciler.daemon import passes
from reconciler.daemon.attempts import woken
from reconciler.daemon.due import Due
from reconciler.daemon.kit import Kit
from reconciler.daemon.lanes import Lane
from reconciler.daemon.logs import Log
from reconciler.daemon.metrics import Metrics
from reconciler.daemon.queue import Queue
from reconciler.daemon.scene import Scene
from reconciler.daemon.workers import Why
from reconciler.engine import conditions, held
from reconciler.engine.setting import Setting
from reconciler.model.standing import Hold

_OVERDUE_SECONDS: Final = 60.0
_STATUS_SECONDS: Final = 30.0
_IDLE_PARTS: Final = 100  # of few tenants it is known sooner: to read them takes a hundredth of the time at most


class Upkeep:
    """Called by the loop, again and again; each of these costs little when there is nothing to do."""

    def __init__(self, queue: Queue, metrics: Metrics, log: Log) -> None:
        self._queue, self._metrics, self._log = queue, metrics, log
        self._holds: dict[str, Hold] = {}
        self._shown: object = None
        self._overdue, self._statuses = Due(), Due()

    def limit(self, kit: Kit, setting: Setting) -> None:
        """End the work on tenants that takes longer than it may."""
        limit = setting.platform.daemon.tenant_seconds
        for name in kit.workers.end_all(Why.OVERTIME, older_than=limit):
            self._log.warning("overtime", tenant=name, message=f"it took longer than {limit:g} s and is undone")

    def sweep(self) -> None:
        """Put back what nobody took although its time came."""
        if self._overdue.now:
            self._overdue.after(_OVERDUE_SECONDS)
            for name in self._queue.overdue(time.monotonic(), _OVERDUE_SECONDS):
                self._log.warning("overdue", tenant=name)
                self._queue.add(name, Lane.BACKGROUND)

    def preempt(self, kit: Kit, name: str) -> None:
        """A newer revision of a tenant whose attempts fail does not wait for the attempt that runs."""
        if kit.book.of(name).failures and kit.workers.end(name, Why.PREEMPTED):
            self._log.info("preempting", tenant=name, message="it failed before, and something newer was merged")

    def heed_holds(self, scene: Scene) -> None:
        """Wake the tenants that were held or let go since the last call. Errors: ``StoreFailed``."""
        now = held.holds(scene.setting)
        changed = {subject for subject in {*now, *self._holds} if now.get(subject) != self._holds.get(subject)}
        self._holds = now
        everybody = passes.all_of(scene)
        if changed:
            woken(self._queue, everybody if changed - everybody else changed, Lane.BACKGROUND)

    def count(self, kit: Kit, scene: Scene) -> None:
        """Tell the metrics how all tenants stand. They are read for it, so only where something can have changed.

        Errors: ``StoreFailed``.
        """
        if self._statuses.now and (mark := (scene, kit.attempts.ends, self._holds)) != self._shown:
            began = time.monotonic()
            self._metrics.tenants(conditions.of_tenants(scene.setting))
            self._statuses.after(min(_STATUS_SECONDS, _IDLE_PARTS * (time.monotonic() - began)))
            self._shown = mark

    def count_soon(self) -> None:
        """Do not wait with the next ``count``."""
        self._statuses.soon()

    def count_nobody(self) -> None:
        """Whoever leads now tells of the tenants."""
        self._metrics.tenants(())
        self._shown = None
