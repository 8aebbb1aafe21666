"""Plans, outcomes and a journal made by hand, with something of everything that a renderer meets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from reconciler.errors import Where
from reconciler.model.change import Change
from reconciler.model.outcome import Failure, Leftover, Outcome, Result
from reconciler.model.plan import Action, Blocker, Plan, TenantPlan, Unknown
from reconciler.model.states import TransactionState
from reconciler.ports.store import journal

GOLDEN = Path(__file__).parent / "golden"
HOSTILE = "evil\x1b[31m\u202ename\nand\x9bmore"


def golden(name: str) -> str:
    return (GOLDEN / name).read_text(encoding="utf-8")


def change(step: str, action: str, summary: str, **more: Any) -> Change:
    known: dict[str, Any] = {
        "resource": step,
        "name": "x",
        "before": None,
        "after": None,
        "reason": "there is none yet",
        "undo": "take it away",
    }
    return Change(step=step, action=action, summary=summary, **{**known, **more})


CREATE = TenantPlan(
    "clinica-sol",
    "agenda-ia",
    Action.CREATE,
    changes=(
        change("database", "create", "create database agenda_clinica_sol on main"),
        change("accounts", "create", "create account agenda_clinica_sol_app@%"),
        change("accounts", "update", "grant SELECT", details=(("agenda\\_clinica\\_sol.*", "", "+SELECT"),)),
        change("activation", "verify", "log in as agenda_clinica_sol_app", undo="nothing to undo"),
    ),
    unknown=(Unknown("the triggers of agenda_clinica_sol", "TRIGGER"),),
    where=Where("specs/tenants/clinica-sol.yaml", 3, 1),
)
REPAIR = TenantPlan(
    "clinica-luna",
    "agenda-ia",
    Action.REPAIR,
    changes=(change("delivery", "repair", "write .env again", reason="its mode is 0644", undo="put the old one back"),),
    where=Where("specs/tenants/clinica-luna.yaml", 1, 1),
)
BLOCKED = TenantPlan(
    "abarrotes-lupita",
    "pos-tree-codes",
    Action.BLOCKED,
    blockers=(
        Blocker("foreign", "the database pos_abarrotes_lupita exists and is not ours", "Rename the tenant."),
        Blocker(
            "forbidden-change",
            "the server can't change from main to other",
            "Put the old value back.",
            Where("specs/tenants/abarrotes-lupita.yaml", 9, 11),
        ),
    ),
    where=Where("specs/tenants/abarrotes-lupita.yaml", 2, 1),
)
PLAN = Plan(
    revision="main@sha1:" + "a" * 40,
    created_at="2027-01-31T12:00:00.000000Z",
    deep=False,
    tenants=(
        BLOCKED,
        REPAIR,
        CREATE,
        TenantPlan("en-orden", "agenda-ia", Action.UNCHANGED),
        TenantPlan("huerfano", "agenda-ia", Action.ORPHANED),
    ),
    platform=(change("platform", "create", "make the state store sqlite:///state/reconcile.db"),),
)
IN_SYNC = Plan(
    revision="main@sha1:" + "a" * 40,
    created_at="2027-01-31T12:00:00.000000Z",
    deep=False,
    tenants=(
        TenantPlan("en-orden", "agenda-ia", Action.UNCHANGED),
        TenantPlan("huerfano", "agenda-ia", Action.ORPHANED),
    ),
)
OUTCOMES = [
    Outcome("clinica-sol", Result.APPLIED, "1f0c33aa5b6d4e0f9a8b7c6d5e4f3a2b", 1.234),
    Outcome("en-orden", Result.UNCHANGED),
    Outcome(
        "clinica-luna",
        Result.ROLLED_BACK,
        "2f0c33aa5b6d4e0f9a8b7c6d5e4f3a2b",
        2.5,
        Failure("script-failed", "schema", "0002.sql:7: no such column x", "Mend the SQL file.", 6),
    ),
    Outcome(
        "abarrotes-lupita",
        Result.STUCK,
        "3f0c33aa5b6d4e0f9a8b7c6d5e4f3a2b",
        61.0,
        Failure("connection-lost", "accounts", "server main went away", "Check the server's log.", 6),
        (Leftover("database", "main/pos_abarrotes_lupita", "not undone: server main went away", "DROP DATABASE x;"),),
    ),
    Outcome("tarde", Result.SKIPPED),
]


def head(state: TransactionState = TransactionState.COMMITTED, **more: Any) -> journal.Transaction:
    known: dict[str, Any] = {
        "id": "1f0c33aa5b6d4e0f9a8b7c6d5e4f3a2b",
        "tenant": "clinica-sol",
        "action": "create",
        "token": 1,
        "actor": "ana@host",
        "revision": "main@sha1:" + "a" * 40,
        "started_at": "2027-01-31T12:00:00.000000Z",
        "ended_at": "2027-01-31T12:00:01.250000Z",
    }
    return journal.Transaction(state=state, **{**known, **more})


def entry(number: int, kind: str, body: dict[str, Any]) -> journal.Entry:
    at = f"2027-01-31T12:00:0{number}.000000Z"
    actor = "ana@host" if number < 3 else "eva@host"
    said = json.loads(json.dumps(body))
    return journal.Entry(number, kind, "one", "main@sha1:0", actor, 1, at, said, "0" * 64, f"{number:x}" * 64)


BEGIN = entry(1, "begin", {"changes": [found.as_data() for found in CREATE.changes], "product": "agenda-ia"})
COMMITTED = [BEGIN, entry(2, "committed", {"facts": {}, "tokens": {}, "seconds": [0.01, 0.5, 0.02, 0.1]})]
STUCK = [
    BEGIN,
    entry(2, "undoing", {"reason": "accounts: server main went away"}),
    entry(
        3,
        "stuck",
        {
            "undone": ["accounts: create account agenda_clinica_sol_app@%"],
            "leftovers": [["database", "main/agenda_clinica_sol", "it has lost its mark", "DROP DATABASE x;"]],
        },
    ),
]
