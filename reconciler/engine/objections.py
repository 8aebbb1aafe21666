"""What speaks against a change before it is made: servers that refuse it, what a tenant without a spec still has."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from reconciler import errors
from reconciler.engine import observe, planner
from reconciler.engine.setting import Setting
from reconciler.model import plan as plans
from reconciler.model.record import Record
from reconciler.model.tenant import Tenant


def of_servers(
    setting: Setting, servers: Collection[str], look: observe.Overview, *, acts: bool
) -> dict[str, errors.ReconcileError | list[errors.Refused]]:
    """By server: what speaks against any change there, or why it can't be reached; always of the central one too.

    Errors: ``ServerUnreachable`` if that one can't be reached.
    """
    found: dict[str, errors.ReconcileError | list[errors.Refused]] = {}
    folder = look.folders()
    for name in {*servers, setting.place.central_server}:
        server = setting.servers[name]
        try:
            found[name] = [*look.refusals(server, acts), *folder]
        except errors.ServerUnreachable as error:
            if name == setting.place.central_server:
                raise
            found[name] = error
    central = found[setting.place.central_server]
    if isinstance(central, list):
        for name, mine in found.items():
            if isinstance(mine, list) and name != setting.place.central_server:
                found[name] = [*mine, *(entry for entry in central if entry not in mine)]
    return found


def left_behind(setting: Setting, known: Mapping[str, Record]) -> dict[tuple[str, str], str]:
    """What tenants on record whose spec is gone still hold for themselves, and which of them."""
    present = {document.name for document in setting.specs.tenants}
    return {
        claim: name
        for name, record in known.items()
        if name not in present and record.product in setting.products
        for claim in setting.products[record.product].claims(record.spec)
    }


def unclaimed(
    setting: Setting, tenant: Tenant[Any, Any], planned: plans.TenantPlan, left: Mapping[tuple[str, str], str]
) -> plans.TenantPlan:
    """The plan, blocked where the tenant wants what one whose spec is gone still has."""
    if not left or not planned.changes:
        return planned
    blockers = [
        planner.blocker(
            errors.ForbiddenChange(
                f"the {what} {value} still belongs to tenant {left[what, value]}, whose spec is gone",
                advice=f"Choose another {what}, or put that tenant's spec back with another one first.",
            ),
            tenant,
        )
        for what, value in setting.products[tenant.product].claims(tenant.data)
        if (what, value) in left
    ]
    if not blockers:
        return planned
    return replace(planned, action=plans.Action.BLOCKED, blockers=(*planned.blockers, *blockers))
