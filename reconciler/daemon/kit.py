"""What a daemon works with once there is a store: its vote, leases, book and workers, opened and closed as one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from reconciler import errors
from reconciler.daemon.attempts import Attempts
from reconciler.daemon.book import Book
from reconciler.daemon.election import Election
from reconciler.daemon.healing import Healing
from reconciler.daemon.logs import Log
from reconciler.daemon.merges import Merges
from reconciler.daemon.metrics import Metrics
from reconciler.daemon.queue import Queue
from reconciler.daemon.scene import Scene
from reconciler.daemon.workers import Why, Workers
from reconciler.engine.setting import Setting
from reconciler.ports.store import store as stores
from reconciler.ports.store.leases import Leases


@dataclass(frozen=True, slots=True)
class Kit:
    """All of it belongs to one store. The leases of tenants are one set, and that of the leader another."""

    store: stores.Store
    election: Election
    leases: Leases
    book: Book
    attempts: Attempts
    workers: Workers
    queue: Queue

    @classmethod
    def open(
        cls, setting: Setting, scene: Callable[[], Scene], queue: Queue, merges: Merges, metrics: Metrics, log: Log
    ) -> Self:
        """The kit for the store of ``setting``; no worker runs yet. Errors: ``StoreFailed``."""
        store = setting.opened()
        store.make_tables()
        election = Election(Leases(store, setting.ports.clock.stamp, length=setting.lease_seconds))
        leases, book = setting.leases(), Book(election)
        attempts = Attempts(
            scene=scene,
            lead=lambda: election.leading,
            queue=queue,
            book=book,
            leases=leases,
            healing=Healing(),
            merges=merges,
            metrics=metrics,
            log=log,
        )
        return cls(store, election, leases, book, attempts, Workers(queue, attempts.attempt, log), queue)

    def close(self, setting: Setting, log: Log) -> None:
        """Start nothing more; wait for what is open within the grace, undo what takes longer, and let go of all."""
        self.queue.shut_down()
        grace = setting.platform.daemon.grace_seconds
        if busy := self.workers.busy:
            log.info("ending", message=f"up to {grace:g} s for what is open: {', '.join(busy)}")
        if not self.workers.idle(grace):
            late = ", ".join(self.workers.end_all(Why.SHUTDOWN))
            log.warning("grace over", message=f"undone at the next step: {late}")
        self.workers.join()
        with suppress(errors.ReconcileError):
            self.book.flush(setting)
        with suppress(errors.ReconcileError):
            self.leases.close()
        with suppress(errors.ReconcileError):
            self.election.close()
        self.store.close()
