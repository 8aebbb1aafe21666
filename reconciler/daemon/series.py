"""Every series of ``/metrics``, drawn once: what is counted (``daemon.metrics``) and what docs/metrics.md says.

Names follow Prometheus ("Metric and label naming"): one prefix, base units, ``_total`` on counters. No histogram has a
label of a tenant, which would be a dozen series each.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from reconciler import errors
from reconciler.daemon.lanes import Lane
from reconciler.model import outcome, plan

CODES: Final = tuple(dict.fromkeys(error.code for error in errors.tree()))
FETCHES: Final = ("new", "unchanged", *dict.fromkeys(error.code for error in errors.tree(errors.SourceFailed)))
LANES: Final = tuple(lane.value for lane in Lane)
ROLLBACKS: Final = (outcome.Result.ROLLED_BACK.value, outcome.Result.STUCK.value)

_WORK: Final = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
_WAIT: Final = (0.01, 0.1, 0.5, 1, 2, 5, 15, 60, 300, 900)


@dataclass(frozen=True, slots=True)
class Series:
    """One series. ``labels`` has each label with all its values; one that has none takes what the world has.

    The name is the one on the wire. ``buckets`` are the upper bounds of a histogram, in seconds.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram", "info"]
    doc: str
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    buckets: tuple[float, ...] = ()


BUILD: Final = Series("reconcile_build_info", "info", "The program's version; the value is 1.", {"version": ()})
ENDED: Final = Series(
    "reconcile_total",
    "counter",
    "Times that the work on a tenant ended, by how.",
    {"result": tuple(result.value for result in outcome.Result)},
)
ERRORS: Final = Series(
    "reconcile_errors_total",
    "counter",
    "Errors by their code, of tenants and of the daemon itself; `reconcile explain CODE` explains one.",
    {"class": CODES},
)
DURATION: Final = Series(
    "reconcile_duration_seconds",
    "histogram",
    "How long the work on a tenant took that was applied, unchanged, rolled back or stuck.",
    buckets=_WORK,
)
ROLLED_BACK: Final = Series(
    "reconcile_rollback_total",
    "counter",
    "Transactions that were undone: in full (rolled-back), or with something left over (stuck).",
    {"result": ROLLBACKS},
)
WORKERS: Final = Series("reconcile_active_workers", "gauge", "Workers that have a tenant in hand.")
DEPTH: Final = Series("reconcile_workqueue_depth", "gauge", "Tenants that wait for a worker.", {"lane": LANES})
ADDS: Final = Series(
    "reconcile_workqueue_adds_total", "counter", "Tenants that were put into the queue.", {"lane": LANES}
)
RETRIES: Final = Series(
    "reconcile_workqueue_retries_total", "counter", "Tenants that failed and were put back to be tried again."
)
QUEUED: Final = Series(
    "reconcile_workqueue_queue_duration_seconds",
    "histogram",
    "How long a tenant waited for a worker since it was due.",
    buckets=_WAIT,
)
WORKED: Final = Series(
    "reconcile_workqueue_work_duration_seconds",
    "histogram",
    "How long a worker had a tenant in hand, whatever came of it.",
    buckets=_WORK,
)
LONGEST: Final = Series(
    "reconcile_workqueue_longest_running_seconds",
    "gauge",
    "For how long the tenant that takes longest has been in hand; 0 if none is.",
)
LEADER: Final = Series("reconcile_leader", "gauge", "1 if this daemon leads, 0 if it stands by.")
FETCHED: Final = Series(
    "reconcile_git_fetch_total",
    "counter",
    "Looks at the source, git or a folder: something new, nothing new, or the error's code.",
    {"result": FETCHES},
)
AGE: Final = Series(
    "reconcile_source_revision_age_seconds",
    "gauge",
    "Seconds since the source was last seen to be at the revision that is applied; NaN before the first look.",
)
CHANGES: Final = Series(
    "reconcile_plan_changes",
    "gauge",
    "Tenants of the newest plan, by what it would do with them.",
    {"action": plan.SUMMARY_ORDER},
)
HELD: Final = Series(
    "reconcile_deletion_blocked_total",
    "counter",
    "Deletions that a guard held back; one that stays held back counts once.",
)
TENANT: Final = Series(
    "reconcile_tenant_info",
    "info",
    "A tenant that is on record: its condition Ready with its reason, and the revision applied last; the value is 1.",
    {"tenant": (), "product": (), "ready": ("True", "False", "Unknown"), "reason": (), "revision": ()},
)
DRIFTED: Final = Series(
    "reconcile_tenant_drifted", "gauge", "1 while a tenant has the condition Drifted, otherwise 0.", {"tenant": ()}
)

ALL: Final = (
    *(BUILD, LEADER, AGE, FETCHED),
    *(ENDED, ERRORS, DURATION, ROLLED_BACK, CHANGES, HELD),
    *(WORKERS, DEPTH, ADDS, RETRIES, QUEUED, WORKED, LONGEST),
    *(TENANT, DRIFTED),
)

_TITLE: Final = """\
# Metrics

<!-- Made from reconciler/daemon/series.py by `python -m reconciler.cli.reference docs schemas`; a test fails when it
     is stale. -->

`reconcile daemon --listen HOST:PORT` serves `GET /metrics` in Prometheus' text format. Every label with a fixed set of
values is there from the start, at 0, so that `rate()` misses no first event. A tenant that is gone takes its series
with it. No metric holds a secret.
"""

_ALERTS: Final = """\
## Worth an alert

| when | because |
|---|---|
| `sum(reconcile_leader) != 1` for 2 min | no daemon leads, or each of two believes that it does |
| `reconcile_source_revision_age_seconds > 600` | the source can't be read, or is not trusted: nothing new is applied |
| `increase(reconcile_rollback_total{result="stuck"}[15m]) > 0` | a rollback left something over; a person is needed |
| `count(reconcile_tenant_info{ready="False", reason!="Trashed"}) > 0` for 15 min | a tenant is not as its spec says |
| `reconcile_workqueue_longest_running_seconds > 900` | a worker hangs |
| `increase(reconcile_deletion_blocked_total[1h]) > 0` | more is about to be deleted than the guards allow |
"""


def markdown() -> str:
    """docs/metrics.md."""
    rows = ["| name | type | labels | |", "|---|---|---|---|"]
    rows += [
        f"| `{one.name}` | {one.kind} | {', '.join(f'`{label}`' for label in one.labels)} | {one.doc} |" for one in ALL
    ]
    values = ["## Values of labels", "", "| name | label | values |", "|---|---|---|"]
    values += [
        f"| `{one.name}` | `{label}` | {_listed(known)} |"
        for one in ALL
        for label, known in one.labels.items()
        if known
    ]
    buckets = ["## Buckets", "", "| name | upper bounds in seconds, and `+Inf` |", "|---|---|"]
    buckets += [f"| `{one.name}` | {', '.join(f'{bound:g}' for bound in one.buckets)} |" for one in ALL if one.buckets]
    return "\n".join([_TITLE, *rows, "", *values, "", *buckets, "", _ALERTS])


def _listed(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)
