"""Leases with a fencing number: one writer a tenant.

The number (``token``) grows with every change of holder. Everything that a holder writes to the store goes through
``fenced``, whose UPDATE names the number and locks the lease's row, so that a holder whose lease was taken over can
write nothing more. No wall clock decides anything here.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import sqlalchemy as sa

from reconciler import errors
from reconciler.ports import process
from reconciler.ports.store import store as stores
from reconciler.ports.store import tables

T = TypeVar("T")

LENGTH_SECONDS = 30.0
_RENEWALS_A_LENGTH = 6


@dataclass(slots=True)
class Lease:
    """The right to change one tenant, as long as ``token`` is the store's number for it.

    ``taken_over`` tells that the last holder did not give the lease back, so that its connections may still live.
    ``renewed`` is when, on this process's monotonic clock, the write began that took it or renewed it last: nobody
    can have taken it over before a length from then on.
    """

    tenant: str
    token: int
    taken_over: bool = False
    lost: threading.Event = field(default_factory=threading.Event)
    renewed: float = field(default_factory=time.monotonic)


class Leases:
    """The leases of this process, and the thread that renews them."""

    def __init__(
        self,
        store: stores.Store,
        now: Callable[[], str],
        *,
        length: float = LENGTH_SECONDS,
    ) -> None:
        self.length = length
        self._store = store
        self._now = now
        self._every = length / _RENEWALS_A_LENGTH
        self._me = process.this()
        self._held: dict[str, Lease] = {}
        self._guard = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._seen: dict[str, tuple[int, int, float]] = {}

    def acquire(self, tenant: str) -> Lease:
        """Take the lease of ``tenant``.

        Waits only where the holder can neither be seen alive nor be called dead: as long as its renewal counter stands
        still, at most for the lease's length. Errors: ``TenantLeased`` if a living process holds it.
        """
        while True:
            row = self._row(tenant)
            if row is None or row.holder is None:
                lease = self._take(tenant, row)
            else:
                holder = process.Process(**json.loads(row.holder))
                if not self._free(row, holder):
                    raise errors.TenantLeased(
                        f"tenant {tenant} is worked on by {holder}, since {row.since}; nothing was done here"
                    )
                lease = self._take(tenant, row)
            if lease is not None:
                self._hold(lease)
                return lease

    def look(self, tenant: str) -> Lease | None:
        """Take the lease of ``tenant`` if one look says that it is free, else None; waits for nothing, ends nobody.

        Free is what nobody holds or a dead process holds, and what has stood still between two looks that are a length
        apart: so it has to be called again and again.
        """
        looked = time.monotonic()
        row = self._row(tenant)
        if row is not None and row.holder is not None and not self._forsaken(row, looked):
            return None
        lease = self._take(tenant, row)
        if lease is not None:
            self._seen.pop(tenant, None)
            self._hold(lease)
        return lease

    def until_look(self, tenant: str) -> float:
        """Seconds until the next look at the lease of ``tenant`` may find something new."""
        seen = self._seen.get(tenant)
        left = self._every if seen is None else seen[2] + self.length - time.monotonic()
        return max(0.0, min(self._every, left))

    def holder(self, tenant: str) -> str:
        """Who holds the lease of ``tenant``, for people; empty if nobody does."""
        row = self._row(tenant)
        if row is None or row.holder is None:
            return ""
        return f"{process.Process(**json.loads(str(row.holder)))}, since {row.since}"

    def release(self, lease: Lease) -> None:
        """Give the lease back; a lease that was lost, or is given back already, is left alone."""
        with self._guard:
            self._held.pop(lease.tenant, None)
        if lease.lost.is_set():
            return
        lease.lost.set()
        self._store.write(lambda connection: give_back(connection, lease))

    def close(self) -> None:
        """Stop renewing. Leases that are still held are given back."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        for lease in list(self._held.values()):
            self.release(lease)

    def forget(self, lease: Lease) -> None:
        """Stop renewing a lease that a write has given back in passing (see ``give_back``)."""
        with self._guard:
            self._held.pop(lease.tenant, None)
        lease.lost.set()

    def _row(self, tenant: str) -> sa.Row[tuple[object, ...]] | None:
        query = sa.select(tables.leases).where(tables.leases.c.tenant == tenant)
        return self._store.read(lambda connection: connection.execute(query).one_or_none())

    def _free(self, row: sa.Row[tuple[object, ...]], holder: process.Process) -> bool:
        if holder == self._me:
            return row.tenant not in self._held
        if process.near(holder):
            if not process.alive(holder):
                return True
            if not process.stopped(holder):
                return False
        if not self._stands_still(row):
            return False
        # SQLite can't be fenced against a process that sleeps inside its own BEGIN IMMEDIATE, and on one host the
        # holder's files can't be either: so it is ended, not only locked out.
        return process.end(holder) if process.near(holder) else True

    def _forsaken(self, row: sa.Row[tuple[object, ...]], looked: float) -> bool:
        holder = process.Process(**json.loads(str(row.holder)))
        if holder == self._me:
            return row.tenant not in self._held
        if process.near(holder) and not process.alive(holder):
            return True
        tenant, counter = str(row.tenant), (int(str(row.token)), int(str(row.renewals)))
        seen = self._seen.get(tenant)
        if seen is None or seen[:2] != counter:
            # From behind the first look to before the last one, so that neither look's own time counts.
            self._seen[tenant] = (*counter, time.monotonic())
            return False
        return looked - seen[2] >= self.length

    def _stands_still(self, row: sa.Row[tuple[object, ...]]) -> bool:
        started = time.monotonic()
        while time.monotonic() - started < self.length:
            time.sleep(min(0.25, self.length / 10))
            now = self._row(str(row.tenant))
            if now is None or (now.token, now.renewals) != (row.token, row.renewals):
                return False
        return True

    def _take(self, tenant: str, row: sa.Row[tuple[object, ...]] | None) -> Lease | None:
        began, holder = time.monotonic(), json.dumps(self._me.as_data(), sort_keys=True)

        def write(connection: sa.Connection) -> int:
            values = {"holder": holder, "since": self._now(), "renewals": 0}
            if row is None:
                if connection.execute(sa.select(tables.leases.c.token).where(tables.leases.c.tenant == tenant)).first():
                    return 0
                try:
                    with connection.begin_nested():
                        connection.execute(tables.leases.insert().values(tenant=tenant, token=1, **values))
                except sa.exc.IntegrityError:
                    return 0  # on a server, somebody else may put the first row there behind the look
                return 1
            return connection.execute(
                sa.update(tables.leases)
                .where(
                    tables.leases.c.tenant == tenant,
                    tables.leases.c.token == row.token,
                    tables.leases.c.renewals == row.renewals,
                )
                .values(token=row.token + 1, **values)
            ).rowcount

        if self._store.write(write) != 1:
            return None
        if row is None:
            return Lease(tenant, 1, renewed=began)
        return Lease(tenant, int(str(row.token)) + 1, taken_over=row.holder is not None, renewed=began)

    def _hold(self, lease: Lease) -> None:
        with self._guard:
            self._held[lease.tenant] = lease
            if self._thread is None:
                self._thread = threading.Thread(target=self._renew, name="lease-renewal", daemon=True)
                self._thread.start()

    def _renew(self) -> None:
        while not self._stop.wait(self._every):
            held, began = list(self._held.values()), time.monotonic()
            try:
                lost = self._renewed(held)
            except errors.StoreFailed:
                # Others may by now have seen the counter stand still: nothing may be started under these numbers.
                lost = [lease for lease in held if time.monotonic() - lease.renewed > self.length]
            else:
                for lease in held:
                    lease.renewed = began
            for lease in lost:
                lease.lost.set()

    def _renewed(self, held: list[Lease]) -> list[Lease]:
        def write(connection: sa.Connection) -> list[Lease]:
            lost = []
            for lease in held:
                renewed = connection.execute(
                    sa.update(tables.leases)
                    .where(tables.leases.c.tenant == lease.tenant, tables.leases.c.token == lease.token)
                    .values(renewals=tables.leases.c.renewals + 1)
                ).rowcount
                if renewed != 1 and self._held.get(lease.tenant) is lease:
                    lost.append(lease)
            return lost

        return self._store.write(write) if held else []


def fenced(store: stores.Store, lease: Lease, action: Callable[[sa.Connection], T]) -> T:
    """Run ``action`` as a write of the lease's holder: durable when it returns, and only if the number still holds.

    Errors: ``LeaseLost`` if it does not; then nothing is written.
    """

    def write(connection: sa.Connection) -> T:
        hold(connection, lease)
        return action(connection)

    return store.write(write)


def hold(connection: sa.Connection, lease: Lease) -> None:
    """As part of a write: lock the lease's row until the commit, if the number still holds.

    Errors: ``LeaseLost`` if it does not.
    """
    held = connection.execute(
        sa.update(tables.leases)
        .where(tables.leases.c.tenant == lease.tenant, tables.leases.c.token == lease.token)
        .values(token=lease.token)
    ).rowcount
    if held != 1:
        lease.lost.set()
        raise errors.LeaseLost(f"the lease of tenant {lease.tenant} was taken over by another process")


def refresh(store: stores.Store, lease: Lease) -> None:
    """Become this lease's own successor: a new number, after which nothing under the old one is accepted.

    Errors: ``LeaseLost`` if somebody else already took over.
    """

    def write(connection: sa.Connection) -> int:
        return connection.execute(
            sa.update(tables.leases)
            .where(tables.leases.c.tenant == lease.tenant, tables.leases.c.token == lease.token)
            .values(token=lease.token + 1)
        ).rowcount

    if store.write(write) != 1:
        lease.lost.set()
        raise errors.LeaseLost(f"the lease of tenant {lease.tenant} was taken over by another process")
    lease.token += 1
    lease.taken_over = True


def check(store: stores.Store, lease: Lease) -> None:
    """Read whether the number still holds. Errors: ``LeaseLost`` if it does not."""
    query = sa.select(tables.leases.c.token).where(tables.leases.c.tenant == lease.tenant)
    token = store.read(lambda connection: connection.execute(query).scalar())
    if token != lease.token:
        lease.lost.set()
        raise errors.LeaseLost(f"the lease of tenant {lease.tenant} was taken over by another process")


def give_back(connection: sa.Connection, lease: Lease) -> None:
    """As part of a write: nobody holds the lease any more; the number stays, so that it never comes again."""
    connection.execute(
        sa.update(tables.leases)
        .where(tables.leases.c.tenant == lease.tenant, tables.leases.c.token == lease.token)
        .values(holder=None, since=None)
    )
