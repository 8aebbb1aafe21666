"""One daemon leads: it holds the lease of this name in the store, and the others look whether it has been left.

No wall clock decides. The lease of a leader that died on this host is free at once; any other is free when its counter
has stood still for the lease's length. A leader that was paused or cut off finds out by its own monotonic clock, before
another one can have taken over, and what it still writes through ``Election.fence`` is refused by the store.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import Final

import sqlalchemy as sa

from reconciler import errors
from reconciler.ports.store import leases

LEADER: Final = "@leader"
"""Stands for the tenant in the leases; no tenant can have this name."""

_NEXT: Final = "Nothing to do here: the other one goes on, and this one follows it."


class Election:
    """This process as a candidate; ``held`` is where its lease is kept, and is closed with this.

    Call ``try_lead`` whenever ``wait_seconds`` are over. A leader asks ``leading`` before it starts anything, and waits
    for ``lost``; then it ends what runs, calls ``resign``, and looks again.
    """

    def __init__(self, held: leases.Leases) -> None:
        self._held = held
        self._lease: leases.Lease | None = None
        self._nothing = threading.Event()
        self._nothing.set()

    def try_lead(self) -> bool:
        """Whether this process leads now; one look at the lease, which waits for nothing. Errors: ``StoreFailed``.

        A former leader has to ``resign`` first: until then this is False.
        """
        if self._lease is None:
            self._lease = self._held.look(LEADER)
        return self.leading

    @property
    def leading(self) -> bool:
        """Whether nobody else can lead; once it is False it stays so until ``resign`` and a new ``try_lead``."""
        lease = self._lease
        if lease is None or lease.lost.is_set():
            return False
        if time.monotonic() - lease.renewed >= self._held.length:
            # The thread that renews it may hang in a write, or all of this was paused: others may lead by now.
            lease.lost.set()
            return False
        return True

    @property
    def lost(self) -> threading.Event:
        """Set while this process is known not to lead; of each term it is another one."""
        return self._nothing if self._lease is None else self._lease.lost

    @property
    def wait_seconds(self) -> float:
        """How long to wait before ``try_lead`` may find something new."""
        return self._held.until_look(LEADER)

    def leader(self) -> str:
        """Who leads, for people; empty if nobody does. Errors: ``StoreFailed``."""
        return self._held.holder(LEADER)

    def fence(self, connection: sa.Connection) -> None:
        """As part of a write to the store: nobody else leads before its commit.

        Errors: ``NotLeader`` if somebody does already; then nothing of the write is kept.
        """
        lease = self._lease
        if lease is None or lease.lost.is_set():
            raise errors.NotLeader("this daemon does not lead", advice=_NEXT)
        try:
            leases.hold(connection, lease)
        except errors.LeaseLost:
            raise errors.NotLeader("another daemon leads now, so this one writes nothing more", advice=_NEXT) from None

    def resign(self) -> None:
        """Lead no longer; another one may at once. A store that can't be reached lets the lease run out instead."""
        lease, self._lease = self._lease, None
        if lease is not None:
            with suppress(errors.StoreFailed):
                self._held.release(lease)

    def close(self) -> None:
        """``resign``, and stop the thread that renews."""
        self.resign()
        self._held.close()
