"""From what is wanted and what is seen to an ordered list of changes. Pure, but for looking through ``Sight``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from reconciler import errors
from reconciler.engine import purge
from reconciler.model import plan
from reconciler.model.change import Change, State
from reconciler.model.given import Given
from reconciler.model.goal import Goal
from reconciler.model.record import Record
from reconciler.model.step import Step
from reconciler.model.tenant import Tenant
from reconciler.ports.central import view
from reconciler.ports.mysql.census import Unseen
from reconciler.products.product import Product
from reconciler.resources.resource import Resource
from reconciler.resources.sight import Sight
from reconciler.spec import option

CATALOGUE_FACT = "catalogue"
_LOST = view.MISSING | {1054}
"""What a server says of a database, table or column that is not there."""


def plan_tenant(
    product: Product, tenant: Tenant[Any, Any], given: Given, sight: Sight
) -> tuple[plan.TenantPlan, list[Resource]]:
    """The tenant's plan, and for each of its changes the resource that makes it.

    Everything that blocks is collected, so that a person sees all of it at once. A step sees the world as the steps
    before it in the plan will have left it.
    """
    blockers = [blocker(error, tenant) for error in forbidden(tenant, given.record)]
    # Under another product, server or name everything would look foreign or gone, which is not what is wrong.
    flow = {
        Goal.PRESENT: product.flow,
        Goal.TRASHED: product.removal,
        Goal.RESTORED: product.restoration,
        Goal.PURGED: purge.steps,
    }[tenant.goal]
    steps = [] if blockers else list(flow(tenant, given))
    unknown: dict[plan.Unknown, None] = {}
    overlay: dict[tuple[str, str], State] = {}
    found: list[tuple[Step[Resource], State, list[Change]]] = []
    looks: dict[str, State] = {}
    reports: dict[plan.Report, None] = {}
    for step in steps:
        address = (step.wanted.kind, step.wanted.name)
        try:
            seen = step.wanted.observe(sight)
            looks.setdefault(" ".join(address), step.wanted.own(seen))
            for remark in step.wanted.remarks(seen):
                if isinstance(remark, plan.Report):
                    reports[remark] = None
                else:
                    unknown[remark] = None
            if address in overlay:
                seen = {**(seen or {}), **(overlay[address] or {})}
            changes = [replace(change, step=step.name) for change in step.wanted.diff(seen)]
        except Unseen as unseen:
            unknown[plan.Unknown(unseen.what, unseen.privilege)] = None
            continue
        except errors.VanishedDatabase as error:
            blockers.append(blocker(error, tenant))
            break  # nothing in it can be looked at
        except errors.Refused as error:
            blockers.append(blocker(error, tenant))
            continue
        except errors.StatementFailed as error:
            if error.errno not in _LOST:
                raise
            blockers.append(blocker(errors.SchemaDrifted(error.message), tenant))
            continue
        for change in changes:
            overlay[address] = change.after
        found.append((step, seen, changes))
    differing = frozenset(change.summary for _, _, changes in found for change in changes)
    if differing:
        for step, seen, changes in found:
            if changes:
                continue
            try:
                changes += [replace(change, step=step.name) for change in step.wanted.follow(seen)]
            except errors.Refused as error:
                blockers.append(blocker(error, tenant))
    pairs = [(change, step.wanted) for step, _, changes in found for change in changes]
    return (
        plan.TenantPlan(
            tenant=tenant.name,
            product=tenant.product,
            action=_action(tenant, given.record, bool(pairs), bool(blockers)),
            changes=tuple(change for change, _ in pairs),
            blockers=tuple(dict.fromkeys(blockers)),
            unknown=tuple(unknown),
            where=tenant.where,
            reports=tuple(reports),
            differing=differing,
            spec=_standing(tenant, sight, steps) if pairs else "",
            observed={address: plan.digest(look) for address, look in looks.items()} if pairs else {},
        ),
        [wanted for _, wanted in pairs],
    )


def _standing(tenant: Tenant[Any, Any], sight: Sight, steps: list[Step[Resource]]) -> str:
    """A digest over everything that was written by people and that a plan of this tenant stands on."""
    place, server = sight.place, tenant.server
    folders = [
        str(path.relative_to(tenant.root)) if path.is_relative_to(tenant.root) else str(path)
        for path in (place.deliveries, place.trash)
    ]
    return plan.digest(
        [
            tenant.data,
            catalogue_digest(tenant),
            [server.name, server.host, server.port, server.user, server.client_host, list(server.advertise)],
            [place.central_server, place.central_database, *folders],
            [step.wanted.bound() for step in steps],
        ]
    )


def parting(tenant: Tenant[Any, Any], record: Record | None) -> bool:
    """Whether the tenant's database would go to the trash without it."""
    if record is None or tenant.goal is not Goal.PRESENT or record.trashed:
        return False
    return bool(tenant.former) and not record.parted


def forbidden(tenant: Tenant[Any, Any], record: Record | None) -> list[errors.Refused]:
    """What the spec asks of an existing tenant that can't change in place, or must not go."""
    if record is None or tenant.goal is not Goal.PRESENT:
        return []
    if record.product == tenant.product and not tenant.database and record.database != tenant.former:
        return [
            errors.ForbiddenChange(
                f"the database {tenant.former} of tenant {tenant.name} was purged meanwhile"
                if tenant.former
                else f"tenant {tenant.name} has the database {record.database}, its spec asks for none, and product "
                f"{tenant.product} has no way to take it away",
                where=tenant.where,
                advice="Plan again." if tenant.former else "Put back what gives it a database.",
            )
        ]
    if parting(tenant, record) and not tenant.may_part:
        return [tenant.held or errors.GuardRefused(f"the database {tenant.former} came back meanwhile: plan again")]
    return [
        errors.ForbiddenChange(
            f"the {what} of tenant {tenant.name} can't change from {was} to {wanted}",
            where=tenant.at("spec", "server") if what == "server" else tenant.where,
        )
        for what, was, wanted in (
            ("product", record.product, tenant.product),
            ("server", record.server, tenant.server.name),
            ("client host", record.client_host, tenant.server.client_host),
            ("database", record.database, tenant.database or tenant.former),
        )
        if was and was != wanted
    ]


def catalogue_digest(tenant: Tenant[Any, Any]) -> str:
    """A digest over what the product sells, by which a changed catalogue is told from drift."""
    return plan.digest(option.plain(tenant.catalogue))


def refusal(tenant: Tenant[Any, Any], error: errors.ReconcileError) -> plan.TenantPlan:
    """The plan of a tenant that could not be looked at."""
    return plan.TenantPlan(
        tenant.name, tenant.product, plan.Action.BLOCKED, blockers=(blocker(error, tenant),), where=tenant.where
    )


def refused(tenant: str, product: str, error: errors.ReconcileError) -> plan.TenantPlan:
    """The plan of a tenant that must not be worked on, and of which nothing but its name is resolved."""
    said = plan.Blocker(error.code, error.message, error.next, error.where, error.exit)
    return plan.TenantPlan(tenant, product, plan.Action.BLOCKED, blockers=(said,), where=error.where)


def blocker(error: errors.ReconcileError, tenant: Tenant[Any, Any]) -> plan.Blocker:
    """An error as the plan lists it, with the spec's place where it has none of its own."""
    return plan.Blocker(error.code, error.message, error.next, error.where or tenant.where, error.exit)


def _action(tenant: Tenant[Any, Any], record: Record | None, changes: bool, blocked: bool) -> plan.Action:
    if blocked:
        return plan.Action.BLOCKED
    if not changes:
        return plan.Action.UNCHANGED
    if record is None:
        return plan.Action.CREATE
    if tenant.goal in (Goal.TRASHED, Goal.PURGED) or parting(tenant, record):
        return plan.Action.TRASH
    if record.trashed or (record.parted and tenant.database):
        return plan.Action.RESTORE
    facts: Mapping[str, Any] = record.facts.get(CATALOGUE_FACT, {})
    same = record.spec == tenant.data and facts.get("digest") == catalogue_digest(tenant)
    return plan.Action.REPAIR if same else plan.Action.UPDATE
