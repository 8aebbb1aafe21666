"""One tenant at a time, for who works through many for a long time: what is wanted of each, and doing it.

``reconcile.apply`` looks at all tenants and then works; here the look that counts is the one under the tenant's lease.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from reconciler import errors
from reconciler.engine import crew, objections, observe, planner, removal
from reconciler.engine.progress import Progress
from reconciler.engine.setting import Setting
from reconciler.model import plan as plans
from reconciler.model.goal import Goal
from reconciler.model.outcome import Outcome, Result
from reconciler.model.record import Record
from reconciler.model.tenant import Tenant
from reconciler.ports.store import leases

Consent = Callable[[plans.TenantPlan], errors.ReconcileError | None]


@dataclass(frozen=True, slots=True)
class Roll:
    """Who there is at one moment, and what speaks against changing anything on a server.

    ``known`` are the records without what they remember of resources, by tenant. ``tenants`` are those with a spec; of
    one that can't be worked on, whatever it is found in, there is the plan that says why.
    """

    setting: Setting
    known: Mapping[str, Record]
    tenants: Mapping[str, Tenant[Any, Any] | plans.TenantPlan]
    left: Mapping[tuple[str, str], str]
    refused: Mapping[str, errors.ReconcileError | list[errors.Refused]]

    def wanted(self, name: str) -> Tenant[Any, Any] | plans.TenantPlan | None:
        """The tenant as it is to be worked on; the plan that only speaks of it; None where nothing is known to do."""
        if name in self.tenants:
            return self.tenants[name]
        going, others = removal.leaving(self.setting, self.known, [name], allowed=None)
        return next((tenant for tenant in going if tenant.name == name), None) or next(
            (entry for entry in others if entry.tenant == name), None
        )

    def server_of(self, name: str) -> str:
        """The name of the database server that the work on a tenant goes to; empty if that is not known."""
        tenant = self.tenants.get(name)
        if isinstance(tenant, Tenant):
            return tenant.server.name
        return self.known[name].server if name in self.known else ""


def call(setting: Setting) -> Roll:
    """Call the roll. Errors: ``ServerUnreachable`` of the central server, ``StoreFailed``."""
    known = setting.records(each=_short)
    everyone = removal.guarded(setting, known, setting.tenants(known), allowed=None)
    tenants: dict[str, Tenant[Any, Any] | plans.TenantPlan] = {tenant.name: tenant for tenant in everyone}
    tenants |= {entry.tenant: entry for entry in removal.stranded(setting, known, ())}
    with observe.overview(setting, [], deep=False) as look:
        servers = {record.server for record in known.values() if record.server in setting.servers}
        servers |= {tenant.server.name for tenant in everyone}
        refused = objections.of_servers(setting, servers, look, acts=True)
    return Roll(setting, known, tenants, objections.left_behind(setting, known), refused)


def work(
    roll: Roll,
    name: str,
    held: leases.Leases,
    progress: Progress,
    consent: Consent,
    setting: Setting,
    *,
    looked: Callable[[plans.TenantPlan], None] | None = None,
) -> Outcome:
    """Bring one tenant to where it is wanted, whatever it was found in; ``setting`` is the roll's with an own ``stop``.

    ``consent`` is asked about the plan that was made under the lease, and says why it must not be carried out;
    ``looked`` hears of it also where there is nothing to do.
    """
    wanted = roll.wanted(name)
    if not isinstance(wanted, Tenant):
        settled = crew.settle(crew.tools_of(setting, progress), held, name)
        if bad := next((outcome for outcome in settled if outcome.result in (Result.LEASED, Result.STUCK)), None):
            return bad
        if wanted is not None and wanted.blockers:
            return crew.blocked(wanted)
        return Outcome(name, Result.UNCHANGED)

    def asked(tenant: Tenant[Any, Any], planned: plans.TenantPlan) -> plans.TenantPlan | errors.ReconcileError:
        found = _against(setting, roll, tenant.server.name)
        if isinstance(found, errors.ReconcileError):
            return planner.refusal(tenant, found)
        if blockers := tuple(planner.blocker(error, tenant) for error in found):
            return replace(planned, action=plans.Action.BLOCKED, blockers=blockers)
        if tenant.goal is Goal.PRESENT:
            planned = objections.unclaimed(setting, tenant, planned, roll.left)
        return planned if planned.blockers else consent(planned) or planned

    workers = crew.Crew(
        setting,
        progress,
        held,
        crew.tools_of(setting, progress),
        parallel=1,
        deep=False,
        keep_going=True,
        consent=asked,
        looked=looked,
    )
    [outcome] = workers.each([wanted])
    return outcome


def _against(setting: Setting, roll: Roll, server: str) -> errors.ReconcileError | list[errors.Refused]:
    """What speaks against changes on a server. What did when the roll was called may be mended since, so that is asked
    again.
    """
    found = roll.refused.get(server, [])
    if not found:
        return found
    try:
        with observe.overview(setting, [], deep=False) as look:
            return objections.of_servers(setting, [server], look, acts=True)[server]
    except errors.ServerUnreachable as error:  # the central one
        return error


def _short(record: Record) -> Record:
    """Of ten thousand tenants nothing is kept that only the work on one of them needs."""
    facts = {name: record.facts[name] for name in removal.LASTING if name in record.facts}
    return replace(record, tokens={}, secrets={}, facts=facts)
