"""What a plan only reports is said in every format, and makes no plan less empty."""

from __future__ import annotations

import dataclasses

from reconciler.model.plan import Action, Plan, Report, TenantPlan
from reconciler.report import data, findings, markdown, plan, styled
from tests.report import samples

QUIET = TenantPlan(
    "clinica-sol",
    "agenda-ia",
    Action.UNCHANGED,
    where=samples.CREATE.where,
    reports=(Report("table-added", f"table or view {samples.HOSTILE} was added"),),
)
PLAN: Plan = dataclasses.replace(samples.IN_SYNC, tenants=(QUIET, *samples.IN_SYNC.tenants))


def test_a_report_leaves_a_plan_empty_and_its_fingerprint_as_it_is() -> None:
    assert PLAN.empty
    assert PLAN.summary["unchanged"] == 2
    assert QUIET.fingerprint == dataclasses.replace(QUIET, reports=()).fingerprint


def test_the_text_names_the_tenant_and_the_class() -> None:
    shown = [styled.flat(line) for line in plan.lines(PLAN)]
    assert any("clinica-sol" in line and "unchanged" in line for line in shown)
    assert any("= table-added: table or view" in line for line in shown)
    assert "nothing to do" in shown[-1]


def test_json_has_code_and_message() -> None:
    assert data.tenant(QUIET)["reports"] == [{"code": "table-added", "message": QUIET.reports[0].message}]


def test_a_comment_lists_it_as_harmless_text() -> None:
    comment = markdown.render(PLAN)
    assert "1 reported" in comment
    assert "**left as it is** <code>table-added</code>" in comment
    assert "\x1b" not in comment


def test_ci_gets_it_as_a_note() -> None:
    (found,) = findings.of_plan(PLAN)
    assert (found.level, found.rule.id, found.subject) == (findings.Level.NOTE, "left-as-it-is", "clinica-sol")
    assert found.lines[0].startswith("table-added: table or view")
