"""Plans and outcomes for programs. The shapes are public: ``formatVersion`` grows with any change that breaks one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from reconciler import errors
from reconciler.model import plan as plans
from reconciler.model.change import Change
from reconciler.model.outcome import Outcome

FORMAT: Final = 1

# What JSON may hold as it is and a terminal must not get: C1 controls, marks of direction, halves of pairs.
_UNSAFE = re.compile("[\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]")


def text(data: Mapping[str, Any]) -> str:
    """The data as JSON that a person can read too, ended by a newline."""
    written = json.dumps(data, indent=2, ensure_ascii=False)
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", written) + "\n"


def plan(found: plans.Plan) -> dict[str, Any]:
    """``reconcile plan --format json``."""
    return {
        "formatVersion": FORMAT,
        "revision": found.revision,
        "createdAt": found.created_at,
        "deep": found.deep,
        "snapshot": None
        if found.snapshot is None
        else {"createdAt": found.snapshot.created_at, "ageSeconds": max(0, found.snapshot.age)},
        "fingerprint": found.fingerprint,
        "summary": found.summary,
        "platform": [change(entry) for entry in found.platform],
        "tenants": [tenant(entry) for entry in found.tenants],
    }


def tenant(found: plans.TenantPlan) -> dict[str, Any]:
    """One tenant of a plan. ``where``, and a blocker's ``advice`` and ``where``, are null where there is none."""
    return {
        "tenant": found.tenant,
        "product": found.product,
        "action": found.action.value,
        "fingerprint": found.fingerprint,
        "where": place(found.where),
        "changes": [change(entry) for entry in found.changes],
        "unknown": [{"what": entry.what, "privilege": entry.privilege} for entry in found.unknown],
        "reports": [{"code": entry.code, "message": entry.message} for entry in found.reports],
        "blockers": [
            {
                "code": entry.code,
                "message": entry.message,
                "advice": entry.advice or None,
                "where": place(entry.where),
            }
            for entry in found.blockers
        ],
    }


def change(found: Change) -> dict[str, Any]:
    """One change of a plan. ``details`` are the fields that change, in words."""
    return {
        "step": found.step,
        "resource": found.resource,
        "name": found.name,
        "action": found.action,
        "summary": found.summary,
        "reason": found.reason,
        "undo": found.undo,
        "details": [{"field": name, "from": old, "to": new} for name, old, new in found.details],
    }


def outcomes(found: Iterable[Outcome]) -> dict[str, Any]:
    """``reconcile apply --format json``, and ``recover``."""
    return {"formatVersion": FORMAT, "outcomes": [_outcome(entry) for entry in found]}


def faults(found: Iterable[errors.Fault]) -> dict[str, Any]:
    """``reconcile validate --format json``."""
    listed = [
        {
            "where": place(entry.where),
            "message": entry.message,
            "rule": entry.rule,
            "hint": entry.hint or None,
            "tenant": entry.tenant or None,
        }
        for entry in found
    ]
    return {"formatVersion": FORMAT, "valid": not listed, "faults": listed}


def place(where: errors.Where | None) -> dict[str, Any] | None:
    """A place in a file; ``line`` and ``column`` are null where only the file is known."""
    if where is None or not where.file:
        return None
    return {"file": where.file, "line": where.line or None, "column": where.column or None}


def _outcome(found: Outcome) -> dict[str, Any]:
    failure = found.failure
    return {
        "tenant": found.tenant,
        "outcome": found.result.value,
        "transaction": found.transaction or None,
        "seconds": round(found.seconds, 3),
        "error": None
        if failure is None
        else {
            "code": failure.code,
            "step": failure.step or None,
            "message": failure.message,
            "advice": failure.advice or None,
        },
        "leftovers": [
            {"resource": left.resource, "name": left.name, "reason": left.reason, "clear": left.clear or None}
            for left in found.leftovers
        ],
    }
