"""Tenants whose spec is gone, and what is in the trash: who goes, who is held, and as what they are worked on."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from reconciler import errors
from reconciler.engine import guard, planner
from reconciler.engine.setting import Setting
from reconciler.model import plan as plans
from reconciler.model.goal import Goal
from reconciler.model.record import PARTED, Record
from reconciler.model.tenant import Tenant
from reconciler.ports.store import journal, leases, records
from reconciler.spec.document import Document

HOLD = "hold"
"""The fact of a tenant that was taken out of the trash although no spec asks for it: it is not trashed again."""


LASTING = frozenset({HOLD, PARTED, guard.NOTES})
"""The facts of a record that a removal is decided by."""


def trashed(record: Record) -> bool:
    """Whether the tenant is in the trash."""
    return record.trashed


def tenant_of(setting: Setting, record: Record, goal: Goal) -> Tenant[Any, Any]:
    """A tenant without a spec, as its record and today's catalogue have it; ``goal`` is what is wanted of it.

    Errors: ``GuardRefused`` where its product, catalogue or server is no longer there.
    """
    product = setting.products.get(record.product)
    catalogue = product.catalogue(setting.specs) if product else None
    server = setting.servers.get(record.server)
    if product is None or catalogue is None or server is None:
        message, advice = _lost(record, "server" if server is None else "product")
        raise errors.GuardRefused(message, advice=advice)
    return Tenant(
        name=record.tenant,
        product=record.product,
        root=setting.source,
        server=replace(server, client_host=record.client_host),
        database=record.database,
        spec=product.tenant_kind.build(record.spec),
        catalogue=catalogue.spec,
        written=lambda: dict(record.spec),
        where=errors.Where(""),
        goal=goal,
        former=record.database if goal is Goal.PURGED and record.parted else "",
    )


def stranded(setting: Setting, known: Mapping[str, Record], chosen: Collection[str]) -> list[plans.TenantPlan]:
    """The plans of the tenants with a spec, of all or of those that are ``chosen``, that can't be worked on because
    the server that they were made on, and that no spec names, is no longer there.
    """
    found = []
    for document in setting.stranded(known, chosen):
        record = known[document.name]
        message, advice = _lost(record, "server")
        advice = f"{advice} The tenant can't move to another one."
        error = errors.ForbiddenChange(message, where=document.where, advice=advice)
        found.append(planner.refused(record.tenant, record.product, error))
    return found


def leaving(
    setting: Setting, known: Mapping[str, Record], chosen: Collection[str], *, allowed: int | None
) -> tuple[list[Tenant[Any, Any]], list[plans.TenantPlan]]:
    """The tenants that are to go to the trash, and the plans of those without a spec that stay or are held; of all, or
    of those that are ``chosen``.
    """
    present = {document.name for document in setting.specs.tenants}
    gone = [record for name, record in known.items() if name not in present and not record.trashed]
    if setting.hidden is None or setting.hidden & {record.tenant for record in gone}:
        # What can't be read is not absent. Who else is gone waits with them, so that the guards see all at once.
        return [], [_hidden(record) for record in gone if not chosen or record.tenant in chosen]
    if not setting.platform.guards.prune:
        return [], [_orphan(record) for record in gone if not chosen or record.tenant in chosen]
    going, kept = _departing(gone), [record for record in gone if _stays(record)]
    refused = _refusals(setting, known, going, allowed)
    going, kept = ([r for r in found if not chosen or r.tenant in chosen] for found in (going, kept))
    tenants, others = [], [_orphan(record) for record in kept]
    for record in going:
        try:
            if record.tenant in refused:
                raise refused[record.tenant]
            tenants.append(tenant_of(setting, record, Goal.TRASHED))
        except errors.GuardRefused as error:
            others.append(planner.refused(record.tenant, record.product, error))
    return tenants, others


def guarded(
    setting: Setting, known: Mapping[str, Record], tenants: list[Tenant[Any, Any]], *, allowed: int | None
) -> list[Tenant[Any, Any]]:
    """The tenants; of those whose database is to go to the trash without them, each says whether that may be."""
    if not any(tenant.former for tenant in tenants):
        return tenants
    present = {document.name for document in setting.specs.tenants}
    gone = [record for name, record in known.items() if name not in present and not record.trashed]
    refused = _refusals(setting, known, _departing(gone), allowed)
    return [_guarded(setting, tenant, refused) if tenant.former else tenant for tenant in tenants]


def remember(
    setting: Setting, known: Mapping[str, Record], chosen: Collection[str], held: leases.Leases | None = None
) -> None:
    """Bring the records of all tenants, or of the ``chosen``, up to what their specs say of removal: what annotations
    keep them, and that a tenant with a spec is not held against git any more.

    Nothing else of a tenant changes with that, so it is no transaction; it is written under the tenant's lease. A
    tenant that somebody works on is left to the next apply, and to the commit of who works on it. ``held`` are the
    leases of this process, where it has some: two sets of leases take each other's for those of a process that died.
    """
    blamed = {fault.tenant for fault in setting.faults if fault.tenant}
    behind = [
        document
        for document in setting.specs.tenants
        if (record := known.get(document.name)) is not None
        and (not chosen or document.name in chosen)
        and document.spec is not None
        and document.name not in blamed
        and _up_to_date(record, document.annotations) != record.facts
    ]
    if not behind:
        return
    mine = held or setting.leases()
    try:
        for document in behind:
            with suppress(errors.TenantLeased, errors.LeaseLost):
                lease = mine.acquire(document.name)
                try:
                    leases.fenced(setting.opened(), lease, functools.partial(_write_down, document=document))
                finally:
                    mine.release(lease)
    finally:
        if held is None:
            mine.close()


def _write_down(connection: sa.Connection, document: Document) -> None:
    if journal.unsettled(connection, [document.name]):
        return  # what a dead process left open is settled first
    for record in records.load(connection, [document.name]).values():
        records.save(connection, replace(record, facts=_up_to_date(record, document.annotations)))


def _up_to_date(record: Record, annotations: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    facts = {name: fact for name, fact in record.facts.items() if name != HOLD}
    guard.remember(facts, annotations)
    return facts


def unwanted(setting: Setting, record: Record) -> None:
    """Errors: ``GuardRefused`` if the specs ask for what is in the trash of this tenant, or can't be read."""
    documents = [document for document in setting.specs.tenants if document.name == record.tenant]
    if setting.specs.unread:
        again = "a file that may hold its spec can't be read"
    elif not record.parted:
        again = "it has a spec again" if documents else ""
    else:
        asking = [tenant for tenant in setting.tenants({record.tenant: record}) if tenant.name == record.tenant]
        again = "" if not documents or (asking and asking[0].former) else "its spec is invalid, or asks for it again"
    if again:
        raise errors.GuardRefused(
            f"{f'the database {record.database} of ' if record.parted else ''}tenant {record.tenant} is not purged: "
            f"{again}",
            advice="`reconcile apply` restores what a spec asks for; mend what `reconcile validate` shows.",
        )


def in_trash(known: Iterable[Record]) -> list[Record]:
    """What is in the trash, longest first: tenants, and databases of tenants that live."""
    found = [record for record in known if record.trashed or record.parted]
    return sorted(found, key=lambda record: record.parted or record.updated_at)


def _lost(record: Record, what: str) -> tuple[str, str]:
    """What is said of a tenant whose server or product has no document, and the way out."""
    gone = f"{what} {record.server if what == 'server' else record.product}"
    message = f"tenant {record.tenant} can't be worked on: its {gone} is no longer in the specs"
    return message, f"Put the {what}'s document back under specs/."


def _departing(gone: Iterable[Record]) -> list[Record]:
    return [record for record in gone if not _stays(record)]


def _stays(record: Record) -> bool:
    """Whether it stays although its spec is gone: a person, or its spec, has said so."""
    return HOLD in record.facts or guard.PRUNE in guard.noted(record)


def _refusals(
    setting: Setting, known: Mapping[str, Record], going: Iterable[Record], allowed: int | None
) -> dict[str, errors.GuardRefused]:
    """Who must not go, and whose database must not. All that go count, whichever are chosen: else they could be let go
    one by one.
    """
    leaving = {record.tenant: guard.noted(record) for record in going}
    staying = {name for name, record in known.items() if not record.trashed} - leaving.keys()
    return guard.refusals({**leaving, **_parting(setting, known)}, staying, setting.platform.guards, allowed=allowed)


def _parting(setting: Setting, known: Mapping[str, Record]) -> dict[str, Mapping[str, str]]:
    """The tenants whose database is to go to the trash without them, with what their annotations say."""
    found: dict[str, Mapping[str, str]] = {}
    for product in setting.products.values():
        catalogue = product.catalogue(setting.specs) if product.parts else None
        for document in setting.specs.of(product.tenant_kind.name) if catalogue is not None else ():
            record = known.get(document.name)
            if record is None or not record.database or record.product != product.name or document.spec is None:
                continue
            if catalogue is None or record.trashed or record.parted:
                continue
            said = guard.notes(document.annotations)
            if guard.PRUNE not in said and not product.database(document.name, document.spec, catalogue.spec):
                found[document.name] = said
    return found


def _guarded(
    setting: Setting, tenant: Tenant[Any, Any], refused: Mapping[str, errors.GuardRefused]
) -> Tenant[Any, Any]:
    what = f"the database {tenant.former} of tenant {tenant.name} is no longer asked for, and would go to the trash; "
    way = "Put back what asks for it (cloudSync: true), or suspend the tenant, which locks its accounts"
    if not setting.platform.guards.prune:
        said, way = "guards.prune is false", f"{way}; guards.prune: true in specs/platform.yaml lets it go."
    elif guard.PRUNE in guard.notes(tenant.annotations):
        said, way = f"the annotation {guard.PRUNE}: disabled keeps it", f"{way}; without the annotation it goes."
    elif tenant.name in refused:
        return replace(tenant, held=refused[tenant.name])
    else:
        return replace(tenant, may_part=True)
    return replace(tenant, held=errors.GuardRefused(what + said, where=tenant.where, advice=way))


def _hidden(record: Record) -> plans.TenantPlan:
    error = errors.GuardRefused(
        f"tenant {record.tenant} has no spec that can be read, and a file that may hold it can't be read",
        advice="Mend what `reconcile validate` shows. Until then nothing is deleted.",
    )
    return planner.refused(record.tenant, record.product, error)


def _orphan(record: Record) -> plans.TenantPlan:
    return plans.TenantPlan(record.tenant, record.product, plans.Action.ORPHANED)
