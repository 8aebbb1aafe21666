"""How the daemon is, for those who ask: what the loop noted down. Nobody who asks waits for a server."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from reconciler.daemon.http import Check

STALE_LOOP_SECONDS: Final = 300.0
"""The loop plans for all tenants at once, so it may be busy for a while; beyond this something is wrong with it."""


@dataclass(slots=True)
class Health:
    """Notes of the loop. Errors are texts, empty while all is well; times are of the monotonic clock."""

    beat: float = field(default_factory=time.monotonic)
    first_pass: bool = False
    fetched: float | None = None
    fetch_every: float = 60.0
    source: str = "it was not looked at yet"
    store: str = "it was not opened yet"
    servers: str = ""
    following: str = ""
    fitness: str = ""
    leads: Callable[[], bool] = lambda: True
    """Whether the lease is still held; it is lost without the loop when the store can't be written."""

    def heard(self) -> None:
        """The loop is alive."""
        self.beat = time.monotonic()

    def fetched_now(self) -> None:
        """The source answered."""
        self.fetched, self.source = time.monotonic(), ""

    def age(self) -> float:
        """Seconds since the source was last seen; NaN if it never was."""
        return float("nan") if self.fetched is None else time.monotonic() - self.fetched

    def alive(self) -> list[Check]:
        """What ``/healthz`` asks."""
        return [Check("loop", self._loop)]

    def ready(self) -> list[Check]:
        """What ``/readyz`` asks. One that follows is ready, too: it is ready to take over."""
        asked: dict[str, Callable[[], str]] = {
            "loop": self._loop,
            "store": lambda: self.store,
            "lease": self._lease,
            "source": self._source,
            "servers": lambda: self.servers,
            "first-pass": lambda: "" if self.first_pass or self.following else "the first full pass is not done yet",
        }
        return [Check(name, ask) for name, ask in asked.items()]

    def _loop(self) -> str:
        silent = time.monotonic() - self.beat
        return "" if silent < STALE_LOOP_SECONDS else f"it gave no sign of life for {silent:.0f} s"

    def _lease(self) -> str:
        if self.fitness or self.following or self.leads():
            return self.fitness
        return "the leader's lease was lost, and it is not known who leads"

    def _source(self) -> str:
        if self.source:
            return self.source
        limit = 3 * self.fetch_every + 60
        return "" if self.age() < limit else f"it was last seen {self.age():.0f} s ago"
