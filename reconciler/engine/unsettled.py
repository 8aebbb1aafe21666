"""What a plan says of transactions that have not ended: somebody is at work, a process died, or an undo is stuck."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Final

import sqlalchemy as sa

from reconciler import errors
from reconciler.engine.setting import Setting
from reconciler.model import plan as plans
from reconciler.model.states import TransactionState
from reconciler.ports import process
from reconciler.ports.store import journal, tables

_ID: Final = 8
"""So much of a transaction's id tells it from the others, for people."""


def transactions(setting: Setting, chosen: Collection[str]) -> list[journal.Transaction]:
    """The tenants' transactions that have not ended, of all or of the ``chosen``; none in a snapshot."""
    if setting.store is None:
        return []
    found = setting.store.read(lambda connection: journal.unsettled(connection, chosen or None))
    return [entry for entry in found if not entry.tenant.startswith("@")]


def said(
    setting: Setting,
    planned: Sequence[plans.TenantPlan],
    found: Sequence[journal.Transaction],
    chosen: Collection[str] = (),
) -> list[plans.TenantPlan]:
    """The plans, each with what it has to say of its tenant's transactions.

    Of a tenant that nobody knows, it is said that one is stuck, or was left behind by a process that died. One that is
    being made, from specs that are not these, is not spoken of unless it is ``chosen``.
    """
    by_tenant = {entry.tenant: entry for entry in found}
    plans_of = [_with(entry, by_tenant.pop(entry.tenant, None)) for entry in planned]
    stuck = {name for name, entry in by_tenant.items() if entry.state is TransactionState.STUCK}
    spoken_of = {*stuck, *chosen, *_left_behind(setting, by_tenant.keys() - stuck)}
    return plans_of + [
        _with(plans.TenantPlan(name, "", plans.Action.UNCHANGED), entry)
        for name, entry in by_tenant.items()
        if name in spoken_of
    ]


def _left_behind(setting: Setting, tenants: Collection[str]) -> set[str]:
    """Those of the tenants whose lease was given back, or was held by a process that is seen to be dead."""
    if setting.store is None or not tenants:
        return set()
    columns = tables.leases.c
    query = sa.select(columns.tenant, columns.holder).where(columns.tenant.in_(sorted(tenants)))
    rows = setting.store.read(lambda connection: connection.execute(query).all())
    holders = {str(row.tenant): row.holder and process.Process(**json.loads(row.holder)) for row in rows}
    return {
        name
        for name, holder in holders.items()
        if holder is None or (process.near(holder) and not process.alive(holder))
    }


def stuck(entry: plans.TenantPlan) -> bool:
    """Whether a stuck transaction is in the tenant's way."""
    return any(blocker.code == errors.Stuck.code for blocker in entry.blockers)


def settleable(entry: plans.TenantPlan) -> bool:
    """Whether nothing but a stuck transaction is in the tenant's way, which an apply tries to settle first."""
    return bool(entry.blockers) and all(blocker.code == errors.Stuck.code for blocker in entry.blockers)


def without(entry: plans.TenantPlan) -> plans.TenantPlan:
    """The plan without the blockers that are gone when its tenant's transactions are settled."""
    return replace(entry, blockers=tuple(one for one in entry.blockers if one.code != errors.Stuck.code))


def _with(planned: plans.TenantPlan, entry: journal.Transaction | None) -> plans.TenantPlan:
    if entry is None:
        return planned
    what = f"the transaction {entry.id[:_ID]} of {entry.started_at}"
    if entry.state is TransactionState.STUCK:
        blocker = plans.Blocker(
            errors.Stuck.code,
            f"{what} could not be undone in full, and what is left over of it comes first",
            f"`reconcile show {entry.id[:_ID]}` lists what is left over. Clear it, then run `reconcile recover`.",
            planned.where,
        )
        return replace(planned, action=plans.Action.BLOCKED, blockers=(blocker, *planned.blockers))
    report = plans.Report(
        plans.OPEN,
        f"{what} by {entry.actor} has not ended: unless somebody still works on the tenant, `reconcile recover` or the "
        "next apply settles it first",
    )
    return replace(planned, reports=(*planned.reports, report))
