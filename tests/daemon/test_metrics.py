"""What ``/metrics`` says."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace

import prometheus_client
import pytest
from prometheus_client.parser import text_string_to_metric_families

from reconciler import errors
from reconciler.daemon import series
from reconciler.daemon.backoff import Backoff
from reconciler.daemon.lanes import Lane
from reconciler.daemon.metrics import Metrics
from reconciler.daemon.queue import Observer, Queue
from reconciler.engine.conditions import Status
from reconciler.model.outcome import Failure, Outcome, Result
from reconciler.model.plan import Action, Blocker, Plan, TenantPlan
from reconciler.model.standing import Condition

REVISION = "main@sha1:" + "a" * 40


def read(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample of a scrape by its name and labels."""
    families = text_string_to_metric_families(metrics.scrape().decode())
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return read(metrics).get((name, tuple(sorted(labels.items()))))


def status(tenant: str, ready: str = "True", reason: str = "ReconciliationSucceeded", *more: str) -> Status:
    found = (Condition("Ready", ready, reason, "words"), *(Condition(kind, "True", kind, "words") for kind in more))
    return Status(tenant, "agenda-ia", "active", REVISION, found)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics("1.2.3")


def test_a_scrape_has_every_series_that_is_drawn_and_no_other(metrics: Metrics) -> None:
    metrics.tenants([status("clinica-sol")])
    kinds = {}
    for line in metrics.scrape().decode().splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            kinds[name] = kind
    assert kinds == {one.name: {"info": "gauge"}.get(one.kind, one.kind) for one in series.ALL}


def test_every_value_of_every_label_is_there_before_the_first_event(metrics: Metrics) -> None:
    there = read(metrics)
    for one in series.ALL:
        for label, known in one.labels.items():
            for word in known:
                if one is not series.TENANT:
                    assert there[one.name, ((label, word),)] == 0


def test_no_histogram_has_a_label(metrics: Metrics) -> None:
    assert [one.name for one in series.ALL if one.kind == "histogram" and one.labels] == []


def test_names_follow_the_conventions() -> None:
    for one in series.ALL:
        assert one.name.startswith("reconcile_")
        assert one.name.endswith("_total") == (one.kind == "counter")
        assert one.name.endswith("_seconds") == bool(one.buckets) or one.kind == "gauge"


def test_nothing_is_added_to_the_registry_of_the_process(metrics: Metrics) -> None:
    assert "reconcile" not in prometheus_client.generate_latest().decode()
    assert Metrics("another").scrape() != metrics.scrape()


def test_no_series_says_when_it_was_made(metrics: Metrics) -> None:
    assert b"_created" not in metrics.scrape()


def test_an_outcome_is_counted_with_its_time_and_its_error(metrics: Metrics) -> None:
    failure = Failure(errors.ScriptFailed.code, "schema", "no such column")
    metrics.ended(Outcome("a", Result.APPLIED, "1", 0.3))
    metrics.ended(Outcome("b", Result.ROLLED_BACK, "2", 3.0, failure))
    metrics.ended(Outcome("c", Result.STUCK, "3", 700.0, failure))
    metrics.ended(Outcome("d", Result.SKIPPED))
    assert value(metrics, "reconcile_total", result="applied") == 1
    assert value(metrics, "reconcile_total", result="skipped") == 1
    assert value(metrics, "reconcile_errors_total", **{"class": "script-failed"}) == 2
    assert value(metrics, "reconcile_rollback_total", result="rolled-back") == 1
    assert value(metrics, "reconcile_rollback_total", result="stuck") == 1
    assert value(metrics, "reconcile_duration_seconds_count") == 3
    assert value(metrics, "reconcile_duration_seconds_sum") == pytest.approx(703.3)
    assert value(metrics, "reconcile_duration_seconds_bucket", le="600.0") == 2


def test_looks_at_the_source_are_counted_by_what_came_of_them(metrics: Metrics) -> None:
    metrics.fetched("new")
    metrics.fetched(errors.HistoryRewritten.code)
    assert value(metrics, "reconcile_git_fetch_total", result="new") == 1
    assert value(metrics, "reconcile_git_fetch_total", result="history-rewritten") == 1


def test_an_error_of_the_daemon_itself_is_counted(metrics: Metrics) -> None:
    metrics.failed(errors.StoreFailed.code)
    assert value(metrics, "reconcile_errors_total", **{"class": "store-failed"}) == 1


def plan(*tenants: TenantPlan) -> Plan:
    return Plan(REVISION, "2027-01-31T12:00:00.000000Z", deep=False, tenants=tenants)


def test_the_newest_plan_is_shown_by_action(metrics: Metrics) -> None:
    metrics.planned(plan(TenantPlan("a", "agenda-ia", Action.CREATE), TenantPlan("b", "agenda-ia", Action.UNCHANGED)))
    metrics.planned(plan(TenantPlan("a", "agenda-ia", Action.UPDATE)))
    assert value(metrics, "reconcile_plan_changes", action="update") == 1
    assert value(metrics, "reconcile_plan_changes", action="create") == 0
    assert value(metrics, "reconcile_plan_changes", action="unchanged") == 0


def test_a_deletion_that_stays_held_back_counts_once(metrics: Metrics) -> None:
    held = TenantPlan("a", "agenda-ia", Action.BLOCKED, blockers=(Blocker(errors.GuardRefused.code, "too many"),))
    foreign = TenantPlan("b", "agenda-ia", Action.BLOCKED, blockers=(Blocker(errors.ForeignObject.code, "foreign"),))
    for _ in range(3):
        metrics.planned(plan(held, foreign))
    assert value(metrics, "reconcile_deletion_blocked_total") == 1
    metrics.planned(plan(replace(held, action=Action.TRASH, blockers=())))
    metrics.planned(plan(held))
    assert value(metrics, "reconcile_deletion_blocked_total") == 2


def test_leading_is_shown(metrics: Metrics) -> None:
    assert value(metrics, "reconcile_leader") == 0
    metrics.leading(True)
    assert value(metrics, "reconcile_leader") == 1
    metrics.leading(False)
    assert value(metrics, "reconcile_leader") == 0


def test_a_tenant_is_shown_with_its_condition_and_its_drift(metrics: Metrics) -> None:
    metrics.tenants([status("sol"), status("luna", "False", "RolledBack", "Stalled", "Drifted")])
    known = {"product": "agenda-ia", "revision": REVISION}
    assert value(
        metrics, "reconcile_tenant_info", tenant="sol", ready="True", reason="ReconciliationSucceeded", **known
    )
    assert value(metrics, "reconcile_tenant_info", tenant="luna", ready="False", reason="RolledBack", **known) == 1
    assert value(metrics, "reconcile_tenant_drifted", tenant="sol") == 0
    assert value(metrics, "reconcile_tenant_drifted", tenant="luna") == 1


def test_a_tenant_that_is_gone_takes_its_series_with_it(metrics: Metrics) -> None:
    metrics.tenants([status("sol"), status("luna")])
    assert b"luna" in metrics.scrape()
    metrics.tenants([status("sol", "False")])
    assert b"luna" not in metrics.scrape()
    assert b'ready="True"' not in metrics.scrape()
    metrics.tenants([])
    assert b'tenant="' not in metrics.scrape()


def test_values_from_outside_cannot_break_a_line(metrics: Metrics) -> None:
    metrics.tenants([replace(status("sol"), revision='a"b\\c\nd')])
    assert ("tenant", "sol") in next(
        labels
        for name, labels in read(metrics)
        if name == "reconcile_tenant_info" and ("revision", 'a"b\\c\nd') in labels
    )


def test_the_queue_is_asked_at_a_scrape_and_heard_between(metrics: Metrics) -> None:
    now = 100.0
    observer: Observer = metrics
    queue = Queue(Backoff(2, 900, lambda low, high: high), 4, monotonic=lambda: now, observer=observer)
    metrics.watch(queue.statistics, lambda: 12.5)
    queue.add("a")
    queue.add("b", Lane.BACKGROUND)
    now += 2
    assert queue.get(0) == "a"
    now += 7
    assert value(metrics, "reconcile_workqueue_depth", lane="background") == 1
    assert value(metrics, "reconcile_workqueue_depth", lane="fresh") == 0
    assert value(metrics, "reconcile_workqueue_adds_total", lane="fresh") == 1
    assert value(metrics, "reconcile_active_workers") == 1
    assert value(metrics, "reconcile_workqueue_longest_running_seconds") == 7
    assert value(metrics, "reconcile_workqueue_queue_duration_seconds_sum") == 2
    assert value(metrics, "reconcile_source_revision_age_seconds") == 12.5
    queue.retry("a")
    queue.done("a")
    assert value(metrics, "reconcile_workqueue_retries_total") == 1
    assert value(metrics, "reconcile_workqueue_work_duration_seconds_sum") == 7
    assert value(metrics, "reconcile_active_workers") == 0


def test_ten_thousand_tenants_are_scraped_in_no_time(metrics: Metrics) -> None:
    def all_of_them(ready: str) -> list[Status]:
        return [status(f"tenant-{number}", ready) for number in range(10_000)]

    metrics.tenants(all_of_them("True"))
    before = time.thread_time()
    first = metrics.scrape()
    assert time.thread_time() - before < 2  # twenty times what it takes: nothing in it grows with the square
    metrics.tenants(all_of_them("True"))
    before = time.thread_time()
    assert metrics.scrape() == first
    assert time.thread_time() - before < 0.2  # nothing changed, so nothing is written anew
    metrics.tenants(all_of_them("False"))
    assert metrics.scrape().count(b'ready="False"') == 10_000


def test_the_rest_of_the_program_loads_neither_metrics_nor_logs() -> None:
    code = (
        "import sys, reconciler.cli.ending, reconciler.cli.apply, reconciler.cli.plan, reconciler.cli.reference;"
        "sys.exit(' '.join({'prometheus_client', 'structlog'} & set(sys.modules)) or 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
