"""Tenants whose spec is gone, and tenants in the trash: who goes, who is held, and as what they are worked on."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from reconciler import errors
from reconciler.engine import guard, planner
from reconciler.engine.setting import Setting
from reconciler.model import plan as plans
from reconciler.model.goal import Goal
from reconciler.model.record import Record
from reconciler.model.states import TenantState
from reconciler.model.tenant import Tenant
from reconciler.ports.store import records

HOLD = "hold"
"""The fact of a tenant that was taken out of the trash although no spec asks for it: it is not trashed again."""


def trashed(record: Record) -> bool:
    """Whether the tenant is in the trash."""
    return record.state == TenantState.TRASHED


def tenant_of(setting: Setting, record: Record, goal: Goal) -> Tenant[Any, Any]:
    """A tenant without a spec, as its record and today's catalogue have it; ``goal`` is what is wanted of it.

    Errors: ``GuardRefused`` where its product, catalogue or server is no longer there.
    """
    product = setting.products.get(record.product)
    catalogue = product.catalogue(setting.specs) if product else None
    server = setting.servers.get(record.server)
    if product is None or catalogue is None or server is None:
        gone = f"server {record.server}" if server is None else f"product {record.product}"
        raise errors.GuardRefused(
            f"tenant {record.tenant} can't be worked on: its {gone} is no longer in the specs",
            advice=f"Put the {gone.split()[0]}'s document back under specs/.",
        )
    return Tenant(
        name=record.tenant,
        product=record.product,
        root=setting.root,
        server=replace(server, client_host=record.client_host),
        database=record.database,
        spec=product.tenant_kind.build(record.spec),
        catalogue=catalogue.spec,
        data=record.spec,
        where=errors.Where(""),
        goal=goal,
    )


def leaving(
    setting: Setting, known: Mapping[str, Record], chosen: Collection[str], *, allowed: int | None
) -> tuple[list[Tenant[Any, Any]], list[plans.TenantPlan]]:
    """The tenants that are to go to the trash, and the plans of those without a spec that stay or are held; of all, or
    of those that are ``chosen``.
    """
    present = {document.name for document in setting.specs.tenants}
    gone = [record for name, record in known.items() if name not in present and not trashed(record)]
    if not setting.platform.guards.prune:
        return [], [_orphan(record) for record in gone if not chosen or record.tenant in chosen]
    held = [record for record in gone if HOLD in record.facts]
    going = [record for record in gone if HOLD not in record.facts]
    staying = {name for name, record in known.items() if not trashed(record)} - {record.tenant for record in going}
    # All that are gone count, whichever are chosen: else they could be let go one by one.
    refused = guard.refusals([r.tenant for r in going], staying, setting.platform.guards, allowed=allowed)
    going, held = ([r for r in found if not chosen or r.tenant in chosen] for found in (going, held))
    tenants, others = [], [_orphan(record) for record in held]
    for record in going:
        try:
            if record.tenant in refused:
                raise errors.GuardRefused(refused[record.tenant])
            tenants.append(tenant_of(setting, record, Goal.TRASHED))
        except errors.GuardRefused as error:
            others.append(planner.refused(record.tenant, record.product, error))
    return tenants, others


def release(setting: Setting, known: Mapping[str, Record]) -> None:
    """Let go of tenants that were held against git and whose spec is there again: from now on it counts."""
    present = {document.name for document in setting.specs.tenants}
    back = [name for name, record in known.items() if HOLD in record.facts and name in present]

    def write(connection: sa.Connection) -> None:
        for record in records.load(connection, back).values():
            facts = {name: fact for name, fact in record.facts.items() if name != HOLD}
            records.save(connection, replace(record, facts=facts))

    if back:
        setting.opened().write(write)


def in_trash(known: Iterable[Record]) -> list[Record]:
    """What is in the trash, longest first."""
    return sorted((record for record in known if trashed(record)), key=lambda record: record.updated_at)


def _orphan(record: Record) -> plans.TenantPlan:
    return plans.TenantPlan(record.tenant, record.product, plans.Action.ORPHANED)
