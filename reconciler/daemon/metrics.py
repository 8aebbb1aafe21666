"""What the daemon counts, for ``/metrics``. What each series means is said in ``daemon.series``.

Everything may be called from any thread. The series of tenants are rendered only when a tenant changed, because with
thousands of them that is nearly all of a scrape, and a scraper comes every few seconds.
"""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Callable, Iterable
from typing import Final

import prometheus_client
from prometheus_client import metrics_core, registry

from reconciler.daemon import series
from reconciler.daemon.lanes import Lane
from reconciler.daemon.queue import Statistics
from reconciler.daemon.series import Series
from reconciler.engine import conditions
from reconciler.errors import GuardRefused
from reconciler.model import standing
from reconciler.model.outcome import Outcome, Result
from reconciler.model.plan import Plan

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_WORKED: Final = frozenset({Result.APPLIED, Result.UNCHANGED, Result.ROLLED_BACK, Result.STUCK})
_Row = tuple[str, str, str, str, str, bool]


class Metrics:
    """The daemon's series, in a registry of its own."""

    def __init__(self, version: str) -> None:
        # The switch is the library's, for the whole process; nobody else in it counts anything.
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = registry.CollectorRegistry()
        build = prometheus_client.Info(_bare(series.BUILD), series.BUILD.doc, registry=self._registry)
        build.info({"version": version})
        self._leader = self._gauge(series.LEADER)
        self._age = self._gauge(series.AGE)
        self._age.set(math.nan)
        self._fetched = self._counter(series.FETCHED)
        self._ended = self._counter(series.ENDED)
        self._errors = self._counter(series.ERRORS)
        self._duration = self._histogram(series.DURATION)
        self._rolled_back = self._counter(series.ROLLED_BACK)
        self._changes = self._gauge(series.CHANGES)
        self._held = self._counter(series.HELD)
        self._workers = self._gauge(series.WORKERS)
        self._depth = self._gauge(series.DEPTH)
        self._adds = self._counter(series.ADDS)
        self._retries = self._counter(series.RETRIES)
        self._queued = self._histogram(series.QUEUED)
        self._worked = self._histogram(series.WORKED)
        self._longest = self._gauge(series.LONGEST)
        self._queue: Callable[[], Statistics] | None = None
        self._tenants = _Tenants()
        self._holding: set[str] = set()
        self._guard = threading.Lock()

    def watch(self, queue: Callable[[], Statistics], age: Callable[[], float]) -> None:
        """What is asked at every scrape instead of being counted; both have to answer at once.

        ``age``: seconds since the source was last seen to be at the revision that is applied.
        """
        self._queue = queue
        self._age.set_function(age)

    def ended(self, outcome: Outcome) -> None:
        """The work on a tenant ended."""
        self._ended.labels(outcome.result.value).inc()
        if outcome.result.value in series.ROLLBACKS:
            self._rolled_back.labels(outcome.result.value).inc()
        if outcome.result in _WORKED:
            self._duration.observe(outcome.seconds)
        if outcome.failure is not None:
            self.failed(outcome.failure.code)

    def failed(self, code: str) -> None:
        """An error of this code, of the daemon itself; those of outcomes are counted by ``ended``."""
        self._errors.labels(code).inc()

    def fetched(self, result: str) -> None:
        """A look at the source: ``new``, ``unchanged``, or the code of a ``SourceFailed``."""
        self._fetched.labels(result).inc()

    def planned(self, plan: Plan) -> None:
        """A plan was made, of all tenants or of some."""
        for action, count in plan.summary.items():
            self._changes.labels(action).set(count)
        with self._guard:
            for tenant in plan.tenants:
                # Before a plan has changes, all that a guard refuses is to let go of a tenant (engine.removal).
                if not any(blocker.code == GuardRefused.code for blocker in tenant.blockers):
                    self._holding.discard(tenant.tenant)
                elif tenant.tenant not in self._holding:
                    self._holding.add(tenant.tenant)
                    self._held.inc()

    def leading(self, leads: bool) -> None:
        """Whether this daemon leads."""
        self._leader.set(leads)

    def tenants(self, found: Iterable[conditions.Status]) -> None:
        """The tenants that are there now, all of them: those that are not among them are forgotten."""
        self._tenants.replace(_row(status) for status in found)

    def added(self, lane: Lane) -> None:
        """A tenant may be taken from now on (these four are ``daemon.queue.Observer``)."""
        self._adds.labels(lane.value).inc()

    def retried(self) -> None:
        """A tenant failed and is tried again."""
        self._retries.inc()

    def queued(self, seconds: float) -> None:
        """A worker took a tenant that it could have taken so long before."""
        self._queued.observe(seconds)

    def worked(self, seconds: float) -> None:
        """A worker was done with a tenant after so long."""
        self._worked.observe(seconds)

    def scrape(self) -> bytes:
        """All series as ``CONTENT_TYPE``."""
        if self._queue is not None:
            found = self._queue()
            for lane, depth in found.depth.items():
                self._depth.labels(lane.value).set(depth)
            self._workers.set(found.running)
            self._longest.set(found.longest_running_seconds)
        return prometheus_client.generate_latest(self._registry) + self._tenants.rendered()

    def _counter(self, of: Series) -> prometheus_client.Counter:
        made = prometheus_client.Counter(of.name, of.doc, tuple(of.labels), registry=self._registry)
        for values in _all(of):
            made.labels(*values)
        return made

    def _gauge(self, of: Series) -> prometheus_client.Gauge:
        made = prometheus_client.Gauge(of.name, of.doc, tuple(of.labels), registry=self._registry)
        for values in _all(of):
            made.labels(*values)
        return made

    def _histogram(self, of: Series) -> prometheus_client.Histogram:
        return prometheus_client.Histogram(of.name, of.doc, buckets=of.buckets, registry=self._registry)


class _Tenants(registry.Collector):
    """The series of tenants, as the text they are on the wire."""

    def __init__(self) -> None:
        self._rows: tuple[_Row, ...] = ()
        self._text: bytes | None = None
        self._registry = registry.CollectorRegistry()
        self._registry.register(self)
        self._guard = threading.Lock()

    def replace(self, rows: Iterable[_Row]) -> None:
        found = tuple(rows)
        with self._guard:
            if found != self._rows:
                self._rows, self._text = found, None

    def rendered(self) -> bytes:
        with self._guard:
            if self._text is None:
                self._text = prometheus_client.generate_latest(self._registry)
            return self._text

    def describe(self) -> Iterable[metrics_core.Metric]:
        return (_info(), _drifted())

    def collect(self) -> Iterable[metrics_core.Metric]:
        info, drifted = _info(), _drifted()
        for tenant, product, ready, reason, revision, drifts in self._rows:
            known = {"tenant": tenant, "product": product, "ready": ready, "reason": reason, "revision": revision}
            info.add_metric((), known)
            drifted.add_metric((tenant,), drifts)
        return (info, drifted)


def _info() -> metrics_core.InfoMetricFamily:
    return metrics_core.InfoMetricFamily(_bare(series.TENANT), series.TENANT.doc)


def _drifted() -> metrics_core.GaugeMetricFamily:
    return metrics_core.GaugeMetricFamily(series.DRIFTED.name, series.DRIFTED.doc, labels=tuple(series.DRIFTED.labels))


def _bare(of: Series) -> str:
    """The name of an info metric as the library wants it: it appends the rest."""
    return of.name.removesuffix("_info")


def _all(of: Series) -> Iterable[tuple[str, ...]]:
    """Every combination of a series' labels, so that each is there before the first event."""
    return itertools.product(*of.labels.values()) if of.labels else ()


def _row(status: conditions.Status) -> _Row:
    ready = status.of("Ready")
    return (
        status.tenant,
        status.product,
        ready.status if ready else standing.UNKNOWN,
        ready.reason if ready else "",
        status.revision,
        status.has("Drifted"),
    )
