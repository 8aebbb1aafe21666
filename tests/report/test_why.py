from __future__ import annotations

import dataclasses

import pytest

from reconciler.engine.conditions import Status
from reconciler.engine.why import Failed, Way, Why
from reconciler.errors import Fault, Where
from reconciler.model.outcome import Leftover
from reconciler.model.standing import Condition, Hold
from reconciler.model.states import TransactionState
from reconciler.ports import mirror
from reconciler.report import data, styled, why
from tests.report import samples
from tests.report.test_tenants import AT, HOLD, READY, RETRIED, REVISION, STANDING

COMMIT = mirror.Commit("d" * 40, "Ana Ruiz <ana@example.com>", "2027-01-31T11:00:00+01:00", "Add clinica-sol")
IN_SYNC = Why(
    status=Status("clinica-sol", "agenda-ia", "active", REVISION, (READY,), history=(samples.head(),)),
    summary="it is in sync, as far as the store knows: transaction 1f0c33aa was the last",
    in_sync=True,
    place=Where("specs/tenants/clinica-sol.yaml", 1, 1),
    commit=COMMIT,
    faults=(),
    failed=None,
    undone=(),
    leftovers=(),
    over=(),
    paused=None,
    source=(),
    ways=(Way("look at the server itself", "reconcile plan --tenant clinica-sol --deep"),),
)
STUCK = Condition("RollbackFailed", "True", "RollbackFailed", "`reconcile show 1f0c33aa` lists what is left over", AT)
WORST = dataclasses.replace(
    IN_SYNC,
    status=Status(
        "reintento",
        "agenda-ia",
        "active",
        REVISION,
        (dataclasses.replace(READY, status="False", reason="RollbackFailed"), RETRIED, STUCK),
        dataclasses.replace(STANDING),
        (samples.head(TransactionState.STUCK, tenant="reintento"),),
    ),
    summary="`reconcile show 1f0c33aa` lists what is left over",
    in_sync=False,
    commit=mirror.Commit("e" * 40, "Eva Gil", "", ""),
    faults=(Fault(Where("specs/tenants/reintento.yaml", 9, 3), "unknown key plna", rule="unknown-key", hint="plan?"),),
    failed=Failed("schema", "the server refused it", "script-failed", "specs/products/agenda-ia/schema/0002.sql:7:1"),
    undone=tuple(f"schema: table {number}" for number in range(12)),
    leftovers=(Leftover("database", "main/agenda_reintento", "it has lost its mark", "DROP DATABASE x;"),),
    over=(HOLD,),
    paused=Hold("@all", "eva", "moving the server", since=AT),
    source=(Condition("FetchFailed", "True", "SourceFailed", "the remote does not answer", AT),),
    ways=(Way("clear database main/agenda_reintento: DROP DATABASE x;"), Way("settle it", "reconcile recover")),
)


@pytest.mark.parametrize(("name", "found"), [("in-sync", IN_SYNC), ("worst", WORST)])
def test_why_reads_as_in_its_golden_files(name: str, found: Why) -> None:
    assert styled.plain(why.lines(found)) == samples.golden(f"why-{name}.txt")
    assert data.text(why.data(found)) == samples.golden(f"why-{name}.json")


def test_what_others_wrote_moves_no_cursor() -> None:
    evil = dataclasses.replace(
        WORST, summary=samples.HOSTILE, commit=mirror.Commit("e" * 40, samples.HOSTILE, "", samples.HOSTILE)
    )
    assert not {"\x1b", "\u202e", "\x9b"} & set(styled.plain(why.lines(evil)))
