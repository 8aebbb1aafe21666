from __future__ import annotations

import dataclasses
import json

import pytest

from reconciler import errors
from reconciler.model.plan import Action, Plan
from reconciler.report import data, plan, styled
from tests.report import samples


@pytest.mark.parametrize(("name", "found"), [("plan.txt", samples.PLAN), ("plan-in-sync.txt", samples.IN_SYNC)])
def test_a_plan_reads_as_in_its_golden_file(name: str, found: Plan) -> None:
    assert styled.plain(plan.lines(found)) == samples.golden(name)


def test_the_json_of_a_plan_is_as_in_its_golden_file() -> None:
    assert data.text(data.plan(samples.PLAN)) == samples.golden("plan.json")


def test_a_plan_for_programs_has_the_keys_of_the_contract() -> None:
    found = data.plan(samples.PLAN)
    members = {"formatVersion", "revision", "createdAt", "deep", "snapshot", "fingerprint", "summary", "platform"}
    assert {*members, "tenants"} == set(found)
    assert list(found["summary"]) == [
        "create",
        "update",
        "repair",
        "trash",
        "restore",
        "adopt",
        "unchanged",
        "orphaned",
        "blocked",
    ]
    tenant = found["tenants"][2]
    assert {"tenant", "product", "action", "fingerprint", "changes", "unknown", "blockers"} <= set(tenant)
    assert {"step", "resource", "name", "action", "summary", "reason", "undo"} <= set(tenant["changes"][0])
    assert tenant["unknown"] == [{"what": "the triggers of agenda_clinica_sol", "privilege": "TRIGGER"}]
    assert {"code", "message"} <= set(found["tenants"][0]["blockers"][0])


@pytest.mark.parametrize("action", Action)
def test_every_action_has_a_sign_and_a_word_in_the_summary(action: Action) -> None:
    tenant = dataclasses.replace(samples.CREATE, action=action)
    found = dataclasses.replace(samples.PLAN, tenants=(tenant,))
    assert action.value in plan.SIGNS
    assert f"1 {plan.COUNTED[action.value]}" in styled.flat(plan.summary(found))


def test_what_came_from_outside_moves_no_cursor() -> None:
    change = samples.change("database", "create", samples.HOSTILE, details=((samples.HOSTILE,) * 3,))
    tenant = dataclasses.replace(samples.CREATE, tenant=samples.HOSTILE, changes=(change,))
    found = dataclasses.replace(samples.PLAN, tenants=(tenant,))
    for text in (styled.plain(plan.lines(found)), data.text(data.plan(found))):
        assert not {"\x1b", "\u202e", "\x9b"} & set(text)
    assert json.loads(data.text(data.plan(found)))["tenants"][0]["tenant"] == samples.HOSTILE


def test_a_line_stays_one_line_whatever_is_in_it() -> None:
    assert styled.flat(styled.line("one\ntwo\tthree")) == "one two three"


def test_a_tenant_without_a_spec_has_no_place() -> None:
    gone = dataclasses.replace(samples.CREATE, where=errors.Where(""))
    shown = styled.plain(plan.lines(dataclasses.replace(samples.PLAN, tenants=(gone,))))
    assert "()" not in shown
